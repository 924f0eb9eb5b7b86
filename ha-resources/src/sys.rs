//! The one place with unsafe code: the address of a packet socket, for which no safe crate has a type.
#![allow(unsafe_code)]

use socket2::{Domain, SockAddr, Socket, Type};
use std::io;

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
