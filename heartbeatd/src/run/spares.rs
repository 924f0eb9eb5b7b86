//! Children that are started before there is work for them: `ha-resources await` has loaded everything, and waits for
//! one line that tells what to do. A take-over so costs a write to a pipe, not the start of a program.

use super::environment::Variables;
use super::jobs::Runner;
use crate::sys;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::process::Child;
use tokio::task::JoinHandle;

/// New ones are started so long after a job: until then the machine has better things to do.
const PAUSE: Duration = Duration::from_millis(300);
/// A child that has done its work is killed if it does not end.
const LEAVING: Duration = Duration::from_secs(10);
/// How long they may take to end when the daemon does.
const DISMISSAL: Duration = Duration::from_secs(1);

/// The children that wait; clones are the same ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Spares(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    wanted: usize,
    waiting: Vec<Spare>,
    leaving: Vec<JoinHandle<()>>,
}

/// What is left to be heard of a child that has done its work.
pub(super) type Leaving = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Debug)]
struct Spare {
    child: Child,
    made: Made,
}

/// What a child was made with: one with other parameters, or of a program that was replaced since, is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    /// Device, inode, length, and seconds and nanoseconds of its last change.
    program: (u64, u64, u64, i64, i64),
    environment: Variables,
}

impl Made {
    pub(super) fn of(program: &Path, environment: &Variables) -> Option<Made> {
        let meta = std::fs::metadata(program).ok()?;
        let program = (meta.dev(), meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
        Some(Made { program, environment: environment.clone() })
    }
}

impl Spares {
    /// So many shall wait: one for each node, as their jobs run at the same time.
    pub(super) fn want(&self, count: usize) {
        self.lock().wanted = count;
    }

    /// One that waits, if there is one that was made like this.
    pub(super) fn take(&self, made: &Made) -> Option<Child> {
        let mut inner = self.lock();
        while let Some(mut spare) = inner.waiting.pop() {
            if spare.made == *made && matches!(spare.child.try_wait(), Ok(None)) {
                return Some(spare.child);
            }
        }
        None
    }

    /// Starts what is missing. What keeps one from starting is told by the job that needs it.
    fn fill(&self, runner: &Runner) {
        let Some(made) = runner.made() else { return };
        let mut inner = self.lock();
        let wanted = inner.wanted;
        inner.waiting.retain_mut(|spare| spare.made == made && matches!(spare.child.try_wait(), Ok(None)));
        inner.waiting.truncate(wanted);
        while inner.waiting.len() < wanted {
            let Ok(child) = runner.spawn() else { return };
            inner.waiting.push(Spare { child, made: made.clone() });
        }
    }

    /// Starts what is missing, a little later.
    pub(super) fn refill(&self, runner: &Runner) {
        let (spares, runner) = (self.clone(), runner.clone());
        tokio::spawn(async move {
            tokio::time::sleep(PAUSE).await;
            spares.fill(&runner);
        });
    }

    /// A child has done its work, and has its log to write before it ends.
    pub(super) fn leave(&self, leaving: Leaving) {
        let mut inner = self.lock();
        inner.leaving.retain(|task| !task.is_finished());
        inner.leaving.push(tokio::spawn(async move {
            let _ = tokio::time::timeout(LEAVING, leaving).await;
        }));
    }

    /// Ends those that wait; waits for those that leave.
    pub(super) async fn dismiss(&self) {
        self.want(0);
        let Inner { waiting, leaving, .. } = std::mem::take(&mut *self.lock());
        let _ = tokio::time::timeout(DISMISSAL, async {
            for mut spare in waiting {
                let _ = spare.child.kill().await;
            }
            for task in leaving {
                let _ = task.await;
            }
        })
        .await;
    }

    /// One that panicked meanwhile left a list that is as good as ever.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A child that takes or gives addresses must not wait for whatever else wants the processor; the scripts that it
/// starts are ordinary again.
pub(super) fn prefer(child: &Child, realtime: Option<u8>) {
    if let (Some(priority), Some(pid)) = (realtime, child.id()) {
        // The beat thread has complained, if it is not allowed.
        let _ = sys::set_round_robin(pid, priority);
    }
}
