//! Who answers for an address: everybody on its network is asked by ARP (RFC 826) or neighbour discovery (RFC 4861), every
//! few milliseconds, and replies are collected with the hardware address in them. What is announced without a question is
//! told too.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6, UdpSocket};
use std::os::fd::BorrowedFd;
use std::process::Command;

use ha_resources::sys::{packet_socket, send_frame};
use rustix::event::{PollFd, PollFlags};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Pace, doing, wait};
use crate::moment::Moment;
use crate::owner::{Mac, Round};

/// EtherType of ARP.
pub const ARP: u16 = 0x0806;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;

/// Where on a network one asks from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The interface's name.
    pub interface: String,
    index: u32,
    mac: Mac,
    source: IpAddr,
}

/// Why nobody can be asked who has the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// It is reached through this router: its owner's hardware address is not seen from here.
    Behind(String),
    /// It is an address of this machine.
    Own,
    /// Something else, in words.
    Other(String),
}

impl std::fmt::Display for NoPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Behind(router) => {
                write!(
                    f,
                    "it is reached through the router {router}, so who answers for it is not seen from here"
                )
            }
            Self::Own => f.write_str("this machine holds it, so nobody else is asked for it"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl Place {
    /// The place on the network that an address is on, as the kernel would send to it now.
    pub fn towards(target: IpAddr) -> Result<Place, NoPlace> {
        let route = ip_json(&["route", "get", &target.to_string()])?;
        let word = |name: &str| route.get(name).and_then(serde_json::Value::as_str);
        if word("type") == Some("local") || word("dev") == Some("lo") {
            return Err(NoPlace::Own);
        }
        if let Some(router) = word("gateway") {
            return Err(NoPlace::Behind(router.to_owned()));
        }
        let interface =
            word("dev").ok_or_else(|| NoPlace::Other("the kernel names no interface for it".into()))?;
        let link = ip_json(&["link", "show", "dev", interface])?;
        let mac = link.get("address").and_then(serde_json::Value::as_str).and_then(parse_mac);
        let index = link
            .get("ifindex")
            .and_then(serde_json::Value::as_u64)
            .and_then(|index| u32::try_from(index).ok());
        let (Some(mac), Some(index)) = (mac, index) else {
            return Err(NoPlace::Other(format!(
                "{interface} is no Ethernet, where owners have hardware addresses"
            )));
        };
        let source = own_address(target)
            .map_err(|error| NoPlace::Other(format!("no own address towards it: {error}")))?;
        Ok(Place { interface: interface.to_owned(), index, mac, source })
    }
}

/// The address from which this machine would send to another.
pub fn own_address(target: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr =
        if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((target, 9))?;
    Ok(socket.local_addr()?.ip())
}

fn ip_json(words: &[&str]) -> Result<serde_json::Value, NoPlace> {
    let failed = |why: String| NoPlace::Other(format!("`ip {}`: {why}", words.join(" ")));
    let output =
        Command::new("ip").arg("-j").args(words).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let all: Vec<serde_json::Value> =
        serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))?;
    all.into_iter().next().ok_or_else(|| failed("it said nothing".to_owned()))
}

fn parse_mac(text: &str) -> Option<Mac> {
    let bytes: Option<Vec<u8>> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    <[u8; 6]>::try_from(bytes?).ok().map(Mac)
}

/// What the prober tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A round has ended.
    Round(Round),
    /// The question could not be sent.
    Unsent(Moment, String),
    /// Somebody announced the address without being asked.
    Announced(Moment, Mac),
}

/// Asks for one address.
#[derive(Debug)]
pub struct Asker {
    target: IpAddr,
    place: Place,
    pace: Pace,
    sending: Socket,
    listening: Socket,
}

