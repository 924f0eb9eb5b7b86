//! What an administrator changed in the table and what stays: it is told, once.

use super::{Action, Edit, Presence, Table, Wanted, WantedDestination};
use crate::config::plan::shown;
use ipvs::DestinationKey;
use std::collections::HashSet;

/// Weights of settled destinations that are others than at the last look, and destinations that are back although they are
/// down. `before` and `after` are the table when the passes ended, `edits` what the last one did.
pub fn by_hand(wanted: &[Wanted], before: &Table, after: &Table, edits: &[Edit]) -> Vec<String> {
    let (before, after) = (before.index(), after.index());
    let ours: HashSet<_> = edits.iter().filter_map(added).collect();
    let mut told = Vec::new();
    for want in wanted {
        let key = &want.service.key;
        let (Some((_, before)), Some((_, after))) = (before.get(key), after.get(key)) else { continue };
        for destination in want.destinations.iter().filter(|destination| destination.settled) {
            let at = destination.destination.key;
            let weight = |among: &[ipvs::Destination]| {
                among.iter().find(|found| found.key == at).map(|found| found.weight)
            };
            let Some(now) = weight(after).filter(|_| !ours.contains(&(key, at))) else { continue };
            if let Some(what) = changed(destination, weight(before), now) {
                let role = destination.role.name();
                told.push(format!("{role} {} ({}) {what}", destination.configured, shown(key)));
            }
        }
    }
    told
}

fn added(edit: &Edit) -> Option<(&ipvs::ServiceKey, DestinationKey)> {
    match &edit.action {
        Action::AddDestination(service, destination) => Some((service, destination.key)),
        _ => None,
    }
}

fn changed(destination: &WantedDestination, before: Option<u32>, now: u32) -> Option<String> {
    let until = "it stays until the next verdict";
    match (destination.presence, before) {
        (Presence::AsIs, _) => None,
        (_, Some(before)) if before == now => None,
        (_, Some(before)) => Some(format!("has weight {now} instead of {before}: {until}")),
        (_, None) => Some(format!("is back with weight {now}: {until}")),
    }
}
