//! When a probe runs next: pure, the clock is passed in.

use std::time::Duration;
use tokio::time::Instant;

/// The moments at which a probe is due: `first`, and every interval after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beat {
    first: Instant,
    interval: Duration,
}

/// Probes that begin together begin this far apart, so that a start is no burst: their results could not be handled any faster.
const APART: Duration = Duration::from_micros(100);

impl Beat {
    /// One that is due at `first`, and every interval after it.
    pub(super) fn new(first: Instant, interval: Duration) -> Beat {
        Beat { first, interval }
    }

    /// Its first moment.
    pub(super) fn first(&self) -> Instant {
        self.first
    }

    /// When the first run of probe `number` of those that begin together is due: soon, and within half of its interval.
    pub(super) fn begin(now: Instant, number: usize, interval: Duration) -> Instant {
        now + APART.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX)).min(interval / 2)
    }

    /// The beat of probe `number` (from 0) of `count` that begin together: they are spread evenly over the interval.
    pub(super) fn spread(now: Instant, number: usize, count: usize, interval: Duration) -> Beat {
        let part = (number + 1) as f64 / count.max(1) as f64;
        Beat { first: now + interval.mul_f64(part.min(1.0)), interval }
    }

    /// When the run after the one that began at `began` is due. That moment may have passed if the run was long: then
    /// it is due at once, and beats that were missed are left out. `sooner` is the time from run to run while a
    /// result has to be confirmed.
    pub(super) fn next(&self, began: Instant, sooner: Option<Duration>) -> Instant {
        let beat = match began.checked_duration_since(self.first) {
            None => self.first,
            Some(since) => began + (self.interval - remainder(since, self.interval)),
        };
        sooner.map_or(beat, |sooner| beat.min(began + sooner))
    }
}

fn remainder(time: Duration, interval: Duration) -> Duration {
    let nanos = time.as_nanos() % interval.as_nanos().max(1);
    Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_beat_after_the_other_and_missed_ones_are_left_out() {
        let now = Instant::now();
        let beat = Beat::spread(now, 0, 4, 4 * SECOND);
        let next = |began: f64| (beat.next(now + SECOND.mul_f64(began), None) - now).as_secs_f64();
        assert_eq!([next(0.0), next(0.9), next(1.0), next(4.99), next(5.0)], [1.0, 1.0, 5.0, 5.0, 9.0]);
        assert_eq!(next(6.5), 9.0, "the beat stays what it was");
    }

    #[test]
    fn a_doubt_makes_the_next_run_come_sooner_but_never_later() {
        let now = Instant::now();
        let beat = Beat::spread(now, 3, 4, 4 * SECOND);
        let next = |sooner| (beat.next(now + 4 * SECOND, Some(sooner)) - now).as_secs_f64();
        assert_eq!(next(SECOND / 2), 4.5);
        assert_eq!(next(9 * SECOND), 8.0);
    }

    proptest! {
        /// However many probes: no part of the interval has more of them than its share.
        #[test]
        fn probes_that_begin_together_do_not_run_together(
            count in 1usize..3000, millis in 10u64..60_000, part in 1u32..50, at in 0.0f64..1.0,
        ) {
            let (now, interval) = (Instant::now(), Duration::from_millis(millis));
            let window = interval / part;
            let from = now + 5 * interval + interval.mul_f64(at);
            let runs = (0..count)
                .map(|number| Beat::spread(now, number, count, interval).next(from, None))
                .filter(|due| *due < from + window)
                .count();
            prop_assert!(runs <= count / part as usize + 2, "{runs} of {count} in 1/{part} of the interval");
        }

        /// A run is never due before the last one began, and never later than one interval after it.
        #[test]
        fn the_next_run_is_due_within_one_interval(
            number in 0usize..100, millis in 1u64..100_000, began in 0.0f64..1000.0, sooner in 1u64..100_000,
        ) {
            let (now, interval) = (Instant::now(), Duration::from_millis(millis));
            let beat = Beat::spread(now, number, 100, interval);
            let began = now + interval.mul_f64(began);
            let due = beat.next(began, None);
            prop_assert!(due > began && due <= began + interval);
            let soon = beat.next(began, Some(Duration::from_millis(sooner)));
            prop_assert!(soon > began && soon <= due);
        }
    }
}
