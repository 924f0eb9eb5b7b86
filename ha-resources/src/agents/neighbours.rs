//! What other machines say about addresses: ARP, and neighbour discovery of IPv6, from every interface.

use super::frame::{self, Claim};
use crate::sys;
use socket2::SockFilter;
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

/// Longer frames say nothing about neighbours.
const LONGEST: usize = 128;
/// So many are read before anything else gets its turn.
const BURST: usize = 64;

/// Hears them.
pub struct Neighbours {
    arp: AsyncFd<OwnedFd>,
    /// Nothing on a kernel without IPv6.
    discovery: Option<AsyncFd<OwnedFd>>,
}

impl Neighbours {
    /// Hears what is said from now on.
    pub fn listen() -> io::Result<Neighbours> {
        let arp = sys::readable(sys::frames(frame::ARP, &[])?.into())?;
        let discovery =
            sys::frames(frame::IPV6, &discovery_only()).and_then(|socket| sys::readable(socket.into())).ok();
        Ok(Neighbours { arp, discovery })
    }

    /// Waits until somebody says something; each claim with the index of the interface that it came in by.
    pub async fn next(&mut self) -> io::Result<Vec<(Claim, u32)>> {
        match &self.discovery {
            Some(discovery) => tokio::select! {
                claims = read(&self.arp) => claims,
                claims = read(discovery) => claims,
            },
            None => read(&self.arp).await,
        }
    }
}

async fn read(socket: &AsyncFd<OwnedFd>) -> io::Result<Vec<(Claim, u32)>> {
    let mut ready = socket.readable().await?;
    let (mut claims, mut buffer) = (Vec::new(), [0; LONGEST]);
    for _ in 0..BURST {
        match sys::receive_frame(socket.get_ref(), &mut buffer) {
            Ok((length, interface)) => {
                let claim = frame::claim(buffer.get(..length).unwrap_or_default());
                claims.extend(claim.map(|claim| (claim, interface)));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                ready.clear_ready();
                break;
            }
            // an interface that goes down is told as an error of the socket, once
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(claims)
}

/// Lets solicitations and advertisements pass (ICMPv6, types 135 and 136): a director has other packets of IPv6 to handle.
fn discovery_only() -> [SockFilter; 7] {
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    [
        SockFilter::new(LOAD_BYTE, 0, 0, 20), // next header
        SockFilter::new(IF_EQUAL, 0, 4, 58),  // if it is another one than ICMPv6: to the last line
        SockFilter::new(LOAD_BYTE, 0, 0, 54), // type
        SockFilter::new(IF_EQUAL, 1, 0, 135), // over the next line
        SockFilter::new(IF_EQUAL, 0, 1, 136),
        SockFilter::new(RETURN, 0, 0, LONGEST as u32),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}
