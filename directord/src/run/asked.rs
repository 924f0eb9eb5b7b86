//! What the loop answers to tools.

use super::tasks::Reply;
use super::telling::Purpose;
use super::{Daemon, Next, log, seconds};
use crate::check::Checked;
use crate::control::{Answer, DaemonStatus, Question, Selection};
use crate::director::{Drain, Place};
use crate::sysctls::templates_stay;
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;
use tracing::info;

/// The longest name of an administrator that is remembered.
const NAME_LIMIT: usize = 64;

/// A change that somebody asked for, and waits until it is in the kernel's table.
pub(super) struct Wish {
    of: Selection,
    reply: Reply,
    warnings: Vec<String>,
    /// Whether it will be known after a restart.
    kept: oneshot::Receiver<Result<(), String>>,
}

impl Daemon {
    pub(super) fn asked(&mut self, question: Question, reply: Reply) -> Next {
        match question {
            Question::Status(of) => self.show(of, reply, Vec::new()),
            Question::Reload { executed_by } => {
                info!("Reloading Linux Director Daemon config on request");
                self.executed_by = executed_by;
                self.load(vec![reply]);
            }
            Question::HandOver => return self.asked_to_hand_over(&reply),
            Question::Mode => tell(&reply, vec![Answer::Mode(self.standby.mode)]),
            Question::Activate => self.activate(reply),
            Question::Deactivate => self.deactivate(reply),
            Question::Drain { of, by } => self.drain(of, &by, true, reply),
            Question::Undrain { of, by } => self.drain(of, &by, false, reply),
            Question::CheckNow(of) => self.check_now(&of, reply),
            Question::Metrics => self.count(Purpose::Metrics, reply),
            Question::Events { follow } => self.journal.answer(follow, reply),
        }
        Next::Continue
    }

    /// Takes servers out of service, or back; answered when the kernel's table is so.
    fn drain(&mut self, of: Selection, by: &str, drained: bool, reply: Reply) {
        let places = match self.director.select(&of) {
            Ok(places) => places,
            Err(why) => return tell(&reply, vec![Answer::Refused { why }]),
        };
        let by: String = by.chars().filter(|letter| !letter.is_control()).take(NAME_LIMIT).collect();
        let now = SystemTime::now();
        let (lines, warnings) = if drained {
            let lines = self.director.drain(&places, &Drain { by, since: seconds() }, now);
            (lines, self.director.drain_warnings(&places, templates_stay()))
        } else {
            (self.director.undrain(&places, &by, now), Vec::new())
        };
        log(&lines);
        self.dirty = true;
        let kept = self.drains.keep(self.director.drained());
        self.wishes.push(Wish { of, reply, warnings, kept });
    }

    /// A pass has ended that began after these wishes.
    pub(super) fn grant(&mut self) {
        for wish in std::mem::take(&mut self.granted) {
            let Wish { of, reply, mut warnings, kept } = wish;
            warnings.extend(self.status.table_errors.iter().map(|why| format!("the kernel's table: {why}")));
            self.tasks.granted(of, reply, async move {
                if let Ok(Err(why)) = kept.await {
                    warnings.push(format!("a restart of the daemon will not know this: {why}"));
                }
                warnings
            });
        }
    }

    /// Runs the checks of some servers now.
    fn check_now(&self, of: &Selection, reply: Reply) {
        let places = match self.director.select(of) {
            Ok(places) => places,
            Err(why) => return tell(&reply, vec![Answer::Refused { why }]),
        };
        let mut limit = Duration::ZERO;
        let mut waiting = Vec::new();
        for (probe, places) in self.director.probes_of(&places) {
            let result = probe.and_then(|probe| {
                limit = limit.max(probe.kind.limit());
                self.checks.now(&probe)
            });
            waiting.push((places, result));
        }
        // One run may be under way, and then comes ours.
        let seconds = (2 * limit).as_secs_f64();
        tell(&reply, vec![Answer::Checking { seconds }]);
        self.tasks.check_now(self.epoch, waiting, reply);
    }

    /// The checks have ended, and count.
    pub(super) fn checked_now(&self, epoch: u64, results: &[(Place, Option<Checked>)], reply: &Reply) {
        if epoch != self.epoch {
            let why = "the configuration was read again meanwhile; ask again".to_owned();
            return tell(reply, vec![Answer::Refused { why }]);
        }
        let mut lines: Vec<Answer> = results
            .iter()
            .filter_map(|(place, checked)| self.director.check_result(*place, checked.as_ref()))
            .map(Answer::Checked)
            .collect();
        lines.push(Answer::End);
        tell(reply, lines);
    }

    pub(super) fn daemon_status(&self) -> DaemonStatus {
        let (mails_sent, mails_lost) = self.mailer.counts();
        DaemonStatus {
            log_dropped: self.log.dropped(),
            mails_sent,
            mails_lost,
            drains_not_kept: self.drains.trouble(),
            ..self.status.clone()
        }
    }
}

/// Answers. Whoever does not read is not waited for.
pub(super) fn tell(reply: &Reply, lines: Vec<Answer>) {
    let _ = reply.try_send(lines);
}
