//! The one place with unsafe code: the address of a packet socket, for which no safe crate has a type, and what of tokio
//! trusts its caller.
#![allow(unsafe_code)]

use socket2::{Domain, Protocol, SockAddr, SockFilter, SockRef, Socket, Type};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A socket that sends whole Ethernet frames. It has protocol 0, so it receives nothing.
pub fn packet_socket() -> io::Result<Socket> {
    Socket::new(Domain::PACKET, Type::RAW.nonblocking(), None)
}

/// Sends a frame of a protocol (its EtherType) through the interface with that index.
pub fn send_frame(socket: &Socket, interface: u32, ethertype: u16, frame: &[u8]) -> io::Result<()> {
    let interface = i32::try_from(interface).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    // SAFETY: the storage is zeroed, larger than a sockaddr_ll and aligned for every socket address; its
    // family is AF_PACKET, so it is written and measured as a sockaddr_ll.
    let (_, to) = unsafe {
        SockAddr::try_init(|storage, length| {
            let address = storage.cast::<libc::sockaddr_ll>();
            (*address).sll_family = libc::AF_PACKET as u16;
            (*address).sll_protocol = ethertype.to_be();
            (*address).sll_ifindex = interface;
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })
    }?;
    match socket.send_to(frame, &to)? {
        sent if sent == frame.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// A socket that receives whole Ethernet frames of a protocol (its EtherType) from every interface, and of those what a
/// filter lets pass. What this machine sends itself does not come back.
pub(crate) fn frames(ethertype: u16, filter: &[SockFilter]) -> io::Result<Socket> {
    // Before the protocol is set nothing comes in, so nothing comes in without the filter.
    let protocol = Protocol::from(i32::from(ethertype.to_be()));
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), None)?;
    if !filter.is_empty() {
        socket.attach_filter(filter)?;
    }
    // SAFETY: as in `send_frame`; interface 0 is every interface.
    let (_, every) = unsafe {
        SockAddr::try_init(|storage, length| {
            let address = storage.cast::<libc::sockaddr_ll>();
            (*address).sll_family = libc::AF_PACKET as u16;
            (*address).sll_protocol = i32::from(protocol) as u16;
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })
    }?;
    socket.bind(&every)?;
    Ok(socket)
}

/// The beginning of the next frame, its length there, and the index of the interface that it came in by.
pub(crate) fn receive_frame(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<(usize, u32)> {
    let length = buffer.len();
    // SAFETY: bytes are initialised whatever they are, and the kernel writes nothing but bytes.
    let room =
        unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast::<MaybeUninit<u8>>(), length) };
    let (read, from) = SockRef::from(socket).recv_from(room)?;
    if usize::try_from(from.len()).unwrap_or_default() < std::mem::offset_of!(libc::sockaddr_ll, sll_hatype) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // SAFETY: what `SockAddr` points to is as large as any socket address, and the kernel has written this member.
    let interface = unsafe { (*from.as_ptr().cast::<libc::sockaddr_ll>()).sll_ifindex };
    Ok((read, u32::try_from(interface).unwrap_or_default()))
}

/// Waits for something to read. Must be called inside a runtime.
pub(crate) fn readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open as long as it lives, and its number never changes.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.map_err(io::Error::from)
}
