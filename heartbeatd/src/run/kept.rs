//! What must outlive the daemon is written away from the main thread: what stopped this node for so long that it needs
//! a new generation may be the disk itself, and resources must be released all the same.

use crate::config;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long the last one may take to be written at the end.
const WRITE_LIMIT: Duration = Duration::from_secs(2);

/// The values to be kept: only the last one of each is written.
#[derive(Debug)]
pub(super) struct Kept {
    /// Of this node, for `hb_generation`.
    generation: watch::Sender<u64>,
    /// Of the other node, with its name, for `hb_peer_generation`.
    peer: watch::Sender<(String, u64)>,
}

impl Kept {
    pub(super) fn new(generation: u64) -> Kept {
        Kept { generation: watch::Sender::new(generation), peer: watch::Sender::new((String::new(), 0)) }
    }

    pub(super) fn generation(&self, generation: u64) {
        self.generation.send_replace(generation);
    }

    pub(super) fn peer_generation(&self, node: String, generation: u64) {
        self.peer.send_replace((node, generation));
    }

    /// Starts to write what changes from now on.
    pub(super) fn start(&self, state_dir: &Path) -> Writers {
        let own = {
            let state_dir = state_dir.to_owned();
            tokio::spawn(keep(
                self.generation.subscribe(),
                move |generation| config::save_generation(&state_dir, generation),
                "after the next start the other node will ignore this one for a while",
            ))
        };
        let peer = {
            let state_dir = state_dir.to_owned();
            tokio::spawn(keep(
                self.peer.subscribe(),
                move |(node, generation)| config::save_peer_generation(&state_dir, &node, generation),
                "after the next start recorded messages of the other node's present life could be believed",
            ))
        };
        Writers([own, peer])
    }
}

/// The tasks that write.
#[derive(Debug)]
pub(super) struct Writers([JoinHandle<()>; 2]);

impl Writers {
    /// They end when [`Kept`] is dropped and its last values are written; a disk that hangs keeps nobody.
    pub(super) async fn finish(self) {
        let all = async {
            for writer in self.0 {
                let _ = writer.await;
            }
        };
        let _ = tokio::time::timeout(WRITE_LIMIT, all).await;
    }
}

async fn keep<T: Clone + Send + Sync + 'static>(
    mut values: watch::Receiver<T>,
    write: impl Fn(T) -> io::Result<()> + Clone + Send + 'static,
    otherwise: &'static str,
) {
    while values.changed().await.is_ok() {
        let (write, value) = (write.clone(), values.borrow_and_update().clone());
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || write(value)).await {
            tracing::error!("{error}; {otherwise}");
        }
    }
}
