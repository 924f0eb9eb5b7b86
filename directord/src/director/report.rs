//! What status shows of the services.

use super::{Director, Drain, Piece, Place, Server, Service};
use crate::check::{Checked, Outcome, Probe, milliseconds};
use crate::config::{Check, RealServer, VirtualService};
use crate::metrics::{Histogram, Tally};
use crate::reconcile::{Counted, Presence};
use crate::verdict::State;
use ipvs::{Destination, ServiceKey};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A virtual service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// `tcp:192.0.2.1:80`, `fwm:1`.
    pub service: String,
    /// `servicename`.
    pub name: Option<String>,
    /// `comment`.
    pub comment: Option<String>,
    /// Scheduler.
    pub scheduler: String,
    /// Whether the kernel's table holds it.
    pub in_table: bool,
    /// The fallback server, if there is one.
    pub fallback: Option<String>,
    /// Whether the fallback takes the connections.
    pub fallback_active: bool,
    /// All real servers failed together, and their last verdicts stay (`keeplast`).
    #[serde(default)]
    pub kept: bool,
    /// Real servers that are up.
    pub up: usize,
    /// The real servers.
    pub servers: Vec<ServerStatus>,
}

/// A real server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Address and port as configured.
    pub server: String,
    /// Its name, if the file names it.
    #[serde(default)]
    pub name: Option<String>,
    /// What is believed of it.
    pub state: State,
    /// Why.
    pub why: String,
    /// Held down by the administrator.
    pub maintenance: bool,
    /// How it is checked.
    pub check: String,
    /// Its configured weight.
    pub weight: u32,
    /// Who took it out of service by hand, if somebody did.
    #[serde(default)]
    pub drained: Option<Drain>,
    /// Its weight as it shall be now; `None` if it shall not be in the table, or be left as it is there.
    #[serde(default)]
    pub wanted_weight: Option<u32>,
    /// Its weight in the kernel's table; `None` if it is not there.
    pub table_weight: Option<u32>,
    /// Its established connections that the kernel counts; `None` if it is not there.
    #[serde(default)]
    pub active: Option<u32>,
    /// Its other connections.
    #[serde(default)]
    pub inactive: Option<u32>,
    /// Failures in a row that do not count yet.
    pub failures: u32,
    /// Since when it is in this state, seconds since 1970.
    pub since: u64,
    /// When its last check ended, seconds since 1970.
    pub checked: Option<u64>,
    /// How long its last check took, milliseconds.
    pub took_ms: Option<f64>,
}

/// How a check that somebody asked for ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The service.
    pub service: String,
    /// The server's address and port as configured.
    pub server: String,
    /// How it is checked.
    pub check: String,
    /// Whether the check passed; `None` if there is no result.
    pub passed: Option<bool>,
    /// The result in words.
    pub result: String,
    /// How long it took, milliseconds.
    pub took_ms: Option<f64>,
    /// What is believed of the server now.
    pub state: State,
}

impl ServiceStatus {
    /// More servers of the same service.
    pub fn extend(&mut self, more: ServiceStatus) {
        self.up += more.up;
        self.servers.extend(more.servers);
    }
}

impl Director {
    /// The probes of some servers, each with those it is for; `None` for servers that are not checked.
    pub fn probes_of(&self, places: &[Place]) -> Vec<(Option<Arc<Probe>>, Vec<Place>)> {
        let mut probes: HashMap<Option<Arc<Probe>>, Vec<Place>> = HashMap::new();
        for place in places {
            let probe = match self.real(*place).map(|(_, real, _)| &real.check) {
                Some(Check::Probe(probe)) => Some(Arc::clone(probe)),
                _ => None,
            };
            probes.entry(probe).or_default().push(*place);
        }
        probes.into_iter().collect()
    }

    /// The probes of servers that are not up, but for those in maintenance.
    pub fn probes_not_up(&self) -> Vec<Arc<Probe>> {
        let not_up = |(at, number): &Place| {
            let server = self.services.get(*at).and_then(|service| service.servers.get(*number));
            server.is_some_and(|server| !server.verdict.is_up() && !server.verdict.in_maintenance())
        };
        let wanted = self.holders.iter().filter(|(_, holders)| holders.places().iter().any(not_up));
        wanted.map(|(probe, _)| Arc::clone(probe)).collect()
    }

    fn real(&self, (at, number): Place) -> Option<(&VirtualService, &RealServer, &Server)> {
        let service = self.plan.services.get(at)?;
        Some((service, service.reals.get(number)?, self.services.get(at)?.servers.get(number)?))
    }

    /// What a check has shown, and what follows from it.
    pub fn check_result(&self, place: Place, checked: Option<&Checked>) -> Option<CheckResult> {
        let (service, real, server) = self.real(place)?;
        let (result, passed) = match (&real.check, checked) {
            (Check::On, _) => ("not checked, always used".to_owned(), None),
            (Check::Off, _) => ("not checked, never used".to_owned(), None),
            (_, Some(checked)) => {
                let ran = !matches!(checked.outcome, Outcome::NotRun(_));
                (checked.outcome.to_string(), ran.then(|| checked.outcome.passed()))
            }
            (_, None) => ("the check was not run".to_owned(), None),
        };
        Some(CheckResult {
            service: service.id(),
            server: real.shown().to_string(),
            check: check_name(&real.check).to_owned(),
            passed,
            result,
            took_ms: checked.map(|checked| milliseconds(checked.took)),
            state: server.verdict.state(),
        })
    }

