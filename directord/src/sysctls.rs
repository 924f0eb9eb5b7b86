//! What the kernel is set to, and what of a configuration that defeats. Only what is certain to matter is told, with the
//! command that mends it: what depends on a firewall, on routes or on other machines is not judged from here.
//!
//! The meaning of the values is that of the kernel's `Documentation/networking/ipvs-sysctl.rst` and `ip-sysctl.rst`.

use crate::config::{Check, Plan, VirtualService};
use ipvs::{Family, Forwarding, Protocol, ServiceKey};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;

const TEMPLATE: &str = "net.ipv4.vs.expire_quiescent_template";
const NODEST: &str = "net.ipv4.vs.expire_nodest_conn";
const REUSE: &str = "net.ipv4.vs.conn_reuse_mode";
const FORWARD: &str = "net.ipv4.ip_forward";
const FORWARD6: &str = "net.ipv6.conf.all.forwarding";

/// How many services a line names.
const NAMED: usize = 3;

/// What was read; `None` is not known, and nothing is said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sysctls {
    /// Whether a template of persistence ends when its server has weight 0.
    pub expire_quiescent_template: Option<u32>,
    /// Whether a connection ends when its server is in the table no more.
    pub expire_nodest_conn: Option<u32>,
    /// What becomes of a new connection from a port that an old one still has in the table.
    pub conn_reuse_mode: Option<u32>,
    /// Whether any interface forwards IPv4.
    pub forwards: Option<bool>,
    /// Whether IPv6 is forwarded.
    pub forwards6: Option<bool>,
    /// Those of the plan's servers that are addresses of this machine: their packets are not forwarded. Only needed where
    /// nothing is.
    pub own: BTreeSet<IpAddr>,
}

/// Something that the kernel's values make of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The sysctl.
    pub sysctl: &'static str,
    /// What it is.
    pub value: u32,
    /// What comes of it.
    pub meaning: &'static str,
    /// The services that it concerns.
    pub services: Vec<String>,
    /// What mends it until the next boot.
    pub command: String,
    /// What mends it for good.
    pub keep: &'static str,
}

/// What is to be said of these services with these values.
pub fn advice(plan: &Plan, sysctls: &Sysctls) -> Vec<Advice> {
    let of = |concerned: &dyn Fn(&VirtualService) -> bool| -> Vec<String> {
        plan.services.iter().filter(|service| concerned(service)).map(VirtualService::id).collect()
    };
    let mut all = Vec::new();
    let mut tell = |sysctl, services: Vec<String>, meaning| {
        if !services.is_empty() {
            let command = format!("sysctl -w {sysctl}=1");
            all.push(Advice { sysctl, value: 0, meaning, services, command, keep: keep(sysctl) });
        }
    };
    let off = |value: Option<u32>| value == Some(0);
    if off(sysctls.expire_quiescent_template) {
        let stay = of(&|service| service.quiescent && service.service.persistence.is_some());
        tell(
            TEMPLATE,
            stay,
            "persistent clients of a dead server stay with it, because quiescent=yes only gives it weight 0",
        );
    }
    if off(sysctls.expire_nodest_conn) {
        let hang = of(&|service| !service.quiescent && !service.service.one_packet && may_die(service));
        tell(
            NODEST,
            hang,
            "what clients send on a connection to a dead server is dropped silently until the connection times out or \
             the server is back, because quiescent=no removes it; with 1 they are told that the connection has ended",
        );
    }
    // With expire_nodest_conn=1 newer kernels look at the weight all the same.
    if off(sysctls.conn_reuse_mode) && off(sysctls.expire_nodest_conn) {
        let stay = of(&|service| service.quiescent && is_tcp(service) && may_die(service));
        tell(
            REUSE,
            stay,
            "a new connection from a port that an old connection had goes to the old one's server, also if that is dead \
             (quiescent=yes only gives it weight 0)",
        );
    }
    for (forwards, sysctl, family) in
        [(sysctls.forwards, FORWARD, Family::V4), (sysctls.forwards6, FORWARD6, Family::V6)]
    {
        if forwards == Some(false) {
            let no_way = of(&|service| masquerades(service, family).any(|to| !sysctls.own.contains(&to)));
            let meaning = "what servers with masq answer does not get back to the clients: no interface forwards packets";
            tell(sysctl, no_way, meaning);
        }
    }
    all
}

