//! Whether something takes what clients send to a virtual address. Pure: [`super::kernel::listeners`] says what there is.

use super::{Facts, Finding, Mode};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// What a port belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they say it")]
pub enum Protocol {
    Tcp,
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A port that clients use: `80`, `53/udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// Whose it is.
    pub protocol: Protocol,
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Port, String> {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            other => return Err(format!("{other:?} is neither tcp nor udp")),
        };
        match number.parse() {
            Ok(number) if number != 0 => Ok(Port { number, protocol }),
            _ => Err(format!("{number:?} is no port from 1 to 65535; write 80, or 53/udp")),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Tcp => write!(f, "{}", self.number),
            Protocol::Udp => write!(f, "{}/udp", self.number),
        }
    }
}

/// A socket that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub port: Port,
    /// On which address; `0.0.0.0` or `::` for all.
    pub address: IpAddr,
    /// One of `::` that takes IPv4, too.
    pub both: bool,
}

impl Listener {
    /// Whether it takes what comes in for an address of this machine.
    fn takes(&self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (own, ip) if own == ip => true,
            (IpAddr::V4(own), IpAddr::V4(_)) => own.is_unspecified(),
            (IpAddr::V6(own), IpAddr::V6(_)) => own.is_unspecified(),
            (IpAddr::V6(own), IpAddr::V4(_)) => own.is_unspecified() && self.both,
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
        }
    }
}

/// The waiting sockets of `/proc/net/tcp` and its like; `version` is 4 or 6. Lines that are none are passed over.
pub fn parse(text: &str, protocol: Protocol, version: u8) -> Vec<Listener> {
    text.lines().skip(1).filter_map(|line| listener(line, protocol, version)).collect()
}

/// `sl: ADDRESS:PORT ADDRESS:PORT STATE …`, hexadecimal (proc(5)).
fn listener(line: &str, protocol: Protocol, version: u8) -> Option<Listener> {
    let mut words = line.split_whitespace().skip(1);
    let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
    let waits = match protocol {
        Protocol::Tcp => state == "0A",
        Protocol::Udp => remote.ends_with(":0000"),
    };
    let (address, number) = local.split_once(':').filter(|_| waits)?;
    let number = u16::from_str_radix(number, 16).ok()?;
    let address = if version == 4 { v4(address)? } else { v6(address)? };
    let both = address == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    Some(Listener { port: Port { number, protocol }, address: address.to_canonical(), both })
}

/// Four bytes in the order of this machine.
fn word(hex: &str) -> Option<[u8; 4]> {
    u32::from_str_radix(hex, 16).ok().map(u32::to_ne_bytes)
}

fn v4(hex: &str) -> Option<IpAddr> {
    (hex.len() == 8).then(|| word(hex))?.map(|bytes| Ipv4Addr::from(bytes).into())
}

fn v6(hex: &str) -> Option<IpAddr> {
    let words = [hex.get(..8)?, hex.get(8..16)?, hex.get(16..24)?, hex.get(24..32)?];
    let mut bytes = Vec::new();
    for hex in words {
        bytes.extend(word(hex)?);
    }
    <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).into())
}

/// What is wrong if nothing takes what comes in for an address and a port.
pub fn judge(facts: &Facts, listeners: &[Listener], ip: IpAddr, mode: Mode, port: Port) -> Option<Finding> {
    // what is redirected arrives at an address that this machine has on the interface
    let at: Vec<IpAddr> = match mode {
        Mode::Loopback => vec![ip],
        Mode::Redirect => {
            let own = facts.addresses.iter().filter(|address| {
                address.interface != "lo"
                    && address.ip.is_ipv4() == ip.is_ipv4()
                    && !is_link_local(address.ip)
            });
            own.map(|address| address.ip).collect()
        }
    };
    let there: Vec<&Listener> = listeners.iter().filter(|listener| listener.port == port).collect();
    if there.iter().any(|listener| at.iter().any(|ip| listener.takes(*ip))) {
        return None;
    }
    let mut elsewhere: Vec<String> = there.iter().map(|listener| listener.address.to_string()).collect();
    elsewhere.sort_unstable();
    elsewhere.dedup();
    let all = if ip.is_ipv4() { "0.0.0.0" } else { "::" };
    let wanted = match mode {
        Mode::Loopback => format!("{ip} or {all}"),
        Mode::Redirect => {
            format!("{all}, since what is redirected arrives at an own address of this machine")
        }
    };
    let family = if port.protocol == Protocol::Tcp { "t" } else { "u" };
    Some(Finding {
        address: ip,
        what: match elsewhere.as_slice() {
            [] => format!("nothing listens on port {port}: clients of {ip} are refused"),
            some => format!(
                "nothing takes connections to {ip} port {port}: what listens on that port does so on {} only",
                some.join(" and ")
            ),
        },
        help: format!(
            "let the service listen on {wanted}; ss -ln{family}p 'sport = :{}' shows what listens",
            port.number
        ),
        curable: false,
    })
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::super::Address;
    use super::*;

    /// As the kernel writes them on a machine that is little-endian, and on others.
    fn hex(bytes: &[u8]) -> String {
        let words = bytes.chunks(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap()));
        words.map(|word| format!("{word:08X}")).collect()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ports_are_written_as_in_services() {
        assert_eq!("80".parse(), Ok(Port { number: 80, protocol: Protocol::Tcp }));
        assert_eq!("53/udp".parse(), Ok(Port { number: 53, protocol: Protocol::Udp }));
        for wrong in ["0", "65536", "http", "80/sctp", "", "/udp"] {
            assert!(wrong.parse::<Port>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_kernels_list_is_read() {
        let all = hex(&[0; 4]);
        let text = format!(
            "  sl  local_address rem_address   st tx_queue\n   0: {}:0050 {all}:0000 0A 0\n   1: {}:1F90 {all}:D431 01 0\n nonsense\n",
            hex(&[192, 0, 2, 11]),
            hex(&[127, 0, 0, 1]),
        );
        let port = Port { number: 80, protocol: Protocol::Tcp };
        assert_eq!(
            parse(&text, Protocol::Tcp, 4),
            [Listener { port, address: ip("192.0.2.11"), both: false }]
        );
        let v6 = "2001:db8::7".parse::<Ipv6Addr>().unwrap().octets();
        let mapped = "192.0.2.11".parse::<Ipv4Addr>().unwrap().to_ipv6_mapped().octets();
        let line = |bytes: &[u8]| format!("   0: {}:0050 {}:0000 0A 0\n", hex(bytes), hex(&[0; 16]));
        let text = format!("header\n{}{}{}", line(&v6), line(&[0; 16]), line(&mapped));
        assert_eq!(
            parse(&text, Protocol::Tcp, 6),
            [
                Listener { port, address: ip("2001:db8::7"), both: false },
                Listener { port, address: ip("::"), both: true },
                Listener { port, address: ip("192.0.2.11"), both: false },
            ]
        );
    }

    #[test]
    fn who_listens_elsewhere_is_named() {
        let port = Port { number: 80, protocol: Protocol::Tcp };
        let own =
            Address { ip: ip("192.0.2.11"), prefix: 24, interface: "eth0".to_owned(), deprecated: false };
        let facts = Facts { addresses: vec![own], ..Facts::default() };
        let vip = ip("192.0.2.100");
        let at = |text: &str, both| Listener { port, address: ip(text), both };
        let said = |listeners: &[Listener], vip, mode| {
            judge(&facts, listeners, vip, mode, port).map(|finding| finding.what).unwrap_or_default()
        };
        let lo = Mode::Loopback;
        assert!(said(&[], vip, lo).contains("nothing listens on port 80"));
        let other = Listener { port: Port { number: 81, ..port }, ..at("0.0.0.0", false) };
        assert!(said(&[other], vip, lo).contains("nothing listens on port 80"));
        let elsewhere = [at("192.0.2.11", false), at("127.0.0.1", false)];
        assert!(said(&elsewhere, vip, lo).contains("on 127.0.0.1 and 192.0.2.11 only"));
        for good in [at("0.0.0.0", false), at("192.0.2.100", false), at("::", true)] {
            assert_eq!(said(&[good], vip, lo), "", "{good:?}");
        }
        assert!(said(&[at("::", false)], vip, lo).contains("on :: only"));
        assert!(said(&[at("0.0.0.0", false)], ip("2001:db8::100"), lo).contains("on 0.0.0.0 only"));
        // redirected to an own address
        assert!(said(&[at("192.0.2.100", false)], vip, Mode::Redirect).contains("on 192.0.2.100 only"));
        assert_eq!(said(&[at("192.0.2.11", false)], vip, Mode::Redirect), "");
    }
}
