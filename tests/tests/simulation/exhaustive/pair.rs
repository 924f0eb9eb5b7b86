//! Two cores on a network whose every step is decided from outside, small enough to try everything.

use heartbeatd::cluster::{
    Action, Cluster, ConfigHash, Event, Failback, JobId, JobKind, JobOutcome, Set, Settings, Time,
};
use heartbeatd::wire::Message;
use std::fmt::Write;
use std::time::Duration;

const NAMES: [&str; 2] = ["alpha", "beta"];
/// A message is under way, or a job works, for one step of this length.
const STEP: Duration = Duration::from_millis(1);
const KEEPALIVE: Duration = Duration::from_millis(200);
pub(super) const DEADTIME: Duration = Duration::from_millis(600);

/// One machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    pub(super) cluster: Option<Cluster>,
    pub(super) powered: bool,
    pub(super) paused: bool,
    generation: u64,
    /// The kernel holds the groups homed on each node.
    pub(super) runs: [bool; 2],
    jobs: Vec<(JobId, JobKind, usize)>,
}

/// Both machines and what is under way between them.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) now: Duration,
    pub(super) nodes: [Machine; 2],
    failback: Failback,
    /// Receiver and message; those of one step arrive in this order.
    pub(super) flying: Vec<(usize, Message)>,
    /// What arrives one step later than it should.
    late: Vec<(usize, Message)>,
    /// What a node sends is lost.
    pub(super) mute: [bool; 2],
    /// When a trouble last was there that excuses two holders for a while.
    trouble: Duration,
}

impl Pair {
    /// Joined and at rest, each with its own groups.
    pub(super) fn joined(failback: Failback) -> Pair {
        let machine = || Machine { powered: true, generation: 100, ..Machine::default() };
        let mut pair = Pair {
            now: Duration::from_secs(5),
            nodes: [machine(), machine()],
            failback,
            flying: Vec::new(),
            late: Vec::new(),
            mute: [false; 2],
            trouble: Duration::ZERO,
        };
        pair.start(0);
        pair.start(1);
        pair.run(Duration::from_secs(4));
        pair
    }

    fn settings(&self, node: usize) -> Settings {
        Settings {
            me: NAMES[node].to_owned(),
            nodes: NAMES.map(str::to_owned).to_vec(),
            links: vec!["eth0".to_owned()],
            uuid: [node as u8 + 1; 16],
            generation: self.nodes[node].generation,
            peer_generation: 0,
            keepalive: KEEPALIVE,
            deadtime: DEADTIME,
            warntime: DEADTIME / 2,
            initdead: DEADTIME * 2,
            auto_failback: self.failback,
            configuration: ConfigHash::default(),
            group_keys: vec![format!("192.0.2.10{node}")],
            ipfail: false,
            fencing: false,
            fence_stuck: false,
            rexmit_delay: Duration::from_millis(250),
            ttl: 3,
            seed: node as u64,
        }
    }

    pub(super) fn start(&mut self, node: usize) {
        self.nodes[node].powered = true;
        if self.nodes[node].cluster.is_none() {
            self.nodes[node].generation += 1;
            let cluster = Cluster::new(self.settings(node), self.time());
            self.nodes[node].cluster = Some(cluster);
            self.perform(node);
        }
    }

    pub(super) fn power_off(&mut self, node: usize) {
        let generation = self.nodes[node].generation;
        self.nodes[node] = Machine { generation, ..Machine::default() };
    }

    fn time(&self) -> Time {
        Time { mono: self.now, epoch: 1_700_000_000 }
    }

