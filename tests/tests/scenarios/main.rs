//! Two real heartbeatd in a lab with addresses only: what may happen to a pair, and what must come of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod addresses;
mod calm;
mod commands;
mod drill;
mod failing;
mod fencing;
mod guard;
mod hostile;
mod legacy;
mod mixed;
mod network;
mod old;
mod old_names;
mod pings;
mod power;
mod serial;
mod stall;
mod sysv;
mod watchdog;
mod world;
