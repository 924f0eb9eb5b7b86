//! What the beat thread tells the rest of the program: everything moves by value, so nobody waits for anybody.

use super::lateness::{Samples, Scheduling};
use crate::cluster::{Job, JobId, NodeState, Severity, Snapshot};
use crate::config::Timing;
use crate::media::{Medium, PingView};
use crate::wire::Message;
use std::collections::BTreeMap;
use std::time::Duration;

/// A main thread that is short of time takes pictures late; so late it is not.
const LONG: Duration = Duration::from_secs(2);

/// A message of the beat thread.
#[derive(Debug)]
pub(super) enum Report {
    /// Do this work and say how it ended.
    Start(Job),
    /// Have this work, which takes groups, ended.
    Cancel(JobId),
    /// Cut this node off and say how that ended.
    Fence(String),
    /// Write this generation to the disk.
    SaveGeneration(u64),
    /// Write this node's name and generation to the disk.
    SavePeerGeneration(String, u64),
    /// What is true now.
    Picture(Box<Picture>),
    /// Something that was logged.
    Said(Severity, String),
    /// Scripts of `rc.d` may be there for this; this node's own status.
    Script(Message, NodeState),
    /// These are no longer used: close them, which may take its time.
    Close(Vec<Medium>),
    /// The graceful stop is complete; the thread ends.
    Exit,
}

/// Whether a picture of this age tells nothing about now. There is a new one at least with every beat; and after a
/// deadtime of silence the other node acts as if this one were dead.
pub(super) fn is_stale(age: Duration, timing: &Timing) -> bool {
    age > (timing.keepalive * 3).max(LONG).min(timing.deadtime)
}

/// What is true at one moment.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    /// When, on the clock that never jumps.
    pub(super) at: Duration,
    /// What the core knows.
    pub(super) cluster: Snapshot,
    /// Each medium, in the order of `ha.cf`: the index of its link, and how it is.
    pub(super) media: Vec<(usize, MediumState)>,
    /// Each ping node, in the order of `ha.cf`.
    pub(super) pings: Vec<PingView>,
    pub(super) counters: Counters,
    /// How late the last beats were, and with what priority.
    pub(super) beats: Samples,
    pub(super) scheduling: Scheduling,
}

/// How a medium is on this node's side; the better, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MediumState {
    /// It is not open, or packets do not leave.
    Fails,
    /// Its interface is switched off.
    Off,
    /// Its interface has no carrier.
    NoCarrier,
    /// Packets leave.
    Works,
}

/// Totals since the start.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) resent: u64,
    pub(super) lost: u64,
    /// Packets that a medium did not take.
    pub(super) send_errors: u64,
    /// Refused packets by reason.
    pub(super) refused: BTreeMap<&'static str, u64>,
    /// The longest time by which the thread was late.
    pub(super) latest: Duration,
    /// Reports that nobody took in time.
    pub(super) reports_dropped: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_lasts_some_beats_but_no_deadtime() {
        let ms = Duration::from_millis;
        for (keepalive, deadtime, lasts) in
            [(100, 500, 500), (100, 4000, 2000), (1000, 30_000, 3000), (2000, 5000, 5000)]
        {
            let timing = Timing {
                keepalive: ms(keepalive),
                deadtime: ms(deadtime),
                warntime: ms(deadtime),
                initdead: ms(deadtime),
                deadping: ms(deadtime),
                rexmit_delay: ms(250),
            };
            assert!(
                !is_stale(ms(lasts), &timing) && is_stale(ms(lasts + 1), &timing),
                "{keepalive} {deadtime}"
            );
        }
    }
}
