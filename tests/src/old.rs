//! heartbeat 3.0.6 as Debian ships it, in a node.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::failure::{Context, Result};
use crate::moment::wait_for;
use crate::node::Node;

/// The old daemon and its tools, with nothing of ours in their path.
pub const OLD: &str = "env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin";

/// Between two questions to the old daemon: each is a process, and several pairs share the machine.
pub const LOOK: Duration = Duration::from_millis(200);
/// What of `/etc/ha.d` is the administrator's: a node has its own.
const CONFIGURATION: [&str; 4] = ["ha.cf", "authkeys", "haresources", "ldirectord.cf"];
/// How often something is said to an old daemon that ignores or loses it.
const TRIES: usize = 5;

/// Run one of its programs; what it said.
pub fn run(node: &Node, command: &str) -> Result<String> {
    node.sh(&format!("{OLD} {command} </dev/null 2>&1"))
}

/// Give a node the scripts of the package and start the daemon.
pub fn start(node: &Node) -> Result<()> {
    copy_scripts(node)?;
    node.sh("mkdir -p /run/heartbeat/ccm /run/heartbeat/crm /run/heartbeat/dopd /run/resource-agents \
         /var/lib/heartbeat/cores/root && chown hacluster:haclient /run/heartbeat /run/heartbeat/*")?;
    run(node, "/usr/libexec/heartbeat/heartbeat").map(drop)
}

/// Stops its daemon in order; returns when it has ended.
pub fn stop(node: &Node) -> Result<()> {
    run(node, "/usr/libexec/heartbeat/heartbeat -k").map(drop)
}

/// Whether its daemon runs.
pub fn runs(node: &Node) -> Result<bool> {
    Ok(node.pid().is_some() && run(node, "cl_status hbstatus || true")?.contains("is running"))
}

/// How many words of its own scripts its daemon has lost: what `ha_clustermsg` writes in several pieces on a busy machine is
/// read as several messages, the first of them empty.
pub fn words_lost(node: &Node) -> Result<usize> {
    Ok(node.read("/var/log/ha-log")?.matches("Message with zero fields").count())
}

/// How many requests of its own tools its daemon has ignored, because something was under way.
pub fn words_ignored(node: &Node) -> Result<usize> {
    let ignored = format!("from {} ignored", node.name());
    Ok(node.read("/var/log/ha-log")?.matches(&ignored).count())
}

/// Asks its daemon for its own group, as it does itself when it takes part.
fn request_group(node: &Node, key: &str) -> Result<()> {
    let name = node.name();
    let words = format!("HA_CURHOST={name} HA_NICEFAILBACK=yes /usr/share/heartbeat/req_resource {key}");
    run(node, &words).map(drop)
}

/// Asks its daemon again for its own group if it has lost words since the last time; `lost` counts them.
pub fn request_if_lost(node: &Node, key: &str, lost: &Cell<usize>) -> Result<()> {
    let now = words_lost(node)?;
    if lost.replace(now) < now { request_group(node, key) } else { Ok(()) }
}

/// Says something with a node's own tool until it is `done`: see [`until_heard`].
pub fn say(node: &Node, words: &str, limit: Duration, done: impl Fn() -> Result<bool>) -> Result<()> {
    let tool = || run(node, &format!("/usr/share/heartbeat/{words}")).map(drop);
    until_heard(&[node], &format!("{words} on {}", node.name()), limit, tool, done)
}

/// Does `act` until it is `done`. What one of these old nodes is told may be ignored while the last move is being finished, or
/// lost; its log tells, and then it is done again.
pub fn until_heard(
    nodes: &[&Node],
    what: &str,
    limit: Duration,
    act: impl Fn() -> Result<()>,
    done: impl Fn() -> Result<bool>,
) -> Result<()> {
    let not_heard =
        || -> Result<usize> { nodes.iter().map(|node| Ok(words_lost(node)? + words_ignored(node)?)).sum() };
    for _ in 0..TRIES {
        let before = not_heard()?;
        act()?;
        let heard = wait_for(limit, what, || {
            if done()? {
                return Ok(Some(true));
            }
            sleep(LOOK);
            Ok((not_heard()? > before).then_some(false))
        });
        if heard? {
            break;
        }
    }
    Ok(())
}

/// Give a node the scripts of the package, which stay when it is removed.
pub fn copy_scripts(node: &Node) -> Result<()> {
    copy_folder(Path::new("/etc/ha.d"), node)
}

fn copy_folder(folder: &Path, node: &Node) -> Result<()> {
    for entry in fs::read_dir(folder)
        .context(|| format!("{}: is the package heartbeat installed?", folder.display()))?
    {
        let path = entry?.path();
        let kind = fs::symlink_metadata(&path)?;
        if kind.is_dir() {
            copy_folder(&path, node)?;
        } else if kind.is_symlink() {
            // It leads to whatever program the node has there.
            let (name, target) = (path.display(), fs::read_link(&path)?);
            node.sh(&format!("mkdir -p {} && ln -sfn {} {name}", folder.display(), target.display()))?;
        } else if !CONFIGURATION.iter().any(|file| path.ends_with(file)) {
            node.write_mode(
                &path.display().to_string(),
                &fs::read_to_string(&path)?,
                kind.permissions().mode(),
            )?;
        }
    }
    Ok(())
}
