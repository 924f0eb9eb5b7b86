//! Scripts that do not start or do not stop what they should: where the groups are then, and who says so.

use lab::{Node, Result, check, pair, programs};

use crate::fencing;
use crate::world::{ADDRESSES, ALL_ON_BETA, AT_HOME, LIMIT, Options, Pair, SECOND, wait_logged};

/// Does what it is told unless a file forbids it, and notes that it was asked.
const SCRIPT: &str = "#!/bin/sh
echo $1 >>/run/asked
case $1 in
start) test ! -e /run/no-start && touch /run/works;;
stop) test ! -e /run/no-stop && rm -f /run/works;;
status) test -e /run/works && echo running || echo stopped;;
esac
";

/// A failed stop is tried again by heartbeatd alone.
const ONCE: &str = "env STOPRETRYMAX=0\n";

fn prepare(pair: &Pair, groups_of_alpha: &str) -> Result<()> {
    for node in pair.nodes() {
        node.write_mode("/etc/ha.d/resource.d/fickle", SCRIPT, 0o755)?;
        node.write("/etc/ha.d/haresources", &format!("{groups_of_alpha}beta {}/24/eth0\n", ADDRESSES[1]))?;
    }
    Ok(())
}

fn with_groups(more: &'static str, groups_of_alpha: &str) -> Result<Pair> {
    let pair = Pair::new(Options { failback: "off", more, ..Options::default() })?;
    prepare(&pair, groups_of_alpha)?;
    Ok(pair)
}

/// Address and script in one group.
fn one_group() -> String {
    format!("alpha {}/24/eth0 fickle\n", ADDRESSES[0])
}

/// The script in a group of its own.
fn two_groups() -> String {
    format!("alpha {}/24/eth0\nalpha fickle\n", ADDRESSES[0])
}

fn starts(node: &Node) -> Result<usize> {
    Ok(node.sh("cat /run/asked 2>/dev/null || true")?.lines().filter(|line| *line == "start").count())
}

fn works(node: &Node) -> Result<bool> {
    Ok(node.read("/run/works").is_ok())
}

/// `cl_status status` has a line with all these words.
fn wait_shown(pair: &Pair, node: &Node, words: &[&str]) -> Result<()> {
    let what = format!("{} shows {words:?}", node.name());
    let shown = || {
        let page = pair.cl_status(node, &["status"])?;
        Ok(page.lines().any(|line| words.iter().all(|word| line.contains(word))))
    };
    lab::wait_until(LIMIT, &what, shown).map(drop).map_err(|failure| pair.explain(failure))
}

#[test]
fn a_group_that_does_not_start_moves_once() -> Result<()> {
    let pair = with_groups("", &one_group())?;
    pair.alpha.write("/run/no-start", "")?;
    pair::start(&pair.alpha)?;
    pair::start(&pair.beta)?;
    pair.wait_placed(ALL_ON_BETA)?;
    pair.stays_placed(ALL_ON_BETA, SECOND * 8)?;
    let counts = (starts(&pair.alpha)?, starts(&pair.beta)?);
    check(counts == (1, 1) && works(&pair.beta)?, || format!("started {counts:?} times"))?;
    pair.never_two_holders()
}

#[test]
fn a_group_that_starts_nowhere_moves_once_and_stays_down() -> Result<()> {
    let pair = with_groups("", &one_group())?;
    for node in pair.nodes() {
        node.write("/run/no-start", "")?;
        pair::start(node)?;
    }
    wait_shown(&pair, &pair.beta, &["192.0.2.100", "failed"])?;
    let free = || Ok(pair.placement()? == [None, Some("beta")]);
    lab::wait_until(LIMIT, "alpha's group is stopped everywhere", free)?;
    lab::hold_for(SECOND * 8, "nobody tries it again", free).map_err(|failure| pair.explain(failure))?;
    let counts = (starts(&pair.alpha)?, starts(&pair.beta)?);
    check(counts == (1, 1), || format!("started {counts:?} times"))?;
    pair.never_two_holders()
}

