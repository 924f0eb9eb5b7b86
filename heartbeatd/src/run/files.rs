//! Looks at `haresources` every few seconds, and when a tool asks for the status: `ha-resources` reads the file for each
//! job, so a changed one counts at once, and the other node is told of it. What runs was started from the file as it was
//! then, so the notes of that are looked at, too.

use super::orders::Order;
use super::shell::Shell;
use crate::cluster::{ConfigHash, Event, Settings};
use crate::config::{self, Group, fingerprint};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often the file's date is looked at.
const INTERVAL: Duration = Duration::from_secs(3);
/// Who asks for a look waits no longer: a disk may hang, and what was read last is still true of what runs.
const LOOK_LIMIT: Duration = Duration::from_millis(200);
/// So many wait for a look at most.
const ASKERS: usize = 64;

/// By what a changed file is told from an unchanged one: device, inode, length, and its last change in seconds and
/// nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

/// What `haresources` says; nothing until it has been read.
#[derive(Clone, Debug, Default)]
pub(super) struct Haresources {
    /// In the order of the file.
    pub(super) groups: Vec<Group>,
    /// By what two nodes compare their files.
    number: u32,
}

/// What is found there.
#[derive(Debug)]
pub(super) struct Seen {
    /// Changes when the file does.
    pub(super) haresources: watch::Receiver<Arc<Haresources>>,
    /// What was started here, as the file was then.
    pub(super) taken: watch::Receiver<Arc<Vec<Group>>>,
}

/// Has the file looked at.
#[derive(Clone, Debug)]
pub(super) struct Looker {
    ask: mpsc::Sender<oneshot::Sender<()>>,
}

impl Looker {
    /// Returns when the file has been looked at, or does not answer.
    pub(super) async fn look(&self) {
        let (answer, answered) = oneshot::channel();
        let look = async {
            if self.ask.send(answer).await.is_ok() {
                let _ = answered.await; // the program ends
            }
        };
        let _ = timeout(LOOK_LIMIT, look).await;
    }
}

/// Begins to watch `haresources` in a configuration directory and the notes in a run directory, until there is no looker
/// any more. Must be called inside a runtime. A disk that hangs keeps only this waiting.
pub(super) fn watch(directory: PathBuf, run_dir: PathBuf) -> (Looker, Seen) {
    let (tell, haresources) = watch::channel(Arc::default());
    let (note, taken) = watch::channel(Arc::default());
    let (ask, asked) = mpsc::channel(ASKERS);
    tokio::spawn(keep_looking(directory, run_dir, (tell, note), asked));
    (Looker { ask }, Seen { haresources, taken })
}

async fn keep_looking(
    directory: PathBuf,
    run_dir: PathBuf,
    (tell, note): (watch::Sender<Arc<Haresources>>, watch::Sender<Arc<Vec<Group>>>),
    mut asked: mpsc::Receiver<oneshot::Sender<()>>,
) {
    let mut known = None;
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut askers = Vec::new();
        tokio::select! {
            _ = ticks.tick() => {}
            asker = asked.recv() => match asker {
                Some(asker) => askers.push(asker),
                None => return,
            },
        }
        while let Ok(asker) = asked.try_recv() {
            askers.push(asker);
        }
        let (directory, run_dir) = (directory.clone(), run_dir.clone());
        let look = move || (look(&directory, known), config::taken(&run_dir));
        let Ok(((stamp, news), taken)) = tokio::task::spawn_blocking(look).await else {
            return; // the program ends
        };
        known = stamp;
        note.send_replace(Arc::new(taken));
        if let Some(news) = news {
            tell.send_replace(Arc::new(news));
        }
        for asker in askers {
            let _ = asker.send(()); // who asked may have gone
        }
    }
}

/// The file's stamp, and what is in it if the stamp is another than `known`. One that cannot be read now, perhaps
/// because an editor is about to replace it, is looked at again.
fn look(directory: &Path, known: Option<Stamp>) -> (Option<Stamp>, Option<Haresources>) {
    let Ok(meta) = std::fs::metadata(directory.join("haresources")) else { return (None, None) };
    let stamp = Some((meta.dev(), meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()));
    if stamp == known {
        return (known, None);
    }
    match config::groups(directory) {
        Ok(groups) => {
            let number = fingerprint::of_groups(&groups);
            (stamp, Some(Haresources { groups, number }))
        }
        Err(_) => (None, None),
    }
}

impl Shell {
    /// Takes `haresources` as it is now.
    pub(super) async fn haresources_changed(&mut self) {
        let haresources = Arc::clone(&self.haresources.borrow_and_update());
        // a node without groups has its job too, and a move is told when all jobs are over
        self.runner.spares.want(if haresources.groups.is_empty() { 0 } else { self.plan.nodes.len().min(2) });
        self.runner.refill();
        let configuration = ConfigHash { haresources: haresources.number, ..self.settings.configuration };
        if configuration != self.settings.configuration {
            tracing::info!("haresources was changed; a group's next move is by the new file");
            self.settings = Settings { configuration, ..self.settings.clone() };
            self.give(Order::Event(Event::Reload(Box::new(self.settings.clone())))).await;
        }
    }
}
