//! The promises, as an outside observer sees them.

use crate::daemon::{Daemon, Kind};
use crate::faults::Fault;
use crate::jobs::{Jobs, MOST_FAILED_STOPS};
use crate::machine::Machine;
use crate::world::NAMES;
use heartbeatd::cluster::{Settings, Snapshot};
use std::collections::BTreeMap;
use std::time::Duration;

/// Time that a lost message may cost: one random delay and a few repetitions.
const REPAIR: Duration = Duration::from_millis(1_500);
/// Between two tries of a stop that failed.
const STOP_RETRY: Duration = Duration::from_secs(1);
/// A job or two of the quick kind.
const QUICK_JOBS: Duration = Duration::from_millis(100);
/// Most time that a take-over may need above the deadtime when jobs are quick (I2: 50 ms; a quick job takes up to 5 ms,
/// a beat was under way for up to 10 ms).
const ABOVE_DEADTIME: Duration = Duration::from_millis(50);

/// An old heartbeat looks at the time four times a second, and at its packets when its timer ticks.
const OLD_TICK: Duration = Duration::from_millis(500);
/// How long ours waits for an old one to let go of what both hold, before it does so itself.
const OLD_CLAIM: Duration = Duration::from_secs(6);

/// Watches every state.
pub(crate) struct Checker {
    /// The last moment at which something was wrong that excuses two holders.
    trouble: Duration,
    /// Since when two machines run the groups of a home node.
    doubly_since: [Option<Duration>; 2],
    /// The survivor of a lone power-off has to serve everything by then.
    takeover: Option<(usize, Duration)>,
    /// After two holders became one, the holder has to announce by then (home, from, until).
    announce: Option<(usize, Duration, Duration)>,
    jobs: Jobs,
    mixed: bool,
    /// How often each promise was put to the test and kept.
    pub kept: BTreeMap<&'static str, u64>,
}

impl Checker {
    pub(crate) fn new(jobs: Jobs, mixed: bool) -> Checker {
        Checker {
            trouble: Duration::ZERO,
            doubly_since: [None; 2],
            takeover: None,
            announce: None,
            jobs,
            mixed,
            kept: BTreeMap::new(),
        }
    }

    /// A job failed: it is tried again, or the other node takes the groups.
    pub(crate) fn job_failed(&mut self, now: Duration) {
        (self.takeover, self.announce, self.trouble) = (None, None, now);
    }

    /// How long two holders may last after the trouble ended: both hear each other within a beat, one releases.
    fn settle_time(&self, settings: &Settings) -> Duration {
        let tries = if self.jobs.fail { STOP_RETRY * 2 + self.jobs.longest * 2 } else { Duration::ZERO };
        let old = if self.mixed { OLD_CLAIM } else { Duration::ZERO };
        settings.deadtime + settings.keepalive * 4 + REPAIR + QUICK_JOBS + self.jobs.longest * 2 + tries + old
    }

    /// A fault happens now; what was expected under the old circumstances may no longer hold.
    pub(crate) fn fault(&mut self, now: Duration, fault: &Fault, nodes: &[Machine; 2], settings: &Settings) {
        self.takeover = None;
        self.announce = None;
        if let Fault::PowerOff(node) = fault {
            let survivor = &nodes[1 - node];
            let calm = now > self.trouble + self.settle_time(settings);
            if calm && !settings.fencing && nodes[*node].powered && at_rest(survivor) && knows_other(survivor)
            {
                let late = if survivor.kind == Kind::Old { OLD_TICK } else { Duration::ZERO };
                let silent = survivor.daemon.as_ref().map_or(settings.deadtime, Daemon::patience);
                let within = silent + late + ABOVE_DEADTIME + self.jobs.longest * 2;
                self.takeover = Some((1 - node, now + within));
            }
        }
        if matches!(
            fault,
            Fault::Stop(_)
                | Fault::Start(_)
                | Fault::BriefVisit(..)
                | Fault::PowerOn(_)
                | Fault::CutLink(..)
                | Fault::OneWay { .. }
                | Fault::WallClock(..)
                | Fault::Reload(..)
                | Fault::Pings(..)
        ) {
            return;
        }
        if !matches!(fault, Fault::PowerOff(_) | Fault::Standby(..) | Fault::Takeover(..)) {
            self.trouble = now;
        }
    }

    /// Everything is healed and switched on now: what was expected before does not hold any more.
    pub(crate) fn calm(&mut self, now: Duration) {
        (self.takeover, self.announce, self.trouble) = (None, None, now);
    }

    /// Checks the state after an event.
    pub(crate) fn look(
        &mut self,
        now: Duration,
        nodes: &[Machine; 2],
        settings: &Settings,
        troubled: bool,
    ) -> Result<(), String> {
        if troubled {
            self.trouble = now;
            self.takeover = None;
            self.announce = None;
        }
        for home in 0..2 {
            self.one_holder(now, home, nodes, settings)?;
        }
        if let Some((node, deadline)) = self.takeover {
            if nodes[node].serves == [true, true] {
                self.takeover = None;
                *self.kept.entry("I2: held again after a power-off").or_default() += 1;
            } else if now > deadline {
                return Err(format!(
                    "I2: {} does not serve everything at deadtime + 50 ms after a power-off",
                    NAMES[node]
                ));
            }
        }
        if let Some((home, from, until)) = self.announce {
            if nodes.iter().any(|node| node.serves[home] && node.announced[home].is_some_and(|at| at >= from))
            {
                self.announce = None;
                *self.kept.entry("I3: announced after the other let go").or_default() += 1;
            } else if now > until {
                return Err(format!(
                    "I3: nobody announced {}'s groups after one of two holders let go",
                    NAMES[home]
                ));
            }
        }
        Ok(())
    }

