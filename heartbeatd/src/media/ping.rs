//! Ping nodes: which of the hosts of `ping`, `ping6` and `ping_group` answer. Pure: no socket, no clock.
//!
//! With each fresh `status` message of this node every host gets an echo request. Its data is a complete signed
//! message (`t=NS_st st=ping`), as with heartbeat 3.0.6, so that nobody without the key can answer for a host that
//! does not. An answer counts when it carries our identifier, the number of a request that is not older than
//! `deadping`, a valid signature and the name of a ping node.
//!
//! Silence counts only while somebody asks: a node is dead when `deadping` has passed since its first unanswered
//! request. After a pause of this program that long, the time begins anew.

mod socket;
#[cfg(test)]
mod tests;

pub use socket::PingSockets;

use crate::config::PingNode;
use crate::wire::{self, DecodeError, Keys, Message};
use daemon::icmp;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

/// Rounds of requests that are remembered at most, whatever `deadping` and `keepalive` are.
const MOST_ROUNDS: usize = 4096;

/// What is known of a ping node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingState {
    /// It has not answered yet, and not been silent for long enough to be dead.
    Init,
    /// It answers.
    Alive,
    /// It does not.
    Dead,
}

/// A ping node as tools see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingView {
    /// Its name, as in `ha.cf`.
    pub name: String,
    /// Whether it answers.
    pub state: PingState,
    /// The time since its last answer; `None` if there was none.
    pub silent: Option<Duration>,
}

/// A ping node began or ceased to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingChange {
    /// Its name.
    pub name: String,
    /// Whether it answers now.
    pub alive: bool,
}

/// All ping nodes of a configuration.
#[derive(Debug)]
pub struct Pings {
    nodes: Vec<Node>,
    deadping: Duration,
    identifier: u16,
    /// Number and time of the rounds of requests that may still be answered, oldest first.
    rounds: VecDeque<(u16, Duration)>,
    next: u16,
}

#[derive(Debug)]
struct Node {
    config: PingNode,
    /// One per host; `None` while its name is not resolved.
    addresses: Vec<Option<IpAddr>>,
    state: PingState,
    answered: Option<Duration>,
    /// When the first request left that has not been answered since.
    waiting: Option<Duration>,
}

impl Node {
    fn new(config: &PingNode) -> Node {
        let addresses = config.hosts.iter().map(|host| host.parse().ok()).collect();
        Node { config: config.clone(), addresses, state: PingState::Init, answered: None, waiting: None }
    }
}

impl Pings {
    /// The ping nodes of `ha.cf`, none of which has been asked. `identifier` tells our echo requests from those of
    /// other programs.
    pub fn new(nodes: &[PingNode], deadping: Duration, identifier: u16) -> Pings {
        let nodes = nodes.iter().map(Node::new).collect();
        Pings { nodes, deadping, identifier, rounds: VecDeque::new(), next: 0 }
    }

    /// Other ping nodes from now on; what is known of those that stay is kept.
    pub fn replace(&mut self, nodes: &[PingNode], deadping: Duration) {
        let mut before = std::mem::take(&mut self.nodes);
        self.nodes = nodes
            .iter()
            .map(|config| match before.iter().position(|node| node.config == *config) {
                Some(index) => before.swap_remove(index),
                None => Node::new(config),
            })
            .collect();
        self.deadping = deadping;
    }

    /// Takes addresses of host names; `v6` tells which family was asked for.
    pub fn resolved(&mut self, host: &str, v6: bool, address: IpAddr) {
        for node in self.nodes.iter_mut().filter(|node| node.config.v6 == v6) {
            for (_, known) in
                node.config.hosts.iter().zip(&mut node.addresses).filter(|(name, _)| *name == host)
            {
                *known = Some(address);
            }
        }
    }

