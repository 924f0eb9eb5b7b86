//! Who is told by mail, and what is written into monitor files: the loop's side of [`crate::alerts`] and
//! [`crate::monitor`].

use super::{AtPass, Daemon};
use crate::check::{Checked, Probe};
use crate::config::Phase;
use crate::monitor;
use crate::reconcile::Edit;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Beyond the longest check, until servers without a verdict no longer keep the daemon from being "running".
const LATE: Duration = Duration::from_secs(1);

impl Daemon {
    /// A plan begins to be carried out.
    pub(super) fn begin_phase(&mut self, probes: &[Arc<Probe>]) {
        let longest = probes.iter().map(|probe| probe.kind.limit()).max().unwrap_or_default();
        self.phase_until = Instant::now() + longest + LATE;
        self.alerts.load(self.director.plan());
    }

    /// What a pass begins with that mails and phases depend on. Without `news` the same servers are down as before.
    pub(super) fn before_pass(&mut self, news: bool) -> AtPass {
        // On standby nobody is told: the node that is active does it.
        let down = match self.alerts.are_wanted() && self.standby.mode.active {
            true if news => self.director.down(),
            true => std::mem::take(&mut self.at_pass.down),
            false => Vec::new(),
        };
        let tried = self.phase == Phase::Running || self.director.is_tried();
        AtPass { down, tried, ..AtPass::default() }
    }

    /// Tells of what a pass did. `current`: it was one of the plan that is in force.
    pub(super) fn after_pass(&mut self, edits: &[Edit], current: bool) {
        if self.at_pass.news || !edits.is_empty() {
            let down = current.then_some(self.at_pass.down.as_slice());
            for mail in self.alerts.edited(edits, down, self.phase, self.began.elapsed()) {
                self.mailer.send(&mail);
            }
        }
        if current && (self.at_pass.tried || Instant::now() >= self.phase_until) {
            if self.phase != Phase::Running {
                self.tasks.forget_start();
            }
            self.phase = Phase::Running;
        }
    }

    /// Has the first round end although no verdict comes any more: by a pass, as what was found is to be in the table.
    pub(super) fn end_round(&mut self) {
        let over = || self.director.is_tried() || Instant::now() >= self.phase_until;
        self.dirty |= self.phase != Phase::Running && over();
    }

    /// Tells of what is said of services as a whole.
    pub(super) fn tell_notices(&mut self) {
        let notices = self.director.take_notices();
        // On standby nobody is told.
        for (service, event) in notices.into_iter().filter(|_| self.standby.mode.active) {
            if let Some(mail) = self.alerts.noticed(&service, event, self.phase) {
                self.mailer.send(&mail);
            }
        }
    }

    /// Reminds of servers that stay down.
    pub(super) fn remind(&mut self) {
        for mail in self.alerts.reminders(self.phase, self.began.elapsed()) {
            self.mailer.send(&mail);
        }
    }

    /// Writes a check's result into the monitor files.
    pub(super) fn monitor_result(&mut self, probe: &Probe, checked: &Checked) {
        for monitored in self.director.monitored(probe) {
            if let Some(line) = monitor::result(monitored.name, checked) {
                self.monitor.write(monitored.file, line);
            }
        }
    }

    /// Writes into the monitor files who is not checked.
    pub(super) fn monitor_maintenance(&mut self) {
        for monitored in self.director.monitored_maintenance() {
            self.monitor.write(monitored.file, monitor::maintenance(monitored.name));
        }
    }
}
