//! A daemon with its loop, its control socket and real checks, whose kernel is a table in the hands of the test.

use super::super::{Before, Parts, run};
use crate::config::{SystemNames, load};
use crate::control::{self, Answer, Mode, Question, Selection, Status};
use crate::director::ServiceStatus;
use crate::instance::Instance;
use crate::kernel::{Access, Kernel};
use crate::log_settings::{self, log_settings};
use crate::reconcile::{Action, Counted, Table};
use crate::verdict::State;
use crate::watch::Watch;
use daemon::background;
use daemon::control::{Listener, RequestError};
use daemon::log::Log;
use ipvs::{Error, ServiceKey};
use std::collections::HashSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Far more than anything here takes.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// The daemon and what is around it; everything ends when this is dropped.
pub(super) struct Bed {
    instance: Instance,
    folder: PathBuf,
    pub(super) kernel: Arc<Played>,
    thread: Option<JoinHandle<()>>,
}

/// The table, and what of it is known.
#[derive(Default)]
pub(super) struct Played {
    state: Mutex<Content>,
    changed: Condvar,
}

#[derive(Default)]
struct Content {
    table: Table,
    /// Whoever reads the table waits.
    held_up: bool,
    /// So many wait.
    waiting: usize,
    /// How many times it was read.
    reads: usize,
}

impl Played {
    fn state(&self) -> MutexGuard<'_, Content> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the kernel does not answer, or does again.
    pub(super) fn hold_up(&self, held_up: bool) {
        self.state().held_up = held_up;
        self.changed.notify_all();
    }

    /// How many times it was asked for the table.
    pub(super) fn reads(&self) -> usize {
        self.state().reads
    }

    /// Somebody else removes all services.
    pub(super) fn clear(&self) {
        self.state().table = Table::default();
    }

    /// Somebody waits for the kernel.
    pub(super) fn is_waited_for(&self) -> bool {
        self.state().waiting > 0
    }

    /// `ADDRESS:PORT WEIGHT` of all destinations, sorted.
    pub(super) fn destinations(&self) -> Vec<String> {
        let state = self.state();
        let all = state.table.services.iter().flat_map(|(_, destinations)| destinations);
        let mut lines: Vec<String> = all.map(|found| format!("{} {}", found.key, found.weight)).collect();
        lines.sort();
        lines
    }
}

/// The thread's end of [`Played`].
struct Handle(Arc<Played>);

impl Access for Handle {
    fn read(&mut self, ours: &HashSet<&ServiceKey>) -> Result<Table, Error> {
        let mut state = self.0.state();
        state.reads += 1;
        state.waiting += 1;
        while state.held_up {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
        let services = state.table.services.iter().filter(|(service, _)| ours.contains(&service.key));
        Ok(Table { services: services.cloned().collect() })
    }

    fn count(&mut self, ours: impl Fn(&ServiceKey) -> bool) -> Result<Counted, Error> {
        let all: Vec<ServiceKey> =
            self.0.state().table.services.iter().map(|(service, _)| service.key.clone()).collect();
        Ok(Counted::from(&self.read(&all.iter().filter(|key| ours(key)).collect())?))
    }

    fn apply(&mut self, action: &Action) -> Result<(), Error> {
        self.0.state().table.apply(action);
        Ok(())
    }
}

impl Bed {
    /// Starts a daemon with this configuration.
    pub(super) fn start(config: &str, standby: bool) -> Bed {
        Bed::prepared(config, standby, |_| {})
    }

    /// The same, when its folder is prepared. `FOLDER` in it is where [`Bed::file`]s are.
    pub(super) fn prepared(config: &str, standby: bool, prepare: impl Fn(&Path)) -> Bed {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("directord-loop-{}-{number}", std::process::id()));
        std::fs::create_dir_all(folder.join("directord")).unwrap();
        prepare(&folder);
        let file = folder.join("test.cf");
        write(&file, &config.replace("FOLDER", folder.to_str().unwrap()));
        let instance = Instance::new(file.to_str(), &folder, &folder);
        let kernel = Arc::new(Played::default());
        let (its, played) = (instance.clone(), Arc::clone(&kernel));
        let thread = Some(std::thread::spawn(move || serve(its, played, standby)));
        let bed = Bed { kernel, thread, instance, folder };
        bed.until("it answers", || bed.mode().is_ok());
        bed
    }

    pub(super) fn configure(&self, config: &str) {
        write(&self.instance.config, config);
    }

    /// How the daemon works: what it always has ready.
    pub(super) fn mode(&self) -> Result<Mode, RequestError> {
        control::mode(&self.instance.socket, LIMIT)
    }

    /// Asks, and gets the last line of the answer; on a thread of its own.
    pub(super) fn asking(&self, question: Question) -> JoinHandle<Result<Answer, RequestError>> {
        let socket = self.instance.socket.clone();
        std::thread::spawn(move || daemon::control::request(&socket, &question, LIMIT))
    }

    pub(super) fn ask(&self, question: Question) -> Answer {
        self.asking(question).join().unwrap().unwrap()
    }

    pub(super) fn status(&self) -> Status {
        control::status(&self.instance.socket, &Question::Status(Selection::default()), LIMIT).unwrap()
    }

    /// The state of every server, in the order of the file.
    pub(super) fn states(&self) -> Vec<State> {
        let of = |service: ServiceStatus| service.servers.into_iter().map(|server| server.state);
        self.status().services.into_iter().flat_map(of).collect()
    }

    /// A file of this test.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Waits for something to become true.
    pub(super) fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let began = Instant::now();
        while !condition() {
            assert!(began.elapsed() < LIMIT, "{what}: {:?}", self.kernel.destinations());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.kernel.hold_up(false);
        let _ = daemon::control::request::<_, Answer>(&self.instance.socket, &Question::HandOver, LIMIT);
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            eprintln!("the daemon has panicked");
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Whoever reads it finds the old text or the new one.
fn write(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, format!("checkinterval=1\nchecktimeout=20\nnegotiatetimeout=20\n{text}"))
        .unwrap();
    std::fs::rename(&beside, file).unwrap();
}

fn serve(instance: Instance, played: Arc<Played>, standby: bool) {
    static LOG: OnceLock<Arc<Log>> = OnceLock::new();
    let watch = Watch::new(&instance.config);
    let loaded = load(&instance.config, &SystemNames::load()).unwrap();
    let mode = log_settings::Mode::Normal;
    let log = LOG.get_or_init(|| {
        let targets = Vec::new();
        let settings = daemon::log::Settings { targets, ..log_settings(&loaded.plan.settings, "test", mode) };
        Arc::new(daemon::log::start(settings).unwrap())
    });
    let parts = Parts {
        kernel: Kernel::of(Handle(played), instance.claim.clone()).unwrap(),
        before: Before::read(&instance.claim, standby),
        mode,
        log: Arc::clone(log),
        loaded,
        watch,
        drained: Vec::new(),
        starting: background::foreground(),
        instance,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = Listener::bind(&parts.instance.socket, 0o600).unwrap();
        run(parts, listener).await
    });
}

/// A real server that takes connections, at this port.
pub(super) fn server() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A service whose real servers are those ports of this machine.
pub(super) fn section(options: &str, ports: &[u16]) -> String {
    let mut text = "virtual=203.0.113.1:80\n\tchecktype=connect\n".to_owned();
    for option in options.split(';').map(str::trim).filter(|option| !option.is_empty()) {
        text += &format!("\t{option}\n");
    }
    for port in ports {
        text += &format!("\treal=127.0.0.1:{port} masq 5\n");
    }
    text
}
