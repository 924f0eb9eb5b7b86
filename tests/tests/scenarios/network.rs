//! Cables that are cut, and neighbours with the wrong key.

use lab::pair;
use lab::{Moment, Result, check, wait_until};

use crate::world::{
    ADDRESSES, ALL_ON_ALPHA, AT_HOME, LIMIT, Media, Options, Pair, SECOND, wait_log, wait_logged,
};

/// Both hold everything while they cannot hear each other; afterwards one does, says so again, and the other has let go.
fn partition(media: Media) -> Result<()> {
    let pair = Pair::started(Options { media, ..Options::default() })?;
    pair.alpha.cut_all()?;
    let both = || -> Result<bool> {
        let mut held =
            pair.nodes().into_iter().flat_map(|node| ADDRESSES.map(|address| node.holds(address.into())));
        held.try_fold(true, |all, one| Ok(all && one?))
    };
    wait_until(LIMIT, "each holds everything while it is alone", both)?;
    let seen = || Ok(pair.holding.longest_overlap(&ADDRESSES).is_some());
    wait_until(LIMIT, "the watcher sees two holders", seen)?;
    let healed = pair.alpha.heal_all()?;
    pair.wait_placed(AT_HOME)?;
    pair.wait_announced(ADDRESSES[0], &pair.alpha, healed)?;
    pair.wait_announced(ADDRESSES[1], &pair.beta, healed)?;
    pair.stays_placed(AT_HOME, pair.options.deadtime * 2)
}

#[test]
fn partition_and_heal_by_multicast() -> Result<()> {
    partition(Media::Mcast)
}

#[test]
fn partition_and_heal_by_broadcast() -> Result<()> {
    partition(Media::Bcast)
}

#[test]
fn partition_and_heal_by_unicast() -> Result<()> {
    partition(Media::Ucast)
}

#[test]
fn partition_and_heal_by_multicast_of_ipv6() -> Result<()> {
    partition(Media::Mcast6)
}

#[test]
fn partition_and_heal_by_unicast_of_ipv6() -> Result<()> {
    partition(Media::Ucast6)
}

#[test]
fn one_of_two_links_is_enough() -> Result<()> {
    let pair = Pair::started(Options { media: Media::Two, ..Options::default() })?;
    let link = |name: &str, state: &str| -> Result<()> {
        let what = format!("alpha says that the link {name} to beta is {state}");
        let said = || Ok(pair.cl_status(&pair.alpha, &["hblinkstatus", "beta", name])? == state);
        wait_until(LIMIT, &what, said).map(drop)
    };
    for interface in ["eth1", "eth0"] {
        link(interface, "up")?;
        pair.beta.cut(interface)?;
        link(interface, "dead")?;
        pair.stays_placed(AT_HOME, pair.options.deadtime * 3)?;
        pair.beta.heal(interface)?;
        link(interface, "up")?;
    }
    pair.beta.unplug("eth1")?;
    link("eth1", "dead")?;
    // whose cable it is
    let own = |words: &str, there: bool| {
        let shown = || Ok(pair.cl_status(&pair.beta, &["status"])?.contains(words) == there);
        wait_until(LIMIT, &format!("beta shows, or does not: {words}"), shown)
    };
    let words = "\n      eth1: eth1 has no carrier: look at the cable";
    own(words, true)?;
    own("not heard on eth1: nothing is sent or received here: eth1 has no carrier", true)?;
    check(pair.cl_status(&pair.beta, &["hblinkstatus", "beta", "eth1"])? == "dead", || {
        "beta's own link".to_owned()
    })?;
    pair.stays_placed(AT_HOME, pair.options.deadtime * 3)?;
    pair.beta.plug("eth1")?;
    link("eth1", "up")?;
    own(words, false)?;
    // A line more, in front of the others: what was there before is no news.
    let heard = || Ok(pair.cl_status(&pair.beta, &["hblinkstatus", "alpha", "eth1"])? == "up");
    wait_until(LIMIT, "beta hears alpha again on eth1", heard)?;
    let text = pair.beta.read("/etc/ha.d/ha.cf")?;
    pair.beta.write("/etc/ha.d/ha.cf", &format!("mcast lo 239.255.0.9 694 1 0\n{text}"))?;
    let said = pair.beta.run(&["heartbeatd", "-r"])?;
    check(said.contains("new: timers, links and failback, media"), || said.clone())?;
    pair.stays_placed(AT_HOME, pair.options.deadtime * 3)?;
    let log = wait_logged(&pair.beta, &["configuration read again", "mcast lo 239.255.0.9"])?;
    let since = log.split_once("mcast lo 239.255.0.9").map(|(_, since)| since).unwrap_or_default();
    check(since.matches(": open").count() == 1, || format!("what was open is no news: {since}"))?;
    for interface in ["lo", "eth0", "eth1"] {
        let [up, dead] =
            ["up", "dead"].map(|state| since.matches(&format!("Link alpha:{interface} {state}.")).count());
        check(up <= dead, || format!("{interface} has not come up: {since}"))?;
    }
    pair.stays_placed(AT_HOME, pair.options.deadtime)
}

