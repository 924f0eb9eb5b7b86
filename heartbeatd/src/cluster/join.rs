//! Joining, leaving, and what time alone brings: beats, deaths, time-outs.

use super::insist::Insist;
use super::peer::{NodeState, Peer};
use super::sequence::History;
use super::share::Actual;
use super::standby::Standby;
use super::{Action, Cluster, Notice, Set};
use crate::wire::Message;
use std::time::Duration;

/// `reqnodes` is repeated after this time (heartbeat 3.0.6: 1 s).
const REQNODES_INTERVAL: Duration = Duration::from_secs(1);
/// `starting` is repeated after this time without a report: the first one, or its answer, was lost at a moment when
/// nobody could notice that.
const STARTING_INTERVAL: Duration = Duration::from_secs(2);
/// So many times without an answer are worth a word.
const MUTE: u32 = 5;
/// A starting node that got a report, but no word that the other is at rest, goes on after this time
/// (heartbeat 3.0.6: 10 s).
const START_PATIENCE: Duration = Duration::from_secs(10);
/// A node that has released everything goes on beating for this time, so that lost messages can still be
/// sent again (heartbeat 3.0.6: about 2 s).
const LINGER: Duration = Duration::from_secs(2);

/// Where a node is in its life; drawn in the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waits for the first word of the other node.
    Listening {
        /// Alone from then on.
        until: Duration,
    },
    /// Asks for the other's node list; it must answer before this node counts as active.
    Asking {
        /// Asks again.
        again: Duration,
    },
    /// Has said `starting`; waits for a report of what the other holds.
    Starting {
        /// When the first report came.
        reported: Option<Duration>,
        /// Says so again if none has come by then.
        again: Duration,
    },
    /// Takes part.
    Stable,
    /// Releases everything before it leaves.
    Stopping,
    /// Has released everything, and still answers.
    Lingering {
        /// Leaves then.
        until: Duration,
    },
    /// Has left.
    Gone,
}

impl Phase {
    pub(super) fn deadline(&self) -> Option<Duration> {
        match *self {
            Phase::Listening { until } | Phase::Lingering { until } => Some(until),
            Phase::Asking { again } => Some(again),
            Phase::Starting { reported, again } => Some(reported.map_or(again, |at| at + START_PATIENCE)),
            Phase::Stable | Phase::Stopping | Phase::Gone => None,
        }
    }

    pub(super) fn word(&self) -> &'static str {
        match self {
            Phase::Listening { .. } => "listening",
            Phase::Asking { .. } => "asking",
            Phase::Starting { .. } => "starting",
            Phase::Stable => "stable",
            Phase::Stopping | Phase::Lingering { .. } => "stopping",
            Phase::Gone => "stopped",
        }
    }
}

impl Cluster {
    /// This node's own status.
    pub fn my_state(&self) -> NodeState {
        match self.phase {
            Phase::Listening { .. } | Phase::Asking { .. } => NodeState::Up,
            _ => NodeState::Active,
        }
    }

    /// Whether the resource layer works.
    pub(super) fn joined(&self) -> bool {
        matches!(self.phase, Phase::Starting { .. } | Phase::Stable)
    }

    /// Whether this node did not run for so long that the other has declared it dead.
    pub(super) fn slept(&self) -> bool {
        self.peer.is_some()
            && self.phase != Phase::Gone
            && self.now.mono.saturating_sub(self.last_beat) >= self.settings.deadtime
    }

