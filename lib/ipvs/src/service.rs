//! Virtual services.
use crate::Stats;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::str::FromStr;

/// Address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// Transport protocols that IPVS balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// The number in the IP header.
    pub fn number(self) -> u16 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        }
    }

    /// The protocol with this number, if IPVS knows it.
    pub fn from_number(number: u16) -> Option<Protocol> {
        [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter().find(|p| p.number() == number)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
        })
    }
}

/// What identifies a virtual service.
///
/// Written and parsed as `ipvsadm -Ln` shows it: `TCP 203.0.113.202:80`, `UDP [2001:db8::1]:53`, `FWM 5`,
/// `FWM 5 IPv6`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum ServiceKey {
    /// By protocol, address and port.
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// The virtual address.
        address: IpAddr,
        /// The port; 0 means every port and needs persistence.
        port: u16,
    },
    /// By firewall mark.
    Fwmark {
        /// The mark. Never 0: the kernel would take it and make a service `TCP 0.0.0.0:0`.
        mark: NonZeroU32,
        /// The family of the marked packets: one mark can be two services.
        family: Family,
    },
}

impl ServiceKey {
    /// The service at a protocol, an address and a port.
    pub fn new(protocol: Protocol, address: IpAddr, port: u16) -> ServiceKey {
        ServiceKey::Address { protocol, address, port }
    }

    /// The service of a firewall mark; `None` for mark 0, which is no mark.
    pub fn fwmark(mark: u32, family: Family) -> Option<ServiceKey> {
        Some(ServiceKey::Fwmark { mark: NonZeroU32::new(mark)?, family })
    }

    /// Family of the packets.
    pub fn family(&self) -> Family {
        match self {
            ServiceKey::Address { address, .. } => Family::of(*address),
            ServiceKey::Fwmark { family, .. } => *family,
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceKey::Address { protocol, address, port } => {
                write!(f, "{protocol} {}", SocketAddr::new(*address, *port))
            }
            ServiceKey::Fwmark { mark, family: Family::V4 } => write!(f, "FWM {mark}"),
            ServiceKey::Fwmark { mark, family: Family::V6 } => write!(f, "FWM {mark} IPv6"),
        }
    }
}

/// A text that is no [`ServiceKey`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseServiceKeyError(String);

impl fmt::Display for ParseServiceKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" is no virtual service; write it like TCP 203.0.113.202:80, UDP [2001:db8::1]:53, FWM 5 or FWM 5 IPv6",
            self.0
        )
    }
}

impl std::error::Error for ParseServiceKeyError {}

impl FromStr for ServiceKey {
    type Err = ParseServiceKeyError;

    fn from_str(text: &str) -> Result<ServiceKey, ParseServiceKeyError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let key = match words.as_slice() {
            ["FWM", mark] => mark.parse().ok().and_then(|mark| ServiceKey::fwmark(mark, Family::V4)),
            ["FWM", mark, "IPv6"] => mark.parse().ok().and_then(|mark| ServiceKey::fwmark(mark, Family::V6)),
            [protocol, socket] => {
                let protocol = match *protocol {
                    "TCP" => Some(Protocol::Tcp),
                    "UDP" => Some(Protocol::Udp),
                    "SCTP" => Some(Protocol::Sctp),
                    _ => None,
                };
                let socket = socket.parse::<SocketAddr>().ok();
                protocol.zip(socket).map(|(protocol, s)| ServiceKey::new(protocol, s.ip(), s.port()))
            }
            _ => None,
        };
        key.ok_or_else(|| ParseServiceKeyError(text.to_owned()))
    }
}

/// A virtual service, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Service {
    /// What it is called by.
    pub key: ServiceKey,
    /// Scheduler, as in `ipvsadm -s`: `rr`, `wlc`, …; at most 15 letters, digits, `_` or `-`. Each is a kernel
    /// module of its own, which the kernel loads when it can.
    pub scheduler: String,
    /// Options of the scheduler.
    pub scheduler_flags: SchedulerFlags,
    /// One-packet scheduling: every UDP packet is a connection of its own.
    pub one_packet: bool,
    /// Persistence, if clients stay with their real server. What the kernel keeps of it while persistence
    /// is off (a timeout, a mask) has no effect and is not read.
    pub persistence: Option<Persistence>,
}

impl Service {
    /// A service without persistence or flags.
    pub fn new(key: ServiceKey, scheduler: impl Into<String>) -> Service {
        Service {
            key,
            scheduler: scheduler.into(),
            scheduler_flags: SchedulerFlags::default(),
            one_packet: false,
            persistence: None,
        }
    }
}

