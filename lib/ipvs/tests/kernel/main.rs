//! The client against a real kernel, with `ipvsadm` as the judge: what we set it must show, and what it sets
//! we must read. Every test has a network namespace, and so a table, of its own.
//!
//! Needs root, `ip`, `ipvsadm` and a kernel with IPVS, and fails without them. The binary is made to be run
//! inside a User-Mode Linux guest: `cargo test -p tandem-ipvs --test kernel --features kernel-tests --no-run`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)] // the helpers of tests fail as tests do

mod counters;
mod daemons;
mod destinations;
mod lab;
mod refusals;
mod services;
mod table;
