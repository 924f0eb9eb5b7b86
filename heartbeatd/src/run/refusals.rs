//! Packets that were refused: counted all, said rarely, but said: they are why a peer is not heard.
//!
//! The first one on a medium is said at once, what follows in one line after ten seconds, then once a minute for as long
//! as they come: neither a neighbour's cluster on the same port nor an attacker must fill the disk.

use crate::cluster::Refusal;
use crate::wire::{DecodeError, Key, Keys};
use std::collections::BTreeMap;
use std::time::Duration;

/// From the first one to the first summary.
const FIRST: Duration = Duration::from_secs(10);
/// From summary to summary.
const INTERVAL: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Refusals {
    counts: BTreeMap<&'static str, u64>,
    /// Media on which some came lately.
    unsaid: BTreeMap<usize, Unsaid>,
}

/// What has come on a medium since something was said of it.
#[derive(Debug)]
struct Unsaid {
    since: Duration,
    until: Duration,
    counts: BTreeMap<&'static str, u64>,
    last: Option<(usize, DecodeError)>,
}

impl Unsaid {
    fn new(since: Duration, until: Duration) -> Unsaid {
        Unsaid { since, until, counts: BTreeMap::new(), last: None }
    }
}

impl Refusals {
    /// Counts a packet of `bytes` bytes on the medium `slot`; returns what is to be said at once, if anything.
    pub(super) fn count(
        &mut self,
        slot: usize,
        bytes: usize,
        error: &DecodeError,
        now: Duration,
    ) -> Option<String> {
        let reason = error.reason();
        *self.counts.entry(reason).or_default() += 1;
        let Some(unsaid) = self.unsaid.get_mut(&slot) else {
            self.unsaid.insert(slot, Unsaid::new(now, now + FIRST));
            return Some(format!("packet of {bytes} bytes refused: {error}"));
        };
        *unsaid.counts.entry(reason).or_default() += 1;
        unsaid.last = Some((bytes, error.clone()));
        None
    }

    /// The summaries that are due, with the number of their medium.
    pub(super) fn due(&mut self, now: Duration) -> Vec<(usize, String)> {
        let mut lines = Vec::new();
        self.unsaid.retain(|slot, unsaid| {
            if now < unsaid.until {
                return true;
            }
            let Unsaid { since, counts, last, .. } =
                std::mem::replace(unsaid, Unsaid::new(now, now + INTERVAL));
            let Some((bytes, error)) = last else { return false };
            let total: u64 = counts.values().sum();
            let reasons: Vec<String> =
                counts.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
            lines.push((
                *slot,
                format!(
                    "{total} more packet{} refused in {} s ({}), the last one of {bytes} bytes: {error}",
                    if total == 1 { "" } else { "s" },
                    now.saturating_sub(since).as_secs(),
                    reasons.join(", ")
                ),
            ));
            true
        });
        lines
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

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_flood_is_said_at_once_then_in_one_line_a_minute_and_counted_whole() {
        let mut refusals = Refusals::default();
        let wrong = DecodeError::WrongMac(1);
        let first = refusals.count(0, 300, &wrong, at(5)).unwrap_or_default();
        assert!(first.starts_with("packet of 300 bytes refused: digest does not match: key 1"), "{first}");
        let mut lines = Vec::new();
        for second in 5..185 {
            lines.extend(refusals.due(at(second)));
            assert_eq!(refusals.count(0, 300, &wrong, at(second)), None);
            assert_eq!(refusals.count(0, 20, &DecodeError::NotHeartbeat, at(second)), None);
        }
        let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
        let [one, two, three] = &texts[..] else { panic!("{texts:?}") };
        assert!(
            one.starts_with(
                "20 more packets refused in 10 s (not heartbeat 10, wrong digest 10), the last one of 20 bytes: not a"
            ),
            "{one}"
        );
        for text in [two, three] {
            assert!(
                text.starts_with("120 more packets refused in 60 s (not heartbeat 60, wrong digest 60)"),
                "{text}"
            );
        }
        assert_eq!(refusals.counts().get("wrong digest"), Some(&181));
    }

    #[test]
    fn each_medium_has_its_lines_and_after_a_quiet_minute_the_next_one_is_said_at_once() {
        let mut refusals = Refusals::default();
        let foreign = DecodeError::NotHeartbeat;
        assert!(refusals.count(0, 1, &foreign, at(0)).is_some());
        assert!(refusals.count(1, 1, &foreign, at(1)).is_some());
        assert!(refusals.count(1, 1, &foreign, at(2)).is_none());
        let due = refusals.due(at(11));
        assert_eq!(due.iter().map(|(slot, _)| *slot).collect::<Vec<_>>(), [1], "of the other, all is said");
        assert!(refusals.count(0, 1, &foreign, at(12)).is_some());
        assert!(refusals.count(1, 1, &foreign, at(12)).is_none());
        assert_eq!(refusals.due(at(71)).len(), 1);
        assert!(refusals.due(at(131)).is_empty());
        assert!(refusals.count(1, 1, &foreign, at(132)).is_some());
    }
}
