//! Hands a mail to the machine's own mailer: `sendmail -t -oi`, which takes the receivers from the headers.

use super::route::Failure;
use daemon::process::{Ending, feed};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Exit code of a mailer that wants to be asked again (`EX_TEMPFAIL` of sysexits.h).
const NOT_NOW: i32 = 75;

/// Sends one mail.
pub(super) async fn send(program: &Path, mail: &[u8], limit: Duration) -> Result<(), Failure> {
    let mut command = Command::new(program);
    command.args(["-t", "-oi"]).current_dir("/");
    // Local programs end lines as this system does.
    let mail: Vec<u8> = mail.iter().copied().filter(|byte| *byte != b'\r').collect();
    let finished = feed(command, &mail, limit).await;
    let (why, lasting) = match finished.ending {
        Ending::Exited(0) => return Ok(()),
        Ending::Exited(NOT_NOW) => ("it exited with 75 (not now)".to_owned(), false),
        Ending::Exited(code) => (format!("it exited with {code}"), true),
        Ending::Killed(signal) => (format!("it was killed by signal {signal}"), false),
        Ending::TimedOut => (format!("it was still running after {} s", limit.as_secs_f64()), false),
        Ending::NotStarted(why) => return Err(Failure { why, lasting: true }),
    };
    let said = String::from_utf8_lossy(&finished.output);
    let said = said.lines().next().map(|line| format!(": {line}")).unwrap_or_default();
    Err(Failure { why: format!("{}: {why}{said}", program.display()), lasting })
}
