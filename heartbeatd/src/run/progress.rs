//! What `ha-resources` tells line by line, and what follows for whoever waits for it.

use crate::cluster::{Job, JobOutcome, Severity};
use serde::Deserialize;

/// What a job tells.
#[derive(Debug)]
pub(super) enum News {
    /// Something happened to a group or one of its resources.
    Progress(Progress),
    /// It is over.
    Done(Job, JobOutcome),
    /// The request of this number to cut off a node has ended; why it failed.
    Fenced { number: u64, node: String, result: Result<(), String> },
    /// Something that was logged.
    Said(Severity, String),
}

/// A line of `ha-resources --json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Progress {
    Resource {
        group: String,
        #[serde(default)]
        action: String,
    },
    Group {
        group: String,
        #[serde(default)]
        action: String,
        #[serde(default)]
        result: String,
        #[serde(default)]
        detail: String,
        #[serde(default)]
        ms: u64,
    },
    /// Something happened to an address that nobody had ordered; `ha-resources` has written it to the log.
    Address {
        group: String,
        address: String,
        news: String,
        #[serde(default)]
        mac: Option<String>,
        #[serde(default)]
        detail: String,
    },
    /// The guard began to release everything, at this time of the clock that never jumps.
    Abandoned { at_ns: u64 },
    /// The order is known, and work begins.
    Begun,
    /// Everything is done that was ordered.
    End { code: u8 },
    #[serde(other)]
    Unknown,
}

impl Progress {
    /// The sentence about a group, and whether it is bad news; nothing about single resources, of which
    /// `ha-resources` keeps the log itself.
    pub(super) fn sentence(&self) -> Option<(bool, String)> {
        let Progress::Group { group, action, result, detail, ms } = self else { return None };
        let failed = matches!(result.as_str(), "failed" | "timeout");
        let text = format!("group {group}: {action}: {result} ({ms} ms) {detail}");
        Some((failed, text.trim_end().to_owned()))
    }
}

/// Groups that ended as asked and groups that did not.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) done: usize,
    pub(super) failed: usize,
    /// It has said anything at all.
    pub(super) told: bool,
}

impl Tally {
    pub(super) fn count(&mut self, progress: &Progress) {
        if let Progress::Group { result, .. } = progress {
            match result.as_str() {
                "failed" | "timeout" => self.failed += 1,
                _ => self.done += 1,
            }
        }
    }
}
