//! `checktype=connect`: a TCP connection, closed at once.
//!
//! Servers in the same network have answered by the time that a handful of connections has been begun: one look at
//! all of them, and they are done. Only what takes longer is waited for one by one.

use super::{Outcome, source};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Connects and closes.
pub(super) async fn check(to: SocketAddr, limit: Duration) -> Outcome {
    let deadline = Instant::now() + limit;
    Attempt::begin(to, source::current()).end(deadline, limit).await
}

/// A connection that is being made.
pub(crate) struct Attempt(std::result::Result<Outcome, OwnedFd>);

impl Attempt {
    /// Begins.
    pub(crate) fn begin(to: SocketAddr, source: Option<IpAddr>) -> Attempt {
        match source::begin(to, source) {
            Ok(socket) => Attempt(Err(socket)),
            Err(error) => Attempt(Ok(Outcome::of_io(&error))),
        }
    }

    /// Looks which are done.
    pub(crate) fn look(attempts: &mut [Attempt]) {
        let open = attempts.iter().filter_map(|attempt| attempt.0.as_ref().err());
        let mut sockets: Vec<PollFd<'_>> = open.map(|socket| PollFd::new(socket, PollFlags::OUT)).collect();
        if sockets.is_empty() || poll(&mut sockets, Some(&NOW)).is_err() {
            return; // they will be waited for
        }
        let found: Vec<PollFlags> = sockets.iter().map(PollFd::revents).collect();
        let open = attempts.iter_mut().filter(|attempt| attempt.0.is_err());
        for (attempt, found) in open.zip(found) {
            if let Some(outcome) = attempt.0.as_ref().err().and_then(|socket| judge(socket, found)) {
                attempt.0 = Ok(outcome);
            }
        }
    }

    /// How it ended, if it has.
    pub(crate) fn outcome(self) -> std::result::Result<Outcome, Attempt> {
        self.0.map_err(|socket| Attempt(Err(socket)))
    }

    /// Waits until it has ended, or until `deadline`, which is `limit` after it began.
    pub(crate) async fn end(self, deadline: Instant, limit: Duration) -> Outcome {
        let socket = match self.0 {
            Ok(outcome) => return outcome,
            Err(socket) => socket,
        };
        match timeout_at(deadline, wait(socket)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::of_io(&error),
            Err(_) => Outcome::NotConnected(limit),
        }
    }
}

async fn wait(socket: OwnedFd) -> io::Result<Outcome> {
    let socket = TcpStream::from_std(socket.into())?;
    loop {
        socket.writable().await?;
        let mut found = [PollFd::new(&socket, PollFlags::OUT)];
        poll(&mut found, Some(&NOW))?;
        let [found] = found.map(|found| found.revents());
        if let Some(outcome) = judge(&socket, found) {
            return Ok(outcome);
        }
        // It was said too early: what is awaited is the next word.
        let _ = socket.try_io::<()>(Interest::WRITABLE, || Err(io::ErrorKind::WouldBlock.into()));
    }
}

/// What the state of a socket says of its connection; `None` while that is being made.
fn judge(socket: impl AsFd, found: PollFlags) -> Option<Outcome> {
    if found.intersects(PollFlags::ERR | PollFlags::HUP) {
        match sockopt::socket_error(&socket) {
            Ok(Err(error)) | Err(error) => return Some(Outcome::of_io(&error.into())),
            Ok(Ok(())) => {} // made, and closed again by the server
        }
    }
    if !found.intersects(PollFlags::OUT | PollFlags::ERR | PollFlags::HUP) {
        return None;
    }
    // A reset instead of a FIN: thousands of checks a second leave no TIME_WAIT behind.
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
    Some(Outcome::Passed)
}
