//! Reload: what did not change is not touched, and a bad file changes nothing.

use crate::Test;
use crate::bed::*;

pub const TESTS: &[Test] = &[
    ("reload_adds_and_removes_services", reload_adds_and_removes_services),
    ("reload_changes_only_what_changed", reload_changes_only_what_changed),
    ("a_bad_reload_changes_nothing", a_bad_reload_changes_nothing),
    ("autoreload_sees_the_file_change", autoreload_sees_the_file_change),
    ("a_dead_server_gets_nothing_through_a_reload", a_dead_server_gets_nothing_through_a_reload),
    (
        "a_service_whose_change_is_refused_still_fails_over",
        a_service_whose_change_is_refused_still_fails_over,
    ),
    ("a_storm_of_reloads_does_not_stop_failover", a_storm_of_reloads_does_not_stop_failover),
    ("maintenance_ends_with_its_directive", maintenance_ends_with_its_directive),
    ("everyone_who_asks_for_a_reload_is_answered", everyone_who_asks_for_a_reload_is_answered),
    ("a_restart_cuts_nothing", a_restart_cuts_nothing),
];

fn reload_adds_and_removes_services() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    let first = section(VIP, "fallback=192.0.2.99:8080 masq", &["192.0.2.11"]);
    let second = section(VIP2, "fallback=192.0.2.99:8080 masq", &["192.0.2.12"]);
    bed.configure(&first);
    bed.ok("start");
    let mut client = Client::connect(VIP);
    bed.forget_log();
    bed.configure(&format!("{first}{second}"));
    bed.ok("reload");
    bed.until("the new service", SECOND, |bed| bed.weight(VIP2, B) == Some(5));
    client.lives("after the first reload");
    bed.no_flash_of_the_fallback();
    assert!(!bed.log().contains("(203.0.113.202:80)"), "the other service was touched:\n{}", bed.log());
    bed.forget_log();
    bed.configure(&first);
    bed.must("kill", &format!("-HUP {}", bed.pid()));
    bed.until("the service is gone", SECOND, |bed| bed.table().len() == 2);
    client.lives("after the second reload");
    bed.says("Reloading Linux Director Daemon config on signal");
    bed.says("Purged virtual server (start): 203.0.113.203:80");
    bed.ok("stop");
}

fn reload_changes_only_what_changed() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&section(VIP, "scheduler=wlc", &["192.0.2.11"]));
    bed.ok("start");
    let mut client = Client::connect(VIP);
    bed.configure(&section(VIP, "scheduler=rr; persistent=30", &["192.0.2.11", "192.0.2.12"]));
    bed.ok("reload");
    bed.until("the new server", SECOND, |bed| bed.weight(VIP, B) == Some(5));
    assert!(bed.table().contains(&"-A -t 203.0.113.202:80 -s rr -p 30".to_owned()), "{:?}", bed.table());
    client.lives("after a change of scheduler and persistence");
    bed.configure(&section(VIP, "scheduler=rr; persistent=30", &["192.0.2.12"]));
    bed.ok("reload");
    bed.until("the old server is gone", SECOND, |bed| bed.weight(VIP, A).is_none());
    assert_eq!(bed.weight(VIP, B), Some(5));
    bed.ok("stop");
}

fn a_bad_reload_changes_nothing() {
    let bed = Bed::new();
    let (a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    let good = section(VIP, "quiescent=yes", &["192.0.2.11", "192.0.2.12"]);
    bed.configure(&good);
    bed.ok("start");
    bed.until("both are up", SECOND, |bed| bed.weight(VIP, A) == Some(5) && bed.weight(VIP, B) == Some(5));
    let before = bed.table();
    bed.configure(&format!("quiescent=maybe\n{good}"));
    assert_eq!(bed.code("reload"), 2);
    bed.must("kill", &format!("-HUP {}", bed.pid()));
    bed.until("the mistake is logged with its place", SECOND, |bed| {
        bed.log().contains("test.cf:5:11: error: quiescent")
    });
    assert_eq!(bed.table(), before);
    let status = String::from_utf8(bed.run("status --json").stdout).unwrap();
    assert!(status.contains("quiescent must be yes or no"), "status tells of it: {status}");
    a.stop(); // and failover still works
    bed.until("the dead server is seen", 2 * SECOND, |bed| bed.weight(VIP, A) == Some(0));
    bed.configure(&good);
    bed.ok("reload");
    let status = String::from_utf8(bed.run("status --json").stdout).unwrap();
    assert!(status.contains("\"load_error\": null"), "{status}");
    bed.ok("stop");
}

fn autoreload_sees_the_file_change() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&format!("autoreload=yes\n{}", section(VIP, "", &["192.0.2.11"])));
    bed.ok("start");
    bed.configure(&format!("autoreload=yes\n{}", section(VIP, "", &["192.0.2.11", "192.0.2.12"])));
    bed.until("the new server", 3 * SECOND, |bed| bed.weight(VIP, B) == Some(5));
    bed.says("has changed on disk");
    bed.says(" - reread new configuration");
    bed.configure(&section(VIP, "", &["192.0.2.12"]));
    bed.until("the other server is gone", 3 * SECOND, |bed| bed.weight(VIP, A).is_none());
    bed.configure(&section(VIP, "", &["192.0.2.11", "192.0.2.12"]));
    bed.until("it is off now", 3 * SECOND, |bed| bed.log().contains(" - ignore new configuration"));
    assert_eq!(bed.weight(VIP, A), None);
    bed.ok("stop");
}

