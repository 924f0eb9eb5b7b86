//! What a node must not forget: its identity and how often it has started.

use super::plan::{GenerationMethod, UuidFrom};
use sha1::{Digest, Sha1};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Heard of the other node: its name and its highest generation, in one line.
const PEER_GENERATION: &str = "hb_peer_generation";
const NOT_PEER_GENERATION: &str = "does not hold a node's name and a decimal number; it is written anew";
/// Who this node is.
const UUID: &str = "hb_uuid";
/// No more is read of it.
const LONGEST_PEER_GENERATION: u64 = 4096;

/// What a node says of itself to the others.
#[derive(Debug)]
pub struct Remembered<T> {
    /// To be said from now on.
    pub value: T,
    /// Why it is not on the disk, where it should be.
    pub unsaved: Option<io::Error>,
}

/// The node's identity of 16 bytes. `hb_uuid` in `directory` is read, or made of random bytes when it is missing;
/// an identity is never taken over from another node, whose name would then move here.
///
/// Where nothing can be written it is the one of the node's name, so that it is the same at the next start.
///
/// # Errors
/// The file is there, and cannot be read or is none.
pub fn uuid(directory: &Path, from: UuidFrom, node: &str) -> io::Result<Remembered<[u8; 16]>> {
    let saved = |value| Remembered { value, unsaved: None };
    if from == UuidFrom::NodeName {
        return Ok(saved(uuid_of_name(node)));
    }
    let path = directory.join(UUID);
    match std::fs::read(&path) {
        Ok(bytes) => {
            <[u8; 16]>::try_from(bytes.as_slice()).ok().filter(|uuid| uuid != &[0; 16]).map(saved).ok_or_else(
                || invalid(&path, "must be 16 bytes, not all zero; remove it to get a new identity"),
            )
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let uuid = random_uuid()?;
            Ok(match write_whole(&path, &uuid) {
                Ok(()) => saved(uuid),
                Err(error) => Remembered { value: uuid_of_name(node), unsaved: Some(error) },
            })
        }
        Err(error) => Err(at(&path, error)),
    }
}

