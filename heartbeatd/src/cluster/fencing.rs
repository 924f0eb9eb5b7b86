//! Fencing: a node that falls silent may still run what it held, so with `stonith` in `ha.cf` a device cuts it off first,
//! and nothing of it is taken before the device has said so.
//!
//! ```text
//!  silent ──► Waiting ──► Asked ── done ──► its resources are taken
//!                    ▲      │
//!                    └──────┘ failed: 5 s      heard again, this node stops or did not run: not needed any more
//! ```
//! When only the links between two live nodes fail, each finds the other one silent at the same moment. So that not both
//! are reset, one of them begins at once and the other one later ([`HEAD_START`]): it is off before its turn. The holder
//! of everything goes first, and it does fence a node that held nothing: that one, alive, is about to fence it.

use super::join::Phase;
use super::{Action, Cluster, Notice, Set};
use crate::wire::Message;
use std::time::Duration;

/// The device is asked again so long after it failed (heartbeat 3.0.6: 5 s).
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// How much later, besides an interval between beats, the node begins that is to lose when only the links have failed. A
/// device of the other node has to switch it off within that time.
const HEAD_START: Duration = Duration::from_secs(3);

/// A node is cut off on its request no more often: what ails it may be there again after the reset.
const REQUEST_INTERVAL: Duration = Duration::from_secs(600);

/// A node that must be cut off before anything of it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fencing {
    step: Step,
    failures: u32,
    /// It was alive, and asked for it, when this began.
    on_request: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The device works.
    Asked,
    /// It is the other node's turn, or the device has failed.
    Waiting { retry_at: Duration },
}

impl Fencing {
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.step {
            Step::Asked => None,
            Step::Waiting { retry_at } => Some(retry_at),
        }
    }

    /// How often the device has failed.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

impl Cluster {
    /// How long this node waits before it has the other one, now silent, cut off; `None`: that need not be. It need not if
    /// the node said that it has stopped. Nor if it is a heartbeat 3.0.6, which waits for nobody's turn, and has told that
    /// it holds nothing while this node holds everything.
    pub(super) fn turn(&self) -> Option<Duration> {
        let peer = self.peer.as_ref().filter(|peer| !peer.leaving)?;
        let idle = peer.claims().is_empty();
        if !peer.ours {
            let told = peer.holds.is_some() && !self.is_legacy();
            return if told && idle && self.wants() == Set::ALL { None } else { Some(self.second_turn()) };
        }
        let first = match (self.wants().is_empty(), idle) {
            (false, true) => true,
            (true, false) => false,
            _ => self.settings.me < peer.name,
        };
        Some(if first { Duration::ZERO } else { self.second_turn() })
    }

    /// How long a node waits that starts and hears nobody: the other one, should it run, goes first, and of two that start
    /// the one whose name sorts first.
    pub(super) fn turn_at_start(&self) -> Duration {
        let first = self.peer.as_ref().is_none_or(|peer| self.settings.me < peer.name);
        self.second_turn() * if first { 1 } else { 2 }
    }

    /// When the node begins that is to lose. The two find each other silent up to a beat apart.
    fn second_turn(&self) -> Duration {
        HEAD_START + self.settings.keepalive
    }

    /// Has the other node cut off so long after now, if there is a device and this node may take anything.
    pub(super) fn begin_fencing(&mut self, wait: Duration) {
        if self.settings.fencing
            && !matches!(self.phase, Phase::Stopping | Phase::Lingering { .. } | Phase::Gone)
        {
            let step = Step::Waiting { retry_at: self.now.mono + wait };
            self.fencing = Some(Fencing { step, failures: 0, on_request: false });
            self.expire_fencing(); // it may be due
        }
    }

