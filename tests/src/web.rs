//! Web servers: nginx of Debian in a node, each page saying who it is.

use crate::failure::Result;
use crate::node::Node;
use crate::programs;

/// A configuration that answers every path with the server's name, and nothing of nginx's own.
fn configuration(name: &str, listen: &str) -> String {
    format!(
        "user www-data;\nworker_processes 1;\npid /run/nginx.pid;\nerror_log /var/log/nginx-error.log;\n\
         events {{ worker_connections 512; }}\nhttp {{\n  access_log off;\n  default_type text/plain;\n  server_tokens off;\n  \
         server {{\n    listen {listen};\n    return 200 \"{name}\\n\";\n  }}\n}}\n"
    )
}

/// Start nginx in a node; it listens at `listen` (an address and port, or a port) when this returns.
pub fn start(node: &Node, name: &str, listen: &str) -> Result<()> {
    node.write("/run/nginx.conf", &configuration(name, listen))?;
    let program = programs::machine("nginx")?.display().to_string();
    node.run(&[&program, "-c", "/run/nginx.conf"]).map(drop)
}

/// Stop it at once: the port is closed when this returns.
pub fn stop(node: &Node) -> Result<()> {
    let program = programs::machine("nginx")?.display().to_string();
    node.run(&[&program, "-c", "/run/nginx.conf", "-s", "stop"])?;
    let gone = || Ok(node.pids_of("nginx:")?.is_empty());
    crate::moment::wait_until(std::time::Duration::from_secs(10), "nginx ends", gone).map(drop)
}

/// The commands that make a node a real server by direct routing: it accepts packets for `address`, and answers no ARP for it.
pub fn direct_routing(address: &str) -> String {
    format!(
        "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 net.ipv4.conf.all.rp_filter=0 && \
         ip address add {address}/32 dev lo"
    )
}
