//! Servers taken out of service by hand, over the control socket, and what is shown of it.

use crate::Test;
use crate::bed::*;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

pub const TESTS: &[Test] = &[
    ("an_open_connection_lives_through_a_drain", an_open_connection_lives_through_a_drain),
    ("drain_waits_for_the_last_connection", drain_waits_for_the_last_connection),
    ("drained_whatever_the_checks_say", drained_whatever_the_checks_say),
    ("drained_over_reload_restart_and_crash", drained_over_reload_restart_and_crash),
    ("drained_in_one_service_or_in_all", drained_in_one_service_or_in_all),
    ("drained_on_standby_it_gets_nothing_when_activated", drained_on_standby_it_gets_nothing_when_activated),
    ("show_tells_what_the_kernel_counts", show_tells_what_the_kernel_counts),
    ("no_daemon_no_answer", no_daemon_no_answer),
    ("the_table_as_ipvsadm_shows_it", the_table_as_ipvsadm_shows_it),
];

const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// A section whose checks have time enough on any machine: no verdict changes but those a test wants.
fn patient(service: &str, options: &str, servers: &[&str]) -> String {
    section(service, &format!("negotiatetimeout=20;{options}"), servers)
}

/// Two servers that are up.
fn two(bed: &Bed, options: &str) {
    bed.configure(&patient(VIP, options, &["192.0.2.11", "192.0.2.12"]));
    bed.ok("start");
    bed.until("both are up", LIMIT, |bed| bed.weight(VIP, A) == Some(5) && bed.weight(VIP, B) == Some(5));
}

/// The standard output of a verb that must succeed.
fn says(bed: &Bed, verb: &str) -> String {
    let output = bed.run(verb);
    assert!(output.status.success(), "{verb}: {output:?}\n{}", bed.log());
    String::from_utf8(output.stdout).unwrap()
}

fn json(bed: &Bed, verb: &str) -> serde_json::Value {
    serde_json::from_str(&says(bed, verb)).unwrap()
}

fn an_open_connection_lives_through_a_drain() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    two(&bed, "scheduler=rr");
    let (mut first, mut second) = (Client::connect(VIP), Client::connect(VIP));
    let told = says(&bed, "drain 192.0.2.11");
    assert_eq!(
        told,
        "tcp:203.0.113.202:80 192.0.2.11:8080: drained, weight 0, 1 active and 0 inactive connections\n"
    );
    assert_eq!(
        (bed.weight(VIP, A), bed.weight(VIP, B)),
        (Some(0), Some(5)),
        "when the tool returns it is so"
    );
    first.lives("drained");
    second.lives("drained");
    let others: Vec<Client> = (0..4).map(|_| Client::connect(VIP)).collect();
    let shown = says(&bed, "show --json");
    let status: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let servers = &status["services"][0]["servers"];
    assert_eq!((&servers[0]["active"], &servers[1]["active"]), (&1.into(), &5.into()), "{shown}");
    assert!(servers[0]["drained"]["by"].is_string() && servers[1]["drained"].is_null(), "{shown}");
    drop(others);
    bed.ok("undrain 192.0.2.11:8080");
    assert_eq!(bed.weight(VIP, A), Some(5));
    first.lives("undrained");
    second.lives("undrained");
    bed.until("it is logged", LIMIT, |bed| bed.log().contains("No longer drained, by"));
    assert!(bed.log().contains("Quiescent real server: 192.0.2.11:8080"), "{}", bed.log());
    bed.ok("stop");
}

fn drain_waits_for_the_last_connection() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    two(&bed, "scheduler=rr");
    let (mut first, mut second) = (Client::connect(VIP), Client::connect(VIP));
    assert_eq!(bed.code("drain 192.0.2.11 --wait --limit 1"), 5, "a connection is left");
    let mut waiting = Command::new(env!("CARGO_BIN_EXE_directord"))
        .arg("--run-dir")
        .arg(bed.config().parent().unwrap())
        .arg(bed.config())
        .args(["drain", "192.0.2.11", "--wait"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = BufReader::new(waiting.stderr.take().unwrap());
    let mut line = String::new();
    words.read_line(&mut line).unwrap();
    assert!(line.starts_with("1 active connection left"), "{line:?}");
    first.lives("waited for");
    second.lives("waited for");
    assert!(waiting.try_wait().unwrap().is_none(), "it waits");
    drop(first);
    drop(second);
    let mut ended = None;
    let began = std::time::Instant::now();
    while ended.is_none() && began.elapsed() < LIMIT {
        ended = waiting.try_wait().unwrap();
        std::thread::sleep(SECOND / 20);
    }
    if ended.is_none() {
        waiting.kill().unwrap();
    }
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}\n{}", bed.must("ipvsadm", "-Lnc"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("weight 0, 0 active"), "{output:?}");
    bed.ok("stop");
}

