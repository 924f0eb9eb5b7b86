//! What is wanted − what the kernel's table holds = edits. Pure: no clock, no socket, no log.
//!
//! Only what is needed is edited, so nothing that is right is touched and no connection is cut. What decides:
//!
//! * Services that are not in the plan are never looked at. Destinations that nobody configured, in services of the
//!   plan, are removed when the plan is first placed (start, reload) and left alone afterwards.
//! * A destination is *settled* once the table has held it as wanted. From then on its weight belongs to the
//!   administrator until the verdict changes (people drain servers with `ipvsadm -e ... -w 0`); all else that
//!   differs is repaired.
//! * Additions come before removals: there is no moment without a server when the fallback takes over.

mod by_hand;
mod table;

pub use by_hand::ByHand;
pub use table::{Counted, Table};

use crate::config::plan::shown;
use ipvs::{Destination, DestinationKey, Forwarding, Service, ServiceKey};
use rustc_hash::FxHashMap;
use std::net::SocketAddr;

/// A service as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Where it stands in the plan.
    pub at: usize,
    /// The service itself.
    pub service: Service,
    /// Whether the table has held it like this already.
    pub settled: bool,
    /// Its destinations; no two with the same key.
    pub destinations: Vec<WantedDestination>,
    /// Remove destinations that are not in the list.
    pub purge: bool,
}

/// A destination as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedDestination {
    /// What it is while it serves.
    pub destination: Destination,
    /// Its address and port in the configuration, for log lines.
    pub configured: SocketAddr,
    /// Real server or fallback.
    pub role: Role,
    /// Whether and how it shall be there.
    pub presence: Presence,
    /// Whether the table has held it like this already.
    pub settled: bool,
    /// It was there already and stays, only its weight is another one now.
    pub moved: bool,
}

/// What a destination is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A real server.
    Real,
    /// The server of last resort.
    Fallback,
}

/// Whether and how a destination shall be in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Presence {
    /// With its weight.
    Serving,
    /// With weight 0. If it is absent it is added only with `add`.
    Quiescent {
        /// See there.
        add: bool,
    },
    /// With weight 0, as an administrator wants it. If it is absent it is added only with `add`.
    Drained {
        /// See there.
        add: bool,
    },
    /// Not.
    Absent,
    /// However it is: nothing is known yet.
    AsIs,
}

impl Presence {
    /// Whether both are the same but for `add`.
    pub fn is_like(self, other: Presence) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// One edit of the kernel's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is done.
    pub action: Action,
    /// What that means.
    pub verb: Verb,
    /// For what the destination is; `None` where the service itself is concerned.
    pub role: Option<Role>,
    /// The log line when it is done, as ldirectord writes it.
    pub message: String,
    /// What somebody else had changed, if that is why.
    pub repairs: Option<String>,
}

/// What an edit means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It was not there.
    Added,
    /// A service has another scheduler or other options, or a destination that stays up another weight.
    Changed,
    /// A destination was there and has its weight now.
    Restored,
    /// A destination has weight 0 now.
    Quiescent,
    /// A destination that somebody had removed is back with weight 0.
    Readded,
    /// A destination is gone because it is down.
    Deleted,
    /// It is gone because nobody wants it any more.
    Purged,
}

impl Verb {
    /// As log lines begin.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Added => "Added",
            Verb::Changed => "Changed",
            Verb::Restored => "Restored",
            Verb::Quiescent => "Quiescent",
            Verb::Readded => "Readd Quiescent",
            Verb::Deleted => "Deleted",
            Verb::Purged => "Purged",
        }
    }
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Add a service.
    AddService(Service),
    /// Change a service; its connections stay.
    UpdateService(Service),
    /// Delete a service with its destinations.
    DeleteService(ServiceKey),
    /// Add a destination.
    AddDestination(ServiceKey, Destination),
    /// Change a destination; its connections stay.
    UpdateDestination(ServiceKey, Destination),
    /// Delete a destination.
    DeleteDestination(ServiceKey, DestinationKey),
}

impl Action {
    /// The service it concerns.
    pub fn service(&self) -> &ServiceKey {
        match self {
            Action::AddService(service) | Action::UpdateService(service) => &service.key,
            Action::DeleteService(key) => key,
            Action::AddDestination(key, _)
            | Action::UpdateDestination(key, _)
            | Action::DeleteDestination(key, _) => key,
        }
    }

