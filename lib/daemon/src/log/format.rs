//! What a line looks like. Pure: time, zone, host and process id come in.

use std::fmt::Write;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::Level;

use super::syslog::{Facility, severity};
use super::{Format, Settings};

/// The moment in a line of ldirectord.
const DATE: &str = "%a %b %e %H:%M:%S %Y";

/// One event on its way to the targets.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) time: Timestamp,
    pub(super) level: Level,
    pub(super) text: String,
}

/// What is the same in every line of this process.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) pid: u32,
    pub(super) zone: TimeZone,
}

/// A moment as ldirectord writes it, in local time: `Fri Nov 20 20:14:56 2026`.
pub fn date(time: SystemTime) -> String {
    let time = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_zoned(TimeZone::system()).strftime(DATE).to_string()
}

impl Place {
    pub(super) fn here() -> Place {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Place { host, pid: std::process::id(), zone: TimeZone::system() }
    }

    fn time(&self, line: &Line, format: &str) -> String {
        line.time.to_zoned(self.zone.clone()).strftime(format).to_string()
    }
}

/// A line of a file, without its line feed.
pub(super) fn for_file(line: &Line, settings: &Settings, place: &Place) -> String {
    let Place { host, pid, .. } = place;
    match &settings.format {
        Format::Heartbeat => {
            let time = place.time(line, "%b %d %H:%M:%S");
            let body = body(line, &settings.format);
            format!("{time} {host} {}: [{pid}]: {body}", settings.ident)
        }
        Format::Ldirectord { name } => {
            let time = place.time(line, DATE);
            format!("[{time}|{name}|{pid}] {}", body(line, &settings.format))
        }
        Format::Plain => body(line, &settings.format),
    }
}

/// A line of standard output, without its line feed.
pub(super) fn for_stdout(line: &Line, settings: &Settings, place: &Place) -> String {
    match &settings.format {
        Format::Ldirectord { .. } => {
            let time = place.time(line, DATE);
            format!("[{time}] {}", body(line, &settings.format))
        }
        Format::Heartbeat | Format::Plain => for_file(line, settings, place),
    }
}

/// A line of standard error, without its line feed; `journal` if that is systemd's journal, which knows
/// time, host and process itself and takes the severity from the front of each line.
pub(super) fn for_stderr(line: &Line, settings: &Settings, place: &Place, journal: bool) -> String {
    if journal {
        let prefix = format!("<{}>", severity(line.level));
        return format!("{prefix}{}", body(line, &settings.format).replace('\n', &format!("\n{prefix}")));
    }
    match &settings.format {
        Format::Ldirectord { .. } => body(line, &settings.format),
        Format::Heartbeat | Format::Plain => for_file(line, settings, place),
    }
}

/// A datagram for `/dev/log`.
pub(super) fn for_syslog(line: &Line, settings: &Settings, place: &Place, facility: Facility) -> String {
    let priority = facility as u8 * 8 + severity(line.level);
    let time = place.time(line, "%b %e %H:%M:%S");
    let body = match settings.format {
        Format::Plain => escaped(&line.text, false),
        _ => body(line, &settings.format),
    };
    format!("<{priority}>{time} {}[{}]: {body}", settings.ident, place.pid)
}

fn body(line: &Line, format: &Format) -> String {
    match format {
        Format::Heartbeat => format!("{}: {}", word(line.level), escaped(&line.text, false)),
        Format::Ldirectord { .. } => escaped(&line.text, false),
        Format::Plain => escaped(&line.text, true),
    }
}

/// A level as heartbeat writes it.
fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "info",
        _ => "debug",
    }
}

/// Control characters made visible: what a peer or a script supplied must not look like another line, nor
/// command the terminal on which the log is read.
fn escaped(text: &str, keep_layout: bool) -> String {
    if !text.contains(char::is_control) {
        return text.to_string();
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for symbol in text.chars() {
        match symbol {
            '\n' | '\t' if keep_layout => clean.push(symbol),
            '\t' => clean.push(' '),
            _ if symbol.is_control() => {
                let _ = write!(clean, "{}", symbol.escape_default());
            }
            _ => clean.push(symbol),
        }
    }
    clean
}

#[cfg(test)]
mod tests;
