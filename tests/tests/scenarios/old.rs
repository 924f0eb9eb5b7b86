//! Nodes with heartbeat 3.0.6 as Debian ships it.

use std::net::Ipv4Addr;

pub(crate) use lab::old::{OLD, copy_scripts as copy_old_scripts, run as old, start as start_old};
use lab::{Node, Result, check};

/// Stops its daemon in order; returns when it has ended.
pub(crate) fn stop_old(node: &Node) -> Result<()> {
    old(node, "/usr/libexec/heartbeat/heartbeat -k").map(drop)
}

/// Whether its daemon runs.
pub(crate) fn old_runs(node: &Node) -> Result<bool> {
    Ok(node.pid().is_some() && old(node, "cl_status hbstatus || true")?.contains("is running"))
}

/// How often its daemon has started.
pub(crate) fn old_starts(node: &Node) -> Result<usize> {
    Ok(node.sh("cat /var/log/ha-log")?.matches("Configuration validated").count())
}

/// How many words of its own scripts its daemon has lost: what `ha_clustermsg` writes in several pieces on a busy machine is
/// read as several messages, the first of them empty.
pub(crate) fn words_lost(node: &Node) -> Result<usize> {
    Ok(node.read("/var/log/ha-log")?.matches("Message with zero fields").count())
}

/// How many requests of its own tools its daemon has ignored, because something was under way.
pub(crate) fn words_ignored(node: &Node) -> Result<usize> {
    let ignored = format!("from {} ignored", node.name());
    Ok(node.read("/var/log/ha-log")?.matches(&ignored).count())
}

/// Asks its daemon for its own group, as it does itself when it takes part.
pub(crate) fn request_group(node: &Node, address: Ipv4Addr) -> Result<()> {
    let (name, key) = (node.name(), format!("{address}/24/eth0"));
    let words = format!("HA_CURHOST={name} HA_NICEFAILBACK=yes /usr/share/heartbeat/req_resource {key}");
    old(node, &words).map(drop)
}

/// The error-level lines that a pair of old nodes has, by story, as `tests/old-pair` found them: `story: line`.
const OLD_PAIR: &str = include_str!("old-pair.txt");

/// Its log complains about nothing but what a pair of old nodes complains about in any story.
pub(crate) fn check_old_log(node: &Node) -> Result<()> {
    check_old_log_of(node, "any", &[])
}

/// Its log complains about nothing but what a pair of old nodes complains about in this story or in `any`, and about `more`.
pub(crate) fn check_old_log_of(node: &Node, story: &str, more: &[&str]) -> Result<()> {
    let excused = |line: &String| {
        OLD_PAIR.contains(&format!("\n{story}: {line}\n")) || OLD_PAIR.contains(&format!("\nany: {line}\n"))
    };
    let excused = |line: &String| excused(line) || more.contains(&line.as_str());
    let complaints: Vec<String> = complaints(node)?.into_iter().filter(|line| !excused(line)).collect();
    check(complaints.is_empty(), || format!("the old node's log: {complaints:#?}"))
}

/// The error-level lines of its log, without what differs from run to run.
pub(crate) fn complaints(node: &Node) -> Result<Vec<String>> {
    let log = node.read("/var/log/ha-log")?;
    let from_level = |line: &str| {
        let at = ["ERROR:", "CRIT:", "EMERG:", "ALERT:"].iter().filter_map(|level| line.find(level)).min()?;
        line.get(at..).map(general)
    };
    Ok(log.lines().filter_map(from_level).collect())
}

/// A line of a log with `#` for every number and `NODE` for every node.
fn general(line: &str) -> String {
    let words = line.replace("alpha", "NODE").replace("beta", "NODE").replace("//", "/");
    let mut text = String::new();
    for letter in words.chars() {
        match letter {
            '0'..='9' if text.ends_with('#') => {}
            '0'..='9' => text.push('#'),
            other => text.push(other),
        }
    }
    // what differs in the dump of a message that is not believed: its fields, the sums
    for start in ["ERROR: MSG[#]", "ERROR: authtoken does not match"] {
        if text.starts_with(start) {
            return start.to_owned();
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