    /// After a sleep nothing that this node knew is sure: it lets go of everything and joins as if it had
    /// restarted, with a new generation, so that an old heartbeat sees a restart and not a healed partition.
    pub(super) fn wake(&mut self, why: Notice) {
        let now = self.now.mono;
        self.notice(why);
        self.woken = now;
        if matches!(self.phase, Phase::Stopping | Phase::Lingering { .. }) {
            self.last_beat = now;
            return;
        }
        self.yield_set(Set::ALL, "this node was not running");
        self.generation = self.generation.saturating_add(1);
        self.actions.push_back(Action::SaveGeneration(self.generation));
        self.history = History::default();
        (self.standby, self.asked_old) = (None, None); // an answer to what was asked before comes too late
        self.end_fencing("this node was not running");
        self.reported = None;
        if let Some(peer) = self.peer.as_mut() {
            peer.state = NodeState::Init;
            (peer.holds, peer.extra, peer.unheard_since) = (None, None, None);
            (peer.stable, peer.starting, peer.leaving) = (false, false, false);
        }
        let first = match self.phase {
            Phase::Listening { until } => until,
            _ => now,
        };
        self.phase = Phase::Listening { until: first.max(now + self.settings.deadtime) };
        self.send_status(NodeState::Init);
        self.send_status(NodeState::Up);
        self.beat_at = now + self.settings.keepalive;
    }

    /// Everything that is due by now.
    pub(super) fn expire(&mut self) {
        let now = self.now.mono;
        if self.peer.as_ref().and_then(Peer::dead_at).is_some_and(|at| at <= now) {
            self.peer_died();
        }
        self.expire_links();
        self.repeat_silence();
        self.ask_again();
        self.expire_standby();
        self.expire_ipfail();
        self.expire_fencing();
        match self.phase {
            Phase::Listening { until } if until <= now => {
                if let Some(peer) = self.peer.as_mut() {
                    peer.state = NodeState::Dead;
                }
                self.notice(Notice::Alone);
                self.say_silence();
                self.begin_fencing(self.turn_at_start()); // it may run, and only this node be cut off
                self.activate(true);
            }
            Phase::Asking { again } if again <= now => self.ask_nodes(),
            Phase::Starting { reported: None, again } if again <= now && self.fencing.is_none() => {
                self.repeat_starting();
            }
            Phase::Lingering { until } if until <= now => self.leave(),
            _ => {}
        }
        if self.beat_at <= now && self.phase != Phase::Gone {
            let late = now.saturating_sub(self.beat_at);
            let interval = self.beat_interval();
            self.beat_at = if late < interval { self.beat_at } else { now } + interval;
            self.send_status(self.my_state());
        }
    }

    fn beat_interval(&self) -> Duration {
        match self.hurry {
            Some((interval, until)) if self.now.mono < until => interval.min(self.settings.keepalive),
            _ => self.settings.keepalive,
        }
    }

    /// Moves on in the life of this node as far as what is known allows.
    pub(super) fn advance(&mut self) {
        match self.phase {
            Phase::Listening { .. } if self.peer.is_none() => self.activate(true),
            Phase::Listening { .. } if self.peer.as_ref().is_some_and(Peer::alive) => {
                self.notice(Notice::Joined);
                match self.peer.as_ref().is_some_and(|peer| peer.flow_control) {
                    true => self.ask_nodes(),
                    false => self.activate(false),
                }
            }
            Phase::Asking { .. } if !self.peer.as_ref().is_some_and(Peer::alive) => self.activate(true),
            Phase::Starting { reported, .. } => self.try_settle_in(reported),
            Phase::Stable if self.stop_requested && self.at_rest() && self.standby.is_none() => {
                self.begin_stop()
            }
            Phase::Stopping if self.shares.iter().all(|share| share.actual == Actual::Released) => {
                let mut message = Message::new("shutdone");
                message.push_text("st", "dead");
                self.send(message, false);
                self.phase = Phase::Lingering { until: self.now.mono + LINGER };
            }
            // no word of it: the other node takes over only when it has not heard of this one for its deadtime, or has fenced it
            Phase::Stopping if self.at_rest() => {
                self.notice(Notice::LeavesRunning);
                self.leave();
            }
            Phase::Lingering { .. } => {
                let taken = match self.peer.as_ref().filter(|peer| peer.alive()) {
                    Some(peer) => peer.extra.is_some_and(|extra| extra.want == Set::ALL || peer.leaving),
                    None => true,
                };
                if taken {
                    self.leave();
                }
            }
            _ => {}
        }
    }

