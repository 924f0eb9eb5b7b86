//! Has the configuration changed on disk? Blocking; called on a thread for such work.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long a changed file must stay the same before it is believed to be complete.
const SETTLE: Duration = Duration::from_millis(200);

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    path: PathBuf,
    stamp: Option<Stamp>,
    content: Option<Vec<u8>>,
}

/// Cheap to look at; a difference makes the content be read.
type Stamp = (Option<SystemTime>, u64, u64);

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
        Watch { path: path.to_path_buf(), stamp: stamp(path), content: std::fs::read(path).ok() }
    }

    /// Knows nothing yet: the next look reads the file.
    pub(crate) fn unseen(path: &Path) -> Watch {
        Watch { path: path.to_path_buf(), stamp: None, content: None }
    }

    /// Looks again. A file that was only touched is the same.
    pub(crate) fn look(&mut self) -> Look {
        let now = stamp(&self.path);
        if now == self.stamp {
            return Look::Same;
        }
        let first = match std::fs::read(&self.path) {
            Ok(content) => content,
            Err(error) => {
                // An editor may be between removing and renaming: the next look decides.
                let known = self.stamp.take().is_some();
                return if known { Look::Gone(error.to_string()) } else { Look::Same };
            }
        };
        if self.content.as_ref() == Some(&first) {
            self.stamp = now;
            return Look::Same;
        }
        std::thread::sleep(SETTLE);
        if std::fs::read(&self.path).ok().as_ref() != Some(&first) || stamp(&self.path) != now {
            return Look::Same; // still being written: the next look decides
        }
        self.stamp = now;
        self.content = Some(first);
        Look::Changed
    }
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