/// Persistence of a service: connections of one client (network) go to one real server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Persistence {
    /// Seconds after the last connection, 1 to [`Persistence::MAX_TIMEOUT`].
    pub timeout: u32,
    /// Clients with equal masked addresses are one client.
    pub netmask: Netmask,
    /// Persistence engine, which finds more than the address in a packet: `sip` takes the Call-ID.
    pub engine: Option<String>,
}

impl Persistence {
    /// `ipvsadm`'s limit, 31 days. The kernel has none, and its clock ticks overflow not much later.
    pub const MAX_TIMEOUT: u32 = 31 * 24 * 3600;

    /// Persistence for single addresses of a family, without an engine.
    pub fn new(timeout: u32, family: Family) -> Persistence {
        Persistence { timeout, netmask: Netmask::host(family), engine: None }
    }
}

/// Granularity of persistence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Netmask {
    /// Mask of an IPv4 service. The kernel takes any bits, contiguous or not.
    V4(Ipv4Addr),
    /// Prefix length of an IPv6 service, 1–128.
    V6(u8),
}

impl Netmask {
    /// The mask that makes every address a client of its own, the default.
    pub fn host(family: Family) -> Netmask {
        match family {
            Family::V4 => Netmask::V4(Ipv4Addr::BROADCAST),
            Family::V6 => Netmask::V6(128),
        }
    }

    /// The family of services it fits.
    pub fn family(self) -> Family {
        match self {
            Netmask::V4(_) => Family::V4,
            Netmask::V6(_) => Family::V6,
        }
    }

    /// Whether it is the default.
    pub fn is_host(self) -> bool {
        self == Netmask::host(self.family())
    }
}

impl fmt::Display for Netmask {
    /// `255.255.255.0` or `64`, as `ipvsadm -M` takes them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Netmask::V4(mask) => mask.fmt(f),
            Netmask::V6(length) => length.fmt(f),
        }
    }
}

/// The three flags a scheduler may give a meaning to (`ipvsadm -b`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SchedulerFlags {
    /// `flag-1`: `sh-fallback`, `mh-fallback`: another real server if the chosen one has weight 0 or is full.
    pub flag1: bool,
    /// `flag-2`: `sh-port`, `mh-port`: the source port is hashed too.
    pub flag2: bool,
    /// `flag-3`: unused so far.
    pub flag3: bool,
}

impl SchedulerFlags {
    /// Reads a list like `sh-fallback,sh-port` or `flag-1,flag-3`. A name with another scheduler's prefix is
    /// an error, as it is for `ipvsadm`.
    pub fn parse(scheduler: &str, list: &str) -> Result<SchedulerFlags, UnknownSchedulerFlag> {
        let mut flags = SchedulerFlags::default();
        for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match (word, scheduler) {
                ("flag-1", _) | ("sh-fallback", "sh") | ("mh-fallback", "mh") => flags.flag1 = true,
                ("flag-2", _) | ("sh-port", "sh") | ("mh-port", "mh") => flags.flag2 = true,
                ("flag-3", _) => flags.flag3 = true,
                _ => {
                    return Err(UnknownSchedulerFlag {
                        flag: word.to_owned(),
                        scheduler: scheduler.to_owned(),
                    });
                }
            }
        }
        Ok(flags)
    }

    /// The list as `ipvsadm` writes it for a scheduler; empty without flags.
    pub fn list(self, scheduler: &str) -> String {
        let names = match scheduler {
            "sh" => ["sh-fallback", "sh-port", "flag-3"],
            "mh" => ["mh-fallback", "mh-port", "flag-3"],
            _ => ["flag-1", "flag-2", "flag-3"],
        };
        let set = [self.flag1, self.flag2, self.flag3];
        let words: Vec<&str> =
            names.into_iter().zip(set).filter(|(_, set)| *set).map(|(name, _)| name).collect();
        words.join(",")
    }
}

/// A word that is no flag of the scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSchedulerFlag {
    /// The word.
    pub flag: String,
    /// The scheduler it was given for.
    pub scheduler: String,
}

impl fmt::Display for UnknownSchedulerFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = match self.scheduler.as_str() {
            "sh" => "sh-fallback, sh-port, ",
            "mh" => "mh-fallback, mh-port, ",
            _ => "",
        };
        write!(
            f,
            "\"{}\" is no flag of scheduler \"{}\"; valid: {own}flag-1, flag-2, flag-3",
            self.flag, self.scheduler
        )
    }
}

impl std::error::Error for UnknownSchedulerFlag {}

/// A service as the kernel reports it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServiceEntry {
    /// What was configured.
    pub service: Service,
    /// What it carried.
    pub stats: Stats,
}
