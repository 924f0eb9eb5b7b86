//! Who holds what: the rules that look at the whole picture after every event.

use super::peer::Peer;
use super::{Cluster, FOREIGN, Failback, JobKind, LOCAL, NodeState, Notice, Phase, Set, Share};
use crate::wire::Message;
use std::time::Duration;

/// Groups that nobody claims go to their home node after this time...
const ORPHAN_HOME: Duration = Duration::from_secs(1);
/// ...and to the other one after this, if their home node does not take them, or a node could not start them.
const ORPHAN_OTHER: Duration = Duration::from_secs(5);
/// What could not be started here is tried again at such intervals while there is no other node that could: what was in the
/// way (a lock of the storage, an interface that was down, a slip in a file) may be gone.
const ALONE_RETRY: Duration = Duration::from_secs(60);
/// An old heartbeat that takes the end of a partition for one shuts itself down 2 s later, or never. One that has not
/// said by then what it holds is asked, at such intervals...
const OLD_SILENCE: Duration = Duration::from_secs(3);
/// ...and what both hold after this time is released here.
const OLD_PATIENCE: Duration = Duration::from_secs(5);

impl Cluster {
    /// Applies every rule, starts the jobs that follow, and reports what changed.
    pub(super) fn settle(&mut self) {
        self.settle_legacy();
        self.advance();
        self.keep_insisting();
        if self.phase == Phase::Stable {
            self.fence_on_request();
            self.yield_unheard();
            self.resolve_double_holding();
            self.yield_to_old();
            self.adopt_orphans();
            self.hand_over_incomplete();
            self.take_back();
            self.try_again_alone();
            self.fail_back();
        } else {
            (self.orphan_since, self.old_strange) = ([None; 2], None);
        }
        self.start_jobs();
        self.settle_legacy();
        self.advance_standby();
        self.advance();
        self.announce_contested();
        self.start_jobs();
        if self.joined() && self.reported != Some((self.wants(), self.is_stable())) {
            self.send_report(None);
        }
    }

    /// The other node is heard but does not hear us: it has taken our groups, and clients must find one holder.
    fn yield_unheard(&mut self) {
        if self.unheard_deadline().is_none_or(|at| at > self.now.mono) {
            return;
        }
        let Some(peer) = &self.peer else { return };
        let Some(extra) = peer.extra else { return };
        let doubly = self.wants().both(extra.want);
        if !doubly.is_empty() {
            let node = peer.name.clone();
            self.notice(Notice::Unheard { node });
            self.yield_set(doubly, "the other node does not hear us and holds them");
        }
    }

    /// When groups that the other node took because it does not hear us must be released.
    pub(super) fn unheard_deadline(&self) -> Option<Duration> {
        let peer = self.peer.as_ref().filter(|peer| peer.alive())?;
        let extra = peer.extra?;
        if self.wants().both(extra.want).is_empty() || self.phase != Phase::Stable {
            return None;
        }
        // after a healed partition its beats say so too, until it has heard one of ours
        Some(peer.unheard_since? + self.settings.keepalive * 2)
    }

    /// After a partition both nodes hold groups. The one that held them before (the lower term) keeps them,
    /// else their home node; both nodes compare the same numbers, so exactly one releases.
    fn resolve_double_holding(&mut self) {
        let Some(peer) = self.peer.as_ref().filter(|peer| peer.alive()) else { return };
        let Some(extra) = peer.extra.filter(|extra| !extra.thinks_us_dead && extra.knows_it_is_heard) else {
            return;
        };
        let left_over = self.wants().both(extra.have).without(extra.want);
        self.shares[LOCAL].contested |= left_over.local;
        self.shares[FOREIGN].contested |= left_over.foreign;
        let doubly = self.wants().both(extra.want);
        for (index, is, set) in [(LOCAL, doubly.local, Set::LOCAL), (FOREIGN, doubly.foreign, Set::FOREIGN)] {
            let seen = std::mem::replace(&mut self.shares[index].doubly, is);
            if !is {
                continue;
            }
            let home = self.home(index).unwrap_or_default().to_owned();
            let (mine, theirs) = (self.shares[index].term, extra.terms[index]);
            let stays = mine < theirs || mine == theirs && index == LOCAL;
            if !stays {
                self.notice(Notice::BothHold { home, stays });
                self.yield_set(set, "the other node held them before");
            } else if !seen {
                self.notice(Notice::BothHold { home, stays });
                self.shares[index].contested = true;
                self.start(index, JobKind::Announce);
            }
        }
    }

