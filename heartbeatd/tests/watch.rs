//! `cl_status watch` against a real daemon that is killed, stopped and started again under it, and on a terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test ends by panicking

mod node;

use node::{Node, PATIENCE, port};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// One node of a pair whose other node has the group.
fn node(test: &str) -> Node {
    let node = Node::new(test);
    let ha_cf = format!(
        "keepalive 100ms\ndeadtime 1\ninitdead 2\nauto_failback off\nlogfacility none\nlogfile {}\n\
         node alpha beta\nmcast lo 239.255.77.1 {} 0 1\n",
        node.path("log"),
        port()
    );
    node.write("etc/ha.cf", 0o600, &ha_cf);
    node.write("etc/haresources", 0o600, "beta 192.0.2.1\n");
    node
}

/// A program that writes into a file; it ends with the test.
struct Watch {
    child: Child,
    path: PathBuf,
    seen: usize,
}

impl Watch {
    fn start(mut command: Command, path: PathBuf, run_dir: &Path) -> Watch {
        let child = command
            .env("HA_RUN_DIR", run_dir)
            .env("TERM", "vt100")
            .stdin(Stdio::piped())
            .stdout(File::create(&path).unwrap())
            .spawn()
            .unwrap();
        Watch { child, path, seen: 0 }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.path).unwrap()).into_owned()
    }

    /// Waits until what was written since the last call holds `wanted`, and returns it.
    fn says(&mut self, wanted: &str) -> String {
        let begun = Instant::now();
        loop {
            let text = self.text();
            let new = text.get(self.seen..).unwrap_or_default();
            if new.contains(wanted)
                && new.ends_with('\n') | new.ends_with("ends") | new.ends_with("after\r\n")
            {
                self.seen = text.len();
                return new.to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "{wanted:?} is not in {new:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn ends(&mut self) -> std::process::ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end: {:?}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cl_status(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cl_status"));
    command.args(arguments);
    command
}

const STOPPED: &str = "stopped: heartbeat does not run on this machine\n\n";

#[test]
fn it_says_what_is_and_nothing_that_was() {
    let node = node("watch-plain");
    let run_dir = node.directory.join("run");
    let mut watch = Watch::start(cl_status(&["watch"]), node.directory.join("plain"), &run_dir);
    let mut json = Watch::start(cl_status(&["watch", "--json"]), node.directory.join("json"), &run_dir);
    assert_eq!(watch.says("stopped"), STOPPED);
    assert_eq!(json.says("running"), format!("{{\"error\":\"{}\",\"running\":false}}\n", STOPPED.trim()));

    node.start();
    let screens = watch.says("held by alpha for");
    for part in
        ["alpha: active, this node, tandem ", "beta: dead", "beta is dead", "beats: at most", "last events"]
    {
        assert!(screens.contains(part), "{part:?} is not in {screens}");
    }
    let line = json.says("\"hold\":\"all\"");
    serde_json::from_str::<heartbeatd::control::Status>(line.lines().last().unwrap()).unwrap();

    // one that does not answer is in no known state
    node.signal(Signal::STOP);
    let screens = watch.says("unknown: the daemon runs, but did not answer within 1 s");
    assert!(screens.ends_with("within 1 s\n\n"), "{screens}");
    node.signal(Signal::CONT);
    watch.says("alpha: active");

    // what was known is gone at once, and it is said once
    node.signal(Signal::KILL);
    let screens = watch.says("stopped: ");
    assert!(screens.ends_with(STOPPED), "{screens}");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(watch.text().len(), watch.seen, "{}", watch.text());

    node.start();
    watch.says("alpha: active");
    kill_process(Pid::from_child(&watch.child), Signal::INT).unwrap();
    assert_eq!(watch.ends().code(), Some(0));
}

#[test]
fn the_terminal_is_given_back() {
    let node = node("watch-terminal");
    for (round, key) in [b'q', 3].into_iter().enumerate() {
        let script = format!("stty -a; '{}' watch; stty -a; echo after", env!("CARGO_BIN_EXE_cl_status"));
        let mut command = Command::new("script");
        command.args(["-qfec", &script, "/dev/null"]);
        let mut watch =
            Watch::start(command, node.directory.join(format!("out{round}")), &node.directory.join("run"));
        let begin = watch.says("q or ^C ends");
        let (before, screen) = begin.split_once("\x1b[?1049h").unwrap();
        assert!(screen.contains("stopped: heartbeat does not run"), "{screen:?}");
        watch.child.stdin.as_mut().unwrap().write_all(&[key]).unwrap();
        let end = watch.says("after");
        let (_, after) = end.split_once("\x1b[?25h\x1b[?1049l").unwrap();
        assert_eq!(after, format!("{before}after\r\n"));
        assert!(watch.ends().success());
    }
}

/// As with heartbeat 3.0.6, whose package makes the group.
#[test]
fn members_of_haclient_may_ask_but_not_order() {
    let node = Node::new("clients");
    node.configure("alpha", port(), "");
    node.start();
    for (name, program) in
        [("cl_status", env!("CARGO_BIN_EXE_cl_status")), ("hb_standby", env!("CARGO_BIN_EXE_hb_standby"))]
    {
        fs::copy(program, node.directory.join("bin").join(name)).unwrap();
    }
    let by = |group: &str, words: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "nobody", "--regid", group, "--clear-groups"]);
        command.arg(node.path(&format!("bin/{}", words[0]))).args(&words[1..]);
        command.args(["--run-dir", &node.path("run")]).output().unwrap()
    };
    node.until("answering a member", || by("haclient", &["cl_status", "hbstatus"]).status.code() == Some(0));
    let output = by("haclient", &["hb_standby"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(said.contains("only root may order this"), "{said}");
    assert_ne!(by("nogroup", &["cl_status", "hbstatus"]).status.code(), Some(0));
}