    fn leave(&mut self) {
        self.phase = Phase::Gone;
        self.actions.push_back(Action::Exit);
    }

    fn ask_nodes(&mut self) {
        self.send(Message::new("reqnodes"), true);
        self.phase = Phase::Asking { again: self.now.mono + REQNODES_INTERVAL };
    }

    pub(super) fn receive_repnodes(&mut self, message: &Message) {
        let list = message.text("nodelist").unwrap_or_default();
        let mut theirs: Vec<&str> = list.split_whitespace().collect();
        let mut mine: Vec<&str> = self.settings.nodes.iter().map(String::as_str).collect();
        theirs.sort_unstable();
        mine.sort_unstable();
        if theirs != mine {
            if let Some(peer) = &self.peer {
                let (node, theirs) = (peer.name.clone(), theirs.join(" "));
                self.notice(Notice::NodeListDiffers { node, theirs });
            }
        }
        if matches!(self.phase, Phase::Asking { .. }) {
            self.activate(false);
        }
    }

    /// Communication is up: the resource layer starts.
    fn activate(&mut self, alone: bool) {
        if let Some(peer) = self.peer.as_mut() {
            (peer.holds, peer.stable) = (None, false);
        }
        self.unanswered = 0;
        self.send_status(NodeState::Active);
        if alone && self.peer.is_some() && self.fencing.is_none() {
            self.say_fenced("n_stnth");
        }
        if self.is_legacy() {
            self.start_legacy();
        } else {
            self.say_starting();
        }
    }

    fn await_report(&mut self) {
        self.phase = Phase::Starting { reported: None, again: self.now.mono + STARTING_INTERVAL };
    }

    pub(super) fn say_starting(&mut self) {
        self.await_report();
        self.send(Message::new("starting"), false);
    }

    /// The other node has not answered.
    fn repeat_starting(&mut self) {
        self.unanswered += 1;
        let patience = if self.is_legacy() { 1 } else { MUTE };
        if let Some(peer) = self.peer.as_ref().filter(|_| self.unanswered == patience) {
            self.notice(Notice::NoReport { node: peer.name.clone(), legacy: self.is_legacy() });
        }
        if self.is_legacy() {
            self.repeat_requests();
        } else {
            self.say_starting();
        }
    }

    /// The other node's resource layer starts: it wants to know what this one holds. Two nodes that start
    /// together, and know of each other that they do, need not wait for one another.
    pub(super) fn receive_starting(&mut self, seq: u64) {
        // one that was sent again may come after the report that its start is over
        let outdated = |peer: &Peer| peer.stable && peer.has_reported_since(seq);
        if let Some(peer) = self.peer.as_mut().filter(|peer| !outdated(peer)) {
            (peer.starting, peer.stable, peer.leaving) = (true, false, false);
        }
        self.send_report(None);
    }

    pub(super) fn note_report(&mut self) {
        if let Phase::Starting { reported: reported @ None, .. } = &mut self.phase {
            *reported = Some(self.now.mono);
        }
    }

    fn try_settle_in(&mut self, reported: Option<Duration>) {
        let peer = self.peer.as_ref().filter(|peer| peer.alive() && !peer.leaving);
        let Some(peer) = peer else {
            if self.fencing.is_none() {
                self.phase = Phase::Stable;
                self.claim(Set::ALL, "no other node is alive");
            }
            return;
        };
        if self.is_legacy() {
            if !self.requests.is_waiting() {
                self.phase = Phase::Stable;
                self.claim(Set::LOCAL, "the other node does not hold them");
            }
            return;
        }
        let waited = reported.is_some_and(|at| at + START_PATIENCE <= self.now.mono);
        let known = peer.holds.is_some();
        let Some((claims, stable)) = self.peer_report() else {
            if reported.is_some() {
                self.await_report();
            }
            return;
        };
        // what an earlier life of the other node left running must be stopped before it is taken here
        let cleared = peer.extra.is_none_or(|extra| extra.want.local == claims.local);
        if known && (stable || peer.starting && cleared) || waited {
            self.phase = Phase::Stable;
            if !claims.local {
                self.claim(Set::LOCAL, "nobody holds them");
            }
        }
    }

