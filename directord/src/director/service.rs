//! A service of the plan while it runs: what the table shall hold of it, and what it has held.

use super::server::Server;
use crate::config::VirtualService;
use crate::metrics::Histogram;
use crate::reconcile::{Presence, Role, Wanted, WantedDestination};
use ipvs::{Destination, DestinationKey};
use rustc_hash::FxHashMap;
use std::net::SocketAddr;
use std::time::SystemTime;

/// A service of the plan while it runs.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) servers: Vec<Server>,
    /// The table has held the service itself as wanted.
    pub(super) settled: bool,
    /// What the table has held of the fallback.
    pub(super) fallback: Option<Presence>,
    /// Whether the fallback took the connections when that was known last.
    pub(super) fallback_served: bool,
    /// The last word given to `fallbackcommand`: whether it was `start`.
    pub(super) announced: Option<bool>,
    /// The first placement is not complete.
    pub(super) placing: bool,
    /// How long checks took.
    pub(super) took: Histogram,
}

impl Service {
    /// `found` is what the table holds of it.
    pub(super) fn adopt(service: &VirtualService, found: &[Destination], now: SystemTime) -> Service {
        let found: FxHashMap<DestinationKey, u32> =
            found.iter().map(|found| (found.key, found.weight)).collect();
        let servers = service.reals.iter().map(|real| {
            let weight = found.get(&real.destination.key);
            Server::adopt(real, weight.copied(), now)
        });
        Service {
            servers: servers.collect(),
            settled: false,
            fallback: None,
            fallback_served: false,
            announced: None,
            placing: true,
            took: Histogram::default(),
        }
    }

    pub(super) fn forget_table(&mut self) {
        (self.settled, self.fallback, self.announced, self.placing) = (false, None, None, true);
        for server in &mut self.servers {
            (server.placed, server.was_placed) = (None, false);
        }
    }

    /// Whether a real server gets new connections; otherwise the fallback does. A weight of 0 in the file keeps the
    /// fallback away all the same, as it does with ldirectord. One that a check has said (`weightfromcheck`) does not:
    /// the servers are all full or going down, and the connections have to go somewhere.
    pub(super) fn any_serving(&self, service: &VirtualService) -> bool {
        let in_use = || {
            let servers = service.reals.iter().zip(&self.servers);
            servers.filter(|(_, server)| server.verdict.is_up() && server.drained.is_none())
        };
        in_use().any(|(real, server)| server.weight.of(real.destination.weight) > 0)
            || self.any_in_use() && !in_use().any(|(_, server)| server.weight.is_said())
    }

    /// Whether a real server is up and not drained, whatever its weight.
    pub(super) fn any_in_use(&self) -> bool {
        self.servers.iter().any(|server| server.verdict.is_up() && server.drained.is_none())
    }

    pub(super) fn wanted(&self, at: usize, service: &VirtualService, readd: bool) -> Wanted {
        let mut destinations: Vec<WantedDestination> = service
            .reals
            .iter()
            .zip(&self.servers)
            .map(|(real, server)| {
                let presence = server.presence(service.quiescent, readd);
                let weight = server.weight.of(real.destination.weight);
                let destination = Destination { weight, ..real.destination.clone() };
                let placed = server.placed.as_ref().filter(|(was, _)| was.is_like(presence));
                let settled = placed.is_some_and(|(_, was)| *was == weight);
                let moved = placed.is_some_and(|(_, was)| *was != weight);
                WantedDestination {
                    moved,
                    destination,
                    configured: real.shown(),
                    role: Role::Real,
                    presence,
                    settled,
                }
            })
            .collect();
        if let Some(fallback) = &service.fallback {
            let presence = if self.any_serving(service) { Presence::Absent } else { Presence::Serving };
            let key = fallback.key;
            let same = destinations.iter().position(|other| other.destination.key == key);
            let wanted = WantedDestination {
                destination: fallback.clone(),
                configured: SocketAddr::new(key.address, key.port),
                role: Role::Fallback,
                presence,
                settled: self.fallback == Some(presence),
                moved: false,
            };
            // A real server that is the fallback, too: it is in the table as the one or the other.
            match same.and_then(|at| destinations.get_mut(at)) {
                // Drained, it gets no connections as the fallback, either.
                Some(real) if matches!(real.presence, Presence::Drained { .. }) => {}
                Some(real) if presence == Presence::Serving => *real = wanted,
                Some(_) => {}
                None => destinations.push(wanted),
            }
        }
        let service = service.service.clone();
        Wanted { at, service, settled: self.settled, destinations, purge: self.placing }
    }

    /// `number` is where `done` stood in [`Service::wanted`]: real servers first, in their order.
    pub(super) fn place(
        &mut self,
        service: &VirtualService,
        number: usize,
        done: &WantedDestination,
        ok: bool,
    ) {
        if done.role == Role::Fallback {
            self.fallback = ok.then_some(done.presence);
        }
        let same = service.reals.get(number).is_some_and(|real| real.destination.key == done.destination.key);
        let Some(server) = self.servers.get_mut(number).filter(|_| same) else { return };
        // In the table as the fallback, a real server is not in the table as what it is itself.
        let known = done.role == Role::Real && done.presence != Presence::AsIs;
        server.placed = (ok && known).then_some((done.presence, done.destination.weight));
        server.was_placed |= ok && known;
    }
}
