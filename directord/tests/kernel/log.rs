//! What is logged, line by line: tools read it, and administrators know it by heart from ldirectord. And what is told of
//! the kernel's values.

use crate::Test;
use crate::bed::*;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

pub const TESTS: &[Test] = &[
    ("log_lines_are_those_of_ldirectord", log_lines_are_those_of_ldirectord),
    ("log_lines_go_to_syslog_with_their_facility", log_lines_go_to_syslog_with_their_facility),
    ("log_says_why_a_start_has_failed", log_says_why_a_start_has_failed),
    ("log_tells_of_sysctls_that_defeat_the_file", log_tells_of_sysctls_that_defeat_the_file),
];

const LIMIT: Duration = Duration::from_secs(30);

/// How lines begin that ldirectord did not have.
const OWN: &[&str] = &[
    "Check failed: ",
    "Check passed: ",
    "Configuration is in force",
    "sysctl ",
    "3 real servers have no verdict", // on a busy machine, after the first 200 ms
    "2 real servers have no verdict",
    "1 real servers have no verdict",
];

/// The lines that ldirectord has, too, without date and process.
fn lines(bed: &Bed) -> Vec<String> {
    let log = bed.log();
    let lines = log.lines().map(|line| {
        // [Fri Nov 20 20:14:56 2026|test.cf|65] text
        let (head, text) = line.split_once("] ").unwrap_or_else(|| panic!("{line}"));
        let head: Vec<&str> = head.strip_prefix('[').unwrap().split('|').collect();
        let [date, name, pid] = head.as_slice() else { panic!("{line}") };
        assert_eq!((date.len(), *name), (24, "test.cf"), "{line}");
        assert!(pid.parse::<u32>().is_ok(), "{line}");
        text.to_owned()
    });
    lines.filter(|line| !OWN.iter().any(|own| line.starts_with(own))).collect()
}

/// What is logged from one moment to the next. Each step changes one thing, so that there is one order.
struct Story<'a> {
    bed: &'a Bed,
    seen: usize,
}

impl Story<'_> {
    /// These lines come next, and no others.
    fn next(&mut self, what: &str, expected: &[String]) {
        let all = self.seen + expected.len();
        self.bed.until(what, LIMIT, |bed| lines(bed).len() >= all);
        assert_eq!(&lines(self.bed)[self.seen..], expected, "{what}");
        self.seen = all;
    }
}

fn log_lines_are_those_of_ldirectord() {
    let bed = Bed::new();
    // Checks that take long on a busy machine are no failures.
    let options = "negotiatetimeout=60; failurecount=2; fallback=192.0.2.99:8080 masq";
    let removing = section(VIP, options, &["192.0.2.11", "192.0.2.12"]);
    let quiescent = section(VIP2, "negotiatetimeout=60; quiescent=yes", &["192.0.2.13"]);
    bed.configure(&format!("autoreload=yes\n{removing}\n{quiescent}"));
    bed.ok("start");
    let pid = bed.pid();
    let mut story = Story { bed: &bed, seen: 0 };
    let program = env!("CARGO_BIN_EXE_directord");
    let run_dir = bed.pid_file().parent().unwrap().display().to_string();
    story.next(
        "start, with no server up",
        &[
            format!(
                "Invoking ldirectord invoked as: {program} --run-dir {run_dir} {} start ",
                bed.config().display()
            ),
            format!("Starting Linux Director v1.186-ha with pid: {pid}"),
            format!("Added virtual server: {VIP}"),
            format!("Added virtual server: {VIP2}"),
            format!("Added fallback server: {LAST} ({VIP}) (Weight set to 1)"),
            format!("Quiescent real server: {C} ({VIP2}) (Weight set to 0)"),
        ],
    );
    let a = Server::start("192.0.2.11");
    story.next(
        "the first is up",
        &[
            format!("Added real server: {A} ({VIP}) (Weight set to 5)"),
            format!("Deleted fallback server: {LAST} ({VIP})"),
        ],
    );
    let c = Server::start("192.0.2.13");
    story.next("back from weight 0", &[format!("Restored real server: {C} ({VIP2}) (Weight set to 5)")]);
    c.stop();
    story.next("to weight 0", &[format!("Quiescent real server: {C} ({VIP2}) (Weight set to 0)")]);
    a.stop();
    story.next(
        "the last is down",
        &[
            format!("Soft failure real server: {A} (tcp:{VIP}) failure 1/2"),
            format!("Added fallback server: {LAST} ({VIP}) (Weight set to 1)"),
            format!("Deleted real server: {A} ({VIP})"),
        ],
    );
    bed.must("kill", &format!("-HUP {pid}"));
    story.next("a signal to reload", &["Reloading Linux Director Daemon config on signal".to_owned()]);
    bed.until("it is done", LIMIT, |bed| bed.log().contains("Configuration is in force"));
    let shorter = std::fs::read_to_string(bed.config()).unwrap().replace(&quiescent, "");
    let beside = bed.config().with_extension("new");
    std::fs::write(&beside, shorter).unwrap();
    std::fs::rename(&beside, bed.config()).unwrap(); // never half of it
    story.next(
        "a section less",
        &[
            format!("Configuration file '{}' has changed on disk", bed.config().display()),
            " - reread new configuration".to_owned(),
            format!("Purged real server (start): {C} ({VIP2})"),
            format!("Purged virtual server (start): {VIP2}"),
        ],
    );
    let _b = Server::start("192.0.2.12");
    story.next(
        "the second is up",
        &[
            format!("Added real server: {B} ({VIP}) (Weight set to 5)"),
            format!("Deleted fallback server: {LAST} ({VIP})"),
        ],
    );
    bed.ok("stop");
    story.next(
        "stop",
        &[
            format!("Purged real server (stop): {B} ({VIP})"),
            format!("Purged virtual server (stop): {VIP}"),
            "Linux Director Daemon terminated on signal: TERM".to_owned(),
        ],
    );
}