impl Asker {
    /// Needs root or CAP_NET_RAW.
    pub fn new(target: IpAddr, place: Place, pace: Pace) -> io::Result<Self> {
        let raw = "a raw socket to ask who has the address (needs root or CAP_NET_RAW)";
        let (sending, listening) = match target {
            IpAddr::V4(_) => {
                let protocol = Protocol::from(i32::from(ARP.to_be()));
                let listening = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(protocol));
                (packet_socket().map_err(doing(raw))?, listening.map_err(doing(raw))?)
            }
            IpAddr::V6(_) => {
                let socket = Socket::new(Domain::IPV6, Type::RAW.nonblocking(), Some(Protocol::ICMPV6))
                    .map_err(doing(raw))?;
                socket.set_multicast_if_v6(place.index)?;
                socket.set_multicast_hops_v6(255)?; // others are refused (RFC 4861, 7.1.1)
                let other = socket.try_clone()?;
                (other, socket)
            }
        };
        Ok(Self { target, place, pace, sending, listening })
    }

    /// Ask until `stop` ends (a pipe whose other end is closed). A reply belongs to the last question before it.
    pub fn run(&self, stop: BorrowedFd<'_>, mut tell: impl FnMut(Seen)) -> io::Result<()> {
        let mut next = Moment::now();
        let mut round: Option<Round> = None;
        loop {
            let now = Moment::now();
            if now >= next {
                if let Some(round) = round.take() {
                    tell(Seen::Round(round));
                }
                match self.ask() {
                    Ok(()) => round = Some(Round { at: now, owners: Vec::new() }),
                    Err(error) => tell(Seen::Unsent(now, error.to_string())),
                }
                next = self.pace.after(next, now);
            }
            if wait(stop, [PollFd::new(&self.listening, PollFlags::IN)], next)?.is_none() {
                return Ok(());
            }
            let mut buffer = [0; 512];
            while let Ok(length) = (&self.listening).read(&mut buffer) {
                let packet = buffer.get(..length).unwrap_or_default();
                match (self.said(packet), &mut round) {
                    (Some((mac, true)), _) => tell(Seen::Announced(Moment::now(), mac)),
                    (Some((mac, false)), Some(round)) if !round.owners.contains(&mac) => {
                        round.owners.push(mac)
                    }
                    _ => {}
                }
            }
        }
    }

    fn ask(&self) -> io::Result<()> {
        match (self.target, self.place.source) {
            (IpAddr::V4(target), IpAddr::V4(source)) => {
                let frame = who_has(target, source, self.place.mac);
                send_frame(&self.sending, self.place.index, ARP, &frame)
            }
            (IpAddr::V6(target), _) => {
                let group = SocketAddrV6::new(solicited(target), 0, 0, self.place.index);
                self.sending.send_to(&solicitation(target, self.place.mac), &group.into()).map(drop)
            }
            _ => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }

    /// Who says that it has the address, and whether it says so unasked.
    fn said(&self, packet: &[u8]) -> Option<(Mac, bool)> {
        match self.target {
            IpAddr::V4(target) => {
                let claim = Claim::parse(packet)?;
                let about = claim.address == target && (claim.reply || claim.gratuitous);
                about.then_some((claim.mac, claim.gratuitous))
            }
            IpAddr::V6(target) => advertised(packet, target),
        }
    }
}

/// An ARP packet that says who has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// A reply; otherwise a request.
    pub reply: bool,
    /// The address the sender says it has.
    pub address: Ipv4Addr,
    /// The sender's hardware address.
    pub mac: Mac,
    /// Whether sender and target address are the same: nobody was asked, it is an announcement.
    pub gratuitous: bool,
}

impl Claim {
    /// Reads an Ethernet frame with an ARP packet for IPv4 (RFC 826).
    pub fn parse(frame: &[u8]) -> Option<Claim> {
        let arp = frame.get(14..42)?;
        if frame.get(12..14)? != ARP.to_be_bytes() || arp.get(..6)? != [0, 1, 8, 0, 6, 4] {
            return None;
        }
        let reply = match arp.get(6..8)? {
            [0, 1] => false,
            [0, 2] => true,
            _ => return None,
        };
        let mac = Mac(<[u8; 6]>::try_from(arp.get(8..14)?).ok()?);
        let address = |range| Some(Ipv4Addr::from(<[u8; 4]>::try_from(arp.get(range)?).ok()?));
        let (address, target) = (address(14..18)?, address(24..28)?);
        Some(Claim { reply, address, mac, gratuitous: address == target })
    }
}

