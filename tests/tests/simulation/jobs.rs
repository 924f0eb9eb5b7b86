//! What `ha-resources` does on the machines: jobs that take their time, wait for each other, fail, hang, and outlive
//! the daemon that started them.

use crate::daemon::Kind;
use crate::world::{Due, NAMES, RAIN, World};
use heartbeatd::cluster::{Event, Job, JobId, JobKind, JobOutcome};
use std::time::Duration;

/// A stop fails at most so often in a row: after one more the daemon gives up and says so...
pub(crate) const MOST_FAILED_STOPS: u32 = 2;
/// ...as it does in some runs.
const MORE_FAILED_STOPS: u32 = 7;

/// A lock is free a moment after the job that held it has ended.
const AFTER: Duration = Duration::from_micros(1);

/// How jobs go in one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jobs {
    /// Some of them take this long.
    pub longest: Duration,
    /// Some of them fail while faults rain.
    pub fail: bool,
    /// Some stops fail until they are given up.
    pub stuck: bool,
    /// A node never starts the groups of a home: none of them, or (`true`) not all.
    pub broken: Option<(usize, usize, bool)>,
}

impl Jobs {
    /// Whether this start must fail, and if so whether only in part.
    fn is_broken(&self, task: &Task) -> Option<bool> {
        self.broken
            .filter(|(node, home, _)| (*node, *home) == (task.node, task.home))
            .map(|(.., partly)| partly)
    }
}

/// One child process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    node: usize,
    /// The life of the daemon that waits for it, and of the machine that it runs on.
    life: u64,
    power: u64,
    id: JobId,
    kind: JobKind,
    home: usize,
}

/// How a job ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Done,
    /// A start failed and was undone.
    Undone,
    /// One group of several did not start.
    Partly,
    /// It died or hung half-way; what it had started or not yet stopped is still there.
    HalfWay,
}

impl World {
    pub(crate) fn start_job(&mut self, node: usize, job: &Job) {
        let home = if job.home == NAMES[0] { 0 } else { 1 };
        let machine = &self.nodes[node];
        let (life, power) = (machine.life, machine.power);
        let task = Task { node, life, power, id: job.id, kind: job.kind, home };
        self.begin_job(task);
    }

    /// Begins as soon as no other job works on these groups.
    pub(crate) fn begin_job(&mut self, task: Task) {
        if self.nodes[task.node].power != task.power {
            return;
        }
        let machine = &mut self.nodes[task.node];
        let locked = machine.locked[task.home].filter(|until| *until > self.now);
        if let (Some(until), false) = (locked, task.kind == JobKind::Announce) {
            let wait = until.saturating_sub(self.now);
            return self.at(wait, Due::JobBegins(task));
        }
        match task.kind {
            JobKind::Take => {
                machine.runs[task.home] = true;
                // a child that outlives an old daemon
                machine.stale[task.home] = machine.kind == Kind::Old && machine.life != task.life;
            }
            JobKind::Give | JobKind::Clear => machine.serves[task.home] = false,
            JobKind::Announce => {}
        }
        let slow = self.jobs.longest > Duration::ZERO && self.random.percent(20);
        let most = if slow { self.jobs.longest.as_millis() as u64 } else { 5 };
        let took = Duration::from_millis(self.random.between(1, most));
        if task.kind != JobKind::Announce {
            self.nodes[task.node].locked[task.home] = Some(self.now + took + AFTER);
        }
        self.at(took, Due::JobDone(task));
    }

    pub(crate) fn job_done(&mut self, task: Task) {
        let Task { node, home, kind, .. } = task;
        if self.nodes[node].power != task.power {
            return;
        }
        if let (Some(until), false) = (self.nodes[node].paused_until, self.nodes[node].only_daemon) {
            let rest = until.saturating_sub(self.now);
            if kind != JobKind::Announce {
                self.nodes[node].locked[home] = Some(until + AFTER);
            }
            return self.at(rest, Due::JobDone(task));
        }
        let end = self.end_of(&task);
        let machine = &mut self.nodes[node];
        match (kind, end) {
            (JobKind::Take, End::Done | End::Partly) => {
                machine.serves[home] = true;
                machine.announced[home] = Some(self.now);
            }
            (JobKind::Take, End::Undone) => (machine.runs[home], machine.serves[home]) = (false, false),
            (JobKind::Take, End::HalfWay) => machine.serves[home] = false,
            (JobKind::Give | JobKind::Clear, End::Done) => {
                (machine.runs[home], machine.stale[home]) = (false, false);
            }
            (JobKind::Announce, _) if machine.runs[home] => machine.announced[home] = Some(self.now),
            _ => {}
        }
        if kind != JobKind::Announce {
            machine.pretended[home] =
                machine.kind == Kind::Old && (kind, end) == (JobKind::Take, End::Undone);
        }
        let gave = matches!(kind, JobKind::Give | JobKind::Clear);
        if gave {
            let row = if end == End::Done { 0 } else { machine.failed_stops[home] + 1 };
            machine.failed_stops[home] = row;
        }
        let failed = usize::from(end != End::Done);
        if failed > 0 {
            self.trace(|| format!("{} job {kind:?} of {} fails: {end:?}", NAMES[node], NAMES[home]));
            self.checker.job_failed(self.now);
        }
        let done = usize::from(matches!(end, End::Done | End::Partly));
        self.report_job(task, JobOutcome { done, failed, began: true });
    }

    /// The daemon that waits for it learns how it ended; one that stands still, afterwards.
    pub(crate) fn report_job(&mut self, task: Task, outcome: JobOutcome) {
        let machine = &self.nodes[task.node];
        if machine.life != task.life || machine.daemon.is_none() {
            return;
        }
        match machine.paused_until {
            Some(until) => self.at(until.saturating_sub(self.now), Due::JobReported(task, outcome)),
            None => self.event(task.node, Event::JobDone { id: task.id, outcome }),
        }
    }

    fn end_of(&mut self, task: &Task) -> End {
        let unlucky = self.jobs.fail && self.now < RAIN && self.random.percent(10);
        let stops = self.nodes[task.node].failed_stops[task.home];
        match task.kind {
            JobKind::Take if self.jobs.is_broken(task) == Some(true) => End::Partly,
            JobKind::Take if self.jobs.is_broken(task) == Some(false) => End::Undone,
            JobKind::Take if unlucky && self.nodes[task.node].kind == Kind::Old => End::Undone,
            JobKind::Take if unlucky => self.random.of(&[End::Undone, End::HalfWay, End::Partly]),
            // what does not stop once mostly does not stop the next time either
            JobKind::Give | JobKind::Clear if self.jobs.stuck && self.now < RAIN && stops > 0 => {
                match stops < MORE_FAILED_STOPS && self.random.percent(90) {
                    true => End::HalfWay,
                    false => End::Done,
                }
            }
            JobKind::Give | JobKind::Clear if unlucky && stops < MOST_FAILED_STOPS => End::HalfWay,
            _ => End::Done,
        }
    }
}
