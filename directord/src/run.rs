//! The daemon's loop: takes in events, tells the pure core, and performs what it decides.

mod alert;
mod asked;
mod commands;
pub(crate) mod drains;
mod found;
mod journal;
mod others;
mod perform;
mod reload;
mod standby;
mod tasks;
mod telling;

use crate::alerts::Alerts;
use crate::checks::{self, Checks};
use crate::config::{Loaded, Phase};
use crate::control::DaemonStatus;
use crate::director::{Director, Down, Drained, Event as Change, Leaving, Line, What};
use crate::instance::Instance;
use crate::kernel::{Kernel, Known};
use crate::log_settings::{Mode, log_settings};
use crate::mail::{self, Mailer};
use crate::maintenance::{Maintenance, Resting};
use crate::memory;
use crate::metrics::{Edits, Histogram};
use crate::monitor::Monitor;
use crate::reconcile::{ByHand, Table};
use crate::start::failed;
use crate::watch::Watch;
use asked::Wish;
use daemon::background::Starting;
use daemon::log::Log;
use drains::Drains;
use journal::Journal;
use others::Others;
use reload::NextPlan;
pub(crate) use standby::Before;
use standby::Standby;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tasks::{Event, Reply, Tasks};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tracing::{info, warn};

/// How long the first edit waits for verdicts, at a start and at a reload: so long that servers that answer have
/// answered, and no fallback flashes up; so short that nobody waits for servers that hang.
const GATHER: Duration = Duration::from_millis(200);

/// When edits that failed are tried again, if the next look at the table is not sooner.
const RETRY: Duration = Duration::from_secs(1);

/// Table and file are not looked at more often than this, however short `checkinterval` is: it takes longer the
/// more servers there are, and what a check finds is put into the table at once anyway.
const TABLE_EVERY: Duration = Duration::from_secs(1);

/// How often the maintenance directory is read.
const MAINTENANCE_EVERY: Duration = Duration::from_secs(1);

/// How often it is measured how late the loop is.
const LAG_EVERY: Duration = Duration::from_secs(1);

/// How often memory is given back, when nothing has been read or edited as a whole.
const TRIM_EVERY: Duration = Duration::from_secs(60);

/// Results that are taken in at once: fewer than would keep anything else waiting.
const RESULTS: usize = 16;

/// What the loop is made of.
pub(crate) struct Daemon {
    instance: Instance,
    mode: Mode,
    log: Arc<Log>,
    kernel: Kernel,
    director: Director,
    by_hand: ByHand,
    checks: Checks,
    tasks: Tasks,
    /// Present until the start is answered.
    starting: Option<Starting>,
    /// Present from then on until the first round of checks has its verdicts, if systemd is to be told of that.
    first_round: Option<Starting>,
    standby: Standby,
    /// Counts plans, and changes between standby and active: what a pass did for an earlier one says nothing now.
    epoch: u64,
    leaving: Vec<Leaving>,
    /// The whole table is to be looked at and edited at once, more than the services that are due.
    dirty: bool,
    /// The table is being read or edited.
    in_pass: bool,
    /// How many passes have begun.
    passes: u64,
    /// No edit before this moment, or before every server has a verdict and nothing is checked again.
    gather_until: Option<Instant>,
    /// When what failed is tried again.
    retry_at: Option<Instant>,
    /// When a weight grows.
    grow_at: Option<Instant>,
    maintenance: Option<Maintenance>,
    resting: Resting,
    watch: Option<Watch>,
    reloading: bool,
    /// What was read, until its turn comes among the passes.
    next_plan: Option<Box<NextPlan>>,
    /// What was read for a plan that is in force since this turn of the loop, for a pass in the same turn.
    known: Option<Known>,
    /// The file has changed on disk, and `callback` was not told yet.
    callback_due: bool,
    /// Who asked for a reload, and waits until it is in the kernel's table.
    waiting: Vec<Reply>,
    /// What somebody asked for since the last pass began.
    wishes: Vec<Wish>,
    /// What somebody asked for before that.
    granted: Vec<Wish>,
    drains: Drains,
    journal: Journal,
    edits: Edits,
    /// How late the loop was.
    lag: Histogram,
    status: DaemonStatus,
    /// It differs from what the init system was told.
    untold: bool,
    others: Others,
    /// The instances that have called for the reload which is under way, by `execute`: they are not called again.
    executed_by: String,
    monitor: Monitor,
    alerts: Alerts,
    mailer: Mailer,
    /// As mails tell it.
    phase: Phase,
    /// When [`Daemon::phase`] is over, verdicts or not.
    phase_until: Instant,
    /// What was true when the pass began.
    at_pass: AtPass,
    /// The clock of [`Daemon::alerts`] counts from here.
    began: Instant,
    /// When memory was given back.
    trimmed: Instant,
}

