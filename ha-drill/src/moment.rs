//! One clock for every process on a kernel.

use std::fmt;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A point on the monotonic clock in nanoseconds: the same clock in every process and namespace of a machine, so that what
/// one of them writes down can be compared with what another saw.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Monotonic);
        Self(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }

    /// From nanoseconds of the monotonic clock, as [`Moment::nanos`] gave them.
    pub fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds of the monotonic clock.
    pub fn nanos(self) -> u64 {
        self.0
    }

    /// Time from `earlier` to this moment; zero if it was later.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Time from this moment to now.
    pub fn elapsed(self) -> Duration {
        Self::now().since(self)
    }

    /// This moment and `span` later.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }

    /// So long before this moment.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(span)))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6} s", self.0 as f64 / 1e9)
    }
}
