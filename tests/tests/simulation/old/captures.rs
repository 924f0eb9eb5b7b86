//! The model against the recorded messages of two real nodes, in the order in which each of them sent them.

use super::{Deed, Old};
use heartbeatd::cluster::{
    Action, ConfigHash, Event, Failback, JobId, JobKind, JobOutcome, Set, Settings, Time,
};
use heartbeatd::wire::Message;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

const NAMES: [&str; 2] = ["alpha", "beta"];
const ALPHA: usize = 0;
const BETA: usize = 1;

/// What is compared of a message: beats, acknowledgements, and what only one node's scripts read are not.
fn word(field: impl Fn(&str) -> Option<String>) -> Option<String> {
    let kind = field("t")?;
    let skip = ["status", "ip-request-resp", "stonith"].contains(&kind.as_str()) || kind.starts_with("NS_");
    let more =
        ["rsc_hold", "rtype", "isstable", "info", "st", "dest"].map(|name| field(name).unwrap_or_default());
    (!skip).then(|| format!("{kind} {}", more.join(" ")))
}

/// What a node sent in a recorded scenario.
fn recorded(scenario: &str, node: usize) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures/transcripts").join(scenario);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines = text.lines().filter_map(|line| line.strip_prefix("dec "));
    let words = lines.filter_map(|line| {
        let field = |name: &str| {
            let found = line.split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            found.map(str::to_owned)
        };
        if field("src").as_deref() == Some(NAMES[node]) { word(field) } else { None }
    });
    words.collect()
}

/// Two models on a perfect network.
struct Nodes {
    now: Duration,
    failback: Failback,
    nodes: [Option<Old>; 2],
    generation: u64,
    flying: Vec<(Duration, usize, Message)>,
    jobs: Vec<(Duration, usize, JobId)>,
    said: [Vec<String>; 2],
    sent: BTreeSet<(usize, Option<u64>, Option<u64>)>,
}

impl Nodes {
    fn new(failback: Failback) -> Nodes {
        let (now, nodes) = (Duration::from_secs(5), [None, None]);
        let said = [Vec::new(), Vec::new()];
        Nodes {
            now,
            failback,
            nodes,
            generation: 100,
            flying: Vec::new(),
            jobs: Vec::new(),
            said,
            sent: BTreeSet::new(),
        }
    }

    fn start(&mut self, node: usize) {
        self.generation += 1;
        let settings = Settings {
            me: NAMES[node].to_owned(),
            nodes: NAMES.map(str::to_owned).to_vec(),
            links: vec!["eth0".to_owned()],
            uuid: [node as u8 + 1; 16],
            generation: self.generation,
            peer_generation: 0,
            keepalive: Duration::from_millis(500),
            deadtime: Duration::from_secs(4),
            warntime: Duration::from_secs(2),
            initdead: Duration::from_secs(8),
            auto_failback: self.failback,
            configuration: ConfigHash::default(),
            group_keys: Vec::new(),
            ipfail: false,
            fencing: false,
            fence_stuck: false,
            rexmit_delay: Duration::from_millis(250),
            ttl: 3,
            seed: self.generation,
        };
        self.nodes[node] = Some(Old::new(settings, None, self.time()));
        self.perform(node);
    }

    fn kill(&mut self, node: usize) {
        self.nodes[node] = None;
        self.jobs.retain(|(_, of, _)| *of != node);
    }

    fn time(&self) -> Time {
        Time { mono: self.now, epoch: 1_700_000_000 }
    }

    fn event(&mut self, node: usize, event: Event) {
        let time = self.time();
        if let Some(old) = self.nodes[node].as_mut() {
            old.handle(event, time);
            self.perform(node);
        }
    }