    /// An old heartbeat knows no terms. After a partition it shuts itself down and joins anew, and this node keeps what it
    /// holds. One that does not, because only this node took the other for dead, or because it was reloaded meanwhile, keeps its
    /// groups for ever: then this node lets go. One that has not said since what it holds is asked.
    fn yield_to_old(&mut self) {
        let now = self.now.mono;
        let Some((doubly, unknown)) = self.strange_old() else {
            self.old_strange = None;
            return;
        };
        self.shares[LOCAL].contested |= doubly.local;
        self.shares[FOREIGN].contested |= doubly.foreign;
        let (since, asked) = *self.old_strange.get_or_insert((now, now));
        if unknown && now >= asked + OLD_SILENCE {
            self.old_strange = Some((since, now));
            self.send(Message::new("starting"), false);
        } else if !unknown && now >= since + OLD_PATIENCE {
            self.yield_set(doubly, "the other node holds them, too, and does not let go");
        }
    }

    /// What an old heartbeat holds together with this node, or that it has not said what it holds.
    fn strange_old(&self) -> Option<(Set, bool)> {
        let peer = self.peer.as_ref().filter(|peer| peer.state == NodeState::Active && !peer.leaving)?;
        if peer.extra.is_some() || self.is_legacy() {
            return None;
        }
        let doubly = self.wants().both(peer.claims());
        (peer.holds.is_none() || !doubly.is_empty()).then_some((doubly, peer.holds.is_none()))
    }

    pub(super) fn old_deadline(&self) -> Option<Duration> {
        let (since, asked) = self.old_strange?;
        let unknown = self.peer.as_ref().is_some_and(|peer| peer.holds.is_none());
        Some(if unknown { asked + OLD_SILENCE } else { since + OLD_PATIENCE })
    }

    /// The winner of a healed partition announces once more when the other has let go.
    fn announce_contested(&mut self) {
        let Some(peer) = self.peer.as_ref() else { return };
        let undecided = peer.alive() && peer.extra.map_or(peer.holds.is_none(), |extra| extra.thinks_us_dead);
        if undecided || !matches!(peer.state, NodeState::Active | NodeState::Dead) {
            return;
        }
        let claims = peer.claims();
        for (index, held) in [(LOCAL, claims.local), (FOREIGN, claims.foreign)] {
            if self.shares[index].contested && self.shares[index].settled() && !held {
                self.shares[index].contested = false;
                self.start(index, JobKind::Announce);
            }
        }
    }

    /// Groups that nobody claims although both nodes are at rest.
    fn adopt_orphans(&mut self) {
        let now = self.now.mono;
        let orphans = self.orphans();
        for (index, is, set) in [(LOCAL, orphans.local, Set::LOCAL), (FOREIGN, orphans.foreign, Set::FOREIGN)]
        {
            self.orphan_since[index] = if is { self.orphan_since[index].or(Some(now)) } else { None };
            if self.orphan_at(index).is_some_and(|at| at <= now) {
                self.orphan_since[index] = None;
                if !self.shares[index].failed {
                    self.claim(set, "nobody holds them");
                } else if self.standby_refusal().is_none() {
                    self.ask_standby(set);
                }
            }
        }
    }

    /// Whether nobody else can hold anything: there is no other node, or it is dead, and cut off if that is possible.
    pub(super) fn is_alone(&self) -> bool {
        let alive = self.peer.as_ref().is_some_and(Peer::alive);
        self.phase == Phase::Stable && !alive && self.fencing.is_none() && !self.stop_requested
    }

    /// Without another node nobody but this one can bring back what failed.
    fn try_again_alone(&mut self) {
        let due = [LOCAL, FOREIGN].map(|index| self.alone_at(index).is_some_and(|at| at <= self.now.mono));
        let set = Set { local: due[LOCAL], foreign: due[FOREIGN] };
        let why = "they could not be started, and no other node is alive: trying again";
        self.complete(set, why);
        self.claim(set, why);
    }

