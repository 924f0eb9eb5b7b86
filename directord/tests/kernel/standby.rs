//! Warm standby: checks without entries, activation, release, and every death in between.

use crate::Test;
use crate::bed::*;
use std::process::{Child, Command, Stdio};

pub const TESTS: &[Test] = &[
    ("standby_checks_and_places_nothing_until_it_is_activated", on_standby_nothing_until_activated),
    ("standby_has_the_scheduler_loaded_before_it_is_activated", has_the_scheduler_loaded),
    ("standby_knows_the_servers_when_it_is_activated", knows_the_servers_when_it_is_activated),
    ("standby_is_activated_by_start_and_ended_by_stop", activated_by_start_and_ended_by_stop),
    ("standby_killed_while_active_comes_back_active", killed_while_active_comes_back_active),
    ("standby_restarted_by_its_supervisor_changes_nothing", restarted_by_its_supervisor_changes_nothing),
    ("standby_released_while_dead_comes_back_on_standby", released_while_dead_comes_back_on_standby),
    ("standby_takes_the_place_of_a_cold_daemon", takes_the_place_of_a_cold_daemon),
    ("standby_reloads_and_changes_only_what_changed", reloads_and_changes_only_what_changed),
    ("standby_leaves_what_is_not_its_own", leaves_what_is_not_its_own),
    ("standby_that_cannot_place_anything_says_so", one_that_cannot_place_anything_says_so),
    ("standby_commands_are_for_the_holder", commands_are_for_the_holder),
    ("what_a_killed_daemon_left_is_removed_by_stop_and_by_start", what_a_killed_daemon_left_is_removed),
];

const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// These tests look at the whole table: no check may run into its limit, however busy the machine is. A server that is
/// down refuses at once.
fn section(service: &str, options: &str, servers: &[&str]) -> String {
    crate::bed::section(service, &format!("negotiatetimeout=60;{options}"), servers)
}

fn on_standby_nothing_until_activated() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&section(
        VIP,
        "quiescent=yes; fallback=192.0.2.99:8080 masq",
        &["192.0.2.11", "192.0.2.12", "192.0.2.13"],
    ));
    bed.ok("start --standby");
    let pid = bed.pid();
    on_standby(&bed, "at first");
    bed.ok("start --standby"); // again: nothing
    bed.ok("deactivate"); // nothing to do
    on_standby(&bed, "after all that");
    checked(&bed, &[true, true, false]);
    assert_eq!(bed.table(), [""; 0]);

    bed.ok("activate");
    let whole = [
        "-A -t 203.0.113.202:80 -s wrr",
        "-a -t 203.0.113.202:80 -r 192.0.2.11:8080 -m -w 5",
        "-a -t 203.0.113.202:80 -r 192.0.2.12:8080 -m -w 5",
        "-a -t 203.0.113.202:80 -r 192.0.2.13:8080 -m -w 0",
    ];
    assert_eq!(bed.table(), whole, "complete when the verb returns");
    // Each at once as it is to be, without a second edit for what the checks have known before. How long it takes is for
    // the benchmark.
    assert_eq!(edits(&bed), ["add-server 3", "add-service 1"]);
    assert_eq!((bed.code("status"), bed.pid()), (0, pid.clone()));
    bed.ok("activate"); // again: nothing
    let mut client = Client::connect(VIP);
    bed.ok("start --standby");
    client.lives("after starts that change nothing");
    drop(client);

    bed.ok("deactivate");
    on_standby(&bed, "after the release");
    assert_eq!(bed.pid(), pid, "it lives on");
    bed.ok("activate");
    assert_eq!(bed.table(), whole);
    bed.no_flash_of_the_fallback();
    assert!(!bed.log().contains("changed by somebody else"), "its own edits are no repair:\n{}", bed.log());
    bed.ok("stop");
    assert_eq!((bed.table().len(), bed.code("status")), (0, 3));
    assert!(!claim(&bed).exists() && !bed.pid_file().exists());
}

