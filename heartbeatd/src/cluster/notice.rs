//! What the core tells people. The texts keep the words of heartbeat 3.0.6 where log watchers know them.

use super::event::JobKind;
use super::set::Set;
use super::silence::Instead;
use std::fmt;
use std::time::Duration;

/// How messages call the directory of `hb_generation` and `hb_uuid`: where it is, the core of one node does not know,
/// and the other node's may be elsewhere.
const STATE_DIR: &str = "state directory (/var/lib/heartbeat, or what --state-dir says)";

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Info,
    /// Somebody should look.
    Warning,
    /// Service is or may be affected.
    Error,
}

/// One event worth a log line.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the fields are named in the sentence that `Display` makes of each
pub enum Notice {
    LinkUp { node: String, link: String },
    LinkDead { node: String, link: String },
    NodeStatus { node: String, status: &'static str },
    NodeDead { node: String, silent: Duration },
    NotHeard { node: String, link: String, why: Instead, again: bool },
    NodeRestarted { node: String },
    NodeReturned { node: String },
    Fencing { node: String },
    Fenced { node: String },
    FencingFailed { node: String, failures: u32 },
    FencingEnds { node: String, why: &'static str },
    LateBeat { node: String, interval: Duration },
    StrangeDeadtime { node: String, said: Duration, used: Duration },
    Slept { time: Duration },
    Abandoned,
    UnknownNode { node: String },
    Replay { node: String, generation: u64, known: u64 },
    UuidChanged { node: String },
    SameUuid { node: String },
    LostMessages { node: String, count: u64 },
    LostForEver { node: String, seq: u64 },
    CannotResend { node: String, seq: u64 },
    NodeListDiffers { node: String, theirs: String },
    ConfigurationDiffers { node: String, file: &'static str },
    ConfigurationAgrees { node: String, file: &'static str },
    Joined,
    Alone,
    Taking { set: Set, why: &'static str },
    Giving { set: Set, why: &'static str },
    JobFailed { kind: JobKind, home: String, failed: usize, held: usize },
    GaveUpStopping { home: String },
    LeavesRunning,
    HandsOver { set: Set },
    AsksToBeFenced { by: String },
    NobodyFences { why: &'static str },
    AskedToFence { node: String },
    MayRunThere { node: String, set: Set },
    StandbyStarted { set: Set },
    StandbyDone { set: Set, by: String },
    StandbyRefused { why: &'static str },
    StandbyTimedOut,
    FewerPings,
    TakeoverUnanswered { set: Set },
    FailbackWaits,
    StandbyCancelled { why: &'static str },
    PeerStable { node: String },
    BothHold { home: String, stays: bool },
    Unheard { node: String },
    StopDelayed,
    Stopping,
    PeerStops { node: String },
    MixedFailback { node: String, legacy: bool },
    ForeignRequest { node: String, key: String },
    RequestDenied { node: String, key: String },
    NoReport { node: String, legacy: bool },
    ReloadNeedsRestart,
}

impl Notice {
    /// How much it matters.
    pub fn severity(&self) -> Severity {
        use Notice::*;
        match self {
            NodeDead { .. }
            | AskedToFence { .. }
            | HandsOver { .. }
            | AsksToBeFenced { .. }
            | Fencing { .. }
            | FencingEnds { .. }
            | NotHeard { .. }
            | LateBeat { .. }
            | LinkDead { .. }
            | StrangeDeadtime { .. }
            | Slept { .. }
            | Abandoned
            | UnknownNode { .. }
            | LostMessages { .. }
            | CannotResend { .. }
            | StandbyRefused { .. }
            | StandbyTimedOut
            | FewerPings
            | TakeoverUnanswered { .. }
            | StandbyCancelled { .. }
            | NodeReturned { .. }
            | UuidChanged { .. }
            | ConfigurationDiffers { .. }
            | MixedFailback { .. }
            | ReloadNeedsRestart => Severity::Warning,
            Replay { .. }
            | SameUuid { .. }
            | FencingFailed { .. }
            | LostForEver { .. }
            | NodeListDiffers { .. }
            | JobFailed { .. }
            | GaveUpStopping { .. }
            | LeavesRunning
            | NobodyFences { .. }
            | MayRunThere { .. }
            | BothHold { .. }
            | ForeignRequest { .. }
            | RequestDenied { .. }
            | NoReport { .. }
            | Unheard { .. } => Severity::Error,
            _ => Severity::Info,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Notice::*;
        match self {
            LinkUp { node, link } => write!(f, "Link {node}:{link} up."),
            LinkDead { node, link } => write!(f, "Link {node}:{link} dead."),
            NodeStatus { node, status } => write!(f, "Status update for node {node}: status {status}"),
            NodeDead { node, silent } => {
                write!(f, "node {node}: is dead (nothing heard for {} ms)", silent.as_millis())
            }
            NotHeard { node, link, why, .. } => write!(f, "node {node} is not heard on {link}: {why}"),
            NodeRestarted { node } => write!(f, "Heartbeat restart on node {node}"),
            NodeReturned { node } => write!(f, "Cluster node {node} returning after partition."),
            Fencing { node } => {
                write!(
                    f,
                    "Resetting node {node}: its resources are taken when the stonith device has done so"
                )
            }
            Fenced { node } => write!(f, "node {node} now reset."),
            FencingFailed { node, failures } => write!(
                f,
                "STONITH of {node} failed ({failures} {}).  Retrying: its resources are not taken before that succeeds",
                if *failures == 1 { "time" } else { "times" }
            ),
            FencingEnds { node, why } => write!(f, "node {node} is not reset any more: {why}"),
            LateBeat { node, interval } => {
                write!(f, "Late heartbeat: Node {node}: interval {} ms", interval.as_millis())
            }
            StrangeDeadtime { node, said, used } => write!(
                f,
                "node {node} announces a deadtime of {} ms, which cannot be meant: {} ms are used",
                said.as_millis(),
                used.as_millis()
            ),
            Slept { time } => write!(
                f,
                "this node did not run for {} ms, longer than its deadtime: it releases its resources, then asks who holds them",
                time.as_millis()
            ),
            Abandoned => f.write_str(
                "this node's beats stayed away, so its guard released its resources: it asks who holds them",
            ),
            UnknownNode { node } => write!(f, "message from node [{node}], which is not in ha.cf: dropped"),
            Replay { node, generation, known } => write!(
                f,
                "message of an earlier life of node [{node}], generation {generation} after {known} (attempted replay attack?): dropped. \
                 If {node} was restored from a backup, write {known} into hb_generation in its {STATE_DIR} and restart it there; or, if its \
                 clock was once far ahead, stop the daemon here, remove hb_peer_generation in this node's {STATE_DIR} and start it again"
            ),
            UuidChanged { node } => write!(f, "node {node} changed its uuid"),
            SameUuid { node } => {
                write!(
                    f,
                    "node {node} uses this node's uuid; was hb_uuid in the {STATE_DIR} copied? remove it on one node and restart there"
                )
            }
            LostMessages { node, count } => write!(f, "{count} lost packet(s) for [{node}]"),
            LostForEver { node, seq } => write!(f, "Irretrievably lost packet: node {node} seq {seq}"),
            CannotResend { node, seq } => {
                write!(f, "node {node} asks again for message {seq}, which was never sent")
            }
            NodeListDiffers { node, theirs } => {
                write!(f, "node {node} has other nodes in its ha.cf: {theirs}")
            }
            ConfigurationDiffers { node, file } => {
                let help = match *file {
                    "ha.cf" => "nodes, timers or auto_failback are not the same there",
                    _ => "the two nodes would start different resources, or in another order",
                };
                write!(f, "{file} differs on {node}: {help}; make the files equal")
            }
            ConfigurationAgrees { node, file } => write!(f, "{file} is the same on {node} again"),
            Joined => write!(f, "Communication is up: the other node is heard"),
            Alone => write!(f, "No other node was heard within initdead: this node is alone"),
            Taking { set, why } => write!(f, "acquiring {set} resources: {why}"),
            Giving { set, why } => write!(f, "releasing {set} resources: {why}"),
            JobFailed { kind, home, failed, held } => {
                let verb = match kind {
                    JobKind::Take => "start",
                    JobKind::Give | JobKind::Clear => "stop",
                    JobKind::Announce => "announce",
                };
                write!(f, "{failed} group(s) of {home} did not {verb} ({held} did)")
            }
            GaveUpStopping { home } => {
                write!(
                    f,
                    "groups of {home} could not be stopped and may still run here: stop them by hand; until then the other node is not told that they are free"
                )
            }
            LeavesRunning => f.write_str(
                "this node stops although some of its groups could not be stopped: the other node takes them after its deadtime, or when it has fenced this one; stop them by hand, or switch this machine off",
            ),
            HandsOver { set } => {
                write!(f, "not every group of the {set} resources could be started here: the other node tries it")
            }
            AsksToBeFenced { by } => write!(
                f,
                "STOP_FAILURE=fence: node {by} is asked to reset this node, whose groups could not be stopped, and takes them then"
            ),
            NobodyFences { why } => write!(
                f,
                "STOP_FAILURE=fence: nobody resets this node, whose groups could not be stopped: {why}; stop them by hand"
            ),
            AskedToFence { node } => {
                write!(f, "node {node} could not stop its groups and asks to be reset (STOP_FAILURE=fence)")
            }
            MayRunThere { node, set } => write!(
                f,
                "{set} resources are taken although {node} had not stopped them, and no stonith device is configured: make sure that {node} is off"
            ),
            StandbyStarted { set } => write!(f, "going standby [{set}]: asking the other node to take them"),
            StandbyDone { set, by } => write!(f, "Standby resource acquisition done [{set}] by {by}"),
            StandbyRefused { why } => write!(f, "standby request ignored: {why}"),
            FailbackWaits => f.write_str(
                "ipfail: the other node reaches fewer ping nodes: its groups stay here until it reaches as many",
            ),
            FewerPings => f.write_str(
                "ipfail: the other node reaches more ping nodes: this one gives its resources up unless that changes at once",
            ),
            StandbyTimedOut => write!(f, "No reply to standby request. Standby request cancelled."),
            TakeoverUnanswered { set } => write!(
                f,
                "no reply to the request for {set} resources: the other node does not give them; its log tells why"
            ),
            StandbyCancelled { why } => write!(f, "standby cancelled: {why}"),
            PeerStable { node } => write!(f, "remote resource transition completed on {node}."),
            BothHold { home, stays } => write!(
                f,
                "Both machines own the resources of {home}! {}",
                if *stays {
                    "This node keeps them and announces them again."
                } else {
                    "This node releases them."
                }
            ),
            Unheard { node } => {
                write!(
                    f,
                    "node {node} is heard but does not hear this node, and has taken our resources: releasing them"
                )
            }
            StopDelayed => write!(f, "Shutdown delayed until current resource activity finishes."),
            Stopping => write!(f, "Giving up all resources: heartbeat shutdown"),
            PeerStops { node } => {
                write!(f, "Received shutdown notice from '{node}'. Resources being acquired from {node}.")
            }
            MixedFailback { node, legacy } => {
                let (mine, theirs) = if *legacy { ("legacy", "on or off") } else { ("on or off", "legacy") };
                write!(
                    f,
                    "node {node} has auto_failback {theirs}, this node {mine} (a missing directive means legacy): do not mix them; write \"on\" or \"off\" into both ha.cf"
                )
            }
            ForeignRequest { node, key } => write!(
                f,
                "node {node} asks for the group {key}, which is homed on this node: refused; haresources must be the same on both nodes"
            ),
            RequestDenied { node, key } => {
                write!(
                    f,
                    "node {node} does not give the group {key} of this node: haresources must be the same on both nodes"
                )
            }
            NoReport { node, legacy: true } => write!(
                f,
                "node {node} has not answered the request for the groups of this node: they are not started here while it may hold them; asking again"
            ),
            NoReport { node, legacy: false } => write!(
                f,
                "node {node} does not say which resources it holds, so this node starts none: is auto_failback the same (on or off) in both ha.cf?"
            ),
            ReloadNeedsRestart => write!(f, "node names changed in ha.cf: restart the daemon to use them"),
        }
    }
}
