//! A changed configuration: what differs is applied, what does not is left alone.
//!
//! ```text
//!  SIGHUP, heartbeatd -r ──► blocking pool: files, names ──► main thread: apply ──► answer
//! ```
//! Changed nodes need a new process, which waits until nothing is under way. Then the files are read once more: only what
//! they say at that moment counts, and files that no process could start with leave this one in place.
//!
//! The files and the names in them are read elsewhere: a disk or a name server that hangs keeps nobody but who waits for
//! the answer.

use super::environment;
use super::here;
use super::orders::Order;
use super::picture::MediumState;
use super::pinging::PingPlan;
use super::shell::Shell;
use super::slot;
use super::start;
use crate::cluster::{Event, Settings};
use crate::config::{self, Plan, Reading};
use crate::control::Answer;
use crate::media::{self, Target};
use daemon::notify;
use std::path::Path;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// A reading that takes longer is worth a line.
const SLOW: Duration = Duration::from_secs(10);

/// Who waits for what a reload comes to.
type Askers = Vec<oneshot::Sender<Answer>>;

/// Whether the files ask for a new process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Restart {
    #[default]
    Unneeded,
    /// As soon as nothing is under way, if the files still say so then.
    Pending,
    /// Nothing is under way, and the files have just been found good.
    Now,
}

/// What the files say now.
pub(super) struct Files {
    reading: Reading,
    /// The addresses of the peers, or which name has none; nothing if the plan has errors.
    targets: Option<Result<Vec<Target>, String>>,
    /// What of it is not on this machine, a line each.
    missing: Vec<String>,
}

/// The reload under way, and the one after it.
#[derive(Debug)]
pub(super) struct Reloading {
    tell: mpsc::UnboundedSender<Files>,
    now: Option<Askers>,
    /// Asked for since the files began to be read: they may have changed since.
    next: Option<Askers>,
}

impl Reloading {
    /// Begun with [`Shell::begin_reload`]; what was read comes from the receiver.
    pub(super) fn new() -> (Reloading, mpsc::UnboundedReceiver<Files>) {
        let (tell, read) = mpsc::unbounded_channel();
        (Reloading { tell, now: None, next: None }, read)
    }
}

impl Shell {
    /// Begins to read the configuration again; whoever asked is told what became of it.
    pub(super) fn begin_reload(&mut self, asker: Option<oneshot::Sender<Answer>>) {
        self.log.reopen();
        if self.reloading.now.is_some() {
            let next = self.reloading.next.get_or_insert_default();
            next.retain(|asker| !asker.is_closed());
            next.extend(asker);
            return;
        }
        self.read_files(asker.into_iter().collect());
    }

    fn read_files(&mut self, askers: Askers) {
        notify::reloading();
        self.reloading.now = Some(askers);
        let (directory, node) = (self.arguments.config_dir.clone(), self.plan.node.clone());
        let tell = self.reloading.tell.clone();
        tokio::spawn(async move {
            let mut files = tokio::task::spawn_blocking(move || read(&directory, &node));
            let files = match tokio::time::timeout(SLOW, &mut files).await {
                Ok(files) => files,
                Err(_elapsed) => {
                    tracing::warn!(
                        "the configuration is still being read: a disk or a name server does not answer; \
                         the old one stays in use until then"
                    );
                    notify::ready();
                    files.await
                }
            };
            if let Ok(files) = files {
                let _ = tell.send(files); // the program ends
            }
        });
    }

    /// A new process is wanted, and nothing is under way any more: the files are read for the last time.
    pub(super) fn confirm_restart(&mut self) {
        if self.reloading.now.is_none() {
            self.begin_reload(None);
        }
    }

    /// The files have been read: applies the difference, and reads again if that was asked for meanwhile.
    pub(super) async fn files_read(&mut self, files: Files) {
        let pending = self.restart != Restart::Unneeded;
        let missing = files.missing.clone();
        let answer = match reload(self, files).await {
            Ok(note) => {
                missing.iter().for_each(|line| tracing::warn!("{line}"));
                let lines: Vec<String> = std::iter::once(note).chain(missing).collect();
                Answer::Accepted { note: lines.join("\n") }
            }
            Err(reason) => Answer::Refused { reason },
        };
        if pending && self.restart == Restart::Unneeded {
            tracing::warn!("the daemon no longer starts anew");
        }
        for asker in self.reloading.now.take().into_iter().flatten() {
            let _ = asker.send(answer.clone()); // the tool may have gone
        }
        match self.reloading.next.take() {
            Some(askers) => self.read_files(askers),
            None if self.restart != Restart::Unneeded => {}
            None => notify::ready(),
        }
    }
}

/// Blocks as long as the disk and the resolver do.
fn read(directory: &Path, node: &str) -> Files {
    let reading = config::read(directory, node);
    let targets = reading.plan.as_ref().map(|plan| media::resolve(&plan.media));
    let missing = here::missing(&reading).lines().collect();
    Files { reading, targets, missing }
}