    /// The destination it concerns.
    pub fn destination(&self) -> Option<DestinationKey> {
        match self {
            Action::AddDestination(_, destination) | Action::UpdateDestination(_, destination) => {
                Some(destination.key)
            }
            Action::DeleteDestination(_, key) => Some(*key),
            _ => None,
        }
    }
}

/// The edits that turn the table into what is wanted.
pub fn reconcile(wanted: &[Wanted], table: &Table) -> Vec<Edit> {
    let (mut services, mut additions, mut removals) = (Vec::new(), Vec::new(), Vec::new());
    let held = table.index();
    for want in wanted {
        let found = held.get(&want.service.key).copied();
        services.extend(service_edit(want, found.map(|(service, _)| service)));
        let destinations = found.map_or(&[][..], |(_, destinations)| destinations.as_slice());
        for edit in destination_edits(want, destinations) {
            match &edit.action {
                Action::AddDestination(..) => additions.push(edit),
                Action::UpdateDestination(_, destination) if destination.weight > 0 => additions.push(edit),
                _ => removals.push(edit),
            }
        }
    }
    services.into_iter().chain(additions).chain(removals).collect()
}

/// The edits that take services of ours away: at a reload those that left the plan, at the end all with
/// `cleanstop`. `ours` are their configured destinations, which are named in the log; `stage` is `start` or `stop`.
pub fn remove(
    service: &ServiceKey,
    ours: &[(DestinationKey, SocketAddr, Role)],
    table: &Table,
    stage: &str,
) -> Vec<Edit> {
    let Some((_, destinations)) = table.find(service) else { return Vec::new() };
    let named = ours.iter().filter(|(key, ..)| destinations.iter().any(|found| found.key == *key));
    let mut edits: Vec<Edit> = named
        .map(|(key, configured, role)| Edit {
            action: Action::DeleteDestination(service.clone(), *key),
            verb: Verb::Purged,
            role: Some(*role),
            message: format!("Purged {} ({stage}): {configured} ({})", role.name(), shown(service)),
            repairs: None,
        })
        .collect();
    edits.push(Edit {
        action: Action::DeleteService(service.clone()),
        verb: Verb::Purged,
        role: None,
        message: format!("Purged virtual server ({stage}): {}", shown(service)),
        repairs: None,
    });
    edits
}

fn service_edit(want: &Wanted, found: Option<&Service>) -> Option<Edit> {
    let at = shown(&want.service.key);
    let (action, verb, repairs) = match found {
        None => (
            Action::AddService(want.service.clone()),
            Verb::Added,
            format!("virtual server {at} was missing"),
        ),
        Some(found) if *found != want.service => (
            Action::UpdateService(want.service.clone()),
            Verb::Changed,
            format!("virtual server {at} was changed ({})", difference(found, &want.service)),
        ),
        Some(_) => return None,
    };
    let message = format!("{} virtual server: {at}", verb.name());
    Some(Edit { action, verb, role: None, message, repairs: want.settled.then_some(repairs) })
}

fn difference(found: &Service, wanted: &Service) -> String {
    let mut parts = Vec::new();
    if found.scheduler != wanted.scheduler {
        parts.push(format!("scheduler {} instead of {}", found.scheduler, wanted.scheduler));
    }
    if found.persistence != wanted.persistence {
        let text = |service: &Service| match &service.persistence {
            None => "none".to_owned(),
            Some(p) if p.netmask.is_host() => format!("{} s", p.timeout),
            Some(p) => format!("{} s, netmask {}", p.timeout, p.netmask),
        };
        parts.push(format!("persistence {} instead of {}", text(found), text(wanted)));
    }
    if found.scheduler_flags != wanted.scheduler_flags || found.one_packet != wanted.one_packet {
        parts.push("flags".to_owned());
    }
    parts.join(", ")
}

