//! What holds without being written in `ha.cf`.

use super::plan::{Failback, Plan};
use std::time::Duration;

/// Directives with a fixed default, as heartbeat 3.0.6 names it.
const FIXED: &[(&str, &str)] = &[
    ("autojoin", "none"),
    ("baud", "19200"),
    ("cluster", "linux-ha"),
    ("compression", "zlib"),
    ("compression_threshold", "2"),
    ("conn_logd_time", "60"),
    ("coredumps", "true"),
    ("crm", "false"),
    ("debug", "0"),
    ("enable_config_writes", "on"),
    ("hbgenmethod", "file"),
    ("hopfudge", "1"),
    ("log_badpack", "true"),
    ("max_rexmit_delay", "250"),
    ("memreserve", "6500"),
    ("msgfmt", "classic"),
    ("pacemaker", "false"),
    ("realtime", "true"),
    ("record_config_changes", "on"),
    ("record_pengine_inputs", "on"),
    ("syslogmsgfmt", "true"),
    ("traditional_compression", "no"),
    ("uuidfrom", "file"),
];

/// Directives whose default depends on another one or on the machine, in words; and `use_logd`, which has no parameter
/// unless it is written.
const DEPENDING: &[(&str, &str)] = &[
    ("auto_failback", "legacy"),
    ("deadping", "deadtime"),
    ("deadtime", "30"),
    ("initdead", "deadtime if that is more than 10; 12 if it is less than 6; else twice deadtime"),
    ("keepalive", "1"),
    ("udpport", "ha-cluster/udp in /etc/services, else 694"),
    ("use_logd", "no"),
    ("warntime", "half of deadtime"),
];

/// Every directive that has a default, with that default in words.
pub fn defaults() -> Vec<(&'static str, &'static str)> {
    let mut all: Vec<_> = FIXED.iter().chain(DEPENDING).copied().collect();
    all.sort_unstable();
    all
}

/// Completes the parameters of a plan with what holds without being written.
pub(super) fn complete(plan: &mut Plan, port: u16) {
    let timing = plan.timing;
    let ms = |time: Duration| format!("{}ms", time.as_millis());
    let failback = match plan.failback {
        Failback::On => "on",
        Failback::Off => "off",
        Failback::Legacy => "legacy",
    };
    let depending = [
        ("auto_failback", failback.to_owned()),
        ("deadping", ms(timing.deadping)),
        ("deadtime", ms(timing.deadtime)),
        ("initdead", ms(timing.initdead)),
        ("keepalive", ms(timing.keepalive)),
        ("udpport", port.to_string()),
        ("warntime", ms(timing.warntime)),
    ];
    let fixed = FIXED.iter().map(|(name, value)| (*name, (*value).to_owned()));
    for (name, value) in fixed.chain(depending) {
        plan.parameters.entry(name.to_owned()).or_insert(value);
    }
}
