//! A model of heartbeat 3.0.6 with `auto_failback on` or `off`: its membership. What it does with resources is in `resources.rs`.
//!
//! It has no terms, no memory of who held what before, and ignores the `td_` fields. Faults of the real program are part of
//! it: it shuts itself down and starts again when a node returns after a partition or when it stood still itself, takes everything over
//! for a single beat that is late, says that it holds what it could not start, hands over the wrong set after that, and leaves what it
//! ran running when its daemon is killed.

mod captures;
mod numbers;
mod resources;

use crate::random::Random;
use crate::world::NAMES;
use heartbeatd::cluster::{Action, Event, Failback, JobId, NodeState, Set, Settings, Time};
use heartbeatd::wire::Message;
use numbers::Numbers;
use resources::{Resources, Rsc, Standby};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Nodes are looked at so often.
const SCAN: Duration = Duration::from_millis(250);
/// `reqnodes` is repeated.
const REQNODES_INTERVAL: Duration = Duration::from_secs(1);
/// After a partition it goes on for so long before it shuts itself down.
const PARTITION_DELAY: Duration = Duration::from_secs(2);
/// It goes on beating after `shutdone`.
const LINGER: Duration = Duration::from_secs(2);
/// It announces a longer deadtime for so long after its start, and this much longer.
const YOUNG: Duration = Duration::from_secs(5);
const YOUNG_MORE: Duration = Duration::from_secs(2);
/// It announces a deadtime that is this much longer while it starts itself again.
const RESTART_MORE: Duration = Duration::from_secs(30);

