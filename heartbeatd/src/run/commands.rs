//! What the command line asks of a daemon that runs: `-s`, `-k`, `-r`; and what needs none: `-D`, `-W`, `--check`.

use super::arguments::Arguments;
use super::here;
use crate::config;
use crate::control::{self, Answer, Request};
use daemon::control::request;
use daemon::pidfile;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Between two looks at a process that ends.
const PAUSE: Duration = Duration::from_millis(50);
/// SIGTERM is repeated after this time.
const REPEAT: Duration = Duration::from_secs(1);
/// A reload looks up names and opens media; more than this is a daemon that hangs.
const RELOAD_LIMIT: Duration = Duration::from_secs(30);
/// A daemon that has not stopped by then never will; the same hour after which heartbeat 3.0.6 kills itself.
const STOP_LIMIT: Duration = Duration::from_secs(3600);

/// `-s`, in the words and codes of heartbeat 3.0.6: 0 running, 3 stopped, 1 died and left its pid file.
pub(super) fn status(arguments: &Arguments) -> ExitCode {
    let path = arguments.pid_file();
    if let Some(pid) = pidfile::running(&path) {
        let host = host();
        println!(
            "heartbeat OK [pid {pid} et al] is running on {host} [{}]...",
            node(&arguments.config_dir, &host)
        );
        return ExitCode::SUCCESS;
    }
    match pidfile::read(&path) {
        Some(pid) => {
            println!(
                "heartbeat is stopped. [pid file {} names process {pid}, which is not it]",
                path.display()
            );
            ExitCode::from(1)
        }
        None => {
            println!("heartbeat is stopped. No process");
            ExitCode::from(3)
        }
    }
}

/// `-k`: SIGTERM, and wait until the daemon is gone.
pub(super) fn stop(arguments: &Arguments) -> ExitCode {
    let path = arguments.pid_file();
    let Some(pid) = running(&path) else {
        eprintln!("INFO: Heartbeat already stopped.");
        return ExitCode::SUCCESS;
    };
    if let Err(error) = kill_process(pid, Signal::TERM) {
        eprintln!("ERROR: cannot stop heartbeat [pid {pid}]: {error}", pid = pid.as_raw_nonzero());
        return ExitCode::FAILURE;
    }
    let (mut waited, mut repeat_at) = (Duration::ZERO, REPEAT);
    // The lock of the pid file, too: the number may belong to another process already.
    while running(&path) == Some(pid) || (pidfile::read(&path).is_some() && test_kill_process(pid).is_ok()) {
        if waited >= STOP_LIMIT {
            eprintln!("ERROR: heartbeat [pid {}] does not stop", pid.as_raw_nonzero());
            return ExitCode::FAILURE;
        }
        std::thread::sleep(PAUSE);
        waited += PAUSE;
        // One that restarts itself may just have had no ears.
        if waited >= repeat_at && running(&path) == Some(pid) {
            let _ = kill_process(pid, Signal::TERM);
            repeat_at += REPEAT;
        }
    }
    ExitCode::SUCCESS
}

/// `-r`: what SIGHUP does, but the answer says what became of it.
pub(super) fn reload(arguments: &Arguments) -> ExitCode {
    match request::<_, Answer>(&control::socket(&arguments.run_dir), &Request::Reload, RELOAD_LIMIT) {
        Ok(Answer::Accepted { note }) => {
            println!("{note}");
            ExitCode::SUCCESS
        }
        Ok(Answer::Refused { reason }) => {
            eprintln!("ERROR: {reason}");
            ExitCode::FAILURE
        }
        Ok(Answer::Status(_)) => {
            eprintln!("ERROR: the daemon answered something else");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("ERROR: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `--check`: everything that is wrong with the files.
pub(super) fn check(arguments: &Arguments) -> ExitCode {
    let node = match config::node_name(&arguments.config_dir) {
        Ok(node) => node,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(6);
        }
    };
    let reading = config::read(&arguments.config_dir, &node);
    print!("{}", reading.render());
    let Some(plan) = &reading.plan else { return ExitCode::from(reading.exit_code()) };
    let missing = here::missing(&reading);
    print!("{}{}", missing.render(), here::stonith(&reading).render());
    let Some(resources) = daemon::sibling::find("ha-resources") else {
        eprintln!("error: ha-resources is not installed beside heartbeatd: no resource could be started");
        return ExitCode::FAILURE;
    };
    // what the resources of haresources mean is known there; its messages go where ours do
    let mut resources = std::process::Command::new(resources);
    match resources.arg("--config-dir").arg(&arguments.config_dir).arg("check").status() {
        Ok(status) if status.success() => {}
        Ok(status) => {
            return ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(6));
        }
        Err(error) => {
            eprintln!("error: ha-resources: {error}");
            return ExitCode::FAILURE;
        }
    }
    if missing.has_errors() {
        return ExitCode::from(reading.exit_code());
    }
    let directory = arguments.config_dir.display();
    println!("{directory}: valid for node {node} of {}", plan.nodes.join(" and "));
    ExitCode::SUCCESS
}

/// `-D` and `-W`: the directives with their defaults.
pub(super) fn defaults(table: bool) -> ExitCode {
    let mut text = if table { "|| directive || default ||\n".to_owned() } else { String::new() };
    for (name, value) in config::defaults() {
        text += &if table { format!("|| {name} || {value} ||\n") } else { format!("{name}={value}\n") };
    }
    let _ = std::io::stdout().write_all(text.as_bytes()); // whoever reads may stop in the middle
    ExitCode::SUCCESS
}

fn running(path: &Path) -> Option<Pid> {
    pidfile::running(path).and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw)
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn node(config_directory: &Path, host: &str) -> String {
    config::node_name(config_directory).unwrap_or_else(|_| host.to_lowercase())
}