    /// I1, I3: no two holders, but for a bounded time after trouble.
    fn one_holder(
        &mut self,
        now: Duration,
        home: usize,
        nodes: &[Machine; 2],
        settings: &Settings,
    ) -> Result<(), String> {
        let answers = |node: &Machine| node.answers(home);
        if nodes.iter().all(answers) {
            if settings.fencing {
                return Err(format!(
                    "I1: both nodes run {}'s groups although one is fenced first",
                    NAMES[home]
                ));
            }
            let since = *self.doubly_since[home].get_or_insert(now);
            let excused = self.trouble + self.settle_time(settings);
            // nobody can promise anything about a machine that does not let go; it says so
            let stuck = nodes.iter().enumerate().any(|(node, machine)| says_stuck(machine, node, home));
            if now > excused && !stuck {
                return Err(format!(
                    "I1: both nodes run {}'s groups since {:.3} s, the last trouble was at {:.3} s",
                    NAMES[home],
                    since.as_secs_f64(),
                    self.trouble.as_secs_f64()
                ));
            }
        } else if self.doubly_since[home].take().is_some() {
            *self.kept.entry("I1: two holders became one in time").or_default() += 1;
            if nodes.iter().any(answers) {
                // one that is off has told nobody, and nobody can know
                // an old one announces nothing again
                // nor does one that only cannot stop them
                let ours = nodes.iter().enumerate().any(|(node, machine)| {
                    answers(machine) && machine.kind == Kind::Ours && !says_stuck(machine, node, home)
                });
                if ours && self.trouble < now && nodes.iter().all(|node| node.powered) {
                    self.announce = Some((home, now, now + self.settle_time(settings)));
                }
            } else if self.trouble < now && nodes.iter().all(|node| node.powered && node.enabled) {
                return Err(format!("I3: both nodes let go of {}'s groups", NAMES[home]));
            }
        }
        Ok(())
    }

    /// The end of a run: everything was healed long ago.
    pub(crate) fn at_rest(&self, nodes: &[Machine; 2]) -> Result<(), String> {
        for (home, name) in NAMES.iter().enumerate() {
            let holders: Vec<_> =
                (0..2).filter(|node| nodes[*node].serves[home] && !nodes[*node].stale[home]).collect();
            let holders: Vec<_> = holders.into_iter().map(|node| NAMES[node]).collect();
            let running = nodes.iter().filter(|node| node.runs[home] && !node.stale[home]).count();
            let nobody_can = self.jobs.fail
                && running == 0
                && nodes.iter().enumerate().all(|(node, machine)| cannot_start(machine, node, home));
            let excused =
                nobody_can || running == 0 && nodes.iter().any(|node| old_keeps_from_all(node, home));
            if !excused && (holders.len() != 1 || running != 1) {
                return Err(format!(
                    "at rest: {name}'s groups are served by {holders:?}, run on {running} nodes"
                ));
            }
        }
        for (node, name) in nodes.iter().zip(NAMES) {
            let Some(daemon) = &node.daemon else { return Err(format!("at rest: {name} does not run")) };
            if !daemon.settled() {
                return Err(format!("at rest: {name} is not settled"));
            }
        }
        Ok(())
    }
}

fn at_rest(node: &Machine) -> bool {
    node.powered && node.paused_until.is_none() && node.daemon.as_ref().is_some_and(Daemon::stable)
}

/// It holds its part and knows that the other one lives: the power-off is the only fault.
fn knows_other(node: &Machine) -> bool {
    node.daemon.as_ref().is_some_and(Daemon::knows_other)
}

/// It has given up stopping these groups, and says so, or said so when its daemon left at an administrator's word.
fn says_stuck(machine: &Machine, node: usize, home: usize) -> bool {
    let snapshot = machine.daemon.as_ref().and_then(Daemon::snapshot);
    let says = |snapshot: Snapshot| snapshot.shares[usize::from(node != home)].stuck;
    machine.kind == Kind::Ours && machine.failed_stops[home] > MOST_FAILED_STOPS && snapshot.is_none_or(says)
}

/// It has tried, and says so.
fn cannot_start(machine: &Machine, node: usize, home: usize) -> bool {
    let snapshot = machine.daemon.as_ref().and_then(Daemon::snapshot);
    snapshot.is_some_and(|snapshot| snapshot.shares[usize::from(node != home)].failed)
}

/// What an old pair cannot do either: its old node says that it holds groups which it could not start.
fn old_keeps_from_all(machine: &Machine, home: usize) -> bool {
    machine.pretended[home] && machine.old().is_some_and(|old| old.holds(home))
}
