//! A real server while it runs: what is known of it, and its place in the table that follows.

use super::drain::Drain;
use super::weight::Weight;
use crate::check::{Checked, Outcome};
use crate::config::{Check, RealServer, VirtualService};
use crate::metrics::Tally;
use crate::reconcile::Presence;
use crate::verdict::{State, Verdict};
use std::time::{Duration, SystemTime};

/// A real server while it runs.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) verdict: Verdict,
    /// As what the table has held it, and with which weight; all else was as configured.
    pub(super) placed: Option<(Presence, u32)>,
    /// It was in its place once since the plan was loaded.
    pub(super) was_placed: bool,
    pub(super) last: Option<Last>,
    pub(super) since: SystemTime,
    /// Out of service by hand.
    pub(super) drained: Option<Box<Drain>>,
    /// How its checks ended.
    pub(super) tally: Tally,
    pub(super) weight: Weight,
}

/// The last check of a server.
#[derive(Clone, Debug)]
pub(super) struct Last {
    /// `None` if it passed, as nearly all do.
    otherwise: Option<Box<Outcome>>,
    pub(super) took: Duration,
    pub(super) at: SystemTime,
}

impl Last {
    pub(super) fn new(checked: &Checked, at: SystemTime) -> Last {
        let otherwise = (checked.outcome != Outcome::Passed).then(|| Box::new(checked.outcome.clone()));
        Last { otherwise, took: checked.took, at }
    }

    /// How it ended.
    pub(super) fn outcome(&self) -> &Outcome {
        self.otherwise.as_deref().unwrap_or(&Outcome::Passed)
    }
}

impl Server {
    /// One that the table holds with a weight counts as up; `found` is the weight there.
    pub(super) fn adopt(real: &RealServer, found: Option<u32>, now: SystemTime) -> Server {
        let found = found.filter(|weight| *weight > 0);
        let verdict = match &real.check {
            Check::On => Verdict::fixed(true),
            Check::Off => Verdict::fixed(false),
            Check::Probe(_) if found.is_some() => Verdict::adopted(),
            Check::Probe(_) => Verdict::pending(),
        };
        let weighs = matches!(&real.check, Check::Probe(probe) if probe.kind.weighs());
        Server {
            verdict,
            placed: None,
            was_placed: false,
            last: None,
            since: now,
            drained: None,
            tally: Tally::default(),
            weight: Weight::found(found.filter(|_| weighs)),
        }
    }

    /// Keeps what is known of a server over a reload. Another check has to confirm it first.
    pub(super) fn inherit(&mut self, old: &Server, same_check: bool) {
        if same_check {
            self.verdict = old.verdict;
            self.last = old.last.clone();
            self.since = old.since;
            self.weight = old.weight.clone();
        } else if old.verdict.is_up() && self.verdict.state() == State::Pending {
            self.verdict = Verdict::adopted();
        }
    }

    /// After something that may have changed the verdict. Returns whether it did.
    pub(super) fn turned(&mut self, before: State, service: &VirtualService, now: SystemTime) -> bool {
        let after = self.verdict.state();
        if before == after {
            return false;
        }
        self.since = now;
        self.weight.turned(before, after, service.slow_start);
        true
    }

    /// What was in its place stays as it is, with a weight that an administrator has set since.
    pub(super) fn keep_place(&mut self, old: &Server, same_destination: bool) {
        if same_destination {
            self.placed = old.placed;
            self.was_placed = old.was_placed;
        }
    }

    pub(super) fn presence(&self, quiescent: bool, readd: bool) -> Presence {
        // A server without traffic is placed with weight 0 once, also one that is never used; whether it comes back when
        // somebody removed it is the administrator's choice.
        let add = readd || !self.was_placed;
        if self.drained.is_some() {
            return Presence::Drained { add };
        }
        match self.verdict.state() {
            State::Up => Presence::Serving,
            State::Pending => Presence::AsIs,
            State::Down if quiescent => Presence::Quiescent { add },
            State::Down => Presence::Absent,
        }
    }
}
