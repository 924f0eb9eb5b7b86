//! Messages that come in: whose they are, whether they are new, what they mean.

use super::peer::{Extra, NodeState, Peer};
use super::sequence::Arrival;
use super::{Action, Cluster, FOREIGN, LOCAL, Notice, Set};
use crate::wire::Message;
use std::time::Duration;

/// Messages of unknown nodes are reported once in this time.
const STRANGER_INTERVAL: Duration = Duration::from_secs(60);
/// Shortest delay before a missing message is asked for.
const REXMIT_MIN: Duration = Duration::from_millis(50);
/// The shortest deadtime that another node may ask for, unless this node's own is shorter: heartbeat 3.0.6 honours
/// 100 ms.
const DEADTIME_MIN: Duration = Duration::from_millis(100);
/// The longest is ten of this node's own and as much more: heartbeat 3.0.6 adds 30 s while it restarts. A node that
/// announces years would never be replaced.
const DEADTIME_TIMES: u32 = 10;
const DEADTIME_MORE: Duration = Duration::from_secs(60);

/// The longest program version that is believed to be one, in bytes.
const VERSION_MAX: usize = 32;

impl Cluster {
    pub(super) fn receive(&mut self, link: usize, message: Message) {
        let Some(src) = message.text("src").map(str::to_owned) else { return };
        if src == self.settings.me {
            // ours, from a broadcast medium or a loop; or the name is used twice
            if message.binary("srcuuid").is_some_and(|uuid| uuid != self.settings.uuid) {
                self.silence.namesake(link);
            }
            return;
        }
        if self.peer.as_ref().is_none_or(|peer| peer.name != src) {
            self.silence.stranger(link, &src);
            self.stranger(src);
            return;
        }
        let Some(generation) = message.hex("hg").filter(|hg| *hg > 0) else { return };
        if message.hex("ts").is_none_or(|ts| ts == 0) {
            return;
        }
        if message.kind().starts_with("NS_") {
            if self.peer.as_ref().is_some_and(Peer::alive) {
                self.refresh_link(link, generation);
            }
            self.receive_unnumbered(&message, generation);
            return;
        }
        let Some(seq) = message.hex("seq").filter(|seq| *seq > 0) else { return };
        if !self.check_generation(&message, link, generation) {
            return;
        }
        let (now, first) = (self.now.mono, self.settings.rexmit_delay.max(REXMIT_MIN) - REXMIT_MIN);
        let Some(peer) = self.peer.as_mut() else { return };
        let random = &mut self.random;
        let ask_at = || now + REXMIT_MIN + Duration::from_micros(random.below(first.as_micros() as u64 + 1));
        let arrival = peer.inbound.accept(seq, ask_at);
        if arrival == Arrival::Old && !peer.alive() {
            self.silence.replayed(link); // a recording must not make a dead node's link look alive
            return;
        }
        self.refresh_link(link, generation);
        self.silence.heard(link);
        if arrival == Arrival::Old {
            return; // the same, by another link
        }
        let Some(peer) = self.peer.as_mut() else { return };
        peer.heard = Some(now);
        if let Arrival::New { lost } = arrival {
            if seq % 10 == self.ack_trigger && peer.inbound.complete() {
                self.acknowledge(seq);
            }
            if lost > 1 {
                self.notice(Notice::LostMessages { node: src, count: lost });
            }
        }
        self.check_uuid(&message);
        if let Some(peer) = self.peer.as_mut() {
            peer.learn(read_extra(&message), seq, now);
        }
        self.heard();
        self.learn_terms();
        if self.is_for_me(&message) {
            self.receive_numbered(&message, seq);
        }
    }

    /// A message of a node that is not configured: said once a minute, however many of them there are.
    fn stranger(&mut self, node: String) {
        if self.stranger_said.is_none_or(|at| self.now.mono >= at + STRANGER_INTERVAL) {
            self.stranger_said = Some(self.now.mono);
            self.notice(Notice::UnknownNode { node });
        }
    }