/// What the machine has to do for it.
#[derive(Debug)]
pub(crate) enum Deed {
    /// What ours could ask for, too.
    Do(Action),
    /// It executes itself again after this time, as it does after a partition, or for a changed ha.cf, when it keeps what
    /// it holds.
    Again { after: Duration, kept: Option<Set> },
    /// A resource could not be stopped: the machine is rebooted without mercy.
    Reboot,
    /// Tells a reader of the trace.
    Say(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comm {
    /// Waits until the other node is heard or dead.
    Listening,
    /// Waits for `repnodes`.
    Asking {
        again: Duration,
    },
    /// The resource layer runs.
    Up,
    /// Has said `shutdone`.
    Leaving {
        until: Duration,
    },
    Gone,
}

#[derive(Debug)]
struct Other {
    name: String,
    state: NodeState,
    generation: u64,
    status_at: Duration,
    status_seq: u64,
    deadtime: Duration,
}

/// The daemon.
#[derive(Debug)]
pub(crate) struct Old {
    settings: Settings,
    now: Time,
    born: Duration,
    random: Random,
    deeds: VecDeque<Deed>,
    numbers: Numbers,
    ack_trigger: u64,
    /// Packets are often handled only at the next tick of its timer.
    inbox: VecDeque<Message>,
    inbox_at: Option<Duration>,
    beat_at: Duration,
    last_beat: Duration,
    scan_at: Duration,
    comm: Comm,
    other: Other,
    resources: Resources,
    jobs: BTreeMap<JobId, resources::Child>,
    next_job: u64,
    stop_requested: bool,
    /// It will shut itself down and start again.
    restart_at: Option<Duration>,
    restarts: bool,
}

impl Old {
    /// A start, or one for a changed ha.cf that keeps what it holds.
    pub(crate) fn new(settings: Settings, kept: Option<Set>, now: Time) -> Old {
        let mut random = Random(settings.seed);
        let name = settings.nodes.iter().find(|node| **node != settings.me).cloned().unwrap_or_default();
        let other = Other {
            name,
            state: NodeState::Init,
            generation: 0,
            status_at: now.mono,
            status_seq: 0,
            deadtime: settings.initdead,
        };
        let mut old = Old {
            now,
            born: now.mono,
            deeds: VecDeque::new(),
            numbers: Numbers::default(),
            ack_trigger: random.between(0, 9),
            inbox: VecDeque::new(),
            inbox_at: None,
            beat_at: now.mono + settings.keepalive,
            last_beat: now.mono,
            scan_at: now.mono + SCAN,
            comm: Comm::Listening,
            other,
            resources: Resources::new(kept),
            jobs: BTreeMap::new(),
            next_job: 1,
            stop_requested: false,
            restart_at: None,
            restarts: false,
            random,
            settings,
        };
        old.status("init");
        old.status("up");
        old.status("up");
        old
    }

    pub(crate) fn handle(&mut self, event: Event, now: Time) {
        self.now = now;
        if self.comm == Comm::Gone {
            return;
        }
        self.notice_own_delay();
        match event {
            Event::Received { message, .. } => self.queue(message),
            Event::JobDone { id, outcome } => self.child_done(id, outcome.failed > 0),
            Event::Standby(set) => self.say("ask_resources", &[("rsc_hold", set.word()), ("info", "me")]),
            Event::Takeover(set) => self.say("hb_takeover", &[("rsc_hold", set.word())]),
            Event::Stop => self.stop_requested = true,
            Event::Reload(settings) => self.reload(*settings),
            _ => {}
        }
        self.expire();
    }

    pub(crate) fn poll(&mut self) -> Option<Deed> {
        self.deeds.pop_front()
    }

    pub(crate) fn next_deadline(&self) -> Duration {
        if self.comm == Comm::Gone {
            return Duration::MAX;
        }
        let comm = match self.comm {
            Comm::Asking { again } => Some(again),
            Comm::Leaving { until } => Some(until),
            _ => None,
        };
        let times = [Some(self.beat_at.min(self.scan_at)), comm, self.inbox_at, self.restart_at];
        let rest = [self.numbers.deadline(), self.resources.deadline()];
        times.into_iter().chain(rest).flatten().min().unwrap_or(self.beat_at)
    }

    /// Joined, at rest, and no shutdown is coming.
    pub(crate) fn stable(&self) -> bool {
        self.at_rest() && !self.stop_requested && self.restart_at.is_none()
    }

    pub(crate) fn active(&self) -> bool {
        self.comm == Comm::Up
    }

    pub(crate) fn sees(&self) -> NodeState {
        self.other.state
    }

    /// Whether it says that it holds the groups homed on this node (0 or 1).
    pub(crate) fn holds(&self, home: usize) -> bool {
        let held = self.resources.held;
        if NAMES[home] == self.settings.me { held.local } else { held.foreign }
    }

    /// What it believes that the other node holds, from its own point of view.
    pub(crate) fn other_holds(&self) -> Set {
        self.resources.other_holds
    }

    /// It waits for the other node in a stand-by, for up to an hour.
    pub(crate) fn in_standby(&self) -> bool {
        self.resources.standby != Standby::Not
    }

    /// It shuts itself down, or will: it has seen what it takes for the end of a partition.
    pub(crate) fn restarting(&self) -> bool {
        self.restart_at.is_some() || self.stop_requested || self.resources.rsc == Rsc::Shutdown
    }

    /// How long the other node must be silent to be dead.
    pub(crate) fn patience(&self) -> Duration {
        self.other.deadtime
    }

    /// What it announces as its deadtime.
    fn deadtime(&self) -> Duration {
        let more = match self.now.mono {
            _ if self.restarts => RESTART_MORE,
            now if now < self.born + YOUNG => YOUNG_MORE,
            _ => Duration::ZERO,
        };
        self.settings.deadtime + more
    }

    fn do_it(&mut self, action: Action) {
        self.deeds.push_back(Deed::Do(action));
    }

    fn note(&mut self, text: &'static str) {
        self.deeds.push_back(Deed::Say(text));
    }

    /// Its own beats were late: "No local heartbeat. Forcing restart."
    fn notice_own_delay(&mut self) {
        let limit = if self.comm == Comm::Up { self.deadtime() } else { self.settings.initdead };
        if self.now.mono.saturating_sub(self.last_beat) > limit && self.restart_at.is_none() {
            self.note("No local heartbeat. Forcing restart.");
            let delay = Duration::from_millis(self.random.between(0, 500));
            self.restart_at = Some(self.now.mono + delay);
        }
    }

    fn queue(&mut self, message: Message) {
        self.inbox.push_back(message);
        let tick = self.settings.keepalive.as_micros() as u64;
        let late = if self.random.percent(50) { 0 } else { self.random.between(0, tick) };
        let at = self.now.mono + Duration::from_micros(late);
        self.inbox_at = Some(self.inbox_at.map_or(at, |before| before.min(at)));
    }

    fn expire(&mut self) {
        let now = self.now.mono;
        if self.scan_at <= now {
            self.scan_at = now + SCAN;
            self.scan();
        }
        if self.inbox_at.is_some_and(|at| at <= now) {
            self.inbox_at = None;
            while let Some(message) = self.inbox.pop_front() {
                self.receive(message);
            }
        }
        if matches!(self.other.state, NodeState::Up | NodeState::Active) {
            for seq in self.numbers.due(now) {
                let seq = seq.to_string();
                self.say_unnumbered("NS_rexmit", &[("firstseq", &seq), ("lastseq", &seq)]);
            }
        } else {
            self.numbers.due(now);
        }
        match self.comm {
            Comm::Asking { again } if again <= now => self.ask_nodes(),
            Comm::Leaving { until } if until <= now => return self.leave(),
            _ => {}
        }
        if self.restart_at.is_some_and(|at| at <= now) {
            self.restart_at = None;
            (self.stop_requested, self.restarts) = (true, true);
        }
        self.expire_resources();
        if self.beat_at <= now {
            self.beat_at = now + self.settings.keepalive;
            let active = matches!(self.comm, Comm::Up | Comm::Leaving { .. });
            self.status(if active { "active" } else { "up" });
        }
    }

    fn leave(&mut self) {
        self.comm = Comm::Gone;
        let after = self.settings.deadtime + Duration::from_secs(1);
        self.deeds.push_back(match self.restarts {
            true => Deed::Again { after, kept: None },
            false => Deed::Do(Action::Exit),
        });
    }

    /// A changed ha.cf: it executes itself again and keeps its resources.
    fn reload(&mut self, settings: Settings) {
        if self.at_rest() && !self.stop_requested {
            self.settings = settings;
            self.restarts = true;
            self.status("active");
            self.comm = Comm::Gone;
            let kept = Some(self.resources.held);
            self.deeds.push_back(Deed::Again { after: Duration::from_millis(10), kept });
        }
    }

    fn scan(&mut self) {
        let silent = self.now.mono.saturating_sub(self.other.status_at);
        let limit = match self.other.state {
            NodeState::Init => self.settings.initdead,
            NodeState::Dead => return,
            _ => self.other.deadtime,
        };
        if silent > limit {
            self.other_died();
        }
        self.come_up();
    }

    fn other_died(&mut self) {
        self.other.state = NodeState::Dead;
        self.note("the other node is dead");
        self.take_over_dead();
    }

    /// "Communication up" when the other node is heard or dead.
    fn come_up(&mut self) {
        match (self.comm, self.other.state) {
            (Comm::Listening | Comm::Asking { .. }, NodeState::Dead) => self.join(),
            (Comm::Listening, NodeState::Up | NodeState::Active) => self.ask_nodes(),
            _ => {}
        }
    }

    fn ask_nodes(&mut self) {
        self.comm = Comm::Asking { again: self.now.mono + REQNODES_INTERVAL };
        let other = self.other.name.clone();
        self.say("reqnodes", &[("dest", &other)]);
    }

    fn join(&mut self) {
        self.comm = Comm::Up;
        self.status("active");
        self.say("starting", &[]);
        if self.other.state == NodeState::Dead {
            self.take_over_dead();
        }
    }

    fn receive(&mut self, message: Message) {
        let Some(generation) = message.hex("hg").filter(|hg| *hg > 0) else { return };
        if message.text("src") != Some(self.other.name.as_str()) {
            return;
        }
        let for_me = message.text("dest").is_none_or(|dest| dest == self.settings.me);
        if message.kind().starts_with("NS_") {
            if for_me && generation == self.other.generation {
                self.receive_unnumbered(&message);
            }
            return;
        }
        if generation < self.other.generation {
            return; // "attempted replay attack"
        }
        let Some(seq) = message.hex("seq") else { return };
        if generation > self.other.generation {
            if message.kind() != "status" {
                return;
            }
            self.other.generation = generation;
            self.other.status_seq = 0;
            self.numbers.restarted();
            if self.other.state != NodeState::Init {
                self.other.status_at = self.now.mono;
            }
            if self.other.state == NodeState::Dead {
                self.other.state = NodeState::Up;
            }
        }
        if !self.numbers.accept(seq, self.now.mono, &mut self.random) {
            return;
        }
        if seq % 10 == self.ack_trigger && self.numbers.complete() {
            self.say_unnumbered("NS_ackmsg", &[("ackseq", &format!("{seq:x}"))]);
        }
        if message.kind() == "status" {
            self.receive_status(&message, seq);
        } else if for_me {
            self.receive_numbered(&message);
        }
    }

    fn receive_status(&mut self, message: &Message, seq: u64) {
        if seq < self.other.status_seq {
            return;
        }
        let (now, before) = (self.now.mono, self.other.state);
        self.other.status_seq = seq;
        if before == NodeState::Dead && self.other.generation != 0 && self.restart_at.is_none() {
            self.note("Cluster node returning after partition.");
            self.restart_at = Some(now + PARTITION_DELAY);
        }
        let interval = now.saturating_sub(self.other.status_at);
        if interval > self.settings.deadtime && !matches!(before, NodeState::Init | NodeState::Up) {
            self.note("Late heartbeat (> deadtime)");
            self.take_over_dead();
        }
        self.other.status_at = now;
        self.other.deadtime = message.hex("dt").map_or(self.settings.deadtime, Duration::from_millis);
        let active = message.text("st") == Some("active");
        self.other.state = if active { NodeState::Active } else { NodeState::Up };
        self.come_up();
    }

    fn receive_unnumbered(&mut self, message: &Message) {
        match message.kind() {
            "NS_ackmsg" => self.numbers.acknowledge(message.hex("ackseq").unwrap_or_default()),
            "NS_nak_rexmit" => self.numbers.give_up(message.hex("firstseq").unwrap_or_default()),
            "NS_rexmit" => {
                let bound = |name| message.decimal(name).unwrap_or_default();
                for seq in bound("firstseq").max(1)..=bound("lastseq") {
                    match self.numbers.resend(seq, self.now.mono) {
                        Ok(Some(message)) => self.do_it(Action::Send(message)),
                        Ok(None) => {}
                        Err(()) => self.say_unnumbered(
                            "NS_nak_rexmit",
                            &[("firstseq", &format!("{seq:x}")), ("info", "seqno too low")],
                        ),
                    }
                }
            }
            _ => {}
        }
    }

    fn status(&mut self, st: &str) {
        self.last_beat = self.now.mono;
        let dt = format!("{:x}", self.deadtime().as_millis());
        self.say("status", &[("st", st), ("dt", &dt), ("protocol", "1")]);
    }

    /// Sends a numbered message. It is processed here first: what follows from that goes out before it.
    fn say(&mut self, kind: &str, fields: &[(&str, &str)]) {
        let seq = self.numbers.next();
        let message = self.message(kind, fields, Some(seq));
        self.hear_own(&message);
        self.numbers.keep(seq, message.clone());
        self.do_it(Action::Send(message));
    }

    fn say_unnumbered(&mut self, kind: &str, fields: &[(&str, &str)]) {
        let mut message = self.message(kind, fields, None);
        let dest = self.other.name.clone();
        message.push_text("dest", dest);
        self.do_it(Action::Send(message));
    }

    fn message(&self, kind: &str, fields: &[(&str, &str)], seq: Option<u64>) -> Message {
        let mut message = Message::new(kind);
        for (name, value) in fields {
            message.push_text(name, value);
        }
        message.push_text("src", &self.settings.me).push_binary("srcuuid", self.settings.uuid);
        if let Some(seq) = seq {
            message.push_text("seq", format!("{seq:x}"));
        }
        message.push_text("hg", format!("{:x}", self.settings.generation));
        message.push_text("ts", format!("{:x}", self.now.epoch.max(1)));
        message
    }

    fn fails_back(&self) -> bool {
        self.settings.auto_failback == Failback::On
    }

    /// "current resource activity" is none: it may shut down.
    fn at_rest(&self) -> bool {
        self.comm == Comm::Up
            && self.resources.rsc == Rsc::Stable
            && self.resources.standby == Standby::Not
            && self.jobs.is_empty()
    }
}
