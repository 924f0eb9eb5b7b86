//! One run at a time on each group.
//!
//! A run holds the lock of one group at most, and gives up after a while, so two runs can never wait for
//! each other for ever. The kernel releases the lock of a run that is killed.

use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How often a lock that somebody holds is tried.
const PAUSE: Duration = Duration::from_millis(5);

/// Holds a group until it is dropped. Children do not inherit it.
#[derive(Debug)]
pub struct GroupLock {
    _file: File,
}

/// Why a group cannot be worked on now.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another run works on it, and did not finish.
    #[error("another run ({holder}) has been working on this group for more than {} s; look what it waits for (ps -f --forest), or end it", waited.as_secs_f32())]
    Busy {
        /// Its process id, if it is known.
        holder: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The lock file cannot be made.
    #[error("cannot lock {}: {error}; it is in the run directory (--run-dir), which root must be able to write", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Waits for a group's lock, `patience` at most.
pub fn acquire(run_dir: &Path, key: &str, patience: Duration) -> Result<GroupLock, LockError> {
    let path = path(run_dir, key, "lock");
    let failed = |error| LockError::File { path: path.clone(), error };
    let file = open(&path).map_err(failed)?;
    let start = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(error.into())),
        }
        if start.elapsed() >= patience {
            return Err(LockError::Busy { holder: holder(&file), waited: patience });
        }
        std::thread::sleep(PAUSE);
    }
    // Only for the message above, which reads the first word.
    let _ = file.write_all_at(format!("{} {key}\n", std::process::id()).as_bytes(), 0);
    Ok(GroupLock { _file: file })
}

/// A file in the run directory that belongs to one group.
pub(crate) fn path(run_dir: &Path, key: &str, extension: &str) -> PathBuf {
    run_dir.join("groups").join(format!("{:016x}.{extension}", digest(key)))
}

fn open(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    match (open(), path.parent()) {
        (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(parent)?;
            open()
        }
        (result, _) => result,
    }
}

fn holder(file: &File) -> String {
    let mut text = [0; 24];
    let length = file.read_at(&mut text, 0).unwrap_or_default();
    let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default()).into_owned();
    match text.split(' ').next().filter(|pid| !pid.is_empty()) {
        Some(pid) => format!("process {pid}"),
        None => "of unknown process".to_owned(),
    }
}

/// FNV-1a: keys have slashes and any length. Two groups with one digest would only wait for each other.
fn digest(key: &str) -> u64 {
    key.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("ha-resources-lock-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_second_run_waits_then_says_who_holds_the_group() {
        let dir = folder("busy");
        let held = acquire(&dir, "IPaddr::192.0.2.10/24", Duration::ZERO).unwrap();
        let other = acquire(&dir, "another", Duration::ZERO).unwrap();
        let start = Instant::now();
        let error = acquire(&dir, "IPaddr::192.0.2.10/24", Duration::from_millis(30)).unwrap_err();
        assert!(start.elapsed() >= Duration::from_millis(30));
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(held);
        acquire(&dir, "IPaddr::192.0.2.10/24", Duration::ZERO).unwrap();
        drop(other);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_run_directory_that_is_a_file_is_an_error_with_its_path() {
        let file = folder("file");
        fs::write(&file, "").unwrap();
        let error = acquire(&file, "x", Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains(&file.display().to_string()), "{error}");
        fs::remove_file(&file).unwrap();
    }
}
