//! A daemon that is killed or stands still while its machine runs on: its guard lets go before the other node takes.

use lab::pair;
use lab::{Moment, Node, Result, check, fail, wait_for, wait_until};
use rustix::process::Signal;
use std::time::Duration;

use crate::world::{ADDRESSES, ALL_ON_BETA, AT_HOME, LIMIT, Options, Pair, SECOND, wait_logged};

/// Long enough that a busy machine can keep the order of events.
const DEADTIME: Duration = Duration::from_secs(4);

fn pair_of(failback: &'static str) -> Result<Pair> {
    let pair = Pair::started(Options { failback, deadtime: DEADTIME, ..Options::default() })?;
    for node in pair.nodes() {
        guard(node, None)?;
    }
    Ok(pair)
}

/// The guard's command line has these words.
const GUARD: [&str; 2] = ["ha-resources", "guard"];

/// The node's only guard, as soon as there is one, and it is not the one named.
fn guard(node: &Node, other_than: Option<i32>) -> Result<i32> {
    let look = || match node.pids_of_each(&GUARD)?.as_slice() {
        [pid] if Some(*pid) != other_than && node.read("/run/heartbeat/guard.pid").is_ok() => Ok(Some(*pid)),
        found => fail(format!("ha-resources: {found:?}")),
    };
    wait_for(LIMIT, &format!("{} has one guard", node.name()), look)
}

/// Waits until `done`; from now on until then no address is on both nodes.
fn never_twice(pair: &Pair, what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<Moment> {
    let mut twice = None;
    let seen = wait_until(LIMIT, what, || {
        twice = twice.take().or(pair.placement().err());
        Ok(twice.is_some() || done()?)
    })?;
    match twice {
        Some(failure) => fail(format!("before \"{what}\": {failure}")),
        None => Ok(seen),
    }
}

fn everything_on_beta(pair: &Pair) -> Result<Moment> {
    never_twice(pair, "beta has taken alpha's address", || Ok(pair.placement()? == ALL_ON_BETA.map(Some)))
}

#[test]
fn a_killed_daemon_lets_go_before_the_other_node_takes() -> Result<()> {
    let pair = pair_of("on")?;
    check(pair.alpha.signal("heartbeatd", Signal::KILL)? > 0, || "no heartbeatd to kill".to_owned())?;
    everything_on_beta(&pair)?;
    let gone = || Ok(pair.alpha.pids_of("ha-resources")?.is_empty());
    wait_until(LIMIT, "alpha's guard has done its work", gone)?;
    wait_logged(&pair.alpha, &["heartbeatd has not beaten for"])?;
    pair.stays_placed(ALL_ON_BETA, SECOND)?;
    pair::start(&pair.alpha)?;
    never_twice(&pair, "alpha has its group again", || Ok(pair.placement()? == AT_HOME.map(Some)))?;
    pair.wait_placed(AT_HOME).map(drop)
}

#[test]
fn a_killed_daemon_that_is_started_at_once_finds_its_address() -> Result<()> {
    let pair = pair_of("on")?;
    let old = guard(&pair.alpha, None)?;
    pair.alpha.signal("heartbeatd", Signal::KILL)?;
    pair.wait_gone(&pair.alpha)?;
    pair::start(&pair.alpha)?;
    guard(&pair.alpha, Some(old))?;
    pair.stays_placed(AT_HOME, DEADTIME * 2)?;
    pair.wait_placed(AT_HOME).map(drop)
}

#[test]
fn a_stopped_daemon_lets_go_and_comes_back_with_nothing() -> Result<()> {
    let pair = pair_of("off")?;
    pair.alpha.signal("heartbeatd", Signal::STOP)?;
    everything_on_beta(&pair)?;
    pair.alpha.signal("heartbeatd", Signal::CONT)?;
    pair.wait_status(&pair.beta, "alpha", "active")?;
    never_twice(&pair, "alpha says it holds nothing", || Ok(pair::resources(&pair.alpha)? == "none"))?;
    guard(&pair.alpha, None)?;
    pair.stays_placed(ALL_ON_BETA, DEADTIME)
}

/// Too short for the other node to take over, but not for the guard to let go.
#[test]
fn a_daemon_that_stands_still_for_a_moment_learns_that_it_holds_nothing() -> Result<()> {
    let pair = pair_of("on")?;
    let address = ADDRESSES[0].into();
    pair.alpha.signal("heartbeatd", Signal::STOP)?;
    never_twice(&pair, "alpha's address is gone", || Ok(!pair.alpha.holds(address)?))?;
    pair.alpha.signal("heartbeatd", Signal::CONT)?;
    let told = || Ok(pair.alpha.read("/var/log/ha-log")?.contains("its guard released its resources"));
    never_twice(&pair, "alpha's daemon knows", told)?;
    never_twice(&pair, "alpha has its group again", || Ok(pair.placement()? == AT_HOME.map(Some)))?;
    pair.wait_placed(AT_HOME).map(drop)
}

#[test]
fn a_killed_guard_has_a_successor() -> Result<()> {
    let pair = pair_of("on")?;
    let old = guard(&pair.alpha, None)?;
    check(pair.alpha.signal_each(&GUARD, Signal::KILL)? == 1, || "no guard to kill".to_owned())?;
    guard(&pair.alpha, Some(old))?;
    pair.stays_placed(AT_HOME, SECOND)?;
    pair.alpha.signal("heartbeatd", Signal::KILL)?;
    everything_on_beta(&pair).map(drop)
}

#[test]
fn an_orderly_stop_leaves_no_guard() -> Result<()> {
    let pair = pair_of("on")?;
    pair::stop(&pair.alpha)?;
    let gone = || Ok(pair.alpha.pids_of("ha-resources")?.is_empty());
    wait_until(LIMIT, "alpha's guard is gone", gone)?;
    pair.wait_placed(ALL_ON_BETA).map(drop)
}
