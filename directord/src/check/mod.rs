//! Checks: one file per protocol, one [`Outcome`] for all of them.
//!
//! [`Checker::run`] ends within the probe's own limit whatever the server does, and keeps no more of an answer
//! than the protocol's cap.

mod connect;
mod datagram;
mod dialogue;
mod dns;
mod external;
mod ftp;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod http;
mod imap;
mod ldap;
pub(crate) mod link;
mod lookup;
mod mysql;
mod nntp;
mod outcome;
mod pattern;
mod pgsql;
mod ping;
mod pop;
mod probe;
mod radius;
mod random;
pub(crate) mod reply;
mod simpletcp;
mod sip;
mod smtp;
mod source;
mod sql;
mod tls;

pub(crate) use connect::Attempt;
pub use dialogue::{Dialogue, Secret};
pub use outcome::Outcome;
pub use pattern::{Pattern, PatternError};
pub use probe::{Http, Kind, Probe, Route, Script, SimpleTcp};

use crate::config::model::ServiceName;
use crate::thread::{self, Ended};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// Every check ends within its limit by itself, and says what was missing until then. One that does not is ended so
/// much later.
const GRACE: Duration = Duration::from_millis(100);

/// A check that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How.
    pub outcome: Outcome,
    /// From its start to its end.
    pub took: Duration,
    /// The HTTP status, if the answer was a success.
    pub http_status: Option<u16>,
}

/// As times of checks are shown, with three decimal places.
pub fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

/// `connection refused, after 0.3 ms`.
pub fn ended(outcome: &Outcome, took: Duration) -> String {
    format!("{outcome}, after {} ms", milliseconds(took))
}

/// What checks share: the sockets for pings, the certificates for TLS.
#[derive(Default)]
pub struct Checker {
    pinger: ping::Pinger,
    verifying: OnceCell<tls::Tls>,
    unverified: OnceCell<tls::Tls>,
}

/// What a repeated check remembers from one run to the next.
#[derive(Debug, Default)]
pub struct Memory {
    /// Connects that are left until the next negotiate check of a combined one.
    connects_left: u32,
    /// Answers are matched one at a time.
    matching: pattern::Turn,
    /// A check program that was still being killed when its limit was over.
    program: Option<external::Running>,
    /// Of the run that goes on.
    http_status: Option<u16>,
    /// What a POP server is known to refuse.
    pop: pop::Memory,
}

impl Memory {
    /// Whether the next run finds nothing in it that a new one does not have.
    pub(crate) fn is_blank(&self) -> bool {
        self.connects_left == 0 && !self.matching.is_taken() && self.program.is_none() && self.pop.is_blank()
    }
}

impl Checker {
    /// Nothing is opened before it is needed.
    pub fn new() -> Checker {
        Checker::default()
    }

    /// Does what would otherwise take up the first check's time: reads the certificate authorities (50 ms).
    pub async fn prepare(&self, kinds: impl IntoIterator<Item = &Kind>) {
        for verify in kinds.into_iter().filter_map(Kind::tls_verify) {
            let _ = Box::pin(self.tls(verify)).await;
        }
    }

    /// Runs a check once, from this address of this machine.
    pub async fn run_from(&self, source: Option<IpAddr>, kind: &Kind, memory: &mut Memory) -> Checked {
        source::from(source, self.run(kind, memory)).await
    }

    /// Runs a check once. It ends within its limit, whatever the server does.
    pub async fn run(&self, kind: &Kind, memory: &mut Memory) -> Checked {
        self.prepare([kind]).await; // not on the server's time
        let started = Instant::now();
        let cheap = memory.connects_left > 0;
        let now = match kind {
            Kind::Combined { connect, .. } if cheap => connect,
            Kind::Combined { negotiate, .. } => negotiate,
            simple => simple,
        };
        // Boxed: while it waits for its next run, a check keeps no room for what every protocol needs while it talks.
        let outcome = within(now.limit(), Box::pin(self.talk(now, memory))).await;
        if let Kind::Combined { connects, .. } = kind {
            memory.connects_left = match (outcome.passed(), cheap) {
                (false, _) => 0,
                (true, true) => memory.connects_left - 1,
                (true, false) => *connects,
            };
        }
        Checked { outcome, took: started.elapsed(), http_status: memory.http_status.take() }
    }

