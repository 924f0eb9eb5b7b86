//! One clock for every process on a kernel, and waiting with a limit.

use std::thread::sleep;
use std::time::Duration;

pub use ha_drill::moment::Moment;

use crate::failure::{Result, fail};

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
