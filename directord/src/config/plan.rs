//! What a file asks for, resolved and combined: plain data that the daemon runs, compares and shows.

use super::mail::{Address, Alerts};
use crate::check::Probe;
use ipvs::{Destination, Protocol, Service, ServiceKey};
use serde::{Serialize, Serializer};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A whole configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What concerns the daemon itself.
    pub settings: Settings,
    /// The virtual services, in the order of the file.
    pub services: Vec<VirtualService>,
}

impl Plan {
    /// Whether it has this virtual service.
    pub fn has(&self, key: &ServiceKey) -> bool {
        self.keys().any(|held| held == key)
    }

    /// What the kernel knows its virtual services by.
    pub fn keys(&self) -> impl Iterator<Item = &ServiceKey> {
        self.services.iter().map(|service| &service.service.key)
    }
}

/// What concerns the daemon itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// The global `checkinterval`.
    #[serde(serialize_with = "seconds")]
    pub check_interval: Duration,
    /// Reload when the file changes.
    pub auto_reload: bool,
    /// Program to run after a change of the file.
    pub callback: Option<PathBuf>,
    /// A path, or a syslog facility.
    pub log: String,
    /// Put a dead server that somebody removed back with weight 0.
    pub readd_quiescent: bool,
    /// Stay in the foreground and log to standard output.
    pub supervised: bool,
    /// Directory of files that name servers in maintenance.
    pub maintenance_dir: Option<PathBuf>,
    /// Configurations of other instances, which run with this one.
    pub execute: Vec<String>,
    /// Who mails come from.
    pub alert_from: Option<Address>,
}

/// One virtual service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VirtualService {
    /// What the kernel's table shall hold.
    pub service: Service,
    /// `servicename`.
    pub name: Option<String>,
    /// `comment`.
    pub comment: Option<String>,
    /// The real servers, in the order of the file.
    pub reals: Vec<RealServer>,
    /// Takes the connections while no real server is up.
    pub fallback: Option<Destination>,
    /// Shell command run when the fallback comes and goes.
    pub fallback_command: Option<String>,
    /// Dead servers get weight 0 instead of being removed.
    pub quiescent: bool,
    /// Stopping takes the service out of the table.
    pub clean_stop: bool,
    /// Failures in a row until a server is down.
    pub failure_count: u32,
    /// Good checks in a row until a server that was down is up.
    pub rise: u32,
    /// Who is told by mail.
    pub alerts: Option<Alerts>,
    /// Where the result of every check is written.
    pub monitor_file: Option<PathBuf>,
    /// How long the weight of a server grows after it was down; zero = not at all.
    #[serde(serialize_with = "seconds")]
    pub slow_start: Duration,
    /// When all servers that are up fail together, their last verdicts stay.
    pub keep_last: bool,
}

/// One real server of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RealServer {
    /// Its address.
    pub address: IpAddr,
    /// Its port as configured, which the check uses; 0 if none was written.
    pub port: u16,
    /// Its name, if the file names it.
    pub name: Option<Box<str>>,
    /// What the kernel's table shall hold while it is up. Except with `masq` the kernel knows no other
    /// port than the service's.
    pub destination: Destination,
    /// How it is checked.
    pub check: Check,
    /// How the service's monitor file names it; empty if there is none.
    pub monitor_name: Box<str>,
}

/// How a real server is checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Not: it counts as up.
    On,
    /// Not: it is never used.
    Off,
    /// By a probe, which others may share.
    Probe(Arc<Probe>),
}

impl RealServer {
    /// Address and port as configured, as log lines show them.
    pub fn shown(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

impl VirtualService {
    /// `tcp:192.0.2.1:80`, `udp:[2001:db8::1]:53`, `fwm:1`, `fwm6:1`: the id that log lines show.
    pub fn id(&self) -> String {
        match &self.service.key {
            ServiceKey::Address { protocol, address, port } => {
                let protocol = match protocol {
                    Protocol::Udp => "udp",
                    _ => "tcp",
                };
                format!("{protocol}:{}", SocketAddr::new(*address, *port))
            }
            ServiceKey::Fwmark { mark, family: ipvs::Family::V4 } => format!("fwm:{mark}"),
            ServiceKey::Fwmark { mark, family: ipvs::Family::V6 } => format!("fwm6:{mark}"),
        }
    }

    /// `192.0.2.1:80` or the mark: how log lines show the service.
    pub fn shown(&self) -> String {
        shown(&self.service.key)
    }
}

/// `192.0.2.1:80` or the mark: how log lines show a service.
pub fn shown(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address { address, port, .. } => SocketAddr::new(*address, *port).to_string(),
        ServiceKey::Fwmark { mark, .. } => mark.to_string(),
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