    /// A packet of this life of the node shows that the link works.
    fn refresh_link(&mut self, link: usize, generation: u64) {
        let now = self.now.mono;
        let Some(peer) = self.peer.as_mut().filter(|peer| generation >= peer.floor) else { return };
        let node = peer.name.clone();
        let Some((at, up)) = peer.links.get_mut(link) else { return };
        *at = Some(now);
        if !*up {
            *up = true;
            let link = self.settings.links.get(link).cloned().unwrap_or_default();
            self.script_for_link(&node, &link, true);
            self.notice(Notice::LinkUp { node, link });
        }
    }

    fn check_uuid(&mut self, message: &Message) {
        let Some(uuid) = message.binary("srcuuid").and_then(|uuid| <[u8; 16]>::try_from(uuid).ok()) else {
            return;
        };
        let mine = self.settings.uuid;
        let Some(peer) = self.peer.as_mut() else { return };
        let node = peer.name.clone();
        if uuid == mine && !std::mem::replace(&mut peer.same_uuid_reported, true) {
            self.notice(Notice::SameUuid { node });
        } else if peer.uuid.replace(uuid).is_some_and(|old| old != uuid) {
            self.notice(Notice::UuidChanged { node });
        }
    }

    /// Whether the message belongs to the node's present life; a `status` of a later one begins that.
    fn check_generation(&mut self, message: &Message, link: usize, generation: u64) -> bool {
        let Some(peer) = self.peer.as_mut() else { return false };
        if generation == peer.generation {
            return true;
        }
        let node = peer.name.clone();
        if generation < peer.floor {
            let known = peer.floor;
            self.silence.replayed(link);
            if !std::mem::replace(&mut peer.replay_reported, true) {
                self.notice(Notice::Replay { node, generation, known });
            }
            return false;
        }
        if message.kind() != "status" {
            return false; // its first status comes at once and begins the new life
        }
        let was_known = peer.generation != 0 && peer.alive();
        if generation > peer.floor {
            let node = node.clone();
            self.actions.push_back(Action::SavePeerGeneration { node, generation });
        }
        peer.restarted(generation);
        self.history.peer_restarted();
        if was_known {
            self.notice(Notice::NodeRestarted { node });
            self.peer_restarted();
        }
        true
    }

    /// A new message came: the node is alive.
    fn heard(&mut self) {
        let Some(peer) = self.peer.as_mut() else { return };
        let before = peer.state;
        if peer.alive() {
            return;
        }
        peer.state = NodeState::Up;
        let node = peer.name.clone();
        // it may have answered for addresses that are held here: they are announced again when it has let go
        for share in self.shares.iter_mut().filter(|share| share.want) {
            share.contested = true;
        }
        if before == NodeState::Dead && peer.generation != 0 && peer.status_at.is_some() {
            self.notice(Notice::NodeReturned { node });
        }
        self.heard_before_fencing();
        self.failback_due = true;
        self.beat_at = self.now.mono; // it learns at once that it is heard
        self.hand_over_again();
    }

    pub(super) fn is_for_me(&self, message: &Message) -> bool {
        match message.binary("destuuid") {
            Some(uuid) if uuid.iter().any(|byte| *byte != 0) => uuid == self.settings.uuid,
            _ => message.text("dest").is_none_or(|dest| dest == self.settings.me),
        }
    }

    fn receive_numbered(&mut self, message: &Message, seq: u64) {
        match message.kind() {
            "status" => self.receive_status(message, seq),
            "starting" | "resource" | "ask_resources" => self.receive_stand_by(message, seq),
            "ip-request" => self.receive_request(message),
            "ip-request-resp" => self.receive_answer(message),
            "reqnodes" => self.answer_reqnodes(),
            "repnodes" => self.receive_repnodes(message),
            "hb_takeover" => self.receive_takeover(message),
            "shutdone" => self.receive_shutdone(),
            "hbapi-clstat" | "query-cstatus" | "respond-cstatus" | "num_ping_nodes" | "you_are_dead"
            | "abort_giveup" => self.receive_ipfail(message),
            _ => self.script_for(message), // heartbeat's other types need no action of the core
        }
    }

    /// The protocol of `auto_failback on` and `off`.
    fn receive_stand_by(&mut self, message: &Message, seq: u64) {
        self.learn_stand_by();
        match message.kind() {
            "starting" => self.receive_starting(seq),
            "resource" => self.receive_report(message, seq),
            _ => self.receive_ask(message, seq),
        }
    }

