//! What the loop does: passes over the kernel's table, reloads, the end.

use super::asked::tell;
use super::{AtPass, Daemon, Next, RETRY, seconds};
use crate::config::Phase;
use crate::control::{Answer, Mode};
use crate::director::{Event, Leaving, What};
use crate::kernel::{Done, Pass};
use crate::reconcile::Wanted;
use crate::start::failed;
use ipvs::ServiceKey;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use tracing::{error, info, warn};

/// How long a stop waits for commands that it gave, or that still run.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How long it waits for the instances that it executes.
const OTHERS_LIMIT: Duration = Duration::from_secs(20);
/// How long it waits for monitor files.
const MONITOR_LIMIT: Duration = Duration::from_secs(1);
/// How long it waits for mails.
const MAIL_LIMIT: Duration = Duration::from_secs(5);

/// How much longer than its longest check the first round may take, until systemd takes the start for failed.
const ROUND_MARGIN: Duration = Duration::from_secs(90);

impl Daemon {
    /// Compares the table with what is wanted, and edits it, on the kernel's thread: all of it, or the services alone that
    /// are due.
    pub(super) fn pass(&mut self) {
        let whole = std::mem::take(&mut self.dirty) || !self.standby.mode.active;
        self.in_pass = true;
        self.passes += 1;
        let mut news = whole || self.director.is_touched();
        if news {
            self.advance();
        }
        let known = self.known.take();
        let (pass, end_of_look) = if whole {
            self.director.none_is_due();
            self.granted.append(&mut self.wishes);
            (Pass { known, ..self.next_pass() }, true)
        } else {
            let looking = self.director.is_looking();
            let wanted = Arc::new(self.director.take_due());
            (Pass { wanted, stage: "start", ..Pass::default() }, looking && !self.director.is_looking())
        };
        news |= end_of_look;
        self.at_pass = AtPass { whole, news, end_of_look, ..self.before_pass(news) };
        let (wanted, leaving) = (Arc::clone(&pass.wanted), pass.leaving.clone());
        self.tasks.pass(self.epoch, wanted, leaving, self.kernel.pass(pass));
    }

    /// Lets weights grow.
    pub(super) fn advance(&mut self) {
        self.grow_at = self.director.advance(Instant::now().into_std()).map(Instant::from_std);
    }

    pub(super) fn passed(
        &mut self,
        epoch: u64,
        wanted: &[Wanted],
        leaving: Vec<Leaving>,
        result: Result<Done, String>,
    ) -> Next {
        self.in_pass = false;
        let mut done = match result {
            Ok(done) => done,
            Err(why) => {
                self.leave_later(leaving);
                self.complain(vec![why]);
                self.grant();
                self.retry_in(RETRY);
                if epoch == self.epoch {
                    self.answer_switch(false);
                }
                return self.answer_start(false);
            }
        };
        let AtPass { whole, news, end_of_look, .. } = self.at_pass;
        self.log_edits(&done);
        self.after_pass(&done.edits, epoch == self.epoch);
        if whole {
            self.complain_of_claim(done.unclaimed.take());
        }
        let failed: Vec<_> = done.failed.iter().map(|(failed, _)| failed.clone()).collect();
        let left = leaving.into_iter().filter(|(key, _)| failed.iter().any(|(service, _)| service == key));
        self.leave_later(left.collect());
        if epoch == self.epoch {
            for what in self.by_hand.found(wanted, &done.table) {
                info!("Kernel table was changed by somebody else: {what}");
                self.journal.add(vec![Event::new(SystemTime::now(), What::ByHand, what)]);
            }
            self.director.placed(wanted, &failed, &done.table, SystemTime::now());
        }
        // Only its first services are looked at: nearly always the first one is there.
        let any_service =
            wanted.is_empty() || wanted.iter().any(|want| done.table.find(&want.service.key).is_some());
        if end_of_look {
            self.status.table_read = Some(seconds());
        }
        if !done.failed.is_empty() {
            self.retry_in(RETRY);
        }
        let known = if whole { Vec::new() } else { self.status.table_errors.clone() };
        let failed = done.failed.into_iter().map(|(_, why)| why).filter(|why| !known.contains(why));
        self.complain(known.iter().cloned().chain(failed).collect());
        if whole {
            self.grant();
        }
        // Otherwise a later pass gives the words that count then: a command that hangs lets none pile up.
        if news && self.standby.mode.active && self.tasks.fallbacks.are_done() {
            let due = self.director.fallback_commands();
            due.iter().for_each(|line| self.tasks.fallbacks.run(shell(line)));
        }
        self.untold |= news;
        if epoch != self.epoch {
            return Next::Continue; // says nothing about the plan that is in force by now
        }
        self.answer_systemd();
        if !whole {
            return Next::Continue; // who waits, waits for all services
        }
        self.answer_reloads();
        self.answer_switch(any_service);
        self.answer_start(any_service)
    }

    /// Has the whole table looked at again after some time, or sooner if that is due already: what fails with every pass
    /// does not put it off.
    pub(super) fn retry_in(&mut self, time: Duration) {
        self.retry_at.get_or_insert(Instant::now() + time);
    }

    /// What a pass could not remove is removed by the next one, unless it is wanted again by now.
    fn leave_later(&mut self, leaving: Vec<Leaving>) {
        let (active, plan) = (self.standby.mode.active, self.director.plan());
        let wanted = |key: &ServiceKey| active && plan.has(key);
        self.leaving.extend(leaving.into_iter().filter(|(key, _)| !wanted(key)));
    }

