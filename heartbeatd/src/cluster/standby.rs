//! The stand-by protocol: one node gives groups, the other takes them, in three phases.
//!
//! ```text
//!  giver:  Asked ── other ──► Releasing ── released: done ──► Handed ── done ──► (over)
//!  taker:         Agreed ─────────────────── done ──► Taking ── taken: done ──► (over)
//! ```
//! The set in the messages is always from the giver's point of view.

use super::insist::Wish;
use super::peer::Peer;
use super::{Actual, Cluster, FOREIGN, LOCAL, Notice, Phase, Set};
use crate::wire::Message;
use std::time::Duration;

/// The giver waits so long for the taker's agreement (heartbeat 3.0.6: 10 s).
pub(super) const ASK_PATIENCE: Duration = Duration::from_secs(10);
/// Longest time for the scripts of the other side (heartbeat 3.0.6: 1 h).
const WORK_PATIENCE: Duration = Duration::from_secs(3600);
/// A taker that says with its beats that it is at rest has forgotten the stand-by; this much later than the last
/// step it is over for the giver too.
const FORGOTTEN: Duration = Duration::from_secs(3);

/// A stand-by under way; sets are from this node's point of view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standby {
    /// Giver: has asked, so often.
    Asked { set: Set, since: Duration, failback: bool, tries: u8 },
    /// Giver: releases.
    Releasing { set: Set },
    /// Giver: has released and said so.
    Handed { set: Set, since: Duration },
    /// Taker: has agreed to the request with this sequence number.
    Agreed { set: Set, since: Duration, seq: u64 },
    /// Taker: takes.
    Taking { set: Set },
}

impl Standby {
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self {
            Standby::Asked { since, .. } => Some(*since + ASK_PATIENCE),
            Standby::Handed { since, .. } | Standby::Agreed { since, .. } => Some(*since + WORK_PATIENCE),
            Standby::Releasing { .. } | Standby::Taking { .. } => None,
        }
    }

    /// The set that this node gives away and that nobody would hold if the other node vanished.
    pub(super) fn given(&self) -> Set {
        match self {
            Standby::Asked { set, .. } | Standby::Releasing { set } | Standby::Handed { set, .. } => *set,
            Standby::Agreed { .. } | Standby::Taking { .. } => Set::NONE,
        }
    }

    pub(super) fn word(&self) -> &'static str {
        match self {
            Standby::Asked { .. } => "asked the other node to take",
            Standby::Releasing { .. } => "releasing",
            Standby::Handed { .. } => "the other node takes",
            Standby::Agreed { .. } => "the other node releases",
            Standby::Taking { .. } => "taking",
        }
    }
}

