//! Warm standby: the daemon checks all the time, and places its services only while it is active.
//!
//! ```text
//!              activate                          its pass is done: answered
//!   standby ──────────────► active, not placed ─────────────────────────────► active
//!      ▲                          │ no service can be placed                     │
//!      ├──────────────────────────┘                                              │
//!      └───────────────────────── deactivate: the pass that removes ◄────────────┘
//! ```
//!
//! A daemon that was not started for standby is active from its start to its end.

use super::asked::tell;
use super::perform::shell;
use super::tasks::Reply;
use super::{Daemon, GATHER, Next, RETRY};
use crate::claim::Claim;
use crate::config::Phase;
use crate::control::{Answer, Mode};
use crate::director::{Event, What};
use crate::kernel::{Hold, Pass};
use ipvs::ServiceKey;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::time::Instant;
use tracing::{info, warn};

/// How the daemon works, and who waits for a change of that.
#[derive(Debug, Default)]
pub(super) struct Standby {
    pub(super) mode: Mode,
    /// Who wants the services in the table.
    activating: Vec<Reply>,
    /// Who wants them out of it.
    deactivating: Vec<Reply>,
    /// It was activated, and servers that are not up are not checked again yet.
    recheck: bool,
    /// They are being checked again.
    pub(super) rechecking: bool,
    /// Shell lines that are due when the services have left.
    pub(super) last_words: Vec<String>,
    /// It was told that the claim cannot be written.
    unclaimed: Option<String>,
}

/// What a daemon that starts knows of the one before.
pub(crate) struct Before {
    /// How it works from the start.
    pub(crate) mode: Mode,
    /// Services that the one before has left in the table.
    pub(crate) held: Vec<ServiceKey>,
}

impl Before {
    /// One that is started for standby comes back as it was when it ended without releasing.
    pub(crate) fn read(claim: &Claim, standby: bool) -> Before {
        let held = claim.read();
        let mode = Mode { standby, active: !standby || held.is_some() };
        Before { mode, held: held.unwrap_or_default() }
    }
}

impl Standby {
    pub(super) fn new(mode: Mode) -> Standby {
        Standby { mode, ..Standby::default() }
    }

    /// Somebody waits until the services have left the table: no verdict is needed for that.
    pub(super) fn is_leaving(&self) -> bool {
        !self.deactivating.is_empty()
    }
}

impl Daemon {
    /// The next pass: what is wanted while active, only a look and what leaves while on standby.
    pub(super) fn next_pass(&mut self) -> Pass {
        let leaving = std::mem::take(&mut self.leaving);
        let keys = self.director.plan().keys().cloned();
        if self.standby.mode.active {
            let hold = Hold::These(self.held());
            Pass {
                wanted: Arc::new(self.director.wanted()),
                leaving,
                stage: "start",
                hold,
                ..Pass::default()
            }
        } else {
            Pass { leaving, stage: "stop", read: keys.collect(), hold: Hold::Nothing, ..Pass::default() }
        }
    }

    /// What a daemon before this one has left in the table, and the configuration does not have any more, leaves it.
    pub(super) fn remove_left_over(&mut self, held: Vec<ServiceKey>) {
        let plan = self.director.plan();
        let gone = |key: &ServiceKey| !plan.has(key);
        self.leaving.extend(held.into_iter().filter(gone).map(|key| (key, Vec::new())));
    }

    fn held(&self) -> Vec<ServiceKey> {
        self.director.stopping().into_iter().map(|(key, _)| key).collect()
    }

    pub(super) fn activate(&mut self, answer: Reply) {
        if !self.standby.mode.active {
            info!("Activated: the services go into the kernel's table");
            self.switch(true);
            self.director.activate();
            self.standby.recheck = true;
            self.phase = Phase::Starting;
            self.begin_phase(&self.director.probes());
            self.standby.last_words.clear();
            let plan = self.director.plan();
            self.leaving.retain(|(key, _)| !plan.has(key));
            refuse(&mut self.standby.deactivating, "it was activated again meanwhile");
        }
        self.standby.activating.push(answer);
        self.dirty = true;
    }

