//! A child process in a process group of its own, whose output goes to the log line by line.

use super::environment;
use futures_util::future::join;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// Between SIGTERM and SIGKILL.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// How long output is waited for after the end: a process that was left behind may hold the pipe for ever.
const LATE_OUTPUT: Duration = Duration::from_millis(200);
/// How often the kernel is asked whether a group is gone.
const GONE_INTERVAL: Duration = Duration::from_millis(10);
/// Longer lines of output are logged in pieces.
const LONGEST_LINE: u64 = 4096;

/// The process; killed with its group when this is dropped.
#[derive(Debug)]
pub(super) struct Talker {
    child: Child,
    group: Option<Pid>,
    talk: JoinHandle<()>,
}

impl Talker {
    /// Starts a program; what it says is logged under `name`.
    pub(super) fn spawn(mut command: std::process::Command, name: &str) -> io::Result<Talker> {
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for private in environment::PRIVATE {
            command.env_remove(private);
        }
        let mut command = Command::from(command);
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let (stdout, stderr, name) = (child.stdout.take(), child.stderr.take(), name.to_owned());
        let talk = tokio::spawn(async move {
            join(listen(&name, stdout), listen(&name, stderr)).await;
        });
        Ok(Talker { child, group, talk })
    }

    /// Waits for its end; may be given up and called again.
    pub(super) async fn wait(&mut self) -> ExitStatus {
        let status = self.child.wait().await;
        if !self.talk.is_finished() {
            let _ = tokio::time::timeout(LATE_OUTPUT, &mut self.talk).await;
        }
        status.unwrap_or_else(|_| ExitStatus::from_raw(0))
    }

    /// Ends it and everything in its group; returns whether that took force.
    pub(super) async fn end(mut self) -> bool {
        self.signal(Signal::TERM);
        // a stopped process does not see SIGTERM until it continues
        self.signal(Signal::CONT);
        let gone = tokio::time::timeout(GRACE, async {
            let _ = self.child.wait().await;
            while self.group.is_some_and(|group| test_kill_process_group(group).is_ok()) {
                tokio::time::sleep(GONE_INTERVAL).await;
            }
        });
        let stubborn = gone.await.is_err();
        if stubborn {
            self.signal(Signal::KILL);
            let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        }
        stubborn
    }

    fn signal(&self, signal: Signal) {
        // A group that is gone needs none.
        let _ = self.group.map(|group| kill_process_group(group, signal));
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.talk.abort();
        if self.child.id().is_some() {
            self.signal(Signal::KILL); // what a program that has ended left behind stays
        }
    }
}

async fn listen(name: &str, pipe: Option<impl AsyncRead + Unpin>) {
    let Some(pipe) = pipe else { return };
    let mut lines = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => tracing::info!("{name}: {}", String::from_utf8_lossy(&line).trim_end()),
        }
    }
}
