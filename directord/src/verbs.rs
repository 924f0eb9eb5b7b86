//! The verbs that talk to a daemon, or about it, with ldirectord's exit codes and words.

use crate::cli::{Arguments, Parsed, USAGE, USAGE_CODE, VERSION, Verb, parse};
use crate::config::{Source, ldirectords_view};
use crate::control::{self, Answer, Question};
use crate::instance::{Instance, Running};
use crate::operate;
use crate::show;
use crate::start::{read, start};
use daemon::control::RequestError;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// How long the end of a daemon is waited for.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// How long a reload may take; names may have to be looked up.
const RELOAD_LIMIT: Duration = Duration::from_secs(60);
const STATUS_LIMIT: Duration = Duration::from_secs(10);

/// Does what the command line says.
pub fn main(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let arguments = match parse(arguments) {
        Parsed::Run(arguments) => arguments,
        Parsed::Help => {
            show::out(USAGE);
            return ExitCode::SUCCESS;
        }
        Parsed::Version => {
            println!(
                "{VERSION}\nLicence: MIT or Apache-2.0. There is no warranty, as far as the law permits."
            );
            return ExitCode::SUCCESS;
        }
        Parsed::Wrong(why) => {
            eprintln!("{why}");
            show::out(USAGE);
            return ExitCode::from(USAGE_CODE);
        }
    };
    let instance = Instance::new(arguments.config.as_deref(), &arguments.config_dir, &arguments.run_dir);
    // A daemon whose configuration was moved away can still be asked and stopped.
    let about_daemon = matches!(arguments.verb, Verb::Stop | Verb::Status) || arguments.verb.is_new();
    let asked = about_daemon && instance.running().pid().is_some();
    if !instance.found && !asked && arguments.verb != Verb::Table {
        eprintln!("Config file {} not found", instance.config.display());
        return ExitCode::FAILURE;
    }
    match arguments.verb {
        Verb::Start => start(&arguments, &instance),
        Verb::Stop => stop(&instance),
        Verb::Restart => restart(&arguments, &instance),
        Verb::TryRestart if instance.running().pid().is_none() => ExitCode::SUCCESS,
        Verb::TryRestart => restart(&arguments, &instance),
        Verb::Reload => reload(&instance),
        Verb::Status => status(&arguments, &instance),
        Verb::Check => check(&arguments, &instance),
        Verb::Show => operate::show(&arguments, &instance),
        Verb::Drain => operate::drain(&arguments, &instance),
        Verb::Undrain => operate::undrain(&arguments, &instance),
        Verb::CheckNow => operate::check_now(&arguments, &instance),
        Verb::Events => operate::events(&arguments, &instance),
        Verb::Table => operate::table(),
        Verb::Metrics => operate::metrics(&instance),
    }
}

/// Ends the daemon and waits until it has ended.
fn stop(instance: &Instance) -> ExitCode {
    until_gone(instance, None)
}