    /// Of a service: how long checks took, and how they ended for some of its servers.
    pub fn tallies(&self, piece: &Piece) -> (Histogram, Vec<Tally>) {
        let Some(state) = self.services.get(piece.service) else { return Default::default() };
        let servers = piece.servers.iter().filter_map(|number| state.servers.get(*number));
        (state.took.clone(), servers.map(|server| server.tally.clone()).collect())
    }

    /// The services of some servers.
    pub fn services_of(&self, places: &[Place]) -> HashSet<ServiceKey> {
        let of = |(at, _): &Place| self.plan.services.get(*at).map(|service| service.service.key.clone());
        places.iter().filter_map(of).collect()
    }

    /// Some servers with their service, as they are believed to be, and as they are in the kernel.
    pub fn status(&self, piece: &Piece, kernel: &Counted) -> Option<ServiceStatus> {
        let (service, state) = (self.plan.services.get(piece.service)?, self.services.get(piece.service)?);
        let servers = piece.servers.iter().filter_map(|number| {
            let (real, server) = (service.reals.get(*number)?, state.servers.get(*number)?);
            Some(self.server_status(service, real, server, kernel))
        });
        Some(state.status(service, servers.collect(), kernel))
    }

    fn server_status(
        &self,
        service: &VirtualService,
        real: &RealServer,
        server: &Server,
        kernel: &Counted,
    ) -> ServerStatus {
        let (service_key, key) = (&service.service.key, real.destination.key);
        let found = kernel.find(service_key, &key);
        let connections = found.and_then(|(_, connections)| connections.as_ref());
        let presence = server.presence(service.quiescent, self.plan.settings.readd_quiescent);
        let mut status = of(real, server);
        status.table_weight = found.map(|(weight, _)| *weight);
        status.wanted_weight = match presence {
            Presence::Serving => Some(server.weight.of(real.destination.weight)),
            // Not there, and not to be added.
            Presence::Quiescent { add: false } | Presence::Drained { add: false }
                if status.table_weight.is_none() =>
            {
                None
            }
            Presence::Quiescent { .. } | Presence::Drained { .. } => Some(0),
            Presence::Absent | Presence::AsIs => None,
        };
        status.active = connections.map(|connections| connections.active);
        status.inactive = connections.map(|connections| connections.inactive);
        status
    }
}

impl Service {
    fn status(
        &self,
        service: &VirtualService,
        servers: Vec<ServerStatus>,
        kernel: &Counted,
    ) -> ServiceStatus {
        let key = &service.service.key;
        let serves =
            |fallback: &Destination| kernel.find(key, &fallback.key).is_some_and(|(weight, _)| *weight > 0);
        ServiceStatus {
            service: service.id(),
            name: service.name.clone(),
            comment: service.comment.clone(),
            scheduler: service.service.scheduler.clone(),
            in_table: kernel.services.contains_key(key),
            fallback: service.fallback.as_ref().map(|fallback| fallback.key.to_string()),
            fallback_active: !self.any_serving(service) && service.fallback.as_ref().is_some_and(serves),
            kept: self.is_kept(),
            up: servers.iter().filter(|server| server.state == State::Up).count(),
            servers,
        }
    }
}

/// All but what is asked of the kernel.
fn of(real: &RealServer, server: &Server) -> ServerStatus {
    let why = match (&server.last, &real.check) {
        _ if server.verdict.in_maintenance() => "in maintenance".to_owned(),
        (Some(last), _) if server.verdict.is_held() => {
            format!("kept up, as all failed together: {}", last.outcome())
        }
        (_, Check::On) => "not checked, always used".to_owned(),
        (_, Check::Off) => "not checked, never used".to_owned(),
        (Some(last), _) => last.outcome().to_string(),
        (None, _) if server.verdict.is_up() => "found in the kernel's table, not checked yet".to_owned(),
        (None, _) => "not checked yet".to_owned(),
    };
    ServerStatus {
        server: real.shown().to_string(),
        name: real.name.as_deref().map(str::to_owned),
        state: server.verdict.state(),
        why,
        maintenance: server.verdict.in_maintenance(),
        check: check_name(&real.check).to_owned(),
        weight: real.destination.weight,
        drained: server.drained.as_deref().cloned(),
        wanted_weight: None,
        table_weight: None,
        active: None,
        inactive: None,
        failures: server.verdict.failures(),
        since: seconds(server.since),
        checked: server.last.as_ref().map(|last| seconds(last.at)),
        took_ms: server.last.as_ref().map(|last| milliseconds(last.took)),
    }
}

fn check_name(check: &Check) -> &'static str {
    match check {
        Check::On => "on",
        Check::Off => "off",
        Check::Probe(probe) => probe.kind.name(),
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
