//! What goes into the core and what comes out of it.

use super::agreement::ConfigHash;
use super::notice::Notice;
use super::set::Set;
use crate::wire::Message;
use std::time::Duration;

/// Now, as the shell reads it once per event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Time since any fixed origin on a clock that never jumps and that goes on while the machine is
    /// suspended (`CLOCK_BOOTTIME`).
    pub mono: Duration,
    /// Seconds since 1970, only for the `ts` field of messages.
    pub epoch: u64,
}

/// `auto_failback` of `ha.cf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failback {
    /// A node that returns gets its own groups back.
    On,
    /// Groups stay where they are.
    Off,
    /// What heartbeat did before 2.0, and still does when the directive is missing: a node that returns asks for its
    /// groups, without the stand-by protocol. Two of our nodes treat it as [`Failback::On`], which is what it comes to.
    Legacy,
}

/// What the core needs to know of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// This node's name, lower case.
    pub me: String,
    /// The configured nodes in the order of `ha.cf`, this one included; one or two.
    pub nodes: Vec<String>,
    /// The names of the links (interfaces); [`Event::Received`] gives an index into them.
    pub links: Vec<String>,
    /// `hb_uuid` of this node.
    pub uuid: [u8; 16],
    /// `hb_generation` of this start.
    pub generation: u64,
    /// The highest generation that was ever heard of the other node, as [`Action::SavePeerGeneration`] told; 0 if none.
    /// What comes of an earlier one is a replay.
    pub peer_generation: u64,
    /// Time between two beats.
    pub keepalive: Duration,
    /// A node that is silent for so long is dead.
    pub deadtime: Duration,
    /// A beat that is late by so much is logged.
    pub warntime: Duration,
    /// How long a starting node waits for one that it has never heard.
    pub initdead: Duration,
    /// Whether a returning node gets its groups back.
    pub auto_failback: Failback,
    /// What the configuration means, to be compared with the other node's.
    pub configuration: ConfigHash,
    /// The first resource of each group homed here, as written in `haresources`: its name in requests of
    /// [`Failback::Legacy`].
    pub group_keys: Vec<String>,
    /// Ping nodes are counted, [`Event::Pings`], and the node that reaches fewer gives its groups away.
    pub ipfail: bool,
    /// A stonith device can cut off the other node: its resources are taken only after it has.
    pub fencing: bool,
    /// A group that cannot be stopped here: the other node is asked to cut this one off, and takes what it held.
    pub fence_stuck: bool,
    /// Longest random delay before a lost message is asked for again.
    pub rexmit_delay: Duration,
    /// `hopfudge` + number of configured nodes, ping nodes included.
    pub ttl: u32,
    /// For the random delays: any number, another one at each start.
    pub seed: u64,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// An authenticated message came in on a link (index into [`Settings::links`]).
    Received {
        /// The link.
        link: usize,
        /// The message.
        message: Message,
    },
    /// Nothing but time passed: the deadline of [`super::Cluster::next_deadline`] is reached.
    Timer,
    /// A job is done.
    JobDone {
        /// The job's number.
        id: JobId,
        /// How it ended.
        outcome: JobOutcome,
    },
    /// An administrator asks this node to give groups to the other (`hb_standby`).
    Standby(Set),
    /// An administrator asks for groups of the other node (`hb_takeover`).
    Takeover(Set),
    /// Because the beats stayed away, the guard began at this time to release everything that ran here.
    Abandoned {
        /// On the clock of [`Time::mono`].
        at: Duration,
    },
    /// The answer to [`Action::Fence`].
    Fenced {
        /// The node that was to be cut off.
        node: String,
        /// It was; otherwise it may still run.
        done: bool,
    },
    /// Graceful stop.
    Stop,
    /// How many ping nodes answer, for [`Settings::ipfail`]. `None`: not every one has answered or been silent for long
    /// enough yet.
    Pings(Option<usize>),
    /// The first line of `/proc/loadavg`, sampled by the shell.
    LoadAverage(String),
    /// An administrator's own message for scripts on both nodes; one of a type of heartbeat's own is ignored.
    Broadcast(Message),
    /// A changed configuration with the same node names: timers and `auto_failback` apply from now on.
    Reload(Box<Settings>),
}

/// Number of a job; never used twice in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// Work on resource groups for a child process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Comes back in [`Event::JobDone`].
    pub id: JobId,
    /// What to do.
    pub kind: JobKind,
    /// The node whose groups are meant.
    pub home: String,
    /// For [`JobKind::Give`]: the other node may hold them already, so all addresses go before anything else is stopped.
    pub addresses_first: bool,
}

/// What to do with all groups homed on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Start them, in the order of `haresources`; what runs already stays.
    Take,
    /// Stop them, in reverse order.
    Give,
    /// Stop what an earlier life of this node left running.
    Clear,
    /// Announce their addresses again.
    Announce,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobOutcome {
    /// Groups that ended as asked.
    pub done: usize,
    /// Groups that did not.
    pub failed: usize,
    /// Whether anything was tried. If not, the state of the groups is not known: haresources has a mistake, a program is missing.
    pub began: bool,
}

/// Something the shell has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Sign this complete message and send it on every medium.
    Send(Message),
    /// Start a job.
    Start(Job),
    /// This job, which takes groups, is no longer wanted, and the other node may have taken them: their addresses go at
    /// once, and it ends as soon as it can. How it ended is told as always.
    Cancel(JobId),
    /// Cut this node off, then give [`Event::Fenced`], whatever comes of it. A request that comes while an earlier one
    /// is under way replaces that.
    Fence {
        /// The node.
        node: String,
    },
    /// Tell people.
    Notice(Notice),
    /// Write this generation to `hb_generation`: the node announces itself as restarted.
    SaveGeneration(u64),
    /// Keep this: the other node's generation, higher than any that was heard before.
    SavePeerGeneration {
        /// Its name.
        node: String,
        /// For [`Settings::peer_generation`] of the next start.
        generation: u64,
    },
    /// Run the script of `rc.d` for this message, if there is one.
    Script(Message),
    /// The graceful stop is complete.
    Exit,
}
