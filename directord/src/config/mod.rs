//! `ldirectord.cf`: text → [`model::Config`] → [`Plan`], with every mistake of the file in one [`Report`].
//!
//! ```text
//!  lexer            parse, value, address         build, names
//!  text ──► entries ──────────────────► Config ─────────────► Plan
//!                  └──────── diagnostics ────────────┘
//! ```
//!
//! Rule: what ldirectord accepted with a meaning is accepted with that meaning. A clear intent that it
//! refused may be accepted. An accident that it accepted (a virtual address without port read as a firewall
//! mark, half a host name, half a scheduler's name) is an error that says so.

mod address;
mod build;
pub mod directive;
mod lexer;
mod mail;
pub mod model;
mod names;
mod parse;
pub mod plan;
mod strict;
pub(crate) mod time;
mod value;

pub use build::DEFAULT_LOG;
pub use config::{Report, Source};
pub use lexer::{Written, written};
pub use mail::{Address, Alerts, MailHost, Phase, Phases};
pub use names::{Names, SystemNames};
pub(crate) use parse::SCHEDULERS;
pub use plan::{Check, Plan, RealServer, Settings, VirtualService};

use std::path::{Path, PathBuf};

/// A file that can be used: its plan, and the warnings about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it asks for.
    pub plan: Plan,
    /// Warnings only.
    pub report: Report,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It has errors.
    #[error("{}", .0.render())]
    Refused(Box<Report>),
}

/// Reads, resolves and validates a file. Blocks while names are resolved.
pub fn load(path: &Path, names: &dyn Names) -> Result<Loaded, LoadError> {
    let source =
        Source::read(path).map_err(|error| LoadError::Unreadable { path: path.to_path_buf(), error })?;
    load_source(source, names)
}

/// [`load`] for a text that is already there.
pub fn load_source(source: Source, names: &dyn Names) -> Result<Loaded, LoadError> {
    let mut notes = value::Notes::new();
    let config = parse::parse(&source, &mut notes);
    let plan = build::build(&config, names, &mut notes);
    notes.sort_by_key(|note| note.span.map(|span| span.start));
    let mut report = Report::new(source);
    for note in notes {
        report.push(note);
    }
    if report.has_errors() { Err(LoadError::Refused(Box::new(report))) } else { Ok(Loaded { plan, report }) }
}

/// What ldirectord 4.12 would refuse of a file, or read differently: warnings only.
pub fn ldirectords_view(source: Source) -> Report {
    let notes = strict::differences(&source);
    let mut report = Report::new(source);
    notes.into_iter().for_each(|note| report.push(note));
    report
}

#[cfg(test)]
mod tests;
