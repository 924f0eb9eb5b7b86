//! What goes wrong, and what administrators do.

use crate::random::Random;
use heartbeatd::cluster::Set;
use std::time::Duration;

/// One thing that happens to the cluster. Nodes are 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Power-off: everything of the node is gone.
    PowerOff(usize),
    /// Power-on: the daemon starts.
    PowerOn(usize),
    /// The daemon dies and is started again; addresses stay.
    Restart(usize, Duration),
    /// The whole machine stands still (a paused VM).
    Pause(usize, Duration),
    /// No link works, in both directions.
    Partition(Duration),
    /// Only what this node sends is lost.
    Deaf { from: usize, time: Duration },
    /// One of two links is cut.
    CutLink(usize, Duration),
    /// So many percent of the datagrams are lost.
    Loss(u64, Duration),
    /// `hb_standby`.
    Standby(usize, Set),
    /// `hb_takeover`.
    Takeover(usize, Set),
    /// Graceful stop of the daemon.
    Stop(usize),
    /// Start of a stopped daemon.
    Start(usize),
}

/// Draws the next fault that makes sense: nodes that are off are switched on some time.
pub(crate) fn draw(random: &mut Random, deadtime: Duration, links: usize) -> Fault {
    let node = random.between(0, 1) as usize;
    let long = |random: &mut Random| deadtime * random.between(1, 60) as u32 / 10;
    let set = |random: &mut Random| random.of(&[Set::ALL, Set::LOCAL, Set::FOREIGN]);
    match random.between(0, 13) {
        0 | 1 => Fault::PowerOff(node),
        2 | 3 => Fault::PowerOn(node),
        4 => Fault::Restart(node, deadtime * random.between(1, 15) as u32 / 10),
        5 => Fault::Pause(node, long(random)),
        6 => Fault::Partition(long(random)),
        7 => Fault::Deaf { from: node, time: long(random) },
        8 if links > 1 => Fault::CutLink(random.between(0, 1) as usize, long(random)),
        8 | 9 => Fault::Loss(random.between(10, 60), long(random)),
        10 => Fault::Standby(node, set(random)),
        11 => Fault::Takeover(node, set(random)),
        12 => Fault::Stop(node),
        _ => Fault::Start(node),
    }
}
