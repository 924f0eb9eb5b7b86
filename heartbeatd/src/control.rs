//! What heartbeatd and its tools say to each other over the control socket: JSON, one [`Request`] and one [`Answer`]
//! for it, each on a line (`daemon::control`).
//!
//! ```text
//!  cl_status, hb_standby, hb_takeover ──Request──► RUN/heartbeatd.sock ──► heartbeatd
//!                                     ◄──Answer───
//! ```
//!
//! A [`Status`] is made when it is asked for, so it is what is true now. Times are given as how long ago, in
//! milliseconds of a clock that never jumps. Fields that a side does not know are ignored, fields that are missing
//! have their default: tools and daemon of different versions understand each other.

mod addresses;
mod beats;
mod groups;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use addresses::AddressTrouble;
pub use beats::{Beats, Watchdog};
pub use groups::{Group, GroupState};

/// The run directory when nobody names another.
pub const RUN_DIR: &str = "/run/heartbeat";

/// The control socket in a run directory.
pub fn socket(run_dir: &Path) -> PathBuf {
    run_dir.join("heartbeatd.sock")
}

/// What a tool asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "lowercase")]
pub enum Request {
    /// Everything the daemon knows. Answer: [`Answer::Status`].
    Status,
    /// Give these groups to the other node. Answer: [`Answer::Accepted`] or [`Answer::Refused`], before the work.
    Standby {
        /// Which, as this node sees them.
        set: Which,
    },
    /// Ask the other node to give us these groups. Answered like [`Request::Standby`].
    Takeover {
        /// Which, as this node sees them: `local` are those homed here.
        set: Which,
    },
    /// Release everything and end, as SIGTERM does.
    Stop,
    /// Read the configuration files again, as SIGHUP does.
    Reload,
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// It will be done; what that is, in a sentence.
    Accepted {
        /// For the terminal.
        note: String,
    },
    /// It will not be done.
    Refused {
        /// Why not, in a sentence.
        reason: String,
    },
}

/// Resource groups as one node sees them: *local* ones are homed on it, *foreign* ones on the other node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// Every group.
    All,
    /// Those homed on the speaking node.
    Local,
    /// Those homed on the other node.
    Foreign,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Local => "local",
            Self::Foreign => "foreign",
        })
    }
}

/// Everything the daemon knows at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// How long it has been running, in milliseconds.
    pub uptime_ms: u64,
    /// This node's name.
    pub node: String,
    /// What the daemon is about: `listening`, `asking`, `starting`, `stable`, `stopping`.
    pub phase: String,
    /// The generation in use (`hb_generation`).
    pub generation: u64,
    /// Every node in the order of ha.cf, this one and ping nodes included.
    pub nodes: Vec<Node>,
    /// What this node holds.
    pub resources: Resources,
    /// Every group in the order of haresources.
    pub groups: Vec<Group>,
    /// What happened lately to addresses of groups without anybody's order, the newest first.
    pub addresses: Vec<AddressTrouble>,
    /// `auto_failback`: `on`, `off` or `legacy`.
    pub auto_failback: String,
    /// The directives of ha.cf as written, or their defaults.
    pub parameters: BTreeMap<String, String>,
    /// Programs that take part in the cluster through the daemon.
    pub clients: Vec<Client>,
    /// Totals since the start.
    pub counters: Counters,
    /// How this node's beats leave.
    pub beats: Beats,
    /// `watchdog` of ha.cf.
    pub watchdog: Option<Watchdog>,
    /// What happened last, the newest at the end.
    pub events: Vec<Event>,
}

impl Status {
    /// The node of this name.
    pub fn find(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Its name, as in ha.cf.
    pub name: String,
    /// A member of the pair or a ping node.
    pub kind: NodeKind,
    /// Its status.
    pub status: NodeStatus,
    /// The links to it (to itself for this node).
    pub links: Vec<Link>,
    /// What runs there: `tandem 0.1.0`, `heartbeat 3.0.6 or compatible`, or empty while unknown.
    pub software: String,
    /// How long it has been silent, in milliseconds; `None` if it was never heard.
    pub silent_ms: Option<u64>,
    /// Its deadtime in milliseconds.
    pub deadtime_ms: u64,
    /// It has said that it stops.
    pub leaving: bool,
    /// The files of its configuration that do not mean the same as this node's: `ha.cf`, `haresources`.
    pub differs: Vec<String>,
}

/// A member of the pair or a ping node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// Runs a heartbeat daemon.
    #[default]
    Normal,
    /// Only answers pings.
    Ping,
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "normal",
            Self::Ping => "ping",
        })
    }
}

