//! Checks on demand, the changes of state, and what monitoring collects.

use crate::Test;
use crate::bed::*;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const TESTS: &[Test] = &[
    ("a_check_runs_when_asked_for_and_counts", a_check_runs_when_asked_for_and_counts),
    ("events_tell_what_happened", events_tell_what_happened),
    ("who_follows_sees_what_comes", who_follows_sees_what_comes),
    ("metrics_count_what_happened", metrics_count_what_happened),
    ("a_watched_daemon_that_dies_shows_no_figure", a_watched_daemon_that_dies_shows_no_figure),
    ("systemd_is_told_when_all_servers_are_known", systemd_is_told_when_all_servers_are_known),
    ("systemd_is_told_although_a_check_cannot_be_run", systemd_is_told_although_a_check_cannot_be_run),
];

const LIMIT: Duration = Duration::from_secs(30);

/// What a verb writes, and its exit code.
fn says(bed: &Bed, verb: &str) -> (String, i32) {
    let output = bed.run(verb);
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

/// One server that is checked once an hour, up.
fn one(bed: &Bed) {
    bed.configure(
        &section(VIP, "quiescent=yes;negotiatetimeout=20", &["192.0.2.11"])
            .replace("virtual", "checkinterval=3600\nvirtual"),
    );
    bed.ok("start");
    bed.until("it is up", LIMIT, |bed| bed.weight(VIP, A) == Some(5));
}

fn a_check_runs_when_asked_for_and_counts() {
    let bed = Bed::new();
    let server = Server::start("192.0.2.11");
    one(&bed);
    let (text, code) = says(&bed, "check-now");
    assert!(text.starts_with("tcp:203.0.113.202:80 192.0.2.11:8080: passed, after "), "{text}");
    assert!(text.ends_with(" ms (http); the server is up\n") && code == 0, "{text}");
    server.stop();
    let (text, code) = says(&bed, "check-now 192.0.2.11");
    assert!(text.contains("192.0.2.11:8080: connection refused, after ") && text.contains("DOWN"), "{text}");
    assert_eq!(code, 1);
    bed.until("the verdict is in the table", LIMIT, |bed| bed.weight(VIP, A) == Some(0));
    let _server = Server::start("192.0.2.11");
    let (text, code) = says(&bed, "check-now --json");
    let results: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&results[0]["passed"], &results[0]["state"], code),
        (&true.into(), &"up".into(), 0),
        "{text}"
    );
    assert_eq!(bed.code("check-now 192.0.2.12"), 1, "no such server");
    bed.ok("stop");
    assert_eq!(bed.code("check-now"), 3);
}

fn events_tell_what_happened() {
    let bed = Bed::new();
    let server = Server::start("192.0.2.11");
    let text =
        section(VIP, "quiescent=yes;negotiatetimeout=20;fallback=192.0.2.99:8080 masq", &["192.0.2.11"]);
    bed.configure(&text);
    bed.ok("start");
    bed.until("it is up", LIMIT, |bed| bed.weight(VIP, A) == Some(5));
    server.stop();
    bed.until("the fallback serves", LIMIT, |bed| bed.weight(VIP, LAST).is_some());
    bed.ok("drain 192.0.2.11");
    bed.ok("undrain 192.0.2.11");
    bed.ok("reload");
    let (text, code) = says(&bed, "events --json");
    assert_eq!(code, 0);
    let events: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // On a slow machine the first check may come after the first look at the table, and the fallback serves until then.
    let down = events.iter().position(|event| event["what"] == "down").unwrap();
    let what = |events: &[serde_json::Value]| -> Vec<String> {
        events.iter().map(|event| event["what"].as_str().unwrap().to_owned()).collect()
    };
    let before = what(&events[..down]);
    assert!(
        before.first().is_some_and(|what| what == "started") && before.contains(&"up".to_owned()),
        "{text}"
    );
    assert_eq!(what(&events[down..]), ["down", "fallback", "drained", "undrained", "loaded"], "{text}");
    assert_eq!(events[down]["server"], "192.0.2.11:8080");
    assert_eq!(events[down]["why"], "connection refused");
    assert!(events.windows(2).all(|pair| pair[0]["at_ms"].as_u64() <= pair[1]["at_ms"].as_u64()), "{text}");
    let (text, _) = says(&bed, "events");
    assert!(
        text.contains("DOWN") && text.contains("tcp:203.0.113.202:80 192.0.2.11:8080: connection refused")
    );
    bed.ok("stop");
}

/// A program that goes on until the test ends.
struct Following(Child);

