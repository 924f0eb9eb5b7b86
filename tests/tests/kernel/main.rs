//! A pair of real directors with a real IPVS table: needs root and a kernel with IPVS, and fails without one.
//!
//! ```sh
//! cargo build --workspace --bins
//! cargo test -p tandem-tests --features kernel-tests --test kernel --no-run
//! tests/lab/uml-run target/debug/deps/kernel-HASH --test-threads=1
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod connections;
mod migration;
mod pacemaker;
mod sysv;
