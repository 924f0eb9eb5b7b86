//! How late own beats leave, measured by the beat thread itself: from when one was due until it was on its way; and the
//! priority that keeps them in time.

use crate::sys;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// Beats that are looked back on.
const WINDOW: usize = 600;

/// The last beats.
#[derive(Debug, Default)]
pub(super) struct Lateness(VecDeque<(Duration, u32)>);

/// The same for whoever is asked about it.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    /// When the first of them left, on the clock that never jumps.
    pub(super) since: Duration,
    /// In microseconds, the oldest first.
    pub(super) late: Vec<u32>,
}

impl Lateness {
    /// A beat that was due then has left now.
    pub(super) fn record(&mut self, due: Duration, now: Duration) {
        if self.0.len() >= WINDOW {
            self.0.pop_front();
        }
        let late = now.saturating_sub(due).as_micros();
        self.0.push_back((now, u32::try_from(late).unwrap_or(u32::MAX)));
    }

    pub(super) fn samples(&self) -> Samples {
        Samples {
            since: self.0.front().map_or(Duration::ZERO, |(at, _)| *at),
            late: self.0.iter().map(|(_, late)| *late).collect(),
        }
    }
}

impl Samples {
    /// The lateness in microseconds that so many percent of the beats did not exceed.
    pub(super) fn percentile(&self, percent: usize) -> u64 {
        let mut sorted = self.late.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default().into()
    }
}

/// What the kernel lets the beat thread have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Scheduling {
    /// Real-time priority.
    RoundRobin(u8),
    /// The first of the ordinary ones.
    Nice,
    /// Like everybody else.
    #[default]
    Ordinary,
}

impl fmt::Display for Scheduling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoundRobin(priority) => write!(f, "SCHED_RR {priority}"),
            Self::Nice => f.write_str("nice -20"),
            Self::Ordinary => f.write_str("ordinary"),
        }
    }
}

/// Gives this thread what the kernel permits: a container has real-time priority only if it was given that.
pub(super) fn prefer(priority: u8) -> Scheduling {
    let Err(error) = sys::set_round_robin(0, priority) else {
        tracing::debug!("beats have real-time priority {priority}");
        return Scheduling::RoundRobin(priority);
    };
    // On Linux this is the calling thread alone.
    let got = match rustix::process::setpriority_process(None, -20) {
        Ok(()) => Scheduling::Nice,
        Err(_) => Scheduling::Ordinary,
    };
    tracing::warn!(
        "no real-time priority for the beats: {error}; their priority is {got}, and under load they may be late"
    );
    got
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_the_last_beats() {
        let mut lateness = Lateness::default();
        assert_eq!((lateness.samples().percentile(50), lateness.samples().percentile(100)), (0, 0));
        for number in 1..=(WINDOW as u64 + 100) {
            let due = Duration::from_millis(100 * number);
            lateness.record(due, due + Duration::from_micros(number));
        }
        let samples = lateness.samples();
        assert_eq!((samples.late.len(), samples.since), (WINDOW, Duration::from_micros(10_100_101)));
        let percentiles = [0, 1, 50, 99, 100].map(|percent| samples.percentile(percent));
        assert_eq!(percentiles, [101, 106, 400, 694, 700]);
    }
}
