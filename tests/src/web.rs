//! Web servers: nginx of Debian in a node, each page saying who it is.

use std::time::Duration;

use crate::failure::Result;
use crate::moment::wait_until;
use crate::node::Node;
use crate::programs;

const NGINX: &str = "/usr/sbin/nginx -c /run/nginx.conf";

/// A configuration that answers every path with the server's name, and nothing of nginx's own.
fn configuration(name: &str, listen: &str) -> String {
    format!(
        "user www-data;\nworker_processes 1;\npid /run/nginx.pid;\nerror_log /var/log/nginx-error.log;\n\
         events {{ worker_connections 512; }}\nhttp {{\n  access_log off;\n  default_type text/plain;\n  server_tokens off;\n  \
         server {{\n    listen {listen};\n    return 200 \"{name}\\n\";\n  }}\n}}\n"
    )
}

/// A boot line for a node with a web server.
pub fn boot_line(name: &str, listen: &str) -> Result<String> {
    programs::machine("nginx")?;
    let text = configuration(name, listen);
    // With descriptors of its own it holds nobody's pipe open.
    Ok(format!("cat >/run/nginx.conf <<'END'\n{text}END\n{NGINX} </dev/null >/dev/null 2>&1"))
}

/// Start a web server in a node; it listens at `listen` (an address and port, or a port) when this returns.
pub fn start(node: &Node, name: &str, listen: &str) -> Result<()> {
    node.sh(&boot_line(name, listen)?).map(drop)
}

/// Start it again after [`stop`].
pub fn restart(node: &Node) -> Result<()> {
    node.sh(&format!("{NGINX} </dev/null >/dev/null 2>&1")).map(drop)
}

/// Stop it at once; the port is closed when this returns.
pub fn stop(node: &Node) -> Result<()> {
    node.sh(&format!("{NGINX} -s stop"))?;
    wait_until(Duration::from_secs(10), "nginx ends", || Ok(node.pids_of("nginx:")?.is_empty())).map(drop)
}

/// The commands that make a node a real server by direct routing: it accepts packets for `address`, and answers no ARP for it.
pub fn direct_routing(address: &str) -> String {
    format!("sysctl -qw net.ipv4.conf.all.rp_filter=0 && ha-resources realserver {address}")
}
