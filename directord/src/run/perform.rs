//! What the loop does: passes over the kernel's table, reloads, the end.

use super::{Daemon, Next, Pass, log_settings, seconds};
use crate::config::{LoadError, Loaded, Report};
use crate::control::Answer;
use crate::director::Leaving;
use crate::kernel::Done;
use crate::maintenance::Maintenance;
use crate::reconcile::Wanted;
use std::process::ExitCode;
use std::time::SystemTime;
use tracing::{error, info, warn};

impl Daemon {
    /// Compares the table with what is wanted, and edits it, on the kernel's thread.
    pub(super) fn pass(&mut self) {
        self.dirty = false;
        self.in_pass = true;
        let wanted = self.director.wanted();
        let leaving = std::mem::take(&mut self.leaving);
        let pass = Pass { wanted: wanted.clone(), leaving: leaving.clone(), stage: "start" };
        self.tasks.pass(self.epoch, wanted, leaving, self.kernel.pass(pass));
    }

    pub(super) fn passed(
        &mut self,
        epoch: u64,
        wanted: &[Wanted],
        leaving: Vec<Leaving>,
        result: Result<Done, String>,
    ) -> Next {
        self.in_pass = false;
        let done = match result {
            Ok(done) => done,
            Err(why) => {
                self.leaving.extend(leaving);
                self.complain(vec![why]);
                return self.answer_start(false);
            }
        };
        self.log_edits(&done);
        let failed: Vec<_> = done.failed.iter().map(|(failed, _)| failed.clone()).collect();
        self.leaving
            .extend(leaving.into_iter().filter(|(key, _)| failed.iter().any(|(service, _)| service == key)));
        if epoch == self.epoch {
            self.director.placed(wanted, &failed);
            self.table = done.table;
        }
        let any_service =
            wanted.is_empty() || wanted.iter().any(|want| self.table.find(&want.service.key).is_some());
        self.status.table_read = Some(seconds());
        self.complain(done.failed.into_iter().map(|(_, why)| why).collect());
        if epoch == self.epoch {
            self.answer_reloads();
        }
        for command in self.director.fallback_commands() {
            self.tasks.shell(command);
        }
        self.notify();
        self.answer_start(any_service)
    }

    fn log_edits(&mut self, done: &Done) {
        for edit in &done.edits {
            if let Some(found) = &edit.repairs {
                self.status.repairs += 1;
                warn!("Kernel table was changed by somebody else: {found}");
            }
            info!("{}", edit.message);
        }
    }

    /// Says what failed, but the same only once.
    fn complain(&mut self, errors: Vec<String>) {
        for why in errors.iter().filter(|why| !self.status.table_errors.contains(why)) {
            error!("Kernel table: {why}");
        }
        self.status.table_errors = errors;
    }

    /// Tells who asked for a reload that it is in the kernel's table, or what is not.
    fn answer_reloads(&mut self) {
        for answer in self.waiting.drain(..) {
            let line = match self.status.table_errors.as_slice() {
                [] => Answer::End,
                errors => Answer::Refused { why: errors.join("\n") },
            };
            let _ = answer.send(vec![line]);
        }
    }

    /// Tells who started the daemon that the services are in the table, or why not.
    fn answer_start(&mut self, placed: bool) -> Next {
        let Some(starting) = self.starting.take() else { return Next::Continue };
        if !placed {
            let why = self.status.table_errors.join("\n");
            return Next::Failed(
                starting.failed(&format!("directord: no service is in the kernel's table: {why}"), 1),
            );
        }
        for why in &self.status.table_errors {
            eprintln!("directord: {why}");
        }
        starting.ready();
        Next::Continue
    }

    fn notify(&self) {
        let (up, all) = self.director.count();
        daemon::notify::status(&format!("{up} of {all} real servers are up"));
    }

    /// Logs what is to be said about a configuration.
    pub(super) fn report(&self, report: &Report) {
        for line in report.lines() {
            if line.contains(": warning: ") { warn!("{line}") } else { error!("{line}") }
        }
    }

    /// A configuration was read. One with errors changes nothing.
    pub(super) async fn loaded(&mut self, result: Result<Loaded, LoadError>) -> Result<(), String> {
        self.reloading = false;
        if let Some((reason, answer)) = self.tasks.waiting() {
            self.load(reason, answer);
        }
        let applied = match result {
            Ok(loaded) => self.apply(loaded).await,
            Err(LoadError::Refused(report)) => {
                self.report(&report);
                Err(report.lines().filter(|line| line.contains(": error: ")).collect::<Vec<_>>().join("\n"))
            }
            Err(error) => Err(error.to_string()),
        };
        match &applied {
            Ok(()) => info!("Configuration is in force"),
            Err(why) => error!("Configuration is not used, the one before stays in force: {why}"),
        }
        self.status.load_error = applied.as_ref().err().cloned();
        applied
    }

    async fn apply(&mut self, loaded: Loaded) -> Result<(), String> {
        self.report(&loaded.report);
        let keys = loaded.plan.services.iter().map(|service| service.service.key.clone()).collect();
        let table = self.kernel.read(keys).await?;
        let settings = log_settings(&loaded.plan.settings, &self.instance.name, self.mode);
        self.log.reconfigure(settings);
        let directory = loaded.plan.settings.maintenance_dir.clone();
        let left = self.director.reload(loaded.plan, &table, SystemTime::now());
        let plan = self.director.plan();
        self.leaving.extend(left);
        self.leaving.retain(|(key, _)| !plan.services.iter().any(|service| service.service.key == *key));
        self.maintenance = Some(Maintenance::new(directory.as_deref()));
        self.table = table;
        self.epoch += 1;
        self.status.loaded = seconds();
        self.begin().await;
        Ok(())
    }

    /// The end: what is to leave the table leaves it.
    pub(super) async fn stop(self, signal: &str) -> ExitCode {
        daemon::notify::stopping();
        drop(self.checks);
        let mut leaving = self.leaving;
        leaving.extend(self.director.stopping());
        match self.kernel.pass(Pass { wanted: Vec::new(), leaving, stage: "stop" }).await {
            Ok(done) => {
                done.edits.iter().for_each(|edit| info!("{}", edit.message));
                done.failed.iter().for_each(|(_, why)| error!("Kernel table: {why}"));
            }
            Err(why) => error!("Kernel table: {why}"),
        }
        info!("Linux Director Daemon terminated on signal: {}", signal.trim_start_matches("SIG"));
        if let Some(starting) = self.starting {
            return starting.failed("directord: stopped before it was ready", 1);
        }
        ExitCode::SUCCESS
    }
}
