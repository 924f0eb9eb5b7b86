//! Has the configuration changed on disk? Blocking; called on a thread for such work.

use md5::{Digest as _, Md5};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long a changed file must stay the same before it is believed to be complete.
const SETTLE: Duration = Duration::from_millis(200);

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    path: PathBuf,
    stamp: Option<Stamp>,
    /// Of its content: the file may be long, and this is kept for years.
    digest: Option<Digest>,
}

/// Cheap to look at; a difference makes the content be read.
type Stamp = (Option<SystemTime>, u64, u64);

/// No file that an administrator writes has another one's digest by chance.
type Digest = [u8; 16];

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing new.
    Same,
    /// Another content, and nobody is writing any more.
    Changed,
    /// The file cannot be read (told once).
    Gone(String),
}

impl Watch {
    /// Remembers the file as it is now.
    pub(crate) fn new(path: &Path) -> Watch {
        Watch { path: path.to_path_buf(), stamp: stamp(path), digest: digest(path).ok() }
    }

    /// Knows nothing yet: the next look reads the file.
    pub(crate) fn unseen(path: &Path) -> Watch {
        Watch { path: path.to_path_buf(), stamp: None, digest: None }
    }

    /// Looks again. A file that was only touched is the same.
    pub(crate) fn look(&mut self) -> Look {
        let now = stamp(&self.path);
        if now == self.stamp {
            return Look::Same;
        }
        let first = match digest(&self.path) {
            Ok(digest) => digest,
            Err(error) => {
                // An editor may be between removing and renaming: the next look decides.
                let known = self.stamp.take().is_some();
                return if known { Look::Gone(error.to_string()) } else { Look::Same };
            }
        };
        if self.digest == Some(first) {
            self.stamp = now;
            return Look::Same;
        }
        std::thread::sleep(SETTLE);
        if digest(&self.path).ok() != Some(first) || stamp(&self.path) != now {
            return Look::Same; // still being written: the next look decides
        }
        self.stamp = now;
        self.digest = Some(first);
        Look::Changed
    }
}

fn digest(path: &Path) -> io::Result<Digest> {
    Ok(Md5::digest(std::fs::read(path)?).into())
}

fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let found = path.metadata().ok()?;
    Some((found.modified().ok(), found.len(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_count_touches_do_not_and_a_missing_file_is_told_once() {
        let path = std::env::temp_dir().join(format!("directord-watch-{}", std::process::id()));
        std::fs::write(&path, "a").unwrap();
        let mut watch = Watch::new(&path);
        assert_eq!(watch.look(), Look::Same);
        std::thread::sleep(Duration::from_millis(20));
        std::fs::write(&path, "a").unwrap();
        assert_eq!(watch.look(), Look::Same, "only touched");
        std::fs::write(&path, "bb").unwrap();
        assert_eq!(watch.look(), Look::Changed);
        assert_eq!(watch.look(), Look::Same);
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(watch.look(), Look::Gone(_)));
        assert_eq!(watch.look(), Look::Same);
        std::fs::write(&path, "bb").unwrap();
        assert_eq!(watch.look(), Look::Same, "back as it was");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_is_being_written_waits() {
        let path = std::env::temp_dir().join(format!("directord-writing-{}", std::process::id()));
        std::fs::write(&path, "a").unwrap();
        let mut watch = Watch::new(&path);
        std::fs::write(&path, "half").unwrap();
        let writer = {
            let path = path.clone();
            std::thread::spawn(move || {
                std::thread::sleep(SETTLE / 2);
                std::fs::write(&path, "half and the rest").unwrap();
            })
        };
        assert_eq!(watch.look(), Look::Same);
        writer.join().unwrap();
        assert_eq!(watch.look(), Look::Changed);
        std::fs::remove_file(&path).unwrap();
    }
}
