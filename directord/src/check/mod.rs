//! Checks.

mod pattern;
mod probe;

pub use pattern::{Pattern, PatternError};
pub use probe::{Http, Kind, Probe, SimpleTcp};
