//! In a side: what its programs take for the kernel.

use super::lender::socket;
use super::{DATAGRAM, SOCKET};
use rustix::net::{RecvFlags, SendFlags, SocketAddrUnix};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

/// Listens as the shim expects it in this network namespace, and passes on to the test's table of that number.
pub fn borrow(folder: &Path, table: u32) {
    let listener = socket();
    rustix::net::bind(&listener, &SocketAddrUnix::new_abstract_name(b"ipvs").unwrap()).unwrap();
    rustix::net::listen(&listener, 128).unwrap();
    let address = SocketAddrUnix::new(folder.join(SOCKET)).unwrap();
    std::thread::spawn(move || {
        while let Ok(program) = rustix::net::accept(&listener) {
            let (program, test) = (Arc::new(program), Arc::new(socket()));
            rustix::net::connect(&*test, &address).expect("the test's socket");
            rustix::net::send(&*test, &table.to_be_bytes(), SendFlags::NOSIGNAL).expect("the test's socket");
            let (to_program, from_test) = (Arc::clone(&program), Arc::clone(&test));
            std::thread::spawn(move || pass(&from_test, &to_program));
            std::thread::spawn(move || pass(&program, &test));
        }
    });
}

/// Passes datagrams on until one end has gone, then lets the other go.
fn pass(from: &OwnedFd, to: &OwnedFd) {
    let mut buffer = vec![0; DATAGRAM];
    while let Ok((length @ 1.., _)) = rustix::net::recv(from, &mut buffer[..], RecvFlags::empty()) {
        if rustix::net::send(to, &buffer[..length], SendFlags::NOSIGNAL).is_err() {
            break;
        }
    }
    let _ = rustix::net::shutdown(from, rustix::net::Shutdown::Both);
    let _ = rustix::net::shutdown(to, rustix::net::Shutdown::Both);
}
