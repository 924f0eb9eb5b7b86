//! Sync daemons: kernel threads that send or receive the connection table by multicast.
use std::fmt;
use std::net::IpAddr;

/// Which half of the synchronisation a daemon does. A machine can run one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum SyncRole {
    /// Sends this machine's connections.
    Master,
    /// Receives a master's connections.
    Backup,
}

impl fmt::Display for SyncRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SyncRole::Master => "master",
            SyncRole::Backup => "backup",
        })
    }
}

/// A sync daemon. `None` means the kernel's default when one is started; the kernel always answers a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SyncDaemon {
    /// Sender or receiver.
    pub role: SyncRole,
    /// Interface of the multicast, at most 15 bytes.
    pub interface: String,
    /// Sync id, 0–255: a backup takes only messages with its own id, and 0 takes all. The wire format has
    /// eight bits; the kernel would accept more here and cut them off, so [`crate::Client`] does not.
    pub id: u32,
    /// Longest sync message, in bytes; default 1472 for a master, what the interface's MTU allows
    /// for a backup.
    pub max_length: Option<u16>,
    /// Multicast group, of either family; default 224.0.0.81.
    pub group: Option<IpAddr>,
    /// UDP port; default 8848.
    pub port: Option<u16>,
    /// Time to live of the multicast; default 1.
    pub ttl: Option<u8>,
}

impl SyncDaemon {
    /// A daemon with the kernel's defaults.
    pub fn new(role: SyncRole, interface: impl Into<String>, id: u8) -> SyncDaemon {
        SyncDaemon {
            role,
            interface: interface.into(),
            id: id.into(),
            max_length: None,
            group: None,
            port: None,
            ttl: None,
        }
    }
}

impl fmt::Display for SyncDaemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sync daemon (mcast={}, syncid={}", self.role, self.interface, self.id)?;
        if let Some(length) = self.max_length {
            write!(f, ", maxlen={length}")?;
        }
        if let Some(group) = self.group {
            write!(f, ", group={group}")?;
        }
        if let Some(port) = self.port {
            write!(f, ", port={port}")?;
        }
        if let Some(ttl) = self.ttl {
            write!(f, ", ttl={ttl}")?;
        }
        f.write_str(")")
    }
}
