//! The program `ha-migrate`.
#![forbid(unsafe_code)]

use clap::Parser;
use ha_migrate::args::Args;
use std::process::ExitCode;

fn main() -> ExitCode {
    ha_migrate::run(&Args::parse())
}