    /// All but the plainest check are boxed: each takes the room that it needs, not what the largest would need.
    async fn talk(&self, kind: &Kind, memory: &mut Memory) -> Outcome {
        match kind {
            Kind::Connect { to, timeout } => connect::check(*to, *timeout).await,
            Kind::Ping { to, attempts, timeout } => {
                Box::pin(self.pinger.check(*to, *attempts, *timeout)).await
            }
            Kind::Http(http) => {
                let (matching, status) = (&memory.matching, &mut memory.http_status);
                Box::pin(http::check(self, http, matching, status)).await
            }
            Kind::SimpleTcp(simple) => Box::pin(simpletcp::check(simple, &memory.matching)).await,
            Kind::Dialogue(dialogue) => Box::pin(self.dialogue(dialogue, memory)).await,
            Kind::External { command, timeout, weighs } => {
                Box::pin(external::check(command, *weighs, *timeout, &mut memory.program)).await
            }
            Kind::Script(script) => Box::pin(external::script(script, &mut memory.program)).await,
            Kind::Combined { .. } => Outcome::NotRun("a combined check inside a combined check".into()),
        }
    }

    async fn dialogue(&self, dialogue: &Dialogue, memory: &Memory) -> Outcome {
        let tls = if dialogue.may_use_tls() { Some(self.tls(dialogue.verifies()).await) } else { None };
        let tls = tls.as_ref().map(|tls| tls.as_ref().copied());
        match dialogue.service {
            ServiceName::Dns => Box::pin(dns::check(dialogue, &memory.matching)).await,
            ServiceName::Ftp => Box::pin(ftp::check(dialogue, &memory.matching)).await,
            ServiceName::Imap | ServiceName::Imaps => Box::pin(imap::check(dialogue, tls)).await,
            ServiceName::Ldap | ServiceName::Ldaps => {
                Box::pin(ldap::check(dialogue, tls, &memory.matching)).await
            }
            ServiceName::Mysql => Box::pin(mysql::check(dialogue, tls, &memory.matching)).await,
            ServiceName::Nntp => Box::pin(nntp::check(dialogue)).await,
            ServiceName::Pgsql => Box::pin(pgsql::check(dialogue, tls, &memory.matching)).await,
            ServiceName::Pop | ServiceName::Pops => Box::pin(pop::check(dialogue, tls, &memory.pop)).await,
            ServiceName::Radius => Box::pin(radius::check(dialogue)).await,
            ServiceName::Sip => Box::pin(sip::check(dialogue)).await,
            ServiceName::Smtp | ServiceName::Submission => Box::pin(smtp::check(dialogue)).await,
            other => Outcome::NotRun(format!("service {} has no check", other.name())),
        }
    }

    /// For checks that verify certificates, or for those that do not. Read when the first of them needs it, on a
    /// thread of its own: it takes 50 ms.
    /// One that fails is tried again by the next check.
    async fn tls(&self, verify: bool) -> Result<&tls::Tls, String> {
        let read = move || match verify {
            true => tls::Tls::verifying().map_err(|error| error.to_string()),
            false => tls::Tls::unverified().map_err(|error| error.to_string()),
        };
        let init =
            async { thread::of_check("certificates", read).await.unwrap_or_else(|| Err("no thread".into())) };
        let cell = if verify { &self.verifying } else { &self.unverified };
        cell.get_or_try_init(|| init).await
    }
}

/// The last word on how long a check may take, whatever its protocol's code overlooks.
async fn within(limit: Duration, check: impl Future<Output = Outcome>) -> Outcome {
    match thread::within(limit + GRACE, check).await {
        Ended::ByItself(outcome) => outcome,
        Ended::Late => Outcome::Unfinished(limit),
        Ended::LateWithoutThread => {
            let many = "so many others have work for threads that its turn did not come within its limit";
            Outcome::NotRun(many.into())
        }
    }
}

#[cfg(test)]
mod tests;
