//! From the command line to a daemon that beats.

use super::arguments::Arguments;
use super::beat;
use super::identity::{self, Identity, LockError, Unsaved};
use super::orders::{NotGiven, Order, Orders, Packets};
use super::picture::Report;
use super::pinging::PingPlan;
use super::shell::{self, End, Shell};
use super::slot::{self, Slot};
use super::{addresses, clock, guard, here};
use crate::cluster::{self, ConfigHash, Settings};
use crate::config::{self, Failback, Plan, fingerprint};
use crate::control;
use crate::media::{self, Keeper, Target, Watched};
use crate::sys;
use ::config::Level;
use daemon::background::{self, Role, Starting};
use daemon::control::Listener;
use daemon::log::{self, Log};
use daemon::pidfile::{self, PidFile, PidFileError};
use nix::unistd::Group;
use signal_hook_tokio::Signals;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Reports on their way from the beat thread.
const REPORTS: usize = 1024;
/// The group of heartbeat's clients.
const CLIENTS: &str = "haclient";

/// How long the end waits for what is being written.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

/// Why the daemon does not start, and its exit code.
struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    fn new(message: impl Into<String>, code: u8) -> Failure {
        Failure { message: message.into(), code }
    }
}

/// Everything that is known before the first socket is opened.
struct Prepared {
    arguments: Arguments,
    plan: Plan,
    targets: Vec<Target>,
    links: Vec<String>,
    settings: Settings,
    /// What of the identity is still to be written.
    unsaved: Unsaved,
    log: Arc<Log>,
    /// Both held as long as the daemon runs.
    _pid_file: PidFile,
    _state_lock: Option<PidFile>,
}

