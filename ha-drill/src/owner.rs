//! Who answers for an address: hardware addresses that reply when everybody is asked. Pure.

use std::fmt;
use std::time::Duration;

use crate::moment::Moment;
use crate::outage::Span;

/// A hardware address of Ethernet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One question to everybody, and who replied before the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// When it was asked.
    pub at: Moment,
    /// Who replied; each once.
    pub owners: Vec<Mac>,
}

/// A stretch in which the same ones replied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// Those that replied, sorted; none: nobody did.
    pub owners: Vec<Mac>,
    /// From the first such question to the first one with other replies.
    pub span: Span,
}

/// What the rounds say, one after the other without gaps. A single question without a reply changes nothing: any packet may
/// be lost, and outages are the business of the other probes.
pub fn tenures(rounds: &[Round], end: Moment) -> Vec<Tenure> {
    let mut all: Vec<Tenure> = Vec::new();
    for (place, round) in rounds.iter().enumerate() {
        let mut owners = round.owners.clone();
        owners.sort();
        owners.dedup();
        let alone = owners.is_empty() && rounds.get(place + 1).is_some_and(|next| !next.owners.is_empty());
        match all.last_mut() {
            Some(last) if last.owners == owners || alone => {}
            last => {
                if let Some(last) = last {
                    last.span.to = round.at;
                }
                all.push(Tenure { owners, span: Span { from: round.at, to: round.at } });
            }
        }
    }
    if let Some(last) = all.last_mut() {
        last.span.to = end.max(last.span.from);
    }
    all
}

/// How long two or more replied, in all.
pub fn duplicate(tenures: &[Tenure]) -> Duration {
    tenures.iter().filter(|tenure| tenure.owners.len() > 1).map(|tenure| tenure.span.length()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rounds(text: &str) -> Vec<Round> {
        let owners = |kind| match kind {
            'a' => vec![Mac([1; 6])],
            'b' => vec![Mac([2; 6])],
            '2' => vec![Mac([2; 6]), Mac([1; 6])],
            _ => Vec::new(),
        };
        let round = |(at, kind)| Round { at: Moment::from_nanos(at), owners: owners(kind) };
        (0u64..).zip(text.chars()).map(round).collect()
    }

    fn told(text: &str) -> Vec<(usize, u64)> {
        let all = tenures(&rounds(text), Moment::from_nanos(text.len() as u64));
        all.iter().map(|tenure| (tenure.owners.len(), tenure.span.length().as_nanos() as u64)).collect()
    }

    #[test]
    fn owners_follow_each_other() {
        assert_eq!(told("aaabb"), [(1, 3), (1, 2)]);
        assert_eq!(told("aa--bb"), [(1, 2), (0, 2), (1, 2)]);
        assert_eq!(told("a22bb"), [(1, 1), (2, 2), (1, 2)]);
        assert_eq!(told("aa-aa"), [(1, 5)], "one lost packet");
        assert_eq!(told("aa-"), [(1, 2), (0, 1)]);
        assert_eq!(told(""), []);
        assert_eq!(Mac([2, 0, 0x5e, 0, 0, 1]).to_string(), "02:00:5e:00:00:01");
    }

    proptest! {
        #[test]
        fn nothing_is_counted_twice_or_lost(text in "[ab2-]{1,80}") {
            let end = Moment::from_nanos(text.len() as u64);
            let all = tenures(&rounds(&text), end);
            prop_assert_eq!(all.iter().map(|tenure| tenure.span.length()).sum::<Duration>(), Duration::from_nanos(text.len() as u64));
            for pair in all.windows(2) {
                prop_assert_eq!(pair[0].span.to, pair[1].span.from);
                prop_assert_ne!(&pair[0].owners, &pair[1].owners);
            }
            let twice = duplicate(&all).as_nanos() as usize;
            let least = text.matches('2').count();
            prop_assert!(twice >= least && twice <= least + text.matches('-').count());
        }
    }
}
