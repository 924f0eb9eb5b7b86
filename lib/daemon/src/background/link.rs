//! The socket between the process that was called and the daemon it has started.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};

/// What the caller has put into the socket; no other standard input is a packet socket that begins so.
const GREETING: &[u8] = b"tandem: you are the daemon; answer here\n";
/// The longest message of a failed start, in bytes.
const MESSAGE_LIMIT: usize = 16 * 1024;

/// The daemon's end.
#[derive(Debug)]
pub(super) struct Link(OwnedFd);

/// The caller's end.
#[derive(Debug)]
pub(super) struct Waiting(OwnedFd);

/// What the daemon says, once.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(super) enum Answer {
    /// It does its work.
    Ready,
    /// It does not; what to print, and the code to exit with.
    Failed { message: String, code: u8 },
}

/// Both ends: the caller's, and the one that becomes the daemon's standard input.
pub(super) fn pair() -> io::Result<(Waiting, OwnedFd)> {
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    rustix::net::send(&ours, GREETING, SendFlags::NOSIGNAL)?;
    Ok((Waiting(ours), theirs))
}

impl Link {
    /// The link on standard input, if there is one. It is taken from there, so that no child inherits it
    /// and keeps it open. Any other standard input is left as it is, unread.
    pub(super) fn inherited() -> io::Result<Option<Link>> {
        let input = io::stdin();
        let input = input.as_fd();
        if !is_link(&input) {
            return Ok(None);
        }
        let link = rustix::io::fcntl_dupfd_cloexec(input, 3)?;
        let mut greeting = [0; GREETING.len()];
        rustix::net::recv(&link, greeting.as_mut_slice(), RecvFlags::DONTWAIT)?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(Some(Link(link)))
    }

    /// Whether standard input is a link.
    pub(super) fn is_inherited() -> bool {
        is_link(&io::stdin().as_fd())
    }

    /// Answers the caller.
    ///
    /// # Errors
    /// The caller is not there any more.
    pub(super) fn answer(self, answer: &Answer) -> io::Result<()> {
        let line = serde_json::to_vec(answer)?;
        rustix::net::send(&self.0, &line, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

impl Waiting {
    /// The daemon's answer; `None` if it has ended without one.
    pub(super) fn wait(&self) -> io::Result<Option<Answer>> {
        // The largest message, each byte as `\u00XX`.
        let mut packet = vec![0; 6 * MESSAGE_LIMIT + 256];
        let count = loop {
            match rustix::net::recv(&self.0, packet.as_mut_slice(), RecvFlags::empty()) {
                Ok((count, _)) => break count,
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        };
        match packet.get(..count) {
            None | Some([]) => Ok(None),
            Some(line) => Ok(Some(serde_json::from_slice(line)?)),
        }
    }
}

/// The beginning of a message that is too long for one packet.
pub(super) fn cut(message: &str) -> String {
    let mut end = message.len().min(MESSAGE_LIMIT);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.get(..end).unwrap_or_default().to_string()
}

fn is_link(input: &impl AsFd) -> bool {
    let mut packet = [0; GREETING.len() + 1];
    rustix::net::sockopt::socket_type(input) == Ok(SocketType::SEQPACKET)
        && rustix::net::recv(input, packet.as_mut_slice(), RecvFlags::PEEK | RecvFlags::DONTWAIT)
            .is_ok_and(|(count, _)| packet.get(..count) == Some(GREETING))
}

#[cfg(test)]
mod tests;