/// A `/dev` with a `log` that is another socket, for one command.
const OTHER_DEV: &str = r#"set -e
mount -t tmpfs none "$1"
for name in null zero full random urandom; do : >"$1/$name"; mount --bind "/dev/$name" "$1/$name"; done
ln -s "$2" "$1/log"
mount --move "$1" /dev
shift 2
exec "$@""#;

fn log_lines_go_to_syslog_with_their_facility() {
    let bed = Bed::new();
    let folder = bed.pid_file().parent().unwrap().to_path_buf();
    let (dev, socket) = (folder.join("dev"), folder.join("syslog"));
    std::fs::create_dir_all(&dev).unwrap();
    let syslog = UnixDatagram::bind(&socket).unwrap();
    syslog.set_read_timeout(Some(LIMIT)).unwrap();
    bed.configure(&format!("logfile=\"local3\"\n{}", section(VIP, "", &["192.0.2.11"])));
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", OTHER_DEV, "sh"]).args([&dev, &socket]);
    command.arg(env!("CARGO_BIN_EXE_directord")).arg("--run-dir").arg(&folder).arg(bed.config()).arg("start");
    assert!(command.status().unwrap().success());
    let pid = bed.pid();
    let mut received = Vec::new();
    let mut next = || {
        let mut datagram = [0; 8192];
        let length = syslog.recv(&mut datagram).unwrap_or_else(|error| panic!("{error}: {received:#?}"));
        received.push(String::from_utf8_lossy(&datagram[..length]).into_owned());
        received.last().unwrap().clone()
    };
    // local3 is 19: information of it 19 * 8 + 6. <158>Nov 20 20:14:56 ldirectord[65]: text
    let added = loop {
        let line = next();
        if line.ends_with(&format!(" ldirectord[{pid}]: Added virtual server: {VIP}")) {
            break line;
        }
    };
    assert!(added.starts_with("<158>"), "{added}");
    bed.ok("stop");
    let last = format!(" ldirectord[{pid}]: Linux Director Daemon terminated on signal: TERM");
    while !next().ends_with(&last) {}
}

fn log_says_why_a_start_has_failed() {
    let bed = Bed::new();
    bed.configure(&section(VIP, "scheduler=nosuchsched", &["192.0.2.11"]));
    let output = bed.run("start");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let why = told.lines().find_map(|line| line.strip_prefix("directord: ")).unwrap();
    assert!(why.contains("nosuchsched"), "{told}");
    bed.says(&format!("Exiting with exit_status 1: {why}"));
}

fn log_tells_of_sysctls_that_defeat_the_file() {
    const TEMPLATE: &str = "net.ipv4.vs.expire_quiescent_template";
    let bed = Bed::new();
    bed.must("sysctl", &format!("-qw {TEMPLATE}=0 net.ipv4.ip_forward=0"));
    let text = section(VIP, "quiescent=yes; persistent=60", &["192.0.2.11"]);
    let elsewhere = "\treal=198.51.100.9:80 masq\n"; // not an address of this machine
    bed.configure(&format!("{text}{elsewhere}"));
    let told = |bed: &Bed| -> Vec<String> {
        let plan: serde_json::Value = serde_json::from_slice(&bed.run("check --json").stdout).unwrap();
        let all = plan["sysctls"].as_array().unwrap().clone();
        all.iter().map(|advice| advice["sysctl"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(told(&bed), [TEMPLATE, "net.ipv4.ip_forward"]);
    bed.ok("start");
    bed.says(&format!("sysctl {TEMPLATE} is 0: persistent clients of a dead server stay with it"));
    bed.says("sysctl net.ipv4.ip_forward is 0: ");
    bed.must("sysctl", &format!("-qw {TEMPLATE}=1"));
    bed.configure(&text);
    bed.forget_log();
    bed.ok("reload");
    bed.says("Configuration is in force");
    assert!(!bed.log().contains("sysctl "), "{}", bed.log());
    assert_eq!(told(&bed), [""; 0]);
    bed.ok("stop");
}
