//! The tools' side of the control socket: blocking, every step with a time limit.

use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{LineError, Lines, to_line};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No socket there, or nobody answers on it.
    #[error("the daemon is not running")]
    NotRunning,
    /// The daemon is there but did not answer within the limit.
    #[error("the daemon did not answer in time")]
    TimedOut,
    /// The answer is not what was expected, longer than 1 MiB, or was cut off.
    #[error("the daemon's answer is not understood: {0}")]
    Garbled(String),
    /// No permission, or the connection broke.
    #[error("{0}")]
    Io(#[source] io::Error),
}

/// Asks the daemon at `path` one question and waits at most `limit` for its answer.
///
/// # Errors
/// See [`RequestError`].
pub fn request<Q: Serialize, A: DeserializeOwned>(
    path: &Path,
    question: &Q,
    limit: Duration,
) -> Result<A, RequestError> {
    let deadline = Instant::now() + limit;
    let mut client = Client { stream: connect(path, deadline)?, lines: Lines::default(), limit };
    client.send_by(question, deadline)?;
    let closed = || RequestError::Garbled("the connection was closed without an answer".to_string());
    client.recv_by(Some(deadline))?.ok_or_else(closed)
}

/// What [`Client::wait`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Something of an answer, or the end of the connection.
    Answer,
    /// The other descriptor can be read.
    Other,
    /// Neither within the limit.
    Nothing,
}

/// A connection to a daemon, for several questions or a stream of answers.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    lines: Lines,
    limit: Duration,
}

impl Client {
    /// Connects to the daemon at `path`. `limit` is for each step: to connect, to send one line, to wait
    /// for one line.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn connect(path: &Path, limit: Duration) -> Result<Client, RequestError> {
        let stream = connect(path, Instant::now() + limit)?;
        Ok(Client { stream, lines: Lines::default(), limit })
    }

    /// Sends one line.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn send<Q: Serialize>(&mut self, question: &Q) -> Result<(), RequestError> {
        self.send_by(question, Instant::now() + self.limit)
    }

    /// The next line; `None` when the daemon has closed the connection. After
    /// [`RequestError::TimedOut`] it may be called again and loses nothing.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn recv<A: DeserializeOwned>(&mut self) -> Result<Option<A>, RequestError> {
        self.recv_by(Some(Instant::now() + self.limit))
    }

    /// The next line however long it takes, for a stream of events; `None` when the daemon has closed
    /// the connection.
    ///
    /// # Errors
    /// See [`RequestError`]; never [`RequestError::TimedOut`].
    pub fn recv_unlimited<A: DeserializeOwned>(&mut self) -> Result<Option<A>, RequestError> {
        self.recv_by(None)
    }

    /// Waits for an answer, or until `other` can be read. What has come must be [received](Client::recv) before.
    ///
    /// # Errors
    /// Those of `poll(2)`.
    pub fn wait(&self, limit: Duration, other: Option<BorrowedFd<'_>>) -> Result<Waited, RequestError> {
        let deadline = Instant::now() + limit;
        loop {
            let mut watched = vec![PollFd::new(&self.stream, PollFlags::IN)];
            watched.extend(other.map(|other| PollFd::from_borrowed_fd(other, PollFlags::IN)));
            let left = deadline.saturating_duration_since(Instant::now());
            match poll(&mut watched, Some(&timespec(left))) {
                Ok(0) if left.is_zero() => return Ok(Waited::Nothing),
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(RequestError::Io(error.into())),
            }
            // The other one first: it is looked at because it counts for more.
            let ready = |at: usize| watched.get(at).is_some_and(|fd| !fd.revents().is_empty());
            return Ok(if ready(1) { Waited::Other } else { Waited::Answer });
        }
    }

    fn send_by<Q: Serialize>(&mut self, question: &Q, deadline: Instant) -> Result<(), RequestError> {
        let line = to_line(question)?;
        let mut rest = line.as_slice();
        while !rest.is_empty() {
            self.stream.set_write_timeout(Some(remaining(deadline)?)).map_err(RequestError::from)?;
            match self.stream.write(rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn recv_by<A: DeserializeOwned>(&mut self, deadline: Option<Instant>) -> Result<Option<A>, RequestError> {
        let mut block = vec![0; 16 * 1024];
        loop {
            if let Some(line) = self.lines.next_value() {
                return Ok(Some(line?));
            }
            let left = deadline.map(remaining).transpose()?;
            self.stream.set_read_timeout(left).map_err(RequestError::from)?;
            match self.stream.read(&mut block) {
                Ok(0) if self.lines.is_cut_off() => {
                    return Err(RequestError::Garbled("the connection ended in the middle of a line".into()));
                }
                Ok(0) => return Ok(None),
                Ok(count) => self.lines.push(block.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

/// Connects without blocking: `connect(2)` to a daemon whose queue is full would wait for ever.
fn connect(path: &Path, deadline: Instant) -> Result<UnixStream, RequestError> {
    let system = |error: Errno| RequestError::from(io::Error::from(error));
    let address = SocketAddrUnix::new(path).map_err(system)?;
    loop {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
        let socket = socket.map_err(system)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) => {
                let stream = UnixStream::from(socket);
                stream.set_nonblocking(false).map_err(RequestError::from)?;
                return Ok(stream);
            }
            Err(Errno::AGAIN) => std::thread::sleep(remaining(deadline)?.min(Duration::from_millis(10))),
            Err(Errno::INTR) => {}
            Err(error) => return Err(system(error)),
        }
    }
}

/// The time that is left, never zero (which would mean "for ever" to a socket).
fn remaining(deadline: Instant) -> Result<Duration, RequestError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(RequestError::TimedOut) } else { Ok(left.max(Duration::from_micros(1))) }
}

impl From<io::Error> for RequestError {
    fn from(error: io::Error) -> RequestError {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => RequestError::NotRunning,
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => RequestError::TimedOut,
            _ => RequestError::Io(error),
        }
    }
}

impl From<LineError> for RequestError {
    fn from(error: LineError) -> RequestError {
        match error {
            LineError::TooLong => RequestError::Garbled("a line of more than 1 MiB".to_string()),
            LineError::Garbled(reason) => RequestError::Garbled(reason),
        }
    }
}
