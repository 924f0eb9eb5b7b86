//! When a node was last heard: a listener for the heartbeats of heartbeat and for VRRP on a network.

use crate::failure::Result;
use crate::frames;
use crate::moment::Moment;
use crate::node::Node;
use crate::process::Process;

const ETHERTYPE_IPV4: u16 = 0x0800;
const UDP: u8 = 17;
const VRRP: u8 = 112;
const HEARTBEAT_PORT: u16 = 694;

/// A listener at work in a node: it sees what is sent to all on the node's networks.
#[derive(Debug)]
pub struct BeatWatcher(Process);

impl BeatWatcher {
    /// Listen in a node.
    pub fn start(node: &Node) -> Result<Self> {
        let process = node.spawn(&["lab", "watch-beats"])?;
        process.wait_started()?;
        Ok(Self(process))
    }

    /// When the last beat of a hardware address arrived.
    pub fn last(&self, mac: &str) -> Option<Moment> {
        self.0.lines().iter().rev().find_map(|line| {
            let (nanos, sender) = line.split_once(' ')?;
            if sender == mac { Some(Moment::from_nanos(nanos.parse().ok()?)) } else { None }
        })
    }
}

/// Print the time and the sender of every beat that arrives until standard input ends.
pub fn run() -> Result<()> {
    frames::tell(ETHERTYPE_IPV4, |at, frame| sender(frame).map(|mac| format!("{} {mac}", at.nanos())))
}

/// Who sent this frame, if it is a beat: UDP to heartbeat's port, or VRRP.
fn sender(frame: &[u8]) -> Option<String> {
    let packet = frame.get(14..)?;
    let data = packet.get(usize::from(packet.first()? & 15) * 4..)?;
    let beat = match *packet.get(9)? {
        UDP => data.get(2..4)? == HEARTBEAT_PORT.to_be_bytes(),
        VRRP => true,
        _ => false,
    };
    if !beat || frame.get(12..14)? != ETHERTYPE_IPV4.to_be_bytes() {
        return None;
    }
    Some(frame.get(6..12)?.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_are_told_from_other_packets() {
        let mut frame = vec![0xff; 6];
        frame.extend([2, 0, 0, 0, 0, 9, 8, 0]);
        frame.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 1, UDP, 0, 0, 192, 0, 2, 1, 225, 0, 0, 1]);
        frame.extend([0x80, 0, 2, 0xb6, 0, 8, 0, 0]);
        assert_eq!(sender(&frame).as_deref(), Some("02:00:00:00:00:09"));
        for length in 0..38 {
            assert_eq!(sender(&frame[..length]), None, "{length}");
        }
        frame[37] += 1; // another port
        assert_eq!(sender(&frame), None);
        frame[23] = VRRP;
        assert!(sender(&frame).is_some());
    }
}
