//! What scripts of `rc.d` are run for: a changed status of the other node, a changed link, and messages of types that
//! mean nothing to this program. They come after everything else that an event asks for: a take-over does not wait for
//! them.

use super::peer::NodeState;
use super::{Action, Cluster};
use crate::wire::Message;

/// Types that this program answers itself, or that belong to programs that talk through heartbeat.
const NATIVE: [&str; 21] = [
    "status",
    "ifstat",
    "reqnodes",
    "repnodes",
    "starting",
    "resource",
    "ask_resources",
    "hb_takeover",
    "ip-request",
    "ip-request-resp",
    "shutdone",
    "num_ping_nodes",
    "abort_giveup",
    "you_are_dead",
    "hbapi-clstat",
    "query-cstatus",
    "respond-cstatus",
    "addnode",
    "delnode",
    "setweight",
    "setsite",
];

/// What begins like this is between heartbeat's nodes.
const NATIVE_PREFIX: &str = "NS_";

/// Whether a type of message is one of heartbeat's own, in whatever case: the scripts have names in lower case.
pub fn is_native(kind: &str) -> bool {
    let prefixed =
        kind.get(..NATIVE_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(NATIVE_PREFIX));
    prefixed || NATIVE.iter().any(|native| native.eq_ignore_ascii_case(kind))
}

impl Cluster {
    /// A message of a type of the administrator's own goes to both nodes.
    pub(super) fn broadcast(&mut self, message: Message) {
        if !is_native(message.kind()) {
            self.send(message, false);
        }
    }

    /// Scripts hear of what was sent as the other node's do: heartbeat 3.0.6 takes in its own messages, too.
    pub(super) fn script_for(&mut self, message: &Message) {
        if !is_native(message.kind()) && self.is_for_me(message) {
            self.scripts.push(message.clone());
        }
    }

    /// A link came up or went down; the fields are those of heartbeat 3.0.6.
    pub(super) fn script_for_link(&mut self, node: &str, link: &str, up: bool) {
        let mut message = Message::new("ifstat");
        message.push_text("node", node).push_text("ifname", link);
        message.push_text("st", if up { "up" } else { "dead" });
        self.scripts.push(message);
    }

    /// At the end of an event: what is new about the other node, and everything else that scripts are run for.
    pub(super) fn run_scripts(&mut self) {
        if let Some(peer) = &self.peer {
            let status = peer.status.as_ref().filter(|_| peer.alive());
            let word = match (peer.state, status.and_then(|status| status.text("st"))) {
                (NodeState::Up | NodeState::Active, Some(word)) => word.to_owned(),
                (state, _) => state.word().to_owned(),
            };
            if word != self.scripted {
                let message = status.cloned().unwrap_or_else(|| self.status_of(&peer.name, &word));
                // what follows from this node's own sleep is no news of the other
                let known = peer.state != NodeState::Init;
                self.scripts.extend(known.then_some(message));
                self.scripted = word;
            }
        }
        self.actions.extend(self.scripts.drain(..).map(Action::Script));
    }

    /// The status of a node that does not tell it itself.
    fn status_of(&self, node: &str, word: &str) -> Message {
        let mut message = Message::new("status");
        message.push_text("st", word).push_text("src", node);
        message.push_text("ts", format!("{:x}", self.now.epoch.max(1)));
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_native_type_is_one_in_any_case() {
        for kind in ["status", "STATUS", "IfStat", "IP-Request-Resp", "NS_comm", "ns_x", "NS_"] {
            assert!(is_native(kind), "{kind}");
        }
        for kind in ["", "NS", "backup-done", "Backup-Done", "statuses", "n\u{17f}_x", "\u{e4}\u{e4}"] {
            assert!(!is_native(kind), "{kind}");
        }
    }
}
