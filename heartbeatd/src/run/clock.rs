//! The two clocks.

use crate::cluster::Time;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now: CLOCK_BOOTTIME, which goes on while the machine is suspended and never jumps; and the wall clock, which is
/// only for people and for a field of messages.
pub(super) fn now() -> Time {
    Time {
        mono: mono(),
        epoch: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
    }
}

/// The clock that never jumps.
pub(super) fn mono() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    // Neither is ever negative on this clock.
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
