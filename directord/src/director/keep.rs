//! `keeplast`: when all servers of a service that were up fail together, this machine is the likelier culprit: its
//! cable, its routes, its firewall. Then their last verdicts stay until one of them passes a check.
//!
//! Together means: within one interval and the limit of one check, for after so long everybody knows of a failure that
//! hit all at the same moment. That is counted in results, not with a clock: since it fell a server has had no more
//! of them than fit into that time. Two at least: a single server that fails says nothing of this machine.

use super::{Director, Event, Line, Service, What};
use crate::config::{Check, RealServer};
use ipvs::ServiceKey;
use std::time::SystemTime;

impl Director {
    /// A check of a server of this service has ended; `held` if that server was held until then. Returns what to log,
    /// if verdicts have changed.
    pub(super) fn keep_last(&mut self, at: usize, passed: bool, held: bool, now: SystemTime) -> Option<Line> {
        let (service, state) = (self.plan.services.get(at)?, self.services.get_mut(at)?);
        if passed && (held || state.is_kept()) {
            state.servers.iter_mut().for_each(|server| server.verdict.let_go());
            let event = Event {
                service: Some(service.id()),
                ..Event::new(now, What::KeptEnded, "a check has passed")
            };
            self.events.push(event);
            let text =
                format!("A check has passed: verdicts on real servers of {} count again", service.id());
            self.notices.push((service.service.key.clone(), text.clone()));
            return Some(Line { warning: true, text });
        }
        if !service.keep_last || state.any_in_use() {
            return None;
        }
        let servers = service.reals.iter().zip(&mut state.servers);
        let fell: Vec<_> =
            servers.filter(|(real, server)| server.verdict.fell_within(results_meanwhile(real))).collect();
        if fell.len() < 2 {
            return None;
        }
        let text = format!(
            "ALL {} real servers of {} that were up have failed within one interval: this machine may be the \
             cause, so their last verdicts stay until a check passes (keeplast=yes)",
            fell.len(),
            service.id()
        );
        for (_, server) in fell {
            server.verdict.hold();
            server.since = now;
        }
        let why = "this machine may be the cause";
        let event = Event { service: Some(service.id()), ..Event::new(now, What::Kept, why) };
        self.events.push(event);
        self.notices.push((service.service.key.clone(), text.clone()));
        Some(Line { warning: true, text })
    }

    /// What is to be mailed since it was asked last: of which service, and what.
    pub fn take_notices(&mut self) -> Vec<(ServiceKey, String)> {
        std::mem::take(&mut self.notices)
    }
}

impl Service {
    /// Whether verdicts stay although checks fail.
    pub(super) fn is_kept(&self) -> bool {
        self.servers.iter().any(|server| server.verdict.is_held())
    }
}

/// How many results of a server that fails at once come while another one of the same service runs into its limit.
fn results_meanwhile(real: &RealServer) -> u32 {
    let Check::Probe(probe) = &real.check else { return 0 };
    let meanwhile = probe.kind.limit().as_nanos().div_ceil(probe.interval.as_nanos().max(1));
    u32::try_from(meanwhile).unwrap_or(u32::MAX)
}