    fn receive_status(&mut self, message: &Message, seq: u64) {
        let now = self.now.mono;
        let (warntime, own) = (self.settings.warntime, self.settings.deadtime);
        let Some(peer) = self.peer.as_mut() else { return };
        if seq < peer.status_seq {
            return;
        }
        let (node, before) = (peer.name.clone(), peer.state);
        peer.status_seq = seq;
        peer.status = Some(message.clone());
        if let Some(deadtime) = message.hex("dt").filter(|dt| *dt > 0) {
            let said = Duration::from_millis(deadtime);
            let used = said.clamp(DEADTIME_MIN.min(own), own.saturating_mul(DEADTIME_TIMES) + DEADTIME_MORE);
            let told = std::mem::replace(&mut peer.strange_deadtime, (used != said).then_some(said));
            peer.deadtime = used;
            if used != said && told != Some(said) {
                self.actions.push_back(Action::Notice(Notice::StrangeDeadtime {
                    node: peer.name.clone(),
                    said,
                    used,
                }));
            }
        }
        if let Some(version) = message.text("td_ver").filter(|version| version.len() <= VERSION_MAX) {
            peer.version = Some(version.to_owned());
        }
        peer.flow_control = message.text("protocol").is_some();
        let resting = peer.extra.is_some_and(|extra| extra.stable);
        let interval = peer.status_at.replace(now).map(|at| now.saturating_sub(at));
        let state = message.text("st").and_then(NodeState::from_word).unwrap_or(NodeState::Up);
        peer.state = if state == NodeState::Active { NodeState::Active } else { NodeState::Up };
        let changed = peer.state != before;
        if interval.is_some_and(|interval| interval > warntime) {
            self.notice(Notice::LateBeat { node: node.clone(), interval: interval.unwrap_or_default() });
        }
        if changed {
            self.notice(Notice::NodeStatus { node, status: state.word() });
        }
        self.learn_configuration(message);
        if changed && state == NodeState::Active {
            self.ask_restarted();
        }
        if resting {
            self.standby_cancelled_by_giver(seq);
        }
    }

    /// Learns the other node's terms. A higher one for groups that are held here, and that it does not want, tells
    /// that it held them for a moment without our knowing: its announcements are made good.
    fn learn_terms(&mut self) {
        let Some(extra) = self.peer.as_ref().and_then(|peer| peer.extra) else { return };
        for (index, theirs) in [(LOCAL, extra.want.local), (FOREIGN, extra.want.foreign)] {
            let share = &mut self.shares[index];
            if theirs && share.want || extra.terms[index] <= share.term {
                continue; // held by both: the terms decide who keeps them
            }
            share.term = extra.terms[index];
            share.contested |= share.want;
        }
    }

    fn answer_reqnodes(&mut self) {
        let mut message = Message::new("repnodes");
        let list: String = self.settings.nodes.iter().map(|node| format!("{node} ")).collect();
        message.push_text("nodelist", list);
        message.push_text("delnodelist", " ");
        self.send(message, true);
    }

    fn receive_report(&mut self, message: &Message, seq: u64) {
        let Some(held) = message.text("rsc_hold").and_then(Set::from_word) else { return };
        let held = held.flipped();
        let Some(peer) = self.peer.as_mut() else { return };
        let full = message.text("rtype") == Some("full") || held.is_empty();
        if !peer.report(held, full, seq) {
            return;
        }
        let stable = message.text("isstable").map(|flag| flag == "1");
        let became_stable = stable == Some(true) && !peer.stable;
        peer.stable = stable.unwrap_or(peer.stable);
        let node = peer.name.clone();
        self.note_report();
        if stable == Some(true) {
            self.standby_cancelled_by_giver(seq);
        }
        if became_stable {
            self.notice(Notice::PeerStable { node });
            if self.joined() {
                self.send_report(None);
            }
        }
    }