impl Following {
    fn start(bed: &Bed, verb: &[&str]) -> Following {
        let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
        command.arg("--run-dir").arg(bed.config().parent().unwrap()).arg(bed.config()).args(verb);
        Following(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn lines(&mut self) -> impl Iterator<Item = String> + use<> {
        BufReader::new(self.0.stdout.take().unwrap()).lines().map(|line| line.unwrap())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn who_follows_sees_what_comes() {
    let bed = Bed::new();
    let server = Server::start("192.0.2.11");
    one(&bed);
    let mut following = Following::start(&bed, &["events", "--follow"]);
    let mut lines = following.lines();
    assert!(lines.by_ref().any(|line| line.contains("  up ")), "what was before comes first");
    server.stop();
    assert_eq!(bed.code("check-now"), 1);
    assert!(lines.by_ref().any(|line| line.contains("  DOWN ")), "then what comes");
    bed.ok("stop");
    assert_eq!(lines.count(), 0, "the end of the daemon ends it");
    assert_eq!(following.0.wait().unwrap().code(), Some(3));
}

fn metrics_count_what_happened() {
    let bed = Bed::new();
    let server = Server::start("192.0.2.11");
    one(&bed);
    server.stop();
    assert_eq!(bed.code("check-now"), 1);
    bed.until("the verdict is in the table", LIMIT, |bed| bed.weight(VIP, A) == Some(0));
    let (text, code) = says(&bed, "metrics");
    assert!(code == 0 && text.ends_with("# EOF\n"), "{text}");
    let here = "{service=\"tcp:203.0.113.202:80\",server=\"192.0.2.11:8080\"";
    for line in [
        format!("directord_server_check_results_total{here},outcome=\"passed\"}} 1"),
        format!("directord_server_check_results_total{here},outcome=\"refused\"}} 1"),
        format!("directord_server_weight_configured{here}}} 5.0"),
        format!("directord_server_weight_kernel{here}}} 0.0"),
        format!("directord_server_up{here}}} 0.0"),
        "directord_check_duration_seconds_count{service=\"tcp:203.0.113.202:80\"} 2".to_owned(),
        "directord_table_edits_total{action=\"add-service\"} 1".to_owned(),
        "directord_table_edits_total{action=\"change-server\"} 1".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    bed.ok("stop");
}

fn a_watched_daemon_that_dies_shows_no_figure() {
    let bed = Bed::new();
    let _server = Server::start("192.0.2.11");
    one(&bed);
    let mut watching = Following::start(&bed, &["show", "--watch"]);
    let mut lines = watching.lines();
    assert!(lines.by_ref().any(|line| line.contains("192.0.2.11:8080") && line.contains("passed")));
    bed.must("kill", &format!("-9 {}", bed.pid()));
    // While it dies, its process may still be seen.
    let mut after = lines.by_ref().skip_while(|line| !line.starts_with("stopped: no directord runs for"));
    assert!(after.next().is_some());
    assert_eq!(after.next().as_deref(), Some(""), "and nothing else");
    bed.ok("start");
    assert!(lines.any(|line| line.contains("192.0.2.11:8080")), "until one answers again");
    bed.ok("stop");
}

/// Starts it as systemd does; what systemd was told until it is ready.
fn told_systemd(bed: &Bed) -> (Following, String) {
    let path = bed.config().with_file_name("notify");
    let systemd = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(LIMIT)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
    command.arg("--run-dir").arg(bed.config().parent().unwrap()).arg("-f").arg(bed.config()).arg("start");
    let daemon = Following(command.env("NOTIFY_SOCKET", &path).spawn().unwrap());
    let mut buffer = [0; 512];
    let mut told = String::new();
    while !told.contains("READY=1\n") {
        let count = systemd.recv(&mut buffer).unwrap_or_else(|error| panic!("{error}: {told}"));
        told += &String::from_utf8_lossy(&buffer[..count]);
    }
    (daemon, told)
}

fn systemd_is_told_when_all_servers_are_known() {
    let bed = Bed::new();
    let _server = Server::start("192.0.2.11");
    // The kernel accepts for it, and nobody answers: its verdict takes the whole limit.
    let _silent = std::net::TcpListener::bind(("192.0.2.12", PORT)).unwrap();
    let text = section(VIP, "quiescent=yes;negotiatetimeout=5", &["192.0.2.11", "192.0.2.12"]);
    bed.configure(&text);
    let (mut daemon, told) = told_systemd(&bed);
    let (text, _) = says(&bed, "show --json");
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    let state =
        |number: usize| status["services"][0]["servers"][number]["state"].as_str().unwrap().to_owned();
    assert_eq!([state(0), state(1)], ["up", "down"], "{told}");
    assert_eq!((bed.weight(VIP, A), bed.weight(VIP, B)), (Some(5), Some(0)), "{told}");
    assert!(told.contains("EXTEND_TIMEOUT_USEC="), "{told}");
    bed.ok("stop");
    assert!(daemon.0.wait().unwrap().success());
}

/// Nothing of it changes until it is checked again, in an hour.
fn systemd_is_told_although_a_check_cannot_be_run() {
    let bed = Bed::new();
    let _server = Server::start("192.0.2.11");
    let text = section(VIP, "sourceaddress=192.0.2.200", &["192.0.2.11"]);
    bed.configure(&text.replace("virtual", "checkinterval=3600\nvirtual"));
    let (mut daemon, told) = told_systemd(&bed);
    let (text, _) = says(&bed, "show --json");
    assert!(text.contains("could not run") && text.contains("\"pending\""), "{told}{text}");
    bed.ok("stop");
    assert!(daemon.0.wait().unwrap().success());
}