    /// The other node begins anew: what it could not start may be mended, and what it was given it does not hold any more.
    pub(super) fn hand_over_again(&mut self) {
        for share in &mut self.shares {
            (share.handed_at, share.hand_over) = (None, share.hand_over || share.cannot_start());
        }
    }

    pub(super) fn peer_restarted(&mut self) {
        self.insist = Insist::default();
        let lost = self.standby.take().map(|standby| standby.given());
        self.failback_due = true;
        self.hand_over_again();
        if let (Some(set), Phase::Stable) = (lost, self.phase) {
            self.notice(Notice::StandbyCancelled { why: "the other node restarted" });
            // what it was told to take it may have taken, and its new life not know yet
            self.claim(set.both(self.may_run()), "the other node restarted before it had taken them");
        }
    }

    fn peer_died(&mut self) {
        let now = self.now.mono;
        let turn = self.turn();
        let Some(peer) = self.peer.as_ref() else { return };
        let (node, silent) = (peer.name.clone(), peer.silent(now));
        let gave_up = peer.leaving || peer.claims().is_empty();
        let left = peer.extra.map(|extra| extra.have.without(extra.want)).unwrap_or_default();
        self.notice(Notice::NodeDead { node: node.clone(), silent });
        self.peer_is_gone();
        if let (Some(wait), false) = (turn, self.fences_already()) {
            self.begin_fencing(wait);
        }
        if self.fencing.is_none() && self.phase == Phase::Stable {
            if !left.is_empty() && !gave_up {
                self.notice(Notice::MayRunThere { node, set: left });
            }
            self.take_over(if gave_up { "unneeded" } else { "n_stnth" });
        }
        self.say_silence();
    }

    /// It is silent, or switched off: what it has said does not hold any more.
    pub(super) fn peer_is_gone(&mut self) {
        let Some(peer) = self.peer.as_mut() else { return };
        peer.state = NodeState::Dead;
        (peer.holds, peer.unheard_since) = (None, None);
        (peer.stable, peer.starting) = (false, false);
        if self.standby.take().is_some() {
            self.notice(Notice::StandbyCancelled { why: "the other node is dead" });
        }
    }

    pub(super) fn receive_shutdone(&mut self) {
        let Some(peer) = self.peer.as_mut() else { return };
        (peer.leaving, peer.holds, peer.stable) = (true, Some(Set::NONE), true);
        peer.extra = None;
        let node = peer.name.clone();
        self.notice(Notice::PeerStops { node });
        self.standby = None;
        if self.phase == Phase::Stable {
            self.claim(Set::ALL, "the other node stops");
        }
    }

    pub(super) fn request_stop(&mut self) {
        let resting = self.at_rest() && self.standby.is_none();
        match self.phase {
            Phase::Stable if !resting => {
                self.stop_requested = true;
                self.notice(Notice::StopDelayed);
            }
            Phase::Stopping | Phase::Lingering { .. } | Phase::Gone => {}
            _ => self.begin_stop(),
        }
    }

    fn begin_stop(&mut self) {
        self.notice(Notice::Stopping);
        self.standby = None;
        self.end_fencing("this node stops");
        self.phase = Phase::Stopping;
        self.release(Set::ALL, "this node stops");
        self.send_report(Some("shutdown"));
    }

    /// The standby variant that is under way, for people.
    pub(super) fn standby_word(&self) -> Option<&'static str> {
        self.standby.as_ref().map(Standby::word)
    }
}
