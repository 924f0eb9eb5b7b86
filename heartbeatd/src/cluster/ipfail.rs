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
//!
//! A node that returns gets its groups back when it is known to reach as many ping nodes as the other one. A heartbeat
//! 3.0.6 does not wait for that, so what it offers is not taken before.

use super::{Cluster, Failback, Notice, Set};
use crate::wire::Message;
use std::cmp::Ordering;
use std::time::Duration;

/// From knowing that the other node reaches more to giving up; at least two beats.
const PATIENCE: Duration = Duration::from_millis(1500);
/// What makes the other node give up waits for so long, and at least for two beats.
const SETTLING: Duration = Duration::from_millis(500);
/// How soon a stand-by that could not begin is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// An old node that has joined is told the count this much later, when its client is there too.
const AFTER_JOIN: Duration = Duration::from_secs(1);
/// A node that does not say within this time that the client is there has none.
const ANSWER: Duration = Duration::from_secs(5);
/// How long after `hb_takeover` on this node groups of an old one are taken whatever is reached here.
const INVITATION: Duration = Duration::from_secs(30);
/// The client's name.
pub const NAME: &str = "ipfail";

/// What is remembered of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ipfail {
    /// Ping nodes that answer; `None` without ipfail, and until each has answered or is dead.
    count: Option<usize>,
    /// What the other node was told last.
    told: Option<usize>,
    /// What it has told last, or what follows from its answer; at least so many.
    theirs: Option<usize>,
    /// Whether the other node's client is there.
    client: Client,
    /// The generation in which the other node was told that the client is here.
    joined_in: Option<u64>,
    /// When the count is to be told.
    tell_at: Option<Duration>,
    /// When to give up.
    give_at: Option<Duration>,
    /// When the other node, which reaches fewer, is to be told so.
    answer_at: Option<Duration>,
    /// It was said that groups cannot return because the other node reaches fewer ping nodes.
    waits: bool,
    /// An administrator wants groups on this node.
    invited: Option<Duration>,
}

