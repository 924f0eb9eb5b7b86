//! `ipfail`: the node that reaches fewer ping nodes gives its groups to the other one. The messages are those of the
//! client of heartbeat 3.0.6, so that either node may be an old one.
//!
//! ```text
//!  count changes, or the other node joins ──► num_ping_nodes ──►  it has fewer: prepares to give up
//!                                                                 it has more:  ──► you_are_dead: we prepare
//!                                                                 as many:      ──► abort_giveup: nobody gives up
//! ```
//! Between preparing and giving up lies time for the other node to see the same loss: when the host itself dies, both
//! count less in the end and nothing moves. The old client waits for two beats only, so what would make it give up is
//! held back until this node, too, has seen what both will see.

use super::{Cluster, Failback, Notice, Set};
use crate::wire::Message;
use std::time::Duration;

/// From knowing that the other node reaches more to giving up; at least two beats.
const PATIENCE: Duration = Duration::from_millis(1500);
/// What makes the other node give up waits for so long, and at least for two beats.
const SETTLING: Duration = Duration::from_millis(500);
/// How soon a stand-by that could not begin is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// A node that has joined is told the count this much later, when its own client is there too.
const AFTER_JOIN: Duration = Duration::from_secs(1);
const NAME: &str = "ipfail";

/// What is remembered of it. Nothing happens as long as there is no count.
#[derive(Debug, Default)]
pub(super) struct Ipfail {
    /// Ping nodes that answer; `None` without ipfail, and until each has answered or is dead.
    count: Option<usize>,
    /// What the other node has told last.
    theirs: Option<usize>,
    /// The generation in which the other node was told that the client is there.
    joined_in: Option<u64>,
    /// The other node is an active member, and has been told of us since.
    known: bool,
    /// When the count is to be told.
    tell_at: Option<Duration>,
    /// When to give up.
    give_at: Option<Duration>,
    /// When the other node, which reaches fewer, is to be told so.
    answer_at: Option<Duration>,
}

impl Cluster {
    /// Another number of ping nodes answers.
    pub(super) fn count_pings(&mut self, count: Option<usize>) {
        let before = std::mem::replace(&mut self.ipfail.count, count);
        if before == count {
            return;
        }
        if count.is_none() {
            (self.ipfail.give_at, self.ipfail.answer_at) = (None, None);
        }
        let more = count > before && self.ipfail.give_at.is_none();
        self.ipfail.tell_at = count.map(|_| if more { self.settled_at() } else { self.now.mono });
    }

    fn settled_at(&self) -> Duration {
        self.now.mono + SETTLING.max(self.settings.keepalive * 2)
    }

    /// Does what is due.
    pub(super) fn expire_ipfail(&mut self) {
        let now = self.now.mono;
        let Some(count) = self.ipfail.count.filter(|_| self.joined()) else { return };
        if self.ipfail.joined_in.replace(self.generation) != Some(self.generation) {
            self.send_client_state("join", "signon");
        }
        let active = self.peer_is_active();
        if active && !std::mem::replace(&mut self.ipfail.known, active) {
            self.ipfail.tell_at = Some(now + AFTER_JOIN);
        }
        if !active {
            let (count, joined_in) = (self.ipfail.count, self.ipfail.joined_in);
            self.ipfail = Ipfail { count, joined_in, ..Ipfail::default() };
            return;
        }
        if self.ipfail.tell_at.is_some_and(|at| at <= now) {
            self.ipfail.tell_at = None;
            self.send_ipfail("num_ping_nodes", Some(count));
        }
        if self.ipfail.answer_at.is_some_and(|at| at <= now) {
            self.ipfail.answer_at = None;
            if self.ipfail.theirs < Some(count) {
                self.send_ipfail("you_are_dead", None);
            }
        }
        if self.ipfail.give_at.is_some_and(|at| at <= now) {
            self.ipfail.give_at = None;
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        if self.wants().is_empty() {
            return;
        }
        match self.standby_refusal() {
            // its groups may just be moving: what follows from the counts stays true
            Some(_) => self.ipfail.give_at = Some(self.now.mono + RETRY),
            None => self.ask_standby(Set::ALL),
        }
    }

    pub(super) fn ipfail_deadline(&self) -> Option<Duration> {
        self.ipfail.count.filter(|_| self.joined() && self.peer_is_active())?;
        [self.ipfail.tell_at, self.ipfail.answer_at, self.ipfail.give_at].into_iter().flatten().min()
    }

    fn peer_is_active(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.state == super::NodeState::Active && !peer.leaving)
    }

    /// A message of the other node's ipfail.
    pub(super) fn receive_ipfail(&mut self, message: &Message) {
        let Some(mine) = self.ipfail.count.filter(|_| message.text("to_id") == Some(NAME)) else { return };
        match message.kind() {
            "hbapi-clstat" if message.text("st") == Some("join") => {
                self.ipfail.tell_at = Some(self.now.mono + AFTER_JOIN);
            }
            "num_ping_nodes" => {
                let Some(theirs) = message.decimal("num_ping").and_then(|count| usize::try_from(count).ok())
                else {
                    return;
                };
                (self.ipfail.theirs, self.ipfail.answer_at) = (Some(theirs), None);
                match theirs.cmp(&mine) {
                    std::cmp::Ordering::Less => {
                        self.ipfail.give_at = None;
                        self.ipfail.answer_at = Some(self.settled_at());
                    }
                    std::cmp::Ordering::Greater => self.prepare_to_give_up(),
                    std::cmp::Ordering::Equal => {
                        self.send_ipfail("abort_giveup", None);
                        self.balanced();
                    }
                }
            }
            "you_are_dead" => self.prepare_to_give_up(),
            "abort_giveup" => self.balanced(),
            _ => {}
        }
    }

    fn prepare_to_give_up(&mut self) {
        if self.ipfail.give_at.is_none() && !self.wants().is_empty() {
            self.notice(Notice::FewerPings);
        }
        self.ipfail.give_at = Some(self.now.mono + PATIENCE.max(self.settings.keepalive * 2));
    }

    /// Both reach as many: nothing needs to move, and what has moved may return.
    fn balanced(&mut self) {
        self.ipfail.give_at = None;
        self.failback_due |= self.settings.auto_failback != Failback::Off;
    }

    /// The client ends with this node.
    pub(super) fn end_ipfail(&mut self) {
        if self.ipfail.joined_in.take().is_some() {
            self.send_client_state("leave", "died");
        }
    }

    fn send_client_state(&mut self, state: &str, why: &str) {
        let mut message = Message::new("hbapi-clstat");
        message.push_text("st", state).push_text("from_id", NAME).push_text("to_id", NAME);
        message.push_text("info", why).push_text("client_gen", "0");
        self.send(message, false);
    }

    fn send_ipfail(&mut self, kind: &str, count: Option<usize>) {
        let mut message = Message::new(kind);
        if let Some(count) = count {
            message.push_text("num_ping", count.to_string());
        }
        message.push_text("from_id", NAME).push_text("to_id", NAME).push_text("client_gen", "0");
        self.send(message, true);
    }
}
