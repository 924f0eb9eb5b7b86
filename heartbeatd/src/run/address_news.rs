//! What has happened to addresses without anybody's order, for the status: the last of each kind, for an hour.

use crate::control::AddressTrouble;
use std::collections::BTreeMap;
use std::time::Duration;

/// What happened so long ago is no news.
const OLD: Duration = Duration::from_secs(3600);
/// Machines that claim addresses with ever new MACs push the oldest out.
const MOST: usize = 32;

/// The address, what happened to it, and whose MAC address had to do with it.
type Key = (String, String, Option<String>);

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct AddressNews {
    last: BTreeMap<Key, (Duration, u64, String)>,
    /// How often one was put back since the start.
    pub(super) repaired: u64,
    /// How often a conflict was told since the start.
    pub(super) conflicts: u64,
}

impl AddressNews {
    /// Something has happened.
    pub(super) fn note(&mut self, now: Duration, address: &str, news: &str, mac: Option<&str>, detail: &str) {
        match news {
            "repaired" => self.repaired = self.repaired.saturating_add(1),
            "conflict" => self.conflicts = self.conflicts.saturating_add(1),
            _ => {}
        }
        self.last.retain(|_, (at, _, _)| now < *at + OLD);
        let key = (address.to_owned(), news.to_owned(), mac.map(str::to_owned));
        if self.last.len() >= MOST && !self.last.contains_key(&key) {
            let oldest = self.last.iter().min_by_key(|(_, (at, _, _))| *at).map(|(key, _)| key.clone());
            oldest.map(|key| self.last.remove(&key));
        }
        let known = self.last.entry(key).or_insert((now, 0, String::new()));
        *known = (now, known.1.saturating_add(1), detail.to_owned());
    }

    /// The last of each kind, the newest first.
    pub(super) fn recent(&self, now: Duration) -> Vec<AddressTrouble> {
        let fresh = self.last.iter().filter(|(_, (at, _, _))| now < *at + OLD);
        let mut fresh: Vec<_> = fresh
            .map(|((address, news, mac), (at, count, detail))| AddressTrouble {
                address: address.clone(),
                news: news.clone(),
                mac: mac.clone(),
                detail: detail.clone(),
                count: *count,
                ago_ms: u64::try_from(now.saturating_sub(*at).as_millis()).unwrap_or(u64::MAX),
            })
            .collect();
        fresh.sort_by_key(|trouble| trouble.ago_ms);
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_each_kind_for_an_hour_and_not_too_many() {
        let (mut news, second) = (AddressNews::default(), Duration::from_secs(1));
        news.note(second, "192.0.2.10", "conflict", Some("02:00:00:00:00:01"), "first");
        news.note(second * 2, "192.0.2.10", "conflict", Some("02:00:00:00:00:01"), "second");
        news.note(second * 3, "192.0.2.10", "repaired", None, "back");
        let recent = news.recent(second * 4);
        let told: Vec<_> = recent.iter().map(|one| (one.detail.as_str(), one.count, one.ago_ms)).collect();
        assert_eq!(told, [("back", 1, 1000), ("second", 2, 2000)]);
        assert_eq!((news.repaired, news.conflicts), (1, 2));
        assert_eq!(news.recent(OLD + second * 2).len(), 1);
        for number in 0..100 {
            news.note(second * 10, "192.0.2.10", "conflict", Some(&format!("{number}")), "many");
        }
        assert_eq!(news.recent(second * 11).len(), MOST);
        assert!(!news.recent(second * 11).iter().any(|one| one.detail == "second"));
    }
}
