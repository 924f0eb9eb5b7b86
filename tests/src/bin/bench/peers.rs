//! The three programs: how a pair of each is configured, started, asked and told to hand over.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use lab::pair::{self, Files};
use lab::{Lab, Node, Result, Spec, old, wait_for, wait_until};

use crate::LIMIT;

/// The address that clients ask for; with more groups, the first one's.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
/// Of both keepalived nodes, but for one: the higher the priority, the shorter the skew before a take-over.
const PRIORITY: u32 = 254;
/// heartbeat 3.0.6 takes no shorter deadtime of its peer.
const OLD_DEADTIME: Duration = Duration::from_millis(100);

/// A program under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Heartbeatd,
    Heartbeat,
    Keepalived,
}

impl Program {
    pub(crate) const ALL: [Program; 3] = [Program::Heartbeatd, Program::Heartbeat, Program::Keepalived];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Program::Heartbeatd => "heartbeatd",
            Program::Heartbeat => "heartbeat",
            Program::Keepalived => "keepalived",
        }
    }

    /// Whether it can run with these timers.
    pub(crate) fn takes(self, timers: Timers) -> bool {
        self != Program::Heartbeat || timers.deadtime >= OLD_DEADTIME
    }
}

/// How fast a pair beats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers {
    pub(crate) keepalive: Duration,
    pub(crate) deadtime: Duration,
}

impl Timers {
    pub(crate) const fn new(keepalive: u64, deadtime: u64) -> Self {
        Self { keepalive: Duration::from_millis(keepalive), deadtime: Duration::from_millis(deadtime) }
    }

    /// keepalived's interval in hundredths of a second, whose triple comes nearest to the deadtime.
    fn advertisement(self) -> u32 {
        ((self.deadtime.as_millis() as u32 + 15) / 30).max(1)
    }
}

impl fmt::Display for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Timers { keepalive, deadtime } = self;
        write!(
            f,
            "keepalive {} ms, deadtime {} ms (keepalived: interval {} ms)",
            keepalive.as_millis(),
            deadtime.as_millis(),
            self.advertisement() * 10
        )
    }
}

/// Two nodes that run one program, and a client.
pub(crate) struct Pair {
    program: Program,
    pub(crate) timers: Timers,
    pub(crate) client: Node,
    nodes: [Node; 2],
    _lab: Lab,
}

impl Pair {
    /// Starts both nodes.
    pub(crate) fn start(program: Program, timers: Timers, groups: u8) -> Result<Self> {
        let mut lab = Lab::new()?;
        lab.switch("lan0")?;
        let mut node = |name: &str, number: u8| {
            lab.boot(Spec::new(name).link("eth0", "lan0", &[&format!("192.0.2.{number}/24")]))
        };
        let (nodes, client) = ([node("alpha", 1)?, node("beta", 2)?], node("client", 9)?);
        let pair = Self { program, timers, client, nodes, _lab: lab };
        for (node, priority) in pair.nodes.iter().zip([PRIORITY, PRIORITY - 1]) {
            heartbeat_files(timers, groups).install(node)?;
            node.write("/etc/ha.d/keepalived.conf", &keepalived_file(timers, groups, priority))?;
            pair.start_node(node)?;
        }
        Ok(pair)
    }

    pub(crate) fn start_node(&self, node: &Node) -> Result<()> {
        match self.program {
            Program::Heartbeatd => pair::start(node),
            Program::Heartbeat => old::start(node),
            Program::Keepalived => node
                .sh("keepalived -f /etc/ha.d/keepalived.conf -G -P --pid=/run/keepalived.pid \
                     --vrrp_pid=/run/vrrp.pid </dev/null >>/var/log/keepalived.log 2>&1")
                .map(drop),
        }
    }

    /// Waits until both nodes know each other and nothing moves; who holds the address, and the other one.
    pub(crate) fn at_rest(&self) -> Result<(&Node, &Node)> {
        let [alpha, beta] = &self.nodes;
        wait_until(LIMIT, "both nodes are at rest", || {
            Ok(self.rests(alpha, "beta")? && self.rests(beta, "alpha")?)
        })?;
        // what is repeated after a start or a move has been repeated
        std::thread::sleep(Duration::from_millis(1_500) + self.timers.deadtime * 2);
        wait_for(LIMIT, "one node holds the address", || {
            let holder = pair::holder(ADDRESS.into(), alpha, beta)?;
            Ok(holder.map(|holder| if holder.name() == "alpha" { (alpha, beta) } else { (beta, alpha) }))
        })
    }

