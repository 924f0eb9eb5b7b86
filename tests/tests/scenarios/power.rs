//! Start, crash, power failure, stop and restart of the daemons and the nodes.

use std::net::Ipv4Addr;

use lab::pair;
use lab::{Moment, Result, check, wait_until};
use rustix::process::Signal;

use crate::world::{ADDRESSES, ALL_ON_ALPHA, ALL_ON_BETA, AT_HOME, LIMIT, Media, Options, Pair, SECOND};

fn cold_start(media: Media) -> Result<()> {
    let begin = Moment::now();
    let pair = Pair::started(Options { media, ..Options::default() })?;
    pair.wait_announced(ADDRESSES[0], &pair.alpha, begin)?;
    pair.wait_announced(ADDRESSES[1], &pair.beta, begin)?;
    pair.wait_status(&pair.alpha, "beta", "active")?;
    pair.wait_status(&pair.beta, "alpha", "active")?;
    pair.stays_placed(AT_HOME, pair.options.deadtime * 2)
}

#[test]
fn cold_start_by_multicast() -> Result<()> {
    cold_start(Media::Mcast)
}

#[test]
fn cold_start_by_broadcast() -> Result<()> {
    cold_start(Media::Bcast)
}

#[test]
fn cold_start_by_unicast() -> Result<()> {
    cold_start(Media::Ucast)
}

#[test]
fn one_node_alone_takes_everything_after_initdead() -> Result<()> {
    let pair = Pair::new(Options::default())?;
    let begin = Moment::now();
    pair::start(&pair.alpha)?;
    pair.wait_placed(ALL_ON_ALPHA)?;
    check(begin.elapsed() >= pair.options.deadtime * 2, || "it did not wait for initdead".to_owned())?;
    pair::start(&pair.beta)?;
    pair.wait_placed(AT_HOME).map(drop)
}

/// Either node loses its power, the other takes its group; it returns and gets it back.
fn crash_of_either(media: Media) -> Result<()> {
    let pair = Pair::started(Options { media, ..Options::default() })?;
    for (victim, other, address, all) in [
        (&pair.alpha, &pair.beta, ADDRESSES[0], ALL_ON_BETA),
        (&pair.beta, &pair.alpha, ADDRESSES[1], ALL_ON_ALPHA),
    ] {
        let cut = victim.power_off()?;
        pair.wait_placed(all)?;
        pair.wait_announced(address, other, cut)?;
        pair.wait_status(other, victim.name(), "dead")?;
        victim.power_on()?;
        let begin = Moment::now();
        pair::start(victim)?;
        pair.wait_placed(AT_HOME)?;
        pair.wait_announced(address, victim, begin)?;
    }
    Ok(())
}

#[test]
fn crash_of_either_by_multicast() -> Result<()> {
    crash_of_either(Media::Mcast)
}

#[test]
fn crash_of_either_by_broadcast() -> Result<()> {
    crash_of_either(Media::Bcast)
}

#[test]
fn crash_of_either_by_unicast() -> Result<()> {
    crash_of_either(Media::Ucast)
}

#[test]
fn without_failback_a_group_stays_where_it_went() -> Result<()> {
    let pair = Pair::started(Options { failback: "off", ..Options::default() })?;
    pair.alpha.power_off()?;
    pair.wait_placed(ALL_ON_BETA)?;
    pair.alpha.power_on()?;
    pair::start(&pair.alpha)?;
    pair.wait_status(&pair.beta, "alpha", "active")?;
    pair.stays_placed(ALL_ON_BETA, pair.options.deadtime * 3)?;
    pair::standby(&pair.beta, "foreign")?;
    pair.wait_placed(AT_HOME).map(drop)
}

#[test]
fn a_graceful_stop_does_not_wait_for_deadtime() -> Result<()> {
    let pair = Pair::started(Options { deadtime: SECOND * 20, ..Options::default() })?;
    let begin = Moment::now();
    pair::stop(&pair.alpha)?;
    pair.wait_placed(ALL_ON_BETA)?;
    pair.wait_announced(ADDRESSES[0], &pair.beta, begin)?;
    check(begin.elapsed() < pair.options.deadtime, || format!("it took {:?}", begin.elapsed()))?;
    pair::stop(&pair.beta)?;
    check(pair.placement()? == [None, None], || "an address is left after both have stopped".to_owned())
}

#[test]
fn a_restart_faster_than_deadtime() -> Result<()> {
    let pair = Pair::started(Options { deadtime: SECOND * 5, ..Options::default() })?;
    for _ in 0..2 {
        for node in pair.nodes() {
            pair::stop(node)?;
            pair::start(node)?;
            pair.wait_placed(AT_HOME)?;
        }
    }
    pair.stays_placed(AT_HOME, pair.options.deadtime * 2)
}

#[test]
fn a_killed_daemon_that_is_started_at_once() -> Result<()> {
    let pair = Pair::started(Options { deadtime: SECOND * 5, ..Options::default() })?;
    for node in pair.nodes() {
        check(node.signal("heartbeatd", Signal::KILL)? > 0, || "no heartbeatd to kill".to_owned())?;
        pair.wait_gone(node)?;
        pair::start(node)?;
        pair.wait_placed(AT_HOME)?;
    }
    pair.stays_placed(AT_HOME, pair.options.deadtime * 2)
}

