//! `ha.cf`, beside files that are right.
#![no_main]

use config::Source;
use fuzz::check_report;
use heartbeatd::config::{Files, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let files = || Files {
        ha_cf: Ok(Source::new("ha.cf", String::from_utf8_lossy(data))),
        authkeys: Ok(Source::new("authkeys", "auth 1\n1 sha1 a-long-enough-secret\n")),
        authkeys_mode: 0o600,
        ha_cf_mode: 0o600,
        haresources: Ok(Source::new("haresources", "alpha 192.0.2.100/24/eth0\n")),
        services: "ha-cluster 694/udp\n".to_owned(),
    };
    let reading = parse(files(), "alpha");
    reading.reports.iter().for_each(check_report);
    let refused = reading.reports.iter().any(config::Report::has_errors);
    assert_eq!(reading.plan.is_none(), refused, "a plan, or what is wrong");
    assert_eq!(parse(files(), "alpha").plan, reading.plan, "read twice");
    let Some(plan) = reading.plan else { return };
    assert!(plan.nodes.contains(&plan.node) && plan.nodes.len() <= 2);
    assert!(!plan.media.is_empty());
    assert!(!plan.timing.keepalive.is_zero() && !plan.timing.deadtime.is_zero());
});