    /// Has the other node cut off that cannot stop its groups, for as long as it asks for that; a device that works already
    /// cannot be called back, and is waited for. If both ask, the one whose name sorts first does it.
    pub(super) fn fence_on_request(&mut self) {
        let Some(peer) = self.peer.as_ref().filter(|peer| peer.alive()) else { return };
        let asks = peer.extra.is_some_and(|extra| extra.asks_for_reset);
        let (node, first) = (peer.name.clone(), self.settings.me < peer.name);
        let may = self.settings.fencing
            && self.settings.fence_stuck
            && !self.stop_requested
            && self.reset_at.is_none_or(|at| self.now.mono >= at + REQUEST_INTERVAL);
        match self.fencing {
            Some(Fencing { on_request: true, step: Step::Waiting { .. }, .. }) if !asks => {
                self.end_fencing("it does not ask for that any more");
            }
            None if asks && may && (first || !self.asks_for_reset()) => {
                self.notice(Notice::AskedToFence { node });
                let step = Step::Waiting { retry_at: self.now.mono };
                self.fencing = Some(Fencing { step, failures: 0, on_request: true });
                self.expire_fencing();
            }
            _ => {}
        }
    }

    /// The node that is cut off on its request has fallen silent: it is waited for as for any dead one. Whether it is so.
    pub(super) fn fences_already(&self) -> bool {
        self.fencing.is_some_and(|fencing| fencing.on_request)
    }

    fn ask_device(&mut self) {
        let Some(node) = self.peer.as_ref().map(|peer| peer.name.clone()) else { return };
        self.notice(Notice::Fencing { node: node.clone() });
        self.actions.push_back(Action::Fence { node });
    }

    /// The device has answered.
    pub(super) fn fenced(&mut self, node: &str, done: bool) {
        let ours = self.peer.as_ref().is_some_and(|peer| peer.name == node);
        let Some(fencing) = self.fencing.as_mut().filter(|fencing| ours && fencing.step == Step::Asked)
        else {
            return; // an answer that is not awaited any more
        };
        let node = node.to_owned();
        if done {
            if fencing.on_request {
                (self.reset_at, self.stays_away) = (Some(self.now.mono), true);
            }
            self.fencing = None;
            self.notice(Notice::Fenced { node });
            self.peer_is_gone();
            self.take_over("OK");
        } else {
            fencing.failures += 1;
            fencing.step = Step::Waiting { retry_at: self.now.mono + RETRY_INTERVAL };
            let failures = fencing.failures;
            self.notice(Notice::FencingFailed { node, failures });
            self.say_fenced("bad");
        }
    }

    /// Asks again when it is time.
    pub(super) fn expire_fencing(&mut self) {
        let now = self.now.mono;
        let Some(fencing) = self.fencing.as_mut() else { return };
        if fencing.deadline().is_some_and(|at| at <= now) {
            fencing.step = Step::Asked;
            self.ask_device();
        }
    }

    /// It is not needed any more.
    pub(super) fn end_fencing(&mut self, why: &'static str) {
        if self.fencing.take().is_some() {
            let node = self.peer.as_ref().map(|peer| peer.name.clone()).unwrap_or_default();
            self.notice(Notice::FencingEnds { node, why });
        }
    }

    /// The dead node is heard again. A starting node asks it anew: what it said before it fell silent is not sure.
    pub(super) fn heard_before_fencing(&mut self) {
        if self.fencing.is_none() {
            return;
        }
        self.end_fencing("it is heard again");
        if matches!(self.phase, Phase::Starting { .. }) {
            if self.is_legacy() { self.ask_for_groups() } else { self.say_starting() }
        }
    }

    /// An administrator has removed the devices.
    pub(super) fn fencing_reloaded(&mut self) {
        if self.fencing.is_none() || self.settings.fencing {
            return;
        }
        self.end_fencing("no stonith device is configured any more, so its resources are taken without");
        if self.peer.as_ref().is_none_or(|peer| !peer.alive()) {
            self.take_over("n_stnth");
        }
    }

    /// Takes what a dead node had. A node that is still starting does so by itself as soon as nothing waits.
    pub(super) fn take_over(&mut self, result: &str) {
        if self.phase == Phase::Stable {
            self.claim(Set::ALL, "the other node is dead");
        }
        self.say_fenced(result);
        if self.phase == Phase::Stable {
            self.send_report(Some("mach_down"));
        }
    }

    /// `stonith` tells what came of fencing; informational.
    pub(super) fn say_fenced(&mut self, result: &str) {
        let Some(peer) = &self.peer else { return };
        let mut message = Message::new("stonith");
        message.push_text("node", &peer.name);
        message.push_text("result", result);
        self.send(message, false);
    }
}
