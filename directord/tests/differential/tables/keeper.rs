//! In the kernel that has the tables: passes requests on to it, and its answers back.

use super::{DATAGRAM, Frame, READY};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use std::collections::HashMap;
use std::io::{Stdout, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// Serves until standard input ends. Every table is in a network of its own.
pub fn serve() {
    let out = Arc::new(Mutex::new(std::io::stdout()));
    {
        let mut out = out.lock().unwrap();
        out.write_all(READY).unwrap();
        out.flush().unwrap();
    }
    let mut tables: HashMap<u32, Sender<Frame>> = HashMap::new();
    let mut input = std::io::stdin().lock();
    while let Ok(frame) = Frame::read(&mut input) {
        let table = tables.entry(frame.table).or_insert_with(|| {
            let ((sender, requests), out) = (channel(), Arc::clone(&out));
            std::thread::spawn(move || keep(&requests, &out));
            sender
        });
        table.send(frame).expect("the table's thread");
    }
}

fn keep(requests: &Receiver<Frame>, out: &Mutex<Stdout>) {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a network namespace");
    let mut sockets: HashMap<u32, OwnedFd> = HashMap::new();
    for request in requests {
        if request.datagram.is_empty() {
            sockets.remove(&request.connection);
            continue;
        }
        let socket = sockets.entry(request.connection).or_insert_with(open);
        exchange(socket, &request.datagram, |datagram| {
            let answer =
                Frame { table: request.table, connection: request.connection, datagram: datagram.to_vec() };
            answer.write(&mut *out.lock().unwrap()).expect("the console");
        });
    }
}

fn open() -> OwnedFd {
    rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::GENERIC),
    )
    .expect("a netlink socket")
}

/// A request, and all that the kernel answers.
fn exchange(socket: &OwnedFd, request: &[u8], mut answer: impl FnMut(&[u8])) {
    const ACKNOWLEDGE: u16 = 0x4;
    const DUMP: u16 = 0x300;
    const ENDS: [u16; 2] = [2, 3]; // an error or acknowledgement, the end of a dump
    rustix::net::send(socket, request, SendFlags::empty()).expect("a request to the kernel");
    let flags = u16::from_ne_bytes([request[6], request[7]]);
    let one = flags & ACKNOWLEDGE == 0 && flags & DUMP != DUMP;
    let mut buffer = vec![0; DATAGRAM];
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
