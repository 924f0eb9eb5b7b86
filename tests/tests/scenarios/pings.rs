//! Ping nodes: hosts that only answer.

use lab::pair;
use lab::{Node, Result, check, wait_until};

use crate::old::old;
use crate::world::{ALL_ON_BETA, AT_HOME, LIMIT, Options, Pair, SECOND, wait_logged};

/// The client plays every host: on eth0 by address, by name and by IPv6, on eth1 as one of a group.
const HOSTS: &str = "deadping 1500ms\nping 192.0.2.9 gateway\nping6 2001:db8::9\nping_group routers 203.0.113.9 198.51.100.9\n";
const ON_ETH0: [&str; 3] = ["192.0.2.9", "gateway", "2001:db8::9"];

#[test]
fn ping_nodes_answer_are_cut_off_and_answer_again() -> Result<()> {
    let pair = Pair::new(Options { more: HOSTS, ..Options::default() })?;
    pair.alpha.sh("echo 192.0.2.9 gateway >>/etc/hosts")?;
    pair.beta.sh("echo 192.0.2.9 gateway >>/etc/hosts")?;
    pair::start(&pair.alpha)?;
    pair::start(&pair.beta)?;
    pair.wait_placed(AT_HOME)?;
    let said = |words: &[&str]| pair.cl_status(&pair.alpha, words);
    let all_are = |names: &[&str], status: &str| -> Result<()> {
        for name in names {
            pair.wait_status(&pair.alpha, name, status)?;
            pair.wait_status(&pair.beta, name, status)?;
        }
        Ok(())
    };
    all_are(&ON_ETH0, "ping")?;
    all_are(&["routers"], "ping")?;
    let listed = said(&["listnodes"])?;
    check(listed == "routers\n2001:db8::9\ngateway\n192.0.2.9\nbeta\nalpha", || listed.clone())?;
    check(said(&["listnodes", "-p"])?.lines().count() == 4, || "four ping nodes".to_owned())?;
    let blocks = said(&["listnodes", "-v"])?;
    check(blocks.contains("routers\tping\t(nodetype: ping)\n\trouters\tup"), || blocks.clone())?;
    check(said(&["nodetype", "gateway"])? == "ping", || "the type of a ping node".to_owned())?;
    check(said(&["listhblinks", "2001:db8::9"])? == "2001:db8::9", || "the link of a ping node".to_owned())?;
    let link = |name: &str, state: &str| -> Result<()> {
        let what = format!("the link to {name} is {state}");
        wait_until(LIMIT, &what, || Ok(said(&["hblinkstatus", name, name])? == state)).map(drop)
    };

    pair.client.cut("eth0")?;
    all_are(&ON_ETH0, "dead")?;
    link("gateway", "dead")?;
    check(said(&["nodestatus", "routers"])? == "ping", || "one of the group still answers".to_owned())?;
    pair.client.heal("eth0")?;
    all_are(&ON_ETH0, "ping")?;
    link("gateway", "up")?;

    pair.client.cut("eth1")?;
    all_are(&["routers"], "dead")?;
    pair.client.heal("eth1")?;
    all_are(&["routers"], "ping")?;
    pair.stays_placed(AT_HOME, pair.options.deadtime)
}

#[test]
fn a_reload_keeps_what_is_known_of_ping_nodes_that_stay() -> Result<()> {
    let pair = Pair::started(Options { more: "deadping 1500ms\nping 192.0.2.9\n", ..Options::default() })?;
    pair.wait_status(&pair.alpha, "192.0.2.9", "ping")?;
    pair.alpha.sh("echo ping_group routers 203.0.113.9 198.51.100.9 >>/etc/ha.d/ha.cf")?;
    pair.alpha.run(&["heartbeatd", "-r"])?;
    pair.wait_status(&pair.alpha, "routers", "ping")?;
    check(pair.cl_status(&pair.alpha, &["nodestatus", "192.0.2.9"])? == "ping", || "forgotten".to_owned())?;
    const UP: &str = "Status update for node 192.0.2.9: status ping";
    let log = wait_logged(&pair.alpha, &[UP])?;
    let up = log.matches(UP).count();
    check(up == 1, || format!("it became alive {up} times:\n{log}"))
}

/// Heartbeats on eth0, one host to reach on eth1.
pub(crate) const IPFAIL: &str =
    "deadping 1500ms\nping 198.51.100.9\nrespawn hacluster /usr/libexec/heartbeat/ipfail\n";

/// Alpha loses the host that beta reaches, and finds it again; then both lose it.
pub(crate) fn follow_the_ping_node(pair: &Pair) -> Result<()> {
    pair.alpha.cut("eth1")?;
    pair.wait_placed(ALL_ON_BETA)?;
    pair.alpha.heal("eth1")?;
    pair.wait_placed(AT_HOME)?;
    pair.client.cut("eth1")?;
    pair.stays_placed(AT_HOME, pair.options.deadtime.max(SECOND * 2) * 3)?;
    pair.client.heal("eth1")?;
    pair.stays_placed(AT_HOME, SECOND * 2)
}

/// Alpha is started without the host that beta reaches: its groups return when it reaches the host, not before.
pub(crate) fn return_when_the_host_is_reached(
    pair: &Pair,
    start: impl Fn(&Node) -> Result<()>,
) -> Result<()> {
    pair.wait_placed(ALL_ON_BETA)?;
    pair.alpha.cut("eth1")?;
    start(&pair.alpha)?;
    let ask = "cl_status nodestatus alpha || true";
    let is_there = || Ok(pair.beta.sh(ask)?.trim() == "active" || old(&pair.beta, ask)?.trim() == "active");
    wait_until(LIMIT, "alpha is active", is_there)?;
    // an old node's offer stands for 10 s
    pair.stays_placed(ALL_ON_BETA, SECOND * 12)?;
    pair.alpha.heal("eth1")?;
    pair.wait_placed(AT_HOME)?;
    pair.never_two_holders()
}

#[test]
fn a_node_that_returns_without_the_ping_node_gets_its_groups_later() -> Result<()> {
    let pair = Pair::started(Options { more: IPFAIL, ..Options::default() })?;
    pair.wait_status(&pair.beta, "198.51.100.9", "ping")?;
    for node in ["alpha", "beta"] {
        let said = pair.cl_status(&pair.alpha, &["clientstatus", node, "ipfail"])?;
        check(said == "online", || format!("ipfail on {node}: {said}"))?;
    }
    pair::stop(&pair.alpha)?;
    let said = pair.beta.output(&["cl_status", "clientstatus", "alpha", "ipfail"])?;
    check(said.status.code() == Some(1) && said.stdout == b"offline\n", || format!("{said:?}"))?;
    return_when_the_host_is_reached(&pair, pair::start)
}

#[test]
fn with_ipfail_the_groups_go_where_more_ping_nodes_are_reached() -> Result<()> {
    let pair = Pair::started(Options { more: IPFAIL, ..Options::default() })?;
    for node in pair.nodes() {
        pair.wait_status(node, "198.51.100.9", "ping")?;
    }
    follow_the_ping_node(&pair)
}
