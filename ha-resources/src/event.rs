//! What is printed while it happens: one JSON object a line for `heartbeatd`, one sentence for people.

use crate::agents::Done;
use crate::order::{Action, Outcome};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::time::Duration;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// One action on one resource.
    Resource {
        /// The key of its group; empty where it was asked for alone.
        group: String,
        /// As it is written in haresources.
        resource: String,
        /// What was done.
        action: Verb,
        /// How it ended; of `status`: `done` if the answer is certain.
        result: Result,
        /// Only with `status`: whether it runs here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        running: Option<bool>,
        /// A sentence; may be empty.
        detail: String,
        /// How long it took, in milliseconds.
        ms: u64,
    },
    /// A whole group.
    Group {
        /// Its key.
        group: String,
        /// What was asked for.
        action: GroupVerb,
        /// What it is now.
        result: GroupResult,
        /// A sentence; may be empty.
        detail: String,
        /// How long it took, in milliseconds.
        ms: u64,
    },
    /// Something happened to an address that nobody had ordered.
    Address {
        /// The key of its group.
        group: String,
        /// The address.
        address: String,
        /// What.
        news: AddressNews,
        /// The MAC address of another machine that has to do with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mac: Option<String>,
        /// A sentence.
        detail: String,
    },
}

/// What happened to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressNews {
    /// It had been removed, and was put back.
    Repaired,
    /// It is not as it should be, and stays so for now.
    Broken,
    /// It was here although its group is not, and was ours to remove.
    Removed,
    /// It is here although its group is not, and is not ours to remove.
    Foreign,
    /// Another machine claims it.
    Conflict,
}

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the words of the scripts")]
pub enum Verb {
    Start,
    Stop,
    Status,
}

/// How an action on a resource ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "as in order::Outcome")]
pub enum Result {
    Done,
    Already,
    Failed,
    Timeout,
}

/// What is done to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the verbs of the program")]
pub enum GroupVerb {
    Take,
    Give,
    Announce,
}

/// What a group is after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupResult {
    /// All of it is here.
    Held,
    /// Nothing of it is here.
    Released,
    /// It could not be done; the detail says what is here now.
    Failed,
}

impl Event {
    /// The event of an action on a resource.
    pub fn resource(group: &str, resource: &str, action: Action, done: &Done) -> Event {
        Event::Resource {
            group: group.to_owned(),
            resource: resource.to_owned(),
            action: action.into(),
            result: done.outcome.into(),
            running: None,
            detail: done.detail.clone(),
            ms: milliseconds(done.took),
        }
    }
}

/// Writes events to standard output as they happen.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    /// JSON for programs, or sentences for people.
    pub json: bool,
}

impl Printer {
    /// Prints one event. A reader that has gone away does not keep a group from being taken.
    pub fn print(self, event: &Event) {
        let mut line =
            if self.json { serde_json::to_string(event).unwrap_or_default() } else { sentence(event) };
        line.push('\n');
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}

/// Whole milliseconds.
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn sentence(event: &Event) -> String {
    let (what, how, detail, ms) = match event {
        Event::Resource { resource, action, result, running, detail, ms, .. } => {
            let how = match (running, action, result) {
                (Some(true), ..) => "running",
                (Some(false), ..) => "stopped",
                (None, Verb::Start, Result::Done) => "started",
                (None, Verb::Start, Result::Already) => "running already",
                (None, Verb::Start, Result::Failed) => "start FAILED",
                (None, Verb::Start, Result::Timeout) => "start TIMED OUT",
                (None, Verb::Stop, Result::Done) => "stopped",
                (None, Verb::Stop, Result::Already) => "stopped already",
                (None, Verb::Stop, Result::Failed) => "stop FAILED",
                (None, Verb::Stop, Result::Timeout) => "stop TIMED OUT",
                (None, Verb::Status, _) => "unknown",
            };
            (format!("  {resource}"), how, detail, ms)
        }
        Event::Group { group, action, result, detail, ms } => {
            let how = match (action, result) {
                (GroupVerb::Announce, GroupResult::Held) => "announced",
                (_, GroupResult::Held) => "held",
                (_, GroupResult::Released) => "released",
                (_, GroupResult::Failed) => "FAILED",
            };
            (format!("group {group}"), how, detail, ms)
        }
        Event::Address { detail, .. } => return detail.clone(),
    };
    let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    format!("{what}: {how}{detail}, {ms} ms")
}

impl From<Action> for Verb {
    fn from(action: Action) -> Verb {
        match action {
            Action::Start => Verb::Start,
            Action::Stop => Verb::Stop,
            Action::Status => Verb::Status,
        }
    }
}

impl From<Outcome> for Result {
    fn from(outcome: Outcome) -> Result {
        match outcome {
            Outcome::Done => Result::Done,
            Outcome::Already => Result::Already,
            Outcome::Failed => Result::Failed,
            Outcome::TimedOut => Result::Timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_heartbeatd_reads() {
        let done = Done {
            outcome: Outcome::TimedOut,
            detail: "a \"word\"".into(),
            took: Duration::from_micros(1900),
        };
        let resource = Event::resource("k", "apache", Action::Start, &done);
        assert_eq!(
            serde_json::to_string(&resource).unwrap(),
            r#"{"event":"resource","group":"k","resource":"apache","action":"start","result":"timeout","detail":"a \"word\"","ms":1}"#
        );
        let group = Event::Group {
            group: "k".into(),
            action: GroupVerb::Give,
            result: GroupResult::Released,
            detail: String::new(),
            ms: 3,
        };
        let line = r#"{"event":"group","group":"k","action":"give","result":"released","detail":"","ms":3}"#;
        assert_eq!(serde_json::to_string(&group).unwrap(), line);
        assert_eq!(serde_json::from_str::<Event>(line).unwrap(), group);
        assert_eq!(sentence(&resource), "  apache: start TIMED OUT (a \"word\"), 1 ms");
        assert_eq!(sentence(&group), "group k: released, 3 ms");
    }
}
