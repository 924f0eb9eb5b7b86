//! `execute`: other instances that run with the first one.

use crate::Test;
use crate::bed::*;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

pub const TESTS: &[Test] = &[
    (
        "other_instances_start_reload_and_stop_with_the_first",
        other_instances_start_reload_and_stop_with_the_first,
    ),
    ("two_that_execute_each_other_reload_once", two_that_execute_each_other_reload_once),
    ("one_table_entry_has_one_daemon", one_table_entry_has_one_daemon),
];

/// For what takes no time at all; a busy machine may take its own.
const LONG: Duration = Duration::from_secs(30);

/// Another instance; stopped when dropped.
struct Other<'a> {
    bed: &'a Bed,
    config: PathBuf,
}

impl Other<'_> {
    fn run(&self, verb: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
        command.arg("--run-dir").arg(self.config.parent().unwrap()).arg(&self.config).arg(verb);
        command.output().unwrap()
    }

    /// Writes its configuration: a service with these real servers.
    fn configure(&self, servers: &[&str]) {
        let log = self.config.with_extension("log");
        let section = section(VIP2, "checktype=on", servers);
        let first = self.bed.config().display().to_string();
        // It executes the first, too: nobody calls anybody for ever.
        let text = format!("checkinterval=1\nexecute={first}\nlogfile=\"{}\"\n{section}", log.display());
        std::fs::write(&self.config, text).unwrap();
    }
}

impl Drop for Other<'_> {
    fn drop(&mut self) {
        let _ = self.run("stop");
    }
}

fn other_instances_start_reload_and_stop_with_the_first() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    let other = Other { bed: &bed, config: bed.config().with_file_name("other.cf") };
    other.configure(&["192.0.2.11"]);
    let first = |with: bool| {
        let line = if with { format!("execute={}\n", other.config.display()) } else { String::new() };
        bed.configure(&format!("{line}{}", section(VIP, "", &["192.0.2.11"])));
    };
    first(true);
    bed.ok("start");
    bed.until("the other one runs", LONG, |bed| bed.weight(VIP2, A) == Some(5));
    let status = bed.run("status");
    let said = String::from_utf8_lossy(&status.stderr);
    assert!(status.status.success() && said.matches("is running with pid:").count() == 2, "{said}");
    other.configure(&["192.0.2.11", "192.0.2.12"]);
    bed.ok("reload");
    bed.until("it has read its file again", LONG, |bed| bed.weight(VIP2, B) == Some(5));
    bed.ok("restart");
    assert_eq!(bed.weight(VIP2, A), Some(5), "a restart leaves it alone");
    first(false);
    bed.ok("reload");
    bed.until("who is not named any more is stopped", LONG, |_| other.run("status").status.code() == Some(3));
    assert_eq!(bed.weight(VIP2, A), None);
    first(true);
    bed.ok("reload");
    bed.until("a new one is started", LONG, |bed| bed.weight(VIP2, A) == Some(5));
    bed.ok("stop");
    assert_eq!(other.run("status").status.code(), Some(3), "stopped with the first");
    assert_eq!(bed.table(), [""; 0]);
}

/// Both were started by hand: neither knows that the other one calls it.
fn two_that_execute_each_other_reload_once() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    let other = Other { bed: &bed, config: bed.config().with_file_name("other.cf") };
    let first = |line: &str| bed.configure(&format!("{line}{}", section(VIP, "", &["192.0.2.11"])));
    first("");
    bed.ok("start");
    other.configure(&["192.0.2.11"]); // it executes the first
    assert!(other.run("start").status.success());
    let told = |log: &str| log.matches("Reloading Linux Director Daemon config on request").count();
    let others_log = || std::fs::read_to_string(other.config.with_extension("log")).unwrap_or_default();
    bed.until("the other one has started what runs", LONG, |_| others_log().contains("test.cf start"));
    first(&format!("execute={}\n", other.config.display()));
    let before = (told(&bed.log()), told(&others_log()));
    bed.ok("reload"); // it names the other one from now on: that one runs
    bed.until("the other one is called", LONG, |bed| bed.log().contains("other.cf start"));
    bed.ok("reload");
    bed.until("the other one is told", LONG, |_| told(&others_log()) > before.1);
    bed.until("it does not answer in kind", LONG, |_| {
        others_log().contains("test.cf reload: it executes this one (test.cf, other.cf)")
    });
    assert_eq!((told(&bed.log()), told(&others_log())), (before.0 + 2, before.1 + 1));
    // Asked itself, it calls the first, and that is the end of it.
    assert!(other.run("reload").status.success());
    bed.until("the first is told", LONG, |bed| told(&bed.log()) == before.0 + 3);
    bed.until("the first does not answer in kind", LONG, |bed| {
        bed.log().contains("other.cf reload: it executes this one (other.cf, test.cf)")
    });
    assert_eq!((told(&bed.log()), told(&others_log())), (before.0 + 3, before.1 + 2));
    first("");
    bed.ok("reload");
}

/// Another name for the same file is another instance.
fn one_table_entry_has_one_daemon() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    let other = Other { bed: &bed, config: bed.config().with_file_name("other.cf") };
    let both =
        format!("{}{}", section(VIP, "", &["192.0.2.11"]), section(VIP2, "checktype=on", &["192.0.2.11"]));
    bed.configure(&both);
    bed.ok("start");
    bed.until("it runs", LONG, |bed| bed.weight(VIP, A) == Some(5) && bed.weight(VIP2, A) == Some(5));
    let before = bed.table();
    other.configure(&["192.0.2.12"]);
    let refused = other.run("start");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let pid = bed.pid();
    let holder = format!(
        "tcp:203.0.113.203:80 is in the kernel's table already: the instance test.cf holds it (process {pid})"
    );
    assert!(said.contains(&holder), "{said}");
    assert_eq!((bed.table(), other.run("status").status.code()), (before, Some(3)));
    // With a file of its own it is welcome.
    bed.configure(&section(VIP, "", &["192.0.2.11"]));
    bed.ok("reload");
    bed.until("the service has left", LONG, |bed| bed.weight(VIP2, A).is_none());
    assert!(other.run("start").status.success());
    bed.until("the other one runs", LONG, |bed| bed.weight(VIP2, B) == Some(5));
    // And what it holds now, the first one does not get by a reload.
    bed.configure(&both);
    let refused = bed.run("reload");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("the instance other.cf holds it"), "{said}");
    // Nor by a signal, or when it sees the change by itself.
    let told = |bed: &Bed| bed.log().matches("the instance other.cf holds it").count();
    let before = told(&bed);
    bed.must("kill", &format!("-HUP {}", bed.pid()));
    bed.until("it refuses the file", LONG, |bed| told(bed) > before);
    assert_eq!(bed.weight(VIP2, A), None);
    bed.ok("status");
}
