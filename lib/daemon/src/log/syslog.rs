//! Datagrams to the local syslog daemon, as the C library's `syslog(3)` sends them (RFC 3164 without host).

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Where syslog daemons listen.
pub(super) const SOCKET: &str = "/dev/log";
/// How long the log thread waits for a syslog daemon that does not read.
const SEND_LIMIT: Duration = Duration::from_millis(100);
/// After a failure, how long lines are dropped before the next try.
const RETRY: Duration = Duration::from_secs(1);
/// Longer messages are cut: rsyslog and journald accept 8 KiB and more in their default settings.
const LINE_LIMIT: usize = 8 * 1024 - 128;

/// A syslog facility (`syslog(3)`); the values are the numbers of RFC 3164.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // the names say all there is
pub enum Facility {
    Kern = 0,
    User = 1,
    Mail = 2,
    Daemon = 3,
    Auth = 4,
    Syslog = 5,
    Lpr = 6,
    News = 7,
    Uucp = 8,
    Cron = 9,
    Authpriv = 10,
    Ftp = 11,
    Local0 = 16,
    Local1 = 17,
    Local2 = 18,
    Local3 = 19,
    Local4 = 20,
    Local5 = 21,
    Local6 = 22,
    Local7 = 23,
}

/// A word that is no facility.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown syslog facility \"{0}\"; valid are auth, authpriv, cron, daemon, ftp, kern, lpr, mail, news, syslog, user, uucp, local0 to local7"
)]
pub struct UnknownFacility(pub String);

impl Facility {
    /// Every facility with its name in configuration files.
    pub const ALL: [(&'static str, Facility); 20] = [
        ("auth", Facility::Auth),
        ("authpriv", Facility::Authpriv),
        ("cron", Facility::Cron),
        ("daemon", Facility::Daemon),
        ("ftp", Facility::Ftp),
        ("kern", Facility::Kern),
        ("lpr", Facility::Lpr),
        ("mail", Facility::Mail),
        ("news", Facility::News),
        ("syslog", Facility::Syslog),
        ("user", Facility::User),
        ("uucp", Facility::Uucp),
        ("local0", Facility::Local0),
        ("local1", Facility::Local1),
        ("local2", Facility::Local2),
        ("local3", Facility::Local3),
        ("local4", Facility::Local4),
        ("local5", Facility::Local5),
        ("local6", Facility::Local6),
        ("local7", Facility::Local7),
    ];
}

impl FromStr for Facility {
    type Err = UnknownFacility;

    /// Reads a facility's name, in small or capital letters; `security`, the old name of `auth`, too.
    fn from_str(word: &str) -> Result<Facility, UnknownFacility> {
        let name = if word.eq_ignore_ascii_case("security") { "auth" } else { word };
        let found = Facility::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, facility)| *facility).ok_or_else(|| UnknownFacility(word.to_string()))
    }
}

/// The syslog severity of a level (RFC 3164): error 3, warning 4, info 6, debug 7.
pub(super) fn severity(level: tracing::Level) -> u8 {
    match level {
        tracing::Level::ERROR => 3,
        tracing::Level::WARN => 4,
        tracing::Level::INFO => 6,
        _ => 7,
    }
}

/// The connection to the syslog daemon, made when there is something to say and again after a failure.
#[derive(Debug)]
pub(super) struct Connection {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    quiet_until: Option<Instant>,
}

impl Connection {
    pub(super) fn new(path: PathBuf) -> Connection {
        Connection { path, socket: None, quiet_until: None }
    }

    /// Sends one line. After a failure nothing is sent for a second, so that a syslog daemon that hangs
    /// does not hold up the other targets.
    pub(super) fn send(&mut self, line: &str) -> io::Result<()> {
        if self.quiet_until.is_some_and(|until| Instant::now() < until) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let line = cut(line).as_bytes();
        // A restarted daemon has a new socket of the same name: the old connection fails, a new one works.
        let result = self.send_once(line).or_else(|error| {
            self.socket = None;
            if error.kind() == io::ErrorKind::WouldBlock { Err(error) } else { self.send_once(line) }
        });
        self.quiet_until = result.is_err().then(|| Instant::now() + RETRY);
        result
    }

    fn send_once(&mut self, line: &[u8]) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => {
                let socket = UnixDatagram::unbound()?;
                socket.set_write_timeout(Some(SEND_LIMIT))?;
                socket.connect(&self.path)?;
                socket
            }
        };
        socket.send(line)?;
        self.socket = Some(socket);
        Ok(())
    }
}

fn cut(line: &str) -> &str {
    let mut end = line.len().min(LINE_LIMIT);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.get(..end).unwrap_or_default()
}
