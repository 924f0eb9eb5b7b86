//! Units of a real systemd, and real sync daemons: needs root and a kernel with IPVS and control groups, and fails
//! without them. Where the machine's kernel has no IPVS, in the lab's:
//!
//! ```sh
//! cargo test -p ha-resources --features kernel-tests --test kernel --no-run
//! tests/lab/uml-run target/debug/deps/kernel-HASH --test-threads=1
//! ```
#![allow(clippy::unwrap_used, clippy::panic, reason = "a laboratory that cannot be built fails the test")]

#[path = "../lab/mod.rs"]
mod lab;

mod sync;
mod systemd;
