//! What happens to addresses without anybody's order.

use serde::{Deserialize, Serialize};

/// Something of one kind that has happened to an address; the last time it did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AddressTrouble {
    /// The address.
    pub address: String,
    /// What: `repaired`, `broken`, `removed`, `foreign` or `conflict`.
    pub news: String,
    /// The MAC address of the other machine of a conflict.
    pub mac: Option<String>,
    /// The log line.
    pub detail: String,
    /// How often since it began.
    pub count: u64,
    /// How long ago, in milliseconds.
    pub ago_ms: u64,
}
