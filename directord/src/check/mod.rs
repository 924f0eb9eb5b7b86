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

impl Checker {
    /// Nothing is opened before it is needed.
    pub fn new() -> Checker {
        Checker::default()
    }

    /// Does what would otherwise take up the first check's time: reads the certificate authorities (50 ms).
    pub async fn prepare(&self, kinds: impl IntoIterator<Item = &Kind>) {
        for kind in kinds {
            if let Some(verify) = kind.tls_verify() {
                let _ = self.tls(verify).await;
            }
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
        let outcome = match kind {
            Kind::Combined { connects, connect, negotiate } => {
                let cheap = memory.connects_left > 0;
                let outcome = self.once(if cheap { connect } else { negotiate }, memory).await;
                memory.connects_left = match (outcome.passed(), cheap) {
                    (false, _) => 0,
                    (true, true) => memory.connects_left - 1,
                    (true, false) => *connects,
                };
                outcome
            }
            simple => self.once(simple, memory).await,
        };
        Checked { outcome, took: started.elapsed(), http_status: memory.http_status.take() }
    }

    async fn once(&self, kind: &Kind, memory: &mut Memory) -> Outcome {
        within(kind.limit(), self.talk(kind, memory)).await
    }

    async fn talk(&self, kind: &Kind, memory: &mut Memory) -> Outcome {
        match kind {
            Kind::Connect { to, timeout } => connect::check(*to, *timeout).await,
            Kind::Ping { to, attempts, timeout } => self.pinger.check(*to, *attempts, *timeout).await,
            Kind::Http(http) => {
                let tls = self.tls(http.tls_verify).await;
                http::check(http, tls.as_ref().copied(), &memory.matching, &mut memory.http_status).await
            }
            Kind::SimpleTcp(simple) => simpletcp::check(simple, &memory.matching).await,
            Kind::Dialogue(dialogue) => self.dialogue(dialogue, memory).await,
            Kind::External { command, timeout, weighs } => {
                external::check(command, *weighs, *timeout, &mut memory.program).await
            }
            Kind::Script(script) => external::script(script, &mut memory.program).await,
            Kind::Combined { .. } => Outcome::NotRun("a combined check inside a combined check".into()),
        }
    }

    async fn dialogue(&self, dialogue: &Dialogue, memory: &Memory) -> Outcome {
        let tls = if dialogue.may_use_tls() { Some(self.tls(dialogue.verifies()).await) } else { None };
        let tls = tls.as_ref().map(|tls| tls.as_ref().copied());
        match dialogue.service {
            ServiceName::Dns => dns::check(dialogue, &memory.matching).await,
            ServiceName::Ftp => ftp::check(dialogue, &memory.matching).await,
            ServiceName::Imap | ServiceName::Imaps => imap::check(dialogue, tls).await,
            ServiceName::Ldap | ServiceName::Ldaps => ldap::check(dialogue, tls, &memory.matching).await,
            ServiceName::Mysql => mysql::check(dialogue, tls, &memory.matching).await,
            ServiceName::Nntp => nntp::check(dialogue).await,
            ServiceName::Pgsql => pgsql::check(dialogue, tls, &memory.matching).await,
            ServiceName::Pop | ServiceName::Pops => pop::check(dialogue, tls, &memory.pop).await,
            ServiceName::Radius => radius::check(dialogue).await,
            ServiceName::Sip => sip::check(dialogue).await,
            ServiceName::Smtp | ServiceName::Submission => smtp::check(dialogue).await,
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
            let many =
                "so many others have work for the processor that its turn did not come within its limit";
            Outcome::NotRun(many.into())
        }
    }
}

#[cfg(test)]
mod tests;