    fn rests(&self, node: &Node, other: &str) -> Result<bool> {
        std::thread::sleep(Duration::from_millis(50)); // each question may be a process
        match self.program {
            Program::Heartbeatd => {
                Ok(pair::status(node)?.pointer("/resources/standby_refusal").is_none_or(|why| why.is_null()))
            }
            Program::Heartbeat => {
                let state = old::run(node, &format!("cl_status nodestatus {other} || true"))?;
                let holds = old::run(node, "cl_status rscstatus || true")?;
                Ok(state.trim() == "active" && ["local", "all", "none"].contains(&holds.trim()))
            }
            Program::Keepalived => Ok(node.pids_of("keepalived")?.len() == 2),
        }
    }

    /// Has a node give the address away as an administrator would.
    pub(crate) fn hand_over(&self, giver: &Node) -> Result<()> {
        match self.program {
            Program::Heartbeatd => {
                wait_for(LIMIT, "hb_standby is obeyed", || pair::standby(giver, "all").map(Some))
            }
            Program::Heartbeat => old::run(giver, "/usr/share/heartbeat/hb_standby all").map(drop),
            // it has no other way to give an address up than to stop
            Program::Keepalived => giver.sh("kill \"$(cat /run/keepalived.pid)\"").map(drop),
        }
    }

    /// Makes the giver ready for its next turn.
    pub(crate) fn after_hand_over(&self, giver: &Node) -> Result<()> {
        if self.program != Program::Keepalived {
            return Ok(());
        }
        wait_until(LIMIT, "keepalived has ended", || Ok(giver.pids_of("keepalived")?.is_empty()))?;
        self.start_node(giver)
    }

    /// How long after the last beat the other node may call its sender dead.
    pub(crate) fn detection(&self) -> Duration {
        match self.program {
            Program::Heartbeatd | Program::Heartbeat => self.timers.deadtime,
            // RFC 5798, 6.1: three intervals and the skew of the priority
            Program::Keepalived => {
                let interval = Duration::from_millis(u64::from(self.timers.advertisement()) * 10);
                interval * 3 + interval * (256 - PRIORITY) / 256
            }
        }
    }
}

fn heartbeat_files(timers: Timers, groups: u8) -> Files {
    let (keepalive, deadtime) = (timers.keepalive.as_millis(), timers.deadtime.as_millis());
    let addresses = (0..groups).map(|number| format!("alpha 192.0.2.{}/24/eth0\n", 100 + number));
    Files {
        ha_cf: format!(
            "logfacility none\nlogfile /var/log/ha-log\nuse_logd no\nkeepalive {keepalive}ms\nwarntime {}ms\ndeadtime {deadtime}ms\n\
             initdead {}ms\nudpport 694\nmcast eth0 225.0.0.1 694 1 0\nauto_failback off\ncrm off\nnode alpha\nnode beta\n",
            deadtime / 2,
            (deadtime * 2).max(1_000),
        ),
        authkeys: "auth 1\n1 sha1 a-key-for-the-lab\n".to_owned(),
        haresources: addresses.collect(),
        others: Vec::new(),
    }
}

fn keepalived_file(timers: Timers, groups: u8, priority: u32) -> String {
    let interval = f64::from(timers.advertisement()) / 100.0;
    let more: String =
        (1..groups).map(|number| format!("    192.0.2.{}/24 dev eth0\n", 100 + number)).collect();
    let more = match more.as_str() {
        "" => String::new(),
        list => format!("  virtual_ipaddress_excluded {{\n{list}  }}\n"),
    };
    format!(
        "global_defs {{\n  vrrp_version 3\n  vrrp_skip_check_adv_addr\n  vrrp_rt_priority 50\n}}\n\
         vrrp_instance pair {{\n  state BACKUP\n  nopreempt\n  interface eth0\n  virtual_router_id 51\n  \
         priority {priority}\n  advert_int {interval}\n  virtual_ipaddress {{\n    {ADDRESS}/24 dev eth0\n  }}\n{more}}}\n"
    )
}
