//! The verbs that operate a running daemon over its control socket, with exit codes of their own.
//!
//! What the daemon does not answer is not shown: it is "stopped" when no daemon runs, else "unknown".

mod check_now;
mod drain;
mod events;
mod watch;

pub(crate) use check_now::check_now;
pub(crate) use drain::{drain, undrain};
pub(crate) use events::events;

use crate::cli::Arguments;
use crate::control::{self, Answer, AskError, Question, Selection, Status, unexpected};
use crate::instance::{Instance, Running};
use crate::show;
use daemon::control::{Client, RequestError};
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

/// No daemon runs.
const STOPPED: u8 = 3;
/// It runs, or may run, but does not tell.
const UNKNOWN: u8 = 4;
/// How long an answer is waited for.
const LIMIT: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum NoAnswer {
    /// No daemon runs; for which configuration.
    Stopped(String),
    /// It is not known how things are; why.
    Unknown(String),
    /// The daemon will not; why.
    Refused(String),
}

impl NoAnswer {
    fn of(error: AskError, instance: &Instance) -> NoAnswer {
        match (error, instance.running()) {
            (AskError::Refused(why), _) => NoAnswer::Refused(why),
            (AskError::Request(_), Running::No | Running::Stale) => {
                NoAnswer::Stopped(instance.config.display().to_string())
            }
            (AskError::Request(RequestError::NotRunning), Running::Old(pid)) => {
                NoAnswer::Unknown(format!("the old ldirectord runs as process {pid}, and cannot be asked"))
            }
            (AskError::Request(RequestError::NotRunning), Running::Ours(pid)) => NoAnswer::Unknown(format!(
                "process {pid} runs, but nobody answers on {}; it may be starting or stopping",
                instance.socket.display()
            )),
            (AskError::Request(error), _) => NoAnswer::Unknown(error.to_string()),
        }
    }

    fn running(&self) -> Option<bool> {
        match self {
            NoAnswer::Stopped(_) => Some(false),
            NoAnswer::Unknown(_) => None,
            NoAnswer::Refused(_) => Some(true),
        }
    }

    fn words(&self) -> String {
        match self {
            NoAnswer::Stopped(config) => format!("stopped: no directord runs for {config}"),
            NoAnswer::Unknown(why) => format!("unknown: {why}"),
            NoAnswer::Refused(why) => why.clone(),
        }
    }

    fn code(&self) -> ExitCode {
        match self {
            NoAnswer::Stopped(_) => ExitCode::from(STOPPED),
            NoAnswer::Unknown(_) => ExitCode::from(UNKNOWN),
            NoAnswer::Refused(_) => ExitCode::FAILURE,
        }
    }

    /// Says it, and with what the program ends.
    fn report(&self, json: bool) -> ExitCode {
        if json {
            show::json(&json!({ "running": self.running(), "error": self.words() }));
        }
        eprintln!("directord: {}", self.words());
        self.code()
    }
}

/// The servers that the command line names.
fn selection(arguments: &Arguments) -> Selection {
    Selection { real: arguments.real.clone(), service: arguments.service.clone() }
}

fn ask(instance: &Instance, question: &Question) -> Result<Status, NoAnswer> {
    ask_within(LIMIT, instance, question)
}

fn ask_within(limit: Duration, instance: &Instance, question: &Question) -> Result<Status, NoAnswer> {
    control::status(&instance.socket, question, limit).map_err(|error| NoAnswer::of(error, instance))
}

/// `show`: everything, once or again and again.
pub(crate) fn show(arguments: &Arguments, instance: &Instance) -> ExitCode {
    if arguments.watch {
        return watch::watch(arguments, instance);
    }
    match ask(instance, &Question::Status(selection(arguments))) {
        Ok(status) => {
            if arguments.json {
                show::json(&status);
            } else {
                show::out(&show::status(&status));
            }
            code_of(&status)
        }
        Err(reason) => reason.report(arguments.json),
    }
}

/// An answer without the kernel's part is not a whole one.
fn code_of(status: &Status) -> ExitCode {
    if status.daemon.table_unknown.is_some() { ExitCode::from(UNKNOWN) } else { ExitCode::SUCCESS }
}

/// `metrics`: all of the text, or none of it.
pub(crate) fn metrics(instance: &Instance) -> ExitCode {
    match text(instance) {
        Ok(text) => {
            show::out(&text);
            ExitCode::SUCCESS
        }
        Err(error) => NoAnswer::of(error, instance).report(false),
    }
}

fn text(instance: &Instance) -> Result<String, AskError> {
    let mut client = Client::connect(&instance.socket, LIMIT)?;
    client.send(&Question::Metrics)?;
    let mut whole = String::new();
    loop {
        match client.recv()? {
            Some(Answer::Text { text }) => whole.push_str(&text),
            Some(Answer::End) => return Ok(whole),
            Some(Answer::Refused { why }) => return Err(AskError::Refused(why)),
            other => return Err(unexpected(other.as_ref())),
        }
    }
}

/// `table`: asks the kernel itself.
pub(crate) fn table() -> ExitCode {
    let read = || {
        let mut client = ipvs::Client::connect()?;
        Ok(ipvs::listing::sorted(&client.info()?, client.table()?))
    };
    let result: Result<String, ipvs::Error> = read();
    match result {
        Ok(text) => {
            show::out(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            let hint = error.hint().map_or(String::new(), |hint| format!("; {hint}"));
            eprintln!("directord: {error}{hint}");
            ExitCode::FAILURE
        }
    }
}
