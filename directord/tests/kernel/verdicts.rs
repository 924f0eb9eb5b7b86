//! Servers that die and come back.

use crate::Test;
use crate::bed::*;
use std::time::Duration;

pub const TESTS: &[Test] = &[
    ("a_dead_server_gets_weight_0_and_comes_back", a_dead_server_gets_weight_0_and_comes_back),
    ("without_quiescent_a_dead_server_is_removed", without_quiescent_a_dead_server_is_removed),
    ("the_fallback_serves_while_nobody_else_can", the_fallback_serves_while_nobody_else_can),
    ("failurecount_is_honoured", failurecount_is_honoured),
    ("maintenance_takes_a_server_out_and_back", maintenance_takes_a_server_out_and_back),
    ("fallbackcommand_is_told_once_for_every_change", fallbackcommand_is_told_once_for_every_change),
    ("fallbackcommand_is_told_when_its_service_leaves", fallbackcommand_is_told_when_its_service_leaves),
];

/// One check interval, and time for a busy machine.
const SEEN: Duration = Duration::from_millis(1600);

fn a_dead_server_gets_weight_0_and_comes_back() {
    let bed = Bed::new();
    let (a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&section(VIP, "quiescent=yes", &["192.0.2.11", "192.0.2.12"]));
    bed.ok("start");
    a.stop();
    bed.until("death is seen within one interval", SEEN, |bed| bed.weight(VIP, A) == Some(0));
    assert_eq!(bed.weight(VIP, B), Some(5));
    bed.says("Quiescent real server: 192.0.2.11:8080 (203.0.113.202:80) (Weight set to 0)");
    bed.says("Check failed: 192.0.2.11:8080 (tcp:203.0.113.202:80): connection refused");
    let status = String::from_utf8(bed.run("status --json").stdout).unwrap();
    assert!(status.contains("\"why\": \"connection refused\""), "{status}");
    let _a = Server::start("192.0.2.11");
    bed.until("one good check is enough", SEEN, |bed| bed.weight(VIP, A) == Some(5));
    bed.says("Restored real server: 192.0.2.11:8080 (203.0.113.202:80) (Weight set to 5)");
    bed.ok("stop");
}

fn without_quiescent_a_dead_server_is_removed() {
    let bed = Bed::new();
    let (a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&section(VIP, "quiescent=no", &["192.0.2.11", "192.0.2.12"]));
    bed.ok("start");
    a.stop();
    bed.until("it is removed", SEEN, |bed| bed.weight(VIP, A).is_none());
    bed.says("Deleted real server: 192.0.2.11:8080 (203.0.113.202:80)");
    let _a = Server::start("192.0.2.11");
    bed.until("it is added", SEEN, |bed| bed.weight(VIP, A) == Some(5));
    bed.ok("stop");
}

fn the_fallback_serves_while_nobody_else_can() {
    let bed = Bed::new();
    let a = Server::start("192.0.2.11");
    bed.configure(&section(VIP, "quiescent=no; fallback=192.0.2.99:8080 masq", &["192.0.2.11"]));
    bed.ok("start");
    // On a busy machine the first verdict comes after the first pass, which then had nobody but the fallback.
    bed.until("the server serves", SEEN, |bed| {
        bed.weight(VIP, LAST).is_none() && bed.weight(VIP, A) == Some(5)
    });
    a.stop();
    bed.until("the fallback comes", SEEN, |bed| {
        bed.weight(VIP, LAST) == Some(1) && bed.weight(VIP, A).is_none()
    });
    bed.says("Added fallback server: 192.0.2.99:8080 (203.0.113.202:80) (Weight set to 1)");
    let _a = Server::start("192.0.2.11");
    bed.until("the fallback goes", SEEN, |bed| {
        bed.weight(VIP, LAST).is_none() && bed.weight(VIP, A) == Some(5)
    });
    bed.says("Deleted fallback server: 192.0.2.99:8080 (203.0.113.202:80)");
    bed.ok("stop");
}

fn failurecount_is_honoured() {
    let bed = Bed::new();
    let (a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&section(VIP, "failurecount=3; quiescent=yes", &["192.0.2.11", "192.0.2.12"]));
    bed.ok("start");
    a.stop();
    bed.until("two soft failures", 3 * SECOND, |bed| bed.log().contains("failure 2/3"));
    assert_eq!(bed.weight(VIP, A), Some(5));
    bed.until("the third counts", 2 * SECOND, |bed| bed.weight(VIP, A) == Some(0));
    bed.says("Soft failure real server: 192.0.2.11:8080 (tcp:203.0.113.202:80) failure 1/3");
    bed.ok("stop");
}

fn maintenance_takes_a_server_out_and_back() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    let folder = bed.config().with_file_name("maintenance");
    std::fs::create_dir_all(&folder).unwrap();
    let sections = section(VIP, "quiescent=yes", &["192.0.2.11", "192.0.2.12"]);
    bed.configure(&format!("maintenancedir={}\n{sections}", folder.display()));
    bed.ok("start");
    std::fs::write(folder.join(A), "").unwrap();
    bed.until("it rests", 2 * SECOND, |bed| bed.weight(VIP, A) == Some(0));
    std::thread::sleep(SECOND);
    assert_eq!(bed.weight(VIP, A), Some(0), "its checks do not count");
    std::fs::remove_file(folder.join(A)).unwrap();
    bed.until("it works again", 3 * SECOND, |bed| bed.weight(VIP, A) == Some(5));
    bed.ok("stop");
}

fn fallbackcommand_is_told_once_for_every_change() {
    let bed = Bed::new();
    let a = Server::start("192.0.2.11");
    let told = bed.config().with_file_name("told");
    let script = bed.config().with_file_name("tell");
    std::fs::write(&script, format!("#!/bin/sh\necho \"$@\" >> {}\n", told.display())).unwrap();
    bed.must("chmod", &format!("755 {}", script.display()));
    let options = format!("fallbackcommand=\"{}\"; quiescent=yes", script.display());
    bed.configure(&section(VIP, &options, &["192.0.2.11"]));
    bed.ok("start");
    let words = || std::fs::read_to_string(&told).unwrap_or_default();
    // Before it, a start is said if the first verdict was late.
    bed.until("stop is said", 2 * SECOND, |_| words().ends_with(&format!("stop {VIP} tcp\n")));
    let before = words();
    a.stop();
    bed.until("start is said", 2 * SECOND, |_| words() == format!("{before}start {VIP} tcp\n"));
    bed.ok("stop");
}

fn fallbackcommand_is_told_when_its_service_leaves() {
    let bed = Bed::new();
    let _b = Server::start("192.0.2.12");
    let told = bed.config().with_file_name("told");
    let script = bed.config().with_file_name("tell");
    std::fs::write(&script, format!("#!/bin/sh\necho \"$@\" >> {}\n", told.display())).unwrap();
    bed.must("chmod", &format!("755 {}", script.display()));
    let leaving = section(VIP, &format!("fallbackcommand=\"{}\"", script.display()), &["192.0.2.11"]);
    let staying = section(VIP2, "", &["192.0.2.12"]);
    bed.configure(&format!("{leaving}{staying}"));
    bed.ok("start");
    let words = || std::fs::read_to_string(&told).unwrap_or_default();
    bed.until("start is said", SEEN, |_| words() == format!("start {VIP} tcp\n"));
    bed.configure(&staying);
    bed.ok("reload");
    bed.until("stop is said", SEEN, |_| words() == format!("start {VIP} tcp\nstop {VIP} tcp\n"));
    bed.ok("stop");
    assert_eq!(words().lines().count(), 2, "and not again");
}
