//! Telling the neighbours who has an address now.
//!
//! The first announcement leaves at once, in the process that took the address. The others follow
//! [`REPEATS`] later, in case a switch was still learning or a packet was lost, from a copy of this
//! program in the background, so that the take-over need not wait for them. The copy asks the kernel
//! before each of them, and is silent about an address that has gone.
//!
//! The background copy also inherits the packet socket as its standard input: closing the last reference
//! to a packet socket makes the kernel wait for an RCU grace period, milliseconds that would otherwise
//! stand at the end of every take-over.

use super::frame::{self, Form};
use super::netlink::{Kernel, Link};
use crate::sys;
use socket2::Socket;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// When the announcement is repeated, counted from the first.
pub const REPEATS: [Duration; 3] =
    [Duration::from_millis(10), Duration::from_millis(100), Duration::from_millis(1000)];

/// The program's name for what [`repeat`] does.
pub const COMMAND: &str = "announce-burst";

/// Announces addresses now, and has that repeated.
#[derive(Default)]
pub struct Announcer {
    socket: Option<Socket>,
    /// Announced once: interface index and address.
    to_repeat: Vec<(u32, IpAddr)>,
    /// When the first of those was.
    since: u64,
}

impl Announcer {
    /// Opens the socket; an error will be met again.
    pub fn prepare(&mut self) {
        self.socket = self.socket.take().or_else(|| sys::packet_socket().ok());
    }

    /// Announces an address once; false if its interface has no neighbours that could be told.
    pub fn announce(&mut self, link: &Link, ip: IpAddr) -> io::Result<bool> {
        if link.ethernet.is_none() || ip.is_loopback() {
            return Ok(false);
        }
        let socket = match &mut self.socket {
            Some(socket) => socket,
            empty => empty.insert(sys::packet_socket()?),
        };
        if self.to_repeat.is_empty() {
            self.since = monotonic();
        }
        self.to_repeat.push((link.index, ip));
        send(socket, link, ip)?;
        Ok(true)
    }

    /// Repeats everything that was announced since the last call, by a task of this process, which lives on.
    pub fn repeat_in_task(&mut self) -> io::Result<()> {
        let (targets, since) = (std::mem::take(&mut self.to_repeat), self.since);
        let Some(socket) = self.socket.as_ref().filter(|_| !targets.is_empty()) else { return Ok(()) };
        let socket = socket.try_clone()?;
        tokio::spawn(async move {
            let _ = repeat(&socket, since, &targets).await; // the next refresh tells the same
        });
        Ok(())
    }

    /// What was announced is not repeated.
    pub fn once(&mut self) {
        self.to_repeat.clear();
    }

    /// Asks who else has an address; every other one answers.
    pub fn probe(&mut self, link: &Link, ip: IpAddr) -> io::Result<()> {
        self.prepare();
        let (Some(socket), Some(mac)) = (&self.socket, link.ethernet) else { return Ok(()) };
        match ip {
            IpAddr::V4(ip) => sys::send_frame(socket, link.index, frame::ARP, &frame::probe(mac, ip)),
            IpAddr::V6(ip) => sys::send_frame(socket, link.index, frame::IPV6, &frame::solicitation(mac, ip)),
        }
    }

    /// Starts the background copy that repeats everything that was announced since the last call.
    pub fn repeat_in_background(&mut self) -> io::Result<()> {
        if self.to_repeat.is_empty() {
            return Ok(());
        }
        let targets = self.to_repeat.drain(..).map(|(interface, ip)| format!("{interface}/{ip}"));
        let Some(socket) = &self.socket else { return Ok(()) };
        // The path survives the upgrade of the file, unlike the name it was started by.
        Command::new("/proc/self/exe")
            .arg(COMMAND)
            .arg(self.since.to_string())
            .args(targets)
            .current_dir("/")
            .stdin(OwnedFd::from(socket.try_clone()?))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(())
    }
}

/// What the background copy does: repeats the announcements, then ends. `socket` is the packet socket,
/// `since` the time of the first announcement in milliseconds of the monotonic clock.
pub async fn repeat(socket: &Socket, since: u64, targets: &[(u32, IpAddr)]) -> io::Result<()> {
    let start = Instant::now();
    // A wrong time must not make it wait longer than it would by itself.
    let spent = Duration::from_millis(monotonic().saturating_sub(since));
    let mut kernel = Kernel::new();
    for after in REPEATS {
        tokio::time::sleep(after.saturating_sub(spent + start.elapsed())).await;
        kernel.forget();
        let here: Vec<_> = kernel.addresses().await?.iter().map(|held| (held.interface, held.ip)).collect();
        let still: Vec<_> = targets.iter().filter(|target| here.contains(target)).collect();
        if still.is_empty() {
            return Ok(());
        }
        let mut link = None;
        for (interface, ip) in still {
            if link.as_ref().is_none_or(|link: &Link| link.index != *interface) {
                link = kernel.link(*interface).await?;
            }
            // The interface may be down for a moment or gone: the next repetition may reach somebody again.
            if let Some(link) = &link {
                let _ = send(socket, link, *ip);
            }
        }
    }
    Ok(())
}

/// Milliseconds of the clock that all processes share and nobody sets.
fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds.saturating_mul(1000).saturating_add(u64::try_from(now.tv_nsec / 1_000_000).unwrap_or_default())
}

/// Reads `interface/ip`, as the background copy gets it.
pub fn target(text: &str) -> Result<(u32, IpAddr), String> {
    let parsed = text.split_once('/').and_then(|(index, ip)| Some((index.parse().ok()?, ip.parse().ok()?)));
    parsed.ok_or_else(|| format!("{text:?} is not INTERFACE-INDEX/ADDRESS"))
}

pub(super) fn send(socket: &Socket, link: &Link, ip: IpAddr) -> io::Result<()> {
    let Some(mac) = link.ethernet else { return Ok(()) };
    match ip {
        IpAddr::V4(ip) => {
            sys::send_frame(socket, link.index, frame::ARP, &frame::arp(Form::Request, mac, ip))?;
            sys::send_frame(socket, link.index, frame::ARP, &frame::arp(Form::Reply, mac, ip))
        }
        IpAddr::V6(ip) => {
            let frame = frame::advertisement(mac, ip, forwards(&link.name));
            // A link-local address is announced by its own interface's scope; nothing differs on the wire.
            sys::send_frame(socket, link.index, frame::IPV6, &frame)
        }
    }
}

/// Whether this machine is an IPv6 router on that interface.
fn forwards(interface: &str) -> bool {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/forwarding");
    std::fs::read(path).is_ok_and(|text| text.trim_ascii() == b"1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_index_and_address() {
        assert_eq!(target("3/192.0.2.10"), Ok((3, "192.0.2.10".parse().unwrap())));
        assert_eq!(target("3/2001:db8::1"), Ok((3, "2001:db8::1".parse().unwrap())));
        for bad in ["", "3", "x/192.0.2.10", "3/", "-1/192.0.2.10"] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }
}