/// To load it when it is needed would cost a take-over tens of milliseconds.
fn has_the_scheduler_loaded() {
    let module = std::path::Path::new("/sys/module/ip_vs_ovf");
    let bed = Bed::new();
    let list = format!("/lib/modules/{}/modules.dep", bed.must("uname", "-r").trim());
    if !std::fs::read_to_string(list).is_ok_and(|list| list.contains("/ip_vs_ovf.ko")) {
        return println!("  this kernel's schedulers are no modules, or cannot be seen here");
    }
    if module.join("refcnt").exists() {
        bed.must("/sbin/modprobe", "-r ip_vs_ovf"); // nothing else here uses it
        assert!(!module.exists());
    }
    let _a = Server::start("192.0.2.11");
    bed.configure(&section(VIP, "scheduler=ovf", &["192.0.2.11"]));
    bed.ok("start --standby");
    bed.until("the module", LIMIT, |_| module.exists());
    on_standby(&bed, "with the module");
    bed.ok("activate");
    assert_eq!(bed.table()[0], "-A -t 203.0.113.202:80 -s ovf");
    bed.ok("stop");
}

fn knows_the_servers_when_it_is_activated() {
    let bed = Bed::new();
    let (a, b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&section(VIP, "fallback=192.0.2.99:8080 masq", &["192.0.2.11", "192.0.2.12"]));
    bed.ok("start --standby");
    a.stop();
    checked(&bed, &[false, true]);
    bed.ok("activate");
    assert_eq!((bed.weight(VIP, A), bed.weight(VIP, B)), (None, Some(5)), "{:?}", bed.table());
    bed.ok("deactivate");
    b.stop();
    let _a = Server::start("192.0.2.11");
    checked(&bed, &[true, false]);
    bed.ok("activate");
    assert_eq!((bed.weight(VIP, A), bed.weight(VIP, B)), (Some(5), None), "{:?}", bed.table());
    assert_eq!(bed.weight(VIP, LAST), None);
    bed.ok("stop");
}

/// What an init script or an agent of a cluster manager calls.
fn activated_by_start_and_ended_by_stop() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    bed.configure(&section(VIP, "", &["192.0.2.11"]));
    bed.ok("start --standby");
    checked(&bed, &[true]);
    let pid = bed.pid();
    bed.ok("start");
    assert_eq!((bed.weight(VIP, A), bed.code("status"), bed.pid()), (Some(5), 0, pid));
    bed.ok("restart");
    assert_eq!((bed.weight(VIP, A), bed.code("status")), (Some(5), 0));
    bed.ok("deactivate");
    on_standby(&bed, "the restart kept it what it was");
    bed.ok("restart");
    on_standby(&bed, "a restart does not activate");
    bed.ok("start");
    bed.ok("stop");
    assert_eq!((bed.table().len(), bed.code("status")), (0, 3));
    assert!(!bed.pid_file().exists());
    // Without one on standby, start and deactivate are a cold start and its end.
    bed.ok("activate");
    bed.until("a cold start", LIMIT, |bed| bed.weight(VIP, A) == Some(5));
    bed.ok("deactivate");
    assert_eq!((bed.table().len(), bed.code("status")), (0, 3));
    assert!(!bed.pid_file().exists(), "it has ended");
}

fn killed_while_active_comes_back_active() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&section(VIP, "quiescent=yes", &["192.0.2.11", "192.0.2.12", "192.0.2.13"]));
    bed.ok("start --standby");
    kill(&bed);
    assert_eq!(bed.code("status"), 1);
    bed.ok("start --standby");
    on_standby(&bed, "killed on standby");
    checked(&bed, &[true, true, false]);
    bed.ok("activate");
    let before = bed.table();
    let mut client = Client::connect(VIP);
    kill(&bed);
    assert_eq!(bed.code("status"), 1);
    assert_eq!(bed.table(), before, "the table outlives the daemon");
    bed.forget_log();
    bed.ok("start --standby");
    client.lives("after the death and the second start");
    assert_eq!((bed.table(), bed.code("status")), (before, 0));
    assert!(!bed.log().contains("server: "), "edits of a table that was right:\n{}", bed.log());
    bed.ok("deactivate");
    on_standby(&bed, "after the release");
    bed.ok("stop");
}

