//! `hb_takeover`: takes resource groups from the other node.
#![forbid(unsafe_code)]

use heartbeatd::tools::handover::{Direction, run};

fn main() -> std::process::ExitCode {
    run(Direction::Takeover, std::env::args_os()).print()
}
