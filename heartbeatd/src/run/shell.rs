//! The main thread: answers tools, runs children, takes signals, keeps what must be kept.

mod reports;

use super::addresses::Watch;
use super::arguments::Arguments;
use super::environment;
use super::fence::Fencer;
use super::files::{self, Haresources, Looker};
use super::identity::Unsaved;
use super::jobs::{Runner, Running};
use super::kept::Kept;
use super::orders::{Order, Orders};
use super::picture::{Picture, Report};
use super::progress::News;
use super::reload::{self, Reloading, Restart};
use super::respawn::Respawner;
use super::scripts::Scripts;
use super::spares::Spares;
use super::status::Memory;
use super::watchdog::{Wanted, Watchdog};
use super::{clock, fifo, guard, picture, pinging, start, tools};
use crate::cluster::{Event, Job, JobId, JobKind, NodeState, Settings, Severity};
use crate::config::{Group, PingNode, Plan, Timing};
use crate::control::Answer;
use crate::media::Keeper;
use daemon::control::Listener;
use daemon::log::Log;
use daemon::notify;
use futures_util::StreamExt;
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook_tokio::Signals;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Notify, mpsc, watch};

/// A stop that takes longer has failed (heartbeat 3.0.6 exits with 100 then, too).
const STOP_LIMIT: Duration = Duration::from_secs(3600);
/// What the load average is sampled at.
const LOAD_INTERVAL: Duration = Duration::from_secs(1);

/// Why the main thread ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As asked.
    Stopped,
    /// The configuration asks for a new process; resources stay.
    Restart,
    /// Something that must not happen; the exit code.
    Broken(u8),
}

/// The state of the main thread.
pub(super) struct Shell {
    pub(super) arguments: Arguments,
    pub(super) plan: Plan,
    pub(super) links: Vec<String>,
    pub(super) settings: Settings,
    pub(super) log: Arc<Log>,
    pub(super) orders: Orders,
    pub(super) runner: Runner,
    /// Opens media again; another one replaces it when the media change.
    pub(super) keeper: Keeper,
    /// The programs of respawn and failfast.
    pub(super) respawner: Respawner,
    scripts: Scripts,
    /// Old tools write into it; it is there when the daemon says that it runs.
    fifo: Option<Receiver>,
    /// Watches the addresses, where any are managed.
    watch: Option<Watch>,
    /// Cuts off the other node.
    pub(super) fencer: Fencer,
    pub(super) debug: i32,
    pub(super) restart: Restart,
    /// Looks up the names of ping nodes.
    names: Option<tokio::task::JoinHandle<()>>,
    news: mpsc::UnboundedReceiver<News>,
    kept: Kept,
    /// What became of the configuration's files.
    read: mpsc::UnboundedReceiver<reload::Files>,
    pub(super) reloading: Reloading,
    looker: Looker,
    pub(super) haresources: watch::Receiver<Arc<Haresources>>,
    /// What was started here, as haresources was then.
    pub(super) taken: watch::Receiver<Arc<Vec<Group>>>,
    running: Running,
    pub(super) memory: Memory,
    pub(super) picture: Option<Picture>,
    pub(super) started: Duration,
    pub(super) watchdog: Option<Watchdog>,
    stopping: bool,
}

impl Shell {
    pub(super) fn new(
        arguments: &Arguments,
        plan: &Plan,
        links: &[String],
        settings: &Settings,
        log: &Arc<Log>,
        orders: Orders,
        keeper: Keeper,
    ) -> Shell {
        let (tell, news) = mpsc::unbounded_channel();
        let (reloading, read) = Reloading::new();
        let (looker, seen) = files::watch(arguments.config_dir.clone(), arguments.run_dir.clone());
        let runner = Runner {
            config_dir: arguments.config_dir.clone(),
            run_dir: arguments.run_dir.clone(),
            environment: environment::variables(plan, &arguments.config_dir, &arguments.state_dir),
            disabled: arguments.no_resources,
            realtime: plan.realtime.filter(|_| !arguments.low_priority),
            spares: Spares::default(),
            news: tell,
        };
        Shell {
            arguments: arguments.clone(),
            plan: plan.clone(),
            links: links.to_vec(),
            settings: settings.clone(),
            log: Arc::clone(log),
            orders,
            fencer: Fencer::new(&runner),
            watch: None,
            runner,
            keeper,
            respawner: Respawner::new(log),
            scripts: Scripts::start(),
            fifo: fifo::open_fifo(&arguments.state_dir.join("fifo")),
            debug: 0,
            restart: Restart::default(),
            names: None,
            news,
            kept: Kept::new(settings.generation),
            read,
            reloading,
            looker,
            haresources: seen.haresources,
            taken: seen.taken,
            running: Running::new(),
            memory: Memory::default(),
            watchdog: None,
            picture: None,
            started: clock::mono(),
            stopping: false,
        }
    }

