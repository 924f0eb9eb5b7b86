//! Opening sockets with the options that heartbeat 3.0.6 gives them.

use super::{Medium, Target, Way, serial};
use crate::config::{self, MediumKind};
use crate::sys::{self, InterfaceAddress};
use rustix::net::netdevice;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::Duration;
use thiserror::Error;

/// Bind attempts while the port is in use: another instance may be about to close.
const BIND_ATTEMPTS: u32 = 10;
const BIND_PAUSE: Duration = Duration::from_millis(100);

/// Room for the packets that arrive while this process does not run: about a thousand.
const RECEIVE_BUFFER: usize = 512 * 1024;

/// IPTOS_LOWDELAY (ip(7)).
const LOW_DELAY: u32 = 0x10;

/// Why a medium could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// No such interface now.
    #[error("there is no network interface {0}")]
    NoInterface(String),
    /// It has no IPv4 address, or none with a broadcast address.
    #[error("network interface {interface} has no {what}")]
    NoAddress {
        /// The interface.
        interface: String,
        /// What it lacks.
        what: &'static str,
    },
    /// What is to be a serial line is none.
    #[error("{0} is no serial line")]
    NoTerminal(String),
    /// A system call failed.
    #[error("{call}: {source}")]
    System {
        /// What was attempted.
        call: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// What a medium depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    Interface(InterfaceState),
    /// Numbers of a serial device and its file.
    Device(u64, u64),
}

/// What of an interface the sockets depend on; when it differs from what it was, they must be opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InterfaceState {
    index: u32,
    /// The address that is sent to or sent from.
    address: Option<Ipv4Addr>,
}

/// Looks up the peers of `ucast` lines. Blocks as long as the resolver does, so it happens before the sockets are
/// opened and never behind them: an address lasts until the next reload.
///
/// # Errors
/// The name that was not found, in a sentence.
pub fn resolve(media: &[config::Medium]) -> Result<Vec<Target>, String> {
    let peer = |medium: &config::Medium| match &medium.kind {
        MediumKind::Unicast { peer, port, v6 } => {
            let found =
                (peer.as_str(), *port).to_socket_addrs().map_err(|error| format!("{medium}: {error}"))?;
            let mut right_family =
                found.map(|address| address.ip()).filter(|address| address.is_ipv6() == *v6);
            let family = if *v6 { "IPv6" } else { "IPv4" };
            right_family.next().map(Some).ok_or_else(|| format!("{medium}: {peer} has no {family} address"))
        }
        _ => Ok(None),
    };
    media.iter().map(|medium| Ok(Target { medium: medium.clone(), peer: peer(medium)? })).collect()
}