    fn perform(&mut self, node: usize) {
        while let Some(deed) = self.nodes[node].as_mut().and_then(Old::poll) {
            match deed {
                Deed::Do(Action::Send(message)) => {
                    // once, though it may be sent again
                    if self.sent.insert((node, message.hex("hg"), message.hex("seq"))) {
                        self.said[node].extend(word(|name| message.text(name).map(str::to_owned)));
                    }
                    self.flying.push((self.now + Duration::from_millis(1), 1 - node, message));
                }
                Deed::Do(Action::Start(job)) => {
                    // the node's own groups take less time than the other's; a second child waits for the first
                    let took = if job.home == NAMES[node] { 100 } else { 150 };
                    let busy = self.jobs.iter().filter(|(_, of, _)| *of == node && job.kind == JobKind::Take);
                    let after = Duration::from_millis(took + 10 * busy.count() as u64);
                    self.jobs.push((self.now + after, node, job.id));
                }
                Deed::Do(Action::Exit) => self.nodes[node] = None,
                _ => {}
            }
        }
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            self.now += Duration::from_millis(1);
            let now = self.now;
            let (arrived, flying) = self.flying.drain(..).partition(|(at, ..)| *at <= now);
            self.flying = flying;
            for (_, to, message) in Vec::from_iter::<Vec<(Duration, usize, Message)>>(arrived) {
                self.event(to, Event::Received { link: 0, message });
            }
            self.jobs.sort();
            while self.jobs.first().is_some_and(|(at, ..)| *at <= now) {
                let (_, node, id) = self.jobs.remove(0);
                self.event(
                    node,
                    Event::JobDone { id, outcome: JobOutcome { done: 1, failed: 0, began: true } },
                );
            }
            for node in [ALPHA, BETA] {
                if self.nodes[node].as_ref().is_some_and(|old| old.next_deadline() <= now) {
                    self.event(node, Event::Timer);
                }
            }
        }
    }

    /// Runs until all is said, and compares.
    fn is_as_in(&mut self, scenario: &str) {
        self.run(16);
        for node in [ALPHA, BETA] {
            let said = std::mem::take(&mut self.said[node]);
            assert_eq!(said, recorded(scenario, node), "{scenario}: what {} sends", NAMES[node]);
        }
    }

    /// Both have joined, each with its own groups.
    fn joined(failback: Failback) -> Nodes {
        let mut nodes = Nodes::new(failback);
        nodes.start(ALPHA);
        nodes.start(BETA);
        nodes.run(30);
        nodes.said = [Vec::new(), Vec::new()];
        nodes
    }
}

#[test]
fn the_model_says_what_real_nodes_say_without_failback() {
    let mut nodes = Nodes::joined(Failback::Off);
    nodes.kill(BETA);
    nodes.is_as_in("02-crash-beta.txt");
    nodes.start(BETA);
    nodes.is_as_in("03-beta-returns-failback-off.txt");
    nodes.event(ALPHA, Event::Standby(Set::FOREIGN));
    nodes.is_as_in("04-alpha-standby-foreign.txt");
    nodes.event(ALPHA, Event::Standby(Set::LOCAL));
    nodes.is_as_in("05-alpha-standby-local.txt");
    nodes.event(ALPHA, Event::Takeover(Set::LOCAL));
    nodes.is_as_in("06-alpha-takeover-local.txt");
    nodes.event(ALPHA, Event::Standby(Set::ALL));
    nodes.is_as_in("07-alpha-standby-all.txt");
    nodes.event(ALPHA, Event::Takeover(Set::ALL));
    nodes.is_as_in("08-alpha-takeover-all.txt");
    nodes.event(ALPHA, Event::Standby(Set::FOREIGN));
    nodes.is_as_in("09-alpha-standby-failback.txt");
    nodes.event(BETA, Event::Stop);
    nodes.is_as_in("10-beta-graceful-stop.txt");
    nodes.start(BETA);
    nodes.is_as_in("11-beta-start-after-stop.txt");
}

#[test]
fn the_model_says_what_real_nodes_say_with_failback() {
    let mut nodes = Nodes::joined(Failback::On);
    nodes.kill(BETA);
    nodes.is_as_in("22-failback-on-crash-beta.txt");
    nodes.start(BETA);
    nodes.is_as_in("23-failback-on-beta-returns.txt");
}

#[test]
fn the_model_restarts_quickly_as_real_nodes_do() {
    let mut nodes = Nodes::joined(Failback::Off);
    nodes.kill(BETA);
    nodes.run(1);
    nodes.start(BETA);
    nodes.is_as_in("14-fast-restart-within-deadtime.txt");
}
