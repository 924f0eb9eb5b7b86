//! What is true now, for people and their tools.

use super::{Cluster, FOREIGN, Instead, LOCAL, NodeState, Set};
use std::time::Duration;

/// The whole picture at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// This node's own status word.
    pub state: NodeState,
    /// `listening`, `asking`, `starting`, `stable`, `stopping` or `stopped`.
    pub phase: &'static str,
    /// The generation in use.
    pub generation: u64,
    /// The other node; `None` in a cluster of one.
    pub peer: Option<NodeView>,
    /// What this node holds or is taking.
    pub wants: Set,
    /// What may run here.
    pub may_run: Set,
    /// Nothing is in transition.
    pub stable: bool,
    /// The other node must be fenced before its resources are taken: how often that has failed so far.
    pub fencing: Option<u32>,
    /// The step of a stand-by under way.
    pub standby: Option<&'static str>,
    /// Why a stand-by would be refused now.
    pub standby_refusal: Option<&'static str>,
    /// Whether `ipfail` works on this node, and on the other one.
    pub ipfail: [bool; 2],
    /// The groups homed here, and those homed on the other node.
    pub shares: [ShareView; 2],
}

/// The other node, as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its status.
    pub state: NodeState,
    /// It is one of ours, not a heartbeat 3.0.6 (known from its beats).
    pub ours: bool,
    /// The version of its program, if it is one of ours and has said so.
    pub version: Option<String>,
    /// It says that it stops.
    pub leaving: bool,
    /// How long nothing new has been heard of it; `None` if never.
    pub silent: Option<Duration>,
    /// Its deadtime.
    pub deadtime: Duration,
    /// What it holds, from our point of view; `None` until it has said so.
    pub holds: Option<Set>,
    /// The files of the configuration that mean something else there; empty while that is not known.
    pub differs: Vec<&'static str>,
    /// Each link and whether it is up.
    pub links: Vec<LinkView>,
}

/// A link to the other node.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkView {
    /// The interface's name.
    pub name: String,
    /// Whether something came in on it within the deadtime.
    pub up: bool,
    /// While it is not up, or the node not alive: what comes in instead of its messages.
    pub instead: Option<Instead>,
}

/// The groups of one home node.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareView {
    /// The home node.
    pub home: String,
    /// This node holds them or is taking them.
    pub wanted: bool,
    /// They run here as wanted.
    pub settled: bool,
    /// They could not be started here.
    pub failed: bool,
    /// Some of them run here, and others could not be started.
    pub partly: bool,
    /// They could not be stopped here.
    pub stuck: bool,
    /// When that last changed, on the clock of [`super::Time::mono`].
    pub since: Duration,
}

impl Snapshot {
    /// Something could not be stopped here.
    pub fn is_stuck(&self) -> bool {
        self.shares.iter().any(|share| share.stuck)
    }
}

impl Cluster {
    /// What is true now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.my_state(),
            phase: self.phase.word(),
            generation: self.generation,
            peer: self.peer_view(),
            wants: self.wants(),
            may_run: self.may_run(),
            stable: self.is_stable(),
            fencing: self.fencing.map(|fencing| fencing.failures()),
            standby: self.standby_word(),
            standby_refusal: self.standby_refusal(),
            ipfail: self.ipfail_online(),
            shares: [self.share_view(LOCAL), self.share_view(FOREIGN)],
        }
    }

    fn peer_view(&self) -> Option<NodeView> {
        let peer = self.peer.as_ref()?;
        let names = self.settings.links.iter().cloned();
        let view = |(link, (name, (_, up))): (usize, (String, &(_, bool)))| LinkView {
            name,
            up: *up,
            instead: (!*up || !peer.alive()).then(|| self.silence.lately(link)),
        };
        Some(NodeView {
            name: peer.name.clone(),
            state: peer.state,
            ours: peer.extra.is_some(),
            version: peer.version.clone(),
            leaving: peer.leaving,
            silent: peer.heard.map(|at| self.now.mono.saturating_sub(at)),
            deadtime: peer.deadtime,
            holds: self.peer_report().map(|(holds, _)| holds),
            differs: if peer.alive() {
                peer.agreement.differing(self.settings.configuration)
            } else {
                Vec::new()
            },
            links: names.zip(&peer.links).enumerate().map(view).collect(),
        })
    }

    fn share_view(&self, index: usize) -> ShareView {
        let share = &self.shares[index];
        let home = self.home(index).unwrap_or_default().to_owned();
        ShareView {
            home,
            wanted: share.want,
            settled: share.settled(),
            failed: share.failed,
            partly: share.want && share.partly,
            stuck: share.stuck(),
            since: share.since,
        }
    }
}