#[test]
fn a_group_that_fails_beside_another_goes_with_it_and_is_tried_again_by_hand() -> Result<()> {
    let pair = with_groups("", &two_groups())?;
    for node in pair.nodes() {
        node.write("/run/no-start", "")?;
        pair::start(node)?;
    }
    pair.wait_placed(ALL_ON_BETA)?;
    wait_logged(&pair.alpha, &["not every group of the local resources could be started here"])?;
    wait_shown(&pair, &pair.beta, &["fickle", "failed on beta"])?;
    pair.stays_placed(ALL_ON_BETA, SECOND * 8)?;
    let counts = (starts(&pair.alpha)?, starts(&pair.beta)?);
    check(counts == (1, 1), || format!("started {counts:?} times"))?;
    pair.beta.sh("rm /run/no-start")?;
    let moved = pair.beta.output(&["hb_takeover", "--wait", "foreign"])?;
    check(moved.status.success() && works(&pair.beta)?, || programs::said(&moved))?;
    wait_shown(&pair, &pair.beta, &["fickle", "held"])?;
    pair.never_two_holders()
}

#[test]
fn a_group_that_does_not_stop_stays_and_is_told_of() -> Result<()> {
    let pair = with_groups(ONCE, &one_group())?;
    fencing::start(&pair)?;
    let daemon = pair.alpha.pids_of("heartbeatd")?;
    pair.alpha.write("/run/no-stop", "")?;
    let moved = pair.alpha.output(&["hb_standby", "--wait", "local"])?;
    let said = programs::said(&moved);
    check(!moved.status.success() && said.contains("could not be stopped"), || said)?;
    pair.wait_placed(AT_HOME)?;
    wait_logged(&pair.alpha, &["groups of alpha could not be stopped and may still run here"])?;
    pair.stays_placed(AT_HOME, SECOND * 3)?;
    check(pair.alpha.pids_of("heartbeatd")? == daemon, || "the daemon has been restarted".to_owned())?;
    pair.alpha.sh("rm /run/no-stop")?;
    pair.alpha.run(&["hb_standby", "local"])?;
    pair.wait_placed(ALL_ON_BETA)?;
    pair.never_two_holders()
}

#[test]
fn a_node_that_cannot_stop_a_group_is_reset_if_the_configuration_says_so() -> Result<()> {
    let pair = fencing::boot(
        "stonith_host * external/lab alpha beta\nenv STOPRETRYMAX=0 STOP_FAILURE=fence\n",
        "off",
    )?;
    prepare(&pair, &one_group())?;
    fencing::start(&pair)?;
    wait_logged(&pair.beta, &["stonith device external/lab works, and can reset alpha"])?;
    pair.alpha.write("/run/no-stop", "")?;
    pair.alpha.output(&["hb_standby", "local"])?;
    wait_logged(&pair.alpha, &["STOP_FAILURE=fence: node beta is asked to reset this node"])?;
    fencing::wait_requests(&pair.beta, 1)?;
    wait_shown(&pair, &pair.beta, &["waiting for fencing of alpha"])?;
    wait_shown(&pair, &pair.alpha, &["192.0.2.100", "failed on alpha"])?;
    check(!pair.beta.holds(ADDRESSES[0].into())?, || "beta does not wait for the device".to_owned())?;
    pair.alpha.power_off()?;
    pair.beta.write("/run/answer", "0\n")?;
    pair.wait_placed(ALL_ON_BETA)?;
    wait_logged(&pair.beta, &["could not stop its groups and asks to be reset", "node alpha now reset."])?;
    pair.stays_placed(ALL_ON_BETA, SECOND * 3)?;
    check(pair.beta.sh("cat /var/log/requests")?.lines().count() == 1, || "reset twice".to_owned())?;
    pair.never_two_holders()
}
