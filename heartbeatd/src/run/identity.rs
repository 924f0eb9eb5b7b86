//! Who this node is: read before the first beat. A disk without room keeps no node from its work.

use crate::config::{self, Plan};
use daemon::pidfile::{self, PidFile, PidFileError};
use std::io;
use std::path::Path;

/// What this node says of itself in every message.
pub(super) struct Identity {
    pub(super) uuid: [u8; 16],
    pub(super) generation: u64,
    pub(super) unsaved: Unsaved,
}

/// What of an identity is not on the disk, and is to be written as soon as that is possible.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unsaved {
    pub(super) uuid: Option<[u8; 16]>,
    pub(super) generation: bool,
}

/// Why the state directory is not locked.
#[derive(Debug)]
pub(super) enum LockError {
    /// There is no room for the file of the lock.
    NoRoom(String),
    /// The daemon must not start.
    Refused(String),
}

/// Two daemons with one uuid and one generation file would mute each other at the peer, whatever run directories
/// they were given.
pub(super) fn lock(state_dir: &Path) -> Result<PidFile, LockError> {
    let error = |path: &Path, error: &io::Error| {
        let text = format!("{}: {error}", path.display());
        if no_room(error) { LockError::NoRoom(text) } else { LockError::Refused(text) }
    };
    std::fs::create_dir_all(state_dir).map_err(|cause| error(state_dir, &cause))?;
    let path = state_dir.join("heartbeatd.lock");
    pidfile::lock(&path).map_err(|cause| match cause {
        PidFileError::Held(pid) => LockError::Refused(format!(
            "the daemon with process id {pid} uses {} already: stop it, or give this one a --state-dir of its own",
            state_dir.display()
        )),
        PidFileError::Io(cause) => error(&path, &cause),
    })
}

/// The identity of this start; `now` is the wall clock in seconds since 1970. What could not be written is in the log.
///
/// # Errors
/// What is on the disk cannot be read or is wrong.
pub(super) fn read(plan: &Plan, state_dir: &Path, now: u64) -> io::Result<Identity> {
    let uuid = config::uuid(state_dir, plan.uuid_from, &plan.node)?;
    let generation = config::next_generation(state_dir, plan.generation, now)?;
    if let Some(error) = &uuid.unsaved {
        tracing::error!("{error}; this node's identity is made of its name until it can be written");
    }
    if let Some(error) = &generation.unsaved {
        tracing::error!(
            "{error}; the generation of this start is {}, by the clock, until it can be written: make room, and do not \
             set the clock back before the next start, or the other node ignores this one",
            generation.value
        );
    }
    let unsaved = Unsaved {
        uuid: uuid.unsaved.is_some().then_some(uuid.value),
        generation: generation.unsaved.is_some(),
    };
    Ok(Identity { uuid: uuid.value, generation: generation.value, unsaved })
}

/// What was heard of the other node in earlier runs. A file that cannot be used protects from nothing, but must not
/// keep the node from its work.
pub(super) fn peer_generation(plan: &Plan, state_dir: &Path) -> u64 {
    let Some(peer) = plan.nodes.iter().find(|name| **name != plan.node) else { return 0 };
    if !plan.keys.authenticate() {
        return 0;
    }
    config::peer_generation(state_dir, peer).unwrap_or_else(|error| {
        tracing::warn!("{error}; recorded messages of earlier lives of {peer} would be believed");
        0
    })
}

fn no_room(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}
