//! Start, adoption of what is there, stop.

use crate::Test;
use crate::bed::*;

pub const TESTS: &[Test] = &[
    ("start_fills_the_table_and_stop_empties_it", start_fills_the_table_and_stop_empties_it),
    ("start_adopts_a_table_and_cuts_nothing", start_adopts_a_table_and_cuts_nothing),
    ("start_says_why_not", start_says_why_not),
    ("killed_and_started_again_nothing_changes", killed_and_started_again_nothing_changes),
    ("stop_without_cleanstop_leaves_the_table", stop_without_cleanstop_leaves_the_table),
    ("a_broken_configuration_does_not_orphan_the_daemon", a_broken_configuration_does_not_orphan_the_daemon),
    ("restart_and_try_restart", restart_and_try_restart),
    ("every_kind_of_service", every_kind_of_service),
    ("under_its_old_name_in_the_foreground", under_its_old_name_in_the_foreground),
];

fn start_fills_the_table_and_stop_empties_it() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    let options = "quiescent=yes; scheduler=wlc; persistent=60; fallback=192.0.2.99:8080 masq";
    bed.configure(&section(VIP, options, &["192.0.2.11", "192.0.2.12", "192.0.2.13"]));
    assert_eq!(bed.code("status"), 3);
    bed.ok("start");
    // The servers that answer, and the dead one with weight 0.
    let whole = [
        "-A -t 203.0.113.202:80 -s wlc -p 60",
        "-a -t 203.0.113.202:80 -r 192.0.2.11:8080 -m -w 5",
        "-a -t 203.0.113.202:80 -r 192.0.2.12:8080 -m -w 5",
        "-a -t 203.0.113.202:80 -r 192.0.2.13:8080 -m -w 0",
    ];
    bed.until("the whole table", SECOND, |bed| bed.table() == whole);
    bed.no_flash_of_the_fallback();
    for line in [
        "Added virtual server: 203.0.113.202:80",
        "Added real server: 192.0.2.11:8080 (203.0.113.202:80) (Weight set to 5)",
        "Quiescent real server: 192.0.2.13:8080 (203.0.113.202:80) (Weight set to 0)",
    ] {
        bed.says(line);
    }
    assert_eq!(bed.code("status"), 0);
    let pid = bed.pid();
    bed.ok("start"); // again: nothing
    assert_eq!(bed.pid(), pid);
    bed.ok("stop");
    assert_eq!(bed.table(), [""; 0], "stop returns when the table is clean");
    assert!(!bed.pid_file().exists());
    assert_eq!(bed.code("status"), 3);
    assert_eq!(bed.code("stop"), 0);
    bed.says("Purged virtual server (stop): 203.0.113.202:80");
    bed.says("Linux Director Daemon terminated on signal: TERM");
}

fn start_adopts_a_table_and_cuts_nothing() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.must("ipvsadm", &format!("-A -t {VIP} -s wrr"));
    bed.must("ipvsadm", &format!("-a -t {VIP} -r {A} -m -w 5"));
    bed.must("ipvsadm", &format!("-a -t {VIP} -r {B} -m -w 0"));
    bed.must("ipvsadm", &format!("-a -t {VIP} -r 192.0.2.77:8080 -m -w 0"));
    bed.must("ipvsadm", "-A -f 7 -s rr"); // somebody else's
    bed.must("ipvsadm", "-a -f 7 -r 192.0.2.12:0 -g -w 3");
    let mut client = Client::connect(VIP);
    bed.configure(&section(
        VIP,
        "quiescent=yes; fallback=192.0.2.99:8080 masq",
        &["192.0.2.11", "192.0.2.12"],
    ));
    bed.ok("start");
    client.lives("after the start");
    bed.until("the verdict on the second", SECOND, |bed| bed.weight(VIP, B) == Some(5));
    assert_eq!(
        bed.table(),
        [
            "-A -f 7 -s rr",
            "-A -t 203.0.113.202:80 -s wrr",
            "-a -f 7 -r 192.0.2.12:0 -g -w 3",
            "-a -t 203.0.113.202:80 -r 192.0.2.11:8080 -m -w 5",
            "-a -t 203.0.113.202:80 -r 192.0.2.12:8080 -m -w 5",
        ]
    );
    bed.says("Restored real server: 192.0.2.12:8080");
    bed.says("Purged real server (start): 192.0.2.77:8080");
    let log = bed.log();
    for never in ["fallback", "virtual server", "192.0.2.11:8080 (203.0.113.202:80) (Weight"] {
        assert!(!log.contains(never), "{never} was touched:\n{log}");
    }
    bed.ok("stop");
    assert_eq!(bed.table(), ["-A -f 7 -s rr", "-a -f 7 -r 192.0.2.12:0 -g -w 3"]);
}

fn start_says_why_not() {
    let bed = Bed::new();
    bed.configure(&section(VIP, "scheduler=nosuchsched", &["192.0.2.11"]));
    let output = bed.run("start");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("nosuchsched"), "{said}");
    assert_eq!(bed.code("status"), 3);
    bed.configure("virtual=203.0.113.202\n\treal=192.0.2.11:80 gate\n");
    let output = bed.run("start");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("firewall mark"));
}

