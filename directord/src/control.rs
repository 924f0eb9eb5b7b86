//! What tools ask the running daemon, and what it answers: one JSON value a line.
//!
//! A status is several lines, since one line has a limit and a table has none: first [`Answer::Status`], then
//! [`Answer::Service`] for every service (again for every hundred of its servers), then [`Answer::End`].

use crate::director::{CheckResult, Event, ServiceStatus};
use daemon::control::{Client, RequestError};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// Servers in one line.
const CHUNK: usize = 100;

/// Bytes of a text in one line; quotation marks make it longer there.
const PIECE: usize = 128 * 1024;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
pub enum Question {
    /// Everything of these servers.
    Status(Selection),
    /// Read the configuration again.
    Reload {
        /// The instances that call this one by `execute`, each in the one before it, separated by `/`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        executed_by: String,
    },
    /// End, but leave the services in the kernel's table: another start follows.
    HandOver,
    /// Weight 0 for these servers, whatever the checks say. The answer is their status when it is so.
    Drain {
        /// Which.
        of: Selection,
        /// Who wants it.
        by: String,
    },
    /// The checks decide again. The answer is the servers' status when it is so.
    Undrain {
        /// Which.
        of: Selection,
        /// Who wants it.
        by: String,
    },
    /// Run the checks of these servers now. They count.
    CheckNow(Selection),
    /// The last changes of state.
    Events {
        /// And those that come.
        follow: bool,
    },
    /// OpenMetrics text.
    Metrics,
    /// Whether the services are in the kernel's table. Answered by [`Answer::Mode`].
    Mode,
    /// Put the services into the kernel's table, if they are not there; answered when they are.
    Activate,
    /// On standby from now on: the services leave the kernel's table as `cleanstop` says; answered when they have
    /// left. Refused by a daemon that was not started for standby.
    Deactivate,
}

impl Question {
    /// Everything of all servers.
    pub fn status() -> Question {
        Question::Status(Selection::default())
    }
}

/// Which servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Address or name, with or without port; `None`: all.
    pub real: Option<String>,
    /// A virtual service's id, address, mark or `servicename`; `None`: in all.
    pub service: Option<String>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
pub enum Answer {
    /// The daemon itself.
    Status(DaemonStatus),
    /// A service, or more servers of the one before.
    Service(ServiceStatus),
    /// It was done, but the administrator should know this.
    Warning {
        /// What.
        text: String,
    },
    /// Checks were begun, and take so long at most.
    Checking {
        /// Seconds.
        seconds: f64,
    },
    /// A check has ended.
    Checked(CheckResult),
    /// A change of state.
    Event(Event),
    /// A piece of a text.
    Text {
        /// Whole lines.
        text: String,
    },
    /// That was all; or: it was done.
    End,
    /// How the daemon works.
    Mode(Mode),
    /// It was not done.
    Refused {
        /// Why.
        why: String,
    },
}

/// How a daemon works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mode {
    /// It was started for standby: a release leaves it running.
    pub standby: bool,
    /// Its services are to be in the kernel's table.
    pub active: bool,
}

/// The daemon itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// The instance's name.
    pub name: String,
    /// The configuration.
    pub config: String,
    /// Process id.
    pub pid: u32,
    /// How it works.
    #[serde(flatten)]
    pub mode: Mode,
    /// Version of the program.
    pub version: String,
    /// Since when it runs, seconds since 1970.
    pub started: u64,
    /// When the configuration that is in force was read, seconds since 1970.
    pub loaded: u64,
    /// Why the file as it is now is not in force.
    pub load_error: Option<String>,
    /// When the kernel's table was looked at last, seconds since 1970.
    pub table_read: Option<u64>,
    /// Why weights and connections in the kernel are not known now.
    #[serde(default)]
    pub table_unknown: Option<String>,
    /// Why drained servers would not be known after a restart.
    #[serde(default)]
    pub drains_not_kept: Option<String>,
    /// What of the plan is not in the kernel's table, and why.
    pub table_errors: Vec<String>,
    /// Edits that repaired what somebody else had changed.
    pub repairs: u64,
    /// Log lines that were lost because the log was held up.
    pub log_dropped: u64,
    /// Mails that went out; each receiver counts.
    pub mails_sent: u64,
    /// Mails that were given up, refused or dropped; each receiver counts.
    pub mails_lost: u64,
}

/// A whole status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon itself.
    #[serde(flatten)]
    pub daemon: DaemonStatus,
    /// Its services.
    pub services: Vec<ServiceStatus>,
    /// What the administrator should know of what was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
}

impl Status {
    /// The lines to send.
    pub fn lines(self) -> Vec<Answer> {
        let mut lines = vec![Answer::Status(self.daemon)];
        lines.extend(self.warnings.into_iter().map(|text| Answer::Warning { text }));
        for mut service in self.services {
            let mut servers = std::mem::take(&mut service.servers).into_iter();
            loop {
                let chunk = servers.by_ref().take(CHUNK).collect();
                lines.push(Answer::Service(ServiceStatus { servers: chunk, ..service.clone() }));
                if servers.len() == 0 {
                    break;
                }
            }
        }
        lines.push(Answer::End);
        lines
    }

