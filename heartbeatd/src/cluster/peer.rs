//! What this node knows of the other one.

use super::agreement::Agreement;
use super::sequence::Inbound;
use super::set::Set;
use crate::wire::Message;
use std::time::Duration;

/// Status of a node (`st` on the wire).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// Nothing heard yet.
    Init,
    /// It sends, its resource layer is not ready.
    Up,
    /// Fully joined.
    Active,
    /// Silent for longer than its deadtime, or gone.
    Dead,
}

impl NodeState {
    /// The word of the wire and of `cl_status nodestatus`.
    pub fn word(self) -> &'static str {
        match self {
            NodeState::Init => "init",
            NodeState::Up => "up",
            NodeState::Active => "active",
            NodeState::Dead => "dead",
        }
    }

    /// Reads the word of the wire.
    pub fn from_word(word: &str) -> Option<NodeState> {
        Some(match word {
            "init" => NodeState::Init,
            "up" => NodeState::Up,
            "active" => NodeState::Active,
            "dead" => NodeState::Dead,
            _ => return None,
        })
    }
}

/// Extra fields that two of our nodes put into every numbered message; heartbeat 3.0.6 ignores them. They
/// repeat the whole ownership state, so that no lost or late message can leave the two with different pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extra {
    /// `td_want`: groups it holds or is taking, from *our* point of view.
    pub(super) want: Set,
    /// `td_have`: groups that may still run there, from our point of view.
    pub(super) have: Set,
    /// `td_stable`: no transition is under way.
    pub(super) stable: bool,
    /// `td_dead`: it believes that we are dead.
    pub(super) thinks_us_dead: bool,
    /// `td_heard`: it knows that we hear it, and so does not let go of its groups any more because we did not.
    pub(super) knows_it_is_heard: bool,
    /// `td_term`: its ownership terms, from our point of view (see [`super::share::Share::term`]).
    pub(super) terms: [u64; 2],
    /// `td_fence`: it has a device that can cut us off.
    pub(super) can_fence: bool,
    /// `td_failed`: groups that it could not start, or only some of them, from our point of view.
    pub(super) failed: Set,
    /// `td_stuck`: it cannot stop what it has to, and asks to be cut off.
    pub(super) asks_for_reset: bool,
}

/// The other node.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) uuid: Option<[u8; 16]>,
    pub(super) state: NodeState,
    /// Its present life; 0 until its first status of this run.
    pub(super) generation: u64,
    /// The highest generation ever heard of it, in earlier runs too: whatever is below is a replay.
    pub(super) floor: u64,
    pub(super) inbound: Inbound,
    /// When its last new message came.
    pub(super) heard: Option<Duration>,
    /// When its last status came, and that status's sequence number.
    pub(super) status_at: Option<Duration>,
    pub(super) status_seq: u64,
    /// Highest sequence number of its complete holdings reports.
    pub(super) report_seq: u64,
    /// Highest sequence numbers of the reports that only added our local groups, our foreign ones.
    added_seq: [u64; 2],
    /// Sequence number of the message that `extra` came with.
    pub(super) extra_seq: u64,
    /// Its own deadtime (`dt`).
    pub(super) deadtime: Duration,
    /// What it announces as its deadtime, when that is out of bounds and another one is used.
    pub(super) strange_deadtime: Option<Duration>,
    /// The status itself.
    pub(super) status: Option<Message>,
    /// It speaks a protocol with acknowledgements and `reqnodes` (`protocol=1`).
    pub(super) flow_control: bool,
    /// Its latest extra fields; `None` for a heartbeat 3.0.6.
    pub(super) extra: Option<Extra>,
    /// Its program's version (`td_ver`); `None` for a heartbeat 3.0.6.
    pub(super) version: Option<String>,
    /// It was one of ours when it was last heard in this life.
    pub(super) ours: bool,
    /// A heartbeat 3.0.6 that has used the stand-by protocol (`auto_failback on` or `off`) in this life.
    pub(super) stands_by: bool,
    /// That its `auto_failback` does not go with ours was reported.
    pub(super) mixture_reported: bool,
    /// What it says it holds, from our point of view; `None` until it reports.
    pub(super) holds: Option<Set>,
    /// Its last report said `isstable=1`.
    pub(super) stable: bool,
    /// It sent `starting` since it was last (re)started or dead.
    pub(super) starting: bool,
    /// It sent `shutdone` since then.
    pub(super) leaving: bool,
    /// Last time a datagram of it came in on each link; `true` while that link is up.
    pub(super) links: Vec<(Option<Duration>, bool)>,
    /// Since when it says that we are dead although we hear it.
    pub(super) unheard_since: Option<Duration>,
    /// A replayed message was already reported in this life of it.
    pub(super) replay_reported: bool,
    /// Whether its configuration is ours.
    pub(super) agreement: Agreement,
    /// Our uuid was seen with its name, and that was reported.
    pub(super) same_uuid_reported: bool,
}

