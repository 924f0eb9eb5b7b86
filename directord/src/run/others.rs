//! The other instances that `execute` names: they start, reload and stop with this one. Each is a daemon of its own;
//! this task only calls the program for them, as an administrator would.

use crate::instance::Instance;
use daemon::process::{self, Ending};
use futures_util::future::join_all;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{info, warn};

/// How long one call may take; a start waits for the first verdicts, a stop for mails and commands.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// What shall run.
#[derive(Clone, Default)]
struct Wish {
    names: Vec<String>,
    /// The instances that have asked for this, each called by the one before it, separated by `/`.
    executed_by: String,
}

/// The way to the task.
pub(super) struct Others {
    /// Which shall run. A wish that comes while one is carried out replaces those that wait.
    wanted: watch::Sender<Wish>,
    task: JoinHandle<()>,
}

impl Others {
    /// None runs yet.
    pub(super) fn new(instance: Instance) -> Others {
        let (wanted, wishes) = watch::channel(Wish::default());
        Others { wanted, task: tokio::spawn(work(instance, wishes)) }
    }

    /// These shall run, with their configuration read anew, and no others. Those that called for it are left alone: two that
    /// name each other would reload each other for ever.
    pub(super) fn want(&self, names: &[String], executed_by: &str) {
        // Nobody has ever named one: nothing to do, and nothing to say.
        self.wanted.send_if_modified(|wanted| {
            let any = !names.is_empty() || !wanted.names.is_empty();
            *wanted = Wish { names: names.to_vec(), executed_by: executed_by.to_owned() };
            any
        });
    }

    /// Waits until the last wish is carried out, for so long at most.
    pub(super) async fn finish(self, limit: Duration) {
        drop(self.wanted);
        let stop = self.task.abort_handle();
        if timeout(limit, self.task).await.is_err() {
            stop.abort();
            warn!("execute: not done within {} s of the stop", limit.as_secs());
        }
    }
}

async fn work(instance: Instance, mut wishes: watch::Receiver<Wish>) {
    let mut running: Vec<String> = Vec::new();
    // A wish that was made before the sender went away is still seen.
    while wishes.changed().await.is_ok() {
        let Wish { names: wanted, executed_by } = wishes.borrow_and_update().clone();
        let call = |name, verb| call(&instance, name, verb, &executed_by);
        let (kept, gone): (Vec<&String>, Vec<&String>) =
            running.iter().partition(|name| wanted.contains(name));
        let new = wanted.iter().filter(|name| !running.contains(name));
        join_all(gone.into_iter().map(|name| call(name, "stop"))).await;
        join_all(kept.into_iter().map(|name| reload_or_start(&instance, name, &executed_by))).await;
        join_all(new.map(|name| call(name, "start"))).await;
        running = wanted;
    }
}

async fn reload_or_start(instance: &Instance, name: &str, executed_by: &str) {
    if !call(instance, name, "reload", executed_by).await {
        call(instance, name, "start", executed_by).await;
    }
}

/// Whether it went well.
async fn call(instance: &Instance, name: &str, verb: &str, executed_by: &str) -> bool {
    let finished = match instance.other(name, verb, executed_by) {
        Ok(command) => process::run(command, CALL_LIMIT).await,
        Err(why) => {
            warn!("execute: {name} {verb}: {why}");
            return false;
        }
    };
    let said = String::from_utf8_lossy(&finished.output);
    let said = said.lines().next().map(|line| format!(": {line}")).unwrap_or_default();
    match finished.ending {
        Ending::Exited(0) => info!("execute: {name} {verb}"),
        Ending::Exited(code) => warn!("execute: {name} {verb} exited with {code}{said}"),
        ref other => warn!("execute: {name} {verb}: {other:?}{said}"),
    }
    finished.success()
}
