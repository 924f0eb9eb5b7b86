//! The address that checks are sent from (`sourceaddress`). It is set once, around everything a check does, so that
//! no protocol can forget it: whoever opens a socket in a check does it here, or asks [`current`].

use nix::sys::socket::sockopt::IpBindAddressNoPort;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use tokio::net::{TcpStream, UdpSocket};

tokio::task_local! {
    static SOURCE: IpAddr;
}

/// Runs a check with its source address; without one the kernel chooses.
pub(super) async fn from<T>(source: Option<IpAddr>, check: impl Future<Output = T>) -> T {
    match source {
        Some(source) => Box::pin(SOURCE.scope(source, check)).await,
        None => check.await,
    }
}

/// The source address of the check that runs, if it has one.
pub(super) fn current() -> Option<IpAddr> {
    SOURCE.try_with(|source| *source).ok()
}

/// The same, if it can send to `to`.
pub(super) fn towards(to: IpAddr) -> Option<IpAddr> {
    current().filter(|source| can_send(*source, to))
}

fn can_send(source: IpAddr, to: IpAddr) -> bool {
    source.is_ipv4() == to.is_ipv4()
}

/// Begins to connect, from `source` if that can send to `to`. Returns at once: the socket can be written to when the
/// connection is made or has failed.
pub(super) fn begin(to: SocketAddr, source: Option<IpAddr>) -> io::Result<OwnedFd> {
    connecting(socket(to, source)?, to)
}

fn socket(to: SocketAddr, source: Option<IpAddr>) -> io::Result<OwnedFd> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    if let Some(source) = source.filter(|source| can_send(*source, to.ip())) {
        // Without it each check would have a port to itself, though only one and the server's address together need be.
        let _ = nix::sys::socket::setsockopt(&socket, IpBindAddressNoPort, &true);
        let bound = rustix::net::bind(&socket, &SocketAddr::new(source, 0));
        bound.map_err(|error| not_ours(source, &error.into()))?;
    }
    Ok(socket)
}

fn connecting(socket: OwnedFd, to: SocketAddr) -> io::Result<OwnedFd> {
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// Connects.
pub(super) async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    connected(begin(to, current())?).await
}

async fn connected(socket: OwnedFd) -> io::Result<TcpStream> {
    let stream = TcpStream::from_std(socket.into())?;
    stream.writable().await?;
    match stream.take_error()? {
        Some(error) => Err(error),
        None => Ok(stream),
    }
}

/// A connection to a server, which a fuzz target may have made up.
#[cfg(not(feature = "fuzzing"))]
pub(super) type Stream = TcpStream;
#[cfg(feature = "fuzzing")]
pub(super) use super::fuzzing::Stream;

/// Connects to such a server, which is spoken to first: the last packet of the handshake waits for what is said, and goes with
/// it. So the server is woken once, and there is a packet less for both to look at.
pub(super) async fn stream(to: SocketAddr) -> io::Result<Stream> {
    #[cfg(feature = "fuzzing")]
    if let Some(stream) = super::fuzzing::connection() {
        return Ok(Stream::MadeUp(stream));
    }
    let socket = socket(to, current())?;
    let _ = sockopt::set_tcp_quickack(&socket, false);
    #[cfg_attr(not(feature = "fuzzing"), expect(clippy::useless_conversion))]
    connected(connecting(socket, to)?).await.map(Stream::from)
}

/// A socket for datagrams to and from `to` alone.
pub(super) async fn datagrams(to: SocketAddr) -> io::Result<UdpSocket> {
    let source = towards(to.ip());
    let any = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let bound = UdpSocket::bind(SocketAddr::new(source.unwrap_or(any), 0)).await;
    let socket = bound.map_err(|error| match source {
        Some(source) => not_ours(source, &error),
        None => error,
    })?;
    socket.connect(to).await?;
    Ok(socket)
}

/// A raw ICMP socket.
pub(super) fn icmp(v6: bool, source: Option<IpAddr>) -> io::Result<Socket> {
    let (domain, protocol) =
        if v6 { (Domain::IPV6, Protocol::ICMPV6) } else { (Domain::IPV4, Protocol::ICMPV4) };
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    if let Some(source) = source {
        let address = SockAddr::from(SocketAddr::new(source, 0));
        socket.bind(&address).map_err(|error| not_ours(source, &error))?;
    }
    Ok(socket)
}

/// The kind of the error stays: an address that this machine does not have says nothing of the server.
fn not_ours(source: IpAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("source address {source}: {error}"))
}