fn drained_whatever_the_checks_say() {
    let bed = Bed::new();
    let (a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    two(&bed, "quiescent=no;scheduler=rr");
    let (mut first, mut second) = (Client::connect(VIP), Client::connect(VIP));
    bed.ok("drain 192.0.2.11");
    a.stop();
    let state = |bed: &Bed| json(bed, "show 192.0.2.11 --json")["services"][0]["servers"][0]["state"].clone();
    bed.until("the check fails", LIMIT, |bed| state(bed) == "down");
    bed.ok("reload"); // a whole pass later it is still there
    assert_eq!(bed.weight(VIP, A), Some(0), "dead servers are removed, drained ones are not");
    first.lives("its server takes no new connections");
    second.lives("its server takes no new connections");
    let _a = Server::start("192.0.2.11");
    bed.until("the check passes", LIMIT, |bed| state(bed) == "up");
    bed.ok("reload");
    assert_eq!(bed.weight(VIP, A), Some(0));
    bed.ok("undrain 192.0.2.11");
    assert_eq!(bed.weight(VIP, A), Some(5));
    bed.ok("stop");
}

fn drained_over_reload_restart_and_crash() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    two(&bed, "");
    bed.ok("drain 192.0.2.11");
    let still = |bed: &Bed, when: &str| {
        assert_eq!((bed.weight(VIP, A), bed.weight(VIP, B)), (Some(0), Some(5)), "{when}");
        assert!(says(bed, "show").contains("drained by"), "{when}");
    };
    let text = patient(VIP, "", &["192.0.2.11", "192.0.2.12", "192.0.2.13"]);
    bed.configure(&text);
    bed.ok("reload");
    still(&bed, "reload");
    bed.ok("restart");
    still(&bed, "restart");
    bed.must("kill", &format!("-9 {}", bed.pid()));
    bed.until("it is gone", LIMIT, |bed| bed.code("status") != 0);
    bed.ok("start");
    still(&bed, "crash");
    bed.ok("undrain 192.0.2.11");
    bed.ok("restart");
    assert_eq!(bed.weight(VIP, A), Some(5));
    assert!(!says(&bed, "show").contains("drained"));
    bed.ok("stop");
}

fn drained_in_one_service_or_in_all() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    let servers = ["192.0.2.11", "192.0.2.12"];
    bed.configure(&(patient(VIP, "servicename=shop", &servers) + &patient(VIP2, "", &servers)));
    bed.ok("start");
    let weights = |bed: &Bed| (bed.weight(VIP, A), bed.weight(VIP2, A));
    bed.until("all are up", LIMIT, |bed| weights(bed) == (Some(5), Some(5)));
    bed.ok("drain 192.0.2.11 --service shop");
    assert_eq!(weights(&bed), (Some(0), Some(5)));
    bed.ok("drain 192.0.2.11");
    assert_eq!(weights(&bed), (Some(0), Some(0)));
    bed.ok("undrain 192.0.2.11 --service 203.0.113.202:80");
    assert_eq!(weights(&bed), (Some(5), Some(0)));
    let refused = bed.run("drain 192.0.2.1");
    assert_eq!(refused.status.code(), Some(1));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("no real server \"192.0.2.1\"; did you mean 192.0.2.11?"), "{words}");
    assert_eq!(bed.code("drain 192.0.2.11 --service spoh"), 1);
    assert_eq!(bed.code("drain"), 255);
    let left = bed.run("drain 192.0.2.12 --service shop");
    assert!(left.status.success() && left.stderr.is_empty(), "{left:?}");
    let none = bed.run("drain 192.0.2.11 --service shop");
    let words = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(
        words.contains("tcp:203.0.113.202:80: no server is left, new connections are refused"),
        "{words}"
    );
    bed.ok("stop");
}