    pub(super) fn event(&mut self, node: usize, event: Event) {
        let time = self.time();
        if self.nodes[node].paused {
            return;
        }
        if let Some(cluster) = self.nodes[node].cluster.as_mut() {
            cluster.handle(event, time);
            self.perform(node);
        }
    }

    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    /// What is under way arrives; or, if nothing is, time passes until a node has something to do.
    pub(super) fn step(&mut self) {
        let busy = |node: &Machine| !node.paused && !node.jobs.is_empty();
        if self.flying.is_empty() && self.late.is_empty() && !self.nodes.iter().any(busy) {
            let timer =
                |node: &Machine| node.cluster.as_ref().filter(|_| !node.paused).map(Cluster::next_deadline);
            let next = self.nodes.iter().filter_map(timer).min().unwrap_or(self.now + KEEPALIVE);
            self.now = next.max(self.now);
        } else {
            self.now += STEP;
        }
        let jobs = [0, 1].map(|node| match self.nodes[node].paused {
            true => Vec::new(),
            false => std::mem::take(&mut self.nodes[node].jobs),
        });
        let late = std::mem::take(&mut self.late);
        for (to, message) in std::mem::replace(&mut self.flying, late) {
            if self.nodes[to].paused {
                self.flying.push((to, message)); // in its socket
            } else {
                self.event(to, Event::Received { link: 0, message });
            }
        }
        for (node, jobs) in jobs.into_iter().enumerate() {
            for (id, kind, home) in jobs {
                if matches!(kind, JobKind::Give | JobKind::Clear) {
                    self.nodes[node].runs[home] = false;
                }
                self.event(
                    node,
                    Event::JobDone { id, outcome: JobOutcome { done: 1, failed: 0, began: true } },
                );
            }
        }
        for node in 0..2 {
            let due = self.nodes[node].cluster.as_ref().is_some_and(|c| c.next_deadline() <= self.now);
            if due {
                self.event(node, Event::Timer);
            }
        }
        if self.troubled() {
            self.trouble = self.now;
        }
    }

    fn perform(&mut self, node: usize) {
        while let Some(action) = self.nodes[node].cluster.as_mut().and_then(Cluster::poll_action) {
            match action {
                Action::Send(message) if !self.mute[node] && self.nodes[1 - node].cluster.is_some() => {
                    self.flying.push((1 - node, message));
                }
                Action::Start(job) => {
                    let home = usize::from(job.home != NAMES[0]);
                    self.nodes[node].runs[home] |= job.kind == JobKind::Take;
                    self.nodes[node].jobs.push((job.id, job.kind, home));
                }
                Action::SaveGeneration(generation) => self.nodes[node].generation = generation,
                Action::Exit => self.nodes[node].cluster = None,
                _ => {}
            }
        }
    }

    /// One message is held up, so that others overtake it.
    pub(super) fn delay(&mut self, index: usize) {
        if index < self.flying.len() {
            let message = self.flying.remove(index);
            self.late.push(message);
        }
    }

    /// Cables and machines, but not lost messages, may make two holders for a while.
    fn troubled(&self) -> bool {
        self.mute.contains(&true) || self.nodes.iter().any(|node| node.paused)
    }

    /// Both run the same groups, and nothing excuses it.
    pub(super) fn two_holders(&self) -> bool {
        let settled = self.trouble + DEADTIME + KEEPALIVE * 4;
        let both = (0..2).any(|home| self.nodes.iter().all(|node| node.runs[home]));
        both && !self.troubled() && self.now > settled
    }

    /// Everything works again; long after that each group has one holder, and both are at rest.
    pub(super) fn recovers(&self) -> bool {
        let mut pair = self.clone();
        pair.mute = [false; 2];
        for node in 0..2 {
            pair.nodes[node].paused = false;
            pair.start(node);
        }
        for _ in 0..30 {
            pair.run(Duration::from_secs(1));
            for node in 0..2 {
                pair.start(node); // one that was asked to stop
            }
            if pair.two_holders() {
                return false;
            }
            if pair.at_rest() {
                return true;
            }
        }
        false
    }

    fn at_rest(&self) -> bool {
        let stable = |node: &Machine| node.cluster.as_ref().is_some_and(|cluster| cluster.snapshot().stable);
        let wants = |node: usize| self.nodes[node].cluster.as_ref().map_or(Set::NONE, Cluster::wants);
        let once = |home: usize| self.nodes.iter().filter(|node| node.runs[home]).count() == 1;
        self.nodes.iter().all(stable)
            && wants(0) == Set::ALL.without(wants(1).flipped())
            && once(0)
            && once(1)
    }

    /// Two states with the same text behave the same.
    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(16_384);
        let _ = write!(text, "{self:?}");
        text
    }
}
