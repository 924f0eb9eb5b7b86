//! One clock for every process on a kernel, and waiting with a limit.

use std::fmt;
use std::thread::sleep;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::failure::{Result, fail};

/// A point on the monotonic clock in nanoseconds: the same clock in every process and namespace, so that what the prober in
/// one node writes down can be compared with what the story saw in another.
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
        Self(self.0.saturating_add(span.as_nanos() as u64))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6} s", self.0 as f64 / 1e9)
    }
}

/// Milliseconds with one decimal, as the timelines print a span.
pub fn millis(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1e3)
}

/// How often [`wait_until`] looks.
const LOOK: Duration = Duration::from_millis(5);

/// Wait until `seen` answers `Ok(true)`, at most `limit`. The answer is the moment at which it was seen; the failure names
/// `what` did not happen. A look that fails counts as "not yet", and its text goes into the failure.
pub fn wait_until(limit: Duration, what: &str, mut seen: impl FnMut() -> Result<bool>) -> Result<Moment> {
    wait_for(limit, what, || seen().map(|yes| yes.then(Moment::now)))
}

/// Like [`wait_until`], for a look that answers with something.
pub fn wait_for<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Moment::now();
    loop {
        let last = look();
        if let Ok(Some(found)) = last {
            return Ok(found);
        }
        if start.elapsed() >= limit {
            let why = last.err().map(|error| format!(" ({error})")).unwrap_or_default();
            return fail(format!("did not happen within {:.1} s: {what}{why}", limit.as_secs_f64()));
        }
        sleep(LOOK);
    }
}

/// The opposite of [`wait_until`]: for all of `span`, `holds` must answer `Ok(true)`.
pub fn hold_for(span: Duration, what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Moment::now();
    while start.elapsed() < span {
        if !holds()? {
            return fail(format!("{what}: no longer true after {}", millis(start.elapsed())));
        }
        sleep(LOOK);
    }
    Ok(())
}
