//! ldirectord 4.12 as Debian ships it gives its table to directord, and takes it back: with the same file, while a client is served.

use crate::Test;
use crate::bed::*;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

pub const TESTS: &[Test] =
    &[("from_ldirectord_and_back_nothing_is_cut", from_ldirectord_and_back_nothing_is_cut)];

const OLD: &str = "/usr/sbin/ldirectord";
/// Where it writes its process number.
const OLD_PID: &str = "/var/run/ldirectord.test.cf.pid";

/// The longest that the old program may take for anything: in an emulated kernel each of its many processes is slow.
const PATIENCE: Duration = Duration::from_secs(150);

/// The old program; it ends with the test, also with one that fails.
struct Old<'a>(&'a Bed);

impl Old<'_> {
    fn start(bed: &Bed) -> Old<'_> {
        let old = Old(bed);
        assert!(old.verb("start"), "ldirectord starts");
        old
    }

    fn verb(&self, verb: &str) -> bool {
        let mut command = Command::new(OLD);
        command
            .arg(self.0.config())
            .arg(verb)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().expect("install the package ldirectord").success()
    }

    /// Its stop returns before it has ended.
    fn stop(&self) {
        assert!(self.verb("stop"));
        self.0.until("ldirectord has ended", PATIENCE, |_| !Path::new(OLD_PID).exists());
    }
}

impl Drop for Old<'_> {
    fn drop(&mut self) {
        if let Ok(pid) = std::fs::read_to_string(OLD_PID) {
            let _ = Command::new("kill").args(["-9", pid.trim()]).stderr(Stdio::null()).status();
            let _ = std::fs::remove_file(OLD_PID);
        }
    }
}

fn from_ldirectord_and_back_nothing_is_cut() {
    let bed = Bed::new();
    let (_a, mut b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&section(
        VIP,
        "quiescent=yes; cleanstop=no; scheduler=rr; protocol=tcp",
        &["192.0.2.11", "192.0.2.12"],
    ));
    let file = std::fs::read_to_string(bed.config()).unwrap();
    let both = |bed: &Bed| bed.weight(VIP, A) == Some(5) && bed.weight(VIP, B) == Some(5);

    let old = Old::start(&bed);
    bed.until("ldirectord has placed both servers", PATIENCE, both);
    let table = bed.table();
    let mut client = Client::connect(VIP);
    old.stop();
    assert_eq!(bed.table(), table, "cleanstop=no");
    client.lives("without any director");

    bed.ok("start");
    assert_eq!(bed.table(), table, "directord takes the table over as it is");
    client.lives("with directord");
    b.stop();
    bed.until("directord checks", SECOND, |bed| bed.weight(VIP, B) == Some(0));
    b = Server::start("192.0.2.12");
    bed.until("and again", SECOND, both);
    bed.ok("stop");
    assert_eq!(bed.table(), table);
    client.lives("without any director, on the way back");

    let old = Old::start(&bed);
    b.stop();
    bed.until("ldirectord checks again", PATIENCE, |bed| bed.weight(VIP, B) == Some(0));
    let _b = Server::start("192.0.2.12");
    bed.until("with the same table", PATIENCE, |bed| bed.table() == table);
    client.lives("with ldirectord again");
    old.stop();
    assert_eq!(std::fs::read_to_string(bed.config()).unwrap(), file);
}
