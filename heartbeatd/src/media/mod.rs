//! The sockets that heartbeats travel through.
//!
//! A [`Medium`] is one line of `ha.cf`: one socket that receives and one that sends, or a serial line, none of which ever
//! blocks.
//! Nothing is answered to a packet's source: destinations come from `ha.cf` alone. [`Keeper`] is the thread that
//! watches the interfaces, and opens a medium again when its interface has gone and come back. [`Pings`] are hosts that
//! only answer.

mod keeper;
mod open;
mod ping;
mod serial;

pub use keeper::{Change, Keeper, Watched, Wire};
pub use open::{OpenError, interfaces, present, resolve};
pub use ping::{PingChange, PingSockets, PingState, PingView, Pings};

use crate::config;
use socket2::{SockAddr, Socket};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A medium with the address its packets go to, if that does not depend on the interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The line of `ha.cf`.
    pub medium: config::Medium,
    /// The peer's address of a `ucast` line.
    pub peer: Option<std::net::IpAddr>,
}

/// An open medium.
#[derive(Debug)]
pub struct Medium {
    way: Way,
    /// What it depends on.
    basis: open::Basis,
}

#[derive(Debug)]
enum Way {
    Datagrams { receiver: Socket, sender: Socket, destination: SockAddr },
    Serial(serial::Line),
}

impl Medium {
    /// Opens a medium. Blocks up to a second if the port is in use.
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
    pub fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        match &mut self.way {
            Way::Datagrams { sender, destination, .. } => sender.send_to(packet, destination).map(drop),
            Way::Serial(line) => line.send(packet),
        }
    }

    /// Messages go out in text form.
    pub fn takes_text(&self) -> bool {
        matches!(self.way, Way::Serial(_))
    }

    /// A packet is sent only in part: [`Medium::flush`] sends the rest.
    pub fn is_behind(&self) -> bool {
        matches!(&self.way, Way::Serial(line) if line.is_behind())
    }

    /// Sends the rest of a packet as far as it goes; never blocks.
    pub fn flush(&mut self) {
        if let Way::Serial(line) = &mut self.way {
            let _ = line.flush(); // the next packet meets the same error, and tells it
        }
    }

    /// The next packet, if one is there; never blocks. `buffer` should hold 64 KiB, the most UDP carries.
    ///
    /// # Errors
    /// What recv(2) says; an error of the network that an earlier packet met is reported here too.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let receiver = match &mut self.way {
            Way::Datagrams { receiver, .. } => receiver,
            Way::Serial(line) => return line.receive(buffer),
        };
        loop {
            return match receiver.read(buffer) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }

    /// Where to poll for packets, and, while it [`Medium::is_behind`], for room; `None` while nothing can come, until it
    /// is opened again.
    pub fn poll_on(&self) -> Option<BorrowedFd<'_>> {
        match &self.way {
            Way::Datagrams { receiver, .. } => Some(receiver.as_fd()),
            Way::Serial(line) if line.gone().load(Ordering::Relaxed) => None,
            Way::Serial(line) => Some(line.device()),
        }
    }

    /// What it depends on, and whether it was lost without that.
    fn state(&self) -> (open::Basis, Arc<AtomicBool>) {
        match &self.way {
            Way::Datagrams { .. } => (self.basis, Arc::default()),
            Way::Serial(line) => (self.basis, Arc::clone(line.gone())),
        }
    }
}

#[cfg(test)]
mod tests;
