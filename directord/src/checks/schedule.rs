//! Which probe runs when, and what is known of each between two runs: pure, the clock is passed in. Of a probe that
//! waits for its turn nothing is kept but a slot of this table, and its place in the queue.

use super::beat::Beat;
use super::{Asked, Run};
use crate::check::{Kind, Memory, Probe};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Runs that are due within this are begun together: a farm of thousands does not wake the program thousands of times a
/// second. Not more, as what has been found waits for all that began with it. Less for probes with short intervals.
const TOGETHER: Duration = Duration::from_millis(1);
/// The same for connections alone, which are done when they are first looked at.
const CONNECTS_TOGETHER: Duration = Duration::from_millis(4);
/// How much of an interval a run may be late for the sake of others: one part in so many.
const PART: u32 = 64;

/// See the module.
pub(super) struct Schedule {
    /// Times in the table are nanoseconds since this.
    origin: Instant,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    numbers: FxHashMap<Arc<Probe>, u32>,
    /// When a slot is due. One that does not say the same as the slot any more is void.
    queue: BinaryHeap<Reverse<(u64, u32)>>,
    /// Who wants a run of a slot, now.
    asked: FxHashMap<u32, Vec<Asked>>,
    /// Counts slots, so that a run that outlives its slot does not end in another one's.
    made: u64,
}

/// A probe between two runs, or while one goes on.
struct Slot {
    probe: Arc<Probe>,
    made: u64,
    /// Of its [`Beat`].
    first: u64,
    /// When its last run began; [`NEVER`] if there was none.
    began: u64,
    /// When the next run is due; [`NEVER`] while one goes on.
    due: u64,
    /// Nobody is interested: no run.
    idle: bool,
    /// The last result has to be confirmed.
    doubt: bool,
    /// While a task runs it.
    task: Option<AbortHandle>,
    /// What the last run remembers for the next, if it does.
    memory: Option<Box<Memory>>,
}

const NEVER: u64 = u64::MAX;

/// Which run of which slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    slot: u32,
    made: u64,
}

impl Schedule {
    pub(super) fn new(now: Instant) -> Schedule {
        Schedule {
            origin: now,
            slots: Vec::new(),
            free: Vec::new(),
            numbers: FxHashMap::default(),
            queue: BinaryHeap::new(),
            asked: FxHashMap::default(),
            made: 0,
        }
    }

    /// How many probes there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// These from now on. Those that are known go on undisturbed, others end.
    pub(super) fn set(&mut self, probes: &[Arc<Probe>], now: Instant) {
        let (mut stays, mut new) = (vec![false; self.slots.len()], Vec::new());
        for probe in probes {
            match self.numbers.get(probe).and_then(|at| stays.get_mut(*at as usize)) {
                Some(stays) => *stays = true,
                None => new.push(probe),
            }
        }
        for at in (0_u32..).zip(stays).filter(|(_, stays)| !stays).map(|(at, _)| at) {
            self.remove(at);
        }
        self.numbers.reserve(new.len());
        self.slots.reserve_exact(new.len().saturating_sub(self.free.len()));
        for (number, probe) in new.iter().enumerate() {
            let beat = Beat::spread(now, number, new.len(), probe.interval);
            let due = self.nanos(Beat::begin(now, number, probe.interval));
            self.made += 1;
            let slot = Slot {
                probe: Arc::clone(probe),
                made: self.made,
                first: self.nanos(beat.first()),
                began: NEVER,
                due,
                idle: false,
                doubt: false,
                task: None,
                memory: None,
            };
            let at = match self.free.pop() {
                Some(at) => at,
                None => {
                    self.slots.push(None);
                    u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
                }
            };
            if let Some(place) = self.slots.get_mut(at as usize) {
                *place = Some(slot);
                self.numbers.insert(Arc::clone(probe), at);
                self.queue.push(Reverse((due, at)));
            }
        }
        self.numbers.shrink_to_fit();
        self.queue.shrink_to_fit();
    }

    fn remove(&mut self, at: u32) {
        let Some(slot) = self.slots.get_mut(at as usize).and_then(Option::take) else { return };
        self.numbers.remove(&slot.probe);
        self.asked.remove(&at);
        self.free.push(at);
        if let Some(task) = slot.task {
            task.abort();
        }
    }

    /// Rests these probes, and no others.
    pub(super) fn rest(&mut self, idle: &FxHashSet<Arc<Probe>>) {
        for slot in self.slots.iter_mut().flatten() {
            slot.idle = idle.contains(&slot.probe);
        }
    }