/// The frame that asks everybody who has `target`.
fn who_has(target: Ipv4Addr, source: Ipv4Addr, mac: Mac) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(mac.0);
    frame.extend(ARP.to_be_bytes());
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(mac.0);
    frame.extend(source.octets());
    frame.extend([0; 6]);
    frame.extend(target.octets());
    frame
}

/// The group that an address listens to (RFC 4291, 2.7.1).
fn solicited(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b] = target.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | (a & 0x00ff), b)
}

/// A neighbour solicitation; its checksum is the kernel's work.
fn solicitation(target: Ipv6Addr, mac: Mac) -> Vec<u8> {
    let mut packet = vec![NEIGHBOUR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    packet.extend(target.octets());
    packet.extend([1, 1]); // source link-layer address, 8 bytes
    packet.extend(mac.0);
    packet
}

/// Who advertises an address, and whether unasked.
fn advertised(packet: &[u8], target: Ipv6Addr) -> Option<(Mac, bool)> {
    if packet.first() != Some(&NEIGHBOUR_ADVERTISEMENT) || packet.get(8..24)? != target.octets() {
        return None;
    }
    let unasked = packet.get(4)? & 0x40 == 0;
    let mut options = packet.get(24..)?;
    loop {
        let length = usize::from(*options.get(1)?) * 8;
        if length == 0 {
            return None;
        }
        if options.first() == Some(&2) {
            let mac = <[u8; 6]>::try_from(options.get(2..8)?).ok()?;
            return Some((Mac(mac), unasked));
        }
        options = options.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);

    #[test]
    fn announcements_are_told_from_questions_and_replies() {
        let (vip, own) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 9));
        let mut frame = who_has(vip, own, MAC);
        let claim = Claim { reply: false, address: own, mac: MAC, gratuitous: false };
        assert_eq!(Claim::parse(&frame), Some(claim));
        frame[41] = 9;
        assert_eq!(Claim::parse(&frame), Some(Claim { gratuitous: true, ..claim }));
        frame[21] = 2;
        assert_eq!(Claim::parse(&frame), Some(Claim { reply: true, gratuitous: true, ..claim }));
        for length in 0..42 {
            assert_eq!(Claim::parse(&frame[..length]), None);
        }
    }

    #[test]
    fn neighbours_of_ipv6() {
        let vip: Ipv6Addr = "2001:db8::12:3456".parse().unwrap();
        assert_eq!(solicited(vip), "ff02::1:ff12:3456".parse::<Ipv6Addr>().unwrap());
        assert_eq!(advertised(&solicitation(vip, MAC), vip), None, "a question");
        let mut reply = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
        reply.extend(vip.octets());
        reply.extend([14, 1, 0, 0, 0, 0, 0, 0, 2, 1]);
        reply.extend(MAC.0);
        assert_eq!(advertised(&reply, vip), Some((MAC, false)));
        assert_eq!(advertised(&reply, "2001:db8::1".parse().unwrap()), None);
        for length in 0..reply.len() {
            assert_eq!(advertised(&reply[..length], vip), None);
        }
        reply[4] = 0x20;
        assert_eq!(advertised(&reply, vip), Some((MAC, true)));
        reply[25] = 0;
        assert_eq!(advertised(&reply, vip), None, "an option without length");
    }

    #[test]
    fn hardware_addresses() {
        assert_eq!(parse_mac("02:00:00:00:00:09"), Some(MAC));
        assert_eq!(parse_mac("02:00:00:00:00"), None);
        assert_eq!(parse_mac(""), None);
    }
}