/// Starts the daemon, in the background unless told otherwise, and runs it to its end.
pub(super) fn daemon(arguments: Arguments) -> ExitCode {
    let arguments = match arguments.absolute() {
        Ok(arguments) => arguments,
        Err(error) => return background::foreground().failed(&format!("heartbeat: {error}"), 1),
    };
    let starting = if arguments.foreground || arguments.restart {
        background::foreground()
    } else {
        match background::detach() {
            Ok(Role::Daemon(starting)) => starting,
            Ok(Role::Caller(code)) => return code,
            Err(error) => {
                let message = format!("heartbeat: cannot go to the background: {error}");
                return background::foreground().failed(&message, 1);
            }
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return starting.failed(&format!("heartbeat: {error}"), 1),
    };
    let signals = {
        let _inside = runtime.enter();
        match shell::signals() {
            Ok(signals) => signals,
            Err(error) => return starting.failed(&format!("heartbeat: signals: {error}"), 1),
        }
    };
    match prepare(arguments) {
        Ok(prepared) => run(prepared, starting, runtime, signals),
        Err(failure) => starting.failed(&failure.message, failure.code),
    }
}

fn prepare(arguments: Arguments) -> Result<Prepared, Failure> {
    std::fs::create_dir_all(&arguments.run_dir)
        .map_err(|error| Failure::new(format!("heartbeat: {}: {error}", arguments.run_dir.display()), 1))?;
    let pid_file = match pidfile::create(&arguments.pid_file()) {
        Ok(pid_file) => pid_file,
        // Not a failure for start-up scripts: what they want is there.
        Err(PidFileError::Held(pid)) => {
            return Err(Failure::new(format!("heartbeat: already running [pid {pid}]."), 0));
        }
        Err(PidFileError::Io(error)) => return Err(Failure::new(format!("heartbeat: {error}"), 1)),
    };
    let state_lock = identity::lock(&arguments.state_dir);
    let unlocked = match &state_lock {
        Err(LockError::NoRoom(error)) => Some(error.clone()),
        Err(LockError::Refused(error)) => return Err(Failure::new(format!("heartbeat: {error}"), 1)),
        Ok(_) => None,
    };
    let node =
        config::node_name(&arguments.config_dir).map_err(|error| Failure::new(error.to_string(), 6))?;
    let reading = config::read(&arguments.config_dir, &node);
    let Some(plan) = reading.plan.clone() else {
        return Err(Failure::new(reading.render().trim_end(), reading.exit_code()));
    };
    if io::stderr().is_terminal() {
        eprint!("{}", reading.render());
    }
    // whatever the log says of it may be lost for just that reason
    let no_logs = here::logs(&reading);
    eprint!("{}", no_logs.render());
    let log =
        start_log(&plan, &arguments).map_err(|error| Failure::new(format!("heartbeat: log: {error}"), 1))?;
    tracing::info!("heartbeatd {} starts on node {node}", env!("CARGO_PKG_VERSION"));
    for (level, line) in reading.lines() {
        match level {
            Level::Error => tracing::error!("{line}"),
            Level::Warning => tracing::warn!("{line}"),
        }
    }
    no_logs.lines().for_each(|line| tracing::warn!("{line}"));
    if let Some(error) = unlocked {
        tracing::warn!("{error}; nothing keeps a second daemon with another run directory from starting");
    }
    let targets =
        media::resolve(&plan.media).map_err(|error| Failure::new(format!("heartbeat: {error}"), 6))?;
    let links = links(&plan);
    let failed = |error: io::Error| Failure::new(format!("heartbeat: {error}"), 1);
    let Identity { uuid, generation, unsaved } =
        identity::read(&plan, &arguments.state_dir, clock::now().epoch).map_err(failed)?;
    let haresources = config::groups(&arguments.config_dir).map_err(failed)?;
    let haresources = fingerprint::of_groups(&haresources);
    let settings = settings(&plan, &links, uuid, generation, haresources);
    let peer_generation = identity::peer_generation(&plan, &arguments.state_dir);
    let settings = Settings { peer_generation, ..settings };
    Ok(Prepared {
        arguments,
        plan,
        targets,
        links,
        settings,
        unsaved,
        log: Arc::new(log),
        _pid_file: pid_file,
        _state_lock: state_lock.ok(),
    })
}

fn run(prepared: Prepared, starting: Starting, runtime: Runtime, signals: Signals) -> ExitCode {
    let end = {
        let _inside = runtime.enter();
        match begin(&prepared, &runtime) {
            Err(failure) => return starting.failed(&failure.message, failure.code),
            Ok(Begun { shell, reports, listener, thread }) => {
                starting.ready();
                let end = runtime.block_on(shell.run(listener, reports, signals, prepared.unsaved));
                if matches!(end, End::Stopped) {
                    // It has said that it ends.
                    let _ = thread.join();
                }
                end
            }
        }
    };
    // A disk that hangs must not keep this process.
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    match end {
        End::Stopped => {
            tracing::info!("Heartbeat shutdown complete.");
            ExitCode::SUCCESS
        }
        End::Broken(code) => ExitCode::from(code),
        End::Restart => {
            tracing::info!("restarting with the new configuration; resources stay as they are");
            prepared.log.flush();
            let error = again();
            tracing::error!("cannot restart: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Begun {
    shell: Shell,
    reports: mpsc::Receiver<Report>,
    listener: Listener,
    thread: std::thread::JoinHandle<()>,
}

/// Opens everything and starts the threads. Must be called inside the runtime.
fn begin(prepared: &Prepared, runtime: &Runtime) -> Result<Begun, Failure> {
    let Prepared { arguments, plan, targets, links, settings, log, .. } = prepared;
    let failed =
        |what: &str, error: &dyn std::fmt::Display| Failure::new(format!("heartbeat: {what}: {error}"), 1);
    let listener = Listener::bind(&control::socket(&arguments.run_dir), 0o660)
        .map_err(|error| failed("control socket", &error))?;
    open_to_clients(&control::socket(&arguments.run_dir));
    let (slots, _) = slot::open(targets, links).map_err(|error| Failure::new(error, 1))?;
    slot::tell_open(&slots, &[]);
    if !arguments.low_priority && plan.realtime.is_some() {
        lock_memory();
    }
    let realtime = plan.realtime.filter(|_| !arguments.low_priority);
    if let Some(priority) = realtime {
        // Jobs pass through this thread; the beat thread complains if it is not allowed.
        let _ = sys::set_round_robin(0, priority);
    }
    guard::dismiss(&arguments.run_dir);
    if !arguments.no_resources {
        let Arguments { config_dir, state_dir, run_dir, .. } = arguments;
        runtime.block_on(addresses::sweep(plan, config_dir, state_dir, run_dir));
    }
    let (sender, reports) = mpsc::channel(REPORTS);
    let watched = watched(targets, &slots);
    let (orders, thread) = beat::start(beat::Start {
        settings: settings.clone(),
        slots,
        pings: PingPlan::open(plan),
        packets: packets(plan),
        realtime: realtime.map(|priority| priority.saturating_add(1).min(99)),
        reports: sender,
    })
    .map_err(|error| failed("thread", &error))?;
    let keeper = keep(watched, &orders).map_err(|error| failed("thread", &error))?;
    let shell = Shell::new(arguments, plan, links, settings, log, orders, keeper);
    Ok(Begun { shell, reports, listener, thread })
}

/// What the keeper has to watch.
pub(super) fn watched(targets: &[Target], slots: &[Slot]) -> Vec<Watched> {
    targets.iter().zip(slots).map(|(target, slot)| Watched::new(target, slot.medium.as_ref())).collect()
}

/// Starts the keeper; what it finds goes to the beat thread.
pub(super) fn keep(watched: Vec<Watched>, orders: &Orders) -> io::Result<Keeper> {
    let orders = orders.clone();
    Keeper::start(watched, move |slot, change| {
        let mut order = Order::Media(slot, change);
        while let Err(refused) = orders.give(order) {
            match refused {
                NotGiven::Full(back) => order = *back,
                NotGiven::Ended => return false,
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    })
}

/// Members of the group that may ask heartbeat 3.0.6 may ask this daemon (tools.rs: but not order anything).
fn open_to_clients(socket: &Path) {
    if let Ok(Some(group)) = Group::from_name(CLIENTS) {
        let owned = std::os::unix::fs::chown(socket, None, Some(group.gid.as_raw()));
        if let Err(error) = owned {
            tracing::warn!(
                "{}: group {CLIENTS}: {error}: only root can ask for the status",
                socket.display()
            );
        }
    }
}

/// Locks this process in memory, so that no beat waits for a disk. Only where that cannot make later allocations
/// fail: without the privilege, a limit would.
fn lock_memory() {
    use rustix::mm::{MlockAllFlags, mlockall};
    use rustix::process::{Resource, getrlimit};
    use rustix::thread::{CapabilitySet, capabilities};
    let privileged = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    if !privileged && getrlimit(Resource::Memlock).current.is_some() {
        return tracing::warn!("memory is not locked: neither CAP_IPC_LOCK nor an unlimited LimitMEMLOCK=");
    }
    // Whatever is touched, from now on, stays: megabytes of programs and stacks that never are cost nothing. What the
    // beat thread will need, it touches before its first beat (rehearsal.rs).
    sys::forget_programs();
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if let Err(error) = mlockall(flags) {
        tracing::warn!("memory is not locked: {error}; under memory pressure beats may be late");
    }
}

/// Replaces this process by a new one of the same program and process id; returns only if that fails.
fn again() -> io::Error {
    let mut arguments = std::env::args_os();
    let program = match std::env::current_exe() {
        // After an upgrade the kernel calls the old file "NAME (deleted)"; the new one has its name.
        Ok(path) => path.to_string_lossy().trim_end_matches(" (deleted)").to_owned(),
        Err(error) => return error,
    };
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments.filter(|argument| argument != "-R")).arg("-R").exec()
}

/// The interfaces in the order of the media, each once.
pub(super) fn links(plan: &Plan) -> Vec<String> {
    let mut links: Vec<String> = Vec::new();
    for medium in &plan.media {
        if !links.contains(&medium.interface) {
            links.push(medium.interface.clone());
        }
    }
    links
}

/// How packets are made and read.
pub(super) fn packets(plan: &Plan) -> Packets {
    Packets { keys: plan.keys.clone(), inner_auth: plan.inner_auth, log_bad: plan.log_bad_packets }
}

/// What the core needs to know of a plan; `haresources` is that file's number. Nothing of the
/// other node's past.
pub(super) fn settings(
    plan: &Plan,
    links: &[String],
    uuid: [u8; 16],
    generation: u64,
    haresources: u32,
) -> Settings {
    let nodes = (plan.nodes.len() + plan.pings.len()) as u32;
    let seed = clock::mono().as_nanos() as u64;
    Settings {
        me: plan.node.clone(),
        nodes: plan.nodes.clone(),
        links: links.to_vec(),
        uuid,
        generation,
        peer_generation: 0,
        keepalive: plan.timing.keepalive,
        deadtime: plan.timing.deadtime,
        warntime: plan.timing.warntime,
        initdead: plan.timing.initdead,
        auto_failback: match plan.failback {
            Failback::On => cluster::Failback::On,
            Failback::Off => cluster::Failback::Off,
            Failback::Legacy => cluster::Failback::Legacy,
        },
        configuration: ConfigHash { ha_cf: fingerprint::of_plan(plan), haresources },
        group_keys: plan.group_keys.clone(),
        ipfail: plan.ipfail,
        fencing: !plan.stonith.is_empty(),
        fence_stuck: plan.fence_stuck,
        rexmit_delay: plan.timing.rexmit_delay,
        ttl: plan.hop_fudge + nodes,
        seed: seed ^ u64::from(std::process::id()).rotate_left(32) ^ generation,
    }
}

/// Where the log of a plan goes. A file that cannot be opened is no reason to leave a cluster without its node.
fn start_log(plan: &Plan, arguments: &Arguments) -> io::Result<Log> {
    let settings = log_settings(plan, arguments, 0);
    match log::start(settings.clone()) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            let targets = settings
                .targets
                .iter()
                .filter(|target| !matches!(target, log::Target::File(_) | log::Target::DebugFile(_)));
            let log = log::start(log::Settings { targets: targets.cloned().collect(), ..settings })?;
            tracing::error!("log: {error}");
            Ok(log)
        }
        result => result,
    }
}

/// The log's settings for a plan; `more` is what SIGUSR1 and SIGUSR2 have added to the debug level.
pub(super) fn log_settings(plan: &Plan, arguments: &Arguments, more: i32) -> log::Settings {
    let mut targets = Vec::new();
    if let Some(facility) = plan.log.facility.as_ref().and_then(|name| name.parse().ok()) {
        targets.push(log::Target::Syslog(facility));
    }
    targets.extend(plan.log.file.clone().map(log::Target::File));
    targets.extend(plan.log.debug_file.clone().map(log::Target::DebugFile));
    if arguments.foreground && io::stderr().is_terminal() {
        targets.push(log::Target::Stderr);
    }
    let debug = i32::from(plan.debug) + i32::from(arguments.debug) + more;
    let level = match debug {
        ..=0 => tracing::Level::INFO,
        1 => tracing::Level::DEBUG,
        2.. => tracing::Level::TRACE,
    };
    log::Settings { ident: "heartbeat".to_owned(), targets, format: log::Format::Heartbeat, level }
}
