//! `check`: what becomes of an existing configuration.
//!
//! The files are read by the parsers that the new programs have; what those refuse or warn of is shown with its place. What the
//! parsers accept is compared with what is known of the old programs, line by line.

mod account;
mod defaults;
mod director;
mod gone;
mod ha_cf;
mod haresources;
mod keys;
mod scripts;
#[cfg(test)]
mod tests;

use crate::finding::{FileFindings, Summary};
use config::{Report, Source};
use std::path::{Path, PathBuf};

/// Where the files are.
#[derive(Clone, Debug)]
pub struct Places {
    /// `/etc/ha.d`, or a copy of it.
    pub directory: PathBuf,
    /// `/etc/default`, or a copy of it.
    pub defaults: PathBuf,
    /// The node for which they are read, lower case; found out if it is not named.
    pub node: Option<String>,
    /// Names of hosts are not looked up.
    pub offline: bool,
}

/// Why nothing was checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It is not there, or no directory.
    #[error("{0}: no such directory; give the one that has ha.cf and ldirectord.cf")]
    NoDirectory(PathBuf),
    /// None of the files is there.
    #[error("{0}: there is no ha.cf, authkeys, haresources or ldirectord.cf")]
    NoFiles(PathBuf),
}

/// The files of the daemon; a machine has all of them or none.
const HEARTBEAT: [&str; 3] = ["ha.cf", "authkeys", "haresources"];

/// Reads and judges everything.
///
/// # Errors
/// There is nothing to read.
pub fn directory(places: &Places) -> Result<Summary, CheckError> {
    let folder = &places.directory;
    if !folder.is_dir() {
        return Err(CheckError::NoDirectory(folder.clone()));
    }
    let present = |name: &&str| folder.join(name).exists();
    let node = places.node.clone().unwrap_or_else(|| node(folder));
    let mut files = Vec::new();
    if HEARTBEAT.iter().any(present) {
        heartbeat(places, &node, &mut files);
    }
    director::files(places, &mut files);
    if files.is_empty() {
        return Err(CheckError::NoFiles(folder.clone()));
    }
    scripts::folder(folder, &mut files);
    defaults::files(&places.defaults, &mut files);
    Ok(Summary::new(node, files))
}

/// `ha.cf`, `authkeys` and `haresources`, which only together say whether the daemon starts.
fn heartbeat(places: &Places, node: &str, files: &mut Vec<FileFindings>) {
    let reading = heartbeatd::config::read(&places.directory, node);
    for report in &reading.reports {
        let mut file = FileFindings::of(report);
        let name = file.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match name.as_str() {
            "ha.cf" => ha_cf::judge(&mut file),
            "authkeys" => keys::judge(&mut file),
            _ => haresources::judge(places, node, report, &mut file),
        }
        files.push(file);
    }
}

/// This machine's name if the files are this machine's, else the first one of `ha.cf`.
fn node(folder: &Path) -> String {
    let own = heartbeatd::config::node_name(folder).unwrap_or_default();
    let nodes = nodes(folder);
    match nodes.contains(&own) {
        true => own,
        false => nodes.into_iter().next().unwrap_or(own),
    }
}

/// The nodes of `ha.cf`, lower case.
fn nodes(folder: &Path) -> Vec<String> {
    let Ok(source) = Source::read(folder.join("ha.cf")) else { return Vec::new() };
    let lines = heartbeatd::config::written(&source).into_iter().filter(|line| line.directive == "node");
    lines.flat_map(|line| line.values).map(|name| name.to_lowercase()).collect()
}

/// Whether a parser refuses a line: then nothing else is to be said about it.
fn has_error(report: &Report, line: usize) -> bool {
    let errors = report.diagnostics().iter().filter(|note| note.level == config::Level::Error);
    errors.filter_map(|note| note.span).any(|span| report.source().position(span.start).line == line)
}
