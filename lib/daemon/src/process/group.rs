//! A child's process group.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// How often the kernel is asked whether anything is left of a group.
const PAUSE: Duration = Duration::from_millis(10);

/// The group that a child leads. Killed when dropped, unless released.
#[derive(Debug)]
pub(super) struct Group(Option<Pid>);

impl Group {
    /// The group of a child that was started with `process_group(0)`: its number is the child's.
    pub(super) fn of(child: &tokio::process::Child) -> Group {
        Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
        // A stopped process does not see SIGTERM until it continues.
        self.signal(Signal::CONT);
    }

    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Waits until the group has no members. While it has one its number cannot be given to another group.
    pub(super) async fn gone(&self) {
        while self.0.is_some_and(|group| test_kill_process_group(group).is_ok()) {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What is left of the group is left alone.
    pub(super) fn release(&mut self) {
        self.0 = None;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, signal); // it may just have ended
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
