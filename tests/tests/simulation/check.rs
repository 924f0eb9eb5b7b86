//! The promises, as an outside observer sees them.

use crate::faults::Fault;
use crate::jobs::Jobs;
use crate::world::{Machine, NAMES};
use heartbeatd::cluster::{NodeState, Set, Settings};
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
    /// How often each promise was put to the test and kept.
    pub kept: BTreeMap<&'static str, u64>,
}

impl Checker {
    pub(crate) fn new(jobs: Jobs) -> Checker {
        Checker {
            trouble: Duration::ZERO,
            doubly_since: [None; 2],
            takeover: None,
            announce: None,
            jobs,
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
        settings.deadtime + settings.keepalive * 4 + REPAIR + QUICK_JOBS + self.jobs.longest * 2 + tries
    }

    /// A fault happens now; what was expected under the old circumstances may no longer hold.
    pub(crate) fn fault(&mut self, now: Duration, fault: &Fault, nodes: &[Machine; 2], settings: &Settings) {
        self.takeover = None;
        self.announce = None;
        if let Fault::PowerOff(node) = fault {
            let survivor = 1 - node;
            let calm = now > self.trouble + self.settle_time(settings);
            if calm && nodes[*node].powered && at_rest(&nodes[survivor]) && knows_other(&nodes[survivor]) {
                self.takeover =
                    Some((survivor, now + settings.deadtime + ABOVE_DEADTIME + self.jobs.longest * 2));
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
        let answers = |node: &Machine| {
            node.powered && (node.paused_until.is_none() || node.only_daemon) && node.runs[home]
        };
        if nodes.iter().all(answers) {
            let since = *self.doubly_since[home].get_or_insert(now);
            let excused = self.trouble + self.settle_time(settings);
            if now > excused {
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
                if self.trouble < now && nodes.iter().all(|node| node.powered) {
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
                (0..2).filter(|node| nodes[*node].serves[home]).map(|node| NAMES[node]).collect();
            let running = nodes.iter().filter(|node| node.runs[home]).count();
            let nobody_can = self.jobs.fail
                && running == 0
                && nodes.iter().enumerate().all(|(node, machine)| {
                    machine
                        .cluster
                        .as_ref()
                        .is_some_and(|cluster| cluster.snapshot().shares[usize::from(node != home)].failed)
                });
            if !nobody_can && (holders.len() != 1 || running != 1) {
                return Err(format!(
                    "at rest: {name}'s groups are served by {holders:?}, run on {running} nodes"
                ));
            }
        }
        for (node, name) in nodes.iter().zip(NAMES) {
            let Some(cluster) = &node.cluster else { return Err(format!("at rest: {name} does not run")) };
            let snapshot = cluster.snapshot();
            let peer = snapshot.peer.as_ref().map(|peer| peer.state);
            if !snapshot.stable || snapshot.state != NodeState::Active || peer != Some(NodeState::Active) {
                return Err(format!("at rest: {name} is not stable: {snapshot:?}"));
            }
        }
        Ok(())
    }
}

fn at_rest(node: &Machine) -> bool {
    node.powered
        && node.paused_until.is_none()
        && node.cluster.as_ref().is_some_and(|cluster| cluster.snapshot().stable)
}

/// It holds its part and knows that the other one lives: the power-off is the only fault.
fn knows_other(node: &Machine) -> bool {
    node.cluster.as_ref().is_some_and(|cluster| {
        let peer = cluster.snapshot().peer;
        peer.is_some_and(|peer| {
            peer.state == NodeState::Active
                && !peer.leaving
                && peer.holds.is_some_and(|holds| holds != Set::NONE)
        })
    })
}