fn a_dead_server_gets_nothing_through_a_reload() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    let text = section(VIP, "quiescent=yes; fallback=192.0.2.99:8080 masq", &["192.0.2.11", "192.0.2.12"]);
    bed.configure(&text);
    bed.ok("start");
    bed.until("one is up", SECOND, |bed| bed.weight(VIP, A) == Some(5) && bed.weight(VIP, B) == Some(0));
    bed.forget_log();
    let before = bed.table();
    for _ in 0..3 {
        bed.ok("reload");
    }
    std::thread::sleep(2 * SECOND);
    assert_eq!(bed.table(), before);
    assert!(!bed.log().contains("Weight set"), "{}", bed.log());
    bed.no_flash_of_the_fallback();
    bed.ok("stop");
}

fn a_service_whose_change_is_refused_still_fails_over() {
    let bed = Bed::new();
    let (a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&section(VIP, "quiescent=yes", &["192.0.2.11", "192.0.2.12"]));
    bed.ok("start");
    bed.configure(&section(VIP, "quiescent=yes; scheduler=nosuchsched", &["192.0.2.11", "192.0.2.12"]));
    let output = bed.run("reload");
    assert!(String::from_utf8_lossy(&output.stderr).contains("nosuchsched"));
    a.stop();
    bed.until("the dead server is taken out", 2 * SECOND, |bed| bed.weight(VIP, A) == Some(0));
    bed.must("ipvsadm", &format!("-e -t {VIP} -r {B} -m -w 2"));
    std::thread::sleep(3 * SECOND);
    assert_eq!(bed.weight(VIP, B), Some(2), "an administrator's weight stays");
    bed.says("Kernel table:");
    assert_eq!(bed.log().matches("Kernel table:").count(), 1, "told once:\n{}", bed.log());
    bed.ok("stop");
}

fn a_storm_of_reloads_does_not_stop_failover() {
    let bed = Bed::new();
    let (a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    // It listens and does not answer: the third server has no verdict for as long as the limit says.
    let _silent = std::net::TcpListener::bind(C).unwrap();
    let servers = ["192.0.2.11", "192.0.2.12", "192.0.2.13"];
    bed.configure(&section(VIP, "negotiatetimeout=60", &servers));
    bed.ok("start");
    let pid = bed.pid();
    a.stop();
    let began = std::time::Instant::now();
    while bed.weight(VIP, A).is_some() {
        bed.must("kill", &format!("-HUP {pid}"));
        assert!(began.elapsed() < 30 * SECOND, "{}", bed.log());
        std::thread::sleep(SECOND / 20);
    }
    bed.ok("stop");
}

fn maintenance_ends_with_its_directive() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    let folder = bed.config().with_file_name("maintenance");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("192.0.2.11"), "").unwrap();
    let text = section(VIP, "", &["192.0.2.11"]);
    bed.configure(&format!("maintenancedir={}\n{text}", folder.display()));
    bed.ok("start");
    assert_eq!(bed.weight(VIP, A), None);
    bed.configure(&text);
    bed.ok("reload");
    bed.until("it serves", 2 * SECOND, |bed| bed.weight(VIP, A) == Some(5));
    bed.configure(&format!("maintenancedir={}\n{text}", folder.display()));
    bed.ok("reload");
    bed.until("it rests again", 2 * SECOND, |bed| bed.weight(VIP, A).is_none());
    bed.ok("stop");
}

fn everyone_who_asks_for_a_reload_is_answered() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    bed.configure(&section(VIP, "", &["192.0.2.11"]));
    bed.ok("start");
    std::thread::scope(|scope| {
        let reloads: Vec<_> = (0..8).map(|_| scope.spawn(|| bed.run("reload"))).collect();
        for reload in reloads {
            let output = reload.join().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    });
    bed.ok("stop");
}

fn a_restart_cuts_nothing() {
    let bed = Bed::new();
    let (_a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    let first = section(VIP, "fallback=192.0.2.99:8080 masq", &["192.0.2.11"]);
    let second = section(VIP2, "fallback=192.0.2.99:8080 masq", &["192.0.2.12"]);
    bed.configure(&format!("{first}{second}"));
    bed.ok("start");
    bed.until("both are up", SECOND, |bed| bed.weight(VIP, A) == Some(5) && bed.weight(VIP2, B) == Some(5));
    let (pid, before) = (bed.pid(), bed.table());
    let mut client = Client::connect(VIP);
    bed.forget_log();
    bed.ok("restart");
    assert_ne!(bed.pid(), pid);
    client.lives("after the restart");
    assert_eq!(bed.table(), before);
    assert!(!bed.log().contains("server: "), "edits of a table that was right:\n{}", bed.log());
    bed.configure(&first);
    bed.ok("restart");
    client.lives("after the restart with another file");
    assert_eq!(bed.table().len(), 2, "what is not in the file any more is gone: {:?}", bed.table());
    bed.ok("stop");
}