/// Applies what differs. Nothing is changed when something is wrong with the files.
async fn reload(shell: &mut Shell, files: Files) -> Result<String, String> {
    // What an earlier reading asked for no longer counts.
    let pending = std::mem::take(&mut shell.restart) != Restart::Unneeded;
    let Files { reading, targets, missing } = files;
    if reading.plan.as_ref() == Some(&shell.plan) {
        tracing::info!("Configuration unchanged.");
        return Ok("Configuration unchanged.".to_owned());
    }
    for (level, line) in reading.lines() {
        match level {
            ::config::Level::Error => tracing::error!("{line}"),
            ::config::Level::Warning => tracing::warn!("{line}"),
        }
    }
    let Some(plan) = reading.plan else {
        let reason = "the configuration has errors, so the old one stays in use";
        tracing::error!("{reason}");
        let lines: Vec<String> = reading.reports.iter().flat_map(::config::Report::lines).collect();
        return Err(format!("{reason}: {}", lines.join(" | ")));
    };
    // A peer's name that is not found now would keep a new process from starting, too.
    let targets = targets
        .unwrap_or_else(|| Ok(Vec::new()))
        .inspect_err(|error| tracing::error!("{error}; the old configuration stays in use"))?;
    if plan.nodes != shell.plan.nodes {
        // Nor would it start without an interface that is not there.
        slot::open(&targets, &start::links(&plan))
            .inspect_err(|error| tracing::error!("{error}; the old configuration stays in use"))?;
        shell.restart = if shell.at_rest() { Restart::Now } else { Restart::Pending };
        let note = "the nodes have changed: the daemon starts anew";
        if !pending {
            tracing::info!("{note}");
        }
        return Ok(note.to_owned());
    }
    apply(shell, plan, &targets, &missing).await
}

/// The answer has what could not be opened, unless that is among what is `missing`, and so is told anyway.
async fn apply(
    shell: &mut Shell,
    plan: Plan,
    targets: &[Target],
    missing: &[String],
) -> Result<String, String> {
    let mut applied = Vec::new();
    let mut unopened = Vec::new();
    if start::packets(&plan) != start::packets(&shell.plan) {
        shell.give(Order::Packets(Box::new(start::packets(&plan)))).await;
        applied.push("keys");
    }
    let links = start::links(&plan);
    let old = &shell.settings;
    let settings = start::settings(&plan, &links, old.uuid, old.generation, old.configuration.haresources);
    let settings = Settings { seed: old.seed, peer_generation: old.peer_generation, ..settings };
    let changed = (settings != shell.settings).then(|| Box::new(settings.clone()));
    let timers = changed.is_some();
    if plan.media != shell.plan.media {
        let replaced = replace_media(shell, targets, &links, changed).await;
        unopened = replaced.inspect_err(|error| tracing::error!("{error}"))?;
        unopened.retain(|one| !missing.iter().any(|line| line.contains(&one.why)));
    } else if let Some(settings) = changed {
        shell.give(Order::Event(Event::Reload(settings))).await;
    }
    (shell.settings, shell.links) = (settings, links);
    applied.extend(timers.then_some("timers, links and failback"));
    applied.extend((plan.media != shell.plan.media).then_some("media"));
    // deadping follows deadtime: without ping nodes it changes nothing
    let later = !plan.pings.is_empty() && plan.timing.deadping != shell.plan.timing.deadping;
    if (&plan.pings, plan.ipfail) != (&shell.plan.pings, shell.plan.ipfail) || later {
        shell.give(Order::Pings(Box::new(PingPlan::open(&plan)))).await;
        shell.look_up_pings(&plan.pings);
        applied.push("ping nodes");
    }
    let log = start::log_settings(&plan, &shell.arguments, shell.debug);
    if log != start::log_settings(&shell.plan, &shell.arguments, shell.debug) {
        shell.log.reconfigure(log);
        applied.push("log");
    }
    let environment = environment::variables(&plan, &shell.arguments.config_dir, &shell.arguments.state_dir);
    if environment != shell.runner.environment {
        shell.runner.environment = environment;
        shell.watch_addresses();
    }
    shell.runner.refill();
    if (plan.realtime, plan.uuid_from) != (shell.plan.realtime, shell.plan.uuid_from) {
        tracing::warn!("realtime, rtprio and uuidfrom take effect at the next start");
    }
    if plan.respawns != shell.plan.respawns {
        applied.push("respawn and failfast");
    }
    if plan.stonith != shell.plan.stonith {
        shell.fencer.probe(&plan);
        shell.fencer.replace(&plan.stonith, shell.fenced_node());
        applied.push("stonith devices");
    }
    if plan.watchdog != shell.plan.watchdog {
        applied.push("watchdog");
    }
    shell.plan = plan;
    shell.run_programs();
    shell.use_watchdog().await;
    if applied.is_empty() {
        applied.push("parameters");
    }
    let mut note = format!("configuration read again; new: {}", applied.join(", "));
    tracing::info!("{note}");
    for slot::Unopened { medium, why } in unopened {
        note.push_str(&format!("\nwarning: {medium}: {why}; it is tried again until it opens"));
    }
    Ok(note)
}

/// Opens the new media before the old ones are closed: not a beat is lost.
async fn replace_media(
    shell: &mut Shell,
    targets: &[Target],
    links: &[String],
    settings: Option<Box<Settings>>,
) -> Result<Vec<slot::Unopened>, String> {
    let (slots, unopened) = slot::open(targets, links)?;
    slot::tell_open(&slots, &open_before(shell));
    let watched = start::watched(targets, &slots);
    // The old keeper must not report any more when the numbers of the media change.
    shell.keeper.stop();
    shell.give(Order::Replace(slots, settings)).await;
    shell.keeper =
        start::keep(watched, &shell.orders).map_err(|error| format!("heartbeat: thread: {error}"))?;
    Ok(unopened)
}

/// The lines of the media that are open now.
fn open_before(shell: &Shell) -> Vec<String> {
    let states = shell.picture.iter().flat_map(|picture| &picture.media);
    let lines = shell.plan.media.iter().zip(states).filter(|(_, (_, state))| *state != MediumState::Fails);
    lines.map(|(line, _)| line.to_string()).collect()
}