/// As a supervisor does it: SIGTERM, and a new process in the foreground.
fn restarted_by_its_supervisor_changes_nothing() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    bed.configure(&section(VIP, "", &["192.0.2.11"]));
    let mut first = supervised(&bed);
    bed.until("it is there", LIMIT, |bed| bed.code("status") == 3 && bed.pid_file().exists());
    assert_eq!(bed.code("-f start --standby"), 1, "a second one of the kind says that it has nothing to do");
    checked(&bed, &[true]);
    bed.ok("activate");
    let before = bed.table();
    let mut client = Client::connect(VIP);
    bed.must("kill", &first.id().to_string());
    assert!(first.wait().unwrap().success());
    assert_eq!((bed.table(), bed.code("status")), (before.clone(), 1));
    let status = String::from_utf8(bed.run("status").stderr).unwrap();
    assert!(status.contains("unchecked") && !status.contains("running"), "{status}");
    bed.forget_log();
    let mut second = supervised(&bed);
    bed.until("it is active again", LIMIT, |bed| bed.code("status") == 0);
    checked(&bed, &[true]);
    client.lives("after the restart");
    assert_eq!(bed.table(), before);
    assert!(!bed.log().contains("server: "), "edits of a table that was right:\n{}", bed.log());
    // With the word of an administrator it ends for good.
    bed.ok("stop");
    assert!(second.wait().unwrap().success());
    assert_eq!((bed.table().len(), bed.code("status")), (0, 3));
}

fn released_while_dead_comes_back_on_standby() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    let first = section(VIP, "", &["192.0.2.11"]);
    let second = section(VIP2, "cleanstop=no", &["192.0.2.11"]);
    bed.must("ipvsadm", "-A -f 7 -s rr"); // somebody else's
    bed.configure(&format!("{first}{second}"));
    bed.ok("start --standby");
    checked(&bed, &[true, true]);
    bed.ok("activate");
    kill(&bed);
    // Whatever became of the file: what it placed is known.
    bed.configure("rubbish\n");
    bed.ok("deactivate");
    let left = ["-A -f 7 -s rr", "-A -t 203.0.113.203:80 -s wrr"];
    assert_eq!(bed.table()[..2], left, "what cleanstop leaves, and what is not ours");
    assert_eq!(bed.table().len(), 3);
    assert!(!claim(&bed).exists());
    bed.configure(&format!("{first}{second}"));
    bed.ok("start --standby");
    assert_eq!(bed.code("status"), 3);
    assert_eq!(bed.weight(VIP, A), None);
    bed.ok("stop");
}

fn takes_the_place_of_a_cold_daemon() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    bed.configure(&section(VIP, "", &["192.0.2.11"]));
    bed.ok("start");
    bed.until("a cold start", LIMIT, |bed| bed.weight(VIP, A) == Some(5));
    let (cold, before) = (bed.pid(), bed.table());
    let mut client = Client::connect(VIP);
    bed.forget_log();
    bed.ok("start --standby");
    client.lives("after the change of the guard");
    assert_ne!(bed.pid(), cold);
    assert_eq!((bed.table(), bed.code("status")), (before, 0), "it holds what the other one held");
    assert!(!bed.log().contains("server: "), "edits of a table that was right:\n{}", bed.log());
    bed.ok("deactivate");
    on_standby(&bed, "it was started for standby");
    bed.ok("stop");
}

