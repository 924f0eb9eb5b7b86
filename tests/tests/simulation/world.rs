//! The virtual world: two machines, their kernels' addresses, the network between them, and time.

use crate::check::Checker;
use crate::coverage::Coverage;
use crate::daemon::Kind;
use crate::faults::{self, Fault};
use crate::fencing::Request;
use crate::jobs::{Jobs, Task};
use crate::machine::Machine;
use crate::old::Old;
use crate::random::Random;
use heartbeatd::cluster::{ConfigHash, Event, Failback, JobOutcome, Settings};
use heartbeatd::wire::Message;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

pub(crate) const NAMES: [&str; 2] = ["alpha", "beta"];
/// How long faults rain; after that everything is healed and must come to rest.
pub(crate) const RAIN: Duration = Duration::from_secs(15);
/// Everything has to stay as it should be for so long after the last fault: longer than any delay of a rule.
const REST: Duration = Duration::from_secs(6);
/// Ping nodes of a cluster with ipfail.
pub(crate) const PING_NODES: usize = 2;
/// An old heartbeat waits for 10 s when it starts, announces 30 s more as its deadtime when it starts itself again,
/// and 30 s after a failed start it hands something over.
const OLD_REST: Duration = Duration::from_secs(75);
/// A stop that was given up is tried again after this time, and what that makes free is taken.
const STUCK_RETRY: Duration = Duration::from_secs(75);

#[derive(Debug)]
pub(crate) enum Due {
    Deliver {
        to: usize,
        link: usize,
        message: Message,
    },
    /// What the socket buffer of a paused daemon has kept; a later life of it opens another socket.
    Buffered {
        to: usize,
        life: u64,
        link: usize,
        message: Message,
    },
    JobBegins(Task),
    JobDone(Task),
    JobReported(Task, JobOutcome),
    Wake {
        node: usize,
    },
    Boot {
        node: usize,
        life: u64,
    },
    EndPartition,
    EndDeaf(usize),
    EndCut(usize),
    EndOneWay(usize, usize),
    EndLoss,
    /// The stonith device does what it was asked.
    Reset(Request),
    /// A node that was reset is switched on.
    On {
        node: usize,
        power: u64,
    },
    /// The second half of a fault.
    Fault(Fault),
    Rain,
}

pub(crate) struct World {
    pub now: Duration,
    pub random: Random,
    pub nodes: [Machine; 2],
    pub settings: [Settings; 2],
    /// As they were before any reload.
    pub first_settings: [Settings; 2],
    queue: BinaryHeap<Reverse<(Duration, u64, usize)>>,
    due: Vec<Option<Due>>,
    /// Places in `due` that are free again.
    free: Vec<usize>,
    count: u64,
    pub partition: bool,
    pub deaf: [bool; 2],
    pub cut: [bool; 2],
    /// What a node sends on one link is lost.
    pub one_way: [[bool; 2]; 2],
    pub loss: u64,
    pub base_loss: u64,
    pub max_delay: u64,
    pub jobs: Jobs,
    pub checker: Checker,
    pub coverage: Coverage,
    /// How many ping nodes answer each machine.
    pub pings: [usize; 2],
    /// Added to the seconds since 1970 that each machine believes in.
    pub wall: [i64; 2],
    /// Few faults, mostly power-offs of a calm pair: single faults, which I2 speaks of.
    sparse: bool,
    pub verbose: bool,
}

