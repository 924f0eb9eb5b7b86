//! Programs of the package heartbeat that do not do any more what they did: some only say so, some are not there.

use std::path::Path;

/// So much of a script is looked at.
const LARGEST_SCRIPT: u64 = 256 * 1024;

const BY_ITSELF: &str =
    "remove the call: heartbeatd takes and gives groups by itself, hb_takeover and hb_standby do by hand";
const TWO_NODES: &str = "remove the call: weights and sites are for more than two nodes";

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Gone {
    pub(super) name: &'static str,
    /// What becomes of it.
    pub(super) fate: &'static str,
    pub(super) instead: &'static str,
}

const fn says_so(name: &'static str, instead: &'static str) -> Gone {
    Gone { name, fate: "does nothing any more but say so", instead }
}

const fn takes_nothing(name: &'static str) -> Gone {
    Gone { name, fate: "takes nothing any more", instead: BY_ITSELF }
}

const GONE: [Gone; 7] = [
    takes_nothing("req_resource"),
    takes_nothing("mach_down"),
    says_so("hb_setweight", TWO_NODES),
    says_so("hb_setsite", TWO_NODES),
    says_so("ha_propagate", "copy the files by scp or rsync; \"cl_status status\" says whether they differ"),
    says_so("drbd-peer-outdater", "let DRBD's own fencing handlers, or stonith, do what it did"),
    Gone { name: "hb_api.py", fate: "goes with the package heartbeat", instead: "ask cl_status --json" },
];

/// The program of this name, if it is one of them.
pub(super) fn program(name: &str) -> Option<Gone> {
    GONE.into_iter().find(|gone| gone.name == name)
}

/// What of it a script calls; nothing for what is no script.
pub(super) fn called(path: &Path) -> Vec<Gone> {
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
    GONE.into_iter().filter(|gone| words.contains(&gone.name)).collect()
}
