//! `hb_delnode`: in heartbeat it removes a node; with haresources that is refused.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    heartbeatd::tools::members::run("hb_delnode", std::env::args_os()).print()
}
