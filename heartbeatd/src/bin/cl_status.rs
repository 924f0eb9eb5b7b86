//! `cl_status`: what the heartbeat daemon on this machine knows.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    heartbeatd::tools::cl_status::run(std::env::args_os()).print()
}
