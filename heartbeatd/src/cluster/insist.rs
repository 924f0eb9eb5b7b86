//! What is said again to a heartbeat 3.0.6, and what is done for it a little later.
//!
//! Between two of our nodes every beat repeats the whole state. An old node takes messages in the order in which
//! retransmission brings them, and ignores a request that comes while it believes one side to be in transition. So
//!
//! * a report that is sent again says what is true now: an outdated one would come last, and be believed;
//! * a request without an answer is repeated, and given up with a word;
//! * a request of the old node that comes before the report which makes it possible is kept for a while;
//! * an agreement to take, of which the old node makes no use, ends.

use super::standby::{ASK_PATIENCE, Standby};
use super::{Cluster, Notice, Phase, Set};
use crate::wire::Message;
use std::time::Duration;

/// A request to take is repeated after this time: the report before it was lost, and heartbeat 3.0.6 ignored it.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// So often at most; after the last one the old node has its usual time to answer.
const ASK_TRIES: u8 = 4;
/// A request to give is repeated after this time: the old node starts a script for it.
const TAKEOVER_AGAIN: Duration = Duration::from_secs(5);
/// So often at most.
const TAKEOVER_TRIES: u8 = 3;
/// An old node that has not begun to release so long after our agreement has forgotten its request, or ignored it itself:
/// it waits 10 s for the agreement.
const UNUSED: Duration = Duration::from_secs(15);
/// A request of the old node to take is answered so much later at most: it gives up after 10 s.
const ANSWER_LATER: Duration = Duration::from_secs(5);

/// What is open with an old node.
#[derive(Clone, Debug, Default)]
pub(super) struct Insist {
    /// What it was asked to give, when it is asked again, and how often it was asked.
    takeover: Option<(Set, Duration, u8)>,
    /// What it wants, and until when that is begun.
    owed: Option<(Wish, Duration)>,
}

/// What an old node wants of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To be given a set, from this node's point of view.
    Give(Set),
    /// That this node takes a set, from its own point of view; and the number of its request.
    Take(Set, u64),
    /// That this node gives it a set, from this node's point of view: it has agreed to take that, later than it was asked.
    Agreed(Set),
}

impl Cluster {
    /// Whether the other node is alive and a heartbeat 3.0.6.
    pub(super) fn beside_old(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.alive() && !peer.ours)
    }

    /// A message that is to be sent again.
    pub(super) fn as_of_now(&self, message: Message) -> Message {
        if message.kind() != "resource" || !self.beside_old() || !self.joined() {
            return message;
        }
        let (held, stable) = (self.wants().word(), if self.is_stable() { "1" } else { "0" });
        let mut fresh = Message::empty();
        for (name, value) in message.fields() {
            match name {
                b"rsc_hold" => fresh.push_text("rsc_hold", held),
                b"isstable" => fresh.push_text("isstable", stable),
                _ => fresh.push_value(name, value),
            };
        }
        fresh
    }

    /// When the stand-by under way is over, or its next request due.
    pub(super) fn standby_deadline(&self) -> Option<Duration> {
        let old = self.beside_old();
        match self.standby.as_ref()? {
            Standby::Asked { since, tries, .. } if old && *tries < ASK_TRIES => Some(*since + ASK_AGAIN),
            Standby::Agreed { since, .. } if old && self.peer.as_ref().is_some_and(|peer| peer.stable) => {
                Some(*since + UNUSED)
            }
            standby => standby.deadline(),
        }
    }

    /// The deadline of the stand-by has come; whether it goes on.
    pub(super) fn insist_on_standby(&mut self) -> bool {
        let now = self.now.mono;
        if !self.beside_old() {
            return false;
        }
        match self.standby.as_mut() {
            Some(Standby::Asked { set, since, tries, .. }) if *tries < ASK_TRIES => {
                (*since, *tries) = (now, *tries + 1);
                let set = *set;
                self.send_report(None);
                self.send_ask(set, "me");
                true
            }
            _ => false,
        }
    }

    /// It was asked to give: it has to answer with a request of its own.
    pub(super) fn await_takeover(&mut self, set: Set) {
        if self.beside_old() {
            self.insist.takeover = Some((set, self.now.mono + TAKEOVER_AGAIN, 1));
        }
    }

    /// It has answered.
    pub(super) fn takeover_answered(&mut self) {
        self.insist.takeover = None;
    }

    /// What the old node wants cannot be now: kept if that may change soon, else refused.
    pub(super) fn owe(&mut self, wish: Wish, why: &'static str) {
        let passing = self.beside_old() && self.phase == Phase::Stable && !self.stop_requested;
        if !passing || self.is_legacy() || self.peer.as_ref().is_some_and(|peer| peer.leaving) {
            self.notice(Notice::StandbyRefused { why });
            return;
        }
        let time = if matches!(wish, Wish::Take(..)) { ANSWER_LATER } else { ASK_PATIENCE };
        self.insist.owed = Some((wish, self.now.mono + time));
    }

    /// Does what the old node wants as soon as it can be done, and asks it again for what it was asked for.
    pub(super) fn keep_insisting(&mut self) {
        if !self.beside_old() || self.phase != Phase::Stable {
            self.insist = Insist::default();
            return;
        }
        if let Some((wish, until)) = self.insist.owed {
            let refusal = self.standby_refusal().or_else(|| match wish {
                Wish::Take(set, _) => self.offer_refusal(set),
                Wish::Give(_) | Wish::Agreed(_) => None,
            });
            if refusal.is_none() || until <= self.now.mono {
                self.insist.owed = None;
            }
            match (refusal, wish) {
                (None, Wish::Give(set)) => self.ask_standby(set),
                (None, Wish::Take(set, seq)) => self.agree(set, seq),
                (None, Wish::Agreed(set)) => self.give(set),
                (Some(why), _) if until <= self.now.mono => self.notice(Notice::StandbyRefused { why }),
                _ => {}
            }
        }
        match self.insist.takeover {
            Some((set, ..)) if self.wants().both(set) == set => self.takeover_answered(),
            Some((set, at, tries)) if at <= self.now.mono => {
                self.insist.takeover = None;
                if tries < TAKEOVER_TRIES {
                    self.send_takeover(set);
                    self.insist.takeover = Some((set, self.now.mono + TAKEOVER_AGAIN, tries + 1));
                } else {
                    self.notice(Notice::TakeoverUnanswered { set });
                }
            }
            _ => {}
        }
    }

    /// When [`Self::keep_insisting`] has something to do.
    pub(super) fn insist_deadline(&self) -> Option<Duration> {
        let owed = self.insist.owed.map(|(_, until)| until);
        owed.into_iter().chain(self.insist.takeover.map(|(_, at, _)| at)).min()
    }
}
