//! Pings: cheaper than requests, so that an outage of the address itself can be seen to a few milliseconds.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;

use daemon::icmp;
use rustix::event::{PollFd, PollFlags};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Pace, doing, wait};
use crate::moment::Moment;
use crate::outage::Sample;

/// A prober of one address.
#[derive(Debug)]
pub struct Pinger {
    target: IpAddr,
    pace: Pace,
    identity: u16,
    socket: Socket,
}

impl Pinger {
    /// Needs root or CAP_NET_RAW.
    pub fn new(target: IpAddr, pace: Pace) -> io::Result<Self> {
        let (domain, protocol) = match target {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        let socket = Socket::new(domain, Type::RAW.nonblocking(), Some(protocol))
            .map_err(doing("a raw socket for pings (needs root or CAP_NET_RAW)"))?;
        Ok(Self { target, pace, identity: std::process::id() as u16, socket })
    }

    /// Ping until `stop` ends (a pipe whose other end is closed). Tells of each request when its end is known.
    pub fn run(
        &self,
        stop: BorrowedFd<'_>,
        mut tell: impl FnMut(Sample) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut waiting_for: VecDeque<(u32, Moment)> = VecDeque::new();
        let (mut count, mut next) = (0_u32, Moment::now());
        loop {
            let now = Moment::now();
            if now >= next {
                count = count.wrapping_add(1);
                let request = request(self.target, self.identity, count);
                match self.socket.send_to(&request, &SocketAddr::new(self.target, 0).into()) {
                    Ok(_) => waiting_for.push_back((count, now)),
                    Err(error) => tell(Sample::refused(now, &error))?,
                }
                next = self.pace.after(next, now);
            }
            let deadline =
                waiting_for.front().map_or(next, |(_, start)| start.plus(self.pace.limit).min(next));
            if wait(stop, [PollFd::new(&self.socket, PollFlags::IN)], deadline)?.is_none() {
                return Ok(());
            }
            let mut buffer = [0; 512];
            while let Ok(length) = (&self.socket).read(&mut buffer) {
                let number = reply(self.target, self.identity, buffer.get(..length).unwrap_or_default());
                let place = waiting_for.iter().position(|(waiting, _)| Some(*waiting) == number);
                if let Some((_, start)) = place.and_then(|place| waiting_for.remove(place)) {
                    tell(Sample::answered(start, "reply"))?;
                }
            }
            while let Some(&(_, start)) =
                waiting_for.front().filter(|(_, start)| start.elapsed() >= self.pace.limit)
            {
                waiting_for.pop_front();
                tell(Sample::failed(start, "no answer in time"))?;
            }
        }
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