fn destination_edits(want: &Wanted, found: &[Destination]) -> Vec<Edit> {
    let key = &want.service.key;
    let mut strangers: FxHashMap<DestinationKey, &Destination> =
        found.iter().map(|found| (found.key, found)).collect();
    let mut edits: Vec<Edit> = want
        .destinations
        .iter()
        .filter_map(|wanted| wanted.edit(key, strangers.remove(&wanted.destination.key)))
        .collect();
    if want.purge {
        let left = found.iter().filter(|found| strangers.contains_key(&found.key));
        edits.extend(left.map(|stranger| Edit {
            action: Action::DeleteDestination(key.clone(), stranger.key),
            verb: Verb::Purged,
            role: Some(Role::Real),
            message: format!("Purged real server (start): {} ({})", stranger.key, shown(key)),
            repairs: None,
        }));
    }
    edits
}

impl WantedDestination {
    fn edit(&self, service: &ServiceKey, found: Option<&Destination>) -> Option<Edit> {
        match (self.presence, found) {
            (Presence::AsIs, _)
            | (Presence::Absent, None)
            | (Presence::Quiescent { add: false } | Presence::Drained { add: false }, None) => None,
            // Somebody put it back although it is down: the administrator's will.
            (Presence::Absent, Some(_)) if self.settled => None,
            (Presence::Absent, Some(_)) => {
                let action = Action::DeleteDestination(service.clone(), self.destination.key);
                Some(self.edit_as(action, Verb::Deleted, None, None))
            }
            (Presence::Serving, None) => {
                let action = Action::AddDestination(service.clone(), self.destination.clone());
                let repairs = self.repairs(service, "was missing".into());
                Some(self.edit_as(action, Verb::Added, Some(self.destination.weight), repairs))
            }
            (Presence::Quiescent { add: true } | Presence::Drained { add: true }, None) => {
                let action = Action::AddDestination(service.clone(), self.with_weight(0));
                let verb = if self.settled { Verb::Readded } else { Verb::Quiescent };
                let repairs = self.repairs(service, "was missing".into());
                Some(self.edit_as(action, verb, Some(0), repairs))
            }
            (Presence::Serving | Presence::Quiescent { .. } | Presence::Drained { .. }, Some(found)) => {
                self.update(service, found)
            }
        }
    }

    fn update(&self, service: &ServiceKey, found: &Destination) -> Option<Edit> {
        let (verb, weight) = match self.presence {
            Presence::Serving if self.moved => (Verb::Changed, self.destination.weight),
            Presence::Serving => (Verb::Restored, self.destination.weight),
            _ => (Verb::Quiescent, 0),
        };
        let mut target = self.with_weight(if self.settled { found.weight } else { weight });
        if found.forwarding == Forwarding::Local {
            target.forwarding = Forwarding::Local; // old kernels show their own addresses like this
        }
        if target == *found {
            return None;
        }
        let weight = target.weight;
        let found = format!(
            "was changed ({}, thresholds {}/{})",
            found.forwarding, found.lower_threshold, found.upper_threshold
        );
        let repairs = self.repairs(service, found);
        let action = Action::UpdateDestination(service.clone(), target);
        Some(self.edit_as(action, verb, Some(weight), repairs))
    }

    fn edit_as(&self, action: Action, verb: Verb, weight: Option<u32>, repairs: Option<String>) -> Edit {
        let message = self.message(verb, action.service(), weight);
        Edit { action, verb, role: Some(self.role), message, repairs }
    }

    fn with_weight(&self, weight: u32) -> Destination {
        Destination { weight, ..self.destination.clone() }
    }

    fn repairs(&self, service: &ServiceKey, how: String) -> Option<String> {
        self.settled.then(|| format!("{} {} ({}) {how}", self.role.name(), self.configured, shown(service)))
    }

    /// `Added real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 1)`.
    fn message(&self, verb: Verb, service: &ServiceKey, weight: Option<u32>) -> String {
        let key = SocketAddr::new(self.destination.key.address, self.destination.key.port);
        let server = if matches!(verb, Verb::Quiescent | Verb::Readded) && key != self.configured {
            format!("{key} mapped from {}", self.configured)
        } else {
            self.configured.to_string()
        };
        let weight = weight.map_or(String::new(), |weight| format!(" (Weight set to {weight})"));
        format!("{} {}: {server} ({}){weight}", verb.name(), self.role.name(), shown(service))
    }
}

impl Role {
    /// As log lines call it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Real => "real server",
            Role::Fallback => "fallback server",
        }
    }
}

#[cfg(test)]
mod tests;
