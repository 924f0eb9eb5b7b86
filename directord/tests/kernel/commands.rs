//! Programs that the daemon runs for the administrator: `fallbackcommand` at a stop, `callback`.

use crate::Test;
use crate::bed::*;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

pub const TESTS: &[Test] = &[
    ("a_started_fallback_is_stopped_with_the_daemon", a_started_fallback_is_stopped_with_the_daemon),
    ("callback_is_told_of_every_change_on_disk", callback_is_told_of_every_change_on_disk),
];

/// For what takes no time at all; a busy machine may take its own.
const LONG: Duration = Duration::from_secs(30);

/// A script that appends its arguments to a file, and that file.
fn teller(bed: &Bed) -> (PathBuf, PathBuf) {
    let (script, said) = (bed.config().with_file_name("tell"), bed.config().with_file_name("said"));
    std::fs::write(&script, format!("#!/bin/sh\necho \"$@\" >>{}\n", said.display())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    (script, said)
}

fn lines(said: &PathBuf) -> Vec<String> {
    std::fs::read_to_string(said).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn a_started_fallback_is_stopped_with_the_daemon() {
    let bed = Bed::new();
    let (script, said) = teller(&bed);
    let options = |clean: &str| format!("cleanstop={clean}; fallbackcommand=\"{}\"", script.display());
    bed.configure(&section(VIP, &options("yes"), &["192.0.2.11"]));
    bed.ok("start");
    bed.until("nobody is up", LONG, |_| lines(&said) == ["start 203.0.113.202:80 tcp"]);
    bed.ok("stop");
    assert_eq!(lines(&said), ["start 203.0.113.202:80 tcp", "stop 203.0.113.202:80 tcp"]);
    std::fs::remove_file(&said).unwrap();
    bed.configure(&section(VIP, &options("no"), &["192.0.2.11"]));
    bed.ok("start");
    bed.until("nobody is up", LONG, |_| lines(&said) == ["start 203.0.113.202:80 tcp"]);
    bed.ok("stop");
    assert_eq!(lines(&said).len(), 1, "what stays in the table keeps its fallback");
}

fn callback_is_told_of_every_change_on_disk() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    let (script, said) = teller(&bed);
    let text = section(VIP, "", &["192.0.2.11"]);
    let with = |auto: &str| format!("callback=\"{}\"\nautoreload={auto}\n{text}", script.display());
    bed.configure(&with("no"));
    bed.ok("start");
    let path = bed.config().display().to_string();
    bed.configure(&with("yes"));
    bed.until("told without autoreload", LONG, |_| lines(&said) == [path.as_str()]);
    bed.ok("reload");
    bed.configure(&format!("{}# a change\n", with("yes")));
    bed.until("told with autoreload", LONG, |_| lines(&said).len() == 2);
    bed.says(" - ignore new configuration");
    bed.says(" - reread new configuration");
    bed.configure("rubbish\n");
    bed.until("told of a file that is wrong, too", LONG, |_| lines(&said).len() == 3);
    bed.ok("stop");
}
