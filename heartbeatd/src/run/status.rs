//! The answer to `status`: made when it is asked for, of what the beat thread told last and of what jobs told.

use super::address_news::AddressNews;
use super::last_request::LastRequest;
use super::listing::Listed;
use super::picture::{MediumState, Picture};
use super::progress::Progress;
use super::watchdog::Watchdog;
use super::whereabouts::{Place, Whereabouts, whereabouts};
use crate::cluster::{IPFAIL, LinkView, NodeState, Severity, Snapshot};
use crate::config::{Failback, Plan};
use crate::control::{
    self, Beats, Client, ClientState, Counters, Event, Group, GroupState, Hold, Link, Node, NodeKind,
    NodeStatus, Resources, Severity as Weight, Status,
};
use crate::media::PingState;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Events kept for tools.
const EVENTS: usize = 100;

/// What is remembered for the answer besides the beat thread's picture.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What jobs said last of each group.
    groups: BTreeMap<String, GroupState>,
    whereabouts: Whereabouts,
    addresses: AddressNews,
    events: VecDeque<(Duration, Severity, String)>,
    last: Option<LastRequest>,
}

impl Memory {
    pub(super) fn event(&mut self, now: Duration, severity: Severity, text: String) {
        if self.events.len() >= EVENTS {
            self.events.pop_front();
        }
        if let Some(last) = self.last.as_mut().filter(|_| severity != Severity::Info) {
            last.met(&text);
        }
        self.events.push_back((now, severity, text));
    }

    /// A tool's request to move groups is obeyed.
    pub(super) fn asked(&mut self, now: Duration, what: String) {
        self.last = Some(LastRequest::new(now, what));
    }

    /// What the last request met, if that was trouble.
    pub(super) fn last_request(&self, now: Duration) -> Option<String> {
        self.last.as_ref().and_then(|last| last.sentence(now))
    }

    /// Takes a line of a job, or of the watch over the addresses.
    pub(super) fn progress(&mut self, now: Duration, progress: &Progress) {
        if let Progress::Address { address, news, mac, detail, .. } = progress {
            self.addresses.note(now, address, news, mac.as_deref(), detail);
            let weight =
                if news == "repaired" || news == "removed" { Severity::Warning } else { Severity::Error };
            return self.event(now, weight, detail.clone());
        }
        let (key, state) = match progress {
            Progress::Resource { group, action, .. } => match action.as_str() {
                "start" => (group, GroupState::Starting),
                "stop" => (group, GroupState::Stopping),
                _ => return,
            },
            Progress::Group { group, result, .. } => match result.as_str() {
                "held" => (group, GroupState::Held),
                "released" => (group, GroupState::Released),
                "failed" | "timeout" => (group, GroupState::Failed),
                _ => return,
            },
            _ => return,
        };
        self.groups.insert(key.clone(), state);
    }
}

/// What the answer is made of.
pub(super) struct Sources<'a> {
    pub(super) managed: bool,
    pub(super) plan: &'a Plan,
    pub(super) links: &'a [String],
    pub(super) groups: Vec<Listed>,
    pub(super) picture: &'a Picture,
    pub(super) memory: &'a Memory,
    /// What the resources of a dead node wait for.
    pub(super) fencing: Option<String>,
    pub(super) watchdog: Option<&'a Watchdog>,
    /// On the clock that never jumps.
    pub(super) started: Duration,
    pub(super) now: Duration,
    pub(super) log_dropped: u64,
}

impl Memory {
    /// Remembers since when the groups have been where they are.
    pub(super) fn look(
        &mut self,
        now: Duration,
        me: &str,
        managed: bool,
        picture: &Picture,
        groups: &[Listed],
    ) {
        if let Some(last) = &mut self.last {
            last.look(now, picture.cluster.stable && picture.cluster.standby.is_none());
        }
        for Listed { key, home, .. } in groups {
            let place = self.place(key, home, me, managed, &picture.cluster);
            self.whereabouts.see(now, key, place);
        }
    }

    fn place(&self, key: &str, home: &str, me: &str, managed: bool, cluster: &Snapshot) -> Place {
        let said = self.groups.get(key).copied();
        // without resource management (-M) no job tells anything: what is wanted counts as held
        whereabouts(cluster, me, home, said.or_else(|| (!managed).then_some(GroupState::Held)))
    }
}

