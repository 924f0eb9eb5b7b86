//! `start`: from the command line to the running loop.

use crate::cli::Arguments;
use crate::config::{LoadError, Loaded, SystemNames, load};
use crate::control;
use crate::instance::Instance;
use crate::kernel::Kernel;
use crate::log_settings::{Mode, log_settings};
use crate::memory;
use crate::privileges::narrow;
use crate::resource::{self, Found};
use crate::run::{Before, Parts, drains, run};
use crate::sysctls;
use crate::thread::POOL;
use crate::watch::Watch;
use daemon::background::{self, Role, Starting};
use daemon::control::Listener;
use daemon::pidfile::{self, PidFileError};
use std::process::ExitCode;
use std::sync::Arc;
use tracing::{error, info, warn};

/// Exit code for a configuration with errors.
pub(crate) const CONFIG_CODE: u8 = 2;

/// Starts the daemon: in the background, unless the arguments or `supervised=yes` say otherwise.
pub(crate) fn start(arguments: &Arguments, instance: &Instance) -> ExitCode {
    memory::settle(); // no name was looked up yet
    // The process in the background finds out by the pid file: somebody waits for its answer already.
    if !background::is_second_process() {
        let found =
            if arguments.standby { resource::make_room(instance) } else { resource::activate(instance) };
        match found {
            Found::Nobody => {}
            Found::InForce if arguments.standby && arguments.foreground => {
                eprintln!("directord: a daemon on standby runs already for {}", instance.config.display());
                return ExitCode::FAILURE;
            }
            Found::InForce => return ExitCode::SUCCESS,
            Found::Wrong(why) => {
                eprintln!("directord: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    let watch = Watch::new(&instance.config);
    let loaded = match read(instance) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    // One on standby places nothing yet.
    if !arguments.standby {
        if let Err(why) = instance.is_alone_with(&loaded.plan) {
            eprintln!("directord: not started: {why}");
            return ExitCode::FAILURE;
        }
    }
    let mode = match (arguments.debug, loaded.plan.settings.supervised) {
        (true, _) => Mode::Debug,
        (false, true) => Mode::Supervised,
        (false, false) => Mode::Normal,
    };
    if arguments.foreground || mode != Mode::Normal {
        return serve(arguments, instance, mode, loaded, watch, background::foreground());
    }
    match background::detach() {
        Ok(Role::Caller(code)) => code,
        Ok(Role::Daemon(starting)) => serve(arguments, instance, mode, loaded, watch, starting),
        Err(error) => {
            eprintln!("directord: cannot go to the background: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the configuration; errors are shown on standard error.
pub(crate) fn read(instance: &Instance) -> Result<Loaded, ExitCode> {
    load(&instance.config, &SystemNames::load()).map_err(|error| {
        match error {
            LoadError::Refused(report) => eprint!("{}", report.render()),
            other => eprintln!("directord: {other}"),
        }
        ExitCode::from(CONFIG_CODE)
    })
}

/// Everything that can fail before the loop, then the loop. The pid file goes last, when all else is done.
fn serve(
    arguments: &Arguments,
    instance: &Instance,
    mode: Mode,
    loaded: Loaded,
    watch: Watch,
    starting: Starting,
) -> ExitCode {
    eprint!("{}", loaded.report.render());
    let folder = instance.socket.parent().map_or(Ok(()), std::fs::create_dir_all);
    if let Err(error) = folder {
        return starting.failed(&format!("directord: {}: {error}", instance.socket.display()), 1);
    }
    let pid_file = match pidfile::create(&instance.pid_file) {
        Ok(pid_file) => pid_file,
        // Somebody else started it in this moment.
        Err(PidFileError::Held(_)) => return overtaken(arguments, instance, starting),
        Err(error) => return starting.failed(&format!("directord: {error}"), 1),
    };
    // The first thread: it keeps what the others do not get.
    let kernel = Kernel::open(instance.claim.clone());
    if let Err(why) = narrow(!loaded.plan.settings.execute.is_empty() && !arguments.standby) {
        return starting.failed(&format!("directord: {why}"), 1);
    }
    let log = match daemon::log::start(log_settings(&loaded.plan.settings, &instance.name, mode)) {
        Ok(log) => Arc::new(log),
        Err(error) => {
            return starting.failed(&format!("directord: unable to open logfile: {error}"), CONFIG_CODE);
        }
    };
    info!("Invoking ldirectord invoked as: {} ", std::env::args().collect::<Vec<_>>().join(" "));
    info!("Starting Linux Director v1.186-ha with pid: {}", std::process::id());
    // Not before the kernel was asked for its table: what loads IPVS makes its values exist.
    sysctls::here(&loaded.plan).iter().for_each(|advice| warn!("{advice}"));
    raise_descriptor_limit();
    let before = Before::read(&instance.claim, arguments.standby);
    match before.mode {
        control::Mode { standby: true, active: true } => {
            info!("Started for standby, and active: the services were in the kernel's table when it ended")
        }
        control::Mode { standby: true, active: false } => info!("Started on standby: it only checks"),
        control::Mode { standby: false, .. } => {}
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(POOL).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(starting, &error.to_string()),
    };
    let kernel = match kernel {
        Ok(kernel) => kernel,
        Err(why) => return failed(starting, &why),
    };
    let drained = drains::read(&instance.drained).unwrap_or_else(|why| {
        tracing::error!("Drained servers are not known, the checks alone decide: {why}");
        Vec::new()
    });
    let code = runtime.block_on(async {
        match Listener::bind(&instance.socket, 0o600) {
            Ok(listener) => {
                let instance = instance.clone();
                let parts = Parts { instance, mode, log, kernel, before, loaded, watch, drained, starting };
                run(parts, listener).await
            }
            Err(error) => failed(starting, &error.to_string()),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    drop(pid_file);
    code
}

/// The start has failed, which the log knows as ldirectord's did.
pub(crate) fn failed(starting: Starting, why: &str) -> ExitCode {
    error!("Exiting with exit_status 1: {why}");
    starting.failed(&format!("directord: {why}"), 1)
}

/// Another start was faster: if that daemon is on standby, it is to do what this one was to do.
fn overtaken(arguments: &Arguments, instance: &Instance, starting: Starting) -> ExitCode {
    if arguments.standby {
        return starting.failed("directord: it is running already", 1);
    }
    match resource::activate(instance) {
        Found::InForce => starting.failed("directord: it is running already", 0),
        Found::Nobody => starting.failed("directord: another start was faster, and has ended", 1),
        Found::Wrong(why) => starting.failed(&format!("directord: {why}"), 1),
    }
}

/// Every check in flight needs a descriptor: as many as the administrator allows at all.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
