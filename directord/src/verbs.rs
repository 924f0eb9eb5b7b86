//! The verbs that talk to a daemon, or about it, with ldirectord's exit codes and words.

mod check;

use crate::cli::{Arguments, Parsed, USAGE, USAGE_CODE, VERSION, Verb, parse};
use crate::config::{SystemNames, load};
use crate::control::{self, Answer, Mode, Question};
use crate::instance::{Instance, Running};
use crate::operate;
use crate::prepare::prepare;
use crate::resource::{self, signal};
use crate::show;
use crate::start::{read, start};
use daemon::control::RequestError;
use rustix::process::Signal;
use std::process::ExitCode;
use std::time::Duration;

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
    let asked = about_daemon && instance.is_alive_or_held();
    if !instance.found && !asked && arguments.verb != Verb::Table {
        eprintln!("Config file {} not found", instance.config.display());
        return ExitCode::FAILURE;
    }
    match arguments.verb {
        Verb::Start | Verb::Activate => start(&arguments, &instance),
        Verb::Stop => said(resource::stop(&instance)),
        Verb::Deactivate => said(resource::deactivate(&instance)),
        Verb::Restart => restart(&arguments, &instance),
        Verb::TryRestart if instance.running().pid().is_none() => ExitCode::SUCCESS,
        Verb::TryRestart => restart(&arguments, &instance),
        Verb::Reload => reload(&instance),
        Verb::Status => status(&arguments, &instance),
        Verb::Check => check::check(&arguments, &instance),
        Verb::Prepare => prepare(&instance, arguments.real.as_deref().unwrap_or_default()),
        Verb::Show => operate::show(&arguments, &instance),
        Verb::Drain => operate::drain(&arguments, &instance),
        Verb::Undrain => operate::undrain(&arguments, &instance),
        Verb::CheckNow => operate::check_now(&arguments, &instance),
        Verb::Events => operate::events(&arguments, &instance),
        Verb::Table => operate::table(),
        Verb::Metrics => operate::metrics(&instance),
    }
}