fn killed_and_started_again_nothing_changes() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&section(VIP, "quiescent=yes", &["192.0.2.11", "192.0.2.12", "192.0.2.13"]));
    bed.ok("start");
    let weights = |bed: &Bed| [A, B, C].map(|server| bed.weight(VIP, server));
    bed.until("all verdicts", SECOND, |bed| weights(bed) == [Some(5), Some(5), Some(0)]);
    let before = bed.table();
    let mut client = Client::connect(VIP);
    bed.must("kill", &format!("-9 {}", bed.pid()));
    bed.until("the daemon is gone", SECOND, |bed| bed.code("status") == 1);
    assert_eq!(bed.table(), before, "the table outlives the daemon");
    client.lives("after kill -9");
    bed.forget_log();
    bed.ok("start");
    client.lives("after the second start");
    assert_eq!(bed.table(), before);
    assert!(!bed.log().contains("server: "), "edits of a table that was right:\n{}", bed.log());
    bed.ok("stop");
}

fn stop_without_cleanstop_leaves_the_table() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    bed.configure(&section(VIP, "cleanstop=no", &["192.0.2.11"]));
    bed.ok("start");
    let before = bed.table();
    bed.ok("stop");
    assert_eq!(bed.table(), before);
}

fn a_broken_configuration_does_not_orphan_the_daemon() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    bed.configure(&section(VIP, "", &["192.0.2.11"]));
    bed.ok("start");
    bed.configure("rubbish\n");
    assert_eq!(bed.code("status"), 0);
    assert_eq!(bed.code("reload"), 2);
    assert_eq!(bed.code("restart"), 2, "a restart that cannot start does not stop");
    assert_eq!(bed.code("status"), 0);
    std::fs::remove_file(bed.config()).unwrap();
    assert_eq!(bed.code("status"), 0);
    assert_eq!(bed.code("stop"), 0);
    assert_eq!(bed.table(), [""; 0]);
}

fn restart_and_try_restart() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    bed.configure(&section(VIP, "", &["192.0.2.11"]));
    assert_eq!(bed.code("try-restart"), 0);
    assert_eq!(bed.code("status"), 3);
    bed.ok("restart");
    let first = bed.pid();
    bed.ok("try-restart");
    assert_ne!(bed.pid(), first);
    assert_eq!(bed.weight(VIP, A), Some(5));
    bed.ok("stop");
}

fn every_kind_of_service() {
    let bed = Bed::new();
    bed.must("ip", "-6 addr add 2001:db8::11/128 dev lo nodad");
    let (_a, _six) = (Server::start("192.0.2.11"), Server::start("2001:db8::11"));
    bed.configure(
        "virtual6=[2001:db8::1]:80\n\tpersistent=60\n\tnetmask=64\n\treal6=[2001:db8::11]:8080 masq 2\n\
         virtual=203.0.113.202:53\n\tchecktype=connect\n\tops=yes\n\treal=192.0.2.11:53 gate\n\
         virtual=7\n\tservice=http\n\tcheckport=8080\n\tscheduler=sh\n\tschedflags=sh-port\n\treal=192.0.2.11 gate 3 l:10 u:20\n\
         virtual6=7\n\tchecktype=external\n\tcheckcommand=/bin/false\n\tquiescent=yes\n\treal6=[2001:db8::11] ipip\n\
         virtual=203.0.113.203:80\n\tchecktype=off\n\treal=192.0.2.12:80 gate\n\
         virtual=203.0.113.203:81\n\tchecktype=ping\n\treal=192.0.2.11->192.0.2.12:80 gate\n",
    );
    bed.ok("start");
    bed.until("the slowest check", 2 * SECOND, |bed| bed.table().len() == 12);
    assert_eq!(
        bed.table(),
        [
            "-A -f 7 -6 -s wrr",
            "-A -f 7 -s sh -b sh-port",
            "-A -t 203.0.113.203:80 -s wrr",
            "-A -t 203.0.113.203:81 -s wrr",
            "-A -t [2001:db8::1]:80 -s wrr -p 60 -M 64",
            "-A -u 203.0.113.202:53 -s wrr -o",
            "-a -f 7 -6 -r [2001:db8::11]:0 -i -w 0 --tun-type ipip",
            "-a -f 7 -r 192.0.2.11:0 -g -w 3",
            "-a -t 203.0.113.203:81 -r 192.0.2.11:81 -g -w 1",
            "-a -t 203.0.113.203:81 -r 192.0.2.12:81 -g -w 1",
            "-a -t [2001:db8::1]:80 -r [2001:db8::11]:8080 -m -w 2",
            "-a -u 203.0.113.202:53 -r 192.0.2.11:53 -g -w 1",
        ]
    );
    let thresholds = bed.must("ipvsadm", "-Ln --thresholds");
    let words = thresholds.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let limited = words.filter(|words| matches!(words.as_slice(), ["->", "192.0.2.11:0", "20", "10", ..]));
    assert_eq!(limited.count(), 1, "{thresholds}");
    bed.ok("stop");
    assert_eq!(bed.table(), [""; 0]);
}

fn under_its_old_name_in_the_foreground() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    bed.configure(&section(VIP, "", &["192.0.2.11"]));
    let old_name = bed.config().with_file_name("ldirectord");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_directord"), &old_name).unwrap();
    let mut command = std::process::Command::new(&old_name);
    command.args(["-d", "--run-dir"]).arg(bed.config().parent().unwrap()).arg(bed.config()).arg("start");
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    bed.until("it runs", 3 * SECOND, |bed| bed.weight(VIP, A) == Some(5));
    assert_eq!(bed.pid(), child.id().to_string());
    bed.must("kill", &format!("-INT {}", child.id()));
    assert!(child.wait().unwrap().success());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("Added real server: 192.0.2.11:8080"), "{said}");
    assert!(said.contains("terminated on signal: INT"), "{said}");
    assert_eq!((bed.log().as_str(), bed.table().len()), ("", 0));
}
