//! The checks in motion: each different probe has its beat, and a task only while it runs.
//!
//! The first run of every new probe starts almost at once, one shortly after the other. The next ones are spread over the
//! interval, so that checks do not come in bursts; from then on each has its own beat. A run that is longer than the interval leaves a beat
//! out: no probe ever runs twice at the same time, and none waits in a queue for a turn that it has missed. While a
//! result has to be confirmed (`recheckinterval`) runs come sooner, beside the beat.
//!
//! ```text
//!   Schedule ── what is due, a few at a time ──► pace ──┬── connects: begun together, looked at once ──┬──► results
//!       ▲                                              └── all else, and what is not done: a task ────┤
//!       └───────────────────────────────────────────────────────────────────────────── ended ─────────┘
//! ```
//!
//! Between two handfuls everything else has its turn: when there is more work than processor, fewer checks begin, and
//! those that have begun are finished instead of piling up.

mod beat;
mod schedule;

use crate::check::{Attempt, Checked, Checker, Kind, Memory, Outcome, Probe};
use crate::config::{Check, Plan};
use rustc_hash::FxHashSet;
use schedule::{Schedule, Ticket};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, sleep_until, timeout};

/// Checks over the network that run at the same time, if the limit of descriptors allows; the rest wait for a turn.
/// So many that servers which hang do not hold up the others.
const AT_ONCE: usize = 8192;
/// Check programs that run at the same time: each is a process.
const PROGRAMS_AT_ONCE: usize = 128;
/// Descriptors that are not for checks.
const RESERVED: usize = 128;
/// Checks that begin before everything else has its turn.
const HANDFUL: usize = 16;

/// How long [`Preparing`] takes at most.
const PREPARE_LIMIT: Duration = Duration::from_secs(1);

/// A result, of what, and who asked for that run.
pub type Result = (Arc<Probe>, Checked, Vec<Asked>);

/// Somebody who asked for a run, and waits for its result.
pub type Asked = oneshot::Sender<Checked>;

/// All running probes.
pub struct Checks {
    shared: Arc<Shared>,
    pace: JoinHandle<()>,
}

struct Shared {
    checker: Checker,
    turns: Arc<Semaphore>,
    programs: Arc<Semaphore>,
    results: mpsc::Sender<Result>,
    schedule: Mutex<Schedule>,
    /// Something may be due sooner than it was.
    sooner: Notify,
}

