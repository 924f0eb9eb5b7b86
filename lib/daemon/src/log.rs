//! The log: `tracing` events to syslog, files, standard output and standard error.
//!
//! Whoever logs is never kept waiting: an event becomes a text and goes into a bounded channel; one thread
//! takes it from there and writes. If that thread is held up by a disk or a syslog daemon, the channel
//! fills, lines are dropped and counted, and the log says how many as soon as it can.
//!
//! ```text
//!  tracing::info!(...) ──► Collector (text, time, level) ──try_send──► [ 8192 lines ] ──► log thread
//!                                                     └─ full: dropped += 1                ├─► /dev/log
//!                                                                                          ├─► files
//!  Log::reconfigure, reopen ──► pending order, a wake-up in the channel ─────────────────► └─► stderr
//! ```
//!
//! Files are opened for each batch of lines and closed after it, so a file that was renamed or removed
//! (logrotate) gets a successor at once, with or without [`Log::reopen`].

mod collect;
mod format;
mod sink;
mod syslog;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::layer::SubscriberExt;

pub use format::date;
pub use syslog::{Facility, UnknownFacility};

/// Lines between those who log and the log thread.
const CHANNEL: usize = 8192;
/// How long [`Log::flush`] waits.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The syslog daemon at `/dev/log`, every level the settings let through. It may start later.
    Syslog(Facility),
    /// A file, to which lines of level info and above are appended.
    File(PathBuf),
    /// A file, to which every line is appended that the settings let through.
    DebugFile(PathBuf),
    /// Standard error. If that is systemd's journal: `<N>` (`sd-daemon(3)`) and the message only.
    Stderr,
    /// Standard output. With [`Format::Ldirectord`] without name and process id, as its `supervised` mode.
    Stdout,
}

/// What a line in a file looks like. Control characters of a message are written as `\n`, `\u{1b}` and
/// the like in every format but [`Format::Plain`], which keeps line feeds and tabs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// `Nov 20 20:14:56 host heartbeatd: [812]: info: message`, as in heartbeat's own log files; to syslog
    /// `info: message`. The levels are `ERROR`, `WARN`, `info` and `debug`, as heartbeat writes them.
    Heartbeat,
    /// `[Fri Nov 20 20:14:56 2026|NAME|812] message`, as in ldirectord's; to syslog and standard error the
    /// message only.
    Ldirectord {
        /// What ldirectord calls the configuration: its file name without folder and ending.
        name: String,
    },
    /// The message only.
    Plain,
}

/// What is logged, where to, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The program's name in syslog and in [`Format::Heartbeat`].
    pub ident: String,
    /// Any number; none is a log that is thrown away.
    pub targets: Vec<Target>,
    /// How lines look.
    pub format: Format,
    /// The least important level that is logged at all.
    pub level: tracing::Level,
}

/// The running log. When it is dropped, what was logged until then is written (within two seconds).
#[derive(Debug)]
pub struct Log {
    shared: Arc<writer::Shared>,
}

/// Starts the log thread and makes it the process's `tracing` subscriber.
///
/// # Errors
/// There is a subscriber already, a log file cannot be opened (with its path), or no thread can be started.
pub fn start(settings: Settings) -> io::Result<Log> {
    sink::check(&settings.targets)?;
    let (log, collector) = writer::start(settings, syslog::SOCKET.into(), CHANNEL)?;
    let subscriber = tracing_subscriber::registry().with(collector);
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|error| io::Error::new(io::ErrorKind::AlreadyExists, error))?;
    Ok(log)
}

impl Log {
    /// Other settings from now on. Never waits; a file that cannot be opened is reported in the others.
    pub fn reconfigure(&self, settings: Settings) {
        self.shared.reconfigure(settings);
    }

    /// For SIGHUP after a rotation: the files exist again, those that could not be opened are tried again.
    /// Never waits.
    pub fn reopen(&self) {
        self.shared.reopen();
    }

    /// How many lines were dropped since the start because the log thread was held up.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped()
    }

    /// Waits until everything logged so far is written, for two seconds at most.
    pub fn flush(&self) {
        self.shared.flush(FLUSH_PATIENCE);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests;
