//! The address that checks are sent from (`sourceaddress`). It is set once, around everything a check does, so that
//! no protocol can forget it: whoever opens a socket in a check does it here, or asks [`current`].

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

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
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    if let Some(source) = source.filter(|source| can_send(*source, to.ip())) {
        let bound = rustix::net::bind(&socket, &SocketAddr::new(source, 0));
        bound.map_err(|error| not_ours(source, &error.into()))?;
    }
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// Connects.
pub(super) async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let Some(source) = towards(to.ip()) else { return TcpStream::connect(to).await };
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(source, 0)).map_err(|error| not_ours(source, &error))?;
    socket.connect(to).await
}

/// A connection to a server, which a fuzz target may have made up.
#[cfg(not(feature = "fuzzing"))]
pub(super) type Stream = TcpStream;
#[cfg(feature = "fuzzing")]
pub(super) use super::fuzzing::Stream;

/// Connects to such a server.
pub(super) async fn stream(to: SocketAddr) -> io::Result<Stream> {
    #[cfg(feature = "fuzzing")]
    if let Some(stream) = super::fuzzing::connection() {
        return Ok(Stream::MadeUp(stream));
    }
    #[cfg_attr(not(feature = "fuzzing"), expect(clippy::useless_conversion))]
    connect(to).await.map(Stream::from)
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
