//! The daemon's side of the control socket.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, fchmod, flock};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::{LineError, Lines, to_line};

/// Connections that wait to be accepted; more get `EAGAIN`.
const BACKLOG: i32 = 128;
/// How long another start's look at the same folder is waited for.
const FOLDER_PATIENCE: Duration = Duration::from_secs(1);

/// A control socket that answers; the socket file is removed when this is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket file, so that a successor's file is left alone.
    identity: (u64, u64),
}

/// Why a control socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody accepts connections there.
    #[error("{} is in use: another daemon answers there", .0.display())]
    InUse(PathBuf),
    /// Something other than a socket has that name; it is not removed.
    #[error("{} exists and is not a socket; remove it or choose another run directory", .0.display())]
    NotASocket(PathBuf),
    /// The folder is missing or not writable, the path is too long (107 bytes), or the like.
    #[error("control socket {}: {source}", path.display())]
    Io {
        /// The socket's path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a line was not received or not sent.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The line is longer than [`super::LINE_LIMIT`]; one that was received makes the connection useless.
    #[error("a line of more than 1 MiB")]
    TooLong,
    /// The line is not the JSON that was expected, or ended without a line feed.
    #[error("not understood: {0}")]
    Garbled(String),
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Listener {
    /// Makes the socket with the permissions `mode` (such as `0o660`) and listens.
    ///
    /// The socket has its permissions before it has its name, so there is no moment in which somebody
    /// else can connect. A socket file on which nobody answers, left by a crash, is replaced.
    ///
    /// # Errors
    /// [`BindError::InUse`] if somebody answers on the path; [`BindError::NotASocket`]; [`BindError::Io`],
    /// also if there is no tokio runtime.
    pub fn bind(path: &Path, mode: u32) -> Result<Listener, BindError> {
        let failed = |source: io::Error| BindError::Io { path: path.to_path_buf(), source };
        tokio::runtime::Handle::try_current().map_err(|error| failed(io::Error::other(error)))?;
        // The short temporary name would do where nobody could connect to the real one.
        SocketAddrUnix::new(path).map_err(|error| failed(error.into()))?;
        // Two starts at the same time: the second looks when the first one's socket has its name.
        let _turn = lock_folder_of(path).map_err(failed)?;
        make_way(path)?;
        let temporary = temporary_name_beside(path);
        let made = listen_on(&temporary, mode).and_then(|socket| {
            let found = temporary.symlink_metadata()?;
            std::fs::rename(&temporary, path)?;
            let socket = UnixListener::from_std(socket.into())?;
            Ok(Listener { socket, path: path.to_path_buf(), identity: (found.dev(), found.ino()) })
        });
        made.map_err(|source| {
            let _ = std::fs::remove_file(&temporary);
            failed(source)
        })
    }

    /// The next tool that connects.
    ///
    /// # Errors
    /// What `accept(2)` says, such as too many open files: wait a moment, then call it again.
    pub async fn accept(&self) -> io::Result<Connection> {
        let (stream, _) = self.socket.accept().await?;
        Ok(Connection { stream, lines: Lines::default() })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let ours = |found: std::fs::Metadata| (found.dev(), found.ino()) == self.identity;
        if self.path.symlink_metadata().is_ok_and(ours) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Waits for the folder's lock; it goes with the value.
fn lock_folder_of(path: &Path) -> io::Result<File> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = File::open(parent)?;
    let deadline = Instant::now() + FOLDER_PATIENCE;
    loop {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            // Something unrelated keeps the folder locked, or its file system has no locks: go on without.
            Ok(()) | Err(_) => return Ok(folder),
        }
    }
}

/// Removes a stale socket; refuses if somebody answers there or if it is no socket.
fn make_way(path: &Path) -> Result<(), BindError> {
    let failed = |source: io::Error| BindError::Io { path: path.to_path_buf(), source };
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(BindError::NotASocket(path.to_path_buf())),
        Ok(_) => {}
    }
    match try_connect(path) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()), // rename(2) replaces it
        // Connected, or the queue of a busy listener is full.
        Ok(()) | Err(Errno::AGAIN | Errno::INPROGRESS) => Err(BindError::InUse(path.to_path_buf())),
        Err(error) => Err(failed(error.into())),
    }
}

fn try_connect(path: &Path) -> Result<(), Errno> {
    let socket = new_socket()?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)
}

fn new_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// A short name, so that the path is not longer than the socket's own by more than a little.
fn temporary_name_beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    path.with_file_name(format!(".{}.{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
}

fn listen_on(path: &Path, mode: u32) -> io::Result<OwnedFd> {
    let socket = new_socket()?;
    // The file gets the mode of the socket, less the umask (unix(7)): from its first moment it is private.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    let _ = std::fs::remove_file(path); // of a crashed process with the same number
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(socket)
}

/// One tool that is connected.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    lines: Lines,
}

/// Who is at the other end, as the kernel knows it (`SO_PEERCRED`, `unix(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Effective user id; 0 is root.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Process id, if it has one here (not in another pid namespace).
    pub pid: Option<i32>,
}

impl Connection {
    /// The next line as a value; `None` when the tool has closed the connection. May be cancelled
    /// (`select!`) without losing anything.
    ///
    /// # Errors
    /// [`ControlError::Garbled`] if the line is not a `T` (the next line can still be received),
    /// [`ControlError::TooLong`], [`ControlError::Io`].
    pub async fn recv<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ControlError> {
        loop {
            if let Some(line) = self.lines.next_value() {
                return Ok(Some(line?));
            }
            if self.stream.read_buf(&mut self.lines.pending).await? == 0 {
                return if self.lines.is_cut_off() { Err(cut_off()) } else { Ok(None) };
            }
        }
    }

    /// Sends one line. The tool may read slowly or not at all: put a time limit around it. Must not be
    /// cancelled if the connection is to be used again.
    ///
    /// # Errors
    /// [`ControlError::TooLong`]; [`ControlError::Garbled`] if the value has no JSON form (such as a map
    /// with keys that are no strings); [`ControlError::Io`].
    pub async fn send<T: Serialize>(&mut self, value: &T) -> Result<(), ControlError> {
        Ok(self.stream.write_all(&to_line(value)?).await?)
    }

    /// Who is connected.
    ///
    /// # Errors
    /// What `getsockopt(2)` says.
    pub fn peer(&self) -> io::Result<Peer> {
        let found = self.stream.peer_cred()?;
        Ok(Peer { uid: found.uid(), gid: found.gid(), pid: found.pid() })
    }
}

#[cfg(test)]
impl Connection {
    /// How much memory the received bytes take.
    pub(super) fn held(&self) -> usize {
        self.lines.pending.capacity()
    }
}

fn cut_off() -> ControlError {
    ControlError::Garbled("the connection ended in the middle of a line".to_string())
}

impl From<LineError> for ControlError {
    fn from(error: LineError) -> ControlError {
        match error {
            LineError::TooLong => ControlError::TooLong,
            LineError::Garbled(reason) => ControlError::Garbled(reason),
        }
    }
}
