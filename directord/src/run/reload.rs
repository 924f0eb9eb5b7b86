//! Another configuration: from the change of the file to the plan that is in force.
//!
//! ```text
//!  file, signal, tool ──► load: a thread reads file, names, certificates; meanwhile the kernel's reads the table
//!                              │ Event::Loaded             │ with errors: told, nothing changes
//!                              ▼
//!                         next plan, waits until no pass is under way
//!                              │ the kernel's thread reads what the table holds of it, if that is not known
//!                              ▼ Event::TableRead
//!                         apply: in force; the next pass places it
//! ```
//!
//! Reading the table takes its turn among the passes, so that what was read is still so when the plan is put into
//! force. What was read beside the file serves, too, if no pass came between. Nothing of all this
//! keeps the loop from checks and tools.

use super::asked::tell;
use super::tasks::{Read, Reply};
use super::{Daemon, GATHER, log_settings, seconds};
use crate::config::{LoadError, Loaded, Phase, Report};
use crate::control::Answer;
use crate::director::{Event, What};
use crate::kernel::Known;
use crate::maintenance::{Maintenance, Resting};
use crate::watch::Look;
use ipvs::ServiceKey;
use std::collections::HashSet;
use std::process::Command;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use tracing::{error, info, warn};

/// So long what was read of the table is taken for what it holds, if no pass came between: longer than a large file takes,
/// not as long as a name server that does not answer.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// The table as it was when a configuration began to be read.
pub(super) struct Ahead {
    pub(super) known: Known,
    /// When that was.
    pub(super) began: Instant,
    /// How many passes had begun by then.
    pub(super) passes: u64,
}

/// A configuration without errors that is not in force yet.
pub(super) struct NextPlan {
    loaded: Loaded,
    ahead: Option<Ahead>,
    maintenance: Maintenance,
    resting: Resting,
    /// Who asked for it.
    answers: Vec<Reply>,
}

impl Daemon {
    pub(super) fn look_at_file(&mut self) {
        if let Some(watch) = self.watch.take() {
            self.tasks.look_at_file(watch);
        }
    }

    pub(super) fn looked(&mut self, look: Look) {
        let file = self.instance.config.display();
        match look {
            Look::Same => {}
            Look::Gone(why) => warn!("Configuration file '{file}' cannot be read: {why}"),
            Look::Changed => {
                info!("Configuration file '{file}' has changed on disk");
                self.callback_due = self.standby.mode.active; // on standby nobody answers for the file
                // Activated, it must not know less than a daemon that is started at that moment.
                if self.director.plan().settings.auto_reload || !self.standby.mode.active {
                    info!(" - reread new configuration");
                    self.executed_by.clear();
                    self.load(Vec::new());
                } else {
                    info!(" - ignore new configuration");
                }
            }
        }
        self.call_back();
    }

    /// Tells `callback` of a change, after the reload that came of it. While it runs a later change waits.
    fn call_back(&mut self) {
        if !self.callback_due || self.reloading || !self.tasks.callbacks.are_done() {
            return;
        }
        self.callback_due = false;
        if let Some(callback) = &self.director.plan().settings.callback {
            let mut command = Command::new(callback);
            command.arg(&self.instance.config).current_dir("/");
            self.tasks.callbacks.run(command);
        }
    }

    /// Reads the configuration on another thread: names may have to be looked up.
    pub(super) fn load(&mut self, answers: Vec<Reply>) {
        if self.reloading {
            // What is being read may be older than this wish.
            self.tasks.later(answers);
            return;
        }
        self.reloading = true;
        daemon::notify::reloading();
        let (began, passes) = (Instant::now(), self.passes);
        // With a pass ahead, it would be old by then.
        let useful = !self.dirty && !self.director.is_due();
        let reading = useful.then(|| self.kernel.read(self.director.plan().keys().cloned().collect()));
        let ahead = async move { Some(Ahead { known: reading?.await.ok()?, began, passes }) };
        self.tasks.load(self.instance.clone(), self.checks.preparing(), ahead, answers);
    }

    /// A plan begins: its new probes run at once.
    pub(super) fn begin(&mut self) {
        self.rest();
        self.look_at_maintenance();
        self.tasks.look_for_schedulers(self.director.plan(), self.standby.mode.standby);
        let probes = self.director.probes();
        self.begin_phase(&probes);
        self.checks.set(&probes);
        // Not put off by a reload that follows soon: under a storm of them servers still fail over.
        self.gather_until.get_or_insert_with(|| Instant::now() + GATHER);
        self.dirty = true;
    }

    /// Logs what is to be said about a configuration.
    pub(super) fn report(&self, report: &Report) {
        for line in report.lines() {
            if line.contains(": warning: ") { warn!("{line}") } else { error!("{line}") }
        }
    }

