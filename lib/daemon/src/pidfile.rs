//! A pid file that is locked (`flock(2)`) while its daemon lives.
//!
//! The lock, not the number, says whether the daemon runs: a file left by a crash, or a number that
//! belongs to another process by now, fools nobody. The number is there for scripts and tools.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};

/// How long [`create`] asks for the lock: [`running`] takes it for an instant to find out who holds it,
/// and that must not look like a daemon.
const PATIENCE: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(10);

/// A pid file of this process: locked while this value lives, removed when it is dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
}

/// Why there is no pid file for this process.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// A living daemon holds the file; its process id, 0 if it has not written it yet.
    #[error("already running (process {0})")]
    Held(u32),
    /// The file could not be created, locked or written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Creates or takes over the file, locks it, and writes the id of this process into it.
///
/// What a living daemon has written is never changed. Call it in the process that stays: after
/// [`crate::background::detach`].
///
/// # Errors
/// [`PidFileError::Held`] if a living daemon holds it; [`PidFileError::Io`] with the path otherwise.
pub fn create(path: &Path) -> Result<PidFile, PidFileError> {
    let file = lock_file(path)?;
    write_own_pid(&file.file).map_err(|error| named(path, &error))?;
    Ok(file)
}

/// As [`create`], for a file of which only the lock counts: on a full disk it stays without the process id.
///
/// # Errors
/// As [`create`].
pub fn lock(path: &Path) -> Result<PidFile, PidFileError> {
    let file = lock_file(path)?;
    match write_own_pid(&file.file) {
        Err(error) if error.kind() != io::ErrorKind::StorageFull => Err(named(path, &error).into()),
        _ => Ok(file),
    }
}

fn lock_file(path: &Path) -> Result<PidFile, PidFileError> {
    let target = target(path);
    let path = target.as_path();
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o644).custom_flags(no_follow);
        let file = options.open(path).map_err(|error| named(path, &error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // Its former owner may have removed the name between our open and our lock.
            Ok(()) if !is_same(&file, path) => continue,
            Ok(()) => return Ok(PidFile { path: path.to_path_buf(), file }),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(PidFileError::Held(read(path).unwrap_or(0))),
            Err(error) => return Err(PidFileError::Io(named(path, &error.into()))),
        }
    }
}

/// Where the file itself is: an account that may not write in `/run` has its pid files elsewhere, and a link there. The
/// link stays when the file goes. A second link is not followed: it may lie in a folder of that account's.
fn target(path: &Path) -> PathBuf {
    match (std::fs::read_link(path), path.parent()) {
        (Ok(to), Some(folder)) => folder.join(to),
        _ => path.to_path_buf(),
    }
}

/// The process id in the file, whether that process lives or not; `None` if there is none to read.
pub fn read(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path).ok()?.take(64).read_to_string(&mut text).ok()?;
    text.lines().next()?.trim().parse().ok().filter(|pid| *pid != 0)
}

/// The process id in the file if a living daemon holds the file's lock.
///
/// It needs no more than permission to read the file.
pub fn running(path: &Path) -> Option<u32> {
    let file = File::open(path).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => {}
        _ => return None, // the lock, if we have it now, goes with the file
    }
    // A daemon that has just locked a new file writes its number in the next instant.
    let deadline = Instant::now() + PATIENCE;
    loop {
        match read(path) {
            Some(pid) => return Some(pid),
            None if Instant::now() >= deadline => return None,
            None => std::thread::sleep(PAUSE),
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Under the lock, so that nobody takes over a file that vanishes a moment later.
        if is_same(&self.file, &self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Writes first and cuts off the rest afterwards: a reader, who takes the first line, never finds the file empty.
fn write_own_pid(mut file: &File) -> io::Result<()> {
    let line = format!("{}\n", std::process::id());
    file.write_all(line.as_bytes())?;
    file.set_len(line.len() as u64)
}

fn is_same(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(ours), Ok(found)) => (ours.dev(), ours.ino()) == (found.dev(), found.ino()),
        _ => false,
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("pid file {}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
