//! `events`: the last changes of state, and those that come.

use super::{LIMIT, NoAnswer};
use crate::cli::Arguments;
use crate::control::{Answer, AskError, Question, unexpected};
use crate::director::Event;
use crate::instance::Instance;
use crate::show;
use daemon::control::Client;
use daemon::screen::clean;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a daemon that hung up has to end.
const ENDING: Duration = Duration::from_secs(10);

/// Shows them; with `--follow` until the daemon or the reader ends.
pub(crate) fn events(arguments: &Arguments, instance: &Instance) -> ExitCode {
    match run(arguments, instance) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ AskError::Refused(_)) => NoAnswer::of(error, instance).report(arguments.json),
        Err(error) => {
            // It hangs up when it ends, and then takes a moment.
            let began = Instant::now();
            while arguments.follow && instance.running().pid().is_some() && began.elapsed() < ENDING {
                std::thread::sleep(Duration::from_millis(20));
            }
            NoAnswer::of(error, instance).report(arguments.json)
        }
    }
}

fn run(arguments: &Arguments, instance: &Instance) -> Result<(), AskError> {
    let mut client = Client::connect(&instance.socket, LIMIT)?;
    client.send(&Question::Events { follow: arguments.follow })?;
    loop {
        let answer = if arguments.follow { client.recv_unlimited()? } else { client.recv()? };
        match answer {
            Some(Answer::Event(event)) => {
                if write(&event, arguments.json).is_err() {
                    return Ok(()); // nobody reads any more
                }
            }
            Some(Answer::End) => return Ok(()),
            Some(Answer::Refused { why }) => return Err(AskError::Refused(why)),
            other => return Err(unexpected(other.as_ref())),
        }
    }
}

/// One a line, also as JSON: a stream has no end.
fn write(event: &Event, json: bool) -> io::Result<()> {
    let text = if json { serde_json::to_string(event)? + "\n" } else { line(event) };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// `2026-11-21 19:03:04.567  DOWN  tcp:192.0.2.1:80 192.0.2.10:80: connection refused`.
fn line(event: &Event) -> String {
    let place = [&event.service, &event.server].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    let separator = if place.is_empty() { "" } else { ": " };
    let when = show::when(event.at_ms / 1000);
    let (what, why) = (event.what.words(), clean(&event.why));
    format!("{when}.{:03}  {what:<24} {place}{separator}{why}\n", event.at_ms % 1000)
}