fn reloads_and_changes_only_what_changed() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    let first = section(VIP, "", &["192.0.2.11"]);
    let second = section(VIP2, "", &["192.0.2.12"]);
    bed.configure(&first);
    bed.ok("start --standby");
    bed.configure(&format!("{first}{second}"));
    bed.ok("reload");
    on_standby(&bed, "after a reload");
    // Without a reload and without `autoreload` it knows what a daemon would that is started cold.
    bed.configure(&second);
    bed.until("the file is in force", LIMIT, |bed| {
        bed.log().matches("Configuration is in force").count() == 2
    });
    checked(&bed, &[true]);
    bed.ok("activate");
    assert_eq!((bed.weight(VIP, A), bed.weight(VIP2, B)), (None, Some(5)));
    let mut client = Client::connect(VIP2);
    bed.forget_log();
    bed.configure(&format!("{first}{second}"));
    bed.ok("reload");
    client.lives("after the reload");
    bed.until("the new service", LIMIT, |bed| bed.weight(VIP, A) == Some(5));
    assert_eq!(bed.weight(VIP2, B), Some(5));
    assert!(!bed.log().contains("(203.0.113.203:80)"), "the other service was touched:\n{}", bed.log());
    // What the configuration lost while no daemon ran is removed by the next one.
    kill(&bed);
    bed.configure(&second);
    bed.ok("start --standby");
    client.lives("after the death");
    assert_eq!((bed.weight(VIP, A), bed.weight(VIP2, B)), (None, Some(5)));
    bed.ok("stop");
    assert_eq!(bed.table(), [""; 0]);
}

fn leaves_what_is_not_its_own() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    // A service of the same address that is not its own while it is on standby.
    bed.must("ipvsadm", &format!("-A -t {VIP} -s lc"));
    bed.must("ipvsadm", &format!("-a -t {VIP} -r 192.0.2.77:8080 -m -w 3"));
    let before = bed.table();
    bed.configure(&section(VIP, "cleanstop=no", &["192.0.2.11"]));
    bed.ok("start --standby");
    checked(&bed, &[true]);
    assert_eq!(bed.table(), before);
    bed.ok("activate");
    let placed = ["-A -t 203.0.113.202:80 -s wrr", "-a -t 203.0.113.202:80 -r 192.0.2.11:8080 -m -w 5"];
    assert_eq!(bed.table(), placed, "as a start does it");
    bed.ok("deactivate");
    assert_eq!((bed.table().len(), bed.code("status")), (2, 3), "cleanstop=no");
    bed.must("ipvsadm", &format!("-e -t {VIP} -r {A} -m -w 2"));
    checked(&bed, &[true]);
    bed.ok("stop");
    assert_eq!(bed.weight(VIP, A), Some(2));
}

fn one_that_cannot_place_anything_says_so() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    bed.configure(&section(VIP, "scheduler=nosuchsched", &["192.0.2.11"]));
    bed.ok("start --standby");
    let output = bed.run("activate");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("nosuchsched"), "{said}");
    on_standby(&bed, "as it was");
    bed.ok("deactivate"); // what a release after a failed start does
    bed.configure(&section(VIP, "", &["192.0.2.11"]));
    bed.ok("reload");
    checked(&bed, &[true]);
    bed.ok("activate");
    assert_eq!(bed.weight(VIP, A), Some(5));
    bed.ok("stop");
}

