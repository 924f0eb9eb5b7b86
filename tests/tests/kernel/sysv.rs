//! `/etc/init.d/directord` as it is packaged, executed: its verbs, the exit codes of the Linux Standard Base, and what they do to
//! the kernel's table.

use std::time::Duration;

use lab::{Lab, Node, Result, Spec, check, programs, wait_until};
use rustix::process::Signal;

const SCRIPT: &str = include_str!("../../../debian/directord.init");
const CONFIG: &str = "checktimeout=5\ncheckinterval=1\nquiescent=yes\nvirtual=192.0.2.10:80\n\treal=192.0.2.11:80 gate\n\
                      \tscheduler=rr\n\tprotocol=tcp\n\tchecktype=on\n";
const PATIENCE: Duration = Duration::from_secs(120);

/// Exit codes of the Linux Standard Base; of `status`, then of the other verbs.
const RUNNING: i32 = 0;
const DEAD: i32 = 1;
const STOPPED: i32 = 3;
const DONE: i32 = 0;
const USAGE: i32 = 2;
const NOT_CONFIGURED: i32 = 6;
const NOT_RUNNING: i32 = 7;

/// A node with the script where the package has it, and the program where the script looks for it.
fn director(lab: &mut Lab) -> Result<Node> {
    lab.switch("lan")?;
    let programs = programs::directory()?;
    let node = lab.boot(Spec::new("one").link("eth0", "lan", &["192.0.2.1/24"]).boot(format!(
        "mkdir /run/sbin /run/sbin-work && mount -t overlay -o lowerdir=/usr/sbin,upperdir=/run/sbin,workdir=/run/sbin-work none /usr/sbin && \
         ln -s {}/directord /usr/sbin/",
        programs.display()
    )))?;
    node.write_mode("/etc/init.d/directord", SCRIPT, 0o755)?;
    Ok(node)
}

/// Runs the script with a verb, in the environment of a boot; it ends with this exit code.
fn expect(node: &Node, verb: &str, wanted: i32) -> Result<()> {
    let output = node.output(&["/etc/init.d/directord", verb])?;
    check(output.status.code() == Some(wanted), || {
        format!("`directord {verb}`: {}, not {wanted}: {}", output.status, programs::said(&output))
    })
}

fn places(node: &Node, services: usize) -> Result<()> {
    wait_until(PATIENCE, &format!("{services} services are in the table"), || {
        Ok(node.ipvs()?.len() == services)
    })
    .map(drop)
}

#[test]
fn the_start_script_of_a_director_does_what_it_is_told() -> Result<()> {
    let mut lab = Lab::new()?;
    let node = director(&mut lab)?;
    let runs = || -> Result<bool> { Ok(!node.pids_of("directord")?.is_empty()) };
    let daemon = || node.read("/run/ldirectord.ldirectord.cf.pid");
    // Not configured: no failure of a boot, but of what was asked for by hand.
    expect(&node, "start", DONE)?;
    expect(&node, "restart", NOT_CONFIGURED)?;
    expect(&node, "reload", NOT_RUNNING)?;
    node.write("/etc/ha.d/ldirectord.cf", CONFIG)?;
    expect(&node, "status", STOPPED)?;
    expect(&node, "stop", DONE)?;
    expect(&node, "try-restart", DONE)?;
    expect(&node, "reload", NOT_RUNNING)?;
    expect(&node, "force-reload", NOT_RUNNING)?;
    expect(&node, "nonsense", USAGE)?;
    check(!runs()?, || "none of these starts it".to_owned())?;

    // As on a pair: it only checks.
    expect(&node, "start", DONE)?;
    expect(&node, "status", STOPPED)?;
    expect(&node, "reload", DONE)?;
    check(runs()?, || "it runs on standby".to_owned())?;
    places(&node, 0)?;
    expect(&node, "stop", DONE)?;
    check(!runs()?, || "it is gone when stop returns".to_owned())?;

    // As a service of its own.
    node.write("/etc/default/directord", "CONFIG=ldirectord.cf\nMODE=\n")?;
    expect(&node, "start", DONE)?;
    expect(&node, "status", RUNNING)?;
    places(&node, 1)?;
    let first = daemon()?;
    expect(&node, "start", DONE)?;
    let second = CONFIG
        .replace("192.0.2.10:80", "192.0.2.10:81")
        .replace("checktimeout=5\ncheckinterval=1\nquiescent=yes\n", "");
    node.write("/etc/ha.d/ldirectord.cf", &format!("{CONFIG}\n{second}"))?;
    expect(&node, "reload", DONE)?;
    places(&node, 2)?;
    node.write("/etc/ha.d/ldirectord.cf", CONFIG)?;
    expect(&node, "force-reload", DONE)?;
    places(&node, 1)?;
    // A mistake costs nothing.
    node.write("/etc/ha.d/ldirectord.cf", &CONFIG.replace("checktype=on", "checktype=maybe"))?;
    for verb in ["reload", "force-reload", "restart", "try-restart"] {
        expect(&node, verb, NOT_CONFIGURED)?;
    }
    check(daemon()? == first, || "it is still the first daemon".to_owned())?;
    places(&node, 1)?;
    node.write("/etc/ha.d/ldirectord.cf", CONFIG)?;
    for verb in ["restart", "try-restart"] {
        let before = daemon()?;
        expect(&node, verb, DONE)?;
        expect(&node, "status", RUNNING)?;
        check(daemon()? != before, || format!("{verb} starts a new daemon"))?;
        places(&node, 1)?;
    }

    node.signal("directord", Signal::KILL)?;
    wait_until(PATIENCE, "the killed daemon is gone", || Ok(!runs()?))?;
    expect(&node, "status", DEAD)?;
    expect(&node, "start", DONE)?;
    expect(&node, "status", RUNNING)?;
    expect(&node, "stop", DONE)?;
    expect(&node, "status", STOPPED)?;
    check(node.ipvs()?.is_empty(), || "its services are gone with it".to_owned())?;
    expect(&node, "restart", DONE)?;
    expect(&node, "status", RUNNING)?;
    expect(&node, "stop", DONE)
}
