//! What is to be done about the addresses of this machine: pure.
//!
//! ```text
//!  the group is    the address is   and             so
//!  held here       missing                          it is put back: at once, then with growing pauses
//!  held here       missing          interface down  nothing, and that is said once
//!  not here        there            made by us      it is removed
//!  not here        there            by others       it is left alone, and said once: it is not ours to touch
//! ```
//! Of a group that is being started or stopped, or could not be stopped, nothing is decided here.

use crate::address::Address;
use crate::agents::address::{in_place, ours};
use crate::agents::netlink::{Held, Link};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Whoever removes an address again and again is met with pauses of up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The first of them, before the second attempt.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// An address that has stayed for so long begins anew.
const CALM: Duration = Duration::from_secs(120);

/// Where a group is, as far as this machine's addresses are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// All of it was started here, and nothing has begun to stop it.
    HeldHere,
    /// It is not held here, and nothing of it may run here.
    NotHere,
    /// Anything else.
    Undecided,
}

/// An address of a group.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The group's key.
    pub group: String,
    /// The address as it is written.
    pub address: Address,
    /// Where its group is.
    pub whose: Whose,
}

/// What is to be done about an address: its number in the list, and what is to be known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Put it back; so many attempts there were shortly before.
    PutBack {
        /// Its number.
        index: usize,
        /// Attempts.
        tries: u32,
    },
    /// It is missing and its interface is not there or down.
    CannotBe {
        /// Its number.
        index: usize,
        /// Its interface.
        interface: String,
    },
    /// Remove it: it was made by us.
    Remove {
        /// Its number.
        index: usize,
    },
    /// Somebody else made it on this interface, although the group is not held here.
    NotOurs {
        /// Its number.
        index: usize,
        /// The interface.
        interface: String,
    },
    /// Its interface has its carrier again: tell the neighbours.
    Announce {
        /// Its number.
        index: usize,
    },
}

/// What is remembered between two looks.
#[derive(Debug, Default)]
pub struct Judge {
    troubles: BTreeMap<IpAddr, Trouble>,
    /// Whether each interface had a carrier.
    running: BTreeMap<u32, bool>,
}

#[derive(Debug, Default)]
struct Trouble {
    tries: u32,
    /// When the last attempt was, and when the next one may be.
    last: Duration,
    next: Duration,
    /// It still is as it was when it was told.
    told: bool,
    /// It waits for its next attempt.
    waits: bool,
}

impl Judge {
    /// Looks at everything once, at `now` of any clock that never jumps.
    pub fn look(
        &mut self,
        now: Duration,
        watched: &[Watched],
        here: &[Held],
        links: &[Link],
    ) -> Vec<Verdict> {
        let back = self.carriers(links);
        self.troubles.retain(|ip, trouble| {
            let known = watched.iter().any(|one| one.address.ip == *ip && one.whose != Whose::Undecided);
            known && (trouble.told || trouble.waits || now < trouble.last + CALM)
        });
        let looks = watched.iter().enumerate().map(|(index, one)| {
            let link =
                one.address.interface.as_ref().map(|name| links.iter().find(|link| link.name == *name));
            let copy = match link {
                Some(None) => None,
                link => here
                    .iter()
                    .find(|held| held.ip == one.address.ip && in_place(held, &one.address, link.flatten())),
            };
            match one.whose {
                Whose::HeldHere => match copy {
                    Some(copy) => {
                        self.calm(one.address.ip);
                        back.contains(&copy.interface).then_some(Verdict::Announce { index })
                    }
                    None => self.missing(now, index, one, link),
                },
                Whose::NotHere => match copy {
                    Some(copy) => {
                        let name = links.iter().find(|link| link.index == copy.interface);
                        let name = name.map_or_else(|| copy.interface.to_string(), |link| link.name.clone());
                        self.appeared(now, index, one, ours(copy), name)
                    }
                    None => {
                        self.calm(one.address.ip);
                        None
                    }
                },
                Whose::Undecided => None,
            }
        });
        looks.flatten().collect()
    }

    /// When the next attempt may be that is waited for.
    pub fn deadline(&self) -> Option<Duration> {
        self.troubles.values().filter(|trouble| trouble.waits).map(|trouble| trouble.next).min()
    }

    /// It is as it should be.
    fn calm(&mut self, ip: IpAddr) {
        if let Some(trouble) = self.troubles.get_mut(&ip) {
            (trouble.told, trouble.waits) = (false, false);
        }
    }

    fn missing(
        &mut self,
        now: Duration,
        index: usize,
        one: &Watched,
        link: Option<Option<&Link>>,
    ) -> Option<Verdict> {
        let trouble = self.troubles.entry(one.address.ip).or_default();
        if link.is_some_and(|link| link.is_none_or(|link| !link.up)) {
            trouble.waits = false; // the interface's return is heard
            let interface = one.address.interface.clone().unwrap_or_default();
            let told = std::mem::replace(&mut trouble.told, true);
            return (!told).then_some(Verdict::CannotBe { index, interface });
        }
        let tries = trouble.attempt(now)?;
        Some(Verdict::PutBack { index, tries })
    }

    fn appeared(
        &mut self,
        now: Duration,
        index: usize,
        one: &Watched,
        ours: bool,
        interface: String,
    ) -> Option<Verdict> {
        let trouble = self.troubles.entry(one.address.ip).or_default();
        if ours {
            return trouble.attempt(now).map(|_| Verdict::Remove { index });
        }
        let told = std::mem::replace(&mut trouble.told, true);
        (!told).then_some(Verdict::NotOurs { index, interface })
    }

    /// The interfaces that have a carrier again.
    fn carriers(&mut self, links: &[Link]) -> Vec<u32> {
        let before = std::mem::take(&mut self.running);
        self.running = links.iter().map(|link| (link.index, link.up && link.running)).collect();
        let back = self.running.iter().filter(|(index, runs)| **runs && before.get(*index) == Some(&false));
        back.map(|(index, _)| *index).collect()
    }
}

impl Trouble {
    /// Counts an attempt now, if there may be one; how many there were before.
    fn attempt(&mut self, now: Duration) -> Option<u32> {
        self.waits = true;
        if now < self.next {
            return None;
        }
        let tries = self.tries;
        let pause = FIRST_PAUSE.saturating_mul(1 << tries.min(6)).min(LONGEST_PAUSE);
        (self.tries, self.last, self.next) = (tries.saturating_add(1), now, now + pause);
        Some(tries)
    }
}

#[cfg(test)]
mod tests;
