//! Programs that live with a real daemon: `respawn` and `failfast` of ha.cf.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test says what went wrong by failing

mod node;

use node::{Node, port};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn said(command: &str) -> String {
    let output = Command::new("/bin/sh").args(["-c", command]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Without privilege a program can only run as who runs the daemon.
fn user() -> String {
    if rustix::process::geteuid().is_root() { "nobody".to_owned() } else { said("id -un") }
}

fn runs(pid: &str) -> bool {
    Path::new("/proc").join(pid.trim()).exists()
}

#[test]
fn programs_live_with_the_daemon_as_their_user() {
    let (node, user, port) = (Node::new("respawn"), user(), port());
    let who = "id -u; id -g; id -G; echo $HA_CURHOST; ps -o pgid= -p $$ | tr -d ' '; echo $$";
    let thrice = node.program(
        "thrice",
        &format!(
            "{{ {who}; echo \"$1\"; }} >>$out/thrice\necho said something >&2\n\
             echo x >>$out/lives\n[ $(wc -l <$out/lives) -lt 3 ] || exit 100\nexit 1"
        ),
    );
    let stays = node.program(
        "stays",
        "trap 'echo ended >>$out/end; exit' TERM\necho $$ >$out/stays\nwhile :; do sleep 0.1; done",
    );
    let deaf = node.program("deaf", "trap '' TERM\necho $$ >$out/deaf\nwhile :; do sleep 0.1; done");
    let line = |program: &str| format!("respawn {user} {program}\n");
    let more = line(&format!("{thrice} 'one  argument' # of a shell")) + &line(&stays);
    node.configure("alpha", port, &(line(&deaf) + &more));
    node.succeeds(&[]);

    node.until("left alone after 100", || node.logs("it wants that (exit code 100)") == 1);
    let told = node.read("out/thrice");
    let lives: Vec<Vec<&str>> = told.lines().collect::<Vec<_>>().chunks(7).map(<[&str]>::to_vec).collect();
    assert_eq!(lives.len(), 3, "{told}");
    for life in lives {
        let ids = ["u", "g", "G"].map(|what| said(&format!("id -{what} {user}")));
        assert_eq!(life[..3], ids, "the user with its groups");
        assert_eq!((life[3], life[6]), ("alpha", "one  argument"));
        assert_eq!(life[4], life[5], "a process group of its own");
    }
    node.says("thrice: said something", 3);

    // a line that goes ends its program, even one that does not want to; the others go on
    let known = |name: &str| node.read(&format!("out/{name}"));
    node.until("running", || !known("stays").is_empty() && !known("deaf").is_empty());
    let (first, second) = (known("stays"), known("deaf"));
    node.configure("alpha", port, &more);
    node.succeeds(&["-r"]);
    node.until("without the removed program", || !runs(&second));
    assert!(runs(&first) && known("end").is_empty() && known("stays") == first);

    // killed by somebody, it is started again; a daemon that ends ends it
    said(&format!("kill -9 {}", first.trim()));
    node.until("started again", || known("stays") != first && !known("stays").is_empty());
    node.succeeds(&["-k"]);
    assert_eq!(known("end"), "ended\n");
    assert!(!runs(&known("stays")));
}

#[test]
fn a_program_that_cannot_live_is_given_up() {
    let (node, user) = (Node::new("giveup"), user());
    let dies = node.program("dies", "echo x >>$out/deaths\nexit 3");
    node.configure("alpha", port(), &format!("respawn {user} {dies}\nrespawn no-such-user-here /bin/true\n"));
    node.succeeds(&[]);
    node.until("given up", || node.logs("respawning too fast") == 1);
    assert_eq!(node.read("out/deaths").lines().count(), 11);
    node.says("/bin/true: not started: there is no user no-such-user-here", 1);
}

#[test]
fn a_killed_daemon_leaves_no_program_behind() {
    let (node, user) = (Node::new("orphan"), user());
    let stays = node.program("stays", "echo $$ >$out/stays\nwhile :; do sleep 0.1; done");
    node.configure("alpha", port(), &format!("respawn {user} {stays}\n"));
    node.succeeds(&[]);
    node.until("running", || !node.read("out/stays").is_empty());
    let pid = daemon::pidfile::running(&node.directory.join("run.pid")).unwrap();
    said(&format!("kill -9 {pid}"));
    node.until("without the program", || !runs(&node.read("out/stays")));
}

#[test]
fn a_failfast_program_that_fails_reboots_the_machine() {
    let (node, user) = (Node::new("failfast"), user());
    let reboot = node.program("reboot", "echo \"$@\" >>$out/reboot");
    assert_eq!(fs::metadata(reboot).unwrap().permissions().mode() & 0o111, 0o111);
    // twice an end that is none: 0 is as it should be
    let fails =
        node.program("fails", "echo x >>$out/lives\n[ $(wc -l <$out/lives) -lt 3 ] && exit 0\nkill -SEGV $$");
    node.configure("alpha", port(), &format!("failfast {user} {fails}\n"));
    node.succeeds(&[]);
    node.until("rebooted", || !node.read("out/reboot").is_empty());
    node.says("rebooting this machine", 1);
    assert_eq!((node.read("out/reboot").as_str(), node.read("out/lives").as_str()), ("-f\n", "x\nx\nx\n"));
}
