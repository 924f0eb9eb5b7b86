//! What must outlive the daemon is written away from the main thread: what stopped this node for so long that it needs
//! a new generation may be the disk itself, and resources must be released all the same. What cannot be written, because
//! the disk is full, is tried again until it can.

use super::identity::Unsaved;
use super::progress::News;
use crate::cluster::Severity;
use crate::config;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How long the last one may take to be written at the end.
const WRITE_LIMIT: Duration = Duration::from_secs(2);
/// When what could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// The values to be kept: only the last one of each is written.
#[derive(Debug)]
pub(super) struct Kept {
    /// Of this node, for `hb_uuid`.
    uuid: watch::Sender<[u8; 16]>,
    /// Of this node, for `hb_generation`.
    generation: watch::Sender<u64>,
    /// Of the other node, with its name, for `hb_peer_generation`.
    peer: watch::Sender<(String, u64)>,
}

impl Kept {
    pub(super) fn new(generation: u64) -> Kept {
        Kept {
            uuid: watch::Sender::new([0; 16]),
            generation: watch::Sender::new(generation),
            peer: watch::Sender::new((String::new(), 0)),
        }
    }

    pub(super) fn generation(&self, generation: u64) {
        self.generation.send_replace(generation);
    }

    pub(super) fn peer_generation(&self, node: String, generation: u64) {
        self.peer.send_replace((node, generation));
    }

    /// Starts to write what changes from now on, and what is `unsaved`; `tell` hears what goes wrong.
    pub(super) fn start(
        &self,
        state_dir: &Path,
        unsaved: Unsaved,
        tell: &mpsc::UnboundedSender<News>,
    ) -> Writers {
        let writer = |name, otherwise| Writer { name, otherwise, tell: tell.clone() };
        let uuid = {
            let state_dir = state_dir.to_owned();
            let writer = writer("hb_uuid", "this node's identity is made of its name");
            tokio::spawn(writer.keep(self.uuid.subscribe(), move |uuid| config::save_uuid(&state_dir, uuid)))
        };
        let generation = {
            let state_dir = state_dir.to_owned();
            let writer = writer(
                "hb_generation",
                "after the next start the other node may ignore this one for a while",
            );
            let write = move |generation| config::save_generation(&state_dir, generation);
            tokio::spawn(writer.keep(self.generation.subscribe(), write))
        };
        let peer = {
            let state_dir = state_dir.to_owned();
            let writer = writer(
                "hb_peer_generation",
                "after the next start recorded messages of the other node's present life could be believed",
            );
            let write = move |(node, generation): (String, u64)| {
                config::save_peer_generation(&state_dir, &node, generation)
            };
            tokio::spawn(writer.keep(self.peer.subscribe(), write))
        };
        if let Some(uuid) = unsaved.uuid {
            self.uuid.send_replace(uuid);
        }
        if unsaved.generation {
            self.generation.send_modify(|_| {});
        }
        Writers([uuid, generation, peer])
    }
}

/// The tasks that write.
#[derive(Debug)]
pub(super) struct Writers([JoinHandle<()>; 3]);

impl Writers {
    /// They end when [`Kept`] is dropped and its last values are written, or cannot be; a disk that hangs keeps nobody.
    pub(super) async fn finish(self) {
        let all = async {
            for writer in self.0 {
                let _ = writer.await;
            }
        };
        let _ = timeout(WRITE_LIMIT, all).await;
    }
}

/// Writes one value whenever it changes.
struct Writer {
    /// The file.
    name: &'static str,
    /// What follows if it cannot be written.
    otherwise: &'static str,
    tell: mpsc::UnboundedSender<News>,
}

impl Writer {
    async fn keep<T: Clone + Send + Sync + 'static>(
        self,
        mut values: watch::Receiver<T>,
        write: impl Fn(T) -> io::Result<()> + Clone + Send + 'static,
    ) {
        let mut trouble: Option<String> = None;
        loop {
            let changed = match &trouble {
                None => values.changed().await,
                Some(_) => tokio::select! {
                    changed = values.changed() => changed,
                    () = sleep(AGAIN) => Ok(()),
                },
            };
            // the last chance of what could not be written
            if changed.is_err() && trouble.is_none() {
                return;
            }
            let (write, value) = (write.clone(), values.borrow_and_update().clone());
            let written = tokio::task::spawn_blocking(move || write(value)).await;
            let now = written.ok().and_then(Result::err).map(|error| error.to_string());
            self.say(trouble.as_deref(), now.as_deref());
            if changed.is_err() {
                return;
            }
            trouble = now;
        }
    }

    /// Says what has begun, changed or ended, once.
    fn say(&self, before: Option<&str>, now: Option<&str>) {
        let (severity, text) = match (before, now) {
            (before, now) if before == now => return,
            (_, Some(error)) => {
                let text = format!("{error}; {}; tried again every {} s", self.otherwise, AGAIN.as_secs());
                tracing::error!("{text}");
                (Severity::Error, text)
            }
            (_, None) => {
                let text = format!("{} is written", self.name);
                tracing::info!("{text}");
                (Severity::Info, text)
            }
        };
        let _ = self.tell.send(News::Said(severity, text)); // nobody listens at the end
    }
}
