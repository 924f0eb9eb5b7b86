//! Ping nodes on the beat thread, and the look-up of their names away from it.

use super::orders::{NotGiven, Order, Orders, Packets};
use crate::cluster::{Severity, Time};
use crate::config::{PingNode, Plan};
use crate::media::{PingChange, PingSockets, PingView, Pings};
use crate::wire::Message;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Replies taken before the timers are looked at again.
const REPLIES_PER_TURN: usize = 64;
/// How soon names are looked up again: while one has no address, and when all have one.
const RETRY: Duration = Duration::from_secs(5);
const REFRESH: Duration = Duration::from_secs(60);

/// What is new: the ping nodes of a configuration and the sockets to ask them with.
#[derive(Debug)]
pub(super) struct PingPlan {
    nodes: Vec<PingNode>,
    deadping: Duration,
    ipfail: bool,
    sockets: Option<PingSockets>,
}

impl PingPlan {
    /// Opens the sockets. A pair must come up without them, too.
    pub(super) fn open(plan: &Plan) -> PingPlan {
        let sockets = match plan.pings.is_empty() {
            true => None,
            false => PingSockets::open(&plan.pings, identifier())
                .inspect_err(|error| tracing::error!("ping nodes cannot be asked: raw ICMP socket: {error}"))
                .ok(),
        };
        PingPlan { nodes: plan.pings.clone(), deadping: plan.timing.deadping, ipfail: plan.ipfail, sockets }
    }
}

/// Asks ping nodes and takes their answers; never blocks.
#[derive(Debug)]
pub(super) struct Pinging {
    pings: Pings,
    sockets: Option<PingSockets>,
    ipfail: bool,
    /// What the core was told last.
    counted: Option<usize>,
}

impl Pinging {
    pub(super) fn new(plan: PingPlan) -> Pinging {
        Pinging {
            pings: Pings::new(&plan.nodes, plan.deadping, identifier()),
            sockets: plan.sockets,
            ipfail: plan.ipfail,
            counted: None,
        }
    }

    /// Other ping nodes from now on.
    pub(super) fn replace(&mut self, plan: PingPlan) {
        self.pings.replace(&plan.nodes, plan.deadping);
        (self.sockets, self.ipfail) = (plan.sockets, plan.ipfail);
    }

    pub(super) fn resolved(&mut self, name: &Resolved) {
        self.pings.resolved(&name.host, name.v6, name.address);
    }

    /// One round of requests. What does not leave is not answered either: that is all that matters.
    pub(super) fn ask(&mut self, now: Time, packets: &Packets) {
        let Some(sockets) = &self.sockets else { return };
        for (address, request) in self.pings.ask(now.mono, now.epoch, &packets.keys, packets.inner_auth) {
            if let Err(error) = sockets.send(address, &request) {
                tracing::debug!("ping {address}: {error}");
            }
        }
    }

    /// Where to poll, and whether it is the socket of IPv6.
    pub(super) fn receivers(&self) -> impl Iterator<Item = (bool, BorrowedFd<'_>)> {
        self.sockets.iter().flat_map(PingSockets::receivers)
    }

    /// Takes replies of one family.
    pub(super) fn receive(
        &mut self,
        v6: bool,
        buffer: &mut [u8],
        packets: &Packets,
        now: Duration,
    ) -> Vec<PingChange> {
        let mut changes = Vec::new();
        let Some(sockets) = &self.sockets else { return changes };
        for _ in 0..REPLIES_PER_TURN {
            let Some(bytes) = sockets.receive(v6, buffer) else { break };
            let packet = buffer.get(..bytes).unwrap_or_default();
            match self.pings.answer(packet, v6, &packets.keys, now) {
                Ok(change) => changes.extend(change),
                Err(error) => tracing::debug!("answer to a ping refused: {error}"),
            }
        }
        changes
    }

    pub(super) fn expire(&mut self, now: Duration) -> Vec<PingChange> {
        self.pings.expire(now)
    }

    /// What the core is to know of the count, if that has changed.
    pub(super) fn news_of_count(&mut self) -> Option<Option<usize>> {
        let count = self.pings.alive().filter(|_| self.ipfail);
        (std::mem::replace(&mut self.counted, count) != count).then_some(count)
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.pings.next_deadline()
    }

    pub(super) fn view(&self, now: Duration) -> Vec<PingView> {
        self.pings.view(now)
    }
}

/// A change in words of heartbeat 3.0.6: the link to a ping node has the node's own name.
pub(super) fn sentences(change: &PingChange) -> [(Severity, String); 2] {
    let name = &change.name;
    match change.alive {
        true => [
            (Severity::Info, format!("Link {name}:{name} up.")),
            (Severity::Info, format!("Status update for node {name}: status ping")),
        ],
        false => [
            (Severity::Warning, format!("node {name}: is dead")),
            (Severity::Info, format!("Link {name}:{name} dead.")),
        ],
    }
}

/// A change as scripts of `rc.d` hear of it.
pub(super) fn status(change: &PingChange, epoch: u64) -> Message {
    let mut message = Message::new("status");
    message.push_text("st", if change.alive { "ping" } else { "dead" }).push_text("info", "ping");
    message.push_text("src", &change.name).push_text("ts", format!("{epoch:x}"));
    message
}

/// Tells our echo requests from those of other programs.
fn identifier() -> u16 {
    std::process::id() as u16
}

/// The address of a host name.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    host: String,
    v6: bool,
    address: IpAddr,
}

/// Looks the names of ping nodes up, again and again, and tells the beat thread. Ends at once when all are addresses.
pub(super) async fn look_up(nodes: Vec<PingNode>, orders: Orders) {
    let hosts = nodes.iter().flat_map(|node| node.hosts.iter().map(|host| (host.as_str(), node.v6)));
    let names: Vec<_> = hosts.filter(|(host, _)| host.parse::<IpAddr>().is_err()).collect();
    let mut complained = false;
    while !names.is_empty() {
        let mut missing = Vec::new();
        for &(host, v6) in &names {
            // the look-up itself is on a thread for what blocks
            let addresses = tokio::net::lookup_host((host, 0)).await;
            let address = addresses.ok().and_then(|mut found| found.find(|address| address.is_ipv6() == v6));
            match address {
                Some(address) => {
                    let resolved = Resolved { host: host.to_owned(), v6, address: address.ip() };
                    if let Err(NotGiven::Ended) = orders.give(Order::PingName(resolved)) {
                        return;
                    }
                }
                None => missing.push(host),
            }
        }
        if !missing.is_empty() && !complained {
            tracing::warn!(
                "ping: no address found for {}; write addresses, so that ping nodes do not depend on name servers",
                missing.join(", ")
            );
        }
        complained = !missing.is_empty();
        tokio::time::sleep(if missing.is_empty() { REFRESH } else { RETRY }).await;
    }
}
