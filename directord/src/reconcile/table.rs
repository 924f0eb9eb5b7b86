//! The kernel's table as far as it concerns us.

use super::Action;
use ipvs::{Connections, Destination, DestinationKey, Service, ServiceKey};
use rustc_hash::FxHashMap;
use std::collections::HashMap;

/// The part of the kernel's table that concerns us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The services with their destinations.
    pub services: Vec<(Service, Vec<Destination>)>,
}

impl Table {
    /// A service with its destinations.
    pub fn find(&self, key: &ServiceKey) -> Option<&(Service, Vec<Destination>)> {
        self.services.iter().find(|(service, _)| service.key == *key)
    }

    /// By key.
    pub fn index(&self) -> FxHashMap<&ServiceKey, &(Service, Vec<Destination>)> {
        self.services.iter().map(|entry| (&entry.0.key, entry)).collect()
    }

    /// A destination.
    pub fn destination(&self, service: &ServiceKey, key: &DestinationKey) -> Option<&Destination> {
        self.find(service)?.1.iter().find(|destination| destination.key == *key)
    }

    /// What the table is after an edit.
    pub fn apply(&mut self, action: &Action) {
        let at = self.services.iter().position(|(service, _)| service.key == *action.service());
        let entry = at.and_then(|at| self.services.get_mut(at));
        match (action, entry) {
            (Action::AddService(service), None) => self.services.push((service.clone(), Vec::new())),
            (Action::UpdateService(service), Some((found, _))) => *found = service.clone(),
            (Action::DeleteService(key), _) => self.services.retain(|(service, _)| service.key != *key),
            (Action::AddDestination(_, new), Some((_, destinations))) => destinations.push(new.clone()),
            (Action::UpdateDestination(_, new), Some((_, destinations))) => {
                for found in destinations.iter_mut().filter(|found| found.key == new.key) {
                    *found = new.clone();
                }
            }
            (Action::DeleteDestination(_, key), Some((_, destinations))) => {
                destinations.retain(|found| found.key != *key);
            }
            _ => {}
        }
    }
}

/// Services as they are in the kernel at one moment: weights, and the connections it counts.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// By service and destination.
    pub services: HashMap<ServiceKey, HashMap<DestinationKey, (u32, Option<Connections>)>>,
}

impl Counted {
    /// A destination.
    pub fn find(&self, service: &ServiceKey, key: &DestinationKey) -> Option<&(u32, Option<Connections>)> {
        self.services.get(service)?.get(key)
    }
}

#[cfg(test)]
impl From<&Table> for Counted {
    /// As if no connection were counted.
    fn from(table: &Table) -> Counted {
        let of = |(service, found): &(Service, Vec<Destination>)| {
            let destinations = found.iter().map(|found| (found.key, (found.weight, None)));
            (service.key.clone(), destinations.collect())
        };
        Counted { services: table.services.iter().map(of).collect() }
    }
}