impl Sources<'_> {
    pub(super) fn status(&self) -> Status {
        let Sources { plan, picture, .. } = self;
        let cluster = &picture.cluster;
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_ms: self.ago(self.started),
            node: plan.node.clone(),
            phase: cluster.phase.to_owned(),
            generation: cluster.generation,
            nodes: self.nodes(),
            resources: Resources {
                hold: Hold::new(cluster.wants.local, cluster.wants.foreign),
                transition: !cluster.stable,
                standby: cluster.standby.map(str::to_owned),
                fencing: self.fencing.clone(),
                standby_refusal: cluster.standby_refusal.map(str::to_owned),
                last_request: self.memory.last_request(self.now),
            },
            groups: self.groups(),
            addresses: self.memory.addresses.recent(self.now),
            auto_failback: match plan.failback {
                Failback::On => "on",
                Failback::Off => "off",
                Failback::Legacy => "legacy",
            }
            .to_owned(),
            parameters: plan.parameters.clone(),
            clients: self.clients(),
            counters: self.counters(),
            beats: self.beats(),
            watchdog: self.watchdog(),
            events: self.events(),
        }
    }

    /// Programs that are clients of the cluster: none but what is built in.
    fn clients(&self) -> Vec<Client> {
        let cluster = &self.picture.cluster;
        let names = [Some(self.plan.node.as_str()), cluster.peer.as_ref().map(|peer| peer.name.as_str())];
        let there = names.into_iter().zip(cluster.ipfail).filter(|(_, online)| *online);
        let client = |node: &str| Client {
            node: node.to_owned(),
            name: IPFAIL.to_owned(),
            state: ClientState::Online,
        };
        there.filter_map(|(node, _)| node.map(client)).collect()
    }

    fn ago(&self, then: Duration) -> u64 {
        milliseconds(self.now.saturating_sub(then))
    }

    fn nodes(&self) -> Vec<Node> {
        let mut nodes: Vec<Node> = self.plan.nodes.iter().map(|name| self.node(name)).collect();
        nodes.extend(self.plan.pings.iter().map(|ping| self.ping_node(&ping.name)));
        nodes
    }

    /// The link to a ping node has the node's own name, as with heartbeat 3.0.6.
    fn ping_node(&self, name: &str) -> Node {
        let view = self.picture.pings.iter().find(|view| view.name == name);
        let state = view.map_or(PingState::Init, |view| view.state);
        Node {
            name: name.to_owned(),
            kind: NodeKind::Ping,
            status: match state {
                PingState::Init => NodeStatus::Init,
                PingState::Alive => NodeStatus::Ping,
                PingState::Dead => NodeStatus::Dead,
            },
            links: vec![Link { name: name.to_owned(), up: state == PingState::Alive, why: None }],
            silent_ms: view
                .and_then(|view| view.silent)
                .map(|silent| milliseconds(silent) + self.ago(self.picture.at)),
            deadtime_ms: milliseconds(self.plan.timing.deadping),
            ..Node::default()
        }
    }

    fn node(&self, name: &str) -> Node {
        let cluster = &self.picture.cluster;
        let own_software = concat!("tandem ", env!("CARGO_PKG_VERSION"));
        let peer = cluster.peer.as_ref().filter(|peer| peer.name == name);
        match peer {
            Some(peer) => Node {
                name: name.to_owned(),
                kind: NodeKind::Normal,
                status: status_word(peer.state),
                links: peer
                    .links
                    .iter()
                    .enumerate()
                    .map(|(index, link)| link_to_peer(link, self.state(index)))
                    .collect(),
                software: match (peer.ours, peer.silent) {
                    (true, _) => match &peer.version {
                        Some(version) => format!("tandem {version}"),
                        None => "tandem".to_owned(),
                    },
                    (false, Some(_)) => "heartbeat 3.0.6 or compatible".to_owned(),
                    (false, None) => String::new(),
                },
                silent_ms: peer.silent.map(|silent| milliseconds(silent) + self.ago(self.picture.at)),
                deadtime_ms: milliseconds(peer.deadtime),
                leaving: peer.leaving,
                differs: peer.differs.iter().map(|file| (*file).to_owned()).collect(),
            },
            None if name == self.plan.node => Node {
                name: name.to_owned(),
                kind: NodeKind::Normal,
                status: status_word(cluster.state),
                links: self.own_links(),
                software: own_software.to_owned(),
                silent_ms: Some(0),
                deadtime_ms: milliseconds(self.plan.timing.deadtime),
                leaving: matches!(cluster.phase, "stopping" | "stopped"),
                differs: Vec::new(),
            },
            None => Node { name: name.to_owned(), ..Node::default() },
        }
    }

    /// An interface is up as long as one medium on it works.
    fn own_links(&self) -> Vec<Link> {
        let link = |(index, name): (usize, &String)| {
            let state = self.state(index);
            let why = match state {
                MediumState::Off | MediumState::NoCarrier => Some(own_trouble(state, name)),
                MediumState::Fails | MediumState::Works => None,
            };
            Link { name: name.clone(), up: state == MediumState::Works, why }
        };
        self.links.iter().enumerate().map(link).collect()
    }

    fn state(&self, link: usize) -> MediumState {
        let media = self.picture.media.iter().filter(|(of, _)| *of == link);
        media.map(|(_, state)| *state).max().unwrap_or(MediumState::Fails)
    }

    fn groups(&self) -> Vec<Group> {
        self.groups.iter().map(|group| self.group(group)).collect()
    }

    fn group(&self, listed: &Listed) -> Group {
        let Listed { key, home, resources, started, gone } = listed.clone();
        let place = self.memory.place(&key, &home, &self.plan.node, self.managed, &self.picture.cluster);
        let since = self.memory.whereabouts.since(&key, &place).unwrap_or(self.now);
        let (state, holder) = place;
        Group { key, resources, home, state, holder, for_ms: self.ago(since), started, gone }
    }

    fn counters(&self) -> Counters {
        let counters = &self.picture.counters;
        let mut dropped: BTreeMap<String, u64> =
            counters.refused.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
        for (reason, count) in
            [("not sent", counters.send_errors), ("not reported", counters.reports_dropped)]
        {
            if count > 0 {
                dropped.insert(reason.to_owned(), count);
            }
        }
        Counters {
            sent: counters.sent,
            received: counters.received,
            dropped,
            resent: counters.resent,
            lost: counters.lost,
            beat_delay_us: u64::try_from(counters.latest.as_micros()).unwrap_or(u64::MAX),
            log_dropped: self.log_dropped,
            addresses_repaired: self.memory.addresses.repaired,
            address_conflicts: self.memory.addresses.conflicts,
        }
    }

    fn beats(&self) -> Beats {
        let Picture { beats, scheduling, .. } = self.picture;
        Beats {
            scheduling: scheduling.to_string(),
            count: beats.late.len() as u64,
            window_ms: if beats.late.is_empty() { 0 } else { self.ago(beats.since) },
            p50_us: beats.percentile(50),
            p90_us: beats.percentile(90),
            p99_us: beats.percentile(99),
            max_us: beats.percentile(100),
        }
    }

    fn watchdog(&self) -> Option<control::Watchdog> {
        self.plan.watchdog.as_ref().map(|device| control::Watchdog {
            device: device.display().to_string(),
            timeout_s: self.watchdog.and_then(Watchdog::timeout),
        })
    }

    fn events(&self) -> Vec<Event> {
        let weight = |severity| match severity {
            Severity::Info => Weight::Info,
            Severity::Warning => Weight::Warning,
            Severity::Error => Weight::Error,
        };
        let event = |(at, severity, text): &(Duration, Severity, String)| Event {
            ago_ms: self.ago(*at),
            severity: weight(*severity),
            text: text.clone(),
        };
        self.memory.events.iter().map(event).collect()
    }
}

/// `state`: on this node's side.
fn link_to_peer(link: &LinkView, state: MediumState) -> Link {
    let why = link.instead.as_ref().map(|instead| match state {
        MediumState::Works => instead.to_string(),
        other => format!("nothing is sent or received here: {}", own_trouble(other, &link.name)),
    });
    Link { name: link.name.clone(), up: link.up, why }
}

/// Why a link does not work on this node's side.
fn own_trouble(state: MediumState, interface: &str) -> String {
    match state {
        MediumState::NoCarrier => {
            format!("{interface} has no carrier: look at the cable and at what it is plugged into")
        }
        MediumState::Off => format!("{interface} is switched off: ip link set {interface} up"),
        MediumState::Works | MediumState::Fails => {
            "this node's own link does not work (see the log)".to_owned()
        }
    }
}

fn status_word(state: NodeState) -> NodeStatus {
    match state {
        NodeState::Init => NodeStatus::Init,
        NodeState::Up => NodeStatus::Up,
        NodeState::Active => NodeStatus::Active,
        NodeState::Dead => NodeStatus::Dead,
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
