//! `checktype=external` and `external-perl`: a program whose exit code 0 means up.
//!
//! It runs in a process group of its own; at the limit the whole group is killed. A program that a signal
//! killed has not said that the server is up (ldirectord took that for up).

use super::Outcome;
use daemon::process::{self, Ending};
use std::process::Command;
use std::time::Duration;
use tokio::time::timeout;

/// A program that ends just at the limit is waited for.
const MARGIN: Duration = Duration::from_millis(20);

/// Runs `command[0]` with the rest as its arguments, without a shell.
pub(super) async fn check(command: &[String], limit: Duration) -> Outcome {
    let Some((program, arguments)) = command.split_first() else {
        return Outcome::NotStarted("no program".into());
    };
    let mut child = Command::new(program);
    child.args(arguments).current_dir("/");
    // Killing a program that does not want to end takes another second or two: the verdict does not wait for it.
    let running = tokio::spawn(process::run(child, limit));
    match timeout(limit + MARGIN, running).await {
        Ok(Ok(finished)) => match finished.ending {
            Ending::Exited(0) => Outcome::Passed,
            Ending::Exited(code) => Outcome::Exited(code),
            Ending::Killed(signal) => Outcome::Killed(signal),
            Ending::TimedOut => Outcome::Overran(limit),
            Ending::NotStarted(why) => Outcome::NotStarted(why),
        },
        Ok(Err(error)) => Outcome::NotRun(error.to_string()),
        Err(_) => Outcome::Overran(limit),
    }
}
