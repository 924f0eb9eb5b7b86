//! Nodes with heartbeat 3.0.6 as Debian ships it.

pub(crate) use lab::old::{
    LOOK, OLD, copy_scripts as copy_old_scripts, request_if_lost, run as old, runs as old_runs,
    say as say_to_old, start as start_old, stop as stop_old,
};
use lab::{Node, Result, check};

/// How often its daemon has started.
pub(crate) fn old_starts(node: &Node) -> Result<usize> {
    Ok(node.sh("cat /var/log/ha-log")?.matches("Configuration validated").count())
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
