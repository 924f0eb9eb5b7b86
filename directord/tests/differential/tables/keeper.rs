//! In the kernel that has the tables: passes requests on to it, and its answers back.

use super::{DATAGRAM, Frame, READY};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use std::collections::HashMap;
use std::io::Write;
use std::os::fd::OwnedFd;

/// Serves until standard input ends. Every table is in a network of its own, which one socket holds: one thread does all, as
/// this kernel has one processor, and a switch of threads costs it more than a request.
pub fn serve() {
    let (mut input, mut out) = (std::io::stdin().lock(), std::io::stdout().lock());
    out.write_all(READY).unwrap();
    out.flush().unwrap();
    let mut tables: HashMap<u32, OwnedFd> = HashMap::new();
    let mut buffer = vec![0; DATAGRAM];
    while let Ok(request) = Frame::read(&mut input) {
        if request.datagram.is_empty() {
            tables.remove(&request.table);
            continue;
        }
        let socket = tables.entry(request.table).or_insert_with(network);
        exchange(socket, &request.datagram, &mut buffer, |datagram| {
            let answer =
                Frame { table: request.table, connection: request.connection, datagram: datagram.to_vec() };
            answer.write(&mut out).expect("the console");
        });
    }
}

/// A socket to the table of a new network.
fn network() -> OwnedFd {
    let enter = || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a network namespace");
        lo_up();
        // Nobody asks for rates, and a thread that computes them in each network would be most of the work.
        let _ = std::fs::write("/proc/sys/net/ipv4/vs/run_estimation", "0"); // since Linux 6.1
        let kind = (AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC);
        rustix::net::socket_with(kind.0, kind.1, kind.2, Some(netlink::GENERIC)).expect("a netlink socket")
    };
    std::thread::spawn(enter).join().expect("a network")
}

/// Without any interface the kernel knows no address that is unicast, and takes no real server.
fn lo_up() {
    const SET_LINK: u16 = 16; // RTM_NEWLINK
    const REQUEST_ACKNOWLEDGED: u16 = 0x5;
    const LO: i32 = 1;
    const UP: u32 = 1;
    let mut request = 32_u32.to_ne_bytes().to_vec();
    request.extend([SET_LINK, REQUEST_ACKNOWLEDGED].iter().flat_map(|number| number.to_ne_bytes()));
    request.extend([0; 12]); // sequence, sender; family and type
    request.extend(LO.to_ne_bytes());
    request.extend([UP, UP].iter().flat_map(|number| number.to_ne_bytes())); // the flags, and which of them change
    let kind = (AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC);
    let socket = rustix::net::socket_with(kind.0, kind.1, kind.2, None).expect("a socket"); // of protocol 0, links
    let mut error = 1;
    exchange(&socket, &request, &mut [0; 4096], |answer| {
        error = i32::from_ne_bytes(answer[16..20].try_into().expect("an acknowledgement"));
    });
    assert_eq!(error, 0, "lo cannot be set up");
}

/// A request, and all that the kernel answers.
fn exchange(socket: &OwnedFd, request: &[u8], buffer: &mut [u8], mut answer: impl FnMut(&[u8])) {
    const ACKNOWLEDGE: u16 = 0x4;
    const DUMP: u16 = 0x300;
    const ENDS: [u16; 2] = [2, 3]; // an error or acknowledgement, the end of a dump
    rustix::net::send(socket, request, SendFlags::empty()).expect("a request to the kernel");
    let flags = u16::from_ne_bytes([request[6], request[7]]);
    let one = flags & ACKNOWLEDGE == 0 && flags & DUMP != DUMP;
    loop {
        let (length, _) =
            rustix::net::recv(socket, &mut buffer[..], RecvFlags::empty()).expect("the kernel's answer");
        let datagram = &buffer[..length];
        answer(datagram);
        if one || kinds(datagram).any(|kind| ENDS.contains(&kind)) {
            return;
        }
    }
}

/// The kinds of the messages of a datagram.
fn kinds(datagram: &[u8]) -> impl Iterator<Item = u16> + '_ {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*rest.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*rest.get(4..)?.first_chunk()?);
        rest = rest.get(length.max(16).next_multiple_of(4)..).unwrap_or_default();
        Some(kind)
    })
}
