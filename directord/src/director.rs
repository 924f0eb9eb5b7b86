//! The core: a plan, a verdict on every real server, and what follows from both for the kernel's table.
//!
//! Pure: it is told of check results, of maintenance and of what the table held, and is asked what is
//! [`Director::wanted`]. Times are passed in: those of the wall only for status, those of the clock for weights that
//! [grow](Director::advance).

mod drain;
mod due;
mod events;
mod holders;
mod keep;
mod lines;
mod monitored;
mod report;
mod select;
mod server;
mod service;
mod weight;

use crate::check::{Checked, Outcome, Probe, ended};
use crate::config::{Check, Plan, RealServer, VirtualService};
use crate::reconcile::{Role, Table};
use crate::verdict::{Change, Counts, State};
use ipvs::{DestinationKey, ServiceKey};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

pub use drain::{Drain, Drained};
pub use events::{Event, What};
use holders::{Holders, holders};
use lines::{describe, no_weight, not_run};
pub use monitored::Monitored;
pub use report::{CheckResult, ServerStatus, ServiceStatus};
pub use select::{Piece, Place};
use server::{Last, Server};
use service::Service;

/// See the module.
#[derive(Debug)]
pub struct Director {
    plan: Plan,
    services: Vec<Service>,
    /// Where what is wanted has changed, until somebody asks.
    touched: BTreeSet<usize>,
    /// From this service on all are still to be compared with the table, although nothing is known to have changed.
    look: Option<usize>,
    /// What had changed was taken alone, before them.
    yielded: bool,
    /// Who is concerned by a probe: service and real server by position in the plan.
    holders: FxHashMap<Arc<Probe>, Holders>,
    /// What has happened, until somebody asks.
    events: Vec<Event>,
    /// What is to be mailed of a service as a whole, until somebody asks.
    notices: Vec<(ServiceKey, String)>,
    /// What is to be said of fallbacks that a reload has taken away while they served.
    parting: Vec<String>,
}

/// A log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Somebody should look.
    pub warning: bool,
    /// The text.
    pub text: String,
}

/// An edit that the kernel refused concerns this service, and this destination or the service itself.
pub type Failed = (ServiceKey, Option<DestinationKey>);

/// A real server that is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    /// Of this service.
    pub service: ServiceKey,
    /// Where the table has it, if it does.
    pub destination: DestinationKey,
    /// As configured.
    pub server: SocketAddr,
    /// How its last check ended, and after what time.
    pub check: Option<String>,
}

/// A service that is to be taken out of the table, and its destinations as they are named in the log.
pub type Leaving = (ServiceKey, Vec<(DestinationKey, SocketAddr, Role)>);

impl Director {
    /// A plan that begins: what the table holds with a weight is adopted as up.
    pub fn new(plan: Plan, table: &Table, now: SystemTime) -> Director {
        let held = table.index();
        let adopt = |service: &VirtualService| {
            let found = held.get(&service.service.key).map_or(&[][..], |(_, found)| found.as_slice());
            Service::adopt(service, found, now)
        };
        let services = plan.services.iter().map(adopt).collect();
        Director {
            holders: holders(&plan),
            services,
            plan,
            touched: BTreeSet::new(),
            look: None,
            yielded: false,
            events: Vec::new(),
            notices: Vec::new(),
            parting: Vec::new(),
        }
    }

    /// Another plan takes over: what did not change keeps its verdict. Returns the services that left.
    pub fn reload(&mut self, plan: Plan, table: &Table, now: SystemTime) -> Vec<Leaving> {
        let mut next = Director::new(plan, table, now);
        next.restore(&self.drained());
        next.events = std::mem::take(&mut self.events);
        next.notices = std::mem::take(&mut self.notices);
        next.parting = std::mem::take(&mut self.parting);
        let commands: FxHashMap<&ServiceKey, &Option<String>> = next
            .plan
            .services
            .iter()
            .map(|service| (&service.service.key, &service.fallback_command))
            .collect();
        for (old, state) in self.plan.services.iter().zip(&self.services) {
            let same =
                commands.get(&old.service.key).is_some_and(|command| **command == old.fallback_command);
            if state.announced == Some(true) && !same {
                next.parting.extend(fallback_command(old, false));
            }
        }
        let before: FxHashMap<&ServiceKey, (&VirtualService, &Service)> = self
            .plan
            .services
            .iter()
            .zip(&self.services)
            .map(|(service, state)| (&service.service.key, (service, state)))
            .collect();
        for (service, state) in next.plan.services.iter().zip(&mut next.services) {
            let Some((old, old_state)) = before.get(&service.service.key) else { continue };
            let old_servers: FxHashMap<DestinationKey, (&RealServer, &Server)> = old
                .reals
                .iter()
                .zip(&old_state.servers)
                .map(|(real, server)| (real.destination.key, (real, server)))
                .collect();
            state.fallback_served = old_state.fallback_served;
            state.took = old_state.took.clone();
            for (real, server) in service.reals.iter().zip(&mut state.servers) {
                if let Some((other, old_server)) = old_servers.get(&real.destination.key) {
                    server.tally = old_server.tally.clone();
                    server.inherit(old_server, real.check == other.check);
                    if !service.keep_last {
                        server.verdict.let_go();
                    }
                    if service.slow_start.is_zero() {
                        server.weight.grow_up();
                    }
                    server.keep_place(old_server, real.destination == other.destination);
                    // Weight 0 is a new place for one that had been removed.
                    server.was_placed &= old.quiescent || !service.quiescent;
                }
            }
        }
        let stay: FxHashSet<&ServiceKey> = next.plan.keys().collect();
        let left = self.plan.services.iter().filter(|service| !stay.contains(&service.service.key));
        let leaving = left.map(leaving).collect();
        *self = next;
        leaving
    }

