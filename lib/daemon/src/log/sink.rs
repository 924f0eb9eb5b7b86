//! The targets: each takes a batch of lines, and keeps count of what it could not write.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tracing::Level;

use super::format::{self, Line, Place};
use super::syslog::{Connection, Facility};
use super::{Settings, Target};

/// A target at work.
#[derive(Debug)]
pub(super) struct Sink {
    kind: Kind,
    /// Lines that could not be written since the last success, and the first reason.
    lost: u64,
    reason: String,
}

#[derive(Debug)]
enum Kind {
    Syslog(Facility, Connection),
    File { path: PathBuf, least: Level },
    Stderr { journal: bool },
    Stdout,
}

/// Opens every file once.
///
/// # Errors
/// The first that cannot be opened, with its path.
pub(super) fn check(targets: &[Target]) -> io::Result<()> {
    for target in targets {
        if let Target::File(path) | Target::DebugFile(path) = target {
            make_exist(path)?;
        }
    }
    Ok(())
}

impl Sink {
    pub(super) fn new(target: &Target, syslog_socket: &Path) -> Sink {
        let kind = match target {
            Target::Syslog(facility) => Kind::Syslog(*facility, Connection::new(syslog_socket.to_path_buf())),
            Target::File(path) => Kind::File { path: path.clone(), least: Level::INFO },
            Target::DebugFile(path) => Kind::File { path: path.clone(), least: Level::TRACE },
            Target::Stderr => Kind::Stderr { journal: stderr_is_journal() },
            Target::Stdout => Kind::Stdout,
        };
        Sink { kind, lost: 0, reason: String::new() }
    }

    /// Writes the lines, after a word about those that were lost before.
    pub(super) fn write(&mut self, lines: &[Line], settings: &Settings, place: &Place) {
        if self.lost > 0 {
            let text = format!("{} lines could not be written here: {}", self.lost, self.reason);
            let apology = Line { time: Timestamp::now(), level: Level::WARN, text };
            if self.kind.write(&[apology], settings, place).is_ok() {
                self.lost = 0;
            }
        }
        if let Err((count, error)) = self.kind.write(lines, settings, place) {
            if self.lost == 0 {
                self.reason = error.to_string();
            }
            self.lost += count;
        }
    }

    /// Makes a file exist again, and has syslog tried again at once.
    ///
    /// # Errors
    /// A file that cannot be opened, for the other targets to report.
    pub(super) fn reopen(&mut self, syslog_socket: &Path) -> io::Result<()> {
        match &mut self.kind {
            Kind::File { path, .. } => make_exist(path)?,
            Kind::Syslog(_, connection) => *connection = Connection::new(syslog_socket.to_path_buf()),
            Kind::Stderr { .. } | Kind::Stdout => {}
        }
        Ok(())
    }
}

impl Kind {
    /// Writes the lines; the error is how many were not written, and why the first was not.
    fn write(&mut self, lines: &[Line], settings: &Settings, place: &Place) -> Result<(), (u64, io::Error)> {
        match self {
            Kind::Syslog(facility, connection) => {
                let mut failed = None;
                for line in lines {
                    let text = format::for_syslog(line, settings, place, *facility);
                    if let Err(error) = connection.send(&text) {
                        failed.get_or_insert((0, error)).0 += 1;
                    }
                }
                failed.map_or(Ok(()), Err)
            }
            Kind::File { path, least } => {
                let wanted = || lines.iter().filter(|line| line.level <= *least);
                let text = joined(wanted(), |line| format::for_file(line, settings, place));
                let written = if text.is_empty() { Ok(()) } else { append(path, text.as_bytes()) };
                written.map_err(|error| (wanted().count() as u64, error))
            }
            Kind::Stderr { journal } => {
                let text = joined(lines.iter(), |line| format::for_stderr(line, settings, place, *journal));
                io::stderr().write_all(text.as_bytes()).map_err(|error| (lines.len() as u64, error))
            }
            Kind::Stdout => {
                let text = joined(lines.iter(), |line| format::for_stdout(line, settings, place));
                let mut output = io::stdout().lock();
                let written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
                written.map_err(|error| (lines.len() as u64, error))
            }
        }
    }
}

fn joined<'a>(lines: impl Iterator<Item = &'a Line>, format: impl Fn(&Line) -> String) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(&format(line));
        text.push('\n');
    }
    text
}

/// Creates the file if it is missing. A FIFO or a terminal is not touched: to open it could wait for ever.
fn make_exist(path: &Path) -> io::Result<()> {
    if path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return Ok(());
    }
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot open log file {}: {error}", path.display()))
    };
    open(path).map(|_| ()).map_err(named)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o644).open(path)
}

/// One `write(2)` for the whole batch: with `O_APPEND`, lines of several programs do not mix.
fn append(path: &Path, text: &[u8]) -> io::Result<()> {
    open(path)?.write_all(text)
}

/// True if standard error is what `JOURNAL_STREAM` says (`systemd.exec(5)`): the variable alone may have
/// been inherited by a program whose standard error is something else.
fn stderr_is_journal() -> bool {
    let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else { return false };
    let Some((device, inode)) = stream.split_once(':') else { return false };
    let Ok(found) = rustix::fs::fstat(io::stderr()) else { return false };
    device.parse() == Ok(found.st_dev) && inode.parse() == Ok(found.st_ino)
}
