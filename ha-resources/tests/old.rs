//! What scripts read, against heartbeat 3.0.6 itself: its ResourceManager, and its resource scripts called by hand.
//! Debian's packages heartbeat and resource-agents have to be installed (nothing of them runs as a service).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a laboratory that cannot be built fails the test")]

mod lab;

use lab::{Lab, Ran, ran};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MANAGER: &str = "/usr/share/heartbeat/ResourceManager";
const SCRIPTS: &str = "/etc/ha.d/resource.d";

const FILE: &str = "\
# three groups at home here, two there
Alpha web::1 web::2\\
      web::3
alpha	db   # the data
ALPHA IPaddr2::192.0.2.10/24/va  web::4
beta  web::b ldirectord::web.cf

beta IPaddr2::192.0.2.20/24/va
";

/// The real program, which has no other folder than /etc/ha.d, with the laboratory's files there.
fn real(lab: &Lab, program: &str, words: &str) -> Ran {
    let line = format!("mount --bind {} /etc/ha.d && exec {program} {words}", lab.dir.display());
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &line]).stdin(Stdio::null());
    command.env("HA_CURHOST", "alpha").env("HA_LOGFILE", "/dev/null").env("HA_DEBUGLOG", "/dev/null");
    ran(&mut command)
}

/// This program under another name.
fn link(lab: &Lab, name: &str) -> PathBuf {
    let path = lab.dir.join("links").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    if !path.exists() {
        symlink(env!("CARGO_BIN_EXE_ha-resources"), &path).unwrap();
    }
    path
}

fn ours(lab: &Lab, words: &str) -> Ran {
    ran(lab.command_at(&link(lab, "ResourceManager")).args(words.split_whitespace()))
}

fn laboratory() -> Lab {
    assert!(Path::new(MANAGER).exists(), "Debian's package heartbeat has to be installed");
    let lab = Lab::new();
    fs::copy("/etc/ha.d/shellfuncs", lab.dir.join("shellfuncs")).unwrap();
    for name in ["web", "db", "ldirectord", "IPaddr2"] {
        lab.service(name);
    }
    lab.haresources(FILE);
    lab
}

#[test]
fn the_lists_are_the_same() {
    let lab = laboratory();
    for words in [
        "allkeys",
        "ourkeys",
        "otherkeys",
        "listkeys alpha",
        "listkeys BETA",
        "listkeys b.ta",
        "listkeys gamma",
    ] {
        let (real, ours) = (real(&lab, MANAGER, words), ours(&lab, words));
        assert_eq!(
            (ours.code, ours.out.as_str()),
            (real.code, real.out.as_str()),
            "{words}\n{}{}",
            real.err,
            ours.err
        );
    }
    for words in ["", "nonsense"] {
        let (real, ours) = (real(&lab, MANAGER, words), ours(&lab, words));
        assert_eq!((ours.code, ours.out.as_str()), (real.code, real.out.as_str()), "{words}");
        assert!(!ours.err.is_empty());
    }
}

#[test]
fn the_groups_are_started_stopped_and_asked_alike() {
    let lab = laboratory();
    let services = ["web", "db"];
    let mut story = Vec::new();
    for which in 0..2 {
        let run = |words: &str| if which == 0 { real(&lab, MANAGER, words) } else { ours(&lab, words) };
        let idle = run("verifyallidle").code;
        let before = run("status db").code;
        let taken = [run("takegroup db").code, run("takegroup web::1 web::2 web::3").code];
        let asked = [run("status db").code, run("status web::2").code, run("verifyallidle").code];
        let given = [run("givegroup web::1").code, run("givegroup db").code, run("status db").code];
        story.push((idle, before, taken, asked, given, lab.log()));
        fs::remove_file(lab.dir.join("log")).unwrap();
        assert!(services.iter().all(|name| !lab.dir.join(format!("{name}.up")).exists()));
    }
    assert_eq!(story[1], story[0]);
    assert!(story[0].5.contains(&"web 3 stop".to_owned()), "{story:?}");
    // That is what an init script greps for.
    lab.service("db");
    fs::write(lab.dir.join("db.up"), "").unwrap();
    for run in [real(&lab, MANAGER, "verifyallidle"), ours(&lab, "verifyallidle")] {
        assert_eq!(run.code, 1);
        assert!(run.err.contains("CRITICAL: Resource db is active, and should not be!"), "{}", run.err);
    }
}

