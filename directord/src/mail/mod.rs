//! Sends mails. Nobody waits for that: who has one puts it into a queue of limited length.
//!
//! ```text
//!  alerts: a Mail is due ──► Mailer ──► queue of each route ──► task ──► SMTP server
//!                                        (1000 mails in all)      └───► sendmail -t -oi
//! ```
//!
//! What cannot be sent now is tried again for an hour. That mail does not go out is logged once, and once that it
//! does again; every mail that is lost is counted.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod message;
mod route;
mod sendmail;
mod smtp;

use crate::alerts::Mail;
use crate::config::MailHost;
use route::Queued;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

/// The machine's own mailer, where Debian's policy has it.
const SENDMAIL: &str = "/usr/sbin/sendmail";
/// Where the machine's own mail server listens.
const LOCAL: &str = "127.0.0.1";

/// What sending may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// One attempt.
    pub(crate) attempt: Duration,
    /// Between two attempts.
    pub(crate) retry: Duration,
    /// All attempts for one mail.
    pub(crate) give_up: Duration,
    /// Mails that wait.
    pub(crate) queue: usize,
}

/// For the daemon.
pub(crate) const LIMITS: Limits = Limits {
    attempt: Duration::from_secs(30),
    retry: Duration::from_secs(30),
    give_up: Duration::from_secs(3600),
    queue: 1000,
};

/// See the module.
pub(crate) struct Mailer {
    /// Without a mail server in the configuration.
    local: route::Way,
    limits: Limits,
    routes: HashMap<Option<MailHost>, Route>,
    counts: Arc<Counts>,
    /// Set when what cannot be sent at once is not to be tried again.
    hurry: watch::Sender<bool>,
    number: u64,
    /// The queue is full, and that was said.
    full: bool,
}

struct Route {
    queue: mpsc::UnboundedSender<Queued>,
    task: JoinHandle<()>,
}

/// How many mails; of several receivers of a mail each counts.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    /// Given up, refused for good, or dropped as too many waited.
    lost: AtomicU64,
    waiting: AtomicUsize,
}

impl Mailer {
    /// With the machine's own mailer at its usual place. Most mailers change to an account of their own by the rights of
    /// their file; where this process and its children may not do that, the machine's own mail server is asked.
    pub(crate) fn new(limits: Limits) -> Mailer {
        let confined = rustix::thread::no_new_privs().unwrap_or(false);
        let local = match confined {
            true => route::Way::Smtp(MailHost { host: LOCAL.into(), port: 25 }),
            false => route::Way::Sendmail(SENDMAIL.into()),
        };
        Mailer::with(local, limits)
    }

    fn with(local: route::Way, limits: Limits) -> Mailer {
        Mailer {
            local,
            limits,
            routes: HashMap::new(),
            counts: Arc::default(),
            hurry: watch::Sender::new(false),
            number: 0,
            full: false,
        }
    }

    /// Sends a mail some time. Needs a runtime.
    pub(crate) fn send(&mut self, mail: &Mail) {
        info!("emailalert: {}", mail.event);
        if self.counts.waiting.load(Ordering::Relaxed) >= self.limits.queue {
            self.counts.lose(mail.settings.to.len());
            if !std::mem::replace(&mut self.full, true) {
                warn!("{} mails wait to be sent; more are dropped until that has changed", self.limits.queue);
            }
            return;
        }
        self.full = false;
        self.number += 1;
        let queued = Queued::new(mail, self.number, SystemTime::now());
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.route(mail.route()).queue.send(queued);
    }

    /// How many mails were sent so far, and how many lost; of several receivers each counts.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.counts.sent.load(Ordering::Relaxed), self.counts.lost.load(Ordering::Relaxed))
    }

    /// Sends what waits, for so long at most.
    pub(crate) async fn finish(self, limit: Duration) {
        let _ = self.hurry.send(true);
        let end = Instant::now() + limit;
        let tasks: Vec<_> = self.routes.into_values().map(|route| route.task).collect(); // ends the queues
        for task in tasks {
            let stop = task.abort_handle();
            if timeout_at(end, task).await.is_err() {
                stop.abort();
            }
        }
        let waiting = self.counts.waiting.load(Ordering::Relaxed);
        if waiting > 0 {
            warn!("{waiting} mails could not be sent within {} s of the stop, and are lost", limit.as_secs());
        }
    }

    fn route(&mut self, via: Option<&MailHost>) -> &Route {
        self.routes.entry(via.cloned()).or_insert_with(|| {
            let (queue, inbox) = mpsc::unbounded_channel();
            let way = match via {
                Some(host) => route::Way::Smtp(host.clone()),
                None => self.local.clone(),
            };
            let counts = Arc::clone(&self.counts);
            let worker = route::Worker::new(way, self.limits, counts, self.hurry.subscribe());
            Route { queue, task: tokio::spawn(worker.work(inbox)) }
        })
    }
}

impl Counts {
    fn lose(&self, receivers: usize) {
        self.lost.fetch_add(u64::try_from(receivers).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
