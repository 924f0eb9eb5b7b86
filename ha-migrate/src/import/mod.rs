//! `import`: what another program's configuration becomes.
//!
//! ```text
//!  keepalived.conf ──► tree ──► vrrp, services ─┐
//!  lvs.cf ────────────► piranha ────────────────┼─► Output: ha.cf, authkeys, haresources, ldirectord.cf, scripts
//!  ipvsadm -S ────────► ipvsadm ────────────────┘   and what has no equivalent, by file and line
//! ```
//!
//! What is written passes the checks of the programs that will read it: a service or a group that they would refuse is
//! written as a comment, and said ([`director`], [`pair`]).

pub mod director;
pub mod ipvsadm;
pub mod keepalived;
pub mod pair;
pub mod piranha;
#[cfg(test)]
mod tests;

use crate::finding::{FileFindings, Summary, Verdict};
use config::{Source, Span};
use std::fs::Permissions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Of times after which the kernel forgets a connection: what is the case, and what to do.
const TIMEOUTS: (&str, &str) = (
    "directord leaves the kernel's timeouts of connections as they are",
    "\"ipvsadm --set TCP TCPFIN UDP\", in seconds, at every boot of both nodes; 0 leaves a value as it is",
);

/// Whose files they are.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node that the files are of.
    pub node: String,
    /// The other node; without it no pair is written.
    pub peer: Option<String>,
    /// Where the result is written.
    pub output: PathBuf,
    /// Where it is to be on both nodes: scripts are named by it.
    pub install: PathBuf,
    /// The secret of the new pair.
    pub secret: String,
}

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Below the output directory.
    pub name: String,
    /// What is in it.
    pub text: String,
    /// Its permission bits.
    pub mode: u32,
}

/// What an import gives.
#[derive(Clone, Debug)]
pub struct Output {
    /// To write.
    pub files: Vec<NewFile>,
    /// What is to be said.
    pub notes: Notes,
}

/// A piece of one of the files that are imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which file.
    pub file: usize,
    /// Where in it.
    pub span: Span,
}

/// What is said about the files that are imported.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// By file, in the order in which they were read.
    pub files: Vec<FileFindings>,
}

impl Notes {
    /// A new file; its number.
    pub fn file(&mut self, source: Source) -> usize {
        self.files.push(FileFindings::new(source));
        self.files.len() - 1
    }

    /// Nothing does the same; what to do instead.
    pub fn lost(&mut self, place: Place, subject: &str, message: impl Into<String>, advice: &str) {
        self.add(Verdict::Lost, place, subject, message, Some(advice));
    }

    /// It is done, but otherwise.
    pub fn differs(&mut self, place: Place, subject: &str, message: impl Into<String>) {
        self.add(Verdict::Differs, place, subject, message, None);
    }

    /// Something that the author should see.
    pub fn look(&mut self, place: Place, subject: &str, message: impl Into<String>) {
        self.add(Verdict::Look, place, subject, message, None);
    }

    /// It was taken over.
    pub fn same(&mut self, place: Place, subject: &str) {
        self.add(Verdict::Same, place, subject, "is taken over", None);
    }

    fn add(
        &mut self,
        verdict: Verdict,
        place: Place,
        subject: &str,
        message: impl Into<String>,
        advice: Option<&str>,
    ) {
        if let Some(file) = self.files.get_mut(place.file) {
            file.add(verdict, Some(place.span), Some(subject), message, advice);
        }
    }
}

impl Output {
    /// What is to be said, as a whole.
    pub fn summary(&self, node: &str) -> Summary {
        Summary::new(node.to_owned(), self.notes.files.clone())
    }

    /// Writes the files.
    ///
    /// # Errors
    /// One is there already and `force` is not set, or it cannot be written; nothing is written in the first case.
    pub fn write(&self, folder: &Path, force: bool) -> Result<(), WriteError> {
        let taken = self.files.iter().map(|file| folder.join(&file.name)).find(|path| path.exists());
        if let Some(path) = taken.filter(|_| !force) {
            return Err(WriteError::Exists(path));
        }
        for file in &self.files {
            let path = folder.join(&file.name);
            write(&path, file).map_err(|error| WriteError::Failed(path, error))?;
        }
        Ok(())
    }
}

/// A new file under another name first: nobody sees half of it, and it is never more open than it should be.
fn write(path: &Path, file: &NewFile) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        std::fs::create_dir_all(folder)?;
        if file.mode & 0o111 != 0 {
            // who calls a program need not be who has written it, whatever umask says
            std::fs::set_permissions(folder, Permissions::from_mode(0o755))?;
        }
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let _ = std::fs::remove_file(&name);
    let mut new = std::fs::OpenOptions::new().write(true).create_new(true).mode(file.mode).open(&name)?;
    new.write_all(file.text.as_bytes())?;
    new.set_permissions(Permissions::from_mode(file.mode))?;
    new.sync_all()?;
    std::fs::rename(&name, path)
}

/// Why nothing was written, or not everything.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is such a file.
    #[error("{0} is there already; choose an empty directory, or overwrite it with --force")]
    Exists(PathBuf),
    /// The system says no.
    #[error("{0}: {1}")]
    Failed(PathBuf, io::Error),
}

/// Reads a file, or standard input for `-`.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> io::Result<Source> {
    if path.as_os_str() != "-" {
        return Source::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    Ok(Source::new("standard input", String::from_utf8_lossy(&bytes).into_owned()))
}

/// A secret that nobody has guessed: 32 characters.
///
/// # Errors
/// The system has no random numbers.
pub fn secret() -> io::Result<String> {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes
        .iter()
        .filter_map(|byte| LETTERS.get(usize::from(byte & 63)))
        .map(|&letter| char::from(letter))
        .collect())
}