    fn receive_unnumbered(&mut self, message: &Message, generation: u64) {
        let Some(peer) = self.peer.as_ref() else { return };
        if generation != peer.generation || !self.is_for_me(message) {
            return;
        }
        match message.kind() {
            "NS_ackmsg" => {
                if let Some(seq) = message.hex("ackseq") {
                    self.history.acknowledge(seq);
                }
            }
            "NS_rexmit" => {
                let range = (message.decimal("firstseq"), message.decimal("lastseq"));
                if let (Some(first), Some(last)) = range {
                    self.resend(first, last);
                }
            }
            "NS_nak_rexmit" => {
                let Some(seq) = message.hex("firstseq") else { return };
                let node = peer.name.clone();
                if self.peer.as_mut().is_some_and(|peer| peer.inbound.give_up(seq)) {
                    self.notice(Notice::LostForEver { node, seq });
                }
            }
            _ => {}
        }
    }

    fn resend(&mut self, first: u64, last: u64) {
        let answer = self.history.resend(first, last, self.now.mono);
        for message in answer.messages {
            self.actions.push_back(Action::Send(self.as_of_now(message)));
        }
        for seq in answer.too_old {
            let mut message = Message::new("NS_nak_rexmit");
            message.push_text("firstseq", format!("{seq:x}"));
            message.push_text("info", "seqno too low");
            self.send(message, true);
        }
        if let (Some(seq), Some(peer)) = (answer.unknown, &self.peer) {
            let node = peer.name.clone();
            self.notice(Notice::CannotResend { node, seq });
        }
    }

    fn acknowledge(&mut self, seq: u64) {
        let mut message = Message::new("NS_ackmsg");
        message.push_text("ackseq", format!("{seq:x}"));
        self.send(message, true);
    }

    /// Asks for what is missing.
    pub(super) fn ask_again(&mut self) {
        let now = self.now.mono;
        let Some(peer) = self.peer.as_mut().filter(|peer| peer.alive()) else { return };
        for seq in peer.inbound.due(now) {
            let mut message = Message::new("NS_rexmit");
            message.push_text("firstseq", seq.to_string());
            message.push_text("lastseq", seq.to_string());
            self.send(message, true);
        }
    }

    /// Links that were silent for the deadtime.
    pub(super) fn expire_links(&mut self) {
        let now = self.now.mono;
        let Some(peer) = self.peer.as_mut() else { return };
        let (deadtime, node) = (peer.deadtime, peer.name.clone());
        let mut dead = Vec::new();
        for (index, (at, up)) in peer.links.iter_mut().enumerate() {
            if *up && at.is_none_or(|at| at + deadtime <= now) {
                *up = false;
                dead.push(index);
            }
        }
        let alive = self.peer.as_ref().is_some_and(Peer::alive);
        for index in dead {
            let link = self.settings.links.get(index).cloned().unwrap_or_default();
            self.script_for_link(&node, &link, false);
            self.notice(Notice::LinkDead { node: node.clone(), link });
            if alive {
                self.say_silence_of(index, false); // of a dead node it is said of every link
            }
        }
    }

    pub(super) fn link_deadline(&self) -> Option<Duration> {
        let peer = self.peer.as_ref()?;
        let up = peer.links.iter().filter(|(_, up)| *up);
        up.filter_map(|(at, _)| at.map(|at| at + peer.deadtime)).min()
    }
}

/// The extra fields of our own nodes, turned to our point of view.
fn read_extra(message: &Message) -> Option<Extra> {
    let set = |name| message.text(name).and_then(Set::from_word).map(Set::flipped);
    let flag = |name| message.text(name) == Some("1");
    message.text("td")?;
    let (local, foreign) = message.text("td_term")?.split_once(' ')?;
    let term = |hex| u64::from_str_radix(hex, 16).ok();
    Some(Extra {
        want: set("td_want")?,
        have: set("td_have")?,
        stable: flag("td_stable"),
        thinks_us_dead: flag("td_dead"),
        knows_it_is_heard: flag("td_heard"),
        terms: [term(foreign)?, term(local)?],
        failed: set("td_failed").unwrap_or(Set::NONE),
        can_fence: flag("td_fence"),
        asks_for_reset: flag("td_stuck"),
    })
}

impl Peer {
    /// How long it has been silent.
    pub(super) fn silent(&self, now: Duration) -> Duration {
        self.heard.map_or(Duration::ZERO, |at| now.saturating_sub(at))
    }
}
