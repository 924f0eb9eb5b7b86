//! The program `ha-drill`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use ha_drill::args::Args;

fn main() -> ExitCode {
    ha_drill::run::run(&Args::parse())
}
