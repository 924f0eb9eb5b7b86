//! What checks and the maintenance directory have found.

use super::{Daemon, log};
use crate::checks;
use crate::maintenance::{Maintenance, Resting};
use std::time::SystemTime;

impl Daemon {
    /// A check has ended.
    pub(super) fn checked(&mut self, (probe, checked, asked): checks::Result) {
        self.monitor_result(&probe, &checked);
        log(&self.director.observe(&probe, &checked, SystemTime::now()));
        self.tell_notices();
        if probe.recheck.is_some() {
            self.checks.doubt(&probe, self.director.is_in_doubt(&probe));
        }
        asked.into_iter().for_each(|asked| drop(asked.send(checked.clone())));
    }

    /// Takes servers out of service, or back, as the maintenance directory says.
    pub(super) fn rest(&mut self) {
        let (lines, changed) = self.director.maintain(|real| self.resting.includes(real), SystemTime::now());
        log(&lines);
        self.dirty |= changed;
        self.checks.rest(&self.director.idle_probes());
    }

    pub(super) fn look_at_maintenance(&mut self) {
        if self.maintenance.as_ref().is_some_and(|maintenance| maintenance.directory().is_some()) {
            if let Some(maintenance) = self.maintenance.take() {
                self.tasks.look_at_maintenance(maintenance, self.resting.clone());
            }
        }
    }

    /// The directory was read.
    pub(super) fn rested(&mut self, maintenance: Maintenance, resting: Resting) {
        let directory = self.director.plan().settings.maintenance_dir.as_deref();
        if self.maintenance.is_some() || maintenance.directory() != directory {
            return; // a reload has brought another directory
        }
        self.maintenance = Some(maintenance);
        if self.resting != resting {
            self.resting = resting;
            self.rest();
        }
    }
}
