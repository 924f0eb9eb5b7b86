//! Everything that happens beside the loop, and comes back to it as an [`Event`].

use super::commands::Commands;
use super::reload::{Ahead, NextPlan};
use super::telling::{Purpose, Telling, Told};
use crate::check::Checked;
use crate::checks::Preparing;
use crate::config::{LoadError, Loaded, Plan, SystemNames, load};
use crate::control::{self, Answer, Question, Selection};
use crate::director::{Leaving, Place};
use crate::instance::Instance;
use crate::kernel::{Done, Known};
use crate::maintenance::{Maintenance, Resting};
use crate::memory;
use crate::metrics;
use crate::reconcile::{Counted, Wanted};
use crate::schedulers;
use crate::sysctls::{self, Advice};
use crate::thread::on_thread;
use crate::watch::{Look, Watch};
use daemon::control::{Connection, ControlError, Listener};
use daemon::process::{self, Ending};
use futures_util::StreamExt;
use futures_util::future::join_all;
use signal_hook::consts::{SIGABRT, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tracing::{debug, info, warn};

/// How long a tool's next question is waited for, and how long it may take to read a line of the answer.
const TOOL_LIMIT: Duration = Duration::from_secs(10);
/// Tools that are served at the same time: their descriptors must not be missing for checks.
const TOOLS: usize = 32;

/// How long the loading of modules may take.
const MODULES_LIMIT: Duration = Duration::from_secs(60);

/// How long the kernel's counting is waited for.
const COUNT_LIMIT: Duration = Duration::from_secs(5);
/// Answers that wait to be read by one tool.
const UNREAD: usize = 64;

/// Who waits for an answer. It may come in parts, and is complete when this is dropped.
pub(super) type Reply = mpsc::Sender<Vec<Answer>>;

/// A configuration that was read, what its maintenance directory holds, and the file as it was before.
pub(super) struct Read {
    pub(super) result: Result<Loaded, LoadError>,
    pub(super) maintenance: Maintenance,
    pub(super) resting: Resting,
    pub(super) watch: Watch,
    /// What the kernel's values make of it.
    pub(super) advice: Vec<Advice>,
    /// Whether another instance holds a service of it, and which.
    pub(super) held_by_another: Option<String>,
    /// What the table held meanwhile.
    pub(super) ahead: Option<Ahead>,
}

/// What the loop waits for.
pub(super) enum Event {
    /// Of which plan, with what, and how it went.
    Passed(u64, Arc<Vec<Wanted>>, Vec<Leaving>, Result<Done, String>),
    Signal(i32),
    Loaded(Box<Read>, Vec<Reply>),
    /// For a plan that is not in force yet: what the table holds of it.
    TableRead(Box<NextPlan>, Result<Known, String>),
    Asked(Question, Reply),
    /// What these asked for is done; with what they should know.
    Granted(Selection, Reply, Vec<String>),
    /// The kernel's part of an answer.
    Counted(Purpose, Reply, Result<Counted, String>),
    /// An answer that is not complete.
    Piece(Box<Telling>),
    /// Checks that a tool asked for, of which plan; `None` for what was not run.
    CheckedNow(u64, Vec<(Place, Option<Checked>)>, Reply),
    /// What was checked again after an activation is known.
    Rechecked,
    Maintenance(Maintenance, Resting),
    Watched(Watch, Look),
}

/// Starts tasks.
pub(super) struct Tasks {
    events: mpsc::Sender<Event>,
    /// `fallbackcommand`s.
    pub(super) fallbacks: Commands,
    /// `callback`s: one that hangs holds up no fallback.
    pub(super) callbacks: Commands,
    /// Somebody wants the configuration to be read again once it has been read, and waits for it.
    later: Option<Vec<Reply>>,
}

impl Tasks {
    /// Starts those that run all the time: signals, the control socket, the queues of commands.
    pub(super) fn start(events: mpsc::Sender<Event>, listener: Listener) -> io::Result<Tasks> {
        let mut signals = signal_hook_tokio::Signals::new([SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGABRT])?;
        let to = events.clone();
        tokio::spawn(async move {
            while let Some(signal) = signals.next().await {
                if to.send(Event::Signal(signal)).await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(listen(listener, events.clone()));
        Ok(Tasks { events, fallbacks: Commands::start(), callbacks: Commands::start(), later: None })
    }

    fn spawn(&self, event: impl Future<Output = Event> + Send + 'static) {
        let events = self.events.clone();
        tokio::spawn(async move { drop(events.send(event.await).await) });
    }

    pub(super) fn pass(
        &self,
        epoch: u64,
        wanted: Arc<Vec<Wanted>>,
        leaving: Vec<Leaving>,
        pass: impl Future<Output = Result<Done, String>> + Send + 'static,
    ) {
        self.spawn(async move { Event::Passed(epoch, wanted, leaving, pass.await) });
    }

    pub(super) fn count(
        &self,
        counting: impl Future<Output = Result<Counted, String>> + Send + 'static,
        purpose: Purpose,
        reply: Reply,
    ) {
        self.spawn(async move {
            let counted = timeout(COUNT_LIMIT, counting).await;
            let result = counted.unwrap_or_else(|_| Err("the kernel does not answer".into()));
            Event::Counted(purpose, reply, result)
        });
    }

    pub(super) fn check_now(
        &self,
        epoch: u64,
        waiting: Vec<(Vec<Place>, Option<oneshot::Receiver<Checked>>)>,
        reply: Reply,
    ) {
        self.spawn(async move {
            let mut results = Vec::new();
            for (places, result) in waiting {
                let checked = match result {
                    Some(result) => result.await.ok(),
                    None => None,
                };
                results.extend(places.into_iter().map(|place| (place, checked.clone())));
            }
            results.sort_by_key(|(place, _)| *place);
            Event::CheckedNow(epoch, results, reply)
        });
    }

    /// Tells when all these results are known.
    pub(super) fn recheck(&self, results: Vec<oneshot::Receiver<Checked>>) {
        self.spawn(async move {
            join_all(results).await;
            Event::Rechecked
        });
    }

    /// Goes on with an answer when the loop has seen what else there is.
    pub(super) fn next_piece(&self, telling: Telling) {
        self.spawn(async move { Event::Piece(Box::new(telling)) });
    }

    /// Makes the lines of an answer beside the loop, as it may be long; and forgets there what it was made of.
    pub(super) fn tell(&self, told: Told, counted: Counted, reply: Reply) {
        tokio::spawn(async move {
            let make = move || {
                drop(counted);
                match told {
                    Told::Status(status) => Some(status.lines()),
                    Told::Metrics(snapshot) => Some(control::pieces(&metrics::render(snapshot).ok()?)),
                }
            };
            let refused = || vec![Answer::Refused { why: "the answer could not be made".into() }];
            let lines = on_thread("answer", make).await.flatten().unwrap_or_else(refused);
            let _ = reply.send(lines).await;
        });
    }

    pub(super) fn granted(
        &self,
        of: Selection,
        reply: Reply,
        warnings: impl Future<Output = Vec<String>> + Send + 'static,
    ) {
        self.spawn(async move { Event::Granted(of, reply, warnings.await) });
    }

    pub(super) fn load(
        &self,
        instance: Instance,
        preparing: Preparing,
        ahead: impl Future<Output = Option<Ahead>> + Send + 'static,
        answers: Vec<Reply>,
    ) {
        self.spawn(async move {
            let shown = instance.config.clone();
            let mut read =
                on_thread("configuration", move || read(&instance)).await.unwrap_or_else(|| Read {
                    watch: Watch::unseen(&shown),
                    result: Err(LoadError::Unreadable { path: shown, error: io::Error::other("not read") }),
                    maintenance: Maintenance::default(),
                    resting: Resting::default(),
                    advice: Vec::new(),
                    held_by_another: None,
                    ahead: None,
                });
            if let Ok(loaded) = &read.result {
                preparing.plan(&loaded.plan).await;
                read.ahead = ahead.await;
            }
            Event::Loaded(Box::new(read), answers)
        });
    }

    pub(super) fn read_for(
        &self,
        next: Box<NextPlan>,
        reading: impl Future<Output = Result<Known, String>> + Send + 'static,
    ) {
        self.spawn(async move { Event::TableRead(next, reading.await) });
    }

    /// Remembers a wish to read the configuration while it is being read. One more time is enough for all wishes,
    /// and everybody who waits for an answer gets one.
    pub(super) fn later(&mut self, answers: Vec<Reply>) {
        self.later.get_or_insert_default().extend(answers);
    }

    /// The wishes meanwhile.
    pub(super) fn waiting(&mut self) -> Option<Vec<Reply>> {
        self.later.take()
    }

    pub(super) fn look_at_maintenance(&self, mut maintenance: Maintenance, resting: Resting) {
        self.spawn(async move {
            let before = (maintenance.clone(), resting);
            let look = move || {
                let resting = maintenance.look();
                (maintenance, resting)
            };
            let (maintenance, resting) = on_thread("maintenance", look).await.unwrap_or(before);
            Event::Maintenance(maintenance, resting)
        });
    }

    /// Tells of schedulers that the kernel does not have. What it has besides those that it shows here is seen when
    /// it refuses the service. With `load` it has them loaded that will be needed later.
    pub(super) fn look_for_schedulers(&self, plan: &Plan, load: bool) {
        let wanted = plan.services.iter().map(|service| service.service.scheduler.clone()).collect();
        tokio::spawn(async move {
            let look = move || {
                let modules = if load { schedulers::not_loaded(&wanted) } else { Vec::new() };
                (schedulers::warnings(&wanted), modules)
            };
            let (warnings, modules) = on_thread("schedulers", look).await.unwrap_or_default();
            warnings.iter().for_each(|line| warn!("{line}"));
            if !modules.is_empty() {
                let finished = process::run(schedulers::loading(&modules), MODULES_LIMIT).await;
                let modules = modules.join(" ");
                match finished.ending {
                    Ending::Exited(0) => info!("Loaded for a later activation: {modules}"),
                    // The kernel tries it once more itself.
                    ending => debug!("{modules}: {ending:?}"),
                }
            }
        });
    }

    /// Keeps no more memory than a daemon in its steady state needs, after a start or a reload.
    pub(super) fn forget_start(&self) {
        tokio::spawn(on_thread("memory", || {
            memory::forget_start();
            memory::trim();
        }));
    }

    pub(super) fn look_at_file(&self, mut watch: Watch) {
        self.spawn(async move {
            let before = watch.clone();
            let look = move || {
                let look = watch.look();
                (watch, look)
            };
            let (watch, look) = on_thread("file watch", look).await.unwrap_or((before, Look::Same));
            Event::Watched(watch, look)
        });
    }
}

/// Blocks: on the file, on names, on the maintenance directory.
fn read(instance: &Instance) -> Read {
    let watch = Watch::new(&instance.config);
    let result = load(&instance.config, &SystemNames::load());
    let held_by_another = result.as_ref().ok().and_then(|loaded| instance.is_alone_with(&loaded.plan).err());
    let directory = result.as_ref().ok().and_then(|loaded| loaded.plan.settings.maintenance_dir.as_deref());
    let maintenance = Maintenance::new(directory);
    let advice = result.as_ref().map(|loaded| sysctls::here(&loaded.plan)).unwrap_or_default();
    let resting = maintenance.addresses();
    Read { resting, result, maintenance, watch, advice, held_by_another, ahead: None }
}

async fn listen(listener: Listener, events: mpsc::Sender<Event>) {
    let places = Arc::new(Semaphore::new(TOOLS));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok(connection) => {
                let events = events.clone();
                tokio::spawn(async move {
                    answer(connection, events).await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!("Control socket: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn answer(mut connection: Connection, events: mpsc::Sender<Event>) {
    let mut early = None;
    loop {
        let question = match early.take() {
            Some(question) => question,
            None => match timeout(TOOL_LIMIT, connection.recv::<Question>()).await {
                Ok(question) => question,
                Err(_) => return,
            },
        };
        let (reply, mut answers) = mpsc::channel(UNREAD);
        match question {
            Ok(Some(question)) => {
                if events.send(Event::Asked(question, reply)).await.is_err() {
                    return;
                }
            }
            Err(ControlError::Garbled(why)) => drop(reply.try_send(vec![Answer::Refused { why }])),
            _ => return,
        }
        let mut complete = false;
        loop {
            let lines = tokio::select! {
                lines = answers.recv() => match lines {
                    Some(lines) => lines,
                    None if complete => break,
                    None => vec![Answer::Refused { why: "the daemon says no more about this".into() }],
                },
                // The next question may be there already; or nobody is left to read the answer.
                next = connection.recv::<Question>(), if early.is_none() => {
                    if matches!(next, Ok(None) | Err(ControlError::Io(_) | ControlError::TooLong)) {
                        return;
                    }
                    early = Some(next);
                    continue;
                }
            };
            complete = matches!(lines.last(), Some(Answer::End | Answer::Refused { .. }));
            for line in &lines {
                if !matches!(timeout(TOOL_LIMIT, connection.send(line)).await, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }
}