    fn log_edits(&mut self, done: &Done) {
        self.edits.failed += done.failed.len() as u64;
        for edit in &done.edits {
            self.edits.add(&edit.action);
            if let Some(found) = &edit.repairs {
                self.status.repairs += 1;
                warn!("Kernel table was changed by somebody else: {found}");
                self.journal.add(vec![Event::new(SystemTime::now(), What::Repaired, found)]);
            }
            info!("{}", edit.message);
        }
    }

    /// Says what failed, but the same only once.
    fn complain(&mut self, errors: Vec<String>) {
        for why in errors.iter().filter(|why| !self.status.table_errors.contains(why)) {
            error!("Kernel table: {why}");
            self.journal.add(vec![Event::new(SystemTime::now(), What::Refused, why)]);
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
            tell(&answer, vec![line]);
        }
    }

    /// Tells who started the daemon that the services are in the table, or why not.
    fn answer_start(&mut self, placed: bool) -> Next {
        let Some(starting) = self.starting.take() else { return Next::Continue };
        if !placed && !self.standby.mode.standby {
            let why = self.status.table_errors.join("\n");
            return Next::Failed(failed(starting, &format!("no service is in the kernel's table: {why}")));
        }
        for why in &self.status.table_errors {
            eprintln!("directord: {why}");
        }
        if starting.has_caller() {
            starting.ready(); // a take-over does not wait for servers that hang
        } else {
            let left = self.phase_until.saturating_duration_since(Instant::now());
            daemon::notify::extend_start(left + ROUND_MARGIN);
            self.first_round = Some(starting);
        }
        self.answer_systemd();
        self.execute();
        Next::Continue
    }

    /// Tells systemd that the daemon is ready when the first round of checks has its verdicts, and they are in the table:
    /// a unit that comes after this one finds servers that are known.
    fn answer_systemd(&mut self) {
        if self.phase == Phase::Running {
            if let Some(starting) = self.first_round.take() {
                starting.ready();
            }
        }
    }

    /// Tells the init system how it stands, if that may have changed.
    pub(super) fn notify(&mut self) {
        if !std::mem::take(&mut self.untold) {
            return;
        }
        let (up, all) = self.director.count();
        let standby = if self.standby.mode.active { "" } else { "on standby: " };
        daemon::notify::status(&format!("{standby}{up} of {all} real servers are up"));
    }

    /// Has the instances run that the configuration names. One on standby leaves them alone: they would place their
    /// services whether this node holds the resource or not.
    pub(super) fn execute(&self) {
        let names = &self.director.plan().settings.execute;
        if self.standby.mode.standby && !names.is_empty() {
            warn!("execute is not carried out by a daemon on standby: {}", names.join(", "));
        } else {
            self.others.want(names, &self.executed_by);
        }
    }

    /// The end: what is to leave the table leaves it. One that was started for standby is not what holds the resource:
    /// what it has placed stays until the resource is released, so that its supervisor may restart it.
    pub(super) async fn stop(mut self, signal: &str) -> ExitCode {
        let Mode { standby, active } = self.standby.mode;
        let mut last_words = Vec::new();
        match (standby, active) {
            (true, true) => {
                info!(
                    "The services stay in the kernel's table, for the next start or until they are released"
                )
            }
            (_, true) => {
                self.leaving.extend(self.director.stopping());
                last_words = self.director.last_commands();
            }
            (_, false) => last_words = std::mem::take(&mut self.standby.last_words),
        }
        if !standby {
            self.others.want(&[], "");
        }
        let how = format!("terminated on signal: {}", signal.trim_start_matches("SIG"));
        self.end(&how, standby, &last_words).await
    }

    /// The end before a restart: the services stay in the table, with their connections.
    pub(super) async fn hand_over(self) -> ExitCode {
        self.end("leaves the kernel's table to a restart", true, &[]).await
    }

    /// The end of a start that placed nothing.
    pub(super) async fn give_up(mut self, code: ExitCode) -> ExitCode {
        let last = self.last_pass(false);
        let _ = self.kernel.pass(last).await; // nothing is held: what failed is told already
        code
    }

    /// What is held stays if `stays`. `last_words` are said when the table is as it shall be.
    async fn end(mut self, how: &str, stays: bool, last_words: &[String]) -> ExitCode {
        daemon::notify::stopping();
        self.phase = Phase::Stopping;
        self.checks.set(&[]);
        let last = self.last_pass(stays);
        match self.kernel.pass(last).await {
            Ok(done) => {
                done.edits.iter().for_each(|edit| info!("{}", edit.message));
                self.after_pass(&done.edits, false);
                done.failed.iter().for_each(|(_, why)| error!("Kernel table: {why}"));
            }
            Err(why) => error!("Kernel table: {why}"),
        }
        last_words.iter().for_each(|line| self.tasks.fallbacks.run(shell(line)));
        tokio::join!(
            self.others.finish(OTHERS_LIMIT),
            self.tasks.fallbacks.finish(STOP_LIMIT),
            self.mailer.finish(MAIL_LIMIT),
            self.monitor.finish(MONITOR_LIMIT)
        );
        info!("Linux Director Daemon {how}");
        if let Some(starting) = self.starting {
            return failed(starting, "stopped before it was ready");
        }
        ExitCode::SUCCESS
    }
}

/// A shell line, as ldirectord ran it.
pub(super) fn shell(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).current_dir("/");
    command
}