/// The other node's administrator prepares before the addresses move.
fn drained_on_standby_it_gets_nothing_when_activated() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&patient(VIP, "scheduler=rr", &["192.0.2.11", "192.0.2.12"]));
    bed.ok("start --standby");
    bed.until("both are known", LIMIT, |bed| {
        says(bed, "show").contains("tcp:203.0.113.202:80 rr: 2 of 2 up")
    });
    let told = says(&bed, "drain 192.0.2.11");
    assert!(told.starts_with("tcp:203.0.113.202:80 192.0.2.11:8080: drained"), "{told}");
    assert_eq!(bed.table(), [""; 0], "nothing is placed for it");
    bed.ok("activate");
    assert_eq!((bed.weight(VIP, A), bed.weight(VIP, B)), (Some(0), Some(5)));
    // All go to the other one, and its own drain cuts none of them.
    let mut clients = [Client::connect(VIP), Client::connect(VIP)];
    let told = says(&bed, "drain 192.0.2.12");
    assert!(told.contains("drained, weight 0, 2 active and 0 inactive connections"), "{told}");
    clients.iter_mut().for_each(|client| client.lives("drained"));
    says(&bed, "undrain 192.0.2.11");
    assert_eq!((bed.weight(VIP, A), bed.weight(VIP, B)), (Some(5), Some(0)));
    clients.iter_mut().for_each(|client| client.lives("after the other one's return"));
    bed.ok("deactivate");
    assert_eq!(bed.table(), [""; 0]);
    says(&bed, "drain 192.0.2.11");
    says(&bed, "undrain 192.0.2.12");
    bed.ok("activate");
    assert_eq!((bed.weight(VIP, A), bed.weight(VIP, B)), (Some(0), Some(5)));
    bed.ok("stop");
}

fn show_tells_what_the_kernel_counts() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    bed.configure(&patient(VIP, "quiescent=yes", &["192.0.2.11", "192.0.2.12"]));
    bed.ok("start");
    bed.until("one is up", LIMIT, |bed| bed.weight(VIP, A) == Some(5) && bed.weight(VIP, B) == Some(0));
    let _client = Client::connect(VIP);
    bed.must("ipvsadm", &format!("-e -t {VIP} -r {A} -m -w 9"));
    let status = json(&bed, "show --json");
    let (a, b) = (&status["services"][0]["servers"][0], &status["services"][0]["servers"][1]);
    assert_eq!((&a["wanted_weight"], &a["table_weight"], &a["weight"]), (&5.into(), &9.into(), &5.into()));
    assert_eq!(
        (&b["wanted_weight"], &b["table_weight"], &b["why"]),
        (&0.into(), &0.into(), &"connection refused".into())
    );
    let page = says(&bed, "show");
    assert!(page.contains("tcp:203.0.113.202:80 wrr: 1 of 2 up\n"), "{page}");
    let row = |server: &str| {
        let line = page.lines().find(|line| line.contains(server)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row(A)[..6], ["up", A, "9", "(wanted", "5)", "1"], "{page}");
    assert!(page.contains("0 (of 5)") && page.contains("connection refused"), "{page}");
    assert_eq!(says(&bed, "show 192.0.2.12").lines().count(), 3);
    bed.ok("stop");
}

fn no_daemon_no_answer() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    bed.configure(&patient(VIP, "", &["192.0.2.11"]));
    for verb in ["show", "drain 192.0.2.11", "undrain 192.0.2.11"] {
        let output = bed.run(verb);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(3), true), "{verb}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("stopped: no directord runs"), "{output:?}");
    }
    bed.ok("start");
    bed.must("kill", &format!("-STOP {}", bed.pid()));
    let output = bed.run("show --json");
    bed.must("kill", &format!("-CONT {}", bed.pid()));
    assert_eq!(output.status.code(), Some(4), "it runs, and does not answer: {output:?}");
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(said["running"].is_null() && said["error"].as_str().unwrap().starts_with("unknown: "), "{said}");
    bed.ok("show");
    bed.must("kill", &format!("-9 {}", bed.pid()));
    bed.until("it is gone", LIMIT, |bed| bed.code("show") == 3);
}

fn the_table_as_ipvsadm_shows_it() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    assert_eq!(says(&bed, "table"), bed.must("ipvsadm", "-Ln"));
    two(&bed, "scheduler=rr;persistent=60;netmask=255.255.255.0");
    bed.must("ipvsadm", "-A -f 7 -s sh -b sh-port");
    bed.must("ipvsadm", "-a -f 7 -r 198.51.100.7 -g -w 77");
    let _clients = [Client::connect(VIP), Client::connect(VIP)];
    let shown = says(&bed, "table");
    assert_eq!(shown, bed.must("ipvsadm", "-Ln"));
    assert!(shown.contains("FWM  7 sh (sh-port)") && shown.contains("persistent 60 mask"), "{shown}");
    bed.ok("stop");
}
