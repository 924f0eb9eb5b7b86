//! A machine, and how the daemon on it is started, called and obeyed.

use crate::daemon::{Daemon, Kind};
use crate::faults::Fault;
use crate::old::{Deed, Old};
use crate::world::{Due, NAMES, World};
use heartbeatd::cluster::{Action, Cluster, Event, Set, Settings, Time};
use std::time::Duration;

/// What a machine is.
pub(crate) struct Machine {
    pub powered: bool,
    pub paused_until: Option<Duration>,
    /// Only the daemon stands still: the kernel answers, and jobs go on.
    pub only_daemon: bool,
    pub kind: Kind,
    pub daemon: Option<Daemon>,
    /// What an old heartbeat that executes itself again keeps.
    pub kept: Option<Set>,
    pub generation: u64,
    /// What it keeps of the other one's.
    pub peer_generation: u64,
    /// Started on purpose and not stopped on purpose.
    pub enabled: bool,
    /// The kernel holds the addresses of the groups homed on each node (from the first step of a start to the last of a stop).
    pub runs: [bool; 2],
    /// The groups are completely started.
    pub serves: [bool; 2],
    /// When the addresses were last announced.
    pub announced: [Option<Duration>; 2],
    /// Until when a job works on the groups of each node.
    pub locked: [Option<Duration>; 2],
    /// How often in a row stopping them has failed.
    pub failed_stops: [u32; 2],
    /// Left running by an old heartbeat that was killed: nobody minds these until it starts or stops them.
    pub stale: [bool; 2],
    /// The old heartbeat says that it holds them although it could not start them.
    pub pretended: [bool; 2],
    /// Counts lives of the daemon, and of the machine, so that what belongs to an earlier one is dropped.
    pub life: u64,
    pub power: u64,
}

impl Machine {
    pub(crate) fn new(kind: Kind) -> Machine {
        Machine {
            powered: true,
            paused_until: None,
            only_daemon: false,
            kind,
            daemon: None,
            kept: None,
            generation: 1_000,
            peer_generation: 0,
            enabled: true,
            runs: [false; 2],
            serves: [false; 2],
            announced: [None; 2],
            locked: [None; 2],
            failed_stops: [0; 2],
            stale: [false; 2],
            pretended: [false; 2],
            life: 0,
            power: 0,
        }
    }

    /// Clients that ask for the groups of a home node may get an answer from here.
    pub(crate) fn answers(&self, home: usize) -> bool {
        let awake = self.paused_until.is_none() || self.only_daemon;
        self.powered && awake && self.runs[home] && !self.stale[home]
    }

    pub(crate) fn old(&self) -> Option<&Old> {
        self.daemon.as_ref().and_then(Daemon::old)
    }
}

impl World {
    pub(crate) fn timer_of(&self, node: usize) -> Option<Duration> {
        let machine = &self.nodes[node];
        if machine.paused_until.is_some() {
            return None;
        }
        machine.daemon.as_ref().map(|daemon| daemon.next_deadline().max(self.now))
    }

    fn time(&self, node: usize) -> Time {
        let epoch = 1_700_000_000_u64.saturating_add_signed(self.wall[node]);
        Time { mono: self.now, epoch: epoch + self.now.as_secs() }
    }

    pub(crate) fn boot(&mut self, node: usize) {
        self.trace(|| format!("{} boots", NAMES[node]));
        let machine = &mut self.nodes[node];
        machine.life += 1;
        machine.generation += 1;
        let seed = self.random.next();
        let (generation, peer_generation) = (machine.generation, machine.peer_generation);
        let settings = Settings { generation, peer_generation, seed, ..self.settings[node].clone() };
        let (now, kept) = (self.time(node), self.nodes[node].kept.take());
        self.nodes[node].daemon = Some(match self.nodes[node].kind {
            Kind::Ours => Daemon::Ours(Box::new(Cluster::new(settings, now))),
            Kind::Old => Daemon::Old(Box::new(Old::new(settings, kept, now))),
        });
        self.perform(node);
        self.count_pings(node, self.pings[node]);
    }

    pub(crate) fn event(&mut self, node: usize, event: Event) {
        let time = self.time(node);
        if let Some(daemon) = self.nodes[node].daemon.as_mut() {
            daemon.handle(event, time);
        }
        self.perform(node);
    }

    fn perform(&mut self, node: usize) {
        let mut actions = 0;
        while let Some(deed) = self.nodes[node].daemon.as_mut().and_then(Daemon::poll) {
            actions += 1;
            self.coverage.actions(actions);
            match deed {
                Deed::Do(Action::Exit) => {
                    let again = self.nodes[node].enabled.then_some(Duration::from_millis(10));
                    return self.daemon_ended(node, again);
                }
                Deed::Do(action) => self.act(node, action),
                Deed::Say(text) => {
                    self.coverage.old_said(text);
                    self.trace(|| format!("{} says: {text}", NAMES[node]));
                }
                Deed::Again { after, kept } => {
                    self.nodes[node].kept = kept;
                    return self.daemon_ended(node, Some(after));
                }
                Deed::Reboot => {
                    self.trace(|| format!("{} reboots", NAMES[node]));
                    let after = self.first_settings[0].deadtime * self.random.between(1, 20) as u32 / 10;
                    return self.fault(Fault::PowerCycle(node, after));
                }
            }
        }
    }

    fn act(&mut self, node: usize, action: Action) {
        match action {
            Action::Send(message) => {
                self.coverage.sent(node, self.now);
                self.transmit(node, message);
            }
            Action::Start(job) => {
                self.trace(|| format!("{} job {:?} {}", NAMES[node], job.kind, job.home));
                self.start_job(node, &job);
            }
            Action::Fence { node: whom } => self.ask_device(node, &whom),
            Action::Notice(notice) => {
                self.coverage.saw(&notice, self.mixed());
                self.trace(|| format!("{} says: {notice}", NAMES[node]));
            }
            Action::SavePeerGeneration { generation, .. } => self.nodes[node].peer_generation = generation,
            Action::SaveGeneration(generation) => self.nodes[node].generation = generation,
            // a job may end sooner, and need not
            Action::Exit | Action::Script(_) | Action::Cancel(_) => {}
        }
    }

    fn daemon_ended(&mut self, node: usize, again: Option<Duration>) {
        self.trace(|| format!("{} leaves", NAMES[node]));
        self.nodes[node].daemon = None;
        if let Some(after) = again {
            let life = self.nodes[node].life;
            self.at(after, Due::Boot { node, life });
        }
    }
}
