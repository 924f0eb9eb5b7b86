//! What an administrator's own scripts may still call by a name of heartbeat's, in a pair that runs.

use std::time::Duration;

use lab::{Node, Result, check, pair, programs, wait_until};
use rustix::process::Signal;

use crate::world::{ALL_ON_ALPHA, AT_HOME, LIMIT, Options, Pair};

const OLD_NAME: &str = include_str!("../../../etc/heartbeat/old-name");
const RESPAWN: &str = include_str!("../../../etc/heartbeat/cl_respawn");

/// The scripts in a folder of the node, by all their names.
fn install(node: &Node) -> Result<()> {
    node.write_mode("/run/old/old-name", OLD_NAME, 0o755)?;
    node.write_mode("/run/old/cl_respawn", RESPAWN, 0o755)?;
    node.sh("cd /run/old && for name in req_resource mach_down hb_setweight hb_setsite ha_propagate drbd-peer-outdater; do ln -s old-name $name; done")
        .map(drop)
}

/// A command of that folder ends so, and says this.
fn expect(node: &Node, command: &str, wanted: i32, words: &str) -> Result<()> {
    let output = node.output(&["/bin/sh", "-c", &format!("/run/old/{command}")])?;
    let said = programs::said(&output);
    check(output.status.code() == Some(wanted) && said.contains(words), || {
        format!("`{command}`: {}, not {wanted} and {words:?}: {said}", output.status)
    })?;
    check(words.is_empty() == said.is_empty(), || format!("`{command}`: {said}"))
}

#[test]
fn what_took_groups_says_the_truth_and_takes_nothing() -> Result<()> {
    let pair = Pair::new(Options::default())?;
    let (alpha, beta) = (&pair.alpha, &pair.beta);
    install(alpha)?;
    expect(alpha, "mach_down beta", 1, "nothing was done: ")?;
    pair::start(alpha)?;
    pair::start(beta)?;
    pair.wait_placed(AT_HOME)?;
    expect(alpha, "req_resource 192.0.2.100/24/eth0", 0, "")?;
    expect(alpha, "req_resource 192.0.2.101/24/eth0", 1, "does not run here, and nothing was done")?;
    expect(alpha, "req_resource", 1, "usage: req_resource KEY")?;
    let as_if_gone = "sh -c 'PATH=/nowhere; . /run/old/req_resource' req_resource 192.0.2.100/24/eth0";
    let unknown = alpha.output(&["/bin/sh", "-c", as_if_gone])?;
    check(programs::said(&unknown).contains("is unknown, and nothing was done"), || {
        programs::said(&unknown)
    })?;
    expect(alpha, "mach_down alpha", 0, "")?;
    expect(alpha, "mach_down BETA", 1, "BETA is not dead but active, and nothing was done")?;
    expect(alpha, "mach_down gamma", 1, "nothing was done: ")?;
    expect(alpha, "hb_setweight beta 50", 1, "weights and sites are for more than two nodes")?;
    expect(alpha, "hb_setsite beta here", 1, "weights and sites are for more than two nodes")?;
    expect(alpha, "ha_propagate", 1, "nothing was copied: ")?;
    expect(alpha, "drbd-peer-outdater -t 5", 1, "nothing was outdated: ")?;
    expect(alpha, "old-name", 2, "to be called by one of the names")?;
    pair.stays_placed(AT_HOME, Duration::from_secs(1))?;
    beta.power_off()?;
    pair.wait_placed(ALL_ON_ALPHA)?;
    pair.wait_status(alpha, "beta", "dead")?;
    expect(alpha, "mach_down beta", 0, "")?;
    expect(alpha, "req_resource 192.0.2.101/24/eth0", 0, "")
}

#[test]
fn a_program_is_run_again_until_it_ends_with_the_code_that_was_named() -> Result<()> {
    let pair = Pair::new(Options::default())?;
    let alpha = &pair.alpha;
    install(alpha)?;
    let runs = "echo run >>/run/runs; test $(wc -l </run/runs) -ge 3 && exit 9; exit 7";
    expect(alpha, &format!("cl_respawn -m 9 -p /run/own.pid sh -c '{runs}'"), 9, "")?;
    check(alpha.read("/run/runs")? == "run\nrun\nrun\n", || "it ran three times".to_owned())?;
    alpha.sh("test ! -e /run/own.pid")?;
    expect(alpha, "cl_respawn", 2, "usage: cl_respawn")?;
    expect(alpha, "cl_respawn /nonexistent", 2, "no such program")?;

    alpha.sh("/run/old/cl_respawn -p /run/own.pid sleep 1000 </dev/null >/dev/null 2>&1 &")?;
    let sleeps = |count: usize| {
        wait_until(LIMIT, &format!("{count} programs run"), || Ok(alpha.pids_of("sleep")?.len() == count))
    };
    sleeps(1)?;
    expect(alpha, "cl_respawn -p /run/own.pid sleep 1000", 1, "runs")?;
    let first = alpha.pids_of("sleep")?;
    alpha.signal("sleep", Signal::KILL)?;
    wait_until(LIMIT, "it is started again", || {
        let now = alpha.pids_of_each(&["sleep", "1000"])?;
        Ok(!now.is_empty() && now != first)
    })?;
    for signal in ["TERM", "INT"] {
        alpha.sh(&format!("kill -{signal} $(cat /run/own.pid)"))?;
        sleeps(0)?;
        wait_until(LIMIT, "its pid file is gone", || Ok(alpha.read("/run/own.pid").is_err()))?;
        if signal == "TERM" {
            // As at a terminal: a script's own children do not heed SIGINT from the beginning.
            alpha.sh("env --default-signal=INT /run/old/cl_respawn -p /run/own.pid sleep 1000 </dev/null >/dev/null 2>&1 &")?;
            sleeps(1)?;
        }
    }
    // The number of a process that is another one by now.
    alpha.sh("echo 1 >/run/own.pid")?;
    expect(alpha, "cl_respawn -m 0 -p /run/own.pid true", 0, "")
}
