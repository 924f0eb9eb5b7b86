//! `SendArp`: announces an address on an interface that need not hold it.

use super::announce::{REPEATS, send};
use super::built_in::Ended;
use super::netlink::Kernel;
use crate::order::Outcome;
use crate::sys;
use socket2::Socket;
use std::io;
use std::net::IpAddr;
use std::process::{Command, Stdio};

/// The program's name for what [`repeat`] does.
pub const COMMAND: &str = "send-arp";

/// Announces it once, and has that repeated in the background.
pub(super) async fn start(kernel: &mut Kernel, ip: IpAddr, interface: &str) -> Ended {
    let result = once(kernel, &sys::packet_socket(), ip, interface).await;
    match result {
        Ok(()) => {}
        Err(error) => return (Outcome::Failed, format!("cannot announce {ip} on {interface}: {error}")),
    }
    let copy = Command::new("/proc/self/exe")
        .args([COMMAND, interface, &ip.to_string()])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let detail = match copy {
        Ok(_) => format!("{ip} announced on {interface}"),
        Err(error) => {
            format!("{ip} announced once on {interface}: the background copy does not start: {error}")
        }
    };
    (Outcome::Done, detail)
}

/// What the background copy does.
pub async fn repeat(interface: &str, ip: IpAddr) -> io::Result<()> {
    let _ = rustix::process::setsid();
    let (socket, mut kernel) = (sys::packet_socket(), Kernel::new());
    let start = tokio::time::Instant::now();
    for after in REPEATS {
        tokio::time::sleep_until(start + after).await;
        once(&mut kernel, &socket, ip, interface).await?;
    }
    Ok(())
}

async fn once(
    kernel: &mut Kernel,
    socket: &io::Result<Socket>,
    ip: IpAddr,
    interface: &str,
) -> io::Result<()> {
    let Some(link) = kernel.link_named(interface).await? else {
        return Err(io::Error::other("there is no such interface"));
    };
    if link.ethernet.is_none() {
        return Err(io::Error::other("it has no neighbours that could be told"));
    }
    match socket {
        Ok(socket) => send(socket, &link, ip),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    }
}