impl Peer {
    pub(super) fn new(name: &str, links: usize, deadtime: Duration, floor: u64) -> Peer {
        Peer {
            name: name.to_owned(),
            uuid: None,
            state: NodeState::Init,
            generation: 0,
            floor,
            inbound: Inbound::default(),
            heard: None,
            status_at: None,
            status_seq: 0,
            report_seq: 0,
            added_seq: [0; 2],
            extra_seq: 0,
            deadtime,
            strange_deadtime: None,
            status: None,
            flow_control: true,
            extra: None,
            version: None,
            ours: false,
            stands_by: false,
            mixture_reported: false,
            holds: None,
            stable: false,
            starting: false,
            leaving: false,
            links: vec![(None, false); links],
            unheard_since: None,
            replay_reported: false,
            agreement: Agreement::default(),
            same_uuid_reported: false,
        }
    }

    /// It sends.
    pub(super) fn alive(&self) -> bool {
        matches!(self.state, NodeState::Up | NodeState::Active)
    }

    /// A new life of it: everything learnt of the old one is void.
    pub(super) fn restarted(&mut self, generation: u64) {
        *self = Peer {
            uuid: self.uuid,
            generation,
            heard: self.heard,
            links: std::mem::take(&mut self.links),
            same_uuid_reported: self.same_uuid_reported,
            agreement: self.agreement,
            ..Peer::new(&self.name.clone(), 0, self.deadtime, self.floor.max(generation))
        };
    }

    /// Takes the extra fields of a message, unless a later message brought some already.
    pub(super) fn learn(&mut self, extra: Option<Extra>, seq: u64, now: Duration) {
        if seq < self.extra_seq {
            return;
        }
        (self.extra, self.extra_seq, self.ours) = (extra, seq, extra.is_some());
        if extra.is_none_or(|extra| !extra.thinks_us_dead) {
            self.unheard_since = None;
        } else if self.unheard_since.is_none() {
            self.unheard_since = Some(now);
        }
    }

    /// Takes a report of what it holds, from our point of view, whatever the order in which reports come. Whether it tells
    /// anything new.
    pub(super) fn report(&mut self, held: Set, full: bool, seq: u64) -> bool {
        if full && seq >= self.report_seq {
            let later = |index: usize| self.added_seq[index] > seq;
            (self.holds, self.report_seq) =
                (Some(held.with(Set { local: later(0), foreign: later(1) })), seq);
            return true;
        }
        if full || seq < self.report_seq {
            return false;
        }
        for (added, is) in self.added_seq.iter_mut().zip([held.local, held.foreign]) {
            if is {
                *added = seq.max(*added);
            }
        }
        self.holds = Some(self.holds.unwrap_or(Set::NONE).with(held));
        true
    }

    /// Whether it has told what it holds in a message after this one.
    pub(super) fn has_reported_since(&self, seq: u64) -> bool {
        self.added_seq.iter().any(|added| *added > seq) || self.report_seq > seq
    }

    /// When it is dead if nothing more is heard of it.
    pub(super) fn dead_at(&self) -> Option<Duration> {
        if self.alive() { self.heard.map(|at| at + self.deadtime) } else { None }
    }

    /// Groups it holds, or may still run, as far as it has said so; from our point of view.
    pub(super) fn claims(&self) -> Set {
        if !self.alive() {
            return Set::NONE;
        }
        let reported = self.holds.unwrap_or(Set::NONE);
        match self.extra {
            Some(extra) => reported.with(extra.want).with(extra.have),
            None => reported,
        }
    }
}
