//! `checktype=external` and `external-perl`: a program whose exit code 0 means up.
//!
//! It runs in a process group of its own; at the limit the whole group is killed. A program that a signal
//! killed has not said that the server is up (ldirectord took that for up).

use super::{Outcome, Script};
use daemon::process::{self, Ending, Finished};
use std::process::Command;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// The variable in which a script finds `passwd`: arguments can be read by every user of the machine.
const PASSWORD: &str = "CHECK_PASSWORD";
/// A program that ends just at the limit is waited for.
const MARGIN: Duration = Duration::from_millis(20);

/// A program that runs, or is being killed.
pub(super) type Running = JoinHandle<Finished>;

/// Runs `command[0]` with the rest as its arguments, without a shell. One that the run before has left in `last`,
/// being killed, is waited for: no check ever runs twice at the same time.
pub(super) async fn check(command: &[String], limit: Duration, last: &mut Option<Running>) -> Outcome {
    let Some((program, arguments)) = command.split_first() else {
        return Outcome::NotStarted("no program".into());
    };
    let mut child = Command::new(program);
    child.args(arguments);
    run(child, limit, last).await
}

/// A program for a service that this one has no client for.
pub(super) async fn script(script: &Script, last: &mut Option<Running>) -> Outcome {
    let mut child = Command::new(&script.program);
    child.args(&script.arguments).env(PASSWORD, script.password.reveal());
    run(child, script.timeout, last).await
}

async fn run(mut child: Command, limit: Duration, last: &mut Option<Running>) -> Outcome {
    let deadline = Instant::now() + limit + MARGIN;
    if let Some(running) = last {
        if timeout_at(deadline, running).await.is_err() {
            return Outcome::Overran(limit);
        }
        *last = None;
    }
    child.current_dir("/");
    let left = deadline.saturating_duration_since(Instant::now()).saturating_sub(MARGIN);
    // Killing a program that does not want to end takes another second or two: the verdict does not wait for it.
    let running = last.insert(tokio::spawn(process::run(child, left)));
    let Ok(ended) = timeout_at(deadline, running).await else { return Outcome::Overran(limit) };
    *last = None;
    match ended.map(|finished| finished.ending) {
        Ok(Ending::Exited(0)) => Outcome::Passed,
        Ok(Ending::Exited(code)) => Outcome::Exited(code),
        Ok(Ending::Killed(signal)) => Outcome::Killed(signal),
        Ok(Ending::TimedOut) => Outcome::Overran(limit),
        Ok(Ending::NotStarted(why)) => Outcome::NotStarted(why),
        Err(error) => Outcome::NotRun(error.to_string()),
    }
}
