//! What is to be compared with the kernel's table, and when: at once where something has changed, the rest in slices.

use super::{Director, Failed};
use crate::reconcile::{Table, Wanted};
use ipvs::DestinationKey;
use rustc_hash::FxHashSet;
use std::time::SystemTime;

/// So many real servers are compared with the table at once, until the next result of a check has its turn: a fraction of
/// a millisecond.
pub(super) const SLICE: usize = 128;
/// And so many services.
const SERVICES: usize = 32;

impl Director {
    /// Has all services compared with the table, some with each [`Director::take_due`]: what checks find meanwhile does
    /// not wait until all are.
    pub fn look(&mut self) {
        self.look.get_or_insert(0);
    }

    /// Whether services that nothing has touched are still to be compared with the table.
    pub fn is_looking(&self) -> bool {
        self.look.is_some()
    }

    /// Whether what is wanted of a service has changed since it was taken.
    pub fn is_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Whether a service is to be compared with the table.
    pub fn is_due(&self) -> bool {
        self.is_touched() || self.is_looking()
    }

    /// What the table shall hold of the services where that has changed since the last call, or else of the next ones of a
    /// [look](Director::look), and of both where one would wait for ever.
    pub fn take_due(&mut self) -> Vec<Wanted> {
        let mut due = std::mem::take(&mut self.touched);
        self.yielded = !due.is_empty() && !self.yielded;
        if let Some(first) = self.look.filter(|_| !self.yielded) {
            let (mut next, mut servers) = (first, 0);
            while let Some(state) = self.services.get(next).filter(|_| servers < SLICE) {
                due.insert(next);
                servers += state.servers.len().max(SLICE / SERVICES);
                next += 1;
            }
            self.look = (next < self.services.len()).then_some(next);
        }
        due.into_iter().filter_map(|at| self.wanted_of(at)).collect()
    }

    /// All services are compared with the table at once: none is due any more.
    pub fn none_is_due(&mut self) {
        self.touched.clear();
        self.look = None;
    }

    /// What the kernel's table shall hold now.
    pub fn wanted(&self) -> Vec<Wanted> {
        (0..self.services.len()).filter_map(|at| self.wanted_of(at)).collect()
    }

    fn wanted_of(&self, at: usize) -> Option<Wanted> {
        let (service, state) = (self.plan.services.get(at)?, self.services.get(at)?);
        Some(state.wanted(at, service, self.plan.settings.readd_quiescent))
    }

    /// The table was edited as wanted, except for what failed, and is `table` now.
    pub fn placed(&mut self, wanted: &[Wanted], failed: &[Failed], table: &Table, now: SystemTime) {
        let held = table.index();
        for want in wanted {
            let key = &want.service.key;
            let place = (self.plan.services.get(want.at), self.services.get_mut(want.at));
            let (Some(service), Some(state)) = place else { continue };
            if service.service.key != *key {
                continue; // of another plan
            }
            let failed: FxHashSet<Option<DestinationKey>> = failed
                .iter()
                .filter(|(service, _)| service == key)
                .map(|(_, destination)| *destination)
                .collect();
            let there = held.contains_key(key);
            state.settled = there && !failed.contains(&None);
            // What is refused of ours does not keep strangers from being left alone from now on.
            let ours: FxHashSet<DestinationKey> =
                want.destinations.iter().map(|done| done.destination.key).collect();
            state.placing &= !there || failed.iter().flatten().any(|key| !ours.contains(key));
            state.fallback = None;
            for (number, done) in want.destinations.iter().enumerate() {
                state.place(service, number, done, there && !failed.contains(&Some(done.destination.key)));
            }
            self.events.extend(state.note_fallback(service, now));
        }
    }
}
