//! Which mails are due. Pure: no clock, no socket, no log; what was done and what time it is come in.
//!
//! * Every edit that adds, restores, quiesces, deletes or purges a destination is told of.
//! * So is a server that is down although nothing was edited for that: it was never in the table, or its edit was
//!   refused. ldirectord had put such a server into service first, to have something to take out.
//! * With `emailalertfreq` one is reminded of a server for as long as it is down.

use crate::config::plan::shown;
use crate::config::{Address, Alerts as Settings, MailHost, Phase, Plan};
use crate::director::Down;
use crate::reconcile::{Action, Edit, Role, Verb};
use ipvs::{DestinationKey, ServiceKey};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// A mail that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// To whom, and through which server.
    pub settings: Settings,
    /// From whom, if the configuration says so.
    pub from: Option<Address>,
    /// What has happened, as a log line.
    pub event: String,
    /// `servicename` of the service.
    pub service: Option<String>,
    /// `comment` of the service.
    pub comment: Option<String>,
    /// How the last check of the server ended that is down, and after what time.
    pub check: Option<String>,
    /// What the daemon is doing.
    pub phase: Phase,
}

impl Mail {
    /// The mail's subject.
    pub fn subject(&self) -> String {
        match &self.service {
            Some(service) => format!("[{service}] {}", self.event),
            None => self.event.clone(),
        }
    }

    /// Where it goes: mails of the same route wait for each other.
    pub fn route(&self) -> Option<&MailHost> {
        self.settings.via.as_ref()
    }
}

/// See the module. Times are those of a clock that never goes back, from any beginning.
#[derive(Debug, Default)]
pub struct Alerts {
    services: HashMap<ServiceKey, Told>,
    from: Option<Address>,
    /// Real servers that are down, and were told of.
    down: HashMap<(ServiceKey, DestinationKey), Known>,
}

/// Who is told of a service.
#[derive(Debug)]
struct Told {
    settings: Settings,
    name: Option<String>,
    comment: Option<String>,
}

#[derive(Clone, Debug)]
struct Known {
    /// As configured; `None` until it was found among those that are down.
    server: Option<SocketAddr>,
    /// When it was last told of.
    told: Duration,
    /// How its last check ended.
    check: Option<String>,
}

impl Alerts {
    /// What a configuration asks for. Who was told of a service that leaves with this configuration is still told
    /// that it does.
    pub fn load(&mut self, plan: &Plan) {
        self.from = plan.settings.alert_from.clone();
        for service in &plan.services {
            match &service.alerts {
                Some(settings) => {
                    let (settings, name) = (settings.clone(), service.name.clone());
                    let told = Told { settings, name, comment: service.comment.clone() };
                    self.services.insert(service.service.key.clone(), told);
                }
                None => drop(self.services.remove(&service.service.key)),
            }
        }
    }

    /// Whether anybody is told of anything.
    pub fn are_wanted(&self) -> bool {
        !self.services.is_empty()
    }

    /// The table was edited. `down` are the real servers that were down when that began; `None` if that is not known.
    pub fn edited(
        &mut self,
        edits: &[Edit],
        down: Option<&[Down]>,
        phase: Phase,
        now: Duration,
    ) -> Vec<Mail> {
        let mut mails = Vec::new();
        let found =
            down.unwrap_or_default().iter().map(|found| ((&found.service, &found.destination), found));
        let found: HashMap<_, _> = found.collect();
        for edit in edits {
            let at = edit.action.destination().map(|key| (edit.action.service().clone(), key));
            let found = at.as_ref().and_then(|(service, key)| found.get(&(service, key)));
            mails.extend(self.edit(edit, found.and_then(|found| found.check.clone()), phase, now));
        }
        if let Some(down) = down {
            mails.extend(self.found_down(down, phase, now));
        }
        mails
    }

    /// Something is said of a service as a whole.
    pub fn noticed(&self, service: &ServiceKey, event: String, phase: Phase) -> Option<Mail> {
        self.mail(service, event, None, phase)
    }

    /// The reminders that are due.
    pub fn reminders(&mut self, phase: Phase, now: Duration) -> Vec<Mail> {
        let mut due = Vec::new();
        for ((service, _), known) in &mut self.down {
            let every = self.services.get(service).and_then(|told| told.settings.every);
            if every.is_some_and(|every| now.saturating_sub(known.told) >= every) {
                known.told = now;
                let event = known.server.map(|server| inaccessible(server, service));
                due.extend(event.map(|event| (service.clone(), event, known.check.clone())));
            }
        }
        due.sort_by(|(_, one, _), (_, other, _)| one.cmp(other));
        due.into_iter()
            .filter_map(|(service, event, check)| self.mail(&service, event, check, phase))
            .collect()
    }

    fn edit(&mut self, edit: &Edit, check: Option<String>, phase: Phase, now: Duration) -> Option<Mail> {
        let service = edit.action.service();
        let Some((role, key)) = edit.role.zip(edit.action.destination()) else {
            if matches!(edit.action, Action::DeleteService(_)) {
                self.down.retain(|(other, _), _| other != service);
                self.services.remove(service);
            }
            return None;
        };
        // Without a log line for it, ldirectord mailed nothing of a fallback that leaves with its service.
        if (edit.verb, role) == (Verb::Purged, Role::Fallback) {
            return None;
        }
        // A weight that moves while the server is up is no news: one in ten steps would be ten mails.
        if edit.verb == Verb::Changed {
            return None;
        }
        let at = (service.clone(), key);
        match edit.verb {
            Verb::Quiescent | Verb::Readded | Verb::Deleted if role == Role::Real => {
                if self.services.contains_key(service) {
                    self.down.insert(at, Known { server: None, told: now, check: check.clone() });
                }
            }
            _ => drop(self.down.remove(&at)),
        }
        // Its log line says "Readd Quiescent", its mail never did.
        let event = edit.message.strip_prefix("Readd ").unwrap_or(&edit.message).to_owned();
        let tells_of_fall = matches!(edit.verb, Verb::Quiescent | Verb::Deleted) && role == Role::Real;
        self.mail(service, event, check.filter(|_| tells_of_fall), phase)
    }

    /// Keeps what is down, and tells of what nothing was edited for.
    fn found_down(&mut self, down: &[Down], phase: Phase, now: Duration) -> Vec<Mail> {
        let mut before = std::mem::take(&mut self.down);
        let mut mails = Vec::new();
        for Down { service, destination, server, check } in down {
            if !self.services.contains_key(service) {
                continue;
            }
            let at = (service.clone(), *destination);
            let told = before.remove(&at).map(|known| known.told).unwrap_or_else(|| {
                mails.extend(self.mail(service, inaccessible(*server, service), check.clone(), phase));
                now
            });
            let known = Known { server: Some(*server), told, check: check.clone() };
            self.down.insert(at, known);
        }
        mails
    }

    fn mail(&self, service: &ServiceKey, event: String, check: Option<String>, phase: Phase) -> Option<Mail> {
        let told = self.services.get(service).filter(|told| told.settings.when.includes(phase))?;
        Some(Mail {
            settings: told.settings.clone(),
            from: self.from.clone(),
            event,
            service: told.name.clone().filter(|name| !name.is_empty()),
            comment: told.comment.clone().filter(|comment| !comment.is_empty()),
            check,
            phase,
        })
    }
}

fn inaccessible(server: SocketAddr, service: &ServiceKey) -> String {
    format!("Inaccessible real server: {server} ({})", shown(service))
}

#[cfg(test)]
mod tests;