    /// The services go into a table that holds nothing of ours yet, as at a start; what is known of the servers stays.
    pub fn activate(&mut self) {
        for service in &mut self.services {
            service.forget_table();
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Every different probe of the plan, in the order of the file.
    pub fn probes(&self) -> Vec<Arc<Probe>> {
        let first = |(probe, holders): (_, &Holders)| (holders.places().first().copied(), Arc::clone(probe));
        let mut probes: Vec<_> = self.holders.iter().map(first).collect();
        probes.sort_unstable_by_key(|(place, _)| *place);
        probes.into_iter().map(|(_, probe)| probe).collect()
    }

    /// Whether every server has its first verdict.
    pub fn is_gathered(&self) -> bool {
        self.services.iter().flat_map(|service| &service.servers).all(|server| server.verdict.is_known())
    }

    /// Servers that have no verdict yet.
    pub fn unknown(&self) -> usize {
        let servers = self.services.iter().flat_map(|service| &service.servers);
        servers.filter(|server| !server.verdict.is_known()).count()
    }

    /// Whether every server has its first verdict, or a check that ended without one had its try.
    pub fn is_tried(&self) -> bool {
        let mut servers = self.services.iter().flat_map(|service| &service.servers);
        servers.all(|server| server.verdict.is_known() || server.last.is_some())
    }

    /// A check has ended. Returns what to log. Where it has changed what is wanted is remembered for
    /// [`Director::take_due`].
    pub fn observe(&mut self, probe: &Probe, checked: &Checked, now: SystemTime) -> Vec<Line> {
        let (mut lines, mut concerned) = (Vec::new(), Vec::new());
        for (at, number) in self.holders.get(probe).map(Holders::places).into_iter().flatten() {
            let (Some(service), Some(state)) = (self.plan.services.get(*at), self.services.get_mut(*at))
            else {
                continue;
            };
            let (Some(real), Some(server)) = (service.reals.get(*number), state.servers.get_mut(*number))
            else {
                continue;
            };
            state.took.observe(checked.took);
            server.tally.add(checked.outcome.name());
            let before = server.verdict;
            let counts = Counts { fall: service.failure_count, rise: service.rise };
            let last = server.last.replace(Last::new(checked, now));
            if let Outcome::NotRun(_) = checked.outcome {
                lines.extend(not_run(last.as_ref(), real, service, &checked.outcome));
                continue;
            }
            lines.extend(no_weight(last.as_ref(), real, service, &checked.outcome));
            let change = server.verdict.observe(checked.outcome.passed(), counts);
            let weight = server.weight.clone();
            server.weight.observe(&checked.outcome);
            server.turned(before.state(), service, now);
            let what = match change {
                Change::Up => Some(What::Up),
                Change::Down => Some(What::Down),
                _ => None,
            };
            if what.is_some() || before.is_known() != server.verdict.is_known() || weight != server.weight {
                self.touched.insert(*at);
            }
            let event = |what| Event::of(now, what, service, real, checked.outcome.to_string());
            self.events.extend(what.map(event));
            lines.extend(describe(change, real, service, checked));
            concerned.push((*at, before.is_held()));
        }
        for (at, held) in concerned {
            if let Some(line) = self.keep_last(at, checked.outcome.passed(), held, now) {
                lines.push(line);
                self.touched.insert(at);
            }
        }
        lines
    }

    /// Whether somebody waits for more results of a probe to know what its last one means.
    pub fn is_in_doubt(&self, probe: &Probe) -> bool {
        self.holders.get(probe).map(Holders::places).into_iter().flatten().any(|(at, number)| {
            let server = self.services.get(*at).and_then(|service| service.servers.get(*number));
            server.is_some_and(|server| server.verdict.is_in_doubt())
        })
    }

    /// Puts the servers into maintenance for which the function says so, and the others out of it.
    pub fn maintain(
        &mut self,
        in_maintenance: impl Fn(&RealServer) -> bool,
        now: SystemTime,
    ) -> (Vec<Line>, bool) {
        let (mut lines, mut changed) = (Vec::new(), false);
        for (service, state) in self.plan.services.iter().zip(&mut self.services) {
            for (real, server) in service.reals.iter().zip(&mut state.servers) {
                let wanted = in_maintenance(real);
                if real.check == Check::Off || wanted == server.verdict.in_maintenance() {
                    continue;
                }
                let before = server.verdict.state();
                server.verdict.maintain(wanted, matches!(real.check, Check::Probe(_)));
                changed |= server.turned(before, service, now);
                let what = if wanted { What::Maintenance } else { What::MaintenanceEnded };
                self.events.push(Event::of(now, what, service, real, "maintenancedir"));
                let verb = if wanted { "Server in maintenance" } else { "Server no longer in maintenance" };
                lines.push(Line {
                    warning: false,
                    text: format!("{verb}: {} ({})", real.shown(), service.id()),
                });
            }
        }
        (lines, changed)
    }

    /// The probes whose servers are all in maintenance: nobody is interested in their results.
    pub fn idle_probes(&self) -> FxHashSet<Arc<Probe>> {
        let resting = |(at, number): &(usize, usize)| {
            let server = self.services.get(*at).and_then(|service| service.servers.get(*number));
            server.is_some_and(|server| server.verdict.in_maintenance())
        };
        self.holders
            .iter()
            .filter(|(_, holders)| holders.places().iter().all(resting))
            .map(|(probe, _)| Arc::clone(probe))
            .collect()
    }

    /// Shell commands that are due because a fallback came or went. Each is returned once.
    pub fn fallback_commands(&mut self) -> Vec<String> {
        let mut commands = std::mem::take(&mut self.parting);
        for (service, state) in self.plan.services.iter().zip(&mut self.services) {
            if service.fallback_command.is_none() {
                continue;
            }
            let start = !state.any_serving(service);
            if state.announced != Some(start) {
                state.announced = Some(start);
                commands.extend(fallback_command(service, start));
            }
        }
        commands
    }

    /// Shell commands that are due at a clean stop: a fallback that was started is stopped. Each is returned once.
    pub fn last_commands(&mut self) -> Vec<String> {
        let mut commands = std::mem::take(&mut self.parting);
        for (service, state) in self.plan.services.iter().zip(&mut self.services) {
            if service.clean_stop && state.announced == Some(true) {
                state.announced = Some(false);
                commands.extend(fallback_command(service, false));
            }
        }
        commands
    }

    /// What a clean stop takes out of the table.
    pub fn stopping(&self) -> Vec<Leaving> {
        self.plan.services.iter().filter(|service| service.clean_stop).map(leaving).collect()
    }

    /// The real servers that are down, but for those that shall never be used.
    pub fn down(&self) -> Vec<Down> {
        let mut down = Vec::new();
        for (service, state) in self.plan.services.iter().zip(&self.services) {
            for (real, server) in service.reals.iter().zip(&state.servers) {
                if server.verdict.state() == State::Down && real.check != Check::Off {
                    let (service, destination) = (service.service.key.clone(), real.destination.key);
                    let check = server.last.as_ref().map(|last| ended(last.outcome(), last.took));
                    down.push(Down { service, destination, server: real.shown(), check });
                }
            }
        }
        down
    }

    /// Real servers that are up, and all.
    pub fn count(&self) -> (usize, usize) {
        let servers = || self.services.iter().flat_map(|service| &service.servers);
        (servers().filter(|server| server.verdict.is_up()).count(), servers().count())
    }
}

/// `COMMAND start|stop SERVER:PORT PROTOCOL`.
fn fallback_command(service: &VirtualService, start: bool) -> Option<String> {
    let command = service.fallback_command.as_ref()?;
    let word = if start { "start" } else { "stop" };
    let (server, protocol) = match &service.service.key {
        ServiceKey::Address { protocol, .. } => (service.shown(), protocol.to_string().to_lowercase()),
        ServiceKey::Fwmark { .. } => (":0".to_owned(), "fwm".to_owned()),
    };
    Some(format!("{command} {word} {server} {protocol}"))
}

fn leaving(service: &VirtualService) -> Leaving {
    let reals = service.reals.iter().map(|real| (real.destination.key, real.shown(), Role::Real));
    let fallback = service.fallback.iter().map(|fallback| {
        (fallback.key, SocketAddr::new(fallback.key.address, fallback.key.port), Role::Fallback)
    });
    (service.service.key.clone(), reals.chain(fallback).collect())
}

#[cfg(test)]
mod tests;
