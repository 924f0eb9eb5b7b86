//! What an administrator reads.

use super::*;
use crate::director::Drain;

/// A server as an older daemon would tell it, with what is written here.
fn server(more: serde_json::Value) -> ServerStatus {
    let mut value = serde_json::json!({
        "server": "192.0.2.10:80", "state": "up", "why": "passed", "maintenance": false, "check": "http",
        "weight": 5, "wanted_weight": 5, "table_weight": 5, "active": 3, "inactive": 1, "failures": 0, "since": 0,
    });
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(value).unwrap()
}

fn shown(server: &ServerStatus, kernel_known: bool) -> String {
    let mut out = String::new();
    row(&mut out, server, kernel_known, 60);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn weights_as_they_are_as_they_should_be_and_as_configured() {
    for (more, expected) in [
        (serde_json::json!({}), "5"),
        (serde_json::json!({ "wanted_weight": 0, "table_weight": 0 }), "0 (of 5)"),
        (serde_json::json!({ "table_weight": 9 }), "9 (wanted 5)"),
        (serde_json::json!({ "table_weight": null }), "- (wanted 5)"),
        (serde_json::json!({ "wanted_weight": null, "table_weight": null }), "- (of 5)"),
    ] {
        assert_eq!(weight(&server(more), true), expected);
    }
}

#[test]
fn what_the_kernel_does_not_tell_is_not_shown() {
    let line = shown(&server(serde_json::json!({ "took_ms": 1.25 })), false);
    assert_eq!(line, "up 192.0.2.10:80 ? (of 5) ? ? 60 s 1.2 ms passed");
    let mut whole = Status::default();
    whole.daemon.table_unknown = Some("no permission".into());
    assert!(status(&whole).starts_with("weights and connections in the kernel are unknown: no permission"));
}

#[test]
fn who_drained_it_and_what_its_server_says_cannot_touch_the_terminal() {
    let mut drained = server(
        serde_json::json!({ "why": "the server says: \x1b[2Jgo\n", "wanted_weight": 0, "table_weight": 0 }),
    );
    drained.drained = Some(Drain { by: "al\x1bice".into(), since: 30 });
    let line = shown(&drained, true);
    assert!(line.starts_with("drained 192.0.2.10:80 0 (of 5) 3 1 30 s - drained by al?ice at "), "{line}");
    assert!(line.ends_with("; up: the server says: ?[2Jgo?"), "{line}");
}
