//! `hb_addnode`: in heartbeat it adds a node; with haresources that is refused.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    heartbeatd::tools::members::run("hb_addnode", std::env::args_os()).print()
}