    /// Runs until the daemon has stopped or must start anew. What was `unsaved` at the start is written as soon as it can.
    pub(super) async fn run(
        mut self,
        listener: Listener,
        mut reports: mpsc::Receiver<Report>,
        mut signals: Signals,
        unsaved: Unsaved,
    ) -> End {
        let kept = self.kept.start(&self.arguments.state_dir, unsaved, &self.runner.news);
        let (serving, mut asked) = tools::serve(listener, self.looker.clone());
        let (tell, mut told) = mpsc::channel(1);
        let fifo = self.fifo.take().map(|fifo| tokio::spawn(fifo::read(fifo, tell)));
        let pings = self.plan.pings.clone();
        self.look_up_pings(&pings);
        self.fencer.probe(&self.plan);
        let guard = self.guard();
        self.watch_addresses();
        self.use_watchdog().await;
        let mut load = tokio::time::interval(self.plan.timing.keepalive.max(LOAD_INTERVAL));
        let mut watchdog =
            tokio::time::interval(notify::watchdog_interval().unwrap_or(Duration::from_secs(3600)));
        let stopped_by = tokio::time::sleep(Duration::MAX);
        tokio::pin!(stopped_by);
        let end = loop {
            let was_stopping = self.stopping;
            tokio::select! {
                report = reports.recv() => match report {
                    Some(Report::Exit) => break self.stopped(),
                    Some(report) => self.report(report),
                    None => {
                        tracing::error!("the beat thread has ended unasked");
                        break self.broken(1).await;
                    }
                },
                Some(news) = self.news.recv() => self.take_news(news).await,
                // whoever asks before there is an answer waits for it
                Some(ask) = asked.recv(), if self.picture.is_some() => self.attend(ask).await,
                Some(files) = self.read.recv() => self.files_read(files).await,
                Some(asked) = told.recv() => self.asked_by_fifo(asked).await,
                Ok(()) = self.haresources.changed() => self.haresources_changed().await,
                Some(signal) = signals.next() => self.signal(signal).await,
                _ = load.tick() => self.sample_load(),
                _ = watchdog.tick() => self.feed_watchdog(),
                () = &mut stopped_by => {
                    tracing::error!("the stop is not complete after {} minutes; exiting", STOP_LIMIT.as_secs() / 60);
                    break End::Broken(100);
                }
            }
            if self.stopping && !was_stopping {
                stopped_by.as_mut().reset(tokio::time::Instant::now() + STOP_LIMIT);
            }
            match self.restart {
                Restart::Now if !self.stopping => break End::Restart,
                Restart::Pending if !self.stopping && self.at_rest() => self.confirm_restart(),
                _ => {}
            }
        };
        self.respawner.end().await;
        if self.stopping {
            self.fencer.end().await;
        }
        drop(self.watch.take());
        for task in [fifo, guard].into_iter().flatten() {
            task.abort();
        }
        self.runner.spares.dismiss().await;
        serving.abort();
        let _ = serving.await; // aborted: the socket file is gone with it
        // However else this process ends, the device is left as it is.
        if let (End::Stopped, Some(watchdog)) = (&end, self.watchdog.take()) {
            watchdog.release().await;
        }
        drop(self.kept);
        kept.finish().await;
        end
    }

    async fn asked_by_fifo(&mut self, asked: fifo::Asked) {
        match asked {
            fifo::Asked::Request(request) => {
                if let Answer::Refused { reason } = self.answer(request).await {
                    tracing::warn!("request by the FIFO refused: {reason}");
                }
            }
            fifo::Asked::Broadcast(message) => self.give(Order::Event(Event::Broadcast(message))).await,
        }
    }

    /// Looks up the names of these ping nodes from now on.
    pub(super) fn look_up_pings(&mut self, nodes: &[PingNode]) {
        if let Some(before) = self.names.take() {
            before.abort();
        }
        self.names = Some(tokio::spawn(pinging::look_up(nodes.to_vec(), self.orders.clone())));
    }

    /// The watchdog device of the plan hears of every beat from now on, and no other.
    pub(super) async fn use_watchdog(&mut self) {
        let Timing { keepalive, deadtime, .. } = self.plan.timing;
        let wanted = self.plan.watchdog.as_ref().map(|device| Wanted::new(device, keepalive, deadtime));
        let used = self.watchdog.as_ref().filter(|used| !used.has_ended());
        match (used, &wanted) {
            (None, None) => return,
            (Some(used), Some(wanted)) if used.device() == wanted.device => return used.change(wanted),
            _ => {}
        }
        let realtime = self.plan.realtime.filter(|_| !self.arguments.low_priority);
        let failed = |error: &std::io::Error| tracing::error!("watchdog: {error}");
        let new = wanted.and_then(|wanted| Watchdog::start(&wanted, realtime).inspect_err(failed).ok());
        self.give(Order::Watchdog(new.clone())).await;
        if let Some(old) = std::mem::replace(&mut self.watchdog, new) {
            tokio::spawn(old.release());
        }
    }

