//! One way that mails take, and the task that sends them on it, one after the other.

use super::message::{Origin, compose};
use super::{Counts, Limits, sendmail, smtp};
use crate::alerts::Mail;
use crate::config::{Address, MailHost};
use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

/// How mails leave the machine.
#[derive(Clone, Debug)]
pub(super) enum Way {
    Smtp(MailHost),
    Sendmail(PathBuf),
}

/// Why a mail was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) why: String,
    /// Another attempt would end in the same way.
    pub(super) lasting: bool,
}

/// A receiver that was not taken, and why.
pub(super) type Refused = (Address, Failure);

/// A mail on its way.
#[derive(Debug)]
pub(super) struct Queued {
    /// Of the envelope.
    pub(super) sender: String,
    /// Of the envelope: who has not got it yet.
    pub(super) to: Vec<Address>,
    /// This machine's name.
    pub(super) host: String,
    /// The whole mail.
    pub(super) bytes: Vec<u8>,
    since: Instant,
}

impl Queued {
    /// Composed once, with the time of what has happened.
    pub(super) fn new(mail: &Mail, number: u64, now: SystemTime) -> Queued {
        let origin = Origin::here();
        let sender = mail.from.as_ref().map(Address::path).filter(|path| path.contains('@'));
        Queued {
            sender: sender.map_or_else(|| origin.address(), str::to_owned),
            to: mail.settings.to.clone(),
            bytes: compose(mail, &origin, number, now),
            host: origin.host,
            since: Instant::now(),
        }
    }
}

/// The task of a route.
pub(super) struct Worker {
    way: Way,
    limits: Limits,
    counts: Arc<Counts>,
    hurry: watch::Receiver<bool>,
    /// What is tried again, and when.
    later: VecDeque<(Instant, Queued)>,
    /// Mails were lost or put off since the last one went out.
    outage: bool,
}

impl Worker {
    pub(super) fn new(way: Way, limits: Limits, counts: Arc<Counts>, hurry: watch::Receiver<bool>) -> Worker {
        Worker { way, limits, counts, hurry, later: VecDeque::new(), outage: false }
    }

    /// Sends until the queue has ended and all is sent or given up.
    pub(super) async fn work(mut self, mut queue: mpsc::UnboundedReceiver<Queued>) {
        while let Some(mut queued) = self.next(&mut queue).await {
            let result = self.attempt(&mut queued).await;
            let blocked = result.as_ref().is_err_and(|failure| !failure.lasting);
            self.judge(queued, result);
            if blocked {
                self.pause().await; // it is the way that fails, not this mail
            }
        }
    }

    /// The next mail that is due.
    async fn next(&mut self, queue: &mut mpsc::UnboundedReceiver<Queued>) -> Option<Queued> {
        let mut ended = false;
        loop {
            let hurried = self.hurried();
            let due = self.later.front().map(|(due, _)| *due);
            match due {
                Some(due) if hurried || due <= Instant::now() => {
                    return self.later.pop_front().map(|(_, queued)| queued);
                }
                None if ended => return None,
                _ => {}
            }
            tokio::select! {
                queued = queue.recv(), if !ended => match queued {
                    Some(queued) => return Some(queued),
                    None => ended = true,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                _ = self.hurry.wait_for(|hurry| *hurry), if !hurried => {}
            }
        }
    }

    /// Who was not taken; or why the mail went to nobody at all.
    async fn attempt(&self, queued: &mut Queued) -> Result<Vec<Refused>, Failure> {
        match &self.way {
            Way::Smtp(host) => smtp::send(host, queued, self.limits.attempt).await,
            Way::Sendmail(program) => {
                sendmail::send(program, &queued.bytes, self.limits.attempt).await.map(|()| Vec::new())
            }
        }
    }

    fn judge(&mut self, mut queued: Queued, result: Result<Vec<Refused>, Failure>) {
        let again = !self.hurried() && queued.since.elapsed() < self.limits.give_up;
        let all = queued.to.len();
        let refused = match result {
            Ok(refused) => {
                if std::mem::take(&mut self.outage) {
                    info!("Mail goes out again {}", self.way);
                }
                refused
            }
            Err(failure) => {
                if !std::mem::replace(&mut self.outage, true) {
                    let then = if failure.lasting { "" } else { "; it is tried again" };
                    warn!("Mail does not go out {}: {}{then}", self.way, failure.why);
                }
                queued.to.iter().map(|to| (to.clone(), failure.clone())).collect()
            }
        };
        let sent = u64::try_from(all.saturating_sub(refused.len())).unwrap_or(u64::MAX);
        self.counts.sent.fetch_add(sent, Ordering::Relaxed);
        if sent > 0 {
            for (to, failure) in refused.iter().filter(|(_, failure)| failure.lasting) {
                warn!("Mail is not taken for {} {}: {}", to.path(), self.way, failure.why);
            }
        }
        let (lost, later): (Vec<_>, Vec<_>) =
            refused.into_iter().partition(|(_, failure)| failure.lasting || !again);
        self.counts.lose(lost.len());
        if later.is_empty() {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
        } else {
            queued.to = later.into_iter().map(|(to, _)| to).collect();
            self.later.push_back((Instant::now() + self.limits.retry, queued));
        }
    }

    /// Nothing is tried twice any more.
    fn hurried(&self) -> bool {
        *self.hurry.borrow() || self.hurry.has_changed().is_err()
    }

    async fn pause(&mut self) {
        tokio::select! {
            () = sleep(self.limits.retry) => {}
            _ = self.hurry.wait_for(|hurry| *hurry) => {}
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Smtp(host) => write!(f, "through {host}"),
            Way::Sendmail(program) => write!(f, "through {}", program.display()),
        }
    }
}
