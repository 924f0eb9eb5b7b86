//! Edits by somebody else: repaired where they break the plan, left where they are an administrator's choice.

use crate::Test;
use crate::bed::*;

pub const TESTS: &[Test] = &[
    ("what_somebody_deletes_comes_back", what_somebody_deletes_comes_back),
    ("what_somebody_changes_is_set_right", what_somebody_changes_is_set_right),
    ("weights_set_by_hand_stay", weights_set_by_hand_stay),
    ("foreign_services_are_never_touched", foreign_services_are_never_touched),
    ("removed_quiescent_servers_come_back_only_if_asked", removed_quiescent_servers_come_back_only_if_asked),
];

fn what_somebody_deletes_comes_back() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&section(VIP, "", &["192.0.2.11", "192.0.2.12"]));
    bed.ok("start");
    let before = bed.table();
    bed.must("ipvsadm", &format!("-d -t {VIP} -r {A}"));
    bed.until("the server is back", 2 * SECOND, |bed| bed.table() == before);
    bed.says("changed by somebody else: real server 192.0.2.11:8080 (203.0.113.202:80) was missing");
    bed.must("ipvsadm", "-C");
    bed.until("everything is back", 2 * SECOND, |bed| bed.table() == before);
    bed.says("virtual server 203.0.113.202:80 was missing");
    bed.ok("stop");
}

fn what_somebody_changes_is_set_right() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    bed.configure(&section(VIP, "persistent=60", &["192.0.2.11"]));
    bed.ok("start");
    let before = bed.table();
    bed.must("ipvsadm", &format!("-E -t {VIP} -s rr"));
    bed.must("ipvsadm", &format!("-e -t {VIP} -r {A} -m -w 5 -x 100 -y 50"));
    bed.until("both are right again", 2 * SECOND, |bed| {
        bed.table() == before
            && bed.must("ipvsadm", "-Ln --thresholds").contains("192.0.2.11:8080              0          0")
    });
    bed.says("scheduler rr instead of wrr");
    bed.ok("stop");
}

fn weights_set_by_hand_stay() {
    let bed = Bed::new();
    let (a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&section(VIP, "quiescent=yes", &["192.0.2.11", "192.0.2.12"]));
    bed.ok("start");
    bed.must("ipvsadm", &format!("-e -t {VIP} -r {A} -m -w 0"));
    bed.must("ipvsadm", &format!("-e -t {VIP} -r {B} -m -w 9"));
    bed.says("real server 192.0.2.11:8080 (203.0.113.202:80) has weight 0 instead of 5: it stays");
    bed.says("real server 192.0.2.12:8080 (203.0.113.202:80) has weight 9 instead of 5: it stays");
    std::thread::sleep(3 * SECOND);
    assert_eq!((bed.weight(VIP, A), bed.weight(VIP, B)), (Some(0), Some(9)));
    assert_eq!(bed.log().matches("instead of 5").count(), 2, "told once:\n{}", bed.log());
    a.stop(); // a new verdict is ours again
    bed.until("it is down", 2 * SECOND, |bed| bed.log().contains("Check failed: 192.0.2.11:8080"));
    let _a = Server::start("192.0.2.11");
    bed.until("it is up with its weight", 2 * SECOND, |bed| bed.weight(VIP, A) == Some(5));
    assert_eq!(bed.weight(VIP, B), Some(9));
    bed.ok("reload");
    assert_eq!(bed.weight(VIP, B), Some(9), "a reload changes what the file changes");
    bed.configure(&section(VIP, "quiescent=yes", &["192.0.2.11", "192.0.2.12"]).replace("masq 5", "masq 6"));
    bed.ok("reload");
    assert_eq!((bed.weight(VIP, A), bed.weight(VIP, B)), (Some(6), Some(6)));
    bed.ok("stop");
}

fn foreign_services_are_never_touched() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    bed.must("ipvsadm", &format!("-A -t {VIP2} -s rr"));
    bed.must("ipvsadm", &format!("-a -t {VIP2} -r {C} -m -w 7"));
    let foreign = bed.table();
    bed.configure(&section(VIP, "", &["192.0.2.11"]));
    bed.ok("start");
    bed.ok("reload");
    std::thread::sleep(2 * SECOND);
    assert!(foreign.iter().all(|line| bed.table().contains(line)), "{:?}", bed.table());
    bed.ok("stop");
    assert_eq!(bed.table(), foreign);
}

fn removed_quiescent_servers_come_back_only_if_asked() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    let text = section(VIP, "quiescent=yes", &["192.0.2.11", "192.0.2.12"]);
    bed.configure(&text);
    bed.ok("start");
    bed.must("ipvsadm", &format!("-d -t {VIP} -r {B}"));
    std::thread::sleep(2 * SECOND);
    assert_eq!(bed.weight(VIP, B), None, "readdquiescent=no leaves it out");
    bed.configure(&format!("readdquiescent=yes\n{text}"));
    bed.ok("reload");
    bed.until("it is back with weight 0", 2 * SECOND, |bed| bed.weight(VIP, B) == Some(0));
    bed.must("ipvsadm", &format!("-d -t {VIP} -r {B}"));
    bed.until("and again", 2 * SECOND, |bed| bed.weight(VIP, B) == Some(0));
    bed.says("Readd Quiescent real server: 192.0.2.12:8080");
    bed.ok("stop");
}
