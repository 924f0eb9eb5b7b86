//! The program `ha-resources`.
#![forbid(unsafe_code)]

use clap::Parser;
use daemon::log::{self, Facility, Format, Log, Target};
use ha_resources::args::Args;
use ha_resources::by_hand;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next().unwrap_or_default();
    let name = by_hand::name(&called);
    if by_hand::is_agent(name) {
        let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        let _log = start_log(false, false);
        return in_runtime(async { ExitCode::from(by_hand::run(name, &words).await) });
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            // Its scripts knew one exit code for wrong usage.
            let code = if name == by_hand::RESOURCE_MANAGER { 1 } else { error.exit_code() };
            return ExitCode::from(u8::try_from(code).unwrap_or(2));
        }
    };
    let _log = start_log(args.debug, args.json);
    in_runtime(ha_resources::verbs::run(&args))
}

fn in_runtime(work: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where heartbeatd's scripts log too, by the variables that it exports; otherwise to syslog for people,
/// who read the results on standard output, and to standard error for programs.
fn start_log(debug: bool, json: bool) -> Option<Log> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty() && value != "/dev/null");
    let mut targets = Vec::new();
    targets.extend(variable("HA_LOGFILE").map(|path| Target::File(path.into())));
    targets.extend(variable("HA_DEBUGLOG").map(|path| Target::DebugFile(path.into())));
    targets.extend(variable("HA_LOGFACILITY").and_then(|name| name.parse().ok()).map(Target::Syslog));
    if targets.is_empty() && !json {
        targets.push(Target::Syslog(Facility::Daemon));
    }
    if targets.is_empty() || debug {
        targets.push(Target::Stderr);
    }
    let debug = debug || variable("HA_debug").is_some_and(|level| level != "0");
    let level = if debug { tracing::Level::DEBUG } else { tracing::Level::INFO };
    let settings =
        |targets| log::Settings { ident: "ha-resources".into(), targets, format: Format::Heartbeat, level };
    // A log file that cannot be written must not keep a group from being taken.
    log::start(settings(targets))
        .or_else(|error| {
            eprintln!("warning: {error}; logging to standard error");
            log::start(settings(vec![Target::Stderr]))
        })
        .ok()
}
