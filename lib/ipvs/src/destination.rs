//! Destinations: the real servers of a virtual service.
use crate::{Connections, Family, Stats};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// What identifies a destination within its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DestinationKey {
    /// Address of the real server. It may be of the other family than the service's, but only with
    /// [`Forwarding::Tunnel`], and only while no sync daemon runs.
    pub address: IpAddr,
    /// Port of the real server. Except with masquerading it is the service's own; 0 in a service for
    /// every port and usually 0 in a firewall-mark service.
    pub port: u16,
}

impl DestinationKey {
    /// The destination at this address and port.
    pub fn new(address: IpAddr, port: u16) -> DestinationKey {
        DestinationKey { address, port }
    }

    /// Family of the address.
    pub fn family(&self) -> Family {
        Family::of(self.address)
    }
}

impl From<SocketAddr> for DestinationKey {
    fn from(socket: SocketAddr) -> DestinationKey {
        DestinationKey::new(socket.ip(), socket.port())
    }
}

impl fmt::Display for DestinationKey {
    /// `192.0.2.10:80` or `[2001:db8::10]:80`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// A real server, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Destination {
    /// Address and port.
    pub key: DestinationKey,
    /// Share of new connections, 0 to 2^31 - 1; 0 is quiescent: no new connections, old ones go on.
    pub weight: u32,
    /// How packets reach the real server.
    pub forwarding: Forwarding,
    /// No new connections above this many; 0 is no limit.
    pub upper_threshold: u32,
    /// After the upper threshold was reached, new connections again below this many; 0 leaves it to the
    /// kernel (three quarters of the upper one).
    pub lower_threshold: u32,
}

impl Destination {
    /// A real server of weight 1 without thresholds.
    pub fn new(key: DestinationKey, forwarding: Forwarding) -> Destination {
        Destination { key, weight: 1, forwarding, upper_threshold: 0, lower_threshold: 0 }
    }
}

/// How a packet reaches the real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Forwarding {
    /// Network address translation (`masq`, `-m`).
    Masquerade,
    /// This machine itself.
    Local,
    /// Encapsulated (`ipip`, `-i`).
    Tunnel(Tunnel),
    /// Direct routing (`gate`, `-g`): only the link-layer address is changed.
    DirectRoute,
    /// Straight to the packet's own destination, for transparent caches.
    Bypass,
    /// A number that this version does not know (5–7 are free today).
    Other(u32),
}

impl fmt::Display for Forwarding {
    /// As `ipvsadm -L` writes it: `Masq`, `Local`, `Tunnel`, `Route`; and `Bypass`, for which it has no word.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Forwarding::Masquerade => "Masq",
            Forwarding::Local => "Local",
            Forwarding::Tunnel(_) => "Tunnel",
            Forwarding::DirectRoute => "Route",
            Forwarding::Bypass => "Bypass",
            Forwarding::Other(_) => "Unknown",
        })
    }
}

/// Encapsulation of [`Forwarding::Tunnel`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Tunnel {
    /// IP in IP (RFC 2003), the default and the only one before Linux 5.3.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue {
        /// UDP port of the real server's tunnel, not 0.
        port: u16,
        /// Checksum of the encapsulation.
        checksum: Checksum,
    },
    /// GRE (RFC 2784).
    Gre {
        /// Checksum of the encapsulation.
        checksum: GreChecksum,
    },
    /// Values that this version does not know, as the kernel has them.
    Other {
        /// Tunnel type.
        kind: u8,
        /// Port, 0 where there is none.
        port: u16,
        /// Flags: bit 0 checksum, bit 1 remote checksum.
        flags: u16,
    },
}

/// Checksum of a GUE tunnel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Checksum {
    /// None (`--tun-nocsum`).
    #[default]
    None,
    /// UDP checksum (`--tun-csum`).
    Full,
    /// Remote checksum offload (`--tun-remcsum`).
    Remote,
}

/// Checksum of a GRE tunnel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum GreChecksum {
    /// None (`--tun-nocsum`).
    #[default]
    None,
    /// GRE checksum (`--tun-csum`).
    Full,
}

/// A destination as the kernel reports it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DestinationEntry {
    /// What was configured.
    pub destination: Destination,
    /// Connections it has now.
    pub connections: Connections,
    /// What it carried.
    pub stats: Stats,
}
