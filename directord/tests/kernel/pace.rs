//! What goes beyond ldirectord in when and how servers come and go.

use crate::Test;
use crate::bed::*;
use std::time::Duration;

pub const TESTS: &[Test] = &[
    ("in_doubt_a_server_is_checked_again_soon", in_doubt_a_server_is_checked_again_soon),
    ("a_recovered_server_gets_its_weight_in_steps", a_recovered_server_gets_its_weight_in_steps),
    ("servers_that_fail_together_stay_as_they_were", servers_that_fail_together_stay_as_they_were),
    ("an_external_check_says_the_weight", an_external_check_says_the_weight),
    ("checks_come_from_the_source_address", checks_come_from_the_source_address),
];

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);

fn in_doubt_a_server_is_checked_again_soon() {
    let bed = Bed::new();
    let (a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    // Fifty failures and fifty good checks would take a minute and a half each at the usual pace.
    let options = "quiescent=yes; checkinterval=2s; recheckinterval=20ms; failurecount=50; rise=50";
    bed.configure(&section(VIP, options, &["192.0.2.11", "192.0.2.12"]));
    bed.ok("start");
    a.stop();
    bed.until("fifty failures", LIMIT, |bed| bed.weight(VIP, A) == Some(0));
    bed.says("failure 49/50");
    let _a = Server::start("192.0.2.11");
    bed.until("fifty good checks", LIMIT, |bed| bed.weight(VIP, A) == Some(5));
    bed.says("Check passed: 192.0.2.11:8080 (tcp:203.0.113.202:80) 49/50");
    bed.ok("stop");
}

fn a_recovered_server_gets_its_weight_in_steps() {
    let bed = Bed::new();
    let (a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&section(VIP, "quiescent=yes; slowstart=2s", &["192.0.2.11", "192.0.2.12"]));
    bed.ok("start");
    bed.until("whole at the start, without steps", LIMIT, |bed| bed.weight(VIP, A) == Some(5));
    assert!(!bed.log().contains("(Weight set to 1)"), "{}", bed.log());
    a.stop();
    bed.until("it dies", LIMIT, |bed| bed.weight(VIP, A) == Some(0));
    let _a = Server::start("192.0.2.11");
    bed.until("it is back as before", LIMIT, |bed| bed.weight(VIP, A) == Some(5));
    bed.says("Restored real server: 192.0.2.11:8080 (203.0.113.202:80) (Weight set to 1)");
    bed.says("Changed real server: 192.0.2.11:8080 (203.0.113.202:80) (Weight set to 5)");
    bed.ok("stop");
}

fn servers_that_fail_together_stay_as_they_were() {
    let bed = Bed::new();
    let (a, b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    // With a limit of ten intervals that is what counts as together: stopping both takes a while on a busy machine.
    let options =
        "quiescent=yes; keeplast=yes; checkinterval=1s; negotiatetimeout=10; fallback=192.0.2.99:8080 masq";
    bed.configure(&section(VIP, options, &["192.0.2.11", "192.0.2.12"]));
    bed.ok("start");
    a.stop();
    b.stop();
    bed.says("ALL 2 real servers of tcp:203.0.113.202:80 that were up have failed within one interval");
    bed.until("both are back", LIMIT, |bed| {
        bed.weight(VIP, A) == Some(5) && bed.weight(VIP, B) == Some(5) && bed.weight(VIP, LAST).is_none()
    });
    let status = String::from_utf8(bed.run("show --json").stdout).unwrap();
    assert!(status.contains("\"kept\": true"), "{status}");
    let _a = Server::start("192.0.2.11");
    bed.says("A check has passed: verdicts on real servers of tcp:203.0.113.202:80 count again");
    bed.until("the other one is dead", LIMIT, |bed| bed.weight(VIP, B) == Some(0));
    assert_eq!(bed.weight(VIP, A), Some(5));
    bed.ok("stop");
}

fn an_external_check_says_the_weight() {
    let bed = Bed::new();
    let (said, program) = (bed.config().with_file_name("said"), bed.config().with_file_name("say"));
    std::fs::write(&said, "weight 7\n").unwrap();
    std::fs::write(&program, format!("#!/bin/sh\necho fine\ncat {}\n", said.display())).unwrap();
    bed.must("chmod", &format!("+x {}", program.display()));
    let check = format!("checktype=external; weightfromcheck=yes; checkcommand={}", program.display());
    bed.configure(&section(VIP, &check, &["192.0.2.11"]));
    bed.ok("start");
    bed.until("it says 7", LIMIT, |bed| bed.weight(VIP, A) == Some(7));
    std::fs::write(&said, "weight 70\n").unwrap();
    bed.until("it says 70", LIMIT, |bed| bed.weight(VIP, A) == Some(70));
    bed.says("Changed real server: 192.0.2.11:8080 (203.0.113.202:80) (Weight set to 70)");
    std::fs::write(&said, "nothing\n").unwrap();
    bed.says("No weight for 192.0.2.11:8080 (tcp:203.0.113.202:80), it stays");
    assert_eq!(bed.weight(VIP, A), Some(70));
    bed.ok("stop");
}

fn checks_come_from_the_source_address() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    bed.configure(&section(VIP, "sourceaddress=192.0.2.13", &["192.0.2.11"]));
    bed.ok("start");
    bed.until("it is up", LIMIT, |bed| bed.weight(VIP, A) == Some(5));
    // An address that this machine does not have takes no server down.
    bed.must("ip", "addr del 192.0.2.13/32 dev lo");
    bed.says("No verdict on 192.0.2.11:8080 (tcp:203.0.113.202:80), its state stays");
    assert_eq!(bed.weight(VIP, A), Some(5));
    bed.ok("stop");
}
