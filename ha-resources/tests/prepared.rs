//! A run that waits for its order: what it does when it gets one, and when it gets none.

#![allow(clippy::unwrap_used, reason = "a laboratory that cannot be built fails the test")]

mod lab;

use ha_resources::event::GroupResult;
use lab::{Lab, Ran, soon};
use std::io::Write;
use std::process::{Child, Stdio};

fn waiting(lab: &Lab) -> Child {
    let mut command = lab.command();
    command.args(["--json", "await"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Gives it an order, or none, and waits for its end.
fn ends(mut child: Child, order: &str) -> Ran {
    let started = std::time::Instant::now();
    child.stdin.take().unwrap().write_all(order.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Ran::of(output, started.elapsed())
}

#[test]
fn an_order_is_obeyed_by_the_files_of_its_time_and_the_end_is_said_last() {
    let lab = Lab::new();
    lab.service("slow");
    lab.haresources("alpha 192.0.2.10/24/va\n");
    let child = waiting(&lab);
    // it has read the old file by now, or will have: neither may count
    lab.haresources("alpha 192.0.2.11/24/va slow\nalpha 192.0.2.12/24/va\nbeta 192.0.2.13/24/va\n");
    let ran = ends(child, "takenode alpha\n");
    assert_eq!((ran.code, ran.groups()), (0, vec![GroupResult::Held; 2]), "{ran:?}");
    assert_eq!(ran.out.lines().next(), Some(r#"{"event":"begun"}"#));
    assert_eq!(ran.out.lines().last(), Some(r#"{"event":"end","code":0}"#));
    assert!(lab.has("192.0.2.11") && lab.has("192.0.2.12"));
    assert!(!lab.has("192.0.2.10") && !lab.has("192.0.2.13"));
    assert_eq!(lab.log(), ["slow start"]);

    let ran = ends(waiting(&lab), "givenode alpha\n");
    assert_eq!((ran.code, ran.groups()), (0, vec![GroupResult::Released; 2]), "{ran:?}");
    assert!(!lab.has("192.0.2.11") && !lab.has("192.0.2.12"));
}

#[test]
fn interfaces_and_addresses_that_came_while_it_waited_are_seen() {
    let lab = Lab::new();
    lab.haresources("alpha 198.51.100.10/24/vc\n");
    let child = waiting(&lab);
    let stat = format!("/proc/{}/stat", child.id());
    assert!(soon(|| std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") S "))), "it waits");
    lab.ip("link add vc type veth peer name vd");
    let ran = ends(child, "takenode alpha\n");
    assert_eq!(ran.groups(), [GroupResult::Held], "{ran:?}");
    assert!(lab.has("198.51.100.10"));
}

#[test]
fn without_an_order_nothing_is_done() {
    let lab = Lab::new();
    lab.haresources("alpha 192.0.2.10/24/va\n");
    let ran = ends(waiting(&lab), "");
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    for wrong in ["takenode\n", "rm alpha\n", "\n"] {
        let ran = ends(waiting(&lab), wrong);
        assert_eq!((ran.code, ran.groups()), (1, Vec::new()), "{wrong:?}: {ran:?}");
        assert_eq!(ran.out, "{\"event\":\"end\",\"code\":1}\n");
    }
    assert!(!lab.has("192.0.2.10"));
}

#[test]
fn a_file_that_is_wrong_is_told_with_its_code() {
    let lab = Lab::new();
    lab.haresources("alpha 192.0.2.300/24/va\n");
    let ran = ends(waiting(&lab), "takenode alpha\n");
    let out = "{\"event\":\"begun\"}\n{\"event\":\"end\",\"code\":6}\n";
    assert_eq!((ran.code, ran.out.as_str()), (6, out), "{ran:?}");
    assert!(ran.err.contains("192.0.2.300"), "{}", ran.err);
}

#[test]
fn a_take_that_is_no_longer_wanted_ends_and_its_addresses_go_first() {
    let lab = Lab::new();
    lab.script(
        "endless",
        "case $1 in
         start) touch $DIR/starting; sleep 300; touch $DIR/started ;;
         stop) rm -f $DIR/starting; sleep 1; ip address show > $DIR/while-stopping ;;
         status) echo stopped ;;
         esac",
    );
    lab.haresources(
        "alpha 192.0.2.10/24/va\nalpha 192.0.2.11/24/va endless\nalpha 192.0.2.12/24/va\nalpha 192.0.2.13/24/va\n",
    );
    let mut child = waiting(&lab);
    child.stdin.take().unwrap().write_all(b"takenode alpha\n").unwrap();
    assert!(soon(|| lab.dir.join("starting").exists()), "it starts");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let ran = Ran::of(output, std::time::Duration::ZERO);
    assert_eq!(
        ran.groups(),
        [GroupResult::Held, GroupResult::Failed, GroupResult::Failed, GroupResult::Failed]
    );
    assert!(ran.out.contains("it is no longer wanted here"), "{ran:?}");
    assert!(!lab.dir.join("started").exists());
    let while_stopping = lab.read("while-stopping");
    assert!(!while_stopping.is_empty());
    for address in ["192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.13"] {
        assert!(!lab.has(address) && !while_stopping.contains(address), "{address}");
    }
}
