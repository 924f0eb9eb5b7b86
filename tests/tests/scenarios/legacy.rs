//! `auto_failback legacy`, which a missing directive means too, with heartbeat 3.0.6 on the other node.

use std::time::Duration;

use lab::pair;
use lab::{Result, check, wait_until};

use crate::old::{check_old_log, old_starts, start_old, stop_old};
use crate::world::{ADDRESSES, ALL_ON_ALPHA, ALL_ON_BETA, AT_HOME, LIMIT, Media, Options, Pair};

/// Cold start together, moves by hand, power failure and return of either, graceful stop and return of either.
fn serve(ours: usize, media: Media) -> Result<()> {
    let deadtime = Duration::from_secs(3);
    let pair = Pair::new(Options { media, failback: "legacy", deadtime, ..Options::default() })?;
    let (new, aged) = (pair.nodes()[ours], pair.nodes()[1 - ours]);
    let (all_on_new, all_on_old) =
        if ours == 0 { (ALL_ON_ALPHA, ALL_ON_BETA) } else { (ALL_ON_BETA, ALL_ON_ALPHA) };
    start_old(aged)?;
    pair::start(new)?;
    pair.wait_placed(AT_HOME)?;

    for command in [["hb_standby", "all"], ["hb_takeover", "foreign"]] {
        let refused = new.output(&command)?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        check(!refused.status.success() && said.contains("legacy"), || format!("{command:?}: {said}"))?;
    }

    aged.power_off()?;
    pair.wait_placed(all_on_new)?;
    aged.power_on()?;
    start_old(aged)?;
    pair.wait_placed(AT_HOME)?;

    new.power_off()?;
    pair.wait_placed(all_on_old)?;
    new.power_on()?;
    pair::start(new)?;
    pair.wait_placed(AT_HOME)?;

    pair::stop(new)?;
    pair.wait_placed(all_on_old)?;
    pair::start(new)?;
    pair.wait_placed(AT_HOME)?;

    stop_old(aged)?;
    pair.wait_placed(all_on_new)?;
    start_old(aged)?;
    pair.wait_placed(AT_HOME)?;
    pair.stays_placed(AT_HOME, Duration::from_secs(3))?;
    pair.never_two_holders()?;
    check_old_log(aged)
}

#[test]
fn the_first_node_is_ours() -> Result<()> {
    serve(0, Media::Bcast)
}

#[test]
fn the_second_node_is_ours() -> Result<()> {
    serve(1, Media::Mcast)
}

/// Both hold everything; healed, ours stays up, the old node restarts itself and asks for its groups.
fn heal(ours: usize, media: Media) -> Result<()> {
    let deadtime = Duration::from_secs(3);
    let pair = Pair::new(Options { media, failback: "legacy", deadtime, ..Options::default() })?;
    let (new, aged) = (pair.nodes()[ours], pair.nodes()[1 - ours]);
    start_old(aged)?;
    pair::start(new)?;
    pair.wait_placed(AT_HOME)?;
    let (starts, process) = (old_starts(aged)?, new.pids_of("heartbeatd")?);
    new.cut_all()?;
    for node in [new, aged] {
        for address in ADDRESSES {
            let what = format!("{} holds {address} while it is alone", node.name());
            wait_until(LIMIT, &what, || node.holds(address.into()))?;
        }
    }
    new.heal_all()?;
    wait_until(LIMIT * 2, "the old node restarts itself", || {
        std::thread::sleep(Duration::from_millis(100));
        Ok(old_starts(aged)? > starts)
    })?;
    pair.wait_status(new, aged.name(), "active")?;
    pair.wait_placed(AT_HOME)?;
    pair.stays_placed(AT_HOME, Duration::from_secs(5))?;
    check(new.pids_of("heartbeatd")? == process, || "ours restarted".to_owned())
}

#[test]
fn a_partition_heals_and_the_first_node_is_ours() -> Result<()> {
    heal(0, Media::Ucast)
}

#[test]
fn a_partition_heals_and_the_second_node_is_ours() -> Result<()> {
    heal(1, Media::Bcast)
}