    /// The echo requests to send now, each with where it goes. `epoch` is the wall clock's second, for the `ts` field.
    pub fn ask(
        &mut self,
        now: Duration,
        epoch: u64,
        keys: &Keys,
        inner_auth: bool,
    ) -> Vec<(IpAddr, Vec<u8>)> {
        if self.nodes.is_empty() {
            return Vec::new();
        }
        let paused = self.rounds.back().is_some_and(|(_, at)| now >= *at + self.deadping);
        self.next = self.next.wrapping_add(1);
        self.forget_old_rounds(now);
        self.rounds.push_back((self.next, now));
        let mut requests = Vec::new();
        for node in &mut self.nodes {
            if paused || node.waiting.is_none() {
                node.waiting = Some(now);
            }
            let data = wire::encode(&message(&node.config, epoch), keys, inner_auth);
            for address in node.addresses.iter().flatten() {
                requests
                    .push((*address, icmp::request(address.is_ipv6(), self.identifier, self.next, &data)));
            }
        }
        requests
    }

    fn forget_old_rounds(&mut self, now: Duration) {
        while self.rounds.front().is_some_and(|(_, at)| now > *at + self.deadping)
            || self.rounds.len() >= MOST_ROUNDS
        {
            self.rounds.pop_front();
        }
    }

    /// Takes in what a raw socket has received; answers a change that it brought.
    ///
    /// # Errors
    /// [`DecodeError`]: an answer to one of our requests whose data is not what we sent.
    pub fn answer(
        &mut self,
        packet: &[u8],
        v6: bool,
        keys: &Keys,
        now: Duration,
    ) -> Result<Option<PingChange>, DecodeError> {
        let Some((identifier, number, data)) = icmp::reply(packet, v6) else { return Ok(None) };
        self.forget_old_rounds(now);
        if identifier != self.identifier || !self.rounds.iter().any(|(round, _)| *round == number) {
            return Ok(None);
        }
        let message = wire::decode(data, keys)?;
        let name = message.text("src").filter(|_| message.kind() == "NS_st");
        let Some(node) = self.nodes.iter_mut().find(|node| Some(node.config.name.as_str()) == name) else {
            return Ok(None);
        };
        (node.answered, node.waiting) = (Some(now), None);
        let changed = node.state != PingState::Alive;
        node.state = PingState::Alive;
        Ok(changed.then(|| PingChange { name: node.config.name.clone(), alive: true }))
    }

    /// Who has become dead by `now`.
    pub fn expire(&mut self, now: Duration) -> Vec<PingChange> {
        let deadping = self.deadping;
        let silent = |node: &&mut Node| {
            node.state != PingState::Dead && node.waiting.is_some_and(|waiting| now >= waiting + deadping)
        };
        let dead = self.nodes.iter_mut().filter(silent).map(|node| {
            node.state = PingState::Dead;
            PingChange { name: node.config.name.clone(), alive: false }
        });
        dead.collect()
    }

    /// When [`Pings::expire`] has something to find at the earliest.
    pub fn next_deadline(&self) -> Option<Duration> {
        let nodes = self.nodes.iter().filter(|node| node.state != PingState::Dead);
        nodes.filter_map(|node| node.waiting).min().map(|waiting| waiting + self.deadping)
    }

    /// All of them, in the order of `ha.cf`.
    pub fn view(&self, now: Duration) -> Vec<PingView> {
        let view = |node: &Node| PingView {
            name: node.config.name.clone(),
            state: node.state,
            silent: node.answered.map(|at| now.saturating_sub(at)),
        };
        self.nodes.iter().map(view).collect()
    }

    /// How many answer: what two nodes with `ipfail` compare. `None` until each has answered or is dead.
    pub fn alive(&self) -> Option<usize> {
        let known = self.nodes.iter().all(|node| node.state != PingState::Init);
        known.then(|| self.nodes.iter().filter(|node| node.state == PingState::Alive).count())
    }
}

/// What a ping node "says" when it answers.
fn message(node: &PingNode, epoch: u64) -> Message {
    let mut message = Message::new("NS_st");
    message
        .push_text("st", "ping")
        .push_text("info", if node.group { "ping_group" } else { "ping" })
        .push_text("src", &node.name)
        .push_text("ts", format!("{epoch:x}"));
    message
}