    /// Puts received lines together.
    fn collect(mut next: impl FnMut() -> Result<Option<Answer>, RequestError>) -> Result<Status, AskError> {
        let mut status = Status::default();
        loop {
            match next()? {
                Some(Answer::Status(daemon)) => status.daemon = daemon,
                Some(Answer::Service(more)) => match status.services.last_mut() {
                    Some(last) if last.service == more.service => last.servers.extend(more.servers),
                    _ => status.services.push(more),
                },
                Some(Answer::Warning { text }) => status.warnings.push(text),
                Some(Answer::End) => return Ok(status),
                Some(Answer::Refused { why }) => return Err(AskError::Refused(why)),
                other => return Err(unexpected(other.as_ref())),
            }
        }
    }
}

/// A text in pieces that fit into lines.
pub fn pieces(text: &str) -> Vec<Answer> {
    let mut pieces = vec![String::new()];
    for line in text.split_inclusive('\n') {
        match pieces.last_mut() {
            Some(last) if last.len() + line.len() <= PIECE => last.push_str(line),
            _ => pieces.push(line.to_owned()),
        }
    }
    let mut lines: Vec<Answer> = pieces.into_iter().map(|text| Answer::Text { text }).collect();
    lines.push(Answer::End);
    lines
}

/// An answer that does not belong there; `None`: no more of it.
pub fn unexpected(answer: Option<&Answer>) -> AskError {
    let why = match answer {
        None => "it was cut off".to_owned(),
        Some(answer) => format!("{answer:?} is not expected"),
    };
    AskError::Request(RequestError::Garbled(why))
}

/// Asks the daemon how it works. One of an older version, which does not know the question, is always active.
pub fn mode(socket: &Path, limit: Duration) -> Result<Mode, RequestError> {
    match daemon::control::request(socket, &Question::Mode, limit)? {
        Answer::Mode(mode) => Ok(mode),
        Answer::Refused { .. } => Ok(Mode { standby: false, active: true }),
        other => Err(RequestError::Garbled(format!("{other:?}"))),
    }
}

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The daemon will not, and says why.
    #[error("{0}")]
    Refused(String),
    /// It did not answer.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// Asks the daemon something whose answer is a status.
pub fn status(socket: &Path, question: &Question, limit: Duration) -> Result<Status, AskError> {
    let mut client = Client::connect(socket, limit)?;
    client.send(question)?;
    Status::collect(|| client.recv())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::director::ServerStatus;
    use crate::verdict::State;

    #[test]
    fn a_text_of_any_size_survives_the_pieces() {
        let text = "name{label=\"value\"} 1\n".repeat(30_000) + "# EOF\n";
        let pieces = pieces(&text);
        assert_eq!(pieces.last(), Some(&Answer::End));
        let mut whole = String::new();
        for piece in &pieces {
            assert!(serde_json::to_vec(piece).unwrap().len() < daemon::control::LINE_LIMIT);
            if let Answer::Text { text } = piece {
                whole.push_str(text);
            }
        }
        assert_eq!(whole, text);
    }

    #[test]
    fn a_status_of_any_size_survives_the_lines() {
        let server = ServerStatus {
            server: "192.0.2.10:80".into(),
            name: None,
            drained: None,
            wanted_weight: Some(1),
            active: Some(3),
            inactive: None,
            state: State::Up,
            why: "passed".into(),
            maintenance: false,
            check: "http".into(),
            weight: 1,
            table_weight: Some(1),
            failures: 0,
            since: 1,
            checked: Some(2),
            took_ms: Some(0.5),
        };
        let service = |id: &str, servers| ServiceStatus {
            service: id.into(),
            name: None,
            comment: None,
            scheduler: "wrr".into(),
            in_table: true,
            fallback: None,
            fallback_active: false,
            kept: false,
            up: 0,
            servers: vec![server.clone(); servers],
        };
        let status = Status {
            daemon: DaemonStatus { name: "x".into(), ..DaemonStatus::default() },
            warnings: vec!["look".into()],
            services: vec![service("fwm:1", 0), service("fwm:2", 2500), service("fwm:3", 1)],
        };
        let lines = status.clone().lines();
        assert_eq!(lines.len(), 1 + 1 + 1 + 25 + 1 + 1);
        for line in &lines {
            assert!(serde_json::to_vec(line).unwrap().len() < daemon::control::LINE_LIMIT);
        }
        let mut wire = lines.into_iter().map(|line| serde_json::to_string(&line).unwrap());
        let received =
            Status::collect(|| Ok(wire.next().map(|line| serde_json::from_str(&line).unwrap()))).unwrap();
        assert_eq!(received, status);
        assert!(Status::collect(|| Ok(None)).is_err());
        let of_an_older_tool: Question = serde_json::from_str(r#"{"verb":"status"}"#).unwrap();
        assert_eq!(of_an_older_tool, Question::status());
    }
}
