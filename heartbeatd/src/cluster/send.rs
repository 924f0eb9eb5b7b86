//! Messages that go out: their fields, in the order of heartbeat 3.0.6.

use super::peer::NodeState;
use super::{Action, Cluster, FOREIGN, LOCAL, Set};
use crate::wire::Message;

impl Cluster {
    /// A beat.
    pub(super) fn send_status(&mut self, state: NodeState) {
        let mut message = Message::new("status");
        message.push_text("st", state.word());
        message.push_text("dt", format!("{:x}", self.settings.deadtime.as_millis()));
        message.push_text("protocol", "1");
        self.settings.configuration.push(&mut message);
        message.push_text("td_ver", env!("CARGO_PKG_VERSION"));
        self.send(message, false);
        self.last_beat = self.now.mono;
    }

    /// The whole picture, for another of our nodes; see [`super::peer::Extra`].
    fn push_extra(&self, message: &mut Message) {
        message.push_text("td", "1");
        message.push_text("td_want", self.wants().word());
        message.push_text("td_have", self.may_run().word());
        message.push_text("td_stable", flag(self.is_stable()));
        let dead = self.peer.as_ref().is_some_and(|peer| peer.state == NodeState::Dead);
        message.push_text("td_dead", flag(dead));
        let heard = self.peer.as_ref().and_then(|peer| peer.extra).is_some_and(|extra| !extra.thinks_us_dead);
        message.push_text("td_heard", flag(heard));
        message
            .push_text("td_term", format!("{:x} {:x}", self.shares[LOCAL].term, self.shares[FOREIGN].term));
        let [local, foreign] = [LOCAL, FOREIGN].map(|index| self.shares[index].cannot_start());
        message.push_text("td_failed", Set { local, foreign }.word());
        for (name, is) in [("td_fence", self.settings.fencing), ("td_stuck", self.asks_for_reset())] {
            if is {
                message.push_text(name, flag(is));
            }
        }
    }

    /// A report of what this node holds.
    pub(super) fn send_report(&mut self, info: Option<&str>) {
        if self.is_legacy() {
            return; // there are no reports
        }
        let (held, stable) = (self.wants(), self.is_stable());
        let mut message = Message::new("resource");
        message.push_text("rsc_hold", held.word());
        message.push_text("rtype", "full");
        message.push_text("isstable", flag(stable));
        if let Some(info) = info {
            message.push_text("info", info);
        }
        self.send(message, false);
        self.reported = Some((held, stable));
    }

    /// A step of the stand-by protocol; the set is from the giver's point of view.
    pub(super) fn send_ask(&mut self, set: Set, info: &str) {
        let mut message = Message::new("ask_resources");
        message.push_text("rsc_hold", set.word());
        message.push_text("info", info);
        self.send(message, false);
    }

    /// Numbers, keeps and sends a message; `NS_` messages are outside the numbering.
    pub(super) fn send(&mut self, mut message: Message, to_peer: bool) {
        if let (true, Some(peer)) = (to_peer, &self.peer) {
            message.push_text("dest", &peer.name);
            if let Some(uuid) = &peer.uuid {
                message.push_binary("destuuid", uuid);
            }
        }
        let numbered = !message.kind().starts_with("NS_");
        if numbered {
            self.push_extra(&mut message);
        }
        message.push_text("src", &self.settings.me);
        message.push_binary("srcuuid", self.settings.uuid);
        let seq = numbered.then(|| self.history.next_seq());
        if let Some(seq) = seq {
            message.push_text("seq", format!("{seq:x}"));
        }
        message.push_text("hg", format!("{:x}", self.generation));
        message.push_text("ts", format!("{:x}", self.now.epoch.max(1)));
        if numbered {
            message.push_text("ld", &self.load);
        }
        message.push_text("ttl", self.settings.ttl.to_string());
        if let Some(seq) = seq {
            self.history.keep(seq, message.clone());
            self.script_for(&message);
        }
        self.actions.push_back(Action::Send(message));
    }
}

fn flag(on: bool) -> &'static str {
    if on { "1" } else { "0" }
}