/// A run that is due.
struct Run {
    ticket: Ticket,
    probe: Arc<Probe>,
    memory: Option<Box<Memory>>,
    asked: Vec<Asked>,
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Results go to `results`. Must be called within a runtime.
    pub fn new(results: mpsc::Sender<Result>) -> Checks {
        let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let descriptors = usize::try_from(descriptors.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let at_once = (descriptors.saturating_sub(RESERVED) / 2).clamp(HANDFUL, AT_ONCE);
        let shared = Arc::new(Shared {
            checker: Checker::new(),
            turns: Arc::new(Semaphore::new(at_once)),
            programs: Arc::new(Semaphore::new(PROGRAMS_AT_ONCE)),
            results,
            schedule: Mutex::new(Schedule::new(Instant::now())),
            sooner: Notify::new(),
        });
        Checks { pace: tokio::spawn(pace(Arc::clone(&shared))), shared }
    }

    /// Prepares plans that are to be checked.
    pub fn preparing(&self) -> Preparing {
        Preparing(Arc::clone(&self.shared))
    }

    /// Runs these from now on. Those that run already go on undisturbed, others end.
    pub fn set(&mut self, probes: &[Arc<Probe>]) {
        self.shared.schedule().set(probes, Instant::now());
        self.shared.sooner.notify_one();
    }

    /// Rests these probes, and no others.
    pub fn rest(&self, idle: &FxHashSet<Arc<Probe>>) {
        self.shared.schedule().rest(idle);
    }

    /// Runs a probe now, also one that rests; while it runs, once more after that. The result is sent like every other
    /// one, and whoever takes it tells who asked. `None` if the probe is not among those that run.
    pub fn now(&self, probe: &Probe) -> Option<oneshot::Receiver<Checked>> {
        let (asked, result) = oneshot::channel();
        self.shared.schedule().ask(probe, asked, Instant::now())?;
        self.shared.sooner.notify_one();
        Some(result)
    }

    /// Whether the last result of a probe has to be confirmed: its next run comes after its `recheck`, then.
    pub fn doubt(&self, probe: &Probe, doubt: bool) {
        if probe.recheck.is_some() && self.shared.schedule().doubt(probe, doubt) {
            self.shared.sooner.notify_one();
        }
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        self.pace.abort();
        self.shared.schedule().set(&[], Instant::now());
    }
}

/// Begins what is due, for ever.
async fn pace(shared: Arc<Shared>) {
    loop {
        loop {
            let runs = shared.schedule().take(Instant::now(), HANDFUL);
            if runs.is_empty() {
                break;
            }
            begin(&shared, runs).await;
            yield_now().await;
        }
        let next = shared.schedule().next(Instant::now());
        tokio::select! {
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            () = shared.sooner.notified() => {}
        }
    }
}

/// Connects that are done at once never become a task: that is most of them where servers are near.
async fn begin(shared: &Arc<Shared>, runs: Vec<Run>) {
    let turns =
        Arc::clone(&shared.turns).try_acquire_many_owned(u32::try_from(runs.len()).unwrap_or(u32::MAX));
    let Ok(mut turns) = turns else {
        runs.into_iter().for_each(|run| spawn(shared, run, None));
        return;
    };
    let (mut begun, mut attempts) = (Vec::with_capacity(runs.len()), Vec::with_capacity(runs.len()));
    for run in runs {
        match run.probe.kind {
            Kind::Connect { to, timeout } => {
                let now = Instant::now();
                attempts.push(Attempt::begin(to, run.probe.source));
                begun.push((run, now, timeout));
            }
            _ if is_program(&run.probe.kind) => spawn(shared, run, None),
            _ => spawn(shared, run, turns.split(1)),
        }
    }
    Attempt::look(&mut attempts);
    let mut ended = Vec::with_capacity(begun.len());
    for ((run, began, limit), attempt) in begun.into_iter().zip(attempts) {
        let Run { ticket, probe, memory, asked } = run;
        match attempt.outcome() {
            Ok(outcome) => {
                if shared.results.send((probe, connected(outcome, began), asked)).await.is_err() {
                    return;
                }
                ended.push((ticket, memory));
            }
            Err(attempt) => {
                let turn = turns.split(1);
                in_task(shared, ticket, probe, asked, async move {
                    let outcome = attempt.end(began + limit, limit).await;
                    drop(turn);
                    (connected(outcome, began), memory)
                });
            }
        }
    }
    let (mut schedule, now) = (shared.schedule(), Instant::now());
    for (ticket, memory) in ended {
        schedule.ended(ticket, memory, now);
    }
}

fn connected(outcome: Outcome, began: Instant) -> Checked {
    Checked { outcome, took: began.elapsed(), http_status: None }
}

fn is_program(kind: &Kind) -> bool {
    matches!(kind, Kind::External { .. } | Kind::Script(_))
}

/// Runs a check of any kind, when its turn has come.
fn spawn(shared: &Arc<Shared>, run: Run, turn: Option<OwnedSemaphorePermit>) {
    let Run { ticket, probe, memory, asked } = run;
    let (own, of) = (Arc::clone(shared), Arc::clone(&probe));
    in_task(shared, ticket, probe, asked, async move {
        let turns = if is_program(&of.kind) { &own.programs } else { &own.turns };
        let turn = match turn {
            Some(turn) => Ok(turn),
            None => Arc::clone(turns).acquire_owned().await,
        };
        let mut memory = memory.unwrap_or_default();
        let checked = own.checker.run_from(of.source, &of.kind, &mut memory).await;
        drop(turn);
        (checked, Some(memory).filter(|memory| !memory.is_blank()))
    });
}

/// What is left of a run: the check, telling its result, and its end.
fn in_task(
    shared: &Arc<Shared>,
    ticket: Ticket,
    probe: Arc<Probe>,
    asked: Vec<Asked>,
    check: impl Future<Output = (Checked, Option<Box<Memory>>)> + Send + 'static,
) {
    let own = Arc::clone(shared);
    let task = tokio::spawn(async move {
        let (checked, memory) = check.await;
        if own.results.send((probe, checked, asked)).await.is_err() {
            return;
        }
        let soonest = own.schedule().ended(ticket, memory, Instant::now());
        if soonest {
            own.sooner.notify_one();
        }
    });
    shared.schedule().runs(ticket, task.abort_handle());
}

#[cfg(test)]
mod tests;
