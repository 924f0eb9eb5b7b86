//! Programs that go with the package heartbeat, because nothing takes their place.

use std::path::Path;

/// So much of a script is looked at.
const LARGEST_SCRIPT: u64 = 256 * 1024;

const BY_ITSELF: &str =
    "remove the call: heartbeatd takes and gives groups by itself, hb_takeover and hb_standby do by hand";
const TWO_NODES: &str = "remove the call: weights and sites are for more than two nodes";

/// Each with what to do instead.
const GONE: [(&str, &str); 8] = [
    (
        "cl_respawn",
        "write the program itself: a respawn line of ha.cf starts it again until it exits with 100; elsewhere Restart= of a systemd unit does",
    ),
    ("req_resource", BY_ITSELF),
    ("mach_down", BY_ITSELF),
    ("hb_setweight", TWO_NODES),
    ("hb_setsite", TWO_NODES),
    ("ha_propagate", "copy the files by scp or rsync; \"cl_status status\" says whether they differ"),
    ("hb_api.py", "ask cl_status --json"),
    ("drbd-peer-outdater", "let DRBD's own fencing handlers, or stonith, do what it did"),
];

/// The program of this name if it goes, and what to do instead.
pub(super) fn program(name: &str) -> Option<(&'static str, &'static str)> {
    GONE.into_iter().find(|(gone, _)| *gone == name)
}

/// What of it a script calls; nothing for what is no script.
pub(super) fn called(path: &Path) -> Vec<(&'static str, &'static str)> {
    let small = path.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= LARGEST_SCRIPT);
    let Some(bytes) =
        small.then(|| std::fs::read(path).ok()).flatten().filter(|text| text.starts_with(b"#!"))
    else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&bytes);
    let word = |c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c));
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words: Vec<&str> = code.flat_map(|line| line.split(word)).collect();
    GONE.into_iter().filter(|(gone, _)| words.contains(gone)).collect()
}
