//! `hb_standby`: gives resource groups to the other node.
#![forbid(unsafe_code)]

use heartbeatd::tools::handover::{Direction, run};

fn main() -> std::process::ExitCode {
    run(Direction::Standby, std::env::args_os()).print()
}
