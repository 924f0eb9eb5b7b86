//! Where each group is, and since when: of what jobs told, and of what the beat thread told last.

use crate::cluster::{NodeState, Set, Snapshot};
use crate::control::GroupState;
use std::collections::BTreeMap;
use std::time::Duration;

/// A group's state, and the node that has to do with it.
pub(super) type Place = (GroupState, Option<String>);

/// Since when each group has been where it is.
#[derive(Debug, Default)]
pub(super) struct Whereabouts(BTreeMap<String, Known>);

#[derive(Debug)]
struct Known {
    place: Place,
    since: Duration,
    /// Who has held it last, and since when: a look at what runs already interrupts nothing.
    held: Option<(String, Duration)>,
}

impl Whereabouts {
    /// A group is there now.
    pub(super) fn see(&mut self, now: Duration, key: &str, place: Place) {
        let known = self.0.get(key);
        if known.is_some_and(|known| known.place == place) {
            return;
        }
        let held = known.and_then(|known| known.held.clone());
        let since = match (&place, &held) {
            ((GroupState::Held, Some(holder)), Some((before, since))) if before == holder => *since,
            _ => now,
        };
        let held = match &place {
            (GroupState::Held, holder) => holder.clone().map(|holder| (holder, since)),
            (GroupState::Starting | GroupState::Unknown, _) => held,
            _ => None,
        };
        self.0.insert(key.to_owned(), Known { place, since, held });
    }

    /// Since when it has been there, if it was seen there.
    pub(super) fn since(&self, key: &str, place: &Place) -> Option<Duration> {
        self.0.get(key).filter(|known| known.place == *place).map(|known| known.since)
    }
}

/// State and holder of a group homed on `home`, as `me` knows them; `said` is what a job said last of it.
pub(super) fn whereabouts(
    cluster: &Snapshot,
    me: &str,
    home: &str,
    said: Option<GroupState>,
) -> (GroupState, Option<String>) {
    let local = home == me;
    let has = |set: Set| if local { set.local } else { set.foreign };
    let Some(share) = cluster.shares.iter().find(|share| share.home == home) else {
        return (GroupState::Unknown, None);
    };
    let here = Some(me.to_owned());
    if share.wanted || has(cluster.may_run) {
        return match (share.wanted, share.settled, said) {
            (_, _, Some(GroupState::Failed)) => (GroupState::Failed, here),
            (true, _, Some(GroupState::Held)) => (GroupState::Held, here),
            // no job has told of it: it came into haresources after the others were started
            (true, true, _) => (GroupState::Unknown, None),
            (true, false, _) => (GroupState::Starting, here),
            (false, _, Some(GroupState::Released)) => (GroupState::Released, None),
            // Nobody has looked yet what an earlier life of this node has left running.
            (false, _, None) if !matches!(cluster.phase, "stable" | "stopping") => {
                (GroupState::Unknown, None)
            }
            (false, _, _) => (GroupState::Stopping, here),
        };
    }
    let peer = cluster.peer.as_ref().filter(|peer| peer.state != NodeState::Dead);
    match peer.map(|peer| (peer.holds, &peer.name)) {
        Some((Some(holds), name)) if has(holds) => (GroupState::Held, Some(name.clone())),
        Some((None, _)) => (GroupState::Unknown, None),
        _ if share.failed => (GroupState::Failed, None),
        _ => (GroupState::Released, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_stays_is_where_it_is_since_it_came() {
        let mut groups = Whereabouts::default();
        let at = Duration::from_secs;
        let on = |state, node: &str| (state, Some(node.to_owned()));
        groups.see(at(1), "a", on(GroupState::Starting, "alpha"));
        groups.see(at(5), "a", on(GroupState::Held, "alpha"));
        assert_eq!(groups.since("a", &on(GroupState::Held, "alpha")), Some(at(5)));
        // the other node returns, and what runs is looked at again
        groups.see(at(60), "a", on(GroupState::Starting, "alpha"));
        groups.see(at(61), "a", on(GroupState::Held, "alpha"));
        assert_eq!(groups.since("a", &on(GroupState::Held, "alpha")), Some(at(5)));
        groups.see(at(70), "a", (GroupState::Unknown, None));
        groups.see(at(71), "a", on(GroupState::Held, "beta"));
        assert_eq!(groups.since("a", &on(GroupState::Held, "beta")), Some(at(71)));
        groups.see(at(80), "a", (GroupState::Released, None));
        assert_eq!(
            groups.since("a", &(GroupState::Released, None)),
            Some(at(80)),
            "nobody, since it was lost"
        );
        groups.see(at(90), "a", on(GroupState::Held, "beta"));
        assert_eq!(groups.since("a", &on(GroupState::Held, "beta")), Some(at(90)));
        assert_eq!(groups.since("a", &on(GroupState::Held, "alpha")), None);
        assert_eq!(groups.since("b", &on(GroupState::Held, "beta")), None);
    }
}