    /// A configuration was read. One with errors changes nothing.
    pub(super) fn loaded(&mut self, read: Read, answers: Vec<Reply>) {
        self.watch = Some(read.watch); // what was read is no news any more
        // One on standby places nothing yet.
        let held_by_another = read.held_by_another.filter(|_| self.standby.mode.active);
        let result = match (read.result, held_by_another) {
            (Ok(_), Some(why)) => return self.reloaded(Err(why), answers),
            (result, _) => result,
        };
        match result {
            Ok(loaded) => {
                self.report(&loaded.report);
                read.advice.iter().for_each(|advice| warn!("{advice}"));
                let (ahead, maintenance, resting) = (read.ahead, read.maintenance, read.resting);
                self.next_plan = Some(Box::new(NextPlan { loaded, ahead, maintenance, resting, answers }));
            }
            Err(LoadError::Refused(report)) => {
                self.report(&report);
                let errors: Vec<String> = report.lines().filter(|line| line.contains(": error: ")).collect();
                self.reloaded(Err(errors.join("\n")), answers);
            }
            Err(error) => self.reloaded(Err(error.to_string()), answers),
        }
    }

    /// Has the table read for the next plan, as soon as no pass is under way; and none is until that is done.
    pub(super) fn read_for_next_plan(&mut self) {
        if self.in_pass {
            return;
        }
        let Some(mut next) = self.next_plan.take() else { return };
        let keys = next.loaded.plan.keys().chain(self.director.plan().keys());
        let keys: HashSet<ServiceKey> =
            keys.chain(self.leaving.iter().map(|(key, _)| key)).cloned().collect();
        let fresh = |ahead: &Ahead| {
            let same = ahead.passes == self.passes && ahead.began.elapsed() < FRESH;
            same && keys.is_subset(&ahead.known.services)
        };
        match next.ahead.take().filter(fresh) {
            Some(ahead) => self.read_done(*next, Ok(ahead.known)),
            None => {
                self.in_pass = true;
                self.tasks.read_for(next, self.kernel.read(keys));
            }
        }
    }

    /// The table was read.
    pub(super) fn read_done(&mut self, next: NextPlan, known: Result<Known, String>) {
        self.in_pass = false;
        let NextPlan { loaded, maintenance, resting, answers, .. } = next;
        let applied = known.map(|known| self.apply(loaded, maintenance, resting, known));
        self.reloaded(applied, answers);
    }

    /// A reload has ended.
    fn reloaded(&mut self, applied: Result<(), String>, answers: Vec<Reply>) {
        self.reloading = false;
        if let Some(answers) = self.tasks.waiting() {
            self.load(answers);
        }
        match &applied {
            Ok(()) => {
                info!("Configuration is in force");
                self.journal.add(vec![Event::new(SystemTime::now(), What::Loaded, &self.status.config)]);
            }
            Err(why) => {
                error!("Configuration is not used, the one before stays in force: {why}");
                self.journal.add(vec![Event::new(SystemTime::now(), What::NotLoaded, why)]);
            }
        }
        self.call_back();
        self.status.load_error = applied.as_ref().err().cloned();
        if self.first_round.is_none() && self.starting.is_none() {
            daemon::notify::ready();
        }
        match applied {
            Ok(()) => self.waiting.extend(answers),
            Err(why) => answers
                .into_iter()
                .for_each(|answer| tell(&answer, vec![Answer::Refused { why: why.clone() }])),
        }
    }

    /// The plan is in force from now on; the table is known to hold this of it.
    fn apply(&mut self, loaded: Loaded, maintenance: Maintenance, resting: Resting, known: Known) {
        let settings = log_settings(&loaded.plan.settings, &self.instance.name, self.mode);
        self.log.reconfigure(settings);
        // The same directory is known better: with names.
        if maintenance.directory() != self.director.plan().settings.maintenance_dir.as_deref() {
            self.maintenance = Some(maintenance);
            self.resting = resting;
        }
        let drained = self.director.drained();
        let left = self.director.reload(loaded.plan, &known.table, SystemTime::now());
        self.known = Some(known);
        if self.director.drained() != drained {
            drop(self.drains.keep(self.director.drained()));
        }
        let plan = self.director.plan();
        // On standby nothing of them is in the table.
        self.leaving.extend(left.into_iter().filter(|_| self.standby.mode.active));
        if self.standby.mode.active {
            self.leaving.retain(|(key, _)| !plan.has(key));
        }
        self.epoch += 1;
        self.phase = Phase::Reloading;
        self.execute();
        self.status.loaded = seconds();
        self.begin();
    }
}
