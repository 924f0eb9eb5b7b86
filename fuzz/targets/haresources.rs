//! `haresources`, as the daemon reads it and as the resource manager does: both see the same groups.
#![no_main]

use config::{Report, Source};
use fuzz::check_report;
use ha_resources::haresources;
use heartbeatd::config::{Files, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let source = || Source::new("haresources", text.as_ref());
    let (read, mut report) = haresources::parse(source());
    read.check_nodes(&["alpha", "beta"], &mut report);
    check_report(&report);
    for group in &read.groups {
        let written = source().slice(group.node_span).replace("\\\r\n", "").replace("\\\n", "");
        assert_eq!(written.to_lowercase(), group.node);
        assert_eq!(group.resources().count(), group.size());
        assert!(read.find(group.key()).iter().any(|found| found.key() == group.key()));
        assert!(read.of_node(&group.node).contains(&group));
    }

    let reading = parse(
        Files {
            ha_cf: Ok(Source::new("ha.cf", "node alpha beta\nbcast eth0\nauto_failback on\n")),
            authkeys: Ok(Source::new("authkeys", "auth 1\n1 sha1 a-long-enough-secret\n")),
            authkeys_mode: 0o600,
            ha_cf_mode: 0o600,
            haresources: Ok(source()),
            services: String::new(),
        },
        "alpha",
    );
    reading.reports.iter().for_each(check_report);
    if let Some(plan) = reading.plan.filter(|_| !report.has_errors()) {
        let keys: Vec<&str> = read.of_node("alpha").iter().map(|group| group.key()).collect();
        assert_eq!(plan.group_keys, keys, "both see the same groups");
    }
    // A node without resources is worth a warning there; here it is refused if it is none of the cluster's, as by 3.0.6.
    let refused = reading.reports.iter().any(Report::has_errors);
    assert!(!refused || !report.diagnostics().is_empty(), "refused by the daemon alone");
});