/// The interfaces that have an address, for messages.
pub fn interfaces() -> Vec<String> {
    let addresses = sys::interface_addresses().unwrap_or_default();
    let mut names: Vec<String> = addresses.into_iter().map(|address| address.interface).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether what a medium depends on is there now. Nothing is opened.
///
/// # Errors
/// What is missing.
pub fn present(medium: &config::Medium) -> Result<(), OpenError> {
    if let MediumKind::Serial { .. } = medium.kind {
        let path = Path::new(&medium.interface);
        let kind = call("stat", std::fs::metadata(path))?.file_type();
        return match kind.is_char_device() {
            true => Ok(()),
            false => Err(OpenError::NoTerminal(medium.interface.clone())),
        };
    }
    basis(&Target { medium: medium.clone(), peer: None }).map(drop)
}

pub(super) fn open(target: &Target) -> Result<Medium, OpenError> {
    let interface = target.medium.interface.as_str();
    if let MediumKind::Serial { baud } = target.medium.kind {
        let way = Way::Serial(serial::Line::open(Path::new(interface), baud)?);
        return Ok(Medium { way, basis: basis(target)? });
    }
    let state = interface_state(target)?;
    let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    match (&target.medium.kind, target.peer, state.address) {
        (MediumKind::Broadcast { port }, _, Some(broadcast)) => {
            let sender = udp(Domain::IPV4)?;
            call("SO_BROADCAST", sender.set_broadcast(true))?;
            call("SO_DONTROUTE", sys::set_dont_route(sender.as_fd()))?;
            call("SO_BINDTODEVICE", sender.bind_device(Some(interface.as_bytes())))?;
            let receiver = udp(Domain::IPV4)?;
            call("SO_REUSEADDR", receiver.set_reuse_address(true))?;
            call("SO_BINDTODEVICE", receiver.bind_device(Some(interface.as_bytes())))?;
            bind(&receiver, SocketAddr::new(unspecified, *port))?;
            finish(receiver, sender, SocketAddr::new(broadcast.into(), *port), state)
        }
        (MediumKind::Unicast { port, .. }, Some(peer), _) => {
            let (sender, receiver, any) = match peer {
                IpAddr::V4(_) => (udp(Domain::IPV4)?, udp(Domain::IPV4)?, unspecified),
                IpAddr::V6(_) => (udp(Domain::IPV6)?, udp(Domain::IPV6)?, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
            };
            match peer {
                IpAddr::V4(_) => call("IP_TOS", sender.set_tos_v4(LOW_DELAY))?,
                IpAddr::V6(_) => call("IPV6_V6ONLY", receiver.set_only_v6(true))?,
            }
            call("SO_BINDTODEVICE", sender.bind_device(Some(interface.as_bytes())))?;
            call("SO_REUSEPORT", sender.set_reuse_port(true))?;
            call("SO_REUSEADDR", receiver.set_reuse_address(true))?;
            call("SO_BINDTODEVICE", receiver.bind_device(Some(interface.as_bytes())))?;
            call("SO_REUSEPORT", receiver.set_reuse_port(true))?;
            bind(&receiver, SocketAddr::new(any, *port))?;
            let destination = match peer {
                IpAddr::V6(address) if address.is_unicast_link_local() => {
                    SocketAddrV6::new(address, *port, 0, state.index).into()
                }
                address => SocketAddr::new(address, *port),
            };
            finish(receiver, sender, destination, state)
        }
        (MediumKind::Multicast { group, port, ttl, own_back }, _, Some(own)) => {
            let sender = udp(Domain::IPV4)?;
            call("IP_MULTICAST_IF", sender.set_multicast_if_v4(&own))?;
            call("IP_MULTICAST_TTL", sender.set_multicast_ttl_v4(u32::from(*ttl)))?;
            call("IP_MULTICAST_LOOP", sender.set_multicast_loop_v4(*own_back))?;
            let receiver = udp(Domain::IPV4)?;
            call("SO_REUSEADDR", receiver.set_reuse_address(true))?;
            // Without this, packets of the group that came in on any interface would count for this link.
            call("IP_MULTICAST_ALL", receiver.set_multicast_all_v4(false))?;
            bind(&receiver, SocketAddr::new((*group).into(), *port))?;
            let on = InterfaceIndexOrAddress::Index(state.index);
            call("IP_ADD_MEMBERSHIP", receiver.join_multicast_v4_n(group, &on))?;
            finish(receiver, sender, SocketAddr::new((*group).into(), *port), state)
        }
        (MediumKind::Multicast6 { group, port, hops, own_back }, _, _) => {
            let sender = udp(Domain::IPV6)?;
            call("IPV6_MULTICAST_IF", sender.set_multicast_if_v6(state.index))?;
            call("IPV6_MULTICAST_HOPS", sender.set_multicast_hops_v6(u32::from(*hops)))?;
            call("IPV6_MULTICAST_LOOP", sender.set_multicast_loop_v6(*own_back))?;
            let receiver = udp(Domain::IPV6)?;
            call("SO_REUSEADDR", receiver.set_reuse_address(true))?;
            call("IPV6_MULTICAST_ALL", receiver.set_multicast_all_v6(false))?;
            let destination = SocketAddrV6::new(*group, *port, 0, state.index);
            bind(&receiver, destination.into())?;
            call("IPV6_ADD_MEMBERSHIP", receiver.join_multicast_v6(group, state.index))?;
            finish(receiver, sender, destination.into(), state)
        }
        (MediumKind::Unicast { peer, .. }, None, _) => Err(OpenError::System {
            call: "address of the peer",
            source: io::Error::new(io::ErrorKind::NotFound, format!("{peer} was not looked up")),
        }),
        (_, _, None) | (MediumKind::Serial { .. }, ..) => Err(no_address(interface, "IPv4 address")),
    }
}

/// What a target depends on, as it is now.
pub(super) fn basis(target: &Target) -> Result<Basis, OpenError> {
    match target.medium.kind {
        MediumKind::Serial { .. } => {
            let (device, file) = serial::identity(Path::new(&target.medium.interface))?;
            Ok(Basis::Device(device, file))
        }
        _ => interface_state(target).map(Basis::Interface),
    }
}

fn interface_state(target: &Target) -> Result<InterfaceState, OpenError> {
    let interface = target.medium.interface.as_str();
    let probe = udp(Domain::IPV4)?;
    let index = netdevice::name_to_index(&probe, interface);
    let index = index.map_err(|_| OpenError::NoInterface(interface.to_owned()))?;
    let v4 = |address: &InterfaceAddress| match address.address {
        IpAddr::V4(v4) if address.interface == interface => Some((v4, address.broadcast)),
        _ => None,
    };
    let address = match target.medium.kind {
        MediumKind::Serial { .. } | MediumKind::Unicast { .. } | MediumKind::Multicast6 { .. } => None,
        MediumKind::Broadcast { .. } => {
            let addresses = call("getifaddrs", sys::interface_addresses())?;
            let broadcast = addresses.iter().filter_map(v4).find_map(|(_, broadcast)| broadcast);
            Some(broadcast.ok_or_else(|| no_address(interface, "IPv4 address with a broadcast address"))?)
        }
        MediumKind::Multicast { .. } => {
            let addresses = call("getifaddrs", sys::interface_addresses())?;
            let own = addresses.iter().find_map(v4).map(|(own, _)| own);
            Some(own.ok_or_else(|| no_address(interface, "IPv4 address"))?)
        }
    };
    Ok(InterfaceState { index, address })
}

fn finish(
    receiver: Socket,
    sender: Socket,
    destination: SocketAddr,
    interface: InterfaceState,
) -> Result<Medium, OpenError> {
    for socket in [&receiver, &sender] {
        call("O_NONBLOCK", socket.set_nonblocking(true))?;
    }
    // More than net.core.rmem_max gives less: no reason to refuse.
    let _ = receiver.set_recv_buffer_size(RECEIVE_BUFFER);
    let way = Way::Datagrams { receiver, sender, destination: SockAddr::from(destination) };
    Ok(Medium { way, basis: Basis::Interface(interface) })
}

fn udp(domain: Domain) -> Result<Socket, OpenError> {
    call("socket", Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)))
}

fn bind(socket: &Socket, address: SocketAddr) -> Result<(), OpenError> {
    let address = SockAddr::from(address);
    let mut attempt = 1;
    loop {
        match socket.bind(&address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempt < BIND_ATTEMPTS => {
                attempt += 1;
                std::thread::sleep(BIND_PAUSE);
            }
            result => return call("bind", result),
        }
    }
}

pub(super) fn call<T>(call: &'static str, result: io::Result<T>) -> Result<T, OpenError> {
    result.map_err(|source| OpenError::System { call, source })
}

fn no_address(interface: &str, what: &'static str) -> OpenError {
    OpenError::NoAddress { interface: interface.to_owned(), what }
}
