//! Looks at `haresources` every few seconds: `ha-resources` reads it for each job, so a changed file counts at once,
//! and the other node is told of it.

use super::orders::Order;
use super::shell::Shell;
use crate::cluster::{ConfigHash, Event, Settings};
use crate::config::{self, fingerprint};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often the file's date is looked at.
const INTERVAL: Duration = Duration::from_secs(3);

/// By what a changed file is told from an unchanged one: device, inode, length, and its last change in seconds and
/// nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

/// What the daemon needs to know of `haresources`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Groups {
    /// By what two nodes compare their files.
    number: u32,
    /// How many nodes have groups.
    homes: usize,
}

/// Tells what is in a directory's `haresources` whenever the file was changed, the first time at once. A disk that
/// hangs keeps only this waiting.
pub(super) async fn watch(directory: PathBuf, tell: mpsc::Sender<Groups>) {
    let mut known = None;
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let directory = directory.clone();
        let Ok((stamp, groups)) = tokio::task::spawn_blocking(move || look(&directory, known)).await else {
            return; // the program ends
        };
        known = stamp;
        if let Some(groups) = groups {
            if tell.send(groups).await.is_err() {
                return;
            }
        }
    }
}

/// The file's stamp, and what is in it if the stamp is another than `known`. One that cannot be read now, perhaps
/// because an editor is about to replace it, is looked at again.
fn look(directory: &Path, known: Option<Stamp>) -> (Option<Stamp>, Option<Groups>) {
    let Ok(meta) = std::fs::metadata(directory.join("haresources")) else { return (None, None) };
    let stamp = Some((meta.dev(), meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()));
    if stamp == known {
        return (known, None);
    }
    match config::groups(directory) {
        Ok(groups) => {
            let mut homes: Vec<&str> = groups.iter().map(|group| group.home.as_str()).collect();
            homes.sort_unstable();
            homes.dedup();
            (stamp, Some(Groups { number: fingerprint::of_groups(&groups), homes: homes.len() }))
        }
        Err(_) => (None, None),
    }
}

impl Shell {
    /// Takes `haresources` as it is now.
    pub(super) async fn haresources_changed(&mut self, groups: Groups) {
        self.runner.spares.want(groups.homes.min(2));
        self.runner.refill();
        let configuration = ConfigHash { haresources: groups.number, ..self.settings.configuration };
        if configuration != self.settings.configuration {
            tracing::info!("haresources was changed; a group's next move is by the new file");
            self.settings = Settings { configuration, ..self.settings.clone() };
            self.give(Order::Event(Event::Reload(Box::new(self.settings.clone())))).await;
        }
    }
}
