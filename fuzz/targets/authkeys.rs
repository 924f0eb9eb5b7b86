//! `authkeys`: what is accepted signs packets that are accepted.
#![no_main]

use config::Source;
use fuzz::check_report;
use heartbeatd::config::{Files, parse};
use heartbeatd::wire::{Message, decode, encode, encode_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let reading = parse(
        Files {
            ha_cf: Ok(Source::new("ha.cf", "node alpha beta\nbcast eth0\nauto_failback on\n")),
            authkeys: Ok(Source::new("authkeys", String::from_utf8_lossy(data))),
            authkeys_mode: 0o600,
            ha_cf_mode: 0o600,
            haresources: Ok(Source::new("haresources", "")),
            services: String::new(),
        },
        "alpha",
    );
    reading.reports.iter().for_each(check_report);
    let refused = reading.reports.iter().any(config::Report::has_errors);
    assert_eq!(reading.plan.is_none(), refused, "keys, or what is wrong");
    let Some(plan) = reading.plan else { return };
    let mut message = Message::new("status");
    message.push_text("st", "active").push_binary("srcuuid", [7; 16]);
    for packet in [encode(&message, &plan.keys, true), encode_text(&message, &plan.keys)] {
        assert_eq!(decode(&packet, &plan.keys), Ok(message.clone()));
    }
});
