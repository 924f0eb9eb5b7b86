//! Where the log goes: the configuration's `logfile`, or a terminal.

use crate::config::Settings;
use daemon::log::{Facility, Format, Target};

/// How the daemon was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `start`, with or without `-f`.
    Normal,
    /// `-d`: everything, to standard error.
    Debug,
    /// `supervised=yes`: to standard output.
    Supervised,
}

/// Settings for the log thread.
pub(crate) fn log_settings(settings: &Settings, name: &str, mode: Mode) -> daemon::log::Settings {
    let target = match mode {
        Mode::Debug => Target::Stderr,
        Mode::Supervised => Target::Stdout,
        Mode::Normal if settings.log.starts_with('/') => Target::File(settings.log.clone().into()),
        Mode::Normal => Target::Syslog(settings.log.parse().unwrap_or(Facility::Daemon)),
    };
    daemon::log::Settings {
        ident: "ldirectord".into(),
        targets: vec![target],
        format: Format::Ldirectord { name: name.into() },
        level: if mode == Mode::Debug { tracing::Level::DEBUG } else { tracing::Level::INFO },
    }
}
