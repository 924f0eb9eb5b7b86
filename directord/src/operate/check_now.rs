//! `check-now`: runs checks, and shows how they ended.

use super::{LIMIT, NoAnswer, selection};
use crate::cli::Arguments;
use crate::control::{Answer, AskError, Question, unexpected};
use crate::director::CheckResult;
use crate::instance::Instance;
use crate::show;
use crate::verdict::State;
use daemon::control::{Client, RequestError};
use daemon::screen::clean;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Runs the checks of the servers that the command line names.
pub(crate) fn check_now(arguments: &Arguments, instance: &Instance) -> ExitCode {
    let results = match run(arguments, instance) {
        Ok(results) => results,
        Err(error) => return NoAnswer::of(error, instance).report(arguments.json),
    };
    if arguments.json {
        show::json(&results);
    } else {
        results.iter().for_each(|result| show::out(&line(result)));
    }
    // A server that is not checked has no result, and that is right.
    let right = |result: &CheckResult| result.passed.unwrap_or(matches!(result.check.as_str(), "on" | "off"));
    if results.iter().all(right) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(arguments: &Arguments, instance: &Instance) -> Result<Vec<CheckResult>, AskError> {
    let mut client = Client::connect(&instance.socket, LIMIT)?;
    client.send(&Question::CheckNow(selection(arguments)))?;
    let mut until = Instant::now();
    let mut results = Vec::new();
    loop {
        match client.recv() {
            // It said that this takes longer.
            Err(RequestError::TimedOut) if Instant::now() < until => {}
            Err(error) => return Err(error.into()),
            Ok(Some(Answer::Checking { seconds })) => {
                let limit = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO);
                until = Instant::now() + limit;
            }
            Ok(Some(Answer::Checked(result))) => results.push(result),
            Ok(Some(Answer::End)) => return Ok(results),
            Ok(Some(Answer::Refused { why })) => return Err(AskError::Refused(why)),
            Ok(other) => return Err(unexpected(other.as_ref())),
        }
    }
}

/// `tcp:192.0.2.1:80 192.0.2.10:80: connection refused, after 0.3 ms (http); the server is DOWN`.
fn line(result: &CheckResult) -> String {
    let took = result.took_ms.map_or(String::new(), |took| format!(", after {took} ms ({})", result.check));
    let state = match result.state {
        State::Up => "up",
        State::Down => "DOWN",
        State::Pending => "in no known state",
    };
    let words = clean(&result.result);
    format!("{} {}: {words}{took}; the server is {state}\n", result.service, result.server)
}
