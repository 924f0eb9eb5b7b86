//! The weight of a real server while it is up: as configured, as its check says (`weightfromcheck`), and less for a
//! while after it was down (`slowstart`).

use super::Director;
use crate::check::Outcome;
use crate::verdict::State;
use std::time::{Duration, Instant};

/// A weight grows in so many steps.
const STEPS: u32 = 10;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// What the check said last.
    said: Option<u32>,
    ramp: Option<Box<Ramp>>,
}

/// A slow start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ramp {
    /// `None` until the clock was looked at.
    began: Option<Instant>,
    /// From 1 to [`STEPS`].
    step: u32,
}

impl Weight {
    /// Of a server that the table holds with a weight which its check must have said.
    pub(super) fn found(weight: Option<u32>) -> Weight {
        Weight { said: weight, ramp: None }
    }

    /// What it is now.
    pub(super) fn of(&self, configured: u32) -> u32 {
        let full = self.said.unwrap_or(configured);
        let part = |ramp: &Ramp| u64::from(full) * u64::from(ramp.step);
        self.ramp
            .as_ref()
            .map_or(full, |ramp| u32::try_from(part(ramp).div_ceil(u64::from(STEPS))).unwrap_or(full))
    }

    /// Whether a check has said it.
    pub(super) fn is_said(&self) -> bool {
        self.said.is_some()
    }

    /// A check has ended.
    pub(super) fn observe(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::PassedWith(weight) => self.said = Some(*weight),
            Outcome::Passed => self.said = None,
            _ => {}
        }
    }

    /// The verdict has changed.
    pub(super) fn turned(&mut self, before: State, after: State, slow_start: Duration) {
        let recovered = before == State::Down && after == State::Up && !slow_start.is_zero();
        self.ramp = recovered.then(|| Box::new(Ramp { began: None, step: 1 }));
    }

    /// Ends a slow start.
    pub(super) fn grow_up(&mut self) {
        self.ramp = None;
    }

    fn step(&self) -> u32 {
        self.ramp.as_ref().map_or(STEPS, |ramp| ramp.step)
    }

    /// Grows. Returns when the next step is due.
    fn advance(&mut self, slow_start: Duration, now: Instant) -> Option<Instant> {
        let ramp = self.ramp.as_mut()?;
        let began = *ramp.began.get_or_insert(now);
        let step = slow_start / STEPS;
        ramp.step = (1..STEPS).find(|number| now < began + step * *number).unwrap_or(STEPS);
        if ramp.step == STEPS || step.is_zero() {
            self.ramp = None;
            return None;
        }
        Some(began + step * ramp.step)
    }
}

impl Director {
    /// Lets the weights of servers grow that were down, and remembers where for [`Director::take_due`]. Returns when the next
    /// step is due.
    pub fn advance(&mut self, now: Instant) -> Option<Instant> {
        let mut next = None;
        let services = self.plan.services.iter().zip(&mut self.services).enumerate();
        for (at, (service, state)) in services.filter(|(_, (service, _))| !service.slow_start.is_zero()) {
            for weight in state.servers.iter_mut().map(|server| &mut server.weight) {
                let before = weight.step();
                next = next.into_iter().chain(weight.advance(service.slow_start, now)).min();
                if weight.step() != before {
                    self.touched.insert(at);
                }
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const THIRTY: Duration = Duration::from_secs(30);

    fn recovered(slow_start: Duration) -> Weight {
        let mut weight = Weight::default();
        weight.turned(State::Down, State::Up, slow_start);
        weight
    }

    #[test]
    fn a_weight_grows_in_ten_steps() {
        let (mut weight, now) = (recovered(THIRTY), Instant::now());
        assert_eq!(weight.of(100), 10, "before the clock was looked at");
        let mut seen = Vec::new();
        let mut due = Some(now);
        while let Some(at) = due {
            due = weight.advance(THIRTY, at);
            seen.push(((at - now).as_secs(), weight.of(100)));
        }
        assert_eq!(
            seen,
            [(0, 10), (3, 20), (6, 30), (9, 40), (12, 50), (15, 60), (18, 70), (21, 80), (24, 90), (27, 100)]
        );
        assert_eq!(weight, Weight::default());
    }

    #[test]
    fn only_what_was_down_starts_slowly() {
        let mut weight = Weight::default();
        for (before, after) in
            [(State::Pending, State::Up), (State::Up, State::Down), (State::Pending, State::Down)]
        {
            weight.turned(before, after, THIRTY);
            assert_eq!(weight.of(100), 100);
        }
        assert_eq!(recovered(Duration::ZERO).of(100), 100, "nobody asked for it");
        let mut again = recovered(THIRTY);
        again.turned(State::Up, State::Down, THIRTY);
        assert_eq!(again, Weight::default());
    }

    #[test]
    fn the_check_says_the_weight_that_is_grown_to() {
        let mut weight = recovered(THIRTY);
        weight.observe(&Outcome::PassedWith(50));
        assert_eq!(weight.of(100), 5);
        weight.advance(THIRTY, Instant::now());
        weight.observe(&Outcome::Refused);
        weight.observe(&Outcome::NoWeight(String::new()));
        weight.turned(State::Up, State::Up, THIRTY);
        assert_eq!(weight.of(100), 50, "said last");
        weight.observe(&Outcome::Passed);
        assert_eq!(weight.of(100), 100);
    }

    proptest! {
        /// It only grows, is never 0 unless the full weight is, and is the full weight at the end.
        #[test]
        fn a_weight_never_shrinks(full in 0u32..65536, millis in 1u64..100_000, mut at in proptest::collection::vec(0u64..200_000, 1..20)) {
            let slow_start = Duration::from_millis(millis);
            let (mut weight, now) = (recovered(slow_start), Instant::now());
            let mut last = weight.of(full);
            prop_assert!(last >= full.min(1));
            weight.advance(slow_start, now);
            at.sort_unstable();
            for moment in at {
                let due = weight.advance(slow_start, now + Duration::from_millis(moment));
                prop_assert!(due.is_none_or(|due| due > now + Duration::from_millis(moment)));
                prop_assert!(weight.of(full) >= last && weight.of(full) <= full);
                last = weight.of(full);
            }
            weight.advance(slow_start, now + slow_start);
            prop_assert_eq!(weight, Weight::default());
        }
    }
}
