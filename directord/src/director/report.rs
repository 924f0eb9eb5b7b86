//! What status shows of the services.

use super::{Director, Drain, Place, Server, Service};
use crate::config::{Check, RealServer, VirtualService};
use crate::reconcile::{Counted, Presence, Table};
use crate::verdict::State;
use ipvs::{Destination, ServiceKey};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
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

impl Director {
    /// The services of some servers.
    pub fn services_of(&self, places: &[Place]) -> HashSet<ServiceKey> {
        let of = |(at, _): &Place| self.plan.services.get(*at).map(|service| service.service.key.clone());
        places.iter().filter_map(of).collect()
    }

    /// Some servers with their services, as they are believed to be, and as they are in the kernel.
    pub fn status(&self, places: &[Place], kernel: &Counted) -> Vec<ServiceStatus> {
        let wanted: HashSet<&Place> = places.iter().collect();
        let all = places.len() == self.count().1;
        let services = self.plan.services.iter().zip(&self.services).enumerate();
        let mut statuses = Vec::new();
        for (at, (service, state)) in services {
            let servers = service.reals.iter().zip(&state.servers).enumerate();
            let servers: Vec<ServerStatus> = servers
                .filter(|(number, _)| all || wanted.contains(&(at, *number)))
                .map(|(_, (real, server))| self.server_status(service, real, server, kernel))
                .collect();
            if all || !servers.is_empty() {
                statuses.push(state.status(service, servers, &kernel.table));
            }
        }
        statuses
    }

    fn server_status(
        &self,
        service: &VirtualService,
        real: &RealServer,
        server: &Server,
        kernel: &Counted,
    ) -> ServerStatus {
        let (service_key, key) = (&service.service.key, real.destination.key);
        let connections = kernel.connections.get(&(service_key.clone(), key));
        let presence = server.presence(real, service.quiescent, self.plan.settings.readd_quiescent);
        let mut status = of(real, server);
        status.wanted_weight = match presence {
            Presence::Serving => Some(real.destination.weight),
            Presence::Quiescent { .. } | Presence::Drained { .. } => Some(0),
            Presence::Absent | Presence::AsIs => None,
        };
        status.table_weight = kernel.table.destination(service_key, &key).map(|found| found.weight);
        status.active = connections.map(|connections| connections.active);
        status.inactive = connections.map(|connections| connections.inactive);
        status
    }
}

impl Service {
    fn status(&self, service: &VirtualService, servers: Vec<ServerStatus>, table: &Table) -> ServiceStatus {
        let key = &service.service.key;
        let serves =
            |fallback: &Destination| table.destination(key, &fallback.key).is_some_and(|f| f.weight > 0);
        ServiceStatus {
            service: service.id(),
            name: service.name.clone(),
            comment: service.comment.clone(),
            scheduler: service.service.scheduler.clone(),
            in_table: table.find(key).is_some(),
            fallback: service.fallback.as_ref().map(|fallback| fallback.key.to_string()),
            fallback_active: !self.any_serving() && service.fallback.as_ref().is_some_and(serves),
            up: servers.iter().filter(|server| server.state == State::Up).count(),
            servers,
        }
    }
}

/// All but what is asked of the kernel.
fn of(real: &RealServer, server: &Server) -> ServerStatus {
    let check = match &real.check {
        Check::On => "on",
        Check::Off => "off",
        Check::Probe(probe) => probe.kind.name(),
    };
    let why = match (&server.last, &real.check) {
        _ if server.verdict.in_maintenance() => "in maintenance".to_owned(),
        (_, Check::On) => "not checked, always used".to_owned(),
        (_, Check::Off) => "not checked, never used".to_owned(),
        (Some(last), _) => last.checked.outcome.to_string(),
        (None, _) if server.verdict.is_up() => "found in the kernel's table, not checked yet".to_owned(),
        (None, _) => "not checked yet".to_owned(),
    };
    ServerStatus {
        server: real.shown().to_string(),
        name: real.name.clone(),
        state: server.verdict.state(),
        why,
        maintenance: server.verdict.in_maintenance(),
        check: check.to_owned(),
        weight: real.destination.weight,
        drained: server.drained.clone(),
        wanted_weight: None,
        table_weight: None,
        active: None,
        inactive: None,
        failures: server.verdict.failures(),
        since: seconds(server.since),
        checked: server.last.as_ref().map(|last| seconds(last.at)),
        took_ms: server.last.as_ref().map(|last| (last.checked.took.as_secs_f64() * 1e6).round() / 1e3),
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
