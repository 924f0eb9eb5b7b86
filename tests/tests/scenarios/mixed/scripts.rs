//! Scripts of `rc.d` on a machine on which the old package's own are still installed, beside an old node.

use std::collections::BTreeMap;

use lab::check;

use super::*;
use crate::old::{check_old_log, copy_old_scripts};
use crate::world::wait_logged;

/// Writes down the environment that heartbeat gives it.
const RECORD: &str = "#!/bin/sh\n{ env | grep ^HA_; echo end; } >>/var/log/record-$1\n";

/// The variables of each run of a recording script.
fn runs(node: &Node, kind: &str) -> Result<Vec<BTreeMap<String, String>>> {
    let text = node.sh(&format!("cat /var/log/record-{kind} 2>/dev/null || true"))?;
    let whole = text.split_inclusive("end\n").filter(|run| run.ends_with("end\n"));
    let pairs = |run: &str| {
        let lines = run.lines().filter_map(|line| line.split_once('='));
        lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    Ok(whole.map(pairs).collect())
}

fn wait_runs(node: &Node, kind: &str, count: usize) -> Result<BTreeMap<String, String>> {
    let what = format!("rc.d/{kind} was run {count} times on {}", node.name());
    wait_until(PATIENCE, &what, || Ok(runs(node, kind)?.len() == count))?;
    Ok(runs(node, kind)?.pop().unwrap_or_default())
}

/// What the old node gives to a script and ours does not, or with another value.
fn differences(ours: &BTreeMap<String, String>, old: &BTreeMap<String, String>) -> Vec<String> {
    // how often something happened, and when; the old node's path has one / more; times are shown with a unit
    let same = |name: &str, value: &str| {
        let here = ours.get(name).map(|value| value.replace("//", "/"));
        let there = value.replace("//", "/");
        here.is_some_and(|here| here == there.trim_end_matches('/') || here == format!("{there}ms"))
    };
    // the signature inside the message, and what two of our nodes tell each other, are none of a script's business
    let theirs = old.iter().filter(|(name, _)| *name != "HA_auth" && !name.starts_with("HA_td"));
    let differ = theirs.filter(|(name, value)| !same(name, value));
    differ.map(|(name, value)| format!("{name}: {value:?}, not {:?}", ours.get(name))).collect()
}

fn scripts(ours: usize) -> Result<()> {
    let mixed = Mixed::boot(Case {
        story: "scripts",
        ours,
        new: true,
        failback: "off",
        media: Media::Bcast,
        key: SHA1,
    })?;
    for node in mixed.pair.nodes() {
        copy_old_scripts(node)?;
        for kind in ["backup-done", "ifstat"] {
            node.write_mode(&format!("/etc/ha.d/rc.d/{kind}"), RECORD, 0o755)?;
        }
    }
    mixed.start(1 - ours)?;
    mixed.start(ours)?;
    mixed.wait(AT_HOME, "cold start")?;
    let (new, aged) = (mixed.node(ours), mixed.node(1 - ours));
    let say = ". /etc/ha.d/shellfuncs; printf 't=backup-done\\nvolume=a b\\nst=full\\n' | ha_clustermsg";
    for (count, node) in [(1, aged), (2, new)] {
        node.sh(&format!("export HA_DIR=/etc/ha.d HA_FIFO=/var/lib/heartbeat/fifo; {say}"))?;
        let (here, there) = (wait_runs(new, "backup-done", count)?, wait_runs(aged, "backup-done", count)?);
        let wanted = [("HA_volume", "a b"), ("HA_st", "full"), ("HA_src", node.name())];
        for (name, value) in wanted {
            check(here.get(name).is_some_and(|is| is == value), || {
                format!("{name} is not {value}: {here:?}")
            })?;
        }
        let mut differ = differences(&here, &there);
        differ.retain(|line| !line.starts_with("HA_CURHOST: "));
        check(differ.is_empty(), || {
            format!("the old node's scripts get more: {differ:#?}\nours: {here:#?}")
        })?;
    }
    let (link, old_link) = (wait_runs(new, "ifstat", 1)?, runs(aged, "ifstat")?);
    let wanted = [("HA_node", aged.name()), ("HA_ifname", "eth0"), ("HA_st", "up")];
    check(wanted.iter().all(|(name, value)| link.get(*name).is_some_and(|is| is == value)), || {
        format!("the link, as scripts hear of it: {link:#?}")
    })?;
    check(!old_link.is_empty(), || "the old node's scripts heard of no link".to_owned())?;

    // The old package's own scripts would take the groups of a dead node a second time.
    check_old_log(aged)?;
    aged.power_off()?;
    mixed.wait(PLACES[ours], "power failure")?;
    wait_runs(new, "ifstat", 2)?;
    let log = wait_logged(new, &["/etc/ha.d/rc.d/status is not run: it calls mach_down"])?;
    for script in
        ["rc.d/status status", "rc.d/ip-request", "rc.d/ask_resources", "Taking over resource group"]
    {
        check(!log.contains(script), || format!("{script} was run: {log}"))?;
    }
    mixed.pair.never_two_holders()
}

#[test]
fn beside_the_old_packages_own_ours_first() -> Result<()> {
    scripts(0)
}

#[test]
fn beside_the_old_packages_own_ours_second() -> Result<()> {
    scripts(1)
}
