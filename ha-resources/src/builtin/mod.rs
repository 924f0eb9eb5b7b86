//! The agents that need no script besides those for addresses, and what their arguments mean: pure.
//!
//! | resource | what it is |
//! |---|---|
//! | `LVSSyncDaemonSwap::master[::SYNCID][::INTERFACE][::OPTION=VALUE]` | IPVS connection synchronisation: sends while the group is here, receives while it is not |
//! | `LVSSyncDaemon[::SYNCID][::INTERFACE][::OPTION=VALUE]` | the same, and it never stops receiving |
//! | `IPsrcaddr::ADDRESS` | the source address of what this machine sends through its default route |
//! | `SendArp::ADDRESS/INTERFACE` | announces an address that something else holds |
//! | `MailTo::ADDRESS[,ADDRESS][::SUBJECT]` | mail about the group's arrival and departure |
//! | `Delay[::START[::STOP]]` | waits |
//! | `portblock::PROTOCOL::PORT[,PORT]::block[::ADDRESS]` and `…::unblock` | drops what comes for a port while the group moves |
//! | `systemd::UNIT` | a unit |
//! | `ocf:PROVIDER:AGENT[::NAME=VALUE]`, `OCF::AGENT::INSTANCE`, `Filesystem::…` and its like | an OCF agent |

mod ocf;
mod port;
mod sync;

pub use ocf::{Ocf, Parameters};
pub use port::{PortBlock, Side};
pub use sync::{Swap, Sync};

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// What one of these resources is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    /// Connection synchronisation.
    Sync(Sync),
    /// The preferred source address of the default route.
    Source(IpAddr),
    /// An address that something else holds, and the interface through which it is announced.
    SendArp(IpAddr, String),
    /// Mail to these, and what stands at the beginning of its subject.
    Mail(Vec<String>, Option<String>),
    /// How long a start and a stop wait.
    Delay(Duration, Duration),
    /// A port that is not answered during the move.
    Port(PortBlock),
    /// A systemd unit, with its suffix.
    Unit(String),
    /// An OCF agent.
    Ocf(Ocf),
}

/// What is wrong with the arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The piece of the resource's text that it is about; the whole if it is empty.
    pub piece: String,
    /// What is wrong.
    pub message: String,
    /// What is valid.
    pub help: String,
}

impl Wrong {
    fn new(piece: &str, message: impl Into<String>, help: impl Into<String>) -> Wrong {
        Wrong { piece: piece.to_owned(), message: message.into(), help: help.into() }
    }
}

/// The names of these agents, for hints.
pub(crate) const NAMES: [&str; 9] = [
    "LVSSyncDaemonSwap",
    "LVSSyncDaemon",
    "IPsrcaddr",
    "SendArp",
    "MailTo",
    "Delay",
    "portblock",
    "systemd",
    "OCF",
];

impl BuiltIn {
    /// What a resource means; `None` if no agent of this program has that name.
    pub fn parse(script: &str, arguments: &[String]) -> Option<Result<BuiltIn, Wrong>> {
        Some(match script {
            "LVSSyncDaemonSwap" | "LVSSyncDaemon" => Sync::parse(script, arguments).map(BuiltIn::Sync),
            "IPsrcaddr" => source(arguments),
            "SendArp" => send_arp(arguments),
            "MailTo" => mail(arguments),
            "Delay" => delay(arguments),
            "portblock" => PortBlock::parse(arguments).map(BuiltIn::Port),
            "systemd" => unit(arguments).map(BuiltIn::Unit),
            _ => return Some(Ocf::parse(script, arguments)?.map(BuiltIn::Ocf)),
        })
    }

    /// Whether it only tells somebody, or only waits: each group may have one of its own.
    pub fn stateless(&self) -> bool {
        matches!(self, BuiltIn::Mail(..) | BuiltIn::Delay(..))
    }
}

fn source(arguments: &[String]) -> Result<BuiltIn, Wrong> {
    let form = "write IPsrcaddr::192.0.2.10, an address that the group holds, after that address";
    // An IPv6 address may be written with `::`, which separated the arguments.
    let text = arguments.join("::");
    let ip = text.split('/').next().unwrap_or_default();
    match ip.parse::<IpAddr>() {
        Ok(ip) if !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast() => Ok(BuiltIn::Source(ip)),
        Ok(ip) => Err(Wrong::new(&text, format!("{ip} cannot be a preferred source address"), form)),
        Err(_) if text.is_empty() => Err(Wrong::new("", "IPsrcaddr needs an address", form)),
        Err(_) => Err(Wrong::new(&text, format!("{ip:?} is not an IP address"), form)),
    }
}

