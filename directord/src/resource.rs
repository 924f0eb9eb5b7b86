//! What whoever holds the addresses asks for: the services in the kernel's table, or out of it, whatever runs here.
//!
//! | what runs | activate (`start`) | deactivate | stop | `start --standby` |
//! |---|---|---|---|---|
//! | nothing | starts cold | removes what a dead daemon left | the same | starts |
//! | a daemon on standby | activates it | nothing | ends it | nothing |
//! | one for standby, active | nothing | puts it on standby | both | nothing |
//! | one that was started cold | nothing | ends it | ends it | takes its place, and its table |
//!
//! At any moment the daemon may die, and a supervisor may start another: each step looks again.

use crate::config::{SystemNames, load};
use crate::control::{self, Answer, Mode, Question};
use crate::instance::{Instance, Running};
use crate::kernel::{Done, Hold, Kernel, Pass};
use crate::log_settings::{self, log_settings};
use daemon::control::RequestError;
use daemon::pidfile::{self, PidFileError};
use ipvs::ServiceKey;
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};
use tracing::{error, info};

/// How long the end of a daemon is waited for, or its work on the kernel's table.
const LIMIT: Duration = Duration::from_secs(60);
/// How long an answer is waited for that a daemon always has ready.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// What was found by somebody who wants a daemon.
pub(crate) enum Found {
    /// None runs.
    Nobody,
    /// One that does now what was wanted.
    InForce,
    /// One that cannot be brought to it.
    Wrong(String),
}

/// Has a daemon that runs place its services.
pub(crate) fn activate(instance: &Instance) -> Found {
    let deadline = Instant::now() + LIMIT;
    loop {
        let pid = match instance.running() {
            Running::Ours(pid) => pid,
            Running::Old(_) => return Found::InForce,
            Running::Stale | Running::No => return Found::Nobody,
        };
        let answer = match mode_of(instance, ANSWER_LIMIT) {
            Ok(Mode { standby: false, .. }) => return Found::InForce,
            // Also if it is active: the answer comes when the services are in the table.
            Ok(_) => ask(instance, Question::Activate),
            Err(why) => Err(why),
        };
        match answer {
            Ok(()) => return Found::InForce,
            Err(why) if instance.running() == Running::Ours(pid) || Instant::now() > deadline => {
                return Found::Wrong(format!("process {pid} has not placed its services: {why}"));
            }
            Err(_) => {} // it has died of it, or another one has come
        }
    }
}