    /// Where nobody else takes anything, or nothing is run here, there is nothing to guard.
    fn guard(&self) -> Option<tokio::task::JoinHandle<()>> {
        let needed = !self.runner.disabled && self.plan.nodes.len() > 1;
        needed.then(|| tokio::spawn(guard::keep(self.runner.clone(), self.orders.clone())))
    }

    /// The addresses are watched from now on, with what the scripts' environment says now.
    pub(super) fn watch_addresses(&mut self) {
        self.watch = (!self.runner.disabled).then(|| Watch::start(self.runner.clone()));
    }

    pub(super) fn at_rest(&self) -> bool {
        let busy = !self.running.is_empty() || self.fencer.is_busy();
        !busy && self.picture.as_ref().is_some_and(|picture| picture.cluster.stable)
    }

    /// The programs of respawn and failfast run as long as this node takes part.
    pub(super) fn run_programs(&mut self) {
        let active = self.picture.as_ref().is_some_and(|picture| picture.cluster.state == NodeState::Active);
        if active && !self.stopping {
            self.respawner.apply(&self.plan.respawns, &self.runner.environment);
        }
    }

    /// How a stop has ended: what still runs is said by the exit code, too.
    fn stopped(&self) -> End {
        let stuck = self.picture.as_ref().is_some_and(|picture| picture.cluster.is_stuck());
        if stuck { End::Broken(100) } else { End::Stopped }
    }

    /// Gives an order, waiting for room.
    pub(super) async fn give(&self, order: Order) {
        self.orders.give_surely(order).await;
    }

    async fn signal(&mut self, signal: i32) {
        match signal {
            SIGTERM | SIGINT => self.stop().await,
            // what goes wrong is in the log
            SIGHUP => self.begin_reload(None),
            SIGUSR1 | SIGUSR2 => {
                self.debug += if signal == SIGUSR1 { 1 } else { -1 };
                self.log.reconfigure(start::log_settings(&self.plan, &self.arguments, self.debug));
                tracing::info!("debug level {} of the start", self.debug);
            }
            _ => {}
        }
    }

    pub(super) async fn stop(&mut self) {
        if !std::mem::replace(&mut self.stopping, true) {
            notify::stopping();
            tracing::info!("Heartbeat shutdown in progress. ({})", std::process::id());
            self.respawner.stop();
            self.give(Order::Event(Event::Stop)).await;
        }
    }

    /// The node that is to be cut off.
    pub(super) fn fenced_node(&self) -> Option<String> {
        let cluster = &self.picture.as_ref()?.cluster;
        cluster.fencing.and(cluster.peer.as_ref()).map(|peer| peer.name.clone())
    }

    /// What the resources of a dead node wait for.
    pub(super) fn fencing(&self, picture: &Picture) -> Option<String> {
        let (failures, peer) = (picture.cluster.fencing?, picture.cluster.peer.as_ref()?);
        Some(self.fencer.sentence(&peer.name, failures))
    }

    fn sample_load(&self) {
        let Ok(text) = std::fs::read_to_string("/proc/loadavg") else { return };
        let line = text.lines().next().unwrap_or_default().to_owned();
        // One that finds no room is old before there is any.
        let _ = self.orders.give(Order::Event(Event::LoadAverage(line)));
    }

    /// What the beat thread told last, unless that is so old that the thread must stand still.
    pub(super) fn fresh_picture(&self) -> Result<&Picture, String> {
        let picture = self.picture.as_ref().ok_or("the daemon has just been started")?;
        let age = clock::mono().saturating_sub(picture.at);
        match picture::is_stale(age, &self.plan.timing) {
            false => Ok(picture),
            true => Err(format!(
                "its beat thread has stood still for {:.1} s, and what was true then is not told",
                age.as_secs_f64()
            )),
        }
    }

    /// systemd hears from this daemon only as long as the beat thread does its work.
    fn feed_watchdog(&self) {
        if self.fresh_picture().is_ok() {
            notify::watchdog();
        }
    }

    /// Without a beat thread the other node takes over: whatever runs here must end first.
    async fn broken(&mut self, code: u8) -> End {
        for under_way in std::mem::take(&mut self.running).into_values() {
            under_way.task.abort();
        }
        tracing::error!("releasing all resources");
        self.memory.event(clock::mono(), Severity::Error, "releasing all resources".to_owned());
        for home in self.plan.nodes.clone() {
            let job = Job { id: JobId(u64::MAX), kind: JobKind::Give, home, addresses_first: true };
            self.runner.clone().run(job, Arc::new(Notify::new())).await;
        }
        End::Broken(code)
    }
}

/// The signals of the daemon. They are taken from its first moment on: one that comes while it starts waits until it
/// can be obeyed.
pub(super) fn signals() -> std::io::Result<Signals> {
    Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2])
}