/// Says what went wrong.
fn said(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("directord: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Checks the configuration first: a pair must not lose its daemon to a slip of the keyboard.
fn restart(arguments: &Arguments, instance: &Instance) -> ExitCode {
    if let Err(code) = read(instance) {
        return code;
    }
    let standby = match instance.running().pid().map(|_| resource::mode_of(instance, STATUS_LIMIT)) {
        None => false,
        Some(Ok(mode)) => mode.standby,
        Some(Err(why)) => {
            let unknown = "whether it is to be on standby is unknown: stop it, and start it as it shall be";
            return said(Err(format!("{why}; {unknown}")));
        }
    };
    if let Err(why) = resource::until_gone(instance, handed_over(instance)) {
        return said(Err(why));
    }
    // Started anew, so that its command line says "start", which agents look for.
    let started = instance.program(arguments.config.as_deref(), "start").and_then(|mut command| {
        command.args(arguments.debug.then_some("-d")).args(arguments.foreground.then_some("-f"));
        command.args(standby.then_some("--standby"));
        command.status().map_err(|error| error.to_string())
    });
    match started {
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
    ask(reload_question()).ok()?;
    matches!(ask(Question::HandOver), Ok(Answer::End)).then_some(pid)
}

fn reload_question() -> Question {
    Question::Reload { executed_by: crate::instance::executed_by() }
}

/// Has the daemon read its configuration again, and says how that went. A file with mistakes is read here, too, to show them.
fn reload(instance: &Instance) -> ExitCode {
    let answer = match instance.running() {
        Running::Ours(_) => daemon::control::request(&instance.socket, &reload_question(), RELOAD_LIMIT),
        _ => Err(RequestError::NotRunning),
    };
    let refused = match answer {
        Ok(Answer::Refused { why }) => format!("the configuration was not taken: {why}"),
        Ok(_) => return ExitCode::SUCCESS,
        Err(RequestError::NotRunning) => return reload_by_signal(instance),
        Err(error) => format!("reload: {error}"),
    };
    match read(instance) {
        Ok(_) => said(Err(refused)),
        Err(code) => code,
    }
}

/// Has one read it that has no socket: the old program, which takes files with mistakes, too.
fn reload_by_signal(instance: &Instance) -> ExitCode {
    if let Err(code) = read(instance) {
        return code;
    }
    match instance.running() {
        Running::Ours(pid) | Running::Old(pid) => {
            said(signal(pid, Signal::HUP).map_err(|error| format!("process {pid}: {error}")))
        }
        Running::Stale | Running::No => {
            show::out(&format!("ldirectord is stopped for {}\n", instance.config.display()));
            ExitCode::FAILURE
        }
    }
}

/// Whether it runs and is not on standby: 0 yes, 1 it has died, 3 no, 4 it does not answer. Words that an agent
/// takes for a yes are only in the answer that is one.
fn status(arguments: &Arguments, instance: &Instance) -> ExitCode {
    let config = instance.config.display();
    let stopped = |how: &str| {
        let line = format!("ldirectord is stopped for {config}{how}\n");
        if arguments.json { eprint!("{line}") } else { show::out(&line) }
    };
    match instance.running() {
        Running::Ours(pid) => match resource::mode_of(instance, STATUS_LIMIT) {
            Ok(Mode { active: true, .. }) => {
                eprintln!("ldirectord for {config} is running with pid: {pid}");
                let code = details(arguments, instance, 0);
                if !arguments.json {
                    status_of_others(instance);
                }
                code
            }
            Ok(Mode { active: false, .. }) => {
                stopped(&format!(" (on standby with pid: {pid})"));
                details(arguments, instance, 3)
            }
            Err(why) => {
                eprintln!("ldirectord for {config}: state unknown: process {pid}: {why}");
                ExitCode::from(4)
            }
        },
        Running::Old(pid) => {
            eprintln!("ldirectord for {config} is running with pid: {pid}");
            ExitCode::SUCCESS
        }
        Running::Stale => {
            eprintln!("ldirectord stale pid file {} for {config}", instance.pid_file.display());
            ExitCode::FAILURE
        }
        Running::No if instance.claim.read().is_some() => {
            eprintln!("ldirectord has ended for {config}: its services are in the kernel's table, unchecked");
            ExitCode::FAILURE
        }
        Running::No => {
            stopped("");
            ExitCode::from(3)
        }
    }
}

/// The instances that this one executes say their status, too. Theirs is not this one's.
fn status_of_others(instance: &Instance) {
    // Names are looked up to read a configuration: not for nothing, as agents wait for the answer.
    let text = std::fs::read_to_string(&instance.config).unwrap_or_default();
    if !text.lines().any(|line| line.starts_with("execute")) {
        return;
    }
    let Ok(loaded) = load(&instance.config, &SystemNames::load()) else { return };
    for name in &loaded.plan.settings.execute {
        let called = instance
            .other(name, "status", "")
            .and_then(|mut command| command.status().map_err(|error| error.to_string()));
        if let Err(why) = called {
            eprintln!("directord: execute: {name}: {why}");
        }
    }
}

/// The services: as JSON if asked for; as a table for a person at a terminal, not for agents that read the output.
fn details(arguments: &Arguments, instance: &Instance, code: u8) -> ExitCode {
    use std::io::IsTerminal;
    if !arguments.json && !std::io::stdout().is_terminal() {
        return ExitCode::from(code);
    }
    let status = match control::status(&instance.socket, &Question::status(), STATUS_LIMIT) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("directord: state of the services unknown: {error}");
            return if arguments.json { ExitCode::FAILURE } else { ExitCode::from(code) };
        }
    };
    if arguments.json {
        show::json(&status)
    } else {
        show::out(&show::status(&status))
    }
    ExitCode::from(code)
}
