//! What reaches the socket is tested in `tests/probe.rs`, with processes that have it in their environment.

use super::*;

#[test]
fn without_systemd_nothing_happens() {
    // The test runner is not a unit of Type=notify.
    assert_eq!(std::env::var_os("NOTIFY_SOCKET"), None);
    ready();
    status("two\nlines");
    assert_eq!(watchdog_interval(), None);
}