    /// Somebody wants a run of this probe, now. `None` if there is no such probe.
    pub(super) fn ask(&mut self, probe: &Probe, asked: Asked, now: Instant) -> Option<()> {
        let at = *self.numbers.get(probe)?;
        let now = self.nanos(now);
        let slot = self.slots.get_mut(at as usize)?.as_mut()?;
        self.asked.entry(at).or_default().push(asked);
        if slot.due != NEVER {
            slot.due = now;
            self.queue.push(Reverse((now, at)));
        }
        Some(())
    }

    /// Whether the last result of a probe has to be confirmed. Returns whether that is news.
    pub(super) fn doubt(&mut self, probe: &Probe, doubt: bool) -> bool {
        let Some(at) = self.numbers.get(probe).copied() else { return false };
        let Some(slot) = self.slots.get_mut(at as usize).and_then(Option::as_mut) else { return false };
        if std::mem::replace(&mut slot.doubt, doubt) == doubt {
            return false;
        }
        if slot.due != NEVER && slot.began != NEVER && !self.asked.contains_key(&at) {
            slot.due = slot.next(self.origin);
            self.queue.push(Reverse((slot.due, at)));
        }
        true
    }

    /// Takes the runs that are due, this many at most. What rests is put off.
    pub(super) fn take(&mut self, now: Instant, most: usize) -> Vec<Run> {
        let (now, mut runs) = (self.nanos(now), Vec::new());
        while let Some(Reverse((due, at))) = self.queue.peek().copied() {
            if runs.len() >= most || due > now {
                break;
            }
            self.queue.pop();
            let Some(slot) = self.slots.get_mut(at as usize).and_then(Option::as_mut) else { continue };
            if slot.due != due {
                continue;
            }
            slot.began = now;
            let asked = self.asked.remove(&at);
            if slot.idle && asked.is_none() {
                slot.due = slot.next(self.origin);
                self.queue.push(Reverse((slot.due, at)));
                continue;
            }
            slot.due = NEVER;
            runs.push(Run {
                ticket: Ticket { slot: at, made: slot.made },
                probe: Arc::clone(&slot.probe),
                memory: slot.memory.take(),
                asked: asked.unwrap_or_default(),
            });
        }
        runs
    }

    /// A task runs it.
    pub(super) fn runs(&mut self, ticket: Ticket, task: AbortHandle) {
        match self.slot(ticket) {
            Some(slot) if slot.due == NEVER => slot.task = Some(task),
            Some(_) => {} // it has ended already
            None => task.abort(),
        }
    }

    /// A run has ended, and its result was told. Returns whether its next one is the first that is due.
    pub(super) fn ended(&mut self, ticket: Ticket, memory: Option<Box<Memory>>, now: Instant) -> bool {
        let (origin, now, asked) = (self.origin, self.nanos(now), self.asked.contains_key(&ticket.slot));
        let Some(slot) = self.slot(ticket) else { return false };
        slot.memory = memory;
        slot.task = None;
        slot.due = if asked { now } else { slot.next(origin) };
        let due = slot.due;
        let soonest = self.queue.peek().is_none_or(|Reverse((other, _))| due < *other);
        self.queue.push(Reverse((due, ticket.slot)));
        soonest
    }

    /// When runs are to be [taken](Schedule::take) next after they were at `now`.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let Reverse((due, at)) = self.queue.peek()?;
        let due = self.origin + Duration::from_nanos(*due);
        let slot = self.slots.get(*at as usize).and_then(Option::as_ref);
        // Somebody who waits for it does not wait for others.
        let slack = match slot {
            Some(slot) if !self.asked.contains_key(at) => {
                let probe = &slot.probe;
                let together = match probe.kind {
                    Kind::Connect { .. } => CONNECTS_TOGETHER,
                    _ => TOGETHER,
                };
                together.min(probe.recheck.map_or(probe.interval, |sooner| sooner.min(probe.interval)) / PART)
            }
            _ => Duration::ZERO,
        };
        Some(due.max(now + slack))
    }

    fn slot(&mut self, ticket: Ticket) -> Option<&mut Slot> {
        self.slots.get_mut(ticket.slot as usize)?.as_mut().filter(|slot| slot.made == ticket.made)
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.origin).as_nanos()).unwrap_or(NEVER - 1)
    }
}

impl Slot {
    /// When the run after the last one is due.
    fn next(&self, origin: Instant) -> u64 {
        let at = |nanos| origin + Duration::from_nanos(nanos);
        let beat = Beat::new(at(self.first), self.probe.interval);
        let next = beat.next(at(self.began), self.probe.recheck.filter(|_| self.doubt));
        u64::try_from(next.saturating_duration_since(origin).as_nanos()).unwrap_or(NEVER - 1)
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.slots.drain(..).flatten().filter_map(|slot| slot.task).for_each(|task| task.abort());
    }
}

#[cfg(test)]
mod tests;
