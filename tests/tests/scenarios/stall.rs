//! The beat thread alone stands still while the rest of the daemon runs on: nothing it knew is told any more.

use lab::process::Process;
use lab::{Node, Result, check, wait_until};
use std::time::Duration;

use crate::world::{ALL_ON_BETA, LIMIT, Options, Pair};

/// ptrace(2) of one thread: PTRACE_SEIZE, PTRACE_INTERRUPT. It runs on when this program has ended.
const HOLD: &str = r#"
$| = 1;
syscall($ARGV[0], 0x4206, $ARGV[1] + 0, 0, 0) == 0 or die "PTRACE_SEIZE: $!\n";
syscall($ARGV[0], 0x4207, $ARGV[1] + 0, 0, 0) == 0 or die "PTRACE_INTERRUPT: $!\n";
print "held\n";
<STDIN>;
"#;
const PTRACE: u32 = if cfg!(target_arch = "x86_64") { 101 } else { 117 };

/// Holds the beat thread of a node's daemon until the process is dropped.
fn hold_beat(node: &Node) -> Result<Process> {
    let find = "for task in /proc/$(cat /run/heartbeat.pid)/task/*; do \
                [ \"$(cat $task/comm)\" = beat ] && exec perl -e \"$0\" $1 ${task##*/}; done; \
                echo there is no beat thread >&2";
    let held = node.spawn(&["sh", "-c", find, HOLD, &PTRACE.to_string()])?;
    held.wait_started()?;
    Ok(held)
}

#[test]
fn what_a_stalled_beat_knew_is_not_told() -> Result<()> {
    let deadtime = Duration::from_secs(4);
    let pair = Pair::started(Options { deadtime, failback: "off", ..Options::default() })?;
    let asked = |question: &str| -> Result<(String, Option<i32>)> {
        let output = pair.alpha.output(&["sh", "-c", &format!("cl_status {question} 2>&1")])?;
        Ok((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code()))
    };
    let held = hold_beat(&pair.alpha)?;
    wait_until(LIMIT, "cl_status says that nothing is known", || {
        let (text, code) = asked("rscstatus")?;
        let known = code == Some(0) && text == "local\n";
        check(known || code == Some(13), || format!("{code:?}: {text}"))?;
        Ok(!known)
    })?;
    for question in ["hbstatus", "nodestatus alpha", "status", "listnodes -v", "hbparameter -p keepalive"] {
        let (text, code) = asked(question)?;
        let right = code == Some(13) && text.contains("its beat thread has stood still for");
        check(right, || format!("cl_status {question}: {code:?}: {text}"))?;
    }
    let (text, code) = asked("hbstatus --json")?;
    check(text.contains("\"running\":null") && code == Some(13), || format!("{code:?}: {text}"))?;
    let taken = || Ok(pair.placement()? == ALL_ON_BETA.map(Some));
    wait_until(LIMIT, "beta has taken alpha's address", taken)?;
    drop(held);
    wait_until(LIMIT, "alpha answers again", || Ok(asked("rscstatus")? == ("none\n".to_owned(), Some(0))))?;
    pair.wait_status(&pair.beta, "alpha", "active").map(drop)
}