/// What is to be known of the moment when a pass began.
#[derive(Default)]
struct AtPass {
    /// The servers that were down, if anybody is told.
    down: Vec<Down>,
    /// Every server had its verdict, or its try.
    tried: bool,
    /// The pass is one over all services.
    whole: bool,
    /// Something may have changed, or a look ends with it: it is more than a slice among others.
    news: bool,
    /// With it all services have been compared with the table.
    end_of_look: bool,
}

/// Whether the loop goes on.
enum Next {
    Continue,
    Stop(&'static str),
    /// Stop, but leave the table to the one that starts next.
    HandOver,
    Failed(ExitCode),
}

/// What [`Daemon::new`] needs.
pub(crate) struct Parts {
    pub(crate) instance: Instance,
    pub(crate) mode: Mode,
    pub(crate) log: Arc<Log>,
    pub(crate) kernel: Kernel,
    pub(crate) before: Before,
    pub(crate) loaded: Loaded,
    /// Of the file, from before it was read.
    pub(crate) watch: Watch,
    /// Servers that were drained before.
    pub(crate) drained: Vec<Drained>,
    pub(crate) starting: Starting,
}

/// Runs until it is told to stop.
pub(crate) async fn run(parts: Parts, listener: daemon::control::Listener) -> ExitCode {
    let (events, inbox) = mpsc::channel(1024);
    let keys = parts.loaded.plan.keys().cloned().collect();
    let table = match parts.kernel.read(keys).await {
        Ok(known) => known.table,
        Err(why) => return failed(parts.starting, &why),
    };
    // Apart from all else: whoever wants to activate it does not stand behind a thousand results.
    let (results, checked) = mpsc::channel(1024);
    let checks = Checks::new(results);
    checks.preparing().plan(&parts.loaded.plan).await;
    let tasks = match Tasks::start(events, listener) {
        Ok(tasks) => tasks,
        Err(error) => return failed(parts.starting, &format!("signals: {error}")),
    };
    Daemon::new(parts, table, checks, tasks).events(inbox, checked).await
}

impl Daemon {
    fn new(parts: Parts, table: Table, checks: Checks, tasks: Tasks) -> Daemon {
        let Parts { instance, mode, log, kernel, before, loaded, watch, drained, starting } = parts;
        let now = seconds();
        let status = DaemonStatus {
            name: instance.name.clone(),
            config: instance.config.display().to_string(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
            mode: before.mode,
            started: now,
            loaded: now,
            ..DaemonStatus::default()
        };
        let mut director = Director::new(loaded.plan, &table, SystemTime::now());
        director.restore(&drained);
        let others = Others::new(instance.clone());
        let mut daemon = Daemon {
            checks,
            maintenance: Some(Maintenance::new(director.plan().settings.maintenance_dir.as_deref())),
            watch: Some(watch),
            drains: Drains::new(instance.drained.clone()),
            instance,
            mode,
            log,
            kernel,
            director,
            tasks,
            starting: Some(starting),
            first_round: None,
            standby: Standby::new(before.mode),
            epoch: 0,
            leaving: Vec::new(),
            dirty: true,
            in_pass: false,
            passes: 0,
            untold: false,
            by_hand: ByHand::default(),
            gather_until: None,
            retry_at: None,
            grow_at: None,
            resting: Resting::default(),
            reloading: false,
            next_plan: None,
            known: None,
            callback_due: false,
            waiting: Vec::new(),
            wishes: Vec::new(),
            granted: Vec::new(),
            journal: Journal::default(),
            edits: Edits::default(),
            lag: Histogram::default(),
            status,
            others,
            executed_by: String::new(),
            monitor: Monitor::default(),
            alerts: Alerts::default(),
            mailer: Mailer::new(mail::LIMITS),
            phase: Phase::Starting,
            phase_until: Instant::now(),
            at_pass: AtPass::default(),
            began: Instant::now(),
            trimmed: Instant::now(),
        };
        daemon.resting = daemon.maintenance.as_ref().map(Maintenance::addresses).unwrap_or_default();
        daemon.report(&loaded.report);
        daemon.journal.add(vec![Change::new(SystemTime::now(), What::Started, &daemon.status.config)]);
        daemon.remove_left_over(before.held);
        daemon.begin();
        daemon
    }

    async fn events(
        mut self,
        mut inbox: mpsc::Receiver<Event>,
        mut checked: mpsc::Receiver<checks::Result>,
    ) -> ExitCode {
        let mut beat = self.beat();
        let mut maintenance = every(MAINTENANCE_EVERY);
        let mut lag = every(LAG_EVERY);
        let mut alive = every(daemon::notify::watchdog_interval().unwrap_or(Duration::from_secs(3600)));
        loop {
            let epoch = self.epoch;
            self.read_for_next_plan(); // may put it into force
            let gathered = || !self.standby.rechecking && self.director.is_gathered();
            if self.gather_until.is_some_and(|until| Instant::now() >= until || gathered()) {
                self.gather_until = None;
                self.tell_of_unknown();
            }
            let ripe = self.gather_until.is_none() || self.standby.is_leaving();
            if (self.dirty || self.director.is_due()) && !self.in_pass && ripe {
                self.pass();
            }
            self.known = None; // it would be old by then
            let gathered = sleep_until(self.gather_until.unwrap_or_else(Instant::now));
            let retry = sleep_until(self.retry_at.unwrap_or_else(Instant::now));
            let grow = sleep_until(self.grow_at.unwrap_or_else(Instant::now));
            let next = tokio::select! {
                event = inbox.recv() => match event {
                    Some(event) => self.event(event),
                    None => Next::Stop("no more events"),
                },
                Some(result) = checked.recv() => {
                    self.checked(result);
                    // Those that are there already: looking at everything else costs more than each of them.
                    for result in std::iter::from_fn(|| checked.try_recv().ok()).take(RESULTS - 1) {
                        self.checked(result);
                    }
                    Next::Continue
                }
                _ = beat.tick() => {
                    self.director.look();
                    self.look_at_file();
                    self.monitor_maintenance();
                    Next::Continue
                }
                _ = maintenance.tick() => {
                    self.look_at_maintenance();
                    self.remind();
                    self.end_round();
                    self.notify();
                    Next::Continue
                }
                due = lag.tick() => {
                    self.lag.observe(due.elapsed());
                    Next::Continue
                }
                _ = alive.tick() => {
                    daemon::notify::watchdog();
                    Next::Continue
                }
                () = gathered, if self.gather_until.is_some() => Next::Continue,
                () = grow, if self.grow_at.is_some() => {
                    self.advance();
                    Next::Continue
                }
                () = retry, if self.retry_at.is_some() => {
                    self.retry_at = None;
                    self.dirty = true;
                    Next::Continue
                }
            };
            self.journal.add(self.director.take_events());
            match next {
                Next::Continue => {}
                Next::Stop(signal) => return self.stop(signal).await,
                Next::HandOver => return self.hand_over().await,
                Next::Failed(code) => return self.give_up(code).await,
            }
            if self.epoch != epoch {
                beat = self.beat();
            }
        }
    }

    /// Why a fallback may be in the table that nobody needs in a moment.
    fn tell_of_unknown(&self) {
        let unknown = self.director.unknown();
        if unknown > 0 {
            info!(
                "{unknown} real servers have no verdict after {GATHER:?}: they count as before, new ones as down"
            );
        }
    }

    /// The interval at which table and file are looked at.
    fn beat(&self) -> Interval {
        let mut beat = every(self.director.plan().settings.check_interval.max(TABLE_EVERY));
        beat.reset();
        beat
    }

    fn event(&mut self, event: Event) -> Next {
        match event {
            Event::Passed(epoch, wanted, leaving, result) => {
                let next = self.passed(epoch, &wanted, leaving, result);
                drop(wanted);
                // Of what was wanted and found, and told to tools: megabytes where there are thousands of servers.
                if self.at_pass.whole || self.at_pass.end_of_look && self.trimmed.elapsed() >= TRIM_EVERY {
                    memory::trim();
                    self.trimmed = Instant::now();
                }
                return next;
            }
            Event::Signal(signal_hook::consts::SIGHUP) => {
                info!("Reloading Linux Director Daemon config on signal");
                self.log.reopen();
                self.executed_by.clear();
                self.load(Vec::new());
            }
            Event::Signal(signal) => {
                return Next::Stop(signal_hook::low_level::signal_name(signal).unwrap_or("SIGTERM"));
            }
            Event::Loaded(read, answers) => self.loaded(*read, answers),
            Event::TableRead(next, table) => self.read_done(*next, table),
            Event::Asked(question, reply) => return self.asked(question, reply),
            Event::Granted(of, reply, warnings) => self.show(of, reply, warnings),
            Event::Counted(purpose, reply, result) => self.counted(purpose, reply, result),
            Event::Piece(telling) => self.next_piece(*telling),
            Event::CheckedNow(epoch, results, reply) => self.checked_now(epoch, &results, &reply),
            Event::Rechecked => self.standby.rechecking = false,
            Event::Maintenance(maintenance, resting) => self.rested(maintenance, resting),
            Event::Watched(watch, look) => {
                if self.watch.is_none() {
                    self.watch = Some(watch);
                    self.looked(look);
                }
            }
        }
        Next::Continue
    }
}

fn log(lines: &[Line]) {
    for line in lines {
        if line.warning { warn!("{}", line.text) } else { info!("{}", line.text) }
    }
}

fn every(period: Duration) -> Interval {
    let mut beat = interval(period);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    beat
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
