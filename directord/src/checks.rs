//! The checks in motion: one task for each different probe.
//!
//! The first run of every new probe starts almost at once, one shortly after the other. The next ones are spread over the
//! interval, so that checks do not come in bursts; from then on each has its own beat. A run that is longer than the interval leaves a beat
//! out: no probe ever runs twice at the same time. While a result has to be confirmed (`recheckinterval`) runs come
//! sooner, beside the beat.

mod beat;

use crate::check::{Checked, Checker, Kind, Memory, Probe};
use crate::config::{Check, Plan};
use beat::Beat;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// Checks over the network that run at the same time, if the limit of descriptors allows; the rest wait for a turn.
/// So many that servers which hang do not hold up the others.
const AT_ONCE: usize = 8192;
/// Check programs that run at the same time: each is a process.
const PROGRAMS_AT_ONCE: usize = 128;
/// Descriptors that are not for checks.
const RESERVED: usize = 128;

/// How long [`Preparing`] takes at most.
const PREPARE_LIMIT: Duration = Duration::from_secs(1);

/// A result, of what, and who asked for that run.
pub type Result = (Arc<Probe>, Checked, Vec<Asked>);

/// Somebody who asked for a run, and waits for its result.
pub type Asked = oneshot::Sender<Checked>;

/// All running probes.
pub struct Checks {
    shared: Arc<Shared>,
    running: HashMap<Arc<Probe>, Running>,
}

struct Shared {
    checker: Checker,
    turns: Semaphore,
    programs: Semaphore,
    results: mpsc::Sender<Result>,
}

struct Running {
    task: AbortHandle,
    pace: Arc<Pace>,
}

/// What the loop tells a probe's task.
#[derive(Default)]
struct Pace {
    /// Nobody is interested: no run.
    idle: AtomicBool,
    /// The last result has to be confirmed.
    doubt: AtomicBool,
    /// Somebody wants a run now.
    asked: Mutex<Vec<Asked>>,
    /// `doubt` is not as it was, or somebody has asked.
    changed: Notify,
}

impl Pace {
    fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does what the first checks of a plan would otherwise have to wait for, beside the checks that run.
pub struct Preparing(Arc<Shared>);

impl Preparing {
    /// Reads certificate authorities, if any check verifies by them. What takes longer than [`PREPARE_LIMIT`] keeps the
    /// checks waiting that need it, and no others.
    pub async fn plan(&self, plan: &Plan) {
        let mut kinds = Vec::new();
        for real in plan.services.iter().flat_map(|service| &service.reals) {
            if let Check::Probe(probe) = &real.check {
                kinds.push(&probe.kind);
            }
        }
        let _ = timeout(PREPARE_LIMIT, self.0.checker.prepare(kinds)).await;
    }
}

impl Checks {
    /// Results go to `results`.
    pub fn new(results: mpsc::Sender<Result>) -> Checks {
        let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let descriptors = usize::try_from(descriptors.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let at_once = (descriptors.saturating_sub(RESERVED) / 2).clamp(16, AT_ONCE);
        let turns = Semaphore::new(at_once);
        let shared =
            Shared { checker: Checker::new(), turns, programs: Semaphore::new(PROGRAMS_AT_ONCE), results };
        Checks { shared: Arc::new(shared), running: HashMap::new() }
    }

    /// Prepares plans that are to be checked.
    pub fn preparing(&self) -> Preparing {
        Preparing(Arc::clone(&self.shared))
    }

    /// Runs these from now on. Those that run already go on undisturbed, others end.
    pub fn set(&mut self, probes: &[Arc<Probe>]) {
        let wanted: HashSet<&Arc<Probe>> = probes.iter().collect();
        self.running.retain(|probe, _| wanted.contains(probe));
        let new: Vec<&Arc<Probe>> =
            probes.iter().filter(|probe| !self.running.contains_key(*probe)).collect();
        let now = Instant::now();
        for (number, probe) in new.iter().enumerate() {
            let pace = Arc::new(Pace::default());
            let beat = Beat::spread(now, number, new.len(), probe.interval);
            let first = Beat::begin(now, number, probe.interval);
            let repeat = repeat(Arc::clone(&self.shared), Arc::clone(probe), first, beat, Arc::clone(&pace));
            let task = tokio::spawn(repeat).abort_handle();
            self.running.insert(Arc::clone(probe), Running { task, pace });
        }
    }

    /// Rests these probes, and no others.
    pub fn rest(&self, idle: &HashSet<Arc<Probe>>) {
        for (probe, running) in &self.running {
            running.pace.idle.store(idle.contains(probe), Ordering::Relaxed);
        }
    }

    /// Runs a probe now, also one that rests; while it runs, once more after that. The result is sent like every other
    /// one, and whoever takes it tells who asked. `None` if the probe is not among those that run.
    pub fn now(&self, probe: &Probe) -> Option<oneshot::Receiver<Checked>> {
        let running = self.running.get(probe)?;
        let (asked, result) = oneshot::channel();
        running.pace.asked().push(asked);
        running.pace.changed.notify_one();
        Some(result)
    }

    /// Whether the last result of a probe has to be confirmed: its next run comes after its `recheck`, then.
    pub fn doubt(&self, probe: &Probe, doubt: bool) {
        let Some(running) = self.running.get(probe).filter(|_| probe.recheck.is_some()) else { return };
        if running.pace.doubt.swap(doubt, Ordering::Relaxed) != doubt {
            running.pace.changed.notify_one();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The life of one probe.
async fn repeat(shared: Arc<Shared>, probe: Arc<Probe>, first: Instant, beat: Beat, pace: Arc<Pace>) {
    let mut memory = Memory::default();
    sleep_until(first).await;
    loop {
        let began = Instant::now();
        let asked = std::mem::take(&mut *pace.asked());
        if !pace.idle.load(Ordering::Relaxed) || !asked.is_empty() {
            let turns = if matches!(probe.kind, Kind::External { .. } | Kind::Script(_)) {
                &shared.programs
            } else {
                &shared.turns
            };
            let Ok(turn) = turns.acquire().await else { return };
            // Boxed: a probe that waits for its beat keeps no room for a check that runs.
            let checked = Box::pin(shared.checker.run_from(probe.source, &probe.kind, &mut memory)).await;
            drop(turn);
            if shared.results.send((Arc::clone(&probe), checked, asked)).await.is_err() {
                return;
            }
        }
        while pace.asked().is_empty() {
            let sooner = probe.recheck.filter(|_| pace.doubt.load(Ordering::Relaxed));
            tokio::select! {
                () = sleep_until(beat.next(began, sooner)) => break,
                () = pace.changed.notified() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