/// The other node's client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Client {
    /// The other node is no active member.
    #[default]
    Away,
    /// It was asked at this time.
    Asked(Duration),
    Online,
    Offline,
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
        let more = before.is_some() && count > before && self.ipfail.give_at.is_none();
        self.ipfail.tell_at = count.map(|_| if more { self.settled_at() } else { self.now.mono });
    }

    fn settled_at(&self) -> Duration {
        self.now.mono + SETTLING.max(self.settings.keepalive * 2)
    }

    /// Does what is due.
    pub(super) fn expire_ipfail(&mut self) {
        self.tell_that_it_is_here();
        self.meet();
        let now = self.now.mono;
        let due = |at: &mut Option<Duration>| at.take_if(|at| *at <= now).is_some();
        if matches!(self.ipfail.client, Client::Asked(at) if at + ANSWER <= now) {
            self.ipfail.client = Client::Offline;
        }
        if due(&mut self.ipfail.tell_at) && self.ipfail.count.is_some() {
            self.ipfail.told = self.ipfail.count;
            self.send_ipfail("num_ping_nodes", self.ipfail.count);
        }
        if due(&mut self.ipfail.answer_at) && self.compare() == Some(Ordering::Greater) {
            self.send_ipfail("you_are_dead", None);
        }
        if due(&mut self.ipfail.give_at) {
            self.give_up();
        }
    }

    /// The other node learns that the client joins or leaves with this node, or by another configuration.
    fn tell_that_it_is_here(&mut self) {
        let here = (self.settings.ipfail && self.joined()).then_some(self.generation);
        if here == self.ipfail.joined_in {
            return;
        }
        let before = std::mem::replace(&mut self.ipfail.joined_in, here);
        match here {
            Some(_) => self.send_client_state("join", "signon"),
            // in a later life everybody knows that it has left
            None if before == Some(self.generation) => self.send_client_state("leave", "died"),
            None => {}
        }
    }

    /// The other node becomes an active member, or is none any more.
    fn meet(&mut self) {
        let active = self.joined() && self.peer_is_active();
        if !active {
            let (count, joined_in, invited) = (self.ipfail.count, self.ipfail.joined_in, self.ipfail.invited);
            self.ipfail = Ipfail { count, joined_in, invited, ..Ipfail::default() };
        } else if self.ipfail.client == Client::Away {
            self.ipfail.client = Client::Asked(self.now.mono);
            self.tell_soon();
            let mut message = Message::new("query-cstatus");
            message.push_text("cn", NAME).push_text("from_id", NAME);
            self.send(message, true);
        }
    }

    /// Tells the count when the other node's client can hear it.
    fn tell_soon(&mut self) {
        let ours = self.peer.as_ref().is_some_and(|peer| peer.ours);
        self.ipfail.tell_at = Some(self.now.mono + if ours { Duration::ZERO } else { AFTER_JOIN });
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
        let Ipfail { tell_at, answer_at, give_at, .. } = self.ipfail;
        let asked = match self.ipfail.client {
            Client::Away => return None,
            Client::Asked(at) => Some(at + ANSWER),
            Client::Online | Client::Offline => None,
        };
        [tell_at, answer_at, give_at, asked].into_iter().flatten().min()
    }

    fn peer_is_active(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.state == super::NodeState::Active && !peer.leaving)
    }

    /// How many ping nodes this node reaches, compared with the other; `None` while that is not known. Who does not
    /// count reaches as many.
    fn compare(&self) -> Option<Ordering> {
        if !self.settings.ipfail || self.ipfail.client == Client::Offline {
            return Some(Ordering::Equal);
        }
        Some(self.ipfail.count?.cmp(&self.ipfail.theirs?))
    }

    /// Whether the other node is known to reach as many ping nodes as this one.
    pub(super) fn reaches_no_more(&self) -> bool {
        self.compare().is_some_and(Ordering::is_le)
    }

    /// Whether groups may return to the other node: it reaches as many ping nodes as this one.
    pub(super) fn may_return(&mut self) -> bool {
        let order = self.compare();
        let fewer_there = order == Some(Ordering::Greater);
        if !std::mem::replace(&mut self.ipfail.waits, fewer_there) && fewer_there {
            self.notice(Notice::FailbackWaits);
        }
        order.is_some_and(Ordering::is_le)
    }

    /// An administrator wants groups on this node, whatever it reaches.
    pub(super) fn invite(&mut self) {
        self.ipfail.invited = Some(self.now.mono);
    }

    /// Why groups that an old node offers, its foreign ones as `auto_failback` does, are not taken now.
    pub(super) fn offer_refusal(&self, set: Set) -> Option<&'static str> {
        let old = self.peer.as_ref().is_some_and(|peer| !peer.ours);
        let invited = self.ipfail.invited.is_some_and(|at| self.now.mono < at + INVITATION);
        if !old || set != Set::FOREIGN || invited {
            return None;
        }
        match self.compare() {
            None => Some("ipfail: it is not known yet which node reaches more ping nodes"),
            Some(Ordering::Less) => Some("ipfail: this node reaches fewer ping nodes"),
            Some(_) => None,
        }
    }

    /// A message of the other node's ipfail, or about it.
    pub(super) fn receive_ipfail(&mut self, message: &Message) {
        if message.kind() == "query-cstatus" {
            return self.answer_query(message);
        }
        if message.text("to_id") != Some(NAME) {
            return;
        }
        match message.kind() {
            "hbapi-clstat" if message.text("st") == Some("join") => {
                self.ipfail.client = Client::Online;
                self.tell_soon();
            }
            "hbapi-clstat" => self.ipfail.client = Client::Offline,
            "respond-cstatus" if message.text("cs") == Some("online") => self.ipfail.client = Client::Online,
            // an old node starts its client when it is active already; that one joins then
            "respond-cstatus" if self.peer.as_ref().is_some_and(|peer| peer.ours) => {
                self.ipfail.client = Client::Offline;
            }
            "num_ping_nodes" => {
                let count = message.decimal("num_ping").and_then(|count| usize::try_from(count).ok());
                if let Some(theirs) = count {
                    self.learn_count(theirs);
                }
            }
            "you_are_dead" => {
                // more than it was told
                self.ipfail.theirs = self.ipfail.theirs.max(self.ipfail.told.map(|told| told + 1));
                self.prepare_to_give_up();
            }
            "abort_giveup" => {
                self.ipfail.theirs = self.ipfail.told;
                self.balanced();
            }
            _ => {}
        }
    }

    fn learn_count(&mut self, theirs: usize) {
        (self.ipfail.theirs, self.ipfail.answer_at) = (Some(theirs), None);
        let Some(mine) = self.ipfail.count else { return };
        match theirs.cmp(&mine) {
            Ordering::Less => {
                self.ipfail.give_at = None;
                self.ipfail.answer_at = Some(self.settled_at());
            }
            Ordering::Greater => self.prepare_to_give_up(),
            Ordering::Equal => {
                self.ipfail.told = Some(mine);
                self.send_ipfail("abort_giveup", None);
                self.balanced();
            }
        }
    }

    fn prepare_to_give_up(&mut self) {
        if self.ipfail.count.is_none() {
            return;
        }
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

    /// `cl_status clientstatus` on the other node asks whether a client is here.
    fn answer_query(&mut self, message: &Message) {
        let (Some(client), Some(asker)) = (message.text("cn"), message.text("from_id")) else { return };
        let state = if self.is_client_here(client) { "online" } else { "offline" };
        let mut answer = Message::new("respond-cstatus");
        answer.push_text("result", "OK").push_text("cn", client).push_text("to_id", asker);
        answer.push_text("cs", state);
        self.send(answer, true);
    }

    fn is_client_here(&self, name: &str) -> bool {
        name == NAME && self.ipfail.joined_in.is_some()
    }

    /// Whether the client is here, and whether it is on the other node, as far as that is known.
    pub(super) fn ipfail_online(&self) -> [bool; 2] {
        [self.ipfail.joined_in.is_some(), self.ipfail.client == Client::Online]
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