/// Makes room for a daemon that is started for standby: one that was started cold hands the table over to it.
pub(crate) fn make_room(instance: &Instance) -> Found {
    let deadline = Instant::now() + LIMIT;
    loop {
        let pid = match instance.running() {
            Running::Ours(pid) => pid,
            Running::Old(pid) => {
                return Found::Wrong(format!("the old program runs as process {pid}: stop it first"));
            }
            Running::Stale | Running::No => return Found::Nobody,
        };
        let answer = match mode_of(instance, ANSWER_LIMIT) {
            Ok(Mode { standby: true, .. }) => return Found::InForce,
            // Refused while it starts.
            Ok(_) => ask(instance, Question::HandOver),
            Err(why) => Err(why),
        };
        let why = answer.err().unwrap_or_else(|| "it has not ended".into());
        if Instant::now() > deadline {
            return Found::Wrong(format!("process {pid} does not hand over the kernel's table: {why}"));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Has the services leave the table. A daemon that was started for standby lives on.
pub(crate) fn deactivate(instance: &Instance) -> Result<(), String> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let pid = match instance.running() {
            Running::Ours(pid) => pid,
            Running::Old(_) => return stop(instance),
            Running::Stale | Running::No => match remove_left_over(instance) {
                Err(LeftOver::Overtaken) if Instant::now() < deadline => continue,
                result => return result.map_err(String::from),
            },
        };
        let answer = match mode_of(instance, ANSWER_LIMIT) {
            Ok(Mode { standby: false, .. }) => return stop(instance),
            Ok(_) => ask(instance, Question::Deactivate),
            Err(why) => Err(why),
        };
        match answer {
            Ok(()) => return Ok(()),
            Err(why) if instance.running() == Running::Ours(pid) || Instant::now() > deadline => {
                return Err(format!("process {pid} has not released its services: {why}"));
            }
            Err(_) => {} // it has died meanwhile: what it has left is to be removed
        }
    }
}

/// Ends the daemon, and waits until it has ended and nothing of it is left that `cleanstop` removes.
pub(crate) fn stop(instance: &Instance) -> Result<(), String> {
    if let Running::Ours(_) = instance.running() {
        if mode_of(instance, ANSWER_LIMIT).is_ok_and(|mode| mode.standby && mode.active) {
            // If that fails, what it leaves is removed afterwards.
            let _ = ask(instance, Question::Deactivate);
        }
    }
    until_gone(instance, None)?;
    remove_left_over(instance).map_err(String::from)
}

/// Waits until the daemon has ended; tells it to, unless it was `told` already.
pub(crate) fn until_gone(instance: &Instance, mut told: Option<u32>) -> Result<(), String> {
    let deadline = Instant::now() + LIMIT;
    while let Some(pid) = instance.running().pid() {
        if told != Some(pid) {
            told = Some(pid);
            if let Err(error) = signal(pid, Signal::TERM) {
                return Err(format!("process {pid} cannot be stopped: {error}"));
            }
        }
        if Instant::now() > deadline {
            return Err(format!("process {pid} has not ended within {} s", LIMIT.as_secs()));
        }
        std::thread::sleep(PAUSE);
    }
    // The last thing that it does is to remove its pid file: it is about to be gone.
    while told.is_some_and(has_memory) && Instant::now() < deadline {
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Whether a process has not ended yet: one that has, keeps nothing but its number.
fn has_memory(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// How the daemon works. One that has just been started answers in a moment.
pub(crate) fn mode_of(instance: &Instance, limit: Duration) -> Result<Mode, String> {
    let deadline = Instant::now() + limit;
    loop {
        match control::mode(&instance.socket, limit) {
            Ok(mode) => return Ok(mode),
            Err(RequestError::NotRunning)
                if Instant::now() < deadline && instance.running().pid().is_some() =>
            {
                std::thread::sleep(PAUSE);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn ask(instance: &Instance, question: Question) -> Result<(), String> {
    match daemon::control::request(&instance.socket, &question, LIMIT) {
        Ok(Answer::End) => Ok(()),
        Ok(Answer::Refused { why }) => Err(why),
        Ok(other) => Err(format!("its answer is not understood: {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Why what a dead daemon has left is still there.
enum LeftOver {
    /// Another daemon was started in this moment.
    Overtaken,
    Failed(String),
}

impl From<LeftOver> for String {
    fn from(left: LeftOver) -> String {
        match left {
            LeftOver::Overtaken => "another daemon was started meanwhile".into(),
            LeftOver::Failed(why) => why,
        }
    }
}

/// Removes the services that a daemon has left in the table by its death. The pid file is held meanwhile, so that no
/// daemon starts from what is being removed.
fn remove_left_over(instance: &Instance) -> Result<(), LeftOver> {
    if instance.claim.read().is_none() {
        return Ok(());
    }
    let failed = |why: String| LeftOver::Failed(format!("services are left in the kernel's table: {why}"));
    let _pid_file = pidfile::create(&instance.pid_file).map_err(|error| match error {
        PidFileError::Held(_) => LeftOver::Overtaken,
        error => failed(error.to_string()),
    })?;
    let Some(services) = instance.claim.read() else { return Ok(()) };
    let done = remove_services(instance, services).map_err(failed)?;
    // Where the log is, if the configuration still says so. Names may have to be looked up for it: that must not hold up
    // what is to go.
    let log = load(&instance.config, &SystemNames::load()).ok().and_then(|loaded| {
        let settings = log_settings(&loaded.plan.settings, &instance.name, log_settings::Mode::Normal);
        daemon::log::start(settings).ok()
    });
    info!("Removed what a daemon that has ended has left in the kernel's table");
    done.edits.iter().for_each(|edit| info!("{}", edit.message));
    done.failed.iter().for_each(|(_, why)| error!("Kernel table: {why}"));
    drop(log);
    match done.failed.into_iter().map(|(_, why)| why).chain(done.unclaimed).collect::<Vec<_>>() {
        problems if problems.is_empty() => Ok(()),
        problems => Err(failed(problems.join("\n"))),
    }
}

fn remove_services(instance: &Instance, services: Vec<ServiceKey>) -> Result<Done, String> {
    let kernel = Kernel::open(instance.claim.clone())?;
    let leaving = services.into_iter().map(|key| (key, Vec::new())).collect();
    let pass = Pass { leaving, stage: "stop", hold: Hold::Nothing, ..Pass::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    runtime.block_on(kernel.pass(pass))
}

/// Sends a signal to a process; that it has just ended is no error.
pub(crate) fn signal(pid: u32, signal: Signal) -> std::io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| std::io::Error::other("not a process id"))?;
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
