//! Servers that an administrator has taken out of service by hand: weight 0, whatever the checks say.
//!
//! A drained server is checked as before, and its verdict is kept. It is never removed from the table, so that its
//! connections live, also when its checks fail and dead servers are removed otherwise.

use super::select::Place;
use super::{Director, Event, Line, Server, What};
use crate::config::RealServer;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// Who took a server out of service, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// The administrator.
    pub by: String,
    /// Seconds since 1970.
    pub since: u64,
}

/// A drained server, as it is remembered over a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// The service's id.
    pub service: String,
    /// Address and port as configured.
    pub server: String,
    /// The server's name, if the file names it.
    pub name: Option<String>,
    /// Who and when.
    #[serde(flatten)]
    pub drain: Drain,
}

impl Director {
    /// Drains these servers. Who is drained already stays so as it was.
    pub fn drain(&mut self, places: &[Place], drain: &Drain, now: SystemTime) -> Vec<Line> {
        let set = |server: &mut Server| {
            let new = server.drained.is_none();
            server.drained.get_or_insert_with(|| drain.clone().into());
            new.then(|| format!("Drained by {}", drain.by))
        };
        self.change(places, (What::Drained, &drain.by, now), set)
    }

    /// Ends that.
    pub fn undrain(&mut self, places: &[Place], by: &str, now: SystemTime) -> Vec<Line> {
        let end = |server: &mut Server| server.drained.take().map(|_| format!("No longer drained, by {by}"));
        self.change(places, (What::Undrained, by, now), end)
    }

    fn change(
        &mut self,
        places: &[Place],
        (kind, by, now): (What, &str, SystemTime),
        mut change: impl FnMut(&mut Server) -> Option<String>,
    ) -> Vec<Line> {
        let mut lines = Vec::new();
        for (at, number) in places {
            let service = self.plan.services.get(*at);
            let Some((service, real)) =
                service.and_then(|service| Some((service, service.reals.get(*number)?)))
            else {
                continue;
            };
            let state = self.services.get_mut(*at).and_then(|state| state.servers.get_mut(*number));
            let Some(what) = state.and_then(&mut change) else { continue };
            self.events.push(Event::of(now, kind, service, real, format!("by {by}")));
            let text = format!("{what}: {} ({})", real.shown(), service.id());
            lines.push(Line { warning: false, text });
        }
        lines
    }

    /// All that are drained.
    pub fn drained(&self) -> Vec<Drained> {
        let mut drained = Vec::new();
        for (service, state) in self.plan.services.iter().zip(&self.services) {
            for (real, server) in service.reals.iter().zip(&state.servers) {
                drained.extend(server.drained.as_deref().cloned().map(|drain| Drained {
                    service: service.id(),
                    server: real.shown().to_string(),
                    name: real.name.as_deref().map(str::to_owned),
                    drain,
                }));
            }
        }
        drained
    }

    /// Drains those that were drained before. Who is not in the plan any more is forgotten.
    pub fn restore(&mut self, drained: &[Drained]) {
        for (service, state) in self.plan.services.iter().zip(&mut self.services) {
            let id = service.id();
            let known: Vec<&Drained> = drained.iter().filter(|known| known.service == id).collect();
            for (real, server) in service.reals.iter().zip(&mut state.servers) {
                let found = known.iter().find(|known| known.is(real));
                server.drained = found.map(|known| known.drain.clone().into());
            }
        }
    }

    /// What an administrator should know of these servers, now that they are drained. `templates_stay`: whether
    /// persistent clients stay with a server of weight 0.
    pub fn drain_warnings(&self, places: &[Place], templates_stay: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        for (at, (service, state)) in self.plan.services.iter().zip(&self.services).enumerate() {
            if !places.iter().any(|(service, _)| *service == at) {
                continue;
            }
            let id = service.id();
            match &service.fallback {
                _ if state.any_serving(service) => {}
                Some(fallback) => {
                    warnings.push(format!("{id}: no server is left, the fallback {} serves", fallback.key));
                }
                None => warnings.push(format!("{id}: no server is left, new connections are refused")),
            }
            if templates_stay && service.service.persistence.is_some() {
                warnings.push(format!(
                    "{id}: persistent clients stay with a drained server, because sysctl \
                     net.ipv4.vs.expire_quiescent_template is 0; set it to 1"
                ));
            }
        }
        warnings
    }
}

impl Drained {
    /// A server that is named in the file is the same whatever address its name has.
    fn is(&self, real: &RealServer) -> bool {
        self.server == real.shown().to_string()
            || (self.name.is_some()
                && self.name.as_deref() == real.name.as_deref()
                && self.server.ends_with(&format!(":{}", real.port)))
    }
}