#[test]
fn an_address_by_hand() {
    let lab = Lab::new();
    // Each on an address of its own: the old one goes on announcing in the background.
    for (agent, first, second) in [
        ("IPaddr2", "192.0.2.31/24/va", "192.0.2.32/24/va"),
        ("IPaddr", "192.0.2.33/24/va", "192.0.2.34/24/va"),
    ] {
        for action in ["status", "start", "status", "start", "stop", "status", "stop"] {
            let mut old = Command::new(Path::new(SCRIPTS).join(agent));
            let real = ran(old.args([first, action]).stdin(Stdio::null()));
            let mut new = Command::new(link(&lab, agent));
            let ours =
                ran(new.args([second, action]).env("HA_RUN_DIR", lab.dir.join("run")).stdin(Stdio::null()));
            let last = |run: &Ran| run.out.lines().last().map(str::to_owned);
            assert_eq!(
                (ours.code, last(&ours)),
                (real.code, last(&real)),
                "{agent} {action}\n{}{}",
                real.err,
                ours.err
            );
            let (old, new) =
                (lab.has(first.trim_end_matches("/va")), lab.has(second.trim_end_matches("/va")));
            assert_eq!(new, old, "{agent} {action}");
        }
    }
    let mut wrong = Command::new(link(&lab, "IPaddr2"));
    assert_eq!(ran(wrong.args(["nonsense", "start"]).stdin(Stdio::null())).code, 6);
    let mut nothing = Command::new(link(&lab, "IPaddr2"));
    let ran = ran(nothing.stdin(Stdio::null()));
    assert_eq!(ran.code, 1);
    assert!(ran.err.starts_with("usage: IPaddr2 IP["), "{}", ran.err);
}

#[test]
fn the_small_agents_by_hand() {
    let lab = Lab::new();
    let run = |agent: &str, words: &str| {
        let mut command = Command::new(link(&lab, agent));
        ran(command.args(words.split(' ')).env("HA_RUN_DIR", lab.dir.join("run")).stdin(Stdio::null()))
    };
    for (words, code, out) in [
        ("0 status", 7, "INFO:  Resource is stopped\n"),
        ("0 start", 0, "INFO:  Success\n"),
        ("0 status", 0, "INFO:  Running OK\n"),
        ("0 stop", 0, "INFO:  Success\n"),
        ("0 status", 7, "INFO:  Resource is stopped\n"),
    ] {
        let ran = run("Delay", words);
        assert_eq!((ran.code, ran.out.as_str()), (code, out), "Delay {words}: {}", ran.err);
    }
    let state = lab.dir.join("state");
    assert_eq!(run("ocf", &format!("heartbeat:Dummy state={} start", state.display())).code, 0);
    assert!(state.exists());
}

#[test]
fn lists_for_programs() {
    let lab = Lab::new();
    lab.service("web");
    lab.haresources("Alpha web::1 web::2\nbeta web::3\n");
    let lines = |words: &str| -> Vec<serde_json::Value> {
        lab.run(words).out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let alpha = serde_json::json!({"key": "web::1", "node": "alpha", "resources": ["web::1", "web::2"]});
    assert_eq!(lines("listkeys alpha").first(), Some(&alpha));
    assert_eq!(lines("ourkeys"), [alpha]);
    assert_eq!(lines("allkeys").len(), 2);
    let state = lines("statgroup web::1");
    assert_eq!(
        state.last(),
        Some(&serde_json::json!({"event": "state", "group": "web::1", "state": "NONE"}))
    );
}
