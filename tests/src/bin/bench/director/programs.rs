//! The three programs that check real servers: how each is configured, started, told of a changed file, and asked what it costs.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use lab::{Node, Result, programs};
use rustix::process::Signal;

use super::servers::Kind;

/// A program under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Directord,
    Ldirectord,
    Keepalived,
}

/// The first two real servers stand at ports of their own: to be closed, and to be refused by.
pub(crate) const VICTIM_PORTS: [u16; 2] = [81, 82];

/// The address of a real server.
pub(crate) fn server(number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 200, 0, 1).to_bits() + number as u32)
}

/// A farm that is checked.
#[derive(Clone, Debug)]
pub(crate) struct Farm {
    pub(crate) kind: Kind,
    pub(crate) servers: usize,
    pub(crate) per_service: usize,
    /// Seconds.
    pub(crate) interval: usize,
    pub(crate) log: String,
    /// The weight of the last server.
    pub(crate) last_weight: u32,
}

impl Farm {
    pub(crate) fn new(kind: Kind, servers: usize, per_service: usize) -> Self {
        let log = "/var/log/checks.log".to_owned();
        Self { kind, servers, per_service, interval: 1, log, last_weight: 1 }
    }

    /// Virtual services, each with its real servers: address, port, weight.
    fn services(&self) -> impl Iterator<Item = (Ipv4Addr, Vec<(Ipv4Addr, u16, u32)>)> {
        (0..self.servers).step_by(self.per_service).enumerate().map(|(number, first)| {
            let address = Ipv4Addr::from_bits(Ipv4Addr::new(10, 192, 0, 1).to_bits() + number as u32);
            let all = first..(first + self.per_service).min(self.servers);
            let servers = all.map(|number| {
                let port = VICTIM_PORTS.get(number).copied().unwrap_or(80);
                let weight = if number + 1 == self.servers { self.last_weight } else { 1 };
                (server(number), port, weight)
            });
            (address, servers.collect())
        })
    }

    fn ldirectord_cf(&self) -> String {
        let mut text = format!(
            "checkinterval={}\nchecktimeout=3\nnegotiatetimeout=3\nquiescent=yes\nautoreload=no\nlogfile=\"{}\"\n",
            self.interval, self.log
        );
        for (address, servers) in self.services() {
            let _ = writeln!(text, "virtual={address}:80");
            for (server, port, weight) in servers {
                let _ = writeln!(text, "\treal={server}:{port} masq {weight}");
            }
            let check = match self.kind {
                Kind::Tcp => "\tchecktype=connect\n",
                Kind::Http => "\tservice=http\n\tchecktype=negotiate\n\trequest=\"/\"\n\treceive=\"OK\"\n",
            };
            let _ = write!(text, "{check}\tscheduler=wlc\n\tprotocol=tcp\n");
        }
        text
    }

    fn keepalived_conf(&self) -> String {
        let mut text = "global_defs {\n  router_id bench\n}\n".to_owned();
        for (address, servers) in self.services() {
            let _ = writeln!(
                text,
                "virtual_server {address} 80 {{\n  delay_loop {}\n  lb_algo wlc\n  lb_kind NAT\n  protocol TCP",
                self.interval
            );
            for (server, port, weight) in servers {
                let rest = "connect_timeout 3\n      retry 0\n      delay_before_retry 1\n    }\n  }\n";
                let check = match self.kind {
                    Kind::Tcp => "TCP_CHECK {\n",
                    Kind::Http => {
                        "HTTP_GET {\n      url {\n        path /\n        status_code 200\n      }\n"
                    }
                };
                let _ = write!(
                    text,
                    "  real_server {server} {port} {{\n    weight {weight}\n    inhibit_on_failure\n    {check}      {rest}"
                );
            }
            text.push_str("}\n");
        }
        text
    }
}

impl Program {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Program::Directord => "directord",
            Program::Ldirectord => "ldirectord",
            Program::Keepalived => "keepalived",
        }
    }

    /// Writes the file that it reads.
    pub(crate) fn configure(self, node: &Node, farm: &Farm) -> Result<()> {
        match self {
            Program::Directord | Program::Ldirectord => {
                node.write("/etc/ha.d/ldirectord.cf", &farm.ldirectord_cf())
            }
            Program::Keepalived => node.write("/etc/ha.d/keepalived.conf", &farm.keepalived_conf()),
        }
    }

    pub(crate) fn start(self, node: &Node, farm: &Farm) -> Result<()> {
        self.configure(node, farm)?;
        let shim = programs::find("ipvs-shim.so")?;
        let command = match self {
            Program::Directord => "directord ldirectord.cf start >/dev/null 2>&1".to_owned(),
            Program::Ldirectord => "/usr/sbin/ldirectord ldirectord.cf start >/dev/null 2>&1".to_owned(),
            // with -n and -l it writes its log to standard output; -C is: checks, no VRRP
            Program::Keepalived => format!(
                "setsid keepalived -n -l -C -f /etc/ha.d/keepalived.conf --pid=/run/keepalived.pid \
                 --checkers_pid=/run/checkers.pid >>{} 2>/dev/null &",
                farm.log
            ),
        };
        node.sh(&format!("export LD_PRELOAD={}; exec </dev/null; {command}", shim.display())).map(drop)
    }

    /// Has it read its file again; returns when it has been told.
    pub(crate) fn reload(self, node: &Node) -> Result<()> {
        match self {
            Program::Directord => node.sh("directord ldirectord.cf reload").map(drop),
            Program::Ldirectord => node.sh("kill -HUP \"$(cat /run/ldirectord.ldirectord.pid)\"").map(drop),
            Program::Keepalived => node.sh("kill -HUP \"$(cat /run/keepalived.pid)\"").map(drop),
        }
    }

    /// Ends it and what it started at once.
    pub(crate) fn end(node: &Node) -> Result<()> {
        for pid in node.pids()? {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        lab::wait_until(super::LIMIT, "the program ends", || Ok(node.pids()?.is_empty())).map(drop)
    }
}