impl World {
    pub(crate) fn new(seed: u64, verbose: bool) -> World {
        let mut random = Random(seed.wrapping_mul(0x1234_5678_9abc_def1));
        let kinds = kinds(seed);
        let mixed = kinds != [Kind::Ours; 2];
        let keepalive = Duration::from_millis(random.of(&[100, 200]));
        // an old one looks at its packets once in a keepalive, and at the time four times a second
        let beats = if mixed { random.between(8, 14) } else { random.between(5, 10) };
        let deadtime = keepalive * beats as u32;
        let links = random.between(1, 2) as usize;
        let failback = match mixed {
            true => random.of(&[Failback::On, Failback::Off]),
            false => random.of(&[Failback::On, Failback::Off, Failback::Legacy]),
        };
        let fencing = !mixed && random.percent(30);
        let fence_stuck = fencing && random.percent(50);
        let ipfail = random.percent(20);
        let settings = [0, 1].map(|me| Settings {
            me: NAMES[me].to_owned(),
            nodes: NAMES.map(str::to_owned).to_vec(),
            links: (0..links).map(|link| format!("eth{link}")).collect(),
            uuid: [me as u8 + 1; 16],
            generation: 0,
            peer_generation: 0,
            keepalive,
            deadtime,
            warntime: deadtime / 2,
            initdead: deadtime * 2,
            group_keys: vec![format!("192.0.2.10{me}")],
            auto_failback: failback,
            configuration: ConfigHash::default(),
            ipfail,
            fencing,
            fence_stuck,
            rexmit_delay: Duration::from_millis(250),
            ttl: 3,
            seed: seed ^ me as u64,
        });
        // with a loss of 2 % five beats in a row are lost once in 300 million
        let base_loss = if mixed { random.of(&[0, 0, 0, 1]) } else { random.of(&[0, 0, 1, 2]) };
        let longest = random.of(&[0, 0, 0, 1_500, 6_000]);
        let fail = random.percent(25);
        let stuck = fail && random.percent(40);
        let broken = (fail && !mixed && random.percent(40))
            .then(|| (random.between(0, 1) as usize, random.between(0, 1) as usize, random.percent(50)));
        let jobs = Jobs { longest: Duration::from_millis(longest), fail, stuck, broken };
        let mut world = World {
            now: Duration::from_secs(1),
            nodes: kinds.map(Machine::new),
            first_settings: settings.clone(),
            settings,
            queue: BinaryHeap::new(),
            due: Vec::new(),
            free: Vec::new(),
            count: 0,
            partition: false,
            deaf: [false; 2],
            cut: [false; 2],
            one_way: [[false; 2]; 2],
            loss: base_loss,
            base_loss,
            max_delay: random.of(&[300, 2_000, 10_000]),
            jobs,
            checker: Checker::new(jobs, mixed),
            coverage: Coverage::default(),
            pings: [PING_NODES; 2],
            wall: [0; 2],
            sparse: random.percent(20),
            verbose,
            random,
        };
        for node in 0..2 {
            let after = Duration::from_millis(world.random.between(0, 3_000));
            world.at(after, Due::Boot { node, life: 0 });
        }
        world.at(Duration::from_secs(if world.sparse { 8 } else { 1 }), Due::Rain);
        world
    }

    /// Runs the rain and the calm after it.
    pub(crate) fn run(mut self) -> Result<Coverage, String> {
        self.step_until(RAIN)?;
        self.calm();
        let mut rest =
            self.now + self.settings[0].initdead * 2 + Duration::from_secs(20) + self.jobs.longest * 8;
        if self.mixed() {
            rest += OLD_REST;
        }
        if self.jobs.stuck {
            rest += STUCK_RETRY;
        }
        if self.settings[0].fencing {
            rest += Duration::from_secs(30);
        }
        // ends when everything is as it should be for a while, at the latest when it has to be
        let mut since = None;
        while self.now < rest {
            self.step_until((self.now + Duration::from_millis(500)).min(rest))?;
            since = self.checker.at_rest(&self.nodes).is_ok().then(|| since.unwrap_or(self.now));
            if since.is_some_and(|since| self.now >= since + REST) {
                break;
            }
        }
        self.checker.at_rest(&self.nodes)?;
        if self.nodes.iter().any(|node| node.old().is_some_and(Old::in_standby)) {
            self.coverage.old_said("waits in a stand-by in the end");
        }
        let mixed = self.mixed();
        self.coverage.checked(&self.checker.kept, mixed);
        Ok(self.coverage)
    }

    /// One of the nodes has an old heartbeat.
    pub(crate) fn mixed(&self) -> bool {
        self.nodes.iter().any(|node| node.kind == Kind::Old)
    }

    pub(crate) fn trace(&self, text: impl FnOnce() -> String) {
        if self.verbose {
            println!("{:>10.3} {}", self.now.as_secs_f64(), text());
        }
    }