/// `fallbackcommand` and `callback` run where the services are.
fn commands_are_for_the_holder() {
    let bed = Bed::new();
    let (fallback, callback) =
        (bed.config().with_file_name("fallback"), bed.config().with_file_name("callback"));
    for script in [&fallback, &callback] {
        std::fs::write(script, "#!/bin/sh\necho \"$1\" >>$0.said\n").unwrap();
        bed.must("chmod", &format!("755 {}", script.display()));
    }
    let said = |script: &std::path::Path| {
        let file = format!("{}.said", script.display());
        std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let options = format!("fallbackcommand=\"{}\"", fallback.display());
    let text = format!("callback=\"{}\"\n{}", callback.display(), section(VIP, &options, &["192.0.2.11"]));
    bed.configure(&text);
    bed.ok("start --standby");
    checked(&bed, &[false]);
    bed.configure(&format!("{text}# a change\n"));
    bed.until("the change is seen", LIMIT, |bed| bed.log().contains("Configuration is in force"));
    assert_eq!((said(&fallback).len(), said(&callback).len()), (0, 0), "nobody is told on standby");
    bed.ok("activate");
    bed.until("the fallback is told of", LIMIT, |_| said(&fallback) == ["start"]);
    bed.ok("deactivate");
    bed.until("its end is told of", LIMIT, |_| said(&fallback) == ["start", "stop"]);
    bed.ok("activate");
    bed.until("and so on", LIMIT, |_| said(&fallback) == ["start", "stop", "start"]);
    bed.configure(&text);
    bed.until("the change is told of", LIMIT, |_| said(&callback).len() == 1);
    bed.ok("stop");
    assert_eq!(said(&fallback), ["start", "stop", "start", "stop"]);
}

fn what_a_killed_daemon_left_is_removed() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    let first = section(VIP, "", &["192.0.2.11"]);
    let second = section(VIP2, "", &["192.0.2.12"]);
    bed.configure(&format!("{first}{second}"));
    bed.ok("start");
    bed.until("both services", LIMIT, |bed| bed.weight(VIP, A).and(bed.weight(VIP2, B)) == Some(5));
    kill(&bed);
    bed.configure(&second);
    bed.ok("start");
    assert_eq!((bed.weight(VIP, A), bed.weight(VIP2, B)), (None, Some(5)), "{:?}", bed.table());
    kill(&bed);
    bed.ok("stop");
    assert_eq!((bed.table().len(), bed.code("status")), (0, 3));
    assert!(!claim(&bed).exists());
    assert!(bed.log().contains("Purged virtual server (stop): 203.0.113.203:80"), "{}", bed.log());
}

/// The kinds of edits that were made, and how many of each, but for none.
fn edits(bed: &Bed) -> Vec<String> {
    let text = String::from_utf8(bed.run("metrics").stdout).unwrap();
    let counts = text.lines().filter_map(|line| line.strip_prefix("directord_table_edits_total{action=\""));
    let mut counts: Vec<String> = counts.map(|line| line.replace("\"}", "")).collect();
    counts.retain(|line| !line.ends_with(" 0"));
    counts.sort();
    counts
}

/// It runs, says that the resource does not, and has placed nothing.
fn on_standby(bed: &Bed, when: &str) {
    let status = bed.run("status");
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert_eq!(status.status.code(), Some(3), "{when}: {said}");
    assert!(said.contains("stopped") && said.contains("on standby with pid"), "{when}: {said}");
    assert!(!said.contains("running") && !said.contains("OK"), "agents take these for a yes: {said}");
    assert_eq!(bed.table(), [""; 0], "{when}");
    assert!(!claim(bed).exists(), "{when}");
}

/// Waits until every server was checked and is up, or not, in the order of the file.
fn checked(bed: &Bed, up: &[bool]) {
    bed.until(&format!("checked as {up:?}"), LIMIT, |bed| {
        let text = String::from_utf8(bed.run("status --json").stdout).unwrap();
        let status: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let services = status["services"].as_array().cloned().unwrap_or_default();
        let servers: Vec<_> =
            services.iter().filter_map(|service| service["servers"].as_array()).flatten().collect();
        let known = servers.iter().all(|server| server["checked"].is_u64());
        known && servers.iter().map(|server| server["state"] == "up").collect::<Vec<_>>() == up
    });
}

fn claim(bed: &Bed) -> std::path::PathBuf {
    bed.pid_file().with_file_name("directord").join("test.cf.held")
}

fn kill(bed: &Bed) {
    bed.must("kill", &format!("-9 {}", bed.pid()));
    bed.until("the daemon is gone", LIMIT, |bed| bed.code("status") == 1);
}

/// In the foreground, as a service.
fn supervised(bed: &Bed) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
    command.arg("-f").arg("--run-dir").arg(bed.config().parent().unwrap()).arg(bed.config());
    command.args(["start", "--standby"]).stdin(Stdio::null()).spawn().unwrap()
}
