//! Changes of state, as an administrator wants to read them afterwards.

use super::{Director, Service};
use crate::config::{RealServer, VirtualService};
use crate::reconcile::Presence;
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// What happened.
    pub what: What,
    /// The service it concerns.
    pub service: Option<String>,
    /// The real server, or the fallback, it concerns.
    pub server: Option<String>,
    /// Why, or what exactly.
    pub why: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The daemon began.
    Started,
    /// The services go into the kernel's table.
    Activated,
    /// They leave it; the checks go on.
    Deactivated,
    /// A configuration is in force.
    Loaded,
    /// A configuration was not taken.
    NotLoaded,
    /// A server is up.
    Up,
    /// A server is down.
    Down,
    /// All servers of a service failed together, and their last verdicts stay.
    Kept,
    /// A check has passed, and they count again.
    KeptEnded,
    /// A server is in maintenance.
    Maintenance,
    /// It is no longer.
    MaintenanceEnded,
    /// A server was taken out of service by hand.
    Drained,
    /// And given back.
    Undrained,
    /// The fallback takes the connections.
    Fallback,
    /// It does no longer.
    FallbackEnded,
    /// Somebody else had changed the kernel's table, and it was set right.
    Repaired,
    /// Somebody else has changed it, and that stays.
    ByHand,
    /// The kernel refused an edit.
    Refused,
}

impl What {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            What::Started => "started",
            What::Activated => "activated",
            What::Deactivated => "on standby",
            What::Loaded => "configuration in force",
            What::NotLoaded => "configuration NOT taken",
            What::Up => "up",
            What::Down => "DOWN",
            What::Kept => "ALL FAILED together, last verdicts stay",
            What::KeptEnded => "verdicts count again",
            What::Maintenance => "in maintenance",
            What::MaintenanceEnded => "no longer in maintenance",
            What::Drained => "drained",
            What::Undrained => "no longer drained",
            What::Fallback => "FALLBACK active",
            What::FallbackEnded => "fallback no longer active",
            What::Repaired => "table repaired",
            What::ByHand => "changed by hand",
            What::Refused => "kernel REFUSED",
        }
    }
}

impl Event {
    /// One that concerns the daemon as a whole.
    pub fn new(now: SystemTime, what: What, why: impl Into<String>) -> Event {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Event { at_ms, what, service: None, server: None, why: why.into() }
    }

    /// One that concerns a service and a server.
    pub fn of(
        now: SystemTime,
        what: What,
        service: &VirtualService,
        real: &RealServer,
        why: impl Into<String>,
    ) -> Event {
        Event {
            service: Some(service.id()),
            server: Some(real.shown().to_string()),
            ..Event::new(now, what, why)
        }
    }
}

impl Director {
    /// What has happened since it was asked last.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

impl Service {
    /// Whether its fallback came or went, as the table is now.
    pub(super) fn note_fallback(&mut self, service: &VirtualService, now: SystemTime) -> Option<Event> {
        let (fallback, presence) = (service.fallback.as_ref()?, self.fallback?);
        let serves = presence == Presence::Serving;
        if std::mem::replace(&mut self.fallback_served, serves) == serves {
            return None;
        }
        let (what, why) = if serves {
            (What::Fallback, "no real server is left")
        } else {
            (What::FallbackEnded, "a real server is back")
        };
        let (id, server) = (Some(service.id()), Some(fallback.key.to_string()));
        Some(Event { service: id, server, ..Event::new(now, what, why) })
    }
}