    fn alone_at(&self, index: usize) -> Option<Duration> {
        let share = &self.shares[index];
        let waits = if share.want { share.partly } else { share.failed };
        (waits && share.settled() && self.is_alone()).then_some(share.since + ALONE_RETRY)
    }

    /// What this node holds although it could not start every group of it.
    pub(super) fn incomplete(&self) -> Set {
        let [local, foreign] = [LOCAL, FOREIGN].map(|index| self.shares[index].partly);
        Set { local, foreign }.both(self.wants())
    }

    /// Starts once more what could not be started beside groups that run.
    pub(super) fn complete(&mut self, set: Set, why: &'static str) {
        let set = set.both(self.incomplete());
        for (share, meant) in self.shares.iter_mut().zip([set.local, set.foreign]) {
            share.again |= meant;
        }
        if !set.is_empty() {
            self.notice(Notice::Taking { set, why });
        }
    }

    /// Groups that could not be started here go to the other node, with the others of the same home, for the two nodes
    /// know no smaller part; once, and not if that node could not start them all either.
    fn hand_over_incomplete(&mut self) {
        for (index, set) in [(LOCAL, Set::LOCAL), (FOREIGN, Set::FOREIGN)] {
            if self.incomplete_at(index).is_some_and(|at| at <= self.now.mono) {
                self.notice(Notice::HandsOver { set });
                self.ask_standby(set);
            }
        }
    }

    fn incomplete_at(&self, index: usize) -> Option<Duration> {
        let share = &self.shares[index];
        if !share.want || !share.partly || !share.hand_over || self.standby_refusal().is_some() {
            return None;
        }
        let extra = self.peer.as_ref().and_then(|peer| peer.extra);
        let failed = extra.map(|extra| extra.failed).unwrap_or_default();
        let fails_there = [failed.local, failed.foreign][index];
        (!fails_there && self.reaches_no_more()).then_some(share.since + ORPHAN_OTHER)
    }

    pub(super) fn incomplete_deadline(&self) -> Option<Duration> {
        [LOCAL, FOREIGN].into_iter().filter_map(|index| self.incomplete_at(index)).min()
    }

    pub(super) fn alone_deadline(&self) -> Option<Duration> {
        [LOCAL, FOREIGN].into_iter().filter_map(|index| self.alone_at(index)).min()
    }

    fn orphans(&self) -> Set {
        let Some(peer) = self.peer.as_ref().filter(|peer| peer.alive() && !peer.leaving) else {
            return Set::NONE;
        };
        let Some((claims, true)) = self.peer_report() else { return Set::NONE };
        if !self.is_stable() || self.stop_requested {
            return Set::NONE;
        }
        let free = Set::ALL.without(self.wants()).without(claims);
        // an old heartbeat takes nothing by itself while we live: what failed here is handed to it
        let old = peer.extra.is_none();
        let for_it = |share: &Share| old && share.hand_over && self.standby.is_none();
        let [local, foreign] = &self.shares;
        Set {
            local: free.local && (!local.failed || for_it(local)),
            // one of the legacy kind does not say what it holds
            foreign: free.foreign && (!foreign.failed && !self.is_legacy() || for_it(foreign)),
        }
    }

    fn orphan_at(&self, index: usize) -> Option<Duration> {
        let soon = index == LOCAL && !self.shares[LOCAL].failed;
        let patience = if soon { ORPHAN_HOME } else { ORPHAN_OTHER };
        self.orphan_since[index].map(|since| since + patience)
    }

    pub(super) fn orphan_deadline(&self) -> Option<Duration> {
        [LOCAL, FOREIGN].into_iter().filter_map(|index| self.orphan_at(index)).min()
    }

    /// `auto_failback on`: a node that came back gets its groups when both are at rest.
    fn fail_back(&mut self) {
        if !self.failback_due || self.settings.auto_failback == Failback::Off || self.stays_away {
            return;
        }
        // it says that it cannot start them
        if self.peer.as_ref().and_then(|peer| peer.extra).is_some_and(|extra| extra.failed.foreign) {
            return;
        }
        let ready = self.standby_refusal().is_none();
        if !ready || !self.may_return() {
            return;
        }
        if self.wants().foreign && self.peer.as_ref().is_some_and(|peer| !peer.claims().foreign) {
            self.ask_standby(Set::FOREIGN);
        }
        self.failback_due = false;
    }
}
