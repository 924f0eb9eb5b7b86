//! Groups that could not be stopped here, and that this node must not hold: nobody else may take them while they may run.
//!
//! ```text
//!  Stuck ──┬── tried again every 60 s ── stopped ──► free, for either node
//!          ├── nobody else holds them: 5 s ────────► held here again        (`STOP_FAILURE=alarm`)
//!          └── the other node can fence ───────────► it resets this node    (`STOP_FAILURE=fence`; asked for 60 s, then held here again)
//! ```
//! This node never resets itself: whether it is off is for the device to say.

use super::share::Share;
use super::{Cluster, FOREIGN, LOCAL, Notice, Phase, Set};
use std::time::Duration;

/// What nobody holds because it cannot be stopped here is held here again after this time, if nobody is asked for a reset.
const TAKE_BACK: Duration = Duration::from_secs(5);
/// So long the other node is asked to reset this one.
const FENCE_PATIENCE: Duration = Duration::from_secs(60);

impl Cluster {
    /// What could not be stopped here and has to be.
    fn stuck(&self) -> Set {
        Set { local: self.shares[LOCAL].stuck(), foreign: self.shares[FOREIGN].stuck() }
    }

    /// Whether the other node is to cut this one off: for a minute, then this node goes on as well as it can. Not where
    /// stopping could not even begin, as with a mistake in haresources: nothing may run.
    pub(super) fn asks_for_reset(&self) -> bool {
        let asks = |share: &Share| {
            let recent = share.stuck_at.is_some_and(|at| self.now.mono < at + FENCE_PATIENCE);
            share.stuck() && !share.untried && recent
        };
        self.settings.fence_stuck && self.shares.iter().any(asks) && self.no_fencer().is_none()
    }

    /// Why the other node cannot cut this one off.
    fn no_fencer(&self) -> Option<&'static str> {
        match self.peer.as_ref().filter(|peer| peer.alive()).map(|peer| peer.extra) {
            None => Some("no other node is alive"),
            Some(None) => Some("the other node is a heartbeat 3.0.6, which resets only dead nodes"),
            Some(Some(extra)) if !extra.can_fence => Some("the other node has no stonith device"),
            Some(Some(_)) => None,
        }
    }

    /// Groups are given up just now.
    pub(super) fn say_who_fences(&mut self) {
        // one that leaves says nothing any more
        if !self.settings.fence_stuck || self.stuck().is_empty() || self.phase != Phase::Stable {
            return;
        }
        let by = self.peer.as_ref().map(|peer| peer.name.clone()).unwrap_or_default();
        self.notice(match self.no_fencer() {
            None => Notice::AsksToBeFenced { by },
            Some(why) => Notice::NobodyFences { why },
        });
    }

    /// Holds again what cannot be stopped and nobody else holds.
    pub(super) fn take_back(&mut self) {
        let due =
            [LOCAL, FOREIGN].map(|index| self.take_back_at(index).is_some_and(|at| at <= self.now.mono));
        let set = Set { local: due[LOCAL], foreign: due[FOREIGN] };
        self.claim(set, "they could not be stopped, and nobody else holds them");
    }

    fn take_back_at(&self, index: usize) -> Option<Duration> {
        let stuck = [self.stuck().local, self.stuck().foreign][index];
        // what cannot be started either stays down, for an administrator
        if !stuck || self.shares[index].failed || self.phase != Phase::Stable || self.stop_requested {
            return None;
        }
        // it has asked for them, and holds them as soon as they are stopped
        if self.is_legacy() {
            return None;
        }
        let peer = self.peer.as_ref().filter(|peer| peer.alive() && !peer.leaving)?;
        let claims = peer.claims();
        if self.standby.is_some()
            || self.asks_for_reset()
            || [claims.local, claims.foreign][index]
            || peer.extra.is_none() && peer.holds.is_none()
        {
            return None;
        }
        Some(self.shares[index].since + TAKE_BACK)
    }

    pub(super) fn take_back_deadline(&self) -> Option<Duration> {
        [LOCAL, FOREIGN].into_iter().filter_map(|index| self.take_back_at(index)).min()
    }
}
