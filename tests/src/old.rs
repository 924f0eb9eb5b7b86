//! heartbeat 3.0.6 as Debian ships it, in a node.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::failure::{Context, Result};
use crate::node::Node;

/// The old daemon and its tools, with nothing of ours in their path.
pub const OLD: &str = "env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin";

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

/// Give a node the scripts of the package, which stay when it is removed.
pub fn copy_scripts(node: &Node) -> Result<()> {
    copy_folder(Path::new("/etc/ha.d"), node)
}

fn copy_folder(folder: &Path, node: &Node) -> Result<()> {
    for entry in fs::read_dir(folder)
        .context(|| format!("{}: is the package heartbeat installed?", folder.display()))?
    {
        let path = entry?.path();
        let kind = fs::metadata(&path)?;
        if kind.is_dir() {
            copy_folder(&path, node)?;
        } else if !["ha.cf", "authkeys", "haresources"].iter().any(|file| path.ends_with(file)) {
            let name = path.display().to_string();
            node.sh(&format!("mkdir -p {}", folder.display()))?;
            node.write_mode(&name, &fs::read_to_string(&path)?, kind.permissions().mode())?;
        }
    }
    Ok(())
}
