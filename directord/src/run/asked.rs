//! What the loop answers to tools.

use super::tasks::Reply;
use super::{Daemon, Next, log, seconds};
use crate::control::{Answer, DaemonStatus, Question, Selection, Status};
use crate::director::Drain;
use crate::reconcile::Counted;
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
            Question::Reload => {
                info!("Reloading Linux Director Daemon config on request");
                self.load(vec![reply]);
            }
            Question::HandOver => {
                tell(&reply, vec![Answer::End]);
                return Next::HandOver;
            }
            Question::Drain { of, by } => self.drain(of, &by, true, reply),
            Question::Undrain { of, by } => self.drain(of, &by, false, reply),
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
        let (lines, warnings) = if drained {
            let lines = self.director.drain(&places, &Drain { by, since: seconds() });
            (lines, self.director.drain_warnings(&places, super::templates_stay()))
        } else {
            (self.director.undrain(&places, &by), Vec::new())
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

    /// Answers with the status of some servers, as the kernel has them now.
    pub(super) fn show(&self, of: Selection, reply: Reply, warnings: Vec<String>) {
        match self.director.select(&of) {
            Ok(places) => {
                let counting = self.kernel.count(self.director.services_of(&places));
                self.tasks.count(counting, of, reply, warnings);
            }
            Err(why) => tell(&reply, vec![Answer::Refused { why }]),
        }
    }

    /// The kernel has been asked.
    pub(super) fn counted(
        &self,
        of: &Selection,
        reply: &Reply,
        warnings: Vec<String>,
        result: Result<Counted, String>,
    ) {
        match self.director.select(of) {
            Ok(places) => {
                let (counted, table_unknown) = match result {
                    Ok(counted) => (counted, None),
                    Err(why) => (Counted::default(), Some(why)),
                };
                let daemon = DaemonStatus { table_unknown, ..self.daemon_status() };
                let services = self.director.status(&places, &counted);
                tell(reply, Status { daemon, services, warnings }.lines());
            }
            // A reload has just taken it away.
            Err(why) => tell(reply, vec![Answer::Refused { why }]),
        }
    }

    fn daemon_status(&self) -> DaemonStatus {
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
