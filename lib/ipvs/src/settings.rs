//! Values of the whole table.
use std::fmt;

/// How long an idle connection stays in the table, in seconds, as in `ipvsadm --set TCP TCPFIN UDP`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Timeouts {
    /// Idle TCP sessions; kernel default 900.
    pub tcp: u32,
    /// TCP sessions after a FIN; kernel default 120.
    pub tcp_fin: u32,
    /// UDP; kernel default 300.
    pub udp: u32,
}

impl fmt::Display for Timeouts {
    /// As `ipvsadm -L --timeout` writes them: `900 120 300`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.tcp, self.tcp_fin, self.udp)
    }
}

/// What the kernel says of its IPVS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Info {
    /// Version of IPVS (1.2.1 since 2004).
    pub version: Version,
    /// Hash buckets of the connection table (`conn_tab_bits`), not its entries.
    pub table_size: u32,
}

impl fmt::Display for Info {
    /// As in the first line of `ipvsadm -L`: `1.2.1 (size=4096)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (size={})", self.version, self.table_size)
    }
}

/// A version of IPVS, made by the kernel's `NVERSION` macro from three bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Version {
    /// Major number.
    pub major: u8,
    /// Minor number.
    pub minor: u8,
    /// Patch number.
    pub patch: u8,
}

impl From<u32> for Version {
    fn from(packed: u32) -> Version {
        let [_, major, minor, patch] = packed.to_be_bytes();
        Version { major, minor, patch }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}