/// A script that takes a long time to stop, for a group that must not keep its address for so long.
const SLOW: &str = "#!/bin/sh
case $1 in
start)
    if [ -e /etc/ha.d/slow-start ]; then touch /run/starting; sleep 60; touch /run/started; fi
    touch /run/slow;;
stop) sleep 15; rm -f /run/slow;;
status) if [ -e /run/slow ]; then echo running; else echo stopped; exit 3; fi;;
esac
";

/// Alpha's group has it; the daemons are not started. Also the address of that group.
fn pair_with_a_slow_script() -> Result<(Pair, Ipv4Addr)> {
    let pair = Pair::new(Options { failback: "off", ..Options::default() })?;
    let [one, two] = ADDRESSES;
    for node in pair.nodes() {
        node.sh("mkdir -p /etc/ha.d/resource.d")?;
        node.write_mode("/etc/ha.d/resource.d/slow", SLOW, 0o755)?;
        node.write("/etc/ha.d/haresources", &format!("alpha {one}/24/eth0 slow\nbeta {two}/24/eth0\n"))?;
    }
    Ok((pair, one))
}

/// The guard sleeps as well: when the machine wakes up, the other node has had the address for a while.
#[test]
fn a_paused_node_lets_go_of_its_address_before_it_waits_for_a_script() -> Result<()> {
    let (pair, one) = pair_with_a_slow_script()?;
    for node in pair.nodes() {
        pair::start(node)?;
    }
    pair.wait_placed(AT_HOME)?;
    pair.alpha.freeze()?;
    wait_until(LIMIT, "beta takes alpha's address", || pair.beta.holds(one.into()))?;
    pair.alpha.thaw()?;
    let woken = Moment::now();
    wait_until(LIMIT, "alpha lets go of its address", || Ok(!pair.alpha.holds(one.into())?))?;
    let script = pair.alpha.sh("[ -e /run/slow ] && echo it stops still || echo it has ended")?;
    check(script.trim() == "it stops still", || {
        format!("the address left {:?} after the pause, and the script: {script}", woken.elapsed())
    })?;
    pair.wait_placed(ALL_ON_BETA)?;
    pair.wait_status(&pair.beta, "alpha", "active")?;
    pair.stays_placed(ALL_ON_BETA, pair.options.deadtime * 2)
}

/// The group that was being taken when the node was paused, too: nobody waits for the end of its script.
#[test]
fn a_paused_node_gives_up_what_it_was_taking() -> Result<()> {
    let (pair, one) = pair_with_a_slow_script()?;
    pair.alpha.write("/etc/ha.d/slow-start", "")?;
    for node in pair.nodes() {
        pair::start(node)?;
    }
    wait_until(LIMIT, "alpha's script begins", || {
        pair.alpha.sh("[ -e /run/starting ] && echo yes || true").map(|said| !said.is_empty())
    })?;
    check(pair.alpha.holds(one.into())?, || "alpha has not taken its address".to_owned())?;
    pair.alpha.freeze()?;
    wait_until(LIMIT, "beta takes alpha's address", || pair.beta.holds(one.into()))?;
    pair.alpha.thaw()?;
    wait_until(LIMIT, "alpha lets go of its address", || Ok(!pair.alpha.holds(one.into())?))?;
    check(pair.alpha.read("/run/starting").is_ok(), || "the script had ended before".to_owned())?;
    pair.wait_placed(ALL_ON_BETA)?;
    check(pair.alpha.read("/run/started").is_err(), || "the script was not ended".to_owned())?;
    pair.stays_placed(ALL_ON_BETA, pair.options.deadtime * 2)
}

#[test]
fn a_killed_daemon_leaves_no_second_holder_after_its_restart() -> Result<()> {
    let pair = Pair::started(Options { failback: "off", ..Options::default() })?;
    pair.alpha.signal("heartbeatd", Signal::KILL)?;
    let killed = Moment::now();
    wait_until(LIMIT, "beta takes alpha's address", || pair.beta.holds(ADDRESSES[0].into()))?;
    pair.wait_announced(ADDRESSES[0], &pair.beta, killed)?;
    pair::start(&pair.alpha)?;
    pair.wait_placed(ALL_ON_BETA)?;
    pair.wait_status(&pair.beta, "alpha", "active")?;
    pair.stays_placed(ALL_ON_BETA, pair.options.deadtime * 2)
}

#[test]
fn a_paused_daemon_gives_up_what_the_other_has_taken() -> Result<()> {
    let pair = Pair::started(Options::default())?;
    pair.alpha.freeze()?;
    wait_until(LIMIT, "beta takes alpha's address", || pair.beta.holds(ADDRESSES[0].into()))?;
    let thawed = Moment::now();
    pair.alpha.thaw()?;
    // With fail-back on it ends at home; on the way there must be no second holder for longer than deadtime.
    pair.wait_placed(AT_HOME)?;
    pair.wait_announced(ADDRESSES[0], &pair.alpha, thawed)?;
    pair.stays_placed(AT_HOME, pair.options.deadtime * 2)
}
