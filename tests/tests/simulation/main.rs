//! Two cores of heartbeatd on a virtual clock and a virtual network, from a seed; in one run of four, one core and a model of
//! heartbeat 3.0.6 (`old.rs`).
//!
//! Every run draws a cluster (timers, one or two links, fail-back on or off, a stonith device or none) and a list of faults (power-off, killed and
//! restarted daemons, paused machines, partitions, cut and one-way links, loss, wall clocks, stand-by commands, stops, reloads) from its seed and checks
//! the promises I1, I2 and I3 in every state (`check.rs`). Beside an old one they are the same, but for what an old pair cannot
//! keep either: an old daemon that was killed leaves its addresses behind, it says that it holds what it could not start, it
//! announces nothing again, and it may wait for an hour in a stand-by. A failure prints the seed and how to replay it:
//!
//! ```text
//! TANDEM_SIM_SEED=4711 cargo test --release -p tandem-tests --test simulation no_fault -- --nocapture
//! TANDEM_SIM_RUNS=1000000 ...          more runs (100,000 by default)
//! ```
//!
//! `exhaustive.rs` tries everything that may happen around a transfer of groups, instead of a random part of much.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check;
mod coverage;
mod daemon;
mod exhaustive;
mod faults;
mod fencing;
mod jobs;
mod machine;
mod network;
mod old;
mod random;
mod world;

use coverage::Coverage;
use std::sync::atomic::{AtomicU64, Ordering};
use world::World;

const DEFAULT_RUNS: u64 = 100_000;
/// In so many runs every rule is taken.
const COVERING_RUNS: u64 = 50_000;

#[test]
fn no_fault_makes_two_holders_and_a_holder_always_returns() {
    if let Some(seed) = number("TANDEM_SIM_SEED") {
        let outcome = World::new(seed, true).run();
        assert_eq!(outcome.map(|_| ()), Ok(()), "seed {seed}");
        return;
    }
    let runs = number("TANDEM_SIM_RUNS").unwrap_or(DEFAULT_RUNS);
    let first = number("TANDEM_SIM_FIRST").unwrap_or(1);
    let next = AtomicU64::new(first);
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    let results: Vec<(Coverage, Vec<(u64, String)>)> = std::thread::scope(|scope| {
        let work = || {
            let (mut coverage, mut failures) = (Coverage::default(), Vec::new());
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + runs || failures.len() >= 10 {
                    return (coverage, failures);
                }
                match World::new(seed, false).run() {
                    Ok(run) => coverage.add(run),
                    Err(what) => {
                        println!(
                            "seed {seed}: {what}\n  replay: TANDEM_SIM_SEED={seed} cargo test --release -p tandem-tests --test simulation no_fault -- --nocapture"
                        );
                        failures.push((seed, what));
                    }
                }
            }
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a worker panicked")).collect()
    });
    let (mut coverage, mut failures) = (Coverage::default(), Vec::new());
    for (some, wrong) in results {
        coverage.add(some);
        failures.extend(wrong);
    }
    coverage.print();
    assert!(failures.is_empty(), "{} of {runs} runs broke a promise", failures.len());
    let missing = coverage.missing();
    assert!(runs < COVERING_RUNS || missing.is_empty(), "never taken in {runs} runs: {missing:?}");
    println!("{runs} runs from seed {first}, every promise kept in every state");
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}
