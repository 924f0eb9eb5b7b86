//! The argument of `IPaddr`, `IPaddr2` and `IPv6addr`: pure.
//!
//! ```text
//! ip[/maskbits[/interface[:label][/broadcast]]]
//! ip/mask/broadcast                               when the third part begins with a digit
//! ```

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

/// The longest name of an interface and of a label: IFNAMSIZ with its final zero byte.
pub const NAME_MAX: usize = 15;

/// An address, and where it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address itself.
    pub ip: IpAddr,
    /// Length of the network prefix, in bits; `None`: that of the connected network.
    pub prefix: Option<u8>,
    /// The interface; `None`: the one whose connected network contains the address.
    pub interface: Option<String>,
    /// What stands after the interface's colon: the kernel gets it as `interface:label`.
    pub label: Option<String>,
    /// The broadcast address.
    pub broadcast: Broadcast,
    /// The agent that the file names.
    pub agent: Agent,
}

/// The broadcast address of an IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broadcast {
    /// Not said: that of the connected network, or else computed from the mask.
    Default,
    /// `+`: computed from the mask.
    Computed,
    /// `-`: none.
    None,
    /// This one.
    Given(Ipv4Addr),
}

/// The three agents differ in two habits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// Labels its addresses `eth0:0`, `eth0:1` … by itself, so that `ifconfig` shows them.
    IpAddr,
    /// Takes away a copy of the address on `lo` while it holds it (a director that is a real server too).
    IpAddr2,
    /// Neither.
    Ipv6Addr,
}

impl Agent {
    /// By the script's name; an unknown name is `IPaddr2`.
    pub fn named(script: &str) -> Agent {
        match script {
            "IPaddr" => Agent::IpAddr,
            "IPv6addr" => Agent::Ipv6Addr,
            _ => Agent::IpAddr2,
        }
    }
}

/// What is wrong with an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    /// The bytes of the argument it is about.
    pub part: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What is valid.
    pub help: String,
}

impl Address {
    /// Parses an argument.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let mut parts = parts(text).into_iter();
        let Some((at, ip)) = parts.next() else {
            return Err(error(0..text.len(), "an address is missing", "write 192.0.2.10/24/eth0"));
        };
        let ip = parse_ip(at.clone(), ip)?;
        let prefix = parts.next().map(|(at, mask)| parse_mask(at, mask, ip)).transpose()?;
        let mut address = Address {
            ip,
            prefix,
            interface: None,
            label: None,
            broadcast: Broadcast::Default,
            agent: Agent::IpAddr2,
        };
        if let Some((at, third)) = parts.next() {
            if third.starts_with(|c: char| c.is_ascii_digit()) {
                address.broadcast = parse_broadcast(at, third, ip)?;
            } else {
                address.set_interface(at, third)?;
                if let Some((at, broadcast)) = parts.next() {
                    address.broadcast = parse_broadcast(at, broadcast, ip)?;
                }
            }
        }
        if let Some((extra, _)) = parts.next() {
            return Err(error(extra, "nothing may follow the broadcast address", FORM));
        }
        if address.interface.is_none() && is_link_local(ip) {
            return Err(error(
                at,
                "a link-local address needs its interface",
                "write fe80:0:0:0:0:0:0:10/64/eth0",
            ));
        }
        Ok(address)
    }

    fn set_interface(&mut self, at: Range<usize>, text: &str) -> Result<(), AddressError> {
        let (name, label) = text.split_once(':').map_or((text, None), |(name, label)| (name, Some(label)));
        let valid = |name: &str| name.chars().all(|c| c.is_ascii_graphic() && c != '/');
        if name.is_empty() || name.len() > NAME_MAX || !valid(name) || name == "." || name == ".." {
            return Err(error(
                at,
                format!("{name:?} cannot be the name of an interface"),
                "a name has 1 to 15 visible ASCII characters: eth0, bond0.100; `ip link` lists them",
            ));
        }
        if label.is_some_and(|label| !valid(label)) {
            return Err(error(
                at,
                format!("{text:?} has a bad label"),
                "a label has visible ASCII characters: eth0:vip",
            ));
        }
        self.interface = Some(name.to_owned());
        self.label = label.filter(|label| !label.is_empty()).map(str::to_owned);
        Ok(())
    }
}