/// Status of a node, in the words of heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeStatus {
    /// Nothing heard yet.
    #[default]
    Init,
    /// Hears and is heard, its resource layer is not ready.
    Up,
    /// Takes part.
    Active,
    /// Silent for longer than its deadtime, or it has stopped.
    Dead,
    /// A ping node that answers.
    Ping,
}

impl fmt::Display for NodeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "init",
            Self::Up => "up",
            Self::Active => "active",
            Self::Dead => "dead",
            Self::Ping => "ping",
        })
    }
}

/// A link to a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Link {
    /// Name of the interface.
    pub name: String,
    /// Whether something came in on it within the deadtime; of this node whether packets leave.
    pub up: bool,
    /// Why the other node is not heard on it; of this node what is wrong with the interface. `None` if nothing is.
    pub why: Option<String>,
}

/// What this node holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// The groups held here.
    pub hold: Hold,
    /// Something is being started, stopped or handed over.
    pub transition: bool,
    /// The step of a stand-by under way, in words.
    pub standby: Option<String>,
    /// The other node is dead and must be fenced before its groups are taken: how far that is.
    pub fencing: Option<String>,
    /// Why a stand-by would be refused now; `None` if it would be accepted.
    pub standby_refusal: Option<String>,
    /// What the last `hb_standby` or `hb_takeover` met, if that was trouble and not long ago, in a sentence.
    pub last_request: Option<String>,
}

/// Which groups a node holds, in the words of the wire (`rsc_hold`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hold {
    /// None.
    #[default]
    None,
    /// Those homed there.
    Local,
    /// Those homed on the other node.
    Foreign,
    /// Every group.
    All,
}

impl Hold {
    /// From whether the local and the foreign groups are held.
    pub fn new(local: bool, foreign: bool) -> Hold {
        match (local, foreign) {
            (false, false) => Self::None,
            (true, false) => Self::Local,
            (false, true) => Self::Foreign,
            (true, true) => Self::All,
        }
    }

    /// Whether all groups of a set are held.
    pub fn has_all(self, set: Which) -> bool {
        self == Self::All
            || matches!((self, set), (Self::Local, Which::Local) | (Self::Foreign, Which::Foreign))
    }

    /// Whether no group of a set is held.
    pub fn has_none(self, set: Which) -> bool {
        self == Self::None
            || matches!((self, set), (Self::Local, Which::Foreign) | (Self::Foreign, Which::Local))
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Local => "local",
            Self::Foreign => "foreign",
            Self::All => "all",
        })
    }
}

/// A program that takes part in the cluster through the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Client {
    /// The node it runs on.
    pub node: String,
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: ClientState,
}

/// State of a client, in the words of `cl_status clientstatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientState {
    /// Connected.
    Online,
    /// Not there.
    #[default]
    Offline,
    /// Has just joined.
    Join,
    /// Has just left.
    Leave,
}

impl fmt::Display for ClientState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Join => "join",
            Self::Leave => "leave",
        })
    }
}

/// Totals since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Messages sent, each counted once for all media.
    pub sent: u64,
    /// Datagrams received that were authentic.
    pub received: u64,
    /// Datagrams dropped, by reason (`DecodeError::reason` and others).
    pub dropped: BTreeMap<String, u64>,
    /// Messages sent again because the other node asked.
    pub resent: u64,
    /// Messages of the other node that came late or never.
    pub lost: u64,
    /// Longest delay of an own beat, in microseconds.
    pub beat_delay_us: u64,
    /// Log lines dropped because the log could not keep up.
    pub log_dropped: u64,
    /// Addresses put back after somebody had removed them.
    pub addresses_repaired: u64,
    /// Reports that another machine claims an address that is held here.
    pub address_conflicts: u64,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// How long ago, in milliseconds.
    pub ago_ms: u64,
    /// How much it matters.
    pub severity: Severity,
    /// The log line.
    pub text: String,
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    #[default]
    Info,
    /// Somebody should look.
    Warning,
    /// Service is or may be affected.
    Error,
}

#[cfg(test)]
mod tests;
