//! What happens to addresses while nobody moves anything: somebody removes one, another machine has it, an earlier life left it.

use lab::{Moment, Node, Result, check, pair, wait_until};
use rustix::process::Signal;

use crate::world::{
    ADDRESSES, ALL_ON_ALPHA, ALL_ON_BETA, AT_HOME, LIMIT, Options, Pair, SECOND, wait_logged,
};

/// Adds an address with this suite's mark, of which the node's own daemon and its runs know nothing.
fn add_marked(node: &Node, address: &str) -> Result<()> {
    node.write("/tmp/elsewhere/haresources", &format!("alpha {address}\n"))?;
    node.sh("ha-resources --config-dir /tmp/elsewhere --run-dir /tmp/elsewhere/run takenode alpha").map(drop)
}

#[test]
fn an_address_that_somebody_removes_comes_back_and_is_announced() -> Result<()> {
    let pair = Pair::started(Options::default())?;
    for (node, address) in pair.nodes().into_iter().zip(ADDRESSES) {
        pair.stays_placed(AT_HOME, SECOND)?; // the burst of the take is over
        let removed = Moment::now();
        node.sh(&format!("ip address del {address}/24 dev eth0"))?;
        pair.wait_placed(AT_HOME)?;
        pair.wait_announced(address, node, removed)?;
        let told = format!("{address} was removed by somebody although its group is held here: put back");
        wait_logged(node, &[&told])?;
        let says = || Ok(pair.cl_status(node, &["status"])?.contains(&told));
        wait_until(LIMIT, "cl_status says so too", says)?;
    }
    // what is given away is not what somebody has removed
    pair::standby(&pair.alpha, "all")?;
    pair.wait_placed(ALL_ON_BETA)?;
    pair.stays_placed(ALL_ON_BETA, SECOND)?;
    pair.never_two_holders()
}

/// A real server that answers for the address, or a second cluster: it says nothing by itself.
#[test]
fn another_machine_with_the_address_is_told_with_its_mac() -> Result<()> {
    let pair = Pair::started(Options { more: "env ANNOUNCE_REFRESH=0.5\n", ..Options::default() })?;
    let mac = pair.client.mac("eth0")?;
    pair.client.sh(&format!("ip address add {}/32 dev eth0", ADDRESSES[0]))?;
    let told = format!("address conflict: {mac} on eth0 claims {}", ADDRESSES[0]);
    wait_logged(&pair.alpha, &[&told])?;
    let says = || Ok(pair.cl_status(&pair.alpha, &["status"])?.contains(&told));
    wait_until(LIMIT, "cl_status says so too", says)?;
    let status = pair.status(&pair.alpha)?;
    let counted = status.pointer("/counters/address_conflicts").and_then(serde_json::Value::as_u64);
    check(counted.is_some_and(|count| count > 0), || format!("no conflict is counted: {status}"))?;
    let log = pair.beta.read("/var/log/ha-log")?;
    check(!log.contains("address conflict"), || format!("beta does not hold it: {log}"))
}

#[test]
fn what_a_killed_life_has_left_is_removed_at_the_start() -> Result<()> {
    let pair = Pair::started(Options { failback: "off", ..Options::default() })?;
    let beaten = || Ok(pair.alpha.read("/run/heartbeat/beaten").is_ok_and(|text| text.ends_with('\n')));
    wait_until(LIMIT, "alpha notes its beats", beaten)?;
    // everything at once, the guard first: nobody is left to let go
    pair.alpha.signal("ha-resources", Signal::KILL)?;
    pair.alpha.signal("heartbeatd", Signal::KILL)?;
    pair.alpha.signal("ha-resources", Signal::KILL)?; // a guard that was started meanwhile
    let taken = || pair.beta.holds(ADDRESSES[0].into());
    wait_until(LIMIT, "beta has taken alpha's address", taken)?;
    check(pair.alpha.holds(ADDRESSES[0].into())?, || "alpha has let go by itself".to_owned())?;
    // and one that no group names any more
    add_marked(&pair.alpha, "192.0.2.150/24/eth0")?;
    pair::start(&pair.alpha)?;
    check(!pair.alpha.holds(ADDRESSES[0].into())?, || "it is still there after the start".to_owned())?;
    pair.wait_placed(ALL_ON_BETA)?;
    pair.stays_placed(ALL_ON_BETA, SECOND)?;
    let told = format!("left here by an earlier life of this node: {}/24/eth0", ADDRESSES[0]);
    wait_logged(&pair.alpha, &[&told, "192.0.2.150 was left here by an earlier life of this node: removed"])?;
    pair::stop(&pair.beta)?;
    pair.wait_placed(ALL_ON_ALPHA).map(drop)
}

/// An address of a group that the other node holds: one that an administrator adds is told of and stays.
#[test]
fn an_address_that_somebody_adds_is_told_and_only_ours_is_removed() -> Result<()> {
    let pair = Pair::started(Options::default())?;
    pair.alpha.sh(&format!("ip address add {}/24 dev eth0", ADDRESSES[1]))?;
    wait_logged(&pair.alpha, &[&format!("{} is on eth0 although its group is not held here", ADDRESSES[1])])?;
    check(pair.alpha.holds(ADDRESSES[1].into())?, || "it was removed".to_owned())?;
    pair.alpha.sh(&format!("ip address del {}/24 dev eth0", ADDRESSES[1]))?;
    add_marked(&pair.alpha, &format!("{}/24/eth0", ADDRESSES[1]))?;
    pair.wait_placed(AT_HOME)?;
    wait_logged(
        &pair.alpha,
        &["with this suite's mark (proto 84) although its group is not held here: removed"],
    )
    .map(drop)
}
