//! `execute`: other instances that run with the first one.

use crate::Test;
use crate::bed::*;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

pub const TESTS: &[Test] = &[(
    "other_instances_start_reload_and_stop_with_the_first",
    other_instances_start_reload_and_stop_with_the_first,
)];

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
        let first = self.bed.config().file_name().unwrap().to_string_lossy().into_owned();
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
