//! The raw sockets of ping nodes: one per address family, non-blocking. The kernel filters what comes in, so that
//! other programs' pings and floods of ICMP cost this program nothing.

use crate::config::PingNode;
use daemon::icmp::REPLIES;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

/// Both sockets, as far as they are needed.
#[derive(Debug)]
pub struct PingSockets {
    v4: Option<Socket>,
    v6: Option<Socket>,
}

impl PingSockets {
    /// Opens what these nodes need; `identifier` is that of our requests.
    ///
    /// # Errors
    /// What socket(2) says; without the right to use raw sockets `PermissionDenied`.
    pub fn open(nodes: &[PingNode], identifier: u16) -> io::Result<PingSockets> {
        let open = |v6| match nodes.iter().any(|node| node.v6 == v6) {
            true => open(v6, identifier).map(Some),
            false => Ok(None),
        };
        Ok(PingSockets { v4: open(false)?, v6: open(true)? })
    }

    /// Sends a request; never blocks. One that does not leave is one that is not answered.
    ///
    /// # Errors
    /// What sendto(2) says.
    pub fn send(&self, to: IpAddr, packet: &[u8]) -> io::Result<()> {
        let socket = if to.is_ipv6() { &self.v6 } else { &self.v4 };
        match socket {
            Some(socket) => socket.send_to(packet, &SocketAddr::new(to, 0).into()).map(drop),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Where to poll, and whether it is the socket of IPv6.
    pub fn receivers(&self) -> impl Iterator<Item = (bool, BorrowedFd<'_>)> {
        let v4 = self.v4.iter().map(|socket| (false, socket.as_fd()));
        v4.chain(self.v6.iter().map(|socket| (true, socket.as_fd())))
    }

    /// The next packet, if one is there; never blocks.
    pub fn receive(&self, v6: bool, buffer: &mut [u8]) -> Option<usize> {
        let mut socket = if v6 { self.v6.as_ref()? } else { self.v4.as_ref()? };
        socket.read(buffer).ok()
    }
}

fn open(v6: bool, identifier: u16) -> io::Result<Socket> {
    let (domain, protocol) =
        if v6 { (Domain::IPV6, Protocol::ICMPV6) } else { (Domain::IPV4, Protocol::ICMPV4) };
    let socket = Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(protocol))?;
    socket.attach_filter(&filter(v6, identifier))?;
    Ok(socket)
}

/// Lets pass echo replies with our identifier (the kernel's networking/filter documentation).
fn filter(v6: bool, identifier: u16) -> Vec<SockFilter> {
    let step = |code: u32, jt, jf, k: u32| SockFilter::new(code as u16, jt, jf, k);
    // A raw IPv4 socket sees the IP header, whose length goes into X; on one of IPv6 X stays 0.
    let skip = match v6 {
        true => step(libc::BPF_LDX | libc::BPF_W | libc::BPF_IMM, 0, 0, 0),
        false => step(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0, 0, 0),
    };
    vec![
        skip,
        step(libc::BPF_LD | libc::BPF_B | libc::BPF_IND, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 3, REPLIES[usize::from(v6)].into()),
        step(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, 0, 0, 4),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, identifier.into()),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
    ]
}