/// Waits until the daemon has ended; tells it to, unless it was `told` already.
fn until_gone(instance: &Instance, mut told: Option<u32>) -> ExitCode {
    let deadline = Instant::now() + STOP_LIMIT;
    while let Some(pid) = instance.running().pid() {
        if told != Some(pid) {
            told = Some(pid);
            if let Err(error) = signal(pid, Signal::TERM) {
                eprintln!("directord: process {pid} cannot be stopped: {error}");
                return ExitCode::FAILURE;
            }
        }
        if Instant::now() > deadline {
            eprintln!("directord: process {pid} has not ended within {} s", STOP_LIMIT.as_secs());
            return ExitCode::FAILURE;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    ExitCode::SUCCESS
}

/// Checks the configuration first: a pair must not lose its daemon to a slip of the keyboard.
fn restart(arguments: &Arguments, instance: &Instance) -> ExitCode {
    if let Err(code) = read(instance) {
        return code;
    }
    if until_gone(instance, handed_over(instance)) != ExitCode::SUCCESS {
        return ExitCode::FAILURE;
    }
    // Started anew, so that its command line says "start", which agents look for.
    let Ok(program) = std::env::current_exe() else { return ExitCode::FAILURE };
    let mut command = Command::new(program);
    command.arg0(std::env::args_os().next().unwrap_or_else(|| "directord".into()));
    command.arg("--run-dir").arg(&arguments.run_dir).arg("--config-dir").arg(&arguments.config_dir);
    command.args(arguments.debug.then_some("-d")).args(arguments.foreground.then_some("-f"));
    command.args(&arguments.config).arg("start");
    match command.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("directord: cannot start again: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Has the daemon take the file as it is now, and end without emptying the kernel's table: connections live through
/// the restart. Returns the process that ends; `None` if it has to be told with a signal.
fn handed_over(instance: &Instance) -> Option<u32> {
    let Running::Ours(pid) = instance.running() else { return None };
    let ask = |question| daemon::control::request::<_, Answer>(&instance.socket, &question, RELOAD_LIMIT);
    // What the kernel refuses now it refuses the next one, too: no reason to cut connections.
    ask(Question::Reload).ok()?;
    matches!(ask(Question::HandOver), Ok(Answer::End)).then_some(pid)
}

/// Has the daemon read its configuration again, and says how that went.
fn reload(instance: &Instance) -> ExitCode {
    if let Err(code) = read(instance) {
        return code;
    }
    let pid = match instance.running() {
        Running::Ours(pid) | Running::Old(pid) => pid,
        Running::Stale | Running::No => {
            show::out(&format!("ldirectord is stopped for {}\n", instance.config.display()));
            return ExitCode::FAILURE;
        }
    };
    match daemon::control::request(&instance.socket, &Question::Reload, RELOAD_LIMIT) {
        Ok(Answer::Refused { why }) => {
            eprintln!("directord: the configuration was not taken: {why}");
            ExitCode::FAILURE
        }
        Ok(_) => ExitCode::SUCCESS,
        // The old program has no socket.
        Err(RequestError::NotRunning) => match signal(pid, Signal::HUP) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("directord: process {pid}: {error}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("directord: reload: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether it runs; 0 yes, 1 a stale pid file, 3 no.
fn status(arguments: &Arguments, instance: &Instance) -> ExitCode {
    let config = instance.config.display();
    let running = instance.running();
    match running {
        Running::Ours(pid) | Running::Old(pid) => {
            eprintln!("ldirectord for {config} is running with pid: {pid}")
        }
        Running::Stale => eprintln!("ldirectord stale pid file {} for {config}", instance.pid_file.display()),
        Running::No if arguments.json => eprintln!("ldirectord is stopped for {config}"),
        Running::No => show::out(&format!("ldirectord is stopped for {config}\n")),
    }
    match running {
        Running::Ours(_) => details(arguments, instance),
        Running::Old(_) => ExitCode::SUCCESS,
        Running::Stale => ExitCode::FAILURE,
        Running::No => ExitCode::from(3),
    }
}

/// The services: as JSON if asked for; as a table for a person at a terminal, not for agents that read the output.
fn details(arguments: &Arguments, instance: &Instance) -> ExitCode {
    use std::io::IsTerminal;
    if !arguments.json && !std::io::stdout().is_terminal() {
        return ExitCode::SUCCESS;
    }
    let status = match control::status(&instance.socket, &Question::status(), STATUS_LIMIT) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("directord: state of the services unknown: {error}");
            return if arguments.json { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    if arguments.json {
        show::json(&status)
    } else {
        show::out(&show::status(&status))
    }
    ExitCode::SUCCESS
}

/// Whether the configuration is right, and what it asks for.
fn check(arguments: &Arguments, instance: &Instance) -> ExitCode {
    if arguments.strict {
        if let Ok(source) = Source::read(&instance.config) {
            eprint!("{}", ldirectords_view(source).render());
        }
    }
    let loaded = match read(instance) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    eprint!("{}", loaded.report.render());
    if arguments.json {
        show::json(&loaded.plan)
    } else {
        show::out(&show::plan(&loaded.plan))
    }
    ExitCode::SUCCESS
}

fn signal(pid: u32, signal: Signal) -> std::io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| std::io::Error::other("not a process id"))?;
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()), // it has just ended
        Err(error) => Err(error.into()),
    }
}
