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

#[test]
fn a_systemd_that_hangs_holds_nobody_up() {
    let folder = crate::scratch::Scratch::new();
    let path = folder.path("socket");
    let systemd = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let began = Instant::now();
    while send(path.as_os_str(), &[NotifyState::Watchdog]).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(10), "its queue never fills");
    }
    assert_eq!(send(path.as_os_str(), &[NotifyState::Watchdog]), Err(Errno::AGAIN));
    let mut line = [0; 64];
    let count = systemd.recv(&mut line).unwrap();
    assert_eq!(line.get(..count), Some(b"WATCHDOG=1\n".as_slice()));
}

#[test]
fn abstract_names_begin_with_an_at_sign() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("tandem-notify-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let systemd = std::os::unix::net::UnixDatagram::bind_addr(&address).unwrap();
    send(OsStr::new(&format!("@{name}")), &[NotifyState::Ready]).unwrap();
    let mut line = [0; 64];
    let count = systemd.recv(&mut line).unwrap();
    assert_eq!(line.get(..count), Some(b"READY=1\n".as_slice()));
}