    pub(crate) fn at(&mut self, after: Duration, due: Due) {
        self.count += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.due.push(None);
            self.due.len() - 1
        });
        self.due[place] = Some(due);
        self.queue.push(Reverse((self.now + after, self.count, place)));
    }

    fn step_until(&mut self, end: Duration) -> Result<(), String> {
        let (mut steps, mut moment) = (0, self.now);
        loop {
            steps = if moment == self.now { steps + 1 } else { 0 };
            moment = self.now;
            if steps > 10_000 {
                let deadlines = [0, 1].map(|node| self.timer_of(node));
                return Err(format!(
                    "at {:.3} s: time stands still, deadlines {deadlines:?}",
                    self.now.as_secs_f64()
                ));
            }
            let timers = [0, 1].map(|node| self.timer_of(node));
            let first = timers.iter().flatten().min().copied();
            let queued = self.queue.peek().map(|Reverse((at, ..))| *at);
            let next = [first, queued].into_iter().flatten().min().unwrap_or(Duration::MAX);
            if next > end {
                self.now = end;
                return Ok(());
            }
            self.now = self.now.max(next);
            if queued == Some(next) {
                let Some(Reverse((_, _, index))) = self.queue.pop() else { continue };
                self.free.push(index);
                if let Some(due) = self.due[index].take() {
                    self.happen(due);
                }
            } else {
                let node = if timers[0] == Some(next) { 0 } else { 1 };
                self.event(node, Event::Timer);
            }
            self.coverage.bounded().map_err(|what| format!("at {:.3} s: {what}", self.now.as_secs_f64()))?;
            let verdict = self.checker.look(self.now, &self.nodes, &self.first_settings[0], self.troubled());
            verdict.map_err(|what| format!("at {:.3} s: {what}", self.now.as_secs_f64()))?;
        }
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Deliver { to, link, message } => {
                if let Some(until) = self.nodes[to].paused_until {
                    let life = self.nodes[to].life;
                    self.at(until.saturating_sub(self.now), Due::Buffered { to, life, link, message });
                } else if self.nodes[to].daemon.is_some() {
                    self.event(to, Event::Received { link, message });
                }
            }
            Due::Buffered { to, life, link, message } => {
                if self.nodes[to].life == life {
                    self.happen(Due::Deliver { to, link, message });
                }
            }
            Due::JobBegins(task) => self.begin_job(task),
            Due::JobDone(task) => self.job_done(task),
            Due::JobReported(task, outcome) => self.report_job(task, outcome),
            Due::Wake { node } => {
                self.nodes[node].paused_until = None;
                self.nodes[node].only_daemon = false;
                self.trace(|| format!("{} runs again", NAMES[node]));
                if self.nodes[node].daemon.is_some() {
                    self.event(node, Event::Timer);
                    self.count_pings(node, self.pings[node]);
                }
            }
            Due::Boot { node, life } => {
                if self.nodes[node].life == life
                    && self.nodes[node].daemon.is_none()
                    && self.nodes[node].powered
                {
                    self.boot(node);
                }
            }
            Due::EndPartition => self.partition = false,
            Due::EndDeaf(node) => self.deaf[node] = false,
            Due::EndCut(link) => self.cut[link] = false,
            Due::EndOneWay(from, link) => self.one_way[from][link] = false,
            Due::EndLoss => self.loss = self.base_loss,
            Due::Reset(request) => self.reset(request),
            Due::On { node, power } => self.on_again(node, power),
            Due::Fault(fault) => {
                if self.now < RAIN {
                    self.fault(fault);
                }
            }
            Due::Rain => {
                if self.now < RAIN {
                    let mut fault = faults::draw(&mut self.random, &self.first_settings[0]);
                    if self.sparse && self.random.percent(70) {
                        fault = Fault::PowerOff(usize::from(self.random.percent(50)));
                    }
                    self.fault(fault);
                    let pause = self.random.of(&[50, 300, 1_500, 5_000]);
                    let after = Duration::from_millis(self.random.between(1, pause))
                        + if self.sparse { self.first_settings[0].deadtime * 4 } else { Duration::ZERO };
                    self.at(after, Due::Rain);
                }
            }
        }
    }

    /// Heals everything and switches everything on.
    fn calm(&mut self) {
        self.trace(|| "calm".to_owned());
        self.checker.calm(self.now);
        (self.partition, self.deaf, self.cut, self.loss) = (false, [false; 2], [false; 2], self.base_loss);
        self.one_way = [[false; 2]; 2];
        for node in 0..2 {
            self.count_pings(node, PING_NODES);
            self.nodes[node].powered = true;
            self.nodes[node].enabled = true;
            if self.nodes[node].daemon.is_none() {
                let life = self.nodes[node].life;
                // a daemon that is just leaving is started again afterwards
                self.at(Duration::from_millis(10), Due::Boot { node, life });
            }
        }
    }
}

/// One run in four has an old heartbeat on one of its nodes.
fn kinds(seed: u64) -> [Kind; 2] {
    match seed % 8 {
        0 => [Kind::Old, Kind::Ours],
        4 => [Kind::Ours, Kind::Old],
        _ => [Kind::Ours; 2],
    }
}
