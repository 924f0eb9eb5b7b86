//! Who announces an address: a listener for ARP on a network, with the sender's hardware address and the time.

use std::net::Ipv4Addr;
use std::time::Duration;

use ha_drill::probe::owner;

use crate::failure::Result;
use crate::frames;
use crate::moment::{Moment, wait_for};
use crate::node::Node;
use crate::process::Process;

/// An ARP packet that says who has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// When it arrived.
    pub at: Moment,
    /// `request` or `reply`.
    pub operation: String,
    /// The address the sender says it has.
    pub address: Ipv4Addr,
    /// The sender's hardware address.
    pub mac: String,
    /// Whether sender and target address are the same: nobody was asked, it is an announcement.
    pub gratuitous: bool,
}

/// A listener at work in a node: it sees what is sent to all on the node's networks, and to the node.
#[derive(Debug)]
pub struct ArpWatcher(Process);

impl ArpWatcher {
    /// Listen in a node.
    pub fn start(node: &Node) -> Result<Self> {
        let process = node.spawn(&["lab", "watch-arp"])?;
        process.wait_started()?;
        Ok(Self(process))
    }

    /// All announcements of an address so far.
    pub fn announcements(&self, address: Ipv4Addr) -> Vec<Claim> {
        let claims = self.0.lines().into_iter().filter_map(|line| parse_line(&line));
        claims.filter(|claim| claim.address == address && claim.gratuitous).collect()
    }

    /// The first announcement of an address by a hardware address after a moment.
    pub fn wait_announcement(
        &self,
        address: Ipv4Addr,
        mac: &str,
        after: Moment,
        limit: Duration,
    ) -> Result<Claim> {
        wait_for(limit, &format!("{mac} announces {address}"), || {
            let all = self.announcements(address);
            Ok(all.into_iter().find(|claim| claim.mac == mac && claim.at >= after))
        })
    }
}

/// Print every ARP packet that arrives until standard input ends.
pub fn run() -> Result<()> {
    frames::tell(owner::ARP, |at, frame| parse_frame(at, frame).as_ref().map(line))
}

fn parse_frame(at: Moment, frame: &[u8]) -> Option<Claim> {
    let claim = owner::Claim::parse(frame)?;
    let operation = if claim.reply { "reply" } else { "request" }.to_owned();
    let owner::Claim { address, gratuitous, .. } = claim;
    Some(Claim { at, operation, address, mac: claim.mac.to_string(), gratuitous })
}

fn line(claim: &Claim) -> String {
    let Claim { at, operation, address, mac, gratuitous } = claim;
    format!("{} {operation} {address} {mac} {gratuitous}", at.nanos())
}

fn parse_line(line: &str) -> Option<Claim> {
    let words: Vec<&str> = line.split(' ').collect();
    let [at, operation, address, mac, gratuitous] = words.as_slice() else { return None };
    Some(Claim {
        at: Moment::from_nanos(at.parse().ok()?),
        operation: (*operation).to_owned(),
        address: address.parse().ok()?,
        mac: (*mac).to_owned(),
        gratuitous: gratuitous.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_told_from_questions() {
        let mut frame = vec![0xff; 6];
        frame.extend([2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 192, 0, 2, 1]);
        frame.extend([0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
        let claim = parse_frame(Moment::from_nanos(5), &frame).unwrap();
        assert_eq!((claim.mac.as_str(), claim.gratuitous), ("02:00:00:00:00:09", true));
        assert_eq!(parse_line(&line(&claim)), Some(claim));
        frame[41] = 2;
        assert!(!parse_frame(Moment::from_nanos(5), &frame).unwrap().gratuitous);
        for length in 0..42 {
            assert_eq!(parse_frame(Moment::from_nanos(5), &frame[..length]), None);
        }
    }
}