#[test]
fn a_neighbour_with_another_key_is_not_heard_and_said_so() -> Result<()> {
    let pair = Pair::new(Options::default())?;
    pair::start(&pair.alpha)?;
    pair.wait_placed(ALL_ON_ALPHA)?;
    pair.beta.write_mode("/etc/ha.d/authkeys", "auth 1\n1 sha1 another-key\n", 0o600)?;
    let begin = Moment::now();
    pair::start(&pair.beta)?;
    wait_until(
        LIMIT,
        "alpha refuses beta's packets and counts them",
        || Ok(pair.dropped(&pair.alpha)? > 10),
    )?;
    wait_until(LIMIT, "beta, which hears nobody, takes the addresses", || {
        pair.beta.holds(ADDRESSES[1].into())
    })?;
    check(begin.elapsed() >= pair.options.deadtime * 2, || "beta did not wait for initdead".to_owned())?;
    // At its initdead beta says why it is alone; alpha, which had found nobody, says it within a minute.
    let why = "packets with a wrong key: key 1 (sha1) differs between the authkeys of the nodes";
    pair.wait_why(&pair.beta, "alpha", why)?;
    pair.wait_why(&pair.alpha, "beta", why)?;
    wait_logged(&pair.beta, &["node alpha is not heard on eth0: ", why])?;
    // nothing came before beta was there
    wait_logged(&pair.alpha, &["not heard on eth0: nothing arrives"])?;

    // The key is put right and the files are read again: one holder of each.
    pair.beta.write_mode("/etc/ha.d/authkeys", &pair.alpha.read("/etc/ha.d/authkeys")?, 0o600)?;
    pair.beta.run(&["heartbeatd", "-r"])?;
    pair.wait_placed(AT_HOME)?;
    for node in pair.nodes() {
        let page = node.run(&["cl_status", "status"])?;
        check(!page.contains("\n      not heard on"), || {
            format!("{} still has a reason:\n{page}", node.name())
        })?;
    }
    pair.stays_placed(AT_HOME, pair.options.deadtime * 2)
}

#[test]
fn another_cluster_on_the_same_port_is_named_as_the_reason() -> Result<()> {
    let pair = Pair::new(Options::default())?;
    let ha_cf = pair.beta.read("/etc/ha.d/ha.cf")?;
    pair.beta.write("/etc/ha.d/ha.cf", &ha_cf.replace("node alpha", "node delta"))?;
    pair.beta.write("/etc/ha.d/nodeinfo", "delta\n")?;
    pair.beta.write("/etc/ha.d/haresources", "")?;
    pair::start(&pair.beta)?;
    let why = "packets of node [delta], which is not in ha.cf (another cluster on this port?)";
    pair::start(&pair.alpha)?;
    pair.wait_why(&pair.alpha, "beta", why)?;
    wait_until(LIMIT, "alpha, which hears no node of its own cluster, takes the addresses", || {
        Ok(pair.alpha.holds(ADDRESSES[0].into())? && pair.alpha.holds(ADDRESSES[1].into())?)
    })?;
    wait_logged(&pair.alpha, &["node beta is not heard on eth0: ", why]).map(drop)
}

/// The key is changed step by step on a running pair, one node after the other: no beat is refused or lost.
#[test]
fn a_key_is_changed_without_a_gap() -> Result<()> {
    let pair = Pair::started(Options { deadtime: SECOND * 5, ..Options::default() })?;
    let (old, new) = ("1 sha1 a-key-for-the-lab\n", "2 sha256 another-key-for-the-lab\n");
    for text in [format!("auth 1\n{old}{new}"), format!("auth 2\n{old}{new}"), format!("auth 2\n{new}")] {
        for node in pair.nodes() {
            node.write_mode("/etc/ha.d/authkeys", &text, 0o600)?;
            node.run(&["heartbeatd", "-r"])?;
            pair.stays_placed(AT_HOME, SECOND)?;
        }
    }
    for node in pair.nodes() {
        check(pair.dropped(node)? == 0, || format!("{} has refused packets", node.name()))?;
        let log =
            wait_log(node, "the keys were read three times", |log| log.matches("new: keys").count() == 3)?;
        check(!log.contains("is dead (nothing heard"), || format!("{} lost its peer:\n{log}", node.name()))?;
    }
    Ok(())
}
