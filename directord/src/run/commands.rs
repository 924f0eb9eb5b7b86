//! Programs of the administrator, run one after the other beside the loop.

use daemon::process::{self, Ending};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::warn;

/// How long one command may run.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// A queue of commands and the task that runs them.
pub(super) struct Commands {
    queue: mpsc::UnboundedSender<Command>,
    /// Commands that have not ended.
    unfinished: Arc<AtomicUsize>,
    worker: JoinHandle<()>,
}

impl Commands {
    /// An empty queue.
    pub(super) fn start() -> Commands {
        let (queue, mut inbox) = mpsc::unbounded_channel::<Command>();
        let unfinished = Arc::new(AtomicUsize::new(0));
        let done = Arc::clone(&unfinished);
        let worker = tokio::spawn(async move {
            while let Some(command) = inbox.recv().await {
                let shown = format!("{command:?}");
                let finished = process::run(command, COMMAND_LIMIT).await;
                if finished.ending != Ending::Exited(0) {
                    warn!("{shown}: {:?}", finished.ending);
                }
                done.fetch_sub(1, Ordering::Relaxed);
            }
        });
        Commands { queue, unfinished, worker }
    }

    /// Whether all have ended. Who asks before giving the next ones never has many of them waiting.
    pub(super) fn are_done(&self) -> bool {
        self.unfinished.load(Ordering::Relaxed) == 0
    }

    /// Runs one after those before it.
    pub(super) fn run(&self, command: Command) {
        self.unfinished.fetch_add(1, Ordering::Relaxed);
        let _ = self.queue.send(command);
    }

    /// Waits until all have ended, for so long at most; what still runs then is killed.
    pub(super) async fn finish(self, limit: Duration) {
        drop(self.queue);
        let stop = self.worker.abort_handle();
        if timeout(limit, self.worker).await.is_err() {
            stop.abort();
            warn!("A command has not ended within {} s of the stop, and is killed", limit.as_secs());
        }
    }
}
