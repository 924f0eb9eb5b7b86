//! `auto_failback legacy`, which is also what a missing directive means: how heartbeat did it before the stand-by
//! protocol, spoken only toward a heartbeat 3.0.6.
//!
//! ```text
//!  a node that starts                              the node that is active
//!  status active
//!  ip-request ipaddr=KEY        ─────────────────► releases the groups of that node, if it has them
//!  starts the group             ◄───────────────── ip-request-resp dest=… ipaddr=KEY weown=yes|no ok=OK
//! ```
//! One request for each group of its own; KEY is the first resource on the group's line. Without an active node to ask
//! it answers itself. Neither `starting` nor reports nor the stand-by protocol are used, so nothing is known of what
//! the other node runs but what follows from this exchange. Two of our nodes tell each other everything with their extra
//! fields, and treat `legacy` as `on`.

use super::{Actual, Cluster, FOREIGN, Failback, LOCAL, NodeState, Notice, Phase, Set};
use crate::wire::Message;
use std::time::Duration;

/// A request without an answer is repeated after this time: the node that has to release runs its stop scripts first.
const REPEAT: Duration = Duration::from_secs(30);
/// More requests than anybody has groups are not remembered.
const MOST_REQUESTS: usize = 1000;

/// What of this exchange is open.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    /// Keys of own groups that the other node has not answered for yet.
    awaited: Vec<String>,
    /// Keys for which the other node waits.
    asked: Vec<String>,
    /// Its groups ran here when it asked.
    owned: bool,
}

impl Requests {
    /// The other node waits for its groups.
    pub(super) fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The other node may still hold groups that are homed here.
    pub(super) fn is_waiting(&self) -> bool {
        !self.awaited.is_empty()
    }
}

impl Cluster {
    /// Whether the other node is, or would be if there was one, a heartbeat 3.0.6 without the stand-by protocol.
    pub(super) fn is_legacy(&self) -> bool {
        self.settings.auto_failback == Failback::Legacy
            && self.peer.as_ref().is_some_and(|peer| !peer.ours && !peer.stands_by)
    }

    /// This node has become active: it asks for its groups, or takes them when there is nobody to ask.
    pub(super) fn start_legacy(&mut self) {
        let active = self.peer.as_ref().is_some_and(|peer| peer.state == NodeState::Active && !peer.leaving);
        self.requests = Requests::default();
        if active {
            return self.ask_for_groups();
        }
        self.phase = Phase::Starting { reported: None, again: self.now.mono + REPEAT };
        for key in self.settings.group_keys.clone() {
            let mut message = answer(&key, true, true);
            message.push_text("dest", &self.settings.me);
            message.push_binary("destuuid", self.settings.uuid);
            self.send(message, false);
        }
    }

    /// Asks for every group of its own.
    pub(super) fn ask_for_groups(&mut self) {
        self.requests.awaited.clone_from(&self.settings.group_keys);
        self.repeat_requests();
    }

    /// Asks for what has not been answered.
    pub(super) fn repeat_requests(&mut self) {
        self.phase = Phase::Starting { reported: None, again: self.now.mono + REPEAT };
        for key in self.requests.awaited.clone() {
            let mut message = Message::new("ip-request");
            message.push_text("ipaddr", key);
            self.send(message, false);
        }
    }

    /// The node that was asked has restarted before it answered.
    pub(super) fn ask_restarted(&mut self) {
        if matches!(self.phase, Phase::Starting { .. }) && self.requests.is_waiting() && self.is_legacy() {
            self.repeat_requests();
        }
    }

    /// The other node starts and asks for one of its groups.
    pub(super) fn receive_request(&mut self, message: &Message) {
        let Some(key) = message.text("ipaddr").filter(|key| !key.is_empty()).map(str::to_owned) else {
            return;
        };
        let Some(node) = self.peer.as_ref().filter(|peer| !peer.ours).map(|peer| peer.name.clone()) else {
            return;
        };
        if self.settings.auto_failback != Failback::Legacy {
            self.warn_of_mixture();
        } else if self.settings.group_keys.contains(&key) {
            self.send(answer(&key, true, false), true);
            self.notice(Notice::ForeignRequest { node, key });
        } else if !self.requests.asked.contains(&key) && self.requests.asked.len() < MOST_REQUESTS {
            self.requests.asked.push(key);
        }
    }

    /// The other node answers for one of this node's groups.
    pub(super) fn receive_answer(&mut self, message: &Message) {
        let Some(key) = message.text("ipaddr") else { return };
        if !self.requests.awaited.iter().any(|awaited| awaited == key) {
            return;
        }
        if message.text("ok") == Some("OK") {
            self.requests.awaited.retain(|awaited| awaited != key);
            // what an earlier life left running here was announced by the other node since
            self.shares[LOCAL].contested |= message.text("weown") == Some("yes");
        } else if let Some(peer) = &self.peer {
            self.notice(Notice::RequestDenied { node: peer.name.clone(), key: key.to_owned() });
        }
    }

    /// Gives what the other node asks for, answers when it is released, and infers what that node holds.
    pub(super) fn settle_legacy(&mut self) {
        let Some(peer) = self.peer.as_ref().filter(|peer| peer.alive()) else {
            self.requests = Requests::default();
            return;
        };
        if !self.is_legacy() {
            self.requests.asked.clear();
            return;
        }
        let active = peer.state == NodeState::Active && !peer.leaving;
        if self.requests.is_asked() {
            if self.shares[FOREIGN].want {
                self.requests.owned = true;
                self.release(Set::FOREIGN, "the other node starts and asks for them");
            }
            if self.shares[FOREIGN].actual == Actual::Released {
                let owned = std::mem::take(&mut self.requests.owned);
                for key in std::mem::take(&mut self.requests.asked) {
                    self.send(answer(&key, owned, true), true);
                }
            }
        }
        // an active node without our holding its groups has started them
        let foreign = active && !self.shares[FOREIGN].want && !self.requests.is_asked();
        if let Some(peer) = self.peer.as_mut() {
            (peer.holds, peer.stable) = (Some(Set { local: false, foreign }), true);
        }
    }

    /// A heartbeat 3.0.6 uses the stand-by protocol: whatever ours says, it is spoken with that node from now on.
    pub(super) fn learn_stand_by(&mut self) {
        let Some(peer) = self.peer.as_mut().filter(|peer| !peer.ours) else { return };
        if !std::mem::replace(&mut peer.stands_by, true) && self.settings.auto_failback == Failback::Legacy {
            self.warn_of_mixture();
        }
    }

    fn warn_of_mixture(&mut self) {
        let Some(peer) = self.peer.as_mut() else { return };
        if !std::mem::replace(&mut peer.mixture_reported, true) {
            let (node, legacy) = (peer.name.clone(), self.settings.auto_failback == Failback::Legacy);
            self.notice(Notice::MixedFailback { node, legacy });
        }
    }
}

fn answer(key: &str, owned: bool, ok: bool) -> Message {
    let mut message = Message::new("ip-request-resp");
    message.push_text("ipaddr", key);
    message.push_text("weown", if owned { "yes" } else { "no" });
    message.push_text("ok", if ok { "OK" } else { "no" });
    message
}
