//! One node runs heartbeat 3.0.6 as Debian ships it, the other heartbeatd: how a pair is migrated.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use lab::pair;
use lab::{Context, Node, Result, check, wait_until};

use crate::world::{ALL_ON_ALPHA, ALL_ON_BETA, AT_HOME, LIMIT, Media, Options, Pair};

/// The old daemon and its tools, with nothing of ours in their path.
const OLD: &str = "env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin";

fn old(node: &Node, command: &str) -> Result<String> {
    node.sh(&format!("{OLD} {command} </dev/null 2>&1"))
}

/// Gives a node the scripts of Debian's package and starts its daemon.
fn start_old(node: &Node) -> Result<()> {
    copy_scripts(Path::new("/etc/ha.d"), node)?;
    node.sh("mkdir -p /run/heartbeat/ccm /run/heartbeat/crm /run/heartbeat/dopd /run/resource-agents \
         /var/lib/heartbeat/cores/root && chown hacluster:haclient /run/heartbeat /run/heartbeat/*")?;
    old(node, "/usr/libexec/heartbeat/heartbeat").map(drop)
}

fn copy_scripts(folder: &Path, node: &Node) -> Result<()> {
    for entry in fs::read_dir(folder)
        .context(|| format!("{}: is the package heartbeat installed?", folder.display()))?
    {
        let path = entry?.path();
        let kind = fs::metadata(&path)?;
        if kind.is_dir() {
            copy_scripts(&path, node)?;
        } else if !["ha.cf", "authkeys", "haresources"].iter().any(|file| path.ends_with(file)) {
            let name = path.display().to_string();
            node.sh(&format!("mkdir -p {}", folder.display()))?;
            node.write_mode(&name, &fs::read_to_string(&path)?, kind.permissions().mode())?;
        }
    }
    Ok(())
}

fn wait_old_says(node: &Node, wanted: &str) -> Result<()> {
    let what = format!("the old cl_status on {} says {wanted}", node.name());
    wait_until(LIMIT, &what, || Ok(old(node, "cl_status rscstatus || true")?.trim() == wanted)).map(drop)
}

/// Cold start, stand-by and take-over from either side, power failure and return of either, graceful stop.
fn migrate(ours: usize, media: Media) -> Result<()> {
    let pair = Pair::new(Options { media, deadtime: Duration::from_secs(3), ..Options::default() })?;
    let (new, aged) = (pair.nodes()[ours], pair.nodes()[1 - ours]);
    let (all_on_new, all_on_old) =
        if ours == 0 { (ALL_ON_ALPHA, ALL_ON_BETA) } else { (ALL_ON_BETA, ALL_ON_ALPHA) };
    start_old(aged)?;
    pair::start(new)?;
    pair.wait_placed(AT_HOME)?;
    wait_old_says(aged, "local")?;

    new.run(&["hb_standby", "all", "--wait"])?;
    pair.wait_placed(all_on_old)?;
    wait_old_says(aged, "all")?;
    new.run(&["hb_takeover", "local", "--wait"])?;
    pair.wait_placed(AT_HOME)?;
    wait_old_says(aged, "local")?;
    old(aged, "/usr/share/heartbeat/hb_standby local")?;
    pair.wait_placed(all_on_new)?;
    wait_old_says(aged, "none")?;
    old(aged, "/usr/share/heartbeat/hb_takeover local")?;
    pair.wait_placed(AT_HOME)?;
    wait_old_says(aged, "local")?;

    aged.power_off()?;
    pair.wait_placed(all_on_new)?;
    aged.power_on()?;
    start_old(aged)?;
    pair.wait_placed(AT_HOME)?;
    wait_old_says(aged, "local")?;

    new.power_off()?;
    pair.wait_placed(all_on_old)?;
    new.power_on()?;
    pair::start(new)?;
    pair.wait_placed(AT_HOME)?;
    wait_old_says(aged, "local")?;

    pair::stop(new)?;
    pair.wait_placed(all_on_old)?;
    let log = aged.sh("grep ERROR /var/log/ha-log || true")?;
    // a pair of old nodes complains about memory limits in a namespace, too
    let complaints: Vec<&str> =
        log.lines().filter(|line| !line.contains("lock ourselves into memory")).collect();
    check(complaints.is_empty(), || format!("the old node's log: {complaints:#?}"))
}

#[test]
fn the_first_node_of_a_pair_is_replaced() -> Result<()> {
    migrate(0, Media::Mcast)
}

#[test]
fn the_second_node_of_a_pair_is_replaced() -> Result<()> {
    migrate(1, Media::Bcast)
}
