//! The sockets that heartbeats travel through.
//!
//! A [`Medium`] is one line of `ha.cf`: one socket that receives and one that sends, neither of which ever blocks.
//! Nothing is answered to a packet's source: destinations come from `ha.cf` alone. [`Keeper`] is the thread that
//! watches the interfaces, and opens a medium again when its interface has gone and come back. [`Pings`] are hosts that
//! only answer.

mod keeper;
mod open;
mod ping;

pub use keeper::{Change, Keeper, Watched};
pub use open::{OpenError, interfaces, resolve};
pub use ping::{PingChange, PingSockets, PingState, PingView, Pings};

use crate::config;
use socket2::{SockAddr, Socket};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};

/// A medium with the address its packets go to, if that does not depend on the interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The line of `ha.cf`.
    pub medium: config::Medium,
    /// The peer's address of a `ucast` line.
    pub peer: Option<std::net::IpAddr>,
}

/// Two open sockets.
#[derive(Debug)]
pub struct Medium {
    receiver: Socket,
    sender: Socket,
    destination: SockAddr,
    /// What the sockets depend on.
    interface: open::InterfaceState,
}

impl Medium {
    /// Opens both sockets of a medium. Blocks up to a second if the port is in use.
    ///
    /// # Errors
    /// [`OpenError`]: the interface is missing, has no address, or a system call failed.
    pub fn open(target: &Target) -> Result<Medium, OpenError> {
        open::open(target)
    }

    /// Sends a packet to where this medium goes; never blocks.
    ///
    /// # Errors
    /// What sendto(2) says; `WouldBlock` when the interface's queue is full.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        self.sender.send_to(packet, &self.destination).map(drop)
    }

    /// The next packet, if one is there; never blocks. `buffer` should hold 64 KiB, the most UDP carries.
    ///
    /// # Errors
    /// What recv(2) says; an error of the network that an earlier packet met is reported here too.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            return match (&self.receiver).read(buffer) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }

    /// Where to poll for packets.
    pub fn receiver(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }
}

#[cfg(test)]
mod tests;
