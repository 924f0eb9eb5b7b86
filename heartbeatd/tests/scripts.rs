//! Scripts of `rc.d` with real daemons.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test says what went wrong by failing

mod node;

use node::{Node, port};
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

/// Writes down its arguments, its process group and the environment of heartbeat.
const RECORD: &str =
    "{ echo \"run $0 $*\"; echo \"group $(ps -o pgid= -p $$) $$\"; env | grep ^HA_; echo end; } >>$out/";

fn script(node: &Node, kind: &str, text: &str) {
    std::fs::create_dir_all(node.path("etc/rc.d")).unwrap();
    node.write(&format!("etc/rc.d/{kind}"), 0o755, &format!("#!/bin/sh\nout={}\n{text}\n", node.path("out")));
}

/// What `RECORD` wrote: the first line, and the variables, of each run.
fn runs(node: &Node, file: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let text = node.read(&format!("out/{file}"));
    let whole = text.split_inclusive("end\n").filter(|run| run.ends_with("end\n"));
    let read = |run: &str| {
        let mut lines = run.lines();
        let (first, group) = (lines.next().unwrap().to_owned(), lines.next().unwrap().to_owned());
        let ids: Vec<&str> = group.split_whitespace().skip(1).collect();
        assert_eq!(ids[0], ids[1], "a process group of its own");
        let variables = lines.filter_map(|line| line.split_once('='));
        (first, variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    };
    whole.map(read).collect()
}

fn tell(node: &Node, fields: &str) {
    let fifo = node.path("state/fifo");
    let mut fifo = std::fs::OpenOptions::new().write(true).open(fifo).unwrap();
    fifo.write_all(format!(">>>\n{fields}<<<\n").as_bytes()).unwrap();
}

#[test]
fn scripts_hear_of_nodes_links_and_messages() {
    let (alpha, beta, port) = (Node::named("scripts", "alpha"), Node::named("scripts", "beta"), port());
    for node in [&alpha, &beta] {
        node.configure("alpha beta", port, "env LANGUAGE=en\nping_group far 127.0.0.1\n");
        for kind in ["status", "ifstat", "backup-done", "stonith"] {
            script(node, kind, &format!("{RECORD}{kind}\necho heard {kind}"));
        }
    }
    let statuses = |node: &Node, of: &str| -> Vec<String> {
        let runs = runs(node, "status").into_iter().filter(|(_, ha)| ha["HA_src"] == of);
        runs.map(|(_, ha)| ha["HA_st"].clone()).collect()
    };
    alpha.succeeds(&[]);
    alpha.until("told that beta is dead", || statuses(&alpha, "beta") == ["dead"]);
    beta.succeeds(&[]);
    alpha.until("told of beta", || statuses(&alpha, "beta") == ["dead", "init", "up", "active"]);
    alpha.until("told of the link", || runs(&alpha, "ifstat").len() == 1);
    let (run, ha) = runs(&alpha, "ifstat").remove(0);
    assert_eq!(run, format!("run {} ifstat", alpha.path("etc/rc.d/ifstat")));
    assert_eq!([&ha["HA_node"], &ha["HA_ifname"], &ha["HA_st"]], ["beta", "lo", "up"]);
    assert_eq!([&ha["HA_CURHOST"], &ha["HA_LANGUAGE"], &ha["HA_NICEFAILBACK"]], ["alpha", "en", "yes"]);
    assert_eq!(ha["HA_deadtime"], "400ms");
    assert_eq!(ha["HA_RCDIR"], alpha.path("etc/rc.d"));
    assert!(!ha.keys().any(|name| name.starts_with("HA_td")), "{ha:?}");

    // both nodes hear of a message that means nothing to heartbeat; it sets no variable that scripts trust
    tell(&beta, "t=backup-done\nvolume=a b\ninfo=one\nDIR=/tmp\nst=what\n");
    for node in [&alpha, &beta] {
        node.until("told of the backup", || runs(node, "backup-done").len() == 1);
        let (_, ha) = runs(node, "backup-done").remove(0);
        assert_eq!([&ha["HA_volume"], &ha["HA_src"], &ha["HA_st"]], ["a b", "beta", "what"]);
        assert_eq!(ha["HA_DIR"], node.path("etc"));
        assert_eq!(ha["HA_OSTATUS"], "active");
        node.until("logged what it said", || node.logs("rc.d/backup-done: heard backup-done") == 1);
    }
    tell(&beta, "t=backup-done\ndest=alpha\n");
    alpha.until("told alone", || runs(&alpha, "backup-done").len() == 2);
    assert_eq!(runs(&beta, "backup-done").len(), 1);

    beta.succeeds(&["-k"]);
    alpha.until("told of beta's end", || statuses(&alpha, "beta").last().unwrap() == "dead");
    alpha.until("told of the link's end", || runs(&alpha, "ifstat").last().unwrap().1["HA_st"] == "dead");
}

#[test]
fn harc_runs_the_script_and_what_would_take_groups_is_not_run() {
    let node = Node::new("harc");
    node.configure("alpha beta", port(), "");
    node.write(
        "etc/harc",
        0o755,
        "#!/bin/sh\necho \"harc $* $HA_OSTATUS\" >>$HA_DIR/../out/harc\nexec $HA_DIR/rc.d/$1 $1\n",
    );
    script(&node, "status", "# as it was delivered\n$HA_NOARCHBIN/mach_down $HA_src; touch $out/taken");
    script(&node, "resource", "touch $out/taken");
    script(&node, "event", &format!("{RECORD}event\nexit 3"));
    script(&node, "plain", "");
    node.write("etc/rc.d/plain", 0o644, "");
    node.succeeds(&[]);
    node.until("not run", || node.logs("etc/rc.d/status is not run: it calls mach_down") == 1);
    for kind in ["event", "plain", "nothing", "../../bin/x", "resource", "Resource", "STATUS"] {
        tell(&node, &format!("t={kind}\n"));
    }
    tell(&node, "t=event\nst=last\n");
    node.until("run twice", || runs(&node, "event").len() == 2);
    assert_eq!(node.read("out/harc"), "harc event active\n".repeat(2));
    node.says("etc/harc event: exit status: 3", 2);
    node.says("etc/rc.d/plain is not run: it is not executable", 1);
    node.until("said", || node.logs("message \"resource\" needs nothing to be done here") > 0);
    assert!(!std::path::Path::new(&node.path("out/taken")).exists());
}

#[test]
fn a_script_that_never_ends_keeps_nobody_waiting_but_the_next_one() {
    let node = Node::new("hangs");
    node.configure("alpha", port(), "");
    script(&node, "hangs", "trap '' TERM\necho $$ >$out/hangs\nwhile :; do sleep 0.1; done");
    script(&node, "next", "touch $out/next");
    node.succeeds(&[]);
    tell(&node, "t=hangs\n");
    node.until("running", || !node.read("out/hangs").is_empty());
    for _ in 0..80 {
        tell(&node, "t=next\n");
    }
    node.until("full", || node.logs("64 scripts of rc.d wait for their turn") == 1);
    let begun = Instant::now();
    node.succeeds(&["-k"]);
    assert!(begun.elapsed() < node::PATIENCE, "{:?}", begun.elapsed());
    assert!(!std::path::Path::new(&node.path("out/next")).exists());
    node.until("without the script", || {
        !std::path::Path::new("/proc").join(node.read("out/hangs").trim()).exists()
    });
}
