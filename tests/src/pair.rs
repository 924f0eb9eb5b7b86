//! Two heartbeat nodes: their files, and the words an administrator says to them.

use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::time::Duration;

use crate::failure::{Context, Result, fail};
use crate::moment::{Moment, wait_for, wait_until};
use crate::node::Node;

/// The configuration that both nodes of a pair have, byte for byte.
#[derive(Clone, Debug)]
pub struct Files {
    /// `/etc/ha.d/ha.cf`
    pub ha_cf: String,
    /// `/etc/ha.d/authkeys`, which only root may read
    pub authkeys: String,
    /// `/etc/ha.d/haresources`
    pub haresources: String,
    /// More files in `/etc/ha.d`: name and text.
    pub others: Vec<(String, String)>,
}

impl Files {
    /// Put them in a node.
    pub fn install(&self, node: &Node) -> Result<()> {
        node.write("/etc/ha.d/ha.cf", &self.ha_cf)?;
        node.write_mode("/etc/ha.d/authkeys", &self.authkeys, 0o600)?;
        node.write("/etc/ha.d/haresources", &self.haresources)?;
        self.others.iter().try_for_each(|(name, text)| node.write(&format!("/etc/ha.d/{name}"), text))
    }
}

/// The shell line that starts heartbeat: it goes to the background when it runs.
pub const START: &str =
    "heartbeatd </dev/null >>/var/log/heartbeatd.out 2>&1 || { cat /var/log/heartbeatd.out; exit 1; }";

/// Start heartbeat in a node; it runs when this returns.
pub fn start(node: &Node) -> Result<()> {
    node.sh(START).map(drop)
}

/// Stop it as an administrator does; when this returns it has released everything and is gone.
pub fn stop(node: &Node) -> Result<()> {
    node.run(&["heartbeatd", "-k"])?;
    wait_until(Duration::from_secs(10), "heartbeatd ends after -k", || {
        Ok(node.pids_of("heartbeatd")?.is_empty())
    })
    .map(drop)
}

/// What `cl_status rscstatus` says: `none`, `local`, `foreign`, `all` or `transition`.
pub fn resources(node: &Node) -> Result<String> {
    node.run(&["cl_status", "rscstatus"]).map(|text| text.trim().to_owned())
}

/// Everything the daemon says about itself, asked over its control socket.
pub fn status(node: &Node) -> Result<serde_json::Value> {
    let mut socket = node.connect("/run/heartbeat/heartbeatd.sock")?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    socket.write_all(b"{\"request\":\"status\"}\n")?;
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line)?;
    serde_json::from_str(&line).context(|| line)
}

/// Hand resources over: `all`, `local`, `foreign` or `failback`.
pub fn standby(node: &Node, what: &str) -> Result<()> {
    node.run(&["hb_standby", what]).map(drop)
}

/// Take resources: `all`, `local`, `foreign` or `failback`.
pub fn takeover(node: &Node, what: &str) -> Result<()> {
    node.run(&["hb_takeover", what]).map(drop)
}

/// Which of two nodes holds an address.
pub fn holder<'a>(address: IpAddr, one: &'a Node, two: &'a Node) -> Result<Option<&'a Node>> {
    match (one.holds(address)?, two.holds(address)?) {
        (true, true) => fail(format!("both {} and {} hold {address}", one.name(), two.name())),
        (true, false) => Ok(Some(one)),
        (false, true) => Ok(Some(two)),
        (false, false) => Ok(None),
    }
}

/// Wait until `node`, and not `other`, holds an address.
pub fn wait_holder(address: IpAddr, node: &Node, other: &Node, limit: Duration) -> Result<Moment> {
    let what = format!("{} holds {address}, and {} does not", node.name(), other.name());
    wait_for(limit, &what, || match holder(address, node, other)? {
        Some(found) if found.name() == node.name() => Ok(Some(Moment::now())),
        Some(found) => fail(format!("{} holds it", found.name())),
        None => fail("nobody holds it"),
    })
}
