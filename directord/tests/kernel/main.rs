//! The real program against a real kernel's IPVS, with `ipvsadm` as the judge.
//!
//! Needs root, `ipvsadm`, `ip`, `unshare` and a kernel with IPVS; without one of them every test fails. On a machine
//! whose kernel has none, run the built binary in the lab's kernel:
//!
//! ```sh
//! cargo test -p directord --features kernel-tests --test kernel --no-run
//! tests/lab/uml-run target/debug/deps/kernel-HASH
//! ```
//!
//! Every test runs in a process and a network namespace of its own, so none sees another's table. An argument
//! selects the tests whose names contain it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a helper of a test may fail it
#![allow(unreachable_pub)] // a test has no other side

mod bed;
#[path = "../certificate/mod.rs"]
mod certificate;
mod commands;
mod drain;
mod drift;
mod edits;
mod execute;
mod hostile;
mod log;
mod mail;
mod migration;
mod monitor;
mod names;
mod operate;
mod pace;
mod reload;
mod standby;
mod start;
mod traffic;
mod verdicts;

use std::process::{Command, ExitCode};
use std::time::Instant;

/// A test's name and its function.
type Test = (&'static str, fn());

const TESTS: &[&[Test]] = &[
    start::TESTS,
    verdicts::TESTS,
    commands::TESTS,
    mail::TESTS,
    monitor::TESTS,
    execute::TESTS,
    log::TESTS,
    reload::TESTS,
    drift::TESTS,
    drain::TESTS,
    operate::TESTS,
    standby::TESTS,
    migration::TESTS,
    pace::TESTS,
    hostile::TESTS,
    traffic::TESTS,
    names::TESTS,
    edits::TESTS,
];

/// Says which test a process is.
const MARKER: &str = "DIRECTORD_KERNEL_TEST";

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(MARKER) {
        let (_, test) = all().find(|(known, _)| *known == name).expect("a test of that name");
        test();
        return ExitCode::SUCCESS;
    }
    let filters: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let selected =
        all().filter(|(name, _)| filters.is_empty() || filters.iter().any(|filter| name.contains(filter)));
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, _) in selected {
        let began = Instant::now();
        let program = std::env::current_exe().unwrap();
        let status = Command::new("unshare").arg("-n").arg(program).env(MARKER, name).status();
        let ok = status.as_ref().is_ok_and(|status| status.success());
        println!(
            "test {name} ... {} ({:.1} s)",
            if ok { "ok" } else { "FAILED" },
            began.elapsed().as_secs_f64()
        );
        if ok { passed += 1 } else { failed.push(name) }
    }
    println!("\n{passed} passed, {} failed {failed:?}", failed.len());
    if failed.is_empty() && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn all() -> impl Iterator<Item = Test> {
    TESTS.iter().flat_map(|tests| tests.iter().copied())
}
