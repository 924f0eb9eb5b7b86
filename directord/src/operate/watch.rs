//! `show --watch`: services and servers, kept up to date until somebody ends it.
//!
//! Every look asks the daemon anew. What it does not answer is not shown: then there is "stopped" or "unknown", and why,
//! and no figure of before.

use super::{NoAnswer, UNKNOWN, ask_within, selection};
use crate::cli::Arguments;
use crate::control::{Question, Status};
use crate::instance::Instance;
use crate::show;
use daemon::screen;
use serde_json::json;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// A daemon that has not answered for so long is in no known state.
const PATIENCE: Duration = Duration::from_secs(2);

/// Watches until somebody ends it.
pub(super) fn watch(arguments: &Arguments, instance: &Instance) -> ExitCode {
    let question = Question::Status(selection(arguments));
    let mut last = None;
    let ended = screen::watch(INTERVAL, arguments.json, |size| {
        let status = ask_within(PATIENCE, instance, &question);
        if size.is_some() {
            return Ok(Some(page(&status)));
        }
        let state = status.as_ref().map(timeless).map_err(Clone::clone);
        if last.as_ref() == Some(&state) {
            return Ok(None);
        }
        last = Some(state);
        if arguments.json { line(&status).map(Some) } else { Ok(Some(page(&status) + "\n")) }
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("directord: the terminal fails: {error}");
            ExitCode::from(UNKNOWN)
        }
    }
}

fn page(status: &Result<Status, NoAnswer>) -> String {
    match status {
        Ok(status) => show::status(status),
        Err(reason) => reason.words() + "\n",
    }
}

/// One line of JSON, with the moment it was true.
fn line(status: &Result<Status, NoAnswer>) -> io::Result<String> {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut value = match status {
        Ok(status) => serde_json::to_value(status)?,
        Err(reason) => json!({ "running": reason.running(), "error": reason.words() }),
    };
    if let Some(object) = value.as_object_mut() {
        object.insert("at".into(), at.into());
    }
    Ok(value.to_string() + "\n")
}

/// What is a change when it differs: everything but what grows by itself.
fn timeless(status: &Status) -> Status {
    let mut status = status.clone();
    status.daemon.table_read = None;
    for server in status.services.iter_mut().flat_map(|service| &mut service.servers) {
        (server.checked, server.took_ms) = (None, None);
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_answer_no_figure_is_shown() {
        let stopped = Err(NoAnswer::Stopped("/etc/ha.d/x.cf".into()));
        assert_eq!(page(&stopped), "stopped: no directord runs for /etc/ha.d/x.cf\n");
        let unknown = Err(NoAnswer::Unknown("the daemon did not answer in time".into()));
        assert_eq!(page(&unknown), "unknown: the daemon did not answer in time\n");
        assert!(line(&unknown).unwrap().contains("\"running\":null"));
        assert!(line(&Ok(Status::default())).unwrap().contains("\"services\":[]"));
    }

    #[test]
    fn time_alone_is_no_change() {
        let mut later = Status::default();
        later.daemon.table_read = Some(7);
        assert_eq!(timeless(&later), timeless(&Status::default()));
        later.daemon.repairs = 1;
        assert_ne!(timeless(&later), timeless(&Status::default()));
    }
}
