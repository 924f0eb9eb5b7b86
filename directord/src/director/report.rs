//! What status shows of the services.

use super::{Director, Server};
use crate::config::{Check, RealServer};
use crate::reconcile::Table;
use crate::verdict::State;
use ipvs::{Destination, ServiceKey};
use serde::{Deserialize, Serialize};
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
    /// Its weight in the kernel's table; `None` if it is not there.
    pub table_weight: Option<u32>,
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
    /// Every service with its servers, as they are believed to be, and as the table was read last.
    pub fn status(&self, table: &Table) -> Vec<ServiceStatus> {
        self.plan
            .services
            .iter()
            .zip(&self.services)
            .map(|(service, state)| {
                let key = &service.service.key;
                let servers: Vec<ServerStatus> = service
                    .reals
                    .iter()
                    .zip(&state.servers)
                    .map(|(real, server)| of(real, server, key, table))
                    .collect();
                ServiceStatus {
                    service: service.id(),
                    name: service.name.clone(),
                    comment: service.comment.clone(),
                    scheduler: service.service.scheduler.clone(),
                    in_table: table.find(key).is_some(),
                    fallback: service.fallback.as_ref().map(|fallback| fallback.key.to_string()),
                    fallback_active: service
                        .fallback
                        .as_ref()
                        .is_some_and(|fallback| present(key, fallback, table) && !state.any_up()),
                    up: servers.iter().filter(|server| server.state == State::Up).count(),
                    servers,
                }
            })
            .collect()
    }
}

fn of(real: &RealServer, server: &Server, service: &ServiceKey, table: &Table) -> ServerStatus {
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
        state: server.verdict.state(),
        why,
        maintenance: server.verdict.in_maintenance(),
        check: check.to_owned(),
        weight: real.destination.weight,
        table_weight: table.destination(service, &real.destination.key).map(|found| found.weight),
        failures: server.verdict.failures(),
        since: seconds(server.since),
        checked: server.last.as_ref().map(|last| seconds(last.at)),
        took_ms: server.last.as_ref().map(|last| (last.checked.took.as_secs_f64() * 1e6).round() / 1e3),
    }
}

fn present(service: &ServiceKey, destination: &Destination, table: &Table) -> bool {
    table.destination(service, &destination.key).is_some()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
