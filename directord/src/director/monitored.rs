//! What is written into monitor files.

use super::{Director, Holders};
use crate::check::Probe;
use std::path::Path;

/// A real server as a monitor file shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Monitored<'a> {
    /// The file.
    pub file: &'a Path,
    /// How the file names the server.
    pub name: &'a str,
}

impl Director {
    /// Into which monitor files the result of a check belongs.
    pub fn monitored(&self, probe: &Probe) -> Vec<Monitored<'_>> {
        let mut found = Vec::new();
        for (at, number) in self.holders.get(probe).map(Holders::places).into_iter().flatten() {
            let (Some(service), Some(state)) = (self.plan.services.get(*at), self.services.get(*at)) else {
                continue;
            };
            let (Some(real), Some(server)) = (service.reals.get(*number), state.servers.get(*number)) else {
                continue;
            };
            if let Some(file) = service.monitor_file.as_ref().filter(|_| !server.verdict.in_maintenance()) {
                found.push(Monitored { file, name: &real.monitor_name });
            }
        }
        found
    }

    /// Into which monitor files it belongs that a server is in maintenance, and so not checked.
    pub fn monitored_maintenance(&self) -> Vec<Monitored<'_>> {
        let mut found = Vec::new();
        for (service, state) in self.plan.services.iter().zip(&self.services) {
            let Some(file) = &service.monitor_file else { continue };
            let resting = service.reals.iter().zip(&state.servers);
            let resting = resting.filter(|(_, server)| server.verdict.in_maintenance());
            found.extend(resting.map(|(real, _)| Monitored { file, name: &real.monitor_name }));
        }
        found
    }
}
