//! What the configuration names and this machine does not have is said: by `--check`, at the start, and by `-r`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test ends by panicking

mod node;

use node::{Node, port};
use std::process::Output;

/// Standard output and standard error.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn all(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}");
    }
}

#[test]
fn a_check_warns_of_what_is_not_there() {
    let node = Node::new("here-check");
    node.program("stonith", "echo null ssh"); // used where there is no real one
    let port = port();
    node.configure("alpha beta", port, "");
    let valid = node.run(&["--check"]);
    assert!(valid.status.success(), "{}", said(&valid));
    all(
        &said(&valid),
        &["haresources: valid: 1 group, 1 resource\n", "valid for node alpha of alpha and beta"],
    );

    node.configure(
        "alpha beta",
        port,
        "bcast no-such-if,lo\nserial /dev/no-such-line\nwatchdog /dev/no-such-dog\n\
         stonith_host * nulll beta\nstonith_host * fence_no-such-agent ip=192.0.2.9\ndebugfile /no-such/folder/x\n",
    );
    let warned = node.run(&["--check"]);
    assert!(warned.status.success(), "the daemon starts with this: {}", said(&warned));
    all(
        &said(&warned),
        &[
            "ha.cf:9:7",
            "no-such-if: there is no network interface no-such-if",
            "the daemon starts without it, and opens it when it comes; interfaces here: ",
            "ha.cf:10:8",
            "/dev/no-such-line: stat: No such file or directory",
            "ha.cf:11:10",
            "there is no watchdog device /dev/no-such-dog",
            "ha.cf:12:16",
            "there is no stonith device of the type nulll on this machine",
            "did you mean \"null\"?",
            "ha.cf:13:16",
            "there is no stonith device of the type fence_no-such-agent",
            "ha.cf:14:11",
            "debugfile: there is no directory /no-such/folder",
        ],
    );
}

#[test]
fn with_nothing_but_a_serial_line_that_is_not_there_the_daemon_does_not_start() {
    let node = Node::new("here-serial");
    node.write("etc/ha.cf", 0o600, "node alpha beta\nauto_failback off\nserial /dev/no-such-line\n");
    let refused = node.run(&["--check"]);
    assert_eq!(refused.status.code(), Some(6), "{}", said(&refused));
    all(&said(&refused), &["error: /dev/no-such-line", "does not start before a medium can be opened"]);
    assert!(!node.run(&["-f"]).status.success());
}

#[test]
fn a_reload_answers_with_what_it_could_not_open() {
    let node = Node::new("here-reload");
    let port = port();
    node.configure("alpha beta", port, "debugfile /no-such/folder/x\n");
    let started = node.run(&[]);
    assert!(started.status.success(), "{}", said(&started));
    all(&said(&started), &["warning: debugfile: there is no directory", "mkdir -p /no-such/folder"]);

    node.configure("alpha beta", port, "bcast no-such-if\ndebugfile /no-such/other/x\n");
    let reloaded = node.run(&["-r"]);
    assert!(reloaded.status.success(), "{}", said(&reloaded));
    let answer = String::from_utf8_lossy(&reloaded.stdout).into_owned();
    assert!(answer.starts_with("configuration read again; new: "), "{answer}");
    all(
        &answer,
        &[
            "ha.cf:9:7: warning: no-such-if: there is no network interface no-such-if; ",
            "ha.cf:10:11: warning: debugfile: there is no directory /no-such/other; ",
        ],
    );
    // there, but no serial line
    node.configure("alpha beta", port, "serial /dev/null\n");
    let answer = said(&node.run(&["-r"]));
    all(&answer, &["\nwarning: serial /dev/null 19200 baud: /dev/null is no serial line; it is tried again"]);
    node.configure("alpha beta", port, "");
    let answer = node.run(&["-r"]);
    assert_eq!(said(&answer).lines().count(), 1, "{}", said(&answer));
    node.succeeds(&["-k"]);
}
