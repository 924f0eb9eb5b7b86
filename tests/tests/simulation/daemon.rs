//! What runs on a machine: heartbeatd's core, or a model of heartbeat 3.0.6.

use crate::old::{Deed, Old};
use heartbeatd::cluster::{Cluster, Event, NodeState, Set, Snapshot, Time};
use std::time::Duration;

/// Which program a machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Old,
}

#[derive(Debug)]
pub(crate) enum Daemon {
    Ours(Box<Cluster>),
    Old(Box<Old>),
}

impl Daemon {
    pub(crate) fn handle(&mut self, event: Event, now: Time) {
        match self {
            Daemon::Ours(cluster) => cluster.handle(event, now),
            Daemon::Old(old) => old.handle(event, now),
        }
    }

    pub(crate) fn poll(&mut self) -> Option<Deed> {
        match self {
            Daemon::Ours(cluster) => cluster.poll_action().map(Deed::Do),
            Daemon::Old(old) => old.poll(),
        }
    }

    pub(crate) fn next_deadline(&self) -> Duration {
        match self {
            Daemon::Ours(cluster) => cluster.next_deadline(),
            Daemon::Old(old) => old.next_deadline(),
        }
    }

    pub(crate) fn old(&self) -> Option<&Old> {
        match self {
            Daemon::Ours(_) => None,
            Daemon::Old(old) => Some(old),
        }
    }

    pub(crate) fn snapshot(&self) -> Option<Snapshot> {
        match self {
            Daemon::Ours(cluster) => Some(cluster.snapshot()),
            Daemon::Old(_) => None,
        }
    }

    /// Nothing is in transition.
    pub(crate) fn stable(&self) -> bool {
        match self {
            Daemon::Ours(cluster) => cluster.snapshot().stable,
            Daemon::Old(old) => old.stable(),
        }
    }

    /// It has joined, sees the other one active, and nothing is in transition.
    pub(crate) fn settled(&self) -> bool {
        match self {
            Daemon::Ours(cluster) => {
                let snapshot = cluster.snapshot();
                let other = snapshot.peer.as_ref().map(|peer| peer.state);
                snapshot.stable && snapshot.state == NodeState::Active && other == Some(NodeState::Active)
            }
            // an old one may wait for an hour in a stand-by that the other has forgotten: it does so beside an old one, too
            Daemon::Old(old) => {
                (old.stable() || old.in_standby()) && old.active() && old.sees() == NodeState::Active
            }
        }
    }

    /// It knows that the other one lives and holds something: the death of that one is a lone fault.
    pub(crate) fn knows_other(&self) -> bool {
        match self {
            Daemon::Ours(cluster) => cluster.snapshot().peer.is_some_and(|peer| {
                peer.state == NodeState::Active
                    && !peer.leaving
                    && peer.holds.is_some_and(|holds| holds != Set::NONE)
            }),
            Daemon::Old(old) => old.sees() == NodeState::Active && old.other_holds() != Set::NONE,
        }
    }

    /// How long the other node must be silent to be dead.
    pub(crate) fn patience(&self) -> Duration {
        match self {
            Daemon::Ours(cluster) => cluster.snapshot().peer.map(|peer| peer.deadtime).unwrap_or_default(),
            Daemon::Old(old) => old.patience(),
        }
    }
}