    pub(super) fn deactivate(&mut self, answer: Reply) {
        if !self.standby.mode.standby {
            let why = "it was not started for standby: stop it instead".to_owned();
            return tell(&answer, vec![Answer::Refused { why }]);
        }
        if self.standby.mode.active {
            info!("Deactivated: on standby, the checks go on");
            self.put_on_standby();
            refuse(&mut self.standby.activating, "it was deactivated meanwhile");
        }
        self.standby.deactivating.push(answer);
        self.dirty = true;
    }

    fn put_on_standby(&mut self) {
        self.leaving.extend(self.director.stopping());
        self.standby.last_words = self.director.last_commands();
        self.phase = Phase::Stopping;
        self.switch(false);
    }

    /// What a pass that is under way does says nothing about what is wanted from now on.
    fn switch(&mut self, active: bool) {
        self.standby.mode.active = active;
        self.status.mode = self.standby.mode;
        let what = if active { What::Activated } else { What::Deactivated };
        self.journal.add(vec![Event::new(SystemTime::now(), what, &self.status.config)]);
        self.epoch += 1;
        self.dirty = true;
    }

    /// A pass of the present mode has ended: who waits for it is told. `placed`: a service is in the table.
    pub(super) fn answer_switch(&mut self, placed: bool) {
        let errors = self.status.table_errors.join("\n");
        let refused = |why: &str| vec![Answer::Refused { why: why.to_owned() }];
        for answer in self.standby.activating.drain(..).collect::<Vec<_>>() {
            tell(&answer, if placed { vec![Answer::End] } else { refused(&errors) });
            if !placed && self.standby.mode.standby && self.standby.mode.active {
                warn!("No service is in the kernel's table: on standby again");
                self.put_on_standby();
            }
        }
        if self.standby.mode.active && std::mem::take(&mut self.standby.recheck) {
            self.recheck();
        }
        let left = self.leaving.is_empty() && errors.is_empty();
        if left && !self.standby.mode.active {
            let words = std::mem::take(&mut self.standby.last_words);
            words.iter().for_each(|line| self.tasks.fallbacks.run(shell(line)));
        }
        for answer in self.standby.deactivating.drain(..) {
            tell(&answer, if left { vec![Answer::End] } else { refused(&errors) });
        }
    }

    /// Checks servers again that are not up: the way to them may depend on the address that this node has just taken. What
    /// comes of it is put into the table together, as at a start.
    fn recheck(&mut self) {
        let asked = self.director.probes_not_up();
        let results: Vec<_> = asked.iter().filter_map(|probe| self.checks.now(probe)).collect();
        if !results.is_empty() {
            self.standby.rechecking = true;
            self.gather_until = Some(Instant::now() + GATHER);
            self.tasks.recheck(results);
        }
    }

    /// Says that the claim cannot be written, but the same only once.
    pub(super) fn complain_of_claim(&mut self, unclaimed: Option<String>) {
        if let Some(why) = unclaimed.as_ref().filter(|why| self.standby.unclaimed.as_ref() != Some(*why)) {
            warn!(
                "What is held here cannot be written down, a daemon that starts after a crash will not know: {why}"
            );
        }
        if unclaimed.is_some() {
            self.retry_in(self.director.plan().settings.check_interval.max(RETRY));
        }
        self.standby.unclaimed = unclaimed;
    }

    /// The last pass. What `stays` is held on for whoever starts next.
    pub(super) fn last_pass(&mut self, stays: bool) -> Pass {
        let hold = if stays && self.standby.mode.active { Hold::These(self.held()) } else { Hold::Nothing };
        Pass { leaving: std::mem::take(&mut self.leaving), stage: "stop", hold, ..Pass::default() }
    }

    /// Ends for another process that starts, with the services in the table: not before they are there.
    pub(super) fn asked_to_hand_over(&self, answer: &Reply) -> Next {
        if self.starting.is_some() {
            let why = "its start is not complete".to_owned();
            tell(answer, vec![Answer::Refused { why }]);
            return Next::Continue;
        }
        tell(answer, vec![Answer::End]);
        Next::HandOver
    }
}

fn refuse(waiting: &mut Vec<Reply>, why: &str) {
    for answer in waiting.drain(..) {
        tell(&answer, vec![Answer::Refused { why: why.to_owned() }]);
    }
}
