//! `checktype=external` and `external-perl`: a program whose exit code 0 means up.
//!
//! For ldirectord a Perl script was the body of a subroutine: a `return` ends it as a success, the switches of its first
//! line mean nothing. So Perl reads it by `do`, which is like that.
//!
//! It runs in a process group of its own; at the limit the whole group is killed. A program that a signal
//! killed has not said that the server is up (ldirectord took that for up). With `weightfromcheck=yes` its last line
//! says the server's weight.

use super::outcome::excerpt;
use super::{Outcome, Script};
use daemon::process::{self, Ending, Finished, OUTPUT_LIMIT};
use std::process::Command;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// The variable in which a script finds `passwd`: arguments can be read by every user of the machine.
const PASSWORD: &str = "CHECK_PASSWORD";
/// A program that ends just at the limit is waited for.
const MARGIN: Duration = Duration::from_millis(20);

/// The largest weight that the kernel knows.
const HEAVIEST: u32 = 65535;

/// What Perl runs instead of the script itself. The exit code of `die` depends on what failed before it: here it is
/// the usual one.
const PERL: &str = r#"
$0 = shift;
open my $script, "<", $0 or do { print STDERR "$0: $!\n"; exit 2 };
close $script;
my $path = $0 =~ m{^/} ? $0 : "./$0";
do $path;
if ($@) { print STDERR $@; exit 255 }
"#;

/// A program that runs, or is being killed.
pub(super) type Running = JoinHandle<Finished>;

/// Runs `command[0]` with the rest as its arguments, without a shell. One that the run before has left in `last`,
/// being killed, is waited for: no check ever runs twice at the same time.
pub(super) async fn check(
    command: &[String],
    weighs: bool,
    limit: Duration,
    last: &mut Option<Running>,
) -> Outcome {
    let Some((program, arguments)) = command.split_first() else {
        return Outcome::NotStarted("no program".into());
    };
    let mut child = Command::new(program);
    if program == "perl" && arguments.first().is_some_and(|script| !script.starts_with('-')) {
        child.args(["-e", PERL, "--"]);
    }
    child.args(arguments);
    run(child, weighs, limit, last).await
}

/// A program for a service that this one has no client for.
pub(super) async fn script(script: &Script, last: &mut Option<Running>) -> Outcome {
    let mut child = Command::new(&script.program);
    child.args(&script.arguments).env(PASSWORD, script.password.reveal());
    run(child, false, script.timeout, last).await
}

async fn run(mut child: Command, weighs: bool, limit: Duration, last: &mut Option<Running>) -> Outcome {
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
    let (ending, output) = match ended {
        Ok(finished) => (Ok(finished.ending), finished.output),
        Err(error) => (Err(error), Vec::new()),
    };
    match ending {
        Ok(Ending::Exited(0)) if weighs => weighed(&output),
        Ok(Ending::Exited(0)) => Outcome::Passed,
        Ok(Ending::Exited(code)) => Outcome::Exited(code),
        Ok(Ending::Killed(signal)) => Outcome::Killed(signal),
        Ok(Ending::TimedOut) => Outcome::Overran(limit),
        Ok(Ending::NotStarted(why)) => Outcome::NotStarted(why),
        Err(error) => Outcome::NotRun(error.to_string()),
    }
}

/// What a program that passed says of the weight: `weight N` in its last line that is not empty.
pub(super) fn weighed(output: &[u8]) -> Outcome {
    if output.len() >= OUTPUT_LIMIT {
        return Outcome::NoWeight("(too much output)".into());
    }
    let mut lines = output.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).rev();
    let last = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let number =
        last.strip_prefix(b"weight").filter(|rest| rest.first().is_some_and(u8::is_ascii_whitespace));
    let number = number.and_then(|number| std::str::from_utf8(number.trim_ascii()).ok());
    let digits = number.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|number| number.parse().ok()).filter(|weight| *weight <= HEAVIEST) {
        Some(weight) => Outcome::PassedWith(weight),
        None => Outcome::NoWeight(excerpt(last)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_line_says_the_weight() {
        for (output, weight) in [
            ("weight 7\n", 7),
            ("weight 7", 7),
            ("load 0.3\nweight 1\nweight 200\n\n", 200),
            ("\t weight \t 0 \r\n", 0),
            ("weight 65535\n", 65535),
        ] {
            assert_eq!(weighed(output.as_bytes()), Outcome::PassedWith(weight), "{output:?}");
        }
    }

    #[test]
    fn anything_else_says_none() {
        for output in [
            "",
            "7\n",
            "weight\n",
            "weight7\n",
            "weight -1\n",
            "weight +1\n",
            "weight 65536\n",
            "weight 1 2",
            "Weight 1",
            "weight 5\nbye\n",
        ] {
            assert!(matches!(weighed(output.as_bytes()), Outcome::NoWeight(_)), "{output:?}");
        }
        let flood = b"weight 1\n".repeat(OUTPUT_LIMIT);
        assert!(matches!(weighed(&flood), Outcome::NoWeight(_)), "what came last is not known");
    }

    proptest! {
        #[test]
        fn any_output_is_read(output in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(weighed(&output).passed());
        }
    }
}
