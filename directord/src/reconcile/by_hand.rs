//! What an administrator changed in the table and what stays: it is told, once.

use super::{Presence, Table, Wanted, WantedDestination};
use crate::config::plan::shown;
use ipvs::{DestinationKey, ServiceKey};
use rustc_hash::FxHashMap;

/// Weights of settled destinations that are not ours.
#[derive(Debug, Default)]
pub struct ByHand {
    told: FxHashMap<(ServiceKey, DestinationKey), u32>,
}

impl ByHand {
    /// What is to be told after a pass that has left `table`: weights that somebody has set, and destinations that somebody
    /// has put back although they are down.
    pub fn found(&mut self, wanted: &[Wanted], table: &Table) -> Vec<String> {
        let table = table.index();
        let mut news = Vec::new();
        for want in wanted {
            let key = &want.service.key;
            let held: FxHashMap<DestinationKey, u32> = table
                .get(key)
                .map(|(_, held)| held.iter().map(|found| (found.key, found.weight)).collect())
                .unwrap_or_default();
            for destination in &want.destinations {
                let at = destination.destination.key;
                let found = held.get(&at).copied();
                let Some((weight, what)) =
                    found.and_then(|weight| Some((weight, differs(destination, weight)?)))
                else {
                    if !self.told.is_empty() {
                        self.told.remove(&(key.clone(), at));
                    }
                    continue;
                };
                if self.told.insert((key.clone(), at), weight) != Some(weight) {
                    let role = destination.role.name();
                    let server = destination.configured;
                    news.push(format!(
                        "{role} {server} ({}) {what}: it stays until the next verdict",
                        shown(key)
                    ));
                }
            }
        }
        news
    }
}

/// How a weight in the table differs from the one that was put there.
fn differs(wanted: &WantedDestination, found: u32) -> Option<String> {
    let ours = match wanted.presence {
        _ if !wanted.settled => return None,
        Presence::AsIs => return None,
        Presence::Absent => return Some(format!("is back with weight {found}")),
        Presence::Serving => wanted.destination.weight,
        Presence::Quiescent { .. } | Presence::Drained { .. } => 0,
    };
    (found != ours).then(|| format!("has weight {found} instead of {ours}"))
}
