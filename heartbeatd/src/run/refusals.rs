//! Packets that were refused: counted all, said rarely, but said: they are why a peer is not heard.

use crate::cluster::Refusal;
use crate::wire::{DecodeError, Key, Keys};
use std::collections::BTreeMap;
use std::time::Duration;

/// The same reason on the same medium is said once in this time: a neighbour's cluster on the same port must not
/// fill the disk.
const INTERVAL: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Refusals {
    counts: BTreeMap<&'static str, u64>,
    said: BTreeMap<(usize, &'static str), Said>,
}

#[derive(Debug)]
struct Said {
    at: Duration,
    since: u64,
}

impl Refusals {
    /// Counts a packet of `slot`. If it is time to say so, returns how many of this kind have come since the last
    /// time.
    pub(super) fn count(&mut self, slot: usize, error: &DecodeError, now: Duration) -> Option<u64> {
        let reason = error.reason();
        *self.counts.entry(reason).or_default() += 1;
        match self.said.get_mut(&(slot, reason)) {
            None => {
                self.said.insert((slot, reason), Said { at: now, since: 0 });
                Some(1)
            }
            Some(said) => {
                said.since += 1;
                (now >= said.at + INTERVAL).then(|| {
                    said.at = now;
                    std::mem::take(&mut said.since)
                })
            }
        }
    }

    /// Totals by reason.
    pub(super) fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }
}

/// What a refused packet says about who sends here.
pub(super) fn seen_by_core(error: &DecodeError, keys: &Keys) -> Refusal {
    match error {
        DecodeError::UnknownKey(number) | DecodeError::WrongMac(number) => {
            Refusal::WrongKey { number: *number, method: keys.get(*number).map(Key::method) }
        }
        DecodeError::NoAuthentication | DecodeError::BadAuthentication => Refusal::Unsigned,
        damaged => Refusal::Garbage(damaged.reason()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_said_once_a_minute_and_counted_whole() {
        let mut refusals = Refusals::default();
        let at = Duration::from_secs;
        let wrong = DecodeError::WrongMac(1);
        assert_eq!(refusals.count(0, &wrong, at(5)), Some(1));
        for second in 0..59 {
            assert_eq!(refusals.count(0, &wrong, at(5 + second)), None);
        }
        assert_eq!(refusals.count(1, &wrong, at(6)), Some(1), "another medium");
        assert_eq!(refusals.count(0, &DecodeError::NotHeartbeat, at(6)), Some(1), "another reason");
        assert_eq!(refusals.count(0, &wrong, at(65)), Some(60));
        assert_eq!(refusals.counts().get("wrong digest"), Some(&62));
    }
}