/// The next generation: more than any before it, because peers mute a node whose generation went back (replay).
/// `now` is the wall clock in seconds since 1970. The new one is on disk when this returns.
///
/// Where nothing can be written, the file cannot count the starts: then the time does, and the next start that cannot
/// write comes to more.
///
/// # Errors
/// The file is there, and cannot be read or holds no number.
pub fn next_generation(directory: &Path, method: GenerationMethod, now: u64) -> io::Result<Remembered<u64>> {
    let path = directory.join("hb_generation");
    let before = match std::fs::read_to_string(&path) {
        // a disk that was full when heartbeat 3.0.6 wrote its first one left this
        Ok(text) if text.is_empty() => None,
        Ok(text) => text.trim().parse::<u64>().map(Some).map_err(|_| {
            invalid(&path, "does not hold a decimal number; remove it, and the time becomes the generation")
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(at(&path, error)),
    };
    let of_time = now.saturating_add(1);
    let generation = match (method, before) {
        (_, None) => of_time,
        (GenerationMethod::File, Some(before)) => before.saturating_add(1),
        (GenerationMethod::Time, Some(before)) => now.max(before.saturating_add(1)),
    };
    Ok(match save_generation(directory, generation) {
        Ok(()) => Remembered { value: generation, unsaved: None },
        Err(error) => Remembered { value: generation.max(of_time), unsaved: Some(error) },
    })
}

/// Writes an identity so that it is on disk when this returns.
///
/// # Errors
/// It could not be written; the message names the file.
pub fn save_uuid(directory: &Path, uuid: [u8; 16]) -> io::Result<()> {
    write_whole(&directory.join(UUID), &uuid)
}

/// Writes a generation so that it is on disk when this returns.
pub fn save_generation(directory: &Path, generation: u64) -> io::Result<()> {
    // The format of heartbeat 3.0.6, so that going back to it is possible: 15 characters and a line feed.
    write_whole(&directory.join("hb_generation"), format!("{generation:>15}\n").as_bytes())
}

/// The highest generation that was ever heard of node `peer`, 0 if none: what [`save_peer_generation`] wrote. A node that
/// has another name now was another node.
pub fn peer_generation(directory: &Path, peer: &str) -> io::Result<u64> {
    let path = directory.join(PEER_GENERATION);
    let mut bytes = Vec::new();
    match std::fs::File::open(&path) {
        Ok(file) => {
            file.take(LONGEST_PEER_GENERATION).read_to_end(&mut bytes).map_err(|error| at(&path, error))?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(at(&path, error)),
    };
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        [name, number] if name != peer && number.parse::<u64>().is_ok() => Ok(0),
        [_, number] => number.parse().map_err(|_| invalid(&path, NOT_PEER_GENERATION)),
        _ => Err(invalid(&path, NOT_PEER_GENERATION)),
    }
}

/// Writes the highest generation heard of node `peer` so that it is on disk when this returns.
pub fn save_peer_generation(directory: &Path, peer: &str, generation: u64) -> io::Result<()> {
    write_whole(&directory.join(PEER_GENERATION), format!("{peer} {generation}\n").as_bytes())
}

/// This node's name in lower case: the first word of `nodeinfo` if that file exists, else what `uname -n` says.
pub fn node_name(config_directory: &Path) -> io::Result<String> {
    let path = config_directory.join("nodeinfo");
    let name = match std::fs::read_to_string(&path) {
        Ok(text) => text.lines().next().unwrap_or("").trim().to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            rustix::system::uname().nodename().to_string_lossy().into_owned()
        }
        Err(error) => return Err(at(&path, error)),
    };
    Ok(name.to_lowercase())
}

/// A random identity in the form of RFC 9562, version 4.
fn random_uuid() -> io::Result<[u8; 16]> {
    let mut uuid = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut uuid)?;
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    Ok(uuid)
}

/// An identity that is the same at every start and on no other node of the cluster.
fn uuid_of_name(node: &str) -> [u8; 16] {
    let digest = Sha1::digest(node.as_bytes());
    let mut uuid = [0; 16];
    for (byte, from) in uuid.iter_mut().zip(digest.iter()) {
        *byte = *from;
    }
    uuid
}

/// Replaces a file so that after a power cut it holds the old bytes or the new ones. On a full disk a file of the same
/// length is overwritten in place, which needs no room: the few bytes lie in one block.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match replace(path, bytes) {
        Err(error) if is_full(&error) && overwrite(path, bytes).is_ok() => Ok(()),
        other => other.map_err(|error| at(path, error)),
    }
}

fn is_full(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT]
        .iter()
        .any(|full| number == Some(full.raw_os_error()))
}

fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    if file.metadata()?.len() != bytes.len() as u64 {
        return Err(io::ErrorKind::InvalidInput.into()); // a mixture of both could remain
    }
    file.write_all(bytes)?;
    file.sync_all()
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let directory = path.parent().unwrap_or(Path::new("/"));
    let write = || {
        std::fs::create_dir_all(directory)?; // it may have been missing when there was no room for it
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        std::fs::File::open(directory)?.sync_all()
    };
    write().inspect_err(|_| drop(std::fs::remove_file(&new)))
}

fn invalid(path: &Path, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()))
}

fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_of_the_same_length_is_overwritten() {
        let path = std::env::temp_dir().join(format!("heartbeatd-overwrite-{}", std::process::id()));
        std::fs::write(&path, "           1001\n").unwrap();
        overwrite(&path, b"           1002\n").unwrap();
        for other in [&b"2\n"[..], b"            1003\n"] {
            assert!(overwrite(&path, other).is_err(), "{other:?}");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "           1002\n");
        std::fs::remove_file(&path).unwrap();
        assert!(overwrite(&path, b"x").is_err(), "nothing is made");
    }
}
