//! What is checked and how, as plain data. Equal probes are run once, however many sections hold them.

use super::{Dialogue, Pattern, Secret};
use crate::config::model::ServiceName;
use serde::{Serialize, Serializer};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// One check, to be repeated.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Probe {
    /// Time from the start of one run to the start of the next.
    #[serde(serialize_with = "seconds")]
    pub interval: Duration,
    /// The same while a result does not count yet, because more like it have to follow.
    #[serde(serialize_with = "maybe_seconds")]
    pub recheck: Option<Duration>,
    /// The address of this machine that it is sent from; `None` for the kernel's choice.
    pub source: Option<IpAddr>,
    /// What is done.
    pub kind: Kind,
}

/// What a check does. Every kind has a time limit for the whole of one run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "check", rename_all = "lowercase")]
pub enum Kind {
    /// A TCP connection.
    Connect {
        /// Whereto.
        to: SocketAddr,
        /// The limit.
        #[serde(serialize_with = "seconds")]
        timeout: Duration,
    },
    /// ICMP echo requests until one is answered.
    Ping {
        /// Whereto.
        to: IpAddr,
        /// How many, each with its own limit.
        attempts: u32,
        /// The limit.
        #[serde(serialize_with = "seconds")]
        timeout: Duration,
    },
    /// A page over HTTP or HTTPS.
    Http(Box<Http>),
    /// A text sent, lines received.
    SimpleTcp(Box<SimpleTcp>),
    /// A dialogue in the protocol of a mail, directory, database or other service.
    Dialogue(Box<Dialogue>),
    /// A program whose exit code 0 means up.
    External {
        /// The program and all its arguments.
        command: Vec<String>,
        /// Its last line on standard output says the server's weight.
        weighs: bool,
        /// The limit.
        #[serde(serialize_with = "seconds")]
        timeout: Duration,
    },
    /// A program for a service that this one has no client for.
    Script(Box<Script>),
    /// A negotiate check, then after a success `connects` connections, and again.
    Combined {
        /// How many cheap checks follow an expensive one.
        connects: u32,
        /// The cheap one.
        connect: Box<Kind>,
        /// The expensive one.
        negotiate: Box<Kind>,
    },
}

/// A check over HTTP or HTTPS.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Http {
    /// What is fetched. Its host is what TLS sends as server name.
    pub url: String,
    /// The way to the URL's host.
    pub route: Route,
    /// The `Host` header; `None` to take it from the URL.
    pub host: Option<String>,
    /// `HEAD` instead of `GET`.
    pub head: bool,
    /// What must be found in the body.
    pub receive: Option<Pattern>,
    /// Whether TLS certificates must be of an authority that the system trusts.
    pub tls_verify: bool,
    /// The limit for everything, redirects included.
    #[serde(serialize_with = "seconds")]
    pub timeout: Duration,
}

/// A check of a service by a program that this suite brings; exit code 0 means up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Script {
    /// The service.
    pub service: ServiceName,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What it finds in its environment as `CHECK_PASSWORD`.
    pub password: Secret,
    /// The limit.
    #[serde(serialize_with = "seconds")]
    pub timeout: Duration,
}

/// The way to a URL's host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// To the address that the URL has, or that its name resolves to.
    Resolved,
    /// To this address, whatever the resolver says.
    To(SocketAddr),
    /// Through this proxy.
    Through(SocketAddr),
}

/// A check of service `simpletcp`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct SimpleTcp {
    /// Whereto.
    pub to: SocketAddr,
    /// Datagrams instead of a connection.
    pub udp: bool,
    /// What is sent.
    pub request: String,
    /// What must be found in a line of the answer; any line will do if `None`.
    pub receive: Option<Pattern>,
    /// The limit for everything.
    #[serde(serialize_with = "seconds")]
    pub timeout: Duration,
}

impl Kind {
    /// The name an administrator knows it by.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Connect { .. } => "connect",
            Kind::Ping { .. } => "ping",
            Kind::Http(http) if matches!(http.route, Route::Through(_)) => "http_proxy",
            Kind::Http(http) if http.url.starts_with("https") => "https",
            Kind::Http(_) => "http",
            Kind::SimpleTcp(_) => "simpletcp",
            Kind::Dialogue(dialogue) => dialogue.service.name(),
            Kind::External { .. } => "external",
            Kind::Script(script) => script.service.name(),
            Kind::Combined { .. } => "combined",
        }
    }

    /// Which TLS settings it uses from the first run on, if any: verifying ones or not.
    pub fn tls_verify(&self) -> Option<bool> {
        match self {
            Kind::Http(http) => http.url.starts_with("https:").then_some(http.tls_verify),
            Kind::Dialogue(dialogue) => dialogue.may_use_tls().then(|| dialogue.verifies()),
            Kind::Combined { negotiate, .. } => negotiate.tls_verify(),
            _ => None,
        }
    }

    /// Whether it says a weight.
    pub fn weighs(&self) -> bool {
        matches!(self, Kind::External { weighs: true, .. })
    }

    /// The longest time that one run may take.
    pub fn limit(&self) -> Duration {
        match self {
            Kind::Connect { timeout, .. } | Kind::External { timeout, .. } => *timeout,
            Kind::Ping { attempts, timeout, .. } => timeout.saturating_mul((*attempts).max(1)),
            Kind::Http(http) => http.timeout,
            Kind::SimpleTcp(simple) => simple.timeout,
            Kind::Dialogue(dialogue) => dialogue.limit(),
            Kind::Script(script) => script.timeout,
            Kind::Combined { connect, negotiate, .. } => connect.limit().max(negotiate.limit()),
        }
    }
}

fn maybe_seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs_f64()).serialize(serializer)
}

pub(super) fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
