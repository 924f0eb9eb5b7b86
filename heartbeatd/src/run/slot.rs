//! A medium as the beat thread uses it: opened at the start and by a reload, and its errors counted, said once when they
//! begin and once when they end.

use super::picture::MediumState;
use crate::media::{self, Change, Medium, Target, Wire};
use std::io;

/// So many packets in a row must leave before an error counts as over: one that comes and goes is one line, not one
/// per packet.
const RECOVERED_AFTER: u32 = 10;

#[derive(Debug)]
pub(super) struct Slot {
    /// The line of `ha.cf`.
    pub(super) name: String,
    /// Index of its interface among the links.
    pub(super) link: usize,
    pub(super) medium: Option<Medium>,
    /// Of its interface.
    pub(super) wire: Wire,
    trouble: Option<Trouble>,
}

/// Why packets do not leave.
#[derive(Debug)]
struct Trouble {
    successes: u32,
    errors: u64,
}

impl Slot {
    pub(super) fn new(name: String, link: usize, medium: Option<Medium>) -> Slot {
        Slot { name, link, medium, wire: Wire::default(), trouble: None }
    }

    /// Open, and packets leave by a connected interface; or why not.
    pub(super) fn state(&self) -> MediumState {
        match (&self.medium, self.wire) {
            (None, _) => MediumState::Fails,
            (Some(_), Wire::NoCarrier) => MediumState::NoCarrier,
            (Some(_), Wire::Off) => MediumState::Off,
            (Some(_), Wire::There) if self.trouble.is_some() => MediumState::Fails,
            (Some(_), Wire::There) => MediumState::Works,
        }
    }

    /// Messages go out in text form.
    pub(super) fn takes_text(&self) -> bool {
        self.medium.as_ref().is_some_and(Medium::takes_text)
    }

    /// Sends; says so when that begins or ends to fail. Returns whether the packet left.
    pub(super) fn send(&mut self, packet: &[u8]) -> bool {
        let Some(medium) = &mut self.medium else { return false };
        match medium.send(packet) {
            Ok(()) => {
                self.succeeded();
                true
            }
            Err(error) => {
                self.failed(&error);
                false
            }
        }
    }

    fn succeeded(&mut self) {
        let Some(trouble) = &mut self.trouble else { return };
        trouble.successes += 1;
        if trouble.successes >= RECOVERED_AFTER {
            tracing::info!("{}: packets leave again ({} did not)", self.name, trouble.errors);
            self.trouble = None;
        }
    }

    fn failed(&mut self, error: &io::Error) {
        match &mut self.trouble {
            Some(trouble) => {
                trouble.successes = 0;
                trouble.errors += 1;
            }
            None => {
                tracing::warn!("{}: packets do not leave: {error}", self.name);
                self.trouble = Some(Trouble { successes: 0, errors: 1 });
            }
        }
    }

    /// Takes what the keeper of the media reports; returns a medium that is no longer used.
    pub(super) fn change(&mut self, change: Change) -> Option<Medium> {
        match change {
            Change::Opened(medium) => {
                tracing::info!("{}: open", self.name);
                self.trouble = None;
                self.medium.replace(medium)
            }
            Change::Wire(wire) => {
                self.wire = wire;
                match wire {
                    Wire::There => tracing::info!("{}: the interface has its carrier again", self.name),
                    Wire::NoCarrier => tracing::warn!("{}: the interface has no carrier", self.name),
                    Wire::Off => tracing::warn!("{}: the interface is switched off", self.name),
                }
                None
            }
            Change::Lost(why) => {
                tracing::warn!("{}: closed until it can be opened again: {why}", self.name);
                self.medium.take()
            }
        }
    }
}

/// A medium that could not be opened, and is tried again.
pub(super) struct Unopened {
    /// The line of `ha.cf`.
    pub(super) medium: String,
    /// Why.
    pub(super) why: String,
}

/// Says which media are open now; those whose line was `open` before are no news.
pub(super) fn tell_open(slots: &[Slot], open: &[String]) {
    for slot in slots.iter().filter(|slot| slot.medium.is_some() && !open.contains(&slot.name)) {
        tracing::info!("{}: open", slot.name);
    }
}

/// Opens what can be opened: a pair with two links must come up with one of them broken.
pub(super) fn open(targets: &[Target], links: &[String]) -> Result<(Vec<Slot>, Vec<Unopened>), String> {
    let mut unopened = Vec::new();
    let mut slots = Vec::new();
    for target in targets {
        let medium = match Medium::open(target) {
            Ok(medium) => Some(medium),
            Err(error) => {
                unopened.push(Unopened { medium: target.medium.to_string(), why: error.to_string() });
                None
            }
        };
        let link = links.iter().position(|link| *link == target.medium.interface);
        slots.push(Slot::new(target.medium.to_string(), link.unwrap_or(0), medium));
    }
    let errors: Vec<String> = unopened.iter().map(|one| format!("{}: {}", one.medium, one.why)).collect();
    if slots.iter().all(|slot| slot.medium.is_none()) {
        let here = media::interfaces().join(" ");
        return Err(format!(
            "heartbeat: no medium could be opened (interfaces: {here})\n{}",
            errors.join("\n")
        ));
    }
    errors.iter().for_each(|error| tracing::warn!("{error}; it is tried again until it opens"));
    Ok((slots, unopened))
}