impl Sysctls {
    /// Reads what matters to this plan. Blocks: there may be many interfaces and servers.
    pub fn read(plan: &Plan) -> Sysctls {
        let mut sysctls = Sysctls {
            expire_quiescent_template: value(TEMPLATE),
            expire_nodest_conn: value(NODEST),
            conn_reuse_mode: value(REUSE),
            ..Sysctls::default()
        };
        let servers = |family| -> BTreeSet<IpAddr> {
            plan.services.iter().flat_map(|service| masquerades(service, family)).collect()
        };
        let (v4, v6) = (servers(Family::V4), servers(Family::V6));
        sysctls.forwards = if v4.is_empty() { None } else { forwards(Path::new("/proc/sys/net/ipv4/conf")) };
        sysctls.forwards6 =
            if v6.is_empty() { None } else { forwards6(Path::new("/proc/sys/net/ipv6/conf")) };
        for (forwards, servers) in [(sysctls.forwards, v4), (sysctls.forwards6, v6)] {
            if forwards == Some(false) {
                sysctls.own.extend(own(servers));
            }
        }
        sysctls
    }
}

/// What is to be said of this plan here and now. Blocks.
pub(crate) fn here(plan: &Plan) -> Vec<Advice> {
    advice(plan, &Sysctls::read(plan))
}

/// Whether persistent clients stay with a server of weight 0.
pub(crate) fn templates_stay() -> bool {
    value(TEMPLATE) == Some(0)
}

impl fmt::Display for Advice {
    /// One line for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<&str> = self.services.iter().take(NAMED).map(String::as_str).collect();
        let more = match self.services.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let Advice { sysctl, value, meaning, command, keep, .. } = self;
        let services = named.join(", ");
        write!(f, "sysctl {sysctl} is {value}: {meaning} ({services}{more}); {command}, and {keep}")
    }
}

/// The values of IPVS exist only while its module is loaded, which is later than they are set at boot.
fn keep(sysctl: &str) -> &'static str {
    if sysctl.starts_with("net.ipv4.vs.") {
        "the same in a file of /etc/sysctl.d with ip_vs in a file of /etc/modules-load.d"
    } else {
        "the same in a file of /etc/sysctl.d"
    }
}

/// Whether a check can take a server out of service.
fn may_die(service: &VirtualService) -> bool {
    service.reals.iter().any(|real| matches!(real.check, Check::Probe(_)))
}

fn is_tcp(service: &VirtualService) -> bool {
    matches!(service.service.key, ServiceKey::Address { protocol: Protocol::Tcp, .. })
}

/// The servers, the fallback among them, that are reached by NAT.
fn masquerades(service: &VirtualService, family: Family) -> impl Iterator<Item = IpAddr> {
    let reals = service.reals.iter().filter(|real| real.check != Check::Off).map(|real| &real.destination);
    let by_nat = reals.chain(&service.fallback).filter(|to| to.forwarding == Forwarding::Masquerade);
    by_nat.map(|to| to.key.address).filter(move |address| Family::of(*address) == family)
}

fn value(sysctl: &str) -> Option<u32> {
    number(&Path::new("/proc/sys").join(sysctl.replace('.', "/")))
}

fn number(file: &Path) -> Option<u32> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Each interface has its own word on what comes in there; `ip_forward`, which is that of `all`, sets every one.
fn forwards(interfaces: &Path) -> Option<bool> {
    let mut known = None;
    for interface in std::fs::read_dir(interfaces).ok()?.flatten() {
        if ["default", "lo"].iter().any(|none| interface.file_name() == *none) {
            continue;
        }
        match number(&interface.path().join("forwarding")) {
            Some(0) => known = Some(false),
            Some(_) => return Some(true),
            None => return None,
        }
    }
    known
}

/// The kernel asks for all interfaces together; newer ones also for one alone (`force_forwarding`).
fn forwards6(interfaces: &Path) -> Option<bool> {
    let all = number(&interfaces.join("all/forwarding"))? != 0;
    let mut each = std::fs::read_dir(interfaces).ok()?.flatten();
    Some(all || each.any(|one| number(&one.path().join("force_forwarding")).is_some_and(|on| on != 0)))
}

/// Those addresses that a socket may have. One that may not have any of them is asked for all: there may be ten thousands.
fn own(addresses: BTreeSet<IpAddr>) -> BTreeSet<IpAddr> {
    let mut unbound: [Option<OwnedFd>; 2] = [None, None];
    let mut is_own = |address: IpAddr| {
        let (slot, family) = match address {
            IpAddr::V4(_) => (&mut unbound[0], AddressFamily::INET),
            IpAddr::V6(_) => (&mut unbound[1], AddressFamily::INET6),
        };
        let socket = match slot.take() {
            Some(socket) => socket,
            None => match rustix::net::socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None) {
                Ok(socket) => socket,
                Err(_) => return false,
            },
        };
        let is_bound = rustix::net::bind(&socket, &SocketAddr::new(address, 0)).is_ok();
        if !is_bound {
            *slot = Some(socket);
        }
        is_bound
    };
    addresses.into_iter().filter(|address| address.is_loopback() || is_own(*address)).collect()
}

#[cfg(test)]
mod tests;
