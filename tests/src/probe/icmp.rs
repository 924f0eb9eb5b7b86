//! Pings: cheaper than requests, so that an outage of the address itself can be seen to a few milliseconds.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Sample, line};
use crate::failure::{Context, Result};
use crate::moment::Moment;

const ECHO_REQUEST_V4: u8 = 8;
const ECHO_REPLY_V4: u8 = 0;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;

/// Ping `target` every `interval` until standard input ends.
pub fn run(target: IpAddr, interval: Duration, limit: Duration) -> Result<()> {
    let (domain, protocol) = match target {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::RAW.nonblocking(), Some(protocol))
        .context(|| "a raw socket (needs root)")?;
    let identity = std::process::id() as u16;
    let stdin = std::io::stdin();
    let mut out = std::io::stdout();
    let mut waiting_for: VecDeque<(u32, Moment)> = VecDeque::new();
    let (mut count, mut next) = (0_u32, Moment::now());
    loop {
        let now = Moment::now();
        if now >= next {
            count += 1;
            let answer =
                socket.send_to(&request(target, identity, count), &SocketAddr::new(target, 0).into());
            match answer {
                Ok(_) => waiting_for.push_back((count, now)),
                Err(error) => writeln!(
                    out,
                    "{}",
                    line(&Sample { start: now, end: now, answer: Err(error.to_string()) })
                )?,
            }
            next = if now.since(next) > interval { now.plus(interval) } else { next.plus(interval) };
        }
        let deadline = waiting_for.front().map_or(next, |(_, start)| start.plus(limit).min(next));
        let wait =
            Timespec::try_from(deadline.since(Moment::now())).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
        let mut ready = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&socket, PollFlags::IN)];
        match poll(&mut ready, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !ready.first().is_none_or(|stdin| stdin.revents().is_empty()) {
            return Ok(());
        }
        let mut buffer = [0; 512];
        while let Ok(length) = (&socket).read(&mut buffer) {
            let number = reply(target, identity, buffer.get(..length).unwrap_or_default());
            let place = waiting_for.iter().position(|(waiting, _)| Some(*waiting) == number);
            if let Some((_, start)) = place.and_then(|place| waiting_for.remove(place)) {
                let sample = Sample { start, end: Moment::now(), answer: Ok("reply".to_owned()) };
                writeln!(out, "{}", line(&sample))?;
            }
        }
        while let Some(&(_, start)) = waiting_for.front().filter(|(_, start)| start.elapsed() >= limit) {
            waiting_for.pop_front();
            let sample = Sample { start, end: Moment::now(), answer: Err("no answer in time".to_owned()) };
            writeln!(out, "{}", line(&sample))?;
        }
        out.flush()?;
    }
}

/// An echo request that carries its number as data. The kernel fills in the checksum of ICMPv6.
fn request(target: IpAddr, identity: u16, number: u32) -> Vec<u8> {
    let kind = if target.is_ipv4() { ECHO_REQUEST_V4 } else { ECHO_REQUEST_V6 };
    let mut packet = vec![kind, 0, 0, 0];
    packet.extend(identity.to_be_bytes());
    packet.extend((number as u16).to_be_bytes());
    packet.extend(number.to_be_bytes());
    if target.is_ipv4() {
        let sum = checksum(&packet).to_be_bytes();
        packet.splice(2..4, sum);
    }
    packet
}

/// The number of the request that a packet answers, if it answers one of ours.
fn reply(target: IpAddr, identity: u16, packet: &[u8]) -> Option<u32> {
    let (message, kind) = match target {
        // A raw IPv4 socket delivers the IP header too.
        IpAddr::V4(_) => (packet.get(usize::from(packet.first()? & 15) * 4..)?, ECHO_REPLY_V4),
        IpAddr::V6(_) => (packet, ECHO_REPLY_V6),
    };
    let ours = *message.first()? == kind && message.get(4..6)? == identity.to_be_bytes();
    ours.then(|| message.get(8..12)?.try_into().ok().map(u32::from_be_bytes)).flatten()
}

/// RFC 1071.
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks(2).map(|pair| pair.iter().fold(0, |word, &byte| word << 8 | u32::from(byte)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_recognized_by_identity_and_number() {
        let target = IpAddr::from([192, 0, 2, 1]);
        let mut packet = vec![0x45; 20];
        packet.extend(request(target, 7, 70_000));
        assert_eq!(reply(target, 7, &packet), None); // a request is no reply
        packet[20] = ECHO_REPLY_V4;
        assert_eq!(reply(target, 7, &packet), Some(70_000));
        assert_eq!(reply(target, 8, &packet), None);
        assert_eq!(reply(target, 7, &packet[..25]), None);
        assert_eq!(checksum(&request(target, 7, 1)), 0); // RFC 1071: over the whole packet the sum is zero
    }
}