const FORM: &str = "write ip/maskbits/interface:label/broadcast or ip/maskbits/broadcast";

/// `interface:label` within the kernel's 15 characters; `None` if no character of the label would be left.
pub fn kernel_label(interface: &str, label: &str) -> Option<String> {
    let room = NAME_MAX.checked_sub(interface.len() + 1)?;
    let kept: String = label.chars().filter(char::is_ascii).take(room).collect();
    (!kept.is_empty()).then(|| format!("{interface}:{kept}"))
}

/// The highest address of the network: `None` where a network has no broadcast address (/31, /32, IPv6).
pub fn computed_broadcast(ip: IpAddr, prefix: u8) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) if prefix < 31 => {
            Some(Ipv4Addr::from(u32::from(ip) | u32::MAX.checked_shr(prefix.into()).unwrap_or(0)))
        }
        _ => None,
    }
}

/// Whether `network/prefix` contains `ip`.
pub fn contains(network: IpAddr, prefix: u8, ip: IpAddr) -> bool {
    match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            u32::from(network) | host == u32::from(ip) | host
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            let host = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
            u128::from(network) | host == u128::from(ip) | host
        }
        _ => false,
    }
}

/// The parts between slashes with their places; several slashes count as one, as in the old scripts.
fn parts(text: &str) -> Vec<(Range<usize>, &str)> {
    let mut start = 0;
    text.split('/')
        .filter_map(|part| {
            let at = start..start + part.len();
            start = at.end + 1;
            (!part.is_empty()).then_some((at, part))
        })
        .collect()
}

fn parse_ip(at: Range<usize>, text: &str) -> Result<IpAddr, AddressError> {
    let Ok(ip) = text.parse::<IpAddr>() else {
        let help = if text.contains('$') {
            "variables are not replaced in this file; write the address: 192.0.2.10/24/eth0"
        } else if text.contains(':') {
            "eight groups of hexadecimal digits, none left out: 2001:db8:0:0:0:0:0:10"
        } else {
            "four numbers from 0 to 255, without leading zeros: 192.0.2.10; names are not looked up"
        };
        return Err(error(at, format!("{text:?} is not an IP address"), help));
    };
    let usable = match ip {
        IpAddr::V4(v4) => !v4.is_broadcast() && !v4.is_multicast() && v4.octets().first() != Some(&0),
        IpAddr::V6(v6) => !v6.is_multicast() && !v6.is_unspecified(),
    };
    if usable {
        Ok(ip)
    } else {
        Err(error(at, format!("{ip} cannot be the address of a machine"), "use a unicast address"))
    }
}

fn parse_mask(at: Range<usize>, text: &str, ip: IpAddr) -> Result<u8, AddressError> {
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    let digits = text.len() <= 3 && text.chars().all(|c| c.is_ascii_digit());
    let number = if digits { text.parse::<u8>().ok() } else { None };
    // Old versions took a dotted mask too.
    let dotted = || {
        let mask = u32::from(text.parse::<Ipv4Addr>().ok()?);
        let prefix = mask.leading_ones();
        (ip.is_ipv4() && mask.checked_shl(prefix).unwrap_or(0) == 0).then_some(prefix as u8)
    };
    number.or_else(dotted).filter(|prefix| (1..=bits).contains(prefix)).ok_or_else(|| {
        error(
            at,
            format!("{text:?} is not a network mask"),
            format!("a number of bits from 1 to {bits}: {ip}/{}", bits - 8),
        )
    })
}

fn parse_broadcast(at: Range<usize>, text: &str, ip: IpAddr) -> Result<Broadcast, AddressError> {
    if ip.is_ipv6() {
        return Err(error(at, "IPv6 has no broadcast address", "leave it out"));
    }
    match text {
        "+" => Ok(Broadcast::Computed),
        "-" => Ok(Broadcast::None),
        _ => text.parse().map(Broadcast::Given).map_err(|_| {
            error(
                at,
                format!("{text:?} is not a broadcast address"),
                "an IPv4 address, `+` (computed) or `-` (none)",
            )
        }),
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.segments().first().is_some_and(|s| s & 0xffc0 == 0xfe80))
}

fn error(part: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> AddressError {
    AddressError { part, message: message.into(), help: help.into() }
}

#[cfg(test)]
mod tests;
