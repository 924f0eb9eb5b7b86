//! Which real servers are concerned by the results of a probe.

use super::Place;
use crate::check::Probe;
use crate::config::{Check, Plan};
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::sync::Arc;

/// Who holds a probe: nearly always one server.
#[derive(Debug)]
pub(super) enum Holders {
    One(Place),
    Many(Vec<Place>),
}

impl Holders {
    /// Where they are in the plan.
    pub(super) fn places(&self) -> &[Place] {
        match self {
            Holders::One(place) => std::slice::from_ref(place),
            Holders::Many(places) => places,
        }
    }

    fn add(&mut self, place: Place) {
        match self {
            Holders::One(first) => *self = Holders::Many(vec![*first, place]),
            Holders::Many(places) => places.push(place),
        }
    }
}

/// Who holds which probe of a plan.
pub(super) fn holders(plan: &Plan) -> FxHashMap<Arc<Probe>, Holders> {
    let servers = plan.services.iter().map(|service| service.reals.len()).sum();
    let mut holders: FxHashMap<Arc<Probe>, Holders> =
        FxHashMap::with_capacity_and_hasher(servers, FxBuildHasher);
    for (at, service) in plan.services.iter().enumerate() {
        for (number, real) in service.reals.iter().enumerate() {
            if let Check::Probe(probe) = &real.check {
                match holders.get_mut(probe) {
                    Some(known) => known.add((at, number)),
                    None => drop(holders.insert(Arc::clone(probe), Holders::One((at, number)))),
                }
            }
        }
    }
    holders.shrink_to_fit(); // many may share a probe
    holders
}
