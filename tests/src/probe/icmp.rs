//! Pings: cheaper than requests, so that an outage of the address itself can be seen to a few milliseconds.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use daemon::icmp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Sample, line};
use crate::failure::{Context, Result};
use crate::moment::Moment;

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

/// An echo request that carries its number as data.
fn request(target: IpAddr, identity: u16, number: u32) -> Vec<u8> {
    icmp::request(target.is_ipv6(), identity, number as u16, &number.to_be_bytes())
}

/// The number of the request that a packet answers, if it answers one of ours.
fn reply(target: IpAddr, identity: u16, packet: &[u8]) -> Option<u32> {
    let (identifier, _, data) = icmp::reply(packet, target.is_ipv6())?;
    (identifier == identity).then(|| data.first_chunk().copied().map(u32::from_be_bytes)).flatten()
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
        packet[20] = icmp::REPLIES[0];
        assert_eq!(reply(target, 7, &packet), Some(70_000));
        assert_eq!(reply(target, 8, &packet), None);
        assert_eq!(reply(target, 7, &packet[..25]), None);
    }
}