impl Cluster {
    /// Why a stand-by cannot begin now; `None` when it can. As of the last event: to know it at a later moment, give
    /// [`super::Event::Timer`] first.
    pub fn standby_refusal(&self) -> Option<&'static str> {
        let Some(peer) = self.peer.as_ref() else { return Some("there is no other node in ha.cf") };
        if !peer.alive() {
            return Some("the other node is not alive");
        }
        if peer.leaving {
            return Some("the other node stops");
        }
        if self.is_legacy() {
            return Some(
                "auto_failback is legacy, and the other node is a heartbeat 3.0.6, which then knows no stand-by: write on or off into both ha.cf",
            );
        }
        if self.standby.is_some() {
            return Some("Standby in progress");
        }
        if self.phase != Phase::Stable || self.stop_requested {
            return Some("this node is starting or stopping");
        }
        if !self.settled() {
            return Some("resources of this node are in transition");
        }
        match self.peer_report() {
            Some((_, true)) => None,
            _ => Some("Other side is in flux."),
        }
    }

    /// Why a set cannot be taken by hand now; `None` when it can. As of the last event, like [`Self::standby_refusal`].
    pub fn takeover_refusal(&self, set: Set) -> Option<&'static str> {
        if self.fencing.is_some() && self.phase == Phase::Stable {
            return Some("the other node's resources are taken as soon as it is cut off");
        }
        if self.can_take_alone(set) || self.can_complete(set) { None } else { self.standby_refusal() }
    }

    /// This node holds all of these, but could not start every one.
    fn can_complete(&self, set: Set) -> bool {
        let steady = self.phase == Phase::Stable && !self.stop_requested && self.settled();
        steady && set.without(self.wants()).is_empty() && !set.both(self.incomplete()).is_empty()
    }

    /// Nobody else can hold these groups, and this node does not want all of them.
    fn can_take_alone(&self, set: Set) -> bool {
        self.is_alone() && !set.without(self.wants()).is_empty()
    }

    pub(super) fn ask_standby(&mut self, set: Set) {
        if let Some(why) = self.standby_refusal() {
            self.notice(Notice::StandbyRefused { why });
            return;
        }
        self.notice(Notice::StandbyStarted { set });
        let failback = std::mem::replace(&mut self.failback_due, false);
        self.standby = Some(Standby::Asked { set, since: self.now.mono, failback, tries: 1 });
        self.asked_old = self.beside_old().then_some(set);
        self.send_ask(set, "me");
    }

    pub(super) fn ask_takeover(&mut self, set: Set) {
        if self.can_take_alone(set) {
            self.claim(set, "an administrator asks for them, and no other node is alive");
            return;
        }
        if self.can_complete(set) {
            return self.complete(set, "an administrator asks for those that could not be started");
        }
        if let Some(why) = self.standby_refusal().filter(|_| self.is_legacy()) {
            self.notice(Notice::StandbyRefused { why });
            return;
        }
        self.invite();
        self.send_takeover(set);
        self.await_takeover(set);
    }

    pub(super) fn send_takeover(&mut self, set: Set) {
        let mut message = Message::new("hb_takeover");
        message.push_text("rsc_hold", set.word());
        self.send(message, false);
    }

    /// The other node asks for a set of this one.
    pub(super) fn receive_takeover(&mut self, message: &Message) {
        self.stays_away = false;
        let set = message.text("rsc_hold").and_then(Set::from_word).unwrap_or(Set::ALL).flipped();
        match self.standby_refusal() {
            Some(why) => self.owe(Wish::Give(set), why),
            None => self.ask_standby(set),
        }
    }

    /// Agrees to take a set, from the other node's point of view.
    pub(super) fn agree(&mut self, set: Set, seq: u64) {
        self.standby = Some(Standby::Agreed { set: set.flipped(), since: self.now.mono, seq });
        self.failback_due = false;
        self.send_ask(set, "other");
    }

    pub(super) fn receive_ask(&mut self, message: &Message, seq: u64) {
        let set = message.text("rsc_hold").and_then(Set::from_word).unwrap_or(Set::ALL);
        match (message.text("info").unwrap_or_default(), self.standby.clone()) {
            ("me", Some(Standby::Agreed { set: agreed, .. }))
                if agreed == set.flipped() && self.beside_old() =>
            {
                self.agree(set, seq);
            }
            ("me", _) => {
                self.takeover_answered();
                match self.standby_refusal().or_else(|| self.offer_refusal(set)) {
                    Some(why) => self.owe(Wish::Take(set, seq), why),
                    None => self.agree(set, seq),
                }
            }
            ("other", Some(Standby::Asked { set, .. })) => self.give(set),
            // an old one that was heard too late, or has restarted meanwhile, waits for an hour, and takes part in
            // nothing else meanwhile
            ("other", None) if self.asked_old == Some(set) => match self.standby_refusal() {
                Some(why) => self.owe(Wish::Agreed(set), why),
                None => self.give(set),
            },
            // it has not heard that they are free, or was asked a second time: else it waits for an hour, too
            ("other", Some(Standby::Handed { set: given, .. })) if given == set && self.beside_old() => {
                self.send_ask(set, "done");
            }
            ("done", Some(Standby::Agreed { set, .. })) => {
                self.standby = Some(Standby::Taking { set });
                // what both held is announced again now that the other one has stopped it
                let [local, foreign] = &mut self.shares;
                local.contested |= local.want && set.local;
                foreign.contested |= foreign.want && set.foreign;
                self.claim(set, "the other node gave them up");
            }
            // an old giver whose release came after our agreement had ended: nobody else will take them
            ("done", None)
                if self.phase == Phase::Stable
                    && self.beside_old()
                    && self.peer.as_ref().is_some_and(|peer| !peer.stable) =>
            {
                let set = set.flipped();
                self.standby = Some(Standby::Taking { set });
                let claims = self.peer.as_ref().map_or(Set::NONE, Peer::claims);
                self.claim(set.without(claims), "the other node gave them up");
            }
            ("done", Some(Standby::Handed { set, .. })) => {
                self.standby = None;
                let by = self.peer.as_ref().map(|peer| peer.name.clone()).unwrap_or_default();
                self.notice(Notice::StandbyDone { set, by });
            }
            _ => {}
        }
    }

    /// The other node has agreed to take a set.
    pub(super) fn give(&mut self, set: Set) {
        let now = self.now.mono;
        (self.standby, self.asked_old) = (Some(Standby::Releasing { set }), None);
        for (share, given) in self.shares.iter_mut().zip([set.local, set.foreign]) {
            if given && std::mem::take(&mut share.hand_over) {
                share.handed_at = Some(now);
            }
        }
        self.release(set, "standby");
        self.send_report(Some("standby"));
    }

    /// Moves on when the jobs of this side are done.
    pub(super) fn advance_standby(&mut self) {
        let now = self.now.mono;
        match self.standby.clone() {
            Some(Standby::Releasing { set }) if self.all_of(set, |actual| actual == Actual::Released) => {
                self.standby = Some(Standby::Handed { set, since: now });
                self.send_ask(set, "done");
            }
            // what runs here half-way is started again rather than left between the nodes
            Some(Standby::Releasing { set })
                if self.all_of(set, |actual| matches!(actual, Actual::Released | Actual::Stuck)) =>
            {
                self.standby = None;
                self.notice(Notice::StandbyCancelled { why: "groups could not be stopped here" });
                // unless the other node takes them when it has cut this one off
                if !self.asks_for_reset() {
                    self.claim(set.both(self.may_run()), "they could not be stopped");
                }
                self.send_report(None);
            }
            Some(Standby::Taking { set })
                if self.all_of(set, |actual| !matches!(actual, Actual::Busy(..))) =>
            {
                self.standby = None;
                self.send_report(None);
                self.send_ask(set.flipped(), "done");
                self.notice(Notice::StandbyDone { set, by: self.settings.me.clone() });
            }
            Some(Standby::Handed { set, since }) if now >= since + FORGOTTEN => {
                let Some(extra) = self.peer.as_ref().and_then(|peer| peer.extra) else { return };
                if extra.stable {
                    self.standby = None;
                    let taken = extra.want.both(set) == set;
                    self.notice(match taken {
                        true => Notice::StandbyDone { set, by: "the other node".to_owned() },
                        false => Notice::StandbyCancelled {
                            why: "the other node is at rest and does not take part",
                        },
                    });
                }
            }
            _ => {}
        }
    }

    /// The giver says that it is at rest after its patience has ended: it has cancelled.
    pub(super) fn standby_cancelled_by_giver(&mut self, seq: u64) {
        let now = self.now.mono;
        if matches!(self.standby, Some(Standby::Agreed { seq: asked, since, .. }) if seq > asked && now > since + ASK_PATIENCE)
        {
            self.standby = None;
            self.notice(Notice::StandbyCancelled { why: "the other node keeps its resources" });
        }
    }

    pub(super) fn expire_standby(&mut self) {
        if self.standby_deadline().is_some_and(|at| at <= self.now.mono) && !self.insist_on_standby() {
            let standby = self.standby.take();
            self.failback_due |= matches!(standby, Some(Standby::Asked { failback: true, .. }));
            if let Some(Standby::Asked { set, .. }) = standby {
                // what runs here goes on, and is not offered again soon
                for (share, asked) in self.shares.iter_mut().zip([set.local, set.foreign]) {
                    if asked && share.partly {
                        (share.hand_over, share.handed_at) = (false, Some(self.now.mono));
                    }
                }
            }
            let agreed = matches!(standby, Some(Standby::Agreed { .. }));
            let lost = standby.map(|standby| standby.given()).unwrap_or_default();
            self.notice(match agreed {
                true => Notice::StandbyCancelled { why: "the other node keeps its resources" },
                false => Notice::StandbyTimedOut,
            });
            if self.peer.as_ref().is_none_or(|peer| peer.claims().both(lost).is_empty()) {
                // also what could not be started here and an old node was to have: it takes nothing by itself
                let old = self.beside_old();
                let [local, foreign] = [LOCAL, FOREIGN].map(|index| old && self.shares[index].hand_over);
                self.claim(
                    lost.both(self.may_run().with(Set { local, foreign })),
                    "the other node did not answer",
                );
            }
            if self.joined() {
                self.send_report(None);
            }
        }
    }

    fn all_of(&self, set: Set, is: impl Fn(Actual) -> bool) -> bool {
        let wanted = [set.local, set.foreign];
        self.shares.iter().zip(wanted).all(|(share, wanted)| !wanted || is(share.actual))
    }
}
