//! What the three files together say: plain data, comparable, without spans.

use crate::wire::Keys;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

/// A valid configuration of this node. Two equal plans need no reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// This node's name, lower case.
    pub node: String,
    /// All nodes in the order of the file, lower case, this one included.
    pub nodes: Vec<String>,
    /// The timers.
    pub timing: Timing,
    /// The heartbeat media, in the order of the file; never empty.
    pub media: Vec<Medium>,
    /// `ping`, `ping6` and `ping_group`: nodes that only answer. Each is one node for the `ttl` field.
    pub pings: Vec<PingNode>,
    /// `respawn` and `failfast`: programs that live with the daemon, in the order of the file.
    pub respawns: Vec<Respawn>,
    /// A `respawn` line names `ipfail`, which is built in: the node that reaches fewer ping nodes gives its groups away.
    pub ipfail: bool,
    /// `stonith` and `stonith_host`: how this node cuts off the other one; tried in this order.
    pub stonith: Vec<StonithDevice>,
    /// `auto_failback`.
    pub failback: Failback,
    /// The first resource of each group of `haresources` that is homed on this node, as written.
    pub group_keys: Vec<String>,
    /// `hopfudge`: how much the `ttl` field exceeds the number of nodes.
    pub hop_fudge: u32,
    /// `hbgenmethod`.
    pub generation: GenerationMethod,
    /// `uuidfrom`.
    pub uuid_from: UuidFrom,
    /// `msgfmt classic`: an `auth` field inside every message besides the MAC behind it.
    pub inner_auth: bool,
    /// `realtime` and `rtprio`: the priority (1–99) of what takes and gives resources; beats have one more. `None`
    /// without real-time scheduling.
    pub realtime: Option<u8>,
    /// `watchdog`: the device that hears of every beat.
    pub watchdog: Option<PathBuf>,
    /// Where the log goes.
    pub log: Log,
    /// `log_badpack`: whether packets that nobody could have meant for us are logged.
    pub log_bad_packets: bool,
    /// `debug`: 0 quiet, 255 everything.
    pub debug: u8,
    /// `env`: what the children's environment gets, as `HA_name`.
    pub environment: BTreeMap<String, String>,
    /// `env STOP_FAILURE=fence`: the other node resets this one if a group cannot be stopped here.
    pub fence_stuck: bool,
    /// The keys of `authkeys`.
    pub keys: Keys,
    /// Each directive as written or its default, for `cl_status hbparameter` and the children's environment.
    pub parameters: BTreeMap<String, String>,
}

/// The timers of `ha.cf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Between two heartbeats of this node.
    pub keepalive: Duration,
    /// Silence after which a node is dead; more than two `keepalive`.
    pub deadtime: Duration,
    /// Silence after which a late heartbeat is logged.
    pub warntime: Duration,
    /// `deadtime` while this node starts.
    pub initdead: Duration,
    /// `deadtime` of ping nodes.
    pub deadping: Duration,
    /// `max_rexmit_delay`: the longest wait before a missing message is asked for.
    pub rexmit_delay: Duration,
}

/// One way heartbeats travel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Medium {
    /// The network interface or serial device; also the name of the link.
    pub interface: String,
    /// How packets reach the peers.
    pub kind: MediumKind,
}

/// How packets reach the peers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MediumKind {
    /// To the interface's broadcast address.
    Broadcast {
        /// UDP port, both ways.
        port: u16,
    },
    /// To one peer.
    Unicast {
        /// Its address or its name.
        peer: String,
        /// UDP port, both ways.
        port: u16,
        /// `ucast6`: the peer's IPv6 address is meant.
        v6: bool,
    },
    /// To a group.
    Multicast {
        /// The group, class D.
        group: Ipv4Addr,
        /// UDP port, both ways; `udpport` does not matter.
        port: u16,
        /// 0–4.
        ttl: u8,
        /// Whether the own packets come back.
        own_back: bool,
    },
    /// To whoever is at the other end of a serial line; the medium's interface is the path of its device.
    Serial {
        /// `baud`.
        baud: u32,
    },
    /// To a group of IPv6.
    Multicast6 {
        /// The group, ff00::/8.
        group: Ipv6Addr,
        /// UDP port, both ways.
        port: u16,
        /// 0–4.
        hops: u8,
        /// Whether the own packets come back.
        own_back: bool,
    },
}

impl fmt::Display for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interface = &self.interface;
        match &self.kind {
            MediumKind::Broadcast { port } => write!(f, "bcast {interface} port {port}"),
            MediumKind::Unicast { peer, port, v6 } => {
                write!(f, "ucast{} {interface} {peer} port {port}", if *v6 { "6" } else { "" })
            }
            MediumKind::Multicast { group, port, ttl, .. } => {
                write!(f, "mcast {interface} {group} port {port} ttl {ttl}")
            }
            MediumKind::Serial { baud } => write!(f, "serial {interface} {baud} baud"),
            MediumKind::Multicast6 { group, port, hops, .. } => {
                write!(f, "mcast6 {interface} {group} port {port} hops {hops}")
            }
        }
    }
}

/// A node that only answers pings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingNode {
    /// Its name, exactly as written: the host itself, or the name of a group.
    pub name: String,
    /// Addresses or host names; never empty. It is alive if any of them answers.
    pub hosts: Vec<String>,
    /// `ping6`: the host's IPv6 address is meant.
    pub v6: bool,
    /// `ping_group`.
    pub group: bool,
}

/// A program that lives with the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respawn {
    /// The user as whom it runs.
    pub user: String,
    /// Its command line, for a shell.
    pub command: String,
    /// `failfast`: this machine reboots when it ends abnormally.
    pub failfast: bool,
}

/// A device that cuts off a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StonithDevice {
    /// A type that `stonith -L` lists, or the name of a fence-agents program (`fence_…`).
    pub kind: String,
    /// Its parameters.
    pub parameters: StonithParameters,
}

/// Where the parameters of a device are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StonithParameters {
    /// In this file.
    File(PathBuf),
    /// In `ha.cf`, as written: the values in the device's order, or all of them as `name=value`.
    Line(String),
}

impl StonithDevice {
    /// A person confirms by hand that the node is off (`meatclient -c NODE`).
    pub fn is_manual(&self) -> bool {
        self.kind == "meatware"
    }

    /// A program of fence-agents, not one for `stonith`.
    pub fn is_fence_agent(&self) -> bool {
        self.kind.starts_with("fence_")
    }
}

/// `auto_failback`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failback {
    /// Resources return to their home node when it is back.
    On,
    /// They stay where they are.
    Off,
    /// The protocol of heartbeat 1.x: they return, without the stand-by protocol.
    Legacy,
}

/// `hbgenmethod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GenerationMethod {
    /// One more than the file says.
    File,
    /// The time of the start.
    Time,
}

/// `uuidfrom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UuidFrom {
    /// The file `hb_uuid`, made when it is missing.
    File,
    /// The node's name.
    NodeName,
}

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Log {
    /// `logfile`.
    pub file: Option<PathBuf>,
    /// `debugfile`.
    pub debug_file: Option<PathBuf>,
    /// `logfacility`, a name of syslog's; `None` after `logfacility none` or without the directive.
    pub facility: Option<String>,
}
