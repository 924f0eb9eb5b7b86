//! How the daemon's own beats leave, and who hears of them on this machine.

use serde::{Deserialize, Serialize};

/// How late own beats leave, measured by the daemon itself: from when one was due until it was on its way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Beats {
    /// What the kernel lets the beat thread have: `SCHED_RR` and its priority, `nice -20` or `ordinary`.
    pub scheduling: String,
    /// The beats that the following figures are of: the last ones.
    pub count: u64,
    /// How long ago the first of them left, in milliseconds.
    pub window_ms: u64,
    /// Half of them were no later, in microseconds.
    pub p50_us: u64,
    /// 90 % of them were no later, in microseconds.
    pub p90_us: u64,
    /// 99 % of them were no later, in microseconds.
    pub p99_us: u64,
    /// The latest of them, in microseconds.
    pub max_us: u64,
}

/// The watchdog device of `ha.cf`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Watchdog {
    /// Its file.
    pub device: String,
    /// After how many seconds without a beat it reboots the machine; `None`: it is not in use.
    pub timeout_s: Option<u32>,
}
