//! The groups of one home node, as far as this node runs them.

use super::event::{JobId, JobKind, JobOutcome};
use std::time::Duration;

/// How often a failed stop is tried again before it is given up for a while. Each try is one of
/// `ha-resources`, which itself repeats a failed script ten times as heartbeat did.
const STOP_RETRIES: u32 = 2;
/// Time between two tries.
const STOP_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Groups that could not be stopped are tried again after this time, for as long as they are not wanted here.
const STUCK_RETRY_INTERVAL: Duration = Duration::from_secs(60);
/// Groups that could not be started here are handed over once in this time: an old heartbeat that cannot start them
/// either hands them back after 30 s.
const HAND_OVER_INTERVAL: Duration = Duration::from_secs(600);

/// What runs here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actual {
    /// An earlier life of this node may have left something.
    Unknown,
    /// Nothing.
    Released,
    /// The groups, or those of them that could be started.
    Held,
    /// What could not be stopped: it may still run, and nobody is told anything else.
    Stuck,
    /// A job is under way.
    Busy(JobId, JobKind),
}

/// All groups homed on one node. `want` is what the rules decided; jobs bring `actual` there.
///
/// ```text
///            want            done                !want            done
///  Released ──────► Busy(Take) ──► Held ───────────────► Busy(Give) ──► Released
///                       │ all failed                        │ failed: again after 1 s
///                       └──► Unknown                        └──► Held, in part ── three times ──► Stuck, for 60 s
///  Unknown ── want ──► Busy(Take)      Unknown ── !want ──► Busy(Clear) ──► Released
/// ```
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub(super) want: bool,
    pub(super) actual: Actual,
    /// Counts the owners of these groups: a node that takes them adds one. When both nodes hold them after a
    /// partition, the lower term is the one that held them before, and keeps them.
    pub(super) term: u64,
    /// When they were taken or released.
    pub(super) since: Duration,
    /// They could not be started here; not tried again before a join, a take-over, an administrator
    /// or, while there is no other node, time says so.
    pub(super) failed: bool,
    /// Some of them run here, and others could not be started.
    pub(super) partly: bool,
    /// Those others are to be started once more.
    pub(super) again: bool,
    /// They, or some of them, could not be started here, and the other node has not been given them since.
    pub(super) hand_over: bool,
    /// When the other node was given them because of that.
    pub(super) handed_at: Option<Duration>,
    /// Announce them again when the other node has let go of them.
    pub(super) contested: bool,
    /// Both nodes hold them, and that was said.
    pub(super) doubly: bool,
    /// The other node may hold them while they are released here: addresses go first.
    pub(super) yields: bool,
    /// Stopping them could not even begin the last time: whether any of them runs is not known.
    pub(super) untried: bool,
    /// Since when stopping them is given up.
    pub(super) stuck_at: Option<Duration>,
    retries: u32,
    retry_at: Option<Duration>,
}

impl Share {
    pub(super) fn new() -> Share {
        Share {
            want: false,
            actual: Actual::Unknown,
            term: 0,
            since: Duration::ZERO,
            failed: false,
            partly: false,
            again: false,
            hand_over: false,
            handed_at: None,
            untried: false,
            stuck_at: None,
            contested: false,
            doubly: false,
            yields: false,
            retries: 0,
            retry_at: None,
        }
    }

    /// Whether something may run here; also true for what an earlier life may have left.
    pub(super) fn may_run(&self) -> bool {
        self.actual != Actual::Released
    }

    /// Whether `actual` is what `want` says.
    pub(super) fn settled(&self) -> bool {
        match (self.want, self.actual) {
            (true, Actual::Held) => self.retries == 0,
            (want, actual) => !want && actual == Actual::Released,
        }
    }

    /// Stopping it was given up, also while it is tried again.
    pub(super) fn stuck(&self) -> bool {
        !self.want && self.retries > STOP_RETRIES
    }

    /// Some of these groups could not be started when this was last tried here.
    pub(super) fn cannot_start(&self) -> bool {
        self.failed || self.partly
    }

    /// Nothing will change soon: as it is wanted, or stopping it was given up for a while.
    pub(super) fn at_rest(&self) -> bool {
        self.settled() || !self.want && self.actual == Actual::Stuck
    }

    /// The job that has to start now, if any. `clear` allows clearing what an earlier life left.
    pub(super) fn next_job(&self, clear: bool, now: Duration) -> Option<JobKind> {
        match (self.want, self.actual) {
            (true, Actual::Released | Actual::Unknown | Actual::Stuck) => Some(JobKind::Take),
            // wanted again after a stop that failed half-way
            (true, Actual::Held) if self.retries > 0 || self.again => Some(JobKind::Take),
            (false, Actual::Held | Actual::Stuck) if self.retry_at.is_none_or(|at| at <= now) => {
                Some(JobKind::Give)
            }
            (false, Actual::Unknown) if clear => Some(JobKind::Clear),
            _ => None,
        }
    }

    /// A job ended. Answers whether stopping is given up.
    pub(super) fn job_done(&mut self, kind: JobKind, outcome: JobOutcome, now: Duration) -> bool {
        let JobOutcome { done, failed, began } = outcome;
        self.since = now;
        match kind {
            JobKind::Announce => {}
            // whoever started them may have died half-way: cleared before the other node may take them
            JobKind::Take if failed > 0 && done == 0 && !self.again => {
                if self.want {
                    (self.want, self.failed) = (false, true);
                    self.hand_over = self.may_hand_over(now);
                }
                (self.partly, self.again) = (false, false);
                self.actual = Actual::Unknown;
                (self.retries, self.retry_at) = (0, None);
            }
            JobKind::Take => {
                self.actual = Actual::Held;
                (self.partly, self.again) = (failed > 0, false);
                self.hand_over = self.partly && self.want && self.may_hand_over(now);
                (self.retries, self.retry_at) = (0, None);
            }
            JobKind::Give | JobKind::Clear => {
                self.untried = !began;
                if failed > 0 && self.retries < STOP_RETRIES {
                    self.retries += 1;
                    self.retry_at = Some(now + STOP_RETRY_INTERVAL);
                    self.actual = Actual::Held;
                    return false;
                }
                if failed > 0 {
                    let first = self.retries == STOP_RETRIES;
                    if first {
                        self.stuck_at = Some(now);
                    }
                    self.retries = STOP_RETRIES + 1;
                    self.retry_at = Some(now + STUCK_RETRY_INTERVAL);
                    self.actual = Actual::Stuck;
                    return first;
                }
                self.actual = Actual::Released;
                (self.retries, self.retry_at) = (0, None);
            }
        }
        false
    }

    /// What cannot be started here goes to the other node: once, that it does not wander between two nodes for ever.
    fn may_hand_over(&self, now: Duration) -> bool {
        self.handed_at.is_none_or(|at| now >= at + HAND_OVER_INTERVAL)
    }

    /// When a failed stop is to be tried again.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let stopping = !self.want && matches!(self.actual, Actual::Held | Actual::Stuck);
        if stopping { self.retry_at } else { None }
    }
}
