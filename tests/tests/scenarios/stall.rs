//! A part of the daemon stands still: the beat thread alone, and what it knew is told no more; or who looks up a name, and
//! everything else runs on.

use lab::pair::{standby, takeover};
use lab::process::Process;
use lab::{Node, Result, check, wait_until};
use std::time::{Duration, Instant};

use crate::world::{ALL_ON_ALPHA, ALL_ON_BETA, LIMIT, Options, Pair};

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

/// A name server that never answers: packets to it leave, and that is all.
const SILENT: &str = "ip neigh add 192.0.2.53 lladdr 02:00:00:00:00:53 dev eth0 nud permanent && \
                      echo nameserver 192.0.2.53 >/etc/resolv.conf && echo hosts: files dns >/etc/nsswitch.conf";

#[test]
fn a_silent_name_server_keeps_only_the_reload_waiting() -> Result<()> {
    let pair = Pair::started(Options { failback: "off", ..Options::default() })?;
    let alpha = &pair.alpha;
    alpha.sh(SILENT)?;
    alpha.sh("echo ucast eth0 beta.example.com >>/etc/ha.d/ha.cf")?;
    alpha.sh("heartbeatd -r >/tmp/reload 2>&1 &")?;
    let began = Instant::now();
    standby(alpha, "all")?;
    pair.wait_placed(ALL_ON_BETA)?;
    takeover(alpha, "all").or_else(|_| {
        wait_until(LIMIT, "alpha takes all", || takeover(alpha, "all").map(|()| true)).map(drop)
    })?;
    pair.wait_placed(ALL_ON_ALPHA)?;
    alpha.sh("heartbeatd -r >/tmp/again 2>&1 &")?;
    let asked = began.elapsed();
    check(alpha.sh("cat /tmp/reload")?.is_empty(), || "the reload did not wait for the name".to_owned())?;
    let refused = |file: &str| {
        let what = format!("{file} tells what became of the reload");
        wait_until(LIMIT * 2, &what, || {
            Ok(alpha.sh(&format!("cat {file}"))?.contains("eth0 beta.example.com"))
        })
    };
    refused("/tmp/reload")?;
    refused("/tmp/again")?;
    let log = alpha.read("/var/log/ha-log")?;
    check(!log.contains("late") && !log.contains("is dead"), || format!("{asked:?}\n{log}"))?;
    pair.stays_placed(ALL_ON_ALPHA, pair.options.deadtime)
}
