//! `/etc/init.d/heartbeat` as it is packaged, executed: its verbs, and the exit codes of the Linux Standard Base.

use lab::{Node, Result, check, pair, programs, wait_until};
use rustix::process::Signal;

use crate::world::{ALL_ON_ALPHA, ALL_ON_BETA, AT_HOME, LIMIT, Options, Pair};

const SCRIPT: &str = include_str!("../../../debian/heartbeatd.heartbeat.init");

/// Exit codes of the Linux Standard Base; of `status`, then of the other verbs.
const RUNNING: i32 = 0;
const DEAD_WITH_PID_FILE: i32 = 1;
const STOPPED: i32 = 3;
const DONE: i32 = 0;
const USAGE: i32 = 2;
const NOT_CONFIGURED: i32 = 6;
const NOT_RUNNING: i32 = 7;

/// The script where the package has it, and the programs where the script looks for them.
fn install(node: &Node) -> Result<()> {
    node.write_mode("/etc/init.d/heartbeat", SCRIPT, 0o755)?;
    let programs = programs::directory()?;
    node.sh(&format!(
        "mkdir /run/sbin /run/sbin-work && mount -t overlay -o lowerdir=/usr/sbin,upperdir=/run/sbin,workdir=/run/sbin-work none /usr/sbin && \
         ln -s {0}/heartbeatd {0}/hb_standby /usr/sbin/",
        programs.display()
    ))
    .map(drop)
}

/// Runs the script with a verb, in the environment of a boot; it ends with this exit code.
fn expect(node: &Node, verb: &str, wanted: i32) -> Result<()> {
    let output = node.output(&["/etc/init.d/heartbeat", verb])?;
    check(output.status.code() == Some(wanted), || {
        format!("`heartbeat {verb}`: {}, not {wanted}: {}", output.status, programs::said(&output))
    })
}

/// The process number of the one that runs. (A child that it is starting has its name for a moment.)
fn daemon(node: &Node) -> Result<String> {
    node.read("/run/heartbeat.pid")
}

fn none_runs(node: &Node) -> Result<bool> {
    Ok(node.pids_of("heartbeatd")?.is_empty())
}

#[test]
fn the_start_script_does_what_it_is_told_and_says_how_it_went() -> Result<()> {
    let pair = Pair::new(Options::default())?;
    let (alpha, beta) = (&pair.alpha, &pair.beta);
    install(alpha)?;
    expect(alpha, "status", STOPPED)?;
    expect(alpha, "stop", DONE)?;
    expect(alpha, "try-restart", DONE)?;
    expect(alpha, "condrestart", DONE)?;
    expect(alpha, "reload", NOT_RUNNING)?;
    expect(alpha, "force-reload", NOT_RUNNING)?;
    expect(alpha, "nonsense", USAGE)?;
    check(none_runs(alpha)?, || "none of these starts it".to_owned())?;

    expect(alpha, "start", DONE)?;
    expect(alpha, "status", RUNNING)?;
    pair::start(beta)?;
    pair.wait_placed(AT_HOME)?;
    let first = daemon(alpha)?;
    expect(alpha, "start", DONE)?;
    expect(alpha, "reload", DONE)?;
    expect(alpha, "force-reload", DONE)?;
    check(daemon(alpha)? == first, || "it is still the first daemon".to_owned())?;

    let standby = || Ok(alpha.output(&["/etc/init.d/heartbeat", "standby"])?.status.success());
    wait_until(LIMIT, "stand-by, once the last move is finished", standby)?;
    pair.wait_placed(ALL_ON_BETA)?;
    expect(alpha, "restart", DONE)?;
    pair.wait_placed(AT_HOME)?; // auto_failback is on
    let second = daemon(alpha)?;
    expect(alpha, "try-restart", DONE)?;
    pair.wait_placed(AT_HOME)?;
    let third = daemon(alpha)?;
    let renewed = first != second && second != third;
    check(renewed, || format!("each restart is a new daemon: {first:?} {second:?} {third:?}"))?;

    pair::stop(beta)?;
    pair.wait_placed(ALL_ON_ALPHA)?;
    expect(alpha, "stop", DONE)?;
    expect(alpha, "status", STOPPED)?;
    check(pair.placement()? == [None, None], || "nothing is held any more".to_owned())
}

#[test]
fn a_mistake_in_a_file_or_a_killed_daemon_is_said_by_the_start_script() -> Result<()> {
    let pair = Pair::new(Options::default())?;
    let alpha = &pair.alpha;
    install(alpha)?;
    let good = alpha.read("/etc/ha.d/ha.cf")?;
    alpha.write("/etc/ha.d/ha.cf", &format!("{good}keepalive soon\n"))?;
    expect(alpha, "start", NOT_CONFIGURED)?;
    expect(alpha, "status", STOPPED)?;
    alpha.write("/etc/ha.d/ha.cf", &good)?;
    expect(alpha, "start", DONE)?;
    let first = daemon(alpha)?;
    alpha.write("/etc/ha.d/ha.cf", &format!("{good}keepalive soon\n"))?;
    expect(alpha, "restart", NOT_CONFIGURED)?;
    check(daemon(alpha)? == first, || "a mistake costs a node its daemon".to_owned())?;
    alpha.write("/etc/ha.d/ha.cf", &good)?;

    alpha.signal("heartbeatd", Signal::KILL)?;
    wait_until(LIMIT, "the killed daemon is gone", || none_runs(alpha))?;
    expect(alpha, "status", DEAD_WITH_PID_FILE)?;
    expect(alpha, "start", DONE)?;
    expect(alpha, "status", RUNNING)?;
    expect(alpha, "stop", DONE)?;

    // A package that was installed and never configured must not fail the boot; a restart by hand is told.
    alpha.sh("rm /etc/ha.d/ha.cf")?;
    expect(alpha, "start", DONE)?;
    expect(alpha, "status", STOPPED)?;
    expect(alpha, "restart", NOT_CONFIGURED)
}
