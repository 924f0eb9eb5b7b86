//! Other machines that claim addresses held here: who is to be told of, and how often. Pure.

use crate::agents::frame::Claim;
use std::collections::BTreeMap;
use std::time::Duration;

/// One that goes on is told of again after this time.
const AGAIN: Duration = Duration::from_secs(60);
/// The neighbours are told the truth again, at most so often.
const DEFENCE: Duration = Duration::from_secs(10);
/// One that has been silent for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(300);
/// Whoever invents MAC addresses fills no memory.
const MOST: usize = 64;

/// The machines that claim our addresses.
#[derive(Debug, Default)]
pub struct Conflicts(BTreeMap<Claim, Known>);

#[derive(Debug)]
struct Known {
    last: Duration,
    told: Duration,
    defended: Duration,
    /// Claims since it was told.
    count: u64,
}

/// What follows from a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consequence {
    /// Tell of it: so many claims there were since it was told last.
    pub tell: Option<u64>,
    /// Announce the address again.
    pub defend: bool,
}

impl Conflicts {
    /// Somebody else has claimed an address that is held here.
    pub fn heard(&mut self, now: Duration, claim: Claim) -> Consequence {
        self.0.retain(|_, known| now < known.last + FORGOTTEN);
        if !self.0.contains_key(&claim) && self.0.len() >= MOST {
            return Consequence::default();
        }
        let mut new = false;
        let known = self.0.entry(claim).or_insert_with(|| {
            new = true;
            Known { last: now, told: now, defended: now, count: 0 }
        });
        (known.last, known.count) = (now, known.count.saturating_add(1));
        let (tell, defend) = (new || now >= known.told + AGAIN, new || now >= known.defended + DEFENCE);
        if defend {
            known.defended = now;
        }
        let count = known.count;
        if tell {
            (known.told, known.count) = (now, 0);
        }
        Consequence { tell: tell.then_some(count), defend }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(last: u8) -> Claim {
        Claim { ip: "192.0.2.10".parse().unwrap(), mac: [2, 0, 0, 0, 0, last] }
    }

    #[test]
    fn a_conflict_is_told_once_and_once_a_minute() {
        let (mut conflicts, second) = (Conflicts::default(), Duration::from_secs(1));
        let mut told = Vec::new();
        for now in 0..=120 {
            let Consequence { tell, defend } = conflicts.heard(second * now, claim(1));
            told.extend(tell.map(|count| (now, count)));
            assert_eq!(defend, now % 10 == 0, "at {now} s");
        }
        assert_eq!(told, [(0, 1), (60, 60), (120, 60)]);
        let other = conflicts.heard(second * 121, claim(2));
        assert_eq!(other, Consequence { tell: Some(1), defend: true }, "another machine");
        let late = conflicts.heard(second * 121 + FORGOTTEN, claim(1));
        assert_eq!(late.tell, Some(1), "it had been silent");
    }

    #[test]
    fn a_thousand_machines_fill_no_memory() {
        let mut conflicts = Conflicts::default();
        for last in 0..=u8::MAX {
            conflicts.heard(Duration::ZERO, claim(last));
        }
        assert_eq!(conflicts.0.len(), MOST);
    }
}