fn send_arp(arguments: &[String]) -> Result<BuiltIn, Wrong> {
    let form = "write SendArp::192.0.2.10/eth0: the address and the interface through which it is announced";
    let text = arguments.join("::");
    // As in the old script, what stands between the address and the interface does not matter.
    let mut parts = text.split('/').filter(|part| !part.is_empty());
    let (ip, interface) = (parts.next().unwrap_or_default(), parts.next_back());
    let Ok(ip) = ip.parse::<IpAddr>() else {
        return Err(Wrong::new(&text, format!("{ip:?} is not an IP address"), form));
    };
    let name = interface.map(|name| name.split(':').next().unwrap_or_default()).unwrap_or_default();
    match is_interface(name) {
        true => Ok(BuiltIn::SendArp(ip, name.to_owned())),
        false => Err(Wrong::new(&text, "SendArp needs an interface", form)),
    }
}

fn mail(arguments: &[String]) -> Result<BuiltIn, Wrong> {
    let form = "write MailTo::root@example.org or MailTo::one@example.org,two@example.org::subject";
    let Some((receivers, subject)) = arguments.split_first() else {
        return Err(Wrong::new("", "MailTo needs an address", form));
    };
    let addresses: Vec<String> =
        receivers.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect();
    // It becomes an argument of the mail program.
    let bad = |one: &&String| one.starts_with('-') || !one.chars().all(|c| c.is_ascii_graphic());
    if let Some(bad) = addresses.iter().find(bad) {
        return Err(Wrong::new(bad, format!("{bad:?} is not a mail address"), form));
    }
    match (addresses.is_empty(), subject) {
        (true, _) => Err(Wrong::new(receivers, "MailTo needs an address", form)),
        (false, []) => Ok(BuiltIn::Mail(addresses, None)),
        (false, [subject]) => Ok(BuiltIn::Mail(addresses, Some(subject.clone()))),
        (false, [_, second, ..]) => Err(Wrong::new(second, "MailTo takes two arguments", form)),
    }
}

/// Debian's wrapper waits 10 s without an argument; its agent waits as long at a stop as at a start.
fn delay(arguments: &[String]) -> Result<BuiltIn, Wrong> {
    let seconds = |text: &String| {
        let number = text.parse::<f64>().ok().filter(|seconds| (0.0..=3600.0).contains(seconds));
        number.map(Duration::from_secs_f64).ok_or_else(|| {
            Wrong::new(text, format!("{text:?} is not a number of seconds"), "0 to 3600, such as 10 or 0.5")
        })
    };
    match arguments {
        [] => Ok(BuiltIn::Delay(Duration::from_secs(10), Duration::from_secs(10))),
        [both] => seconds(both).map(|both| BuiltIn::Delay(both, both)),
        [start, stop] => Ok(BuiltIn::Delay(seconds(start)?, seconds(stop)?)),
        [_, _, third, ..] => Err(Wrong::new(third, "Delay takes two arguments", "write Delay::START::STOP")),
    }
}

/// The suffixes by which systemd.unit(5) tells the kinds of units.
const UNIT_KINDS: [&str; 11] = [
    ".service",
    ".socket",
    ".target",
    ".mount",
    ".automount",
    ".timer",
    ".path",
    ".swap",
    ".slice",
    ".scope",
    ".device",
];

fn unit(arguments: &[String]) -> Result<String, Wrong> {
    let form = "write systemd::nginx or systemd::nginx.service";
    let name = match arguments {
        [name] => name,
        [] => return Err(Wrong::new("", "systemd needs a unit", form)),
        [_, second, ..] => return Err(Wrong::new(second, "systemd takes one unit", form)),
    };
    let valid = |c: char| c.is_ascii_alphanumeric() || "\\:-_.@".contains(c);
    if name.starts_with('-') || name.len() > 255 || !name.chars().all(valid) {
        return Err(Wrong::new(name, format!("{name:?} is not the name of a unit"), form));
    }
    let whole = UNIT_KINDS.iter().any(|kind| name.ends_with(kind));
    Ok(if whole { name.clone() } else { format!("{name}.service") })
}

fn is_interface(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_graphic() && c != '/' && c != ':';
    !name.is_empty() && name.len() <= crate::address::NAME_MAX && name.chars().all(valid)
}

/// Eight groups, none left out.
pub(crate) fn in_full(ip: Ipv6Addr) -> String {
    ip.segments().map(|segment| format!("{segment:x}")).join(":")
}

#[cfg(test)]
mod tests;
