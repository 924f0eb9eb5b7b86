//! What the kernel counts.

/// Traffic counters of a service or a destination, since it was made or last zeroed.
///
/// The kernel counts per processor and sums up every two seconds, so these lag behind by that much.
/// [`Connections`] do not.
///
/// Read from the 64-bit attribute where the kernel has it (since 4.1), else from the 32-bit one, whose
/// connection and packet counters wrap at 2^32. The rates are the kernel's own estimates over a few
/// seconds and need a running estimator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stats {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients; only masquerading sends these through the director.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Connections per second.
    pub connection_rate: u64,
    /// Packets from clients per second.
    pub packet_rate_in: u64,
    /// Packets to clients per second.
    pub packet_rate_out: u64,
    /// Bytes from clients per second.
    pub byte_rate_in: u64,
    /// Bytes to clients per second.
    pub byte_rate_out: u64,
}

/// Entries of the connection table that belong to a destination right now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Connections {
    /// Established connections (`ActiveConn`).
    pub active: u32,
    /// All other connections (`InActConn`).
    pub inactive: u32,
    /// Persistence templates (`PersistConn`).
    pub persistent: u32,
}
