//! The way to Tandem: what will be different with the files of a pair that runs heartbeat 3.0.6 and ldirectord 4.12.
//!
//! ```text
//!  /etc/ha.d ──► the parsers of heartbeatd, ha-resources, directord ──► diagnostics ─┐
//!  /etc/default       (the very ones that will read the files)                       ├─► findings ──► text, JSON,
//!  /etc/ha.d/rc.d,                                                                   │   by file     exit code
//!  resource.d    ──► what is known of the old programs ──────────────► differences ──┘   and line
//! ```
//!
//! * [`check`] goes through the files; one module for each kind of file has the differences that are known.
//! * [`finding`] a thing to say, how much it matters, and how it is shown.
//! * [`args`] the command line.
//!
//! It only reads. Nothing of the machine is changed.
#![forbid(unsafe_code)]

pub mod args;
pub mod check;
pub mod finding;

use args::{Args, Verb};
use std::process::ExitCode;

/// Nothing must change.
const FINE: u8 = 0;
/// Something must change.
const MUST_CHANGE: u8 = 1;
/// There is nothing to check.
const NOTHING: u8 = 3;

/// Does what the command line asks, and says it.
pub fn run(args: &Args) -> ExitCode {
    match &args.verb {
        Verb::Check(check) => {
            let summary = match check::directory(&check.places()) {
                Ok(summary) => summary,
                Err(error) => {
                    eprintln!("error: {error}");
                    return ExitCode::from(NOTHING);
                }
            };
            say(&if args.json { summary.json() } else { summary.text(check.verbose) });
            ExitCode::from(if summary.must_change() { MUST_CHANGE } else { FINE })
        }
    }
}

/// To standard output; a reader that has gone is no failure.
fn say(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}
