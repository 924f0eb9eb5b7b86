//! The guard against the real kernel and scripts: what goes first, what goes at all, and that nothing starts meanwhile.

#![allow(clippy::unwrap_used, reason = "a laboratory that cannot be built fails the test")]

mod lab;

use ha_resources::event::GroupResult;
use lab::{Lab, soon};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use rustix::time::{ClockId, clock_gettime};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_millis(300);

/// A guard, and the daemon's end of its line.
fn guard(lab: &Lab) -> (Child, OwnedFd) {
    let (ours, its) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let mut command = lab.command();
    let child = command.args(["--json", "guard"]).stdin(Stdio::from(its)).stdout(Stdio::null()).spawn();
    drop(command);
    assert!(soon(|| !lab.read("run/guard.pid").is_empty()), "the guard is there");
    (child.unwrap(), ours)
}

fn beat(line: &OwnedFd) {
    let now = clock_gettime(ClockId::Boottime);
    let nanos = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
    say(line, &format!("beat {nanos} {}", LIMIT.as_nanos()));
}

fn say(line: &OwnedFd, words: &str) {
    send(line, words.as_bytes(), SendFlags::NOSIGNAL).unwrap();
}

#[test]
fn addresses_go_before_scripts_and_nothing_starts_meanwhile() {
    let lab = Lab::new();
    lab.script("slow", "echo slow $1 >> $DIR/log; case $1 in stop) sleep 3;; status) echo running;; esac");
    lab.service("other");
    lab.haresources("alpha 192.0.2.10/24/va slow\nbeta 192.0.2.11/24/va\nalpha other\n");
    let (mut child, line) = guard(&lab);
    beat(&line);
    lab.run("takegroup 192.0.2.10/24/va");
    lab.run("takegroup 192.0.2.11/24/va");
    beat(&line);
    assert!(lab.has("192.0.2.10") && lab.has("192.0.2.11"));
    drop(line); // the daemon is gone

    assert!(soon(|| !lab.has("192.0.2.10") && !lab.has("192.0.2.11")));
    assert!(soon(|| lab.log().contains(&"slow stop".to_owned())));
    let ran = lab.run("takegroup other");
    assert_eq!(ran.groups(), [GroupResult::Failed], "{ran:?}");
    assert!(ran.out.contains("everything on this node is being released"), "{}", ran.out);
    assert_eq!(lab.log().iter().filter(|line| *line == "other start").count(), 0);
    assert!(child.wait().unwrap().success());
    assert_eq!(lab.run("takegroup other").groups(), [GroupResult::Held]);
}

#[test]
fn a_goodbye_and_a_daemon_that_never_beat_leave_everything_as_it_is() {
    let lab = Lab::new();
    lab.haresources("alpha 192.0.2.10/24/va\n");
    lab.run("takenode alpha");
    let (mut child, line) = guard(&lab);
    drop(line);
    assert!(child.wait().unwrap().success());
    let (mut child, line) = guard(&lab);
    beat(&line);
    say(&line, "bye");
    assert!(child.wait().unwrap().success());
    std::thread::sleep(LIMIT);
    assert!(lab.has("192.0.2.10"));
}
