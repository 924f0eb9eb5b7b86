//! The heartbeat daemon's program; everything it does is in the library.

use clap::Parser;
use heartbeatd::run::{Arguments, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    run(Arguments::parse())
}
