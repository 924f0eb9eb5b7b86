//! The programs of `respawn` and `failfast`: started when this node is active, started again when they end, ended
//! with the daemon after its resources are released.
//!
//! ```text
//!            ┌───────────────── any other end, after a pause ───────────────┐
//!            ▼                                                              │
//!  active ─► runs as USER, `sh -c "exec COMMAND"`, output to the log ───────┤
//!                                                                           ├─ exit code 100, or too many short lives ─► left
//!                                                                           └─ failfast: abnormal ─► reboot
//! ```

use super::environment::{self, Variables};
use crate::config::Respawn;
use crate::sys::{self, Account};
use daemon::log::Log;
use futures_util::FutureExt;
use futures_util::future::{FusedFuture, join};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// With this code a program says that it does not want to be started again (ha.cf(5)).
const LEAVE: i32 = 100;
/// A life of less is a short one; after more than so many in a row the program is given up.
const SHORT_LIFE: Duration = Duration::from_secs(30);
const SHORT_LIVES: u32 = 10;
/// Between an end and the next start.
const PAUSE: Duration = Duration::from_millis(200);
/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// How often the kernel is asked whether a group is gone.
const GONE_INTERVAL: Duration = Duration::from_millis(10);
/// Longer lines of output are logged in pieces.
const LONGEST_LINE: u64 = 4096;
/// How long a reboot waits for the log to be written.
const LOG_LIMIT: Duration = Duration::from_secs(1);

/// The programs under supervision.
#[derive(Debug)]
pub(super) struct Respawner {
    log: Arc<Log>,
    running: Vec<(Respawn, Supervised)>,
}

#[derive(Debug)]
struct Supervised {
    /// Dropped to end the program.
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Respawner {
    pub(super) fn new(log: &Arc<Log>) -> Respawner {
        Respawner { log: Arc::clone(log), running: Vec::new() }
    }

    /// Starts what is wanted and not there yet, and ends what is no longer wanted; the others go on.
    pub(super) fn apply(&mut self, wanted: &[Respawn], environment: &Variables) {
        let mut old = std::mem::take(&mut self.running);
        for program in wanted {
            let known = old.iter().position(|(known, _)| known == program);
            let supervised = match known {
                Some(place) => old.swap_remove(place).1,
                None => self.start(program, environment),
            };
            self.running.push((program.clone(), supervised));
        }
        // what is left is dropped, and so ends
    }

    /// Ends all of them.
    pub(super) async fn end(&mut self) {
        let (ends, tasks): (Vec<_>, Vec<_>) =
            self.running.drain(..).map(|(_, supervised)| (supervised.end, supervised.task)).unzip();
        drop(ends);
        for task in tasks {
            let _ = task.await; // each has a limit of its own
        }
    }

    fn start(&self, program: &Respawn, environment: &Variables) -> Supervised {
        let (end, ended) = oneshot::channel();
        let supervisor = Supervisor {
            program: program.clone(),
            environment: environment.clone(),
            log: Arc::clone(&self.log),
        };
        Supervised { end, task: tokio::spawn(supervisor.run(ended)) }
    }
}

struct Supervisor {
    program: Respawn,
    environment: Variables,
    log: Arc<Log>,
}

impl Supervisor {
    async fn run(self, mut ended: oneshot::Receiver<()>) {
        let command = &self.program.command;
        let mut short_lives = 0;
        loop {
            let begun = Instant::now();
            let child = match self.spawn().await {
                Ok(child) => child,
                Err(error) => return tracing::error!("{command}: not started: {error}"),
            };
            let Some(status) = self.live(child, &mut ended).await else { return };
            tracing::warn!("Client {command} has ended: {status}");
            if status.code() == Some(LEAVE) {
                return tracing::info!(
                    "Client {command} is not started again: it wants that (exit code {LEAVE})"
                );
            }
            if self.program.failfast && !status.success() && self.reboot(&status).await {
                return;
            }
            short_lives = if begun.elapsed() < SHORT_LIFE { short_lives + 1 } else { 0 };
            if short_lives > SHORT_LIVES {
                return tracing::error!(
                    "Client {command} respawning too fast: given up after {short_lives} lives of less than {} s; \
                     it is tried again when the daemon is restarted",
                    SHORT_LIFE.as_secs()
                );
            }
            tokio::select! {
                _ = &mut ended => return,
                () = tokio::time::sleep(PAUSE) => tracing::info!("Respawning client \"{command}\""),
            }
        }
    }

    async fn spawn(&self) -> Result<Child, String> {
        let name = self.program.user.clone();
        // where accounts come from a network, the look-up may take its time
        let account = tokio::task::spawn_blocking(move || Account::find(&name)).await;
        let account = account.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let account = account.ok_or_else(|| format!("there is no user {}", self.program.user))?;
        let (uid, gid) = account.ids();
        tracing::info!("Starting child client \"{}\" ({uid},{gid})", self.program.command);
        let mut command = std::process::Command::new("/bin/sh");
        command.arg("-c").arg(format!("exec {}", self.program.command)).current_dir("/");
        command.envs(&self.environment).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for private in environment::PRIVATE {
            command.env_remove(private);
        }
        sys::run_as(&mut command, account);
        let mut command = Command::from(command);
        command.process_group(0).kill_on_drop(true);
        command.spawn().map_err(|error| error.to_string())
    }

    /// Logs what the program says until it ends by itself; ends it when it is asked to, and returns `None` then.
    async fn live(&self, mut child: Child, ended: &mut oneshot::Receiver<()>) -> Option<ExitStatus> {
        let command = &self.program.command;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let talk = join(self.listen(stdout), self.listen(stderr)).fuse();
        tokio::pin!(talk);
        loop {
            tokio::select! {
                status = child.wait() => {
                    if !talk.is_terminated() {
                        // what it said last; a process that it left behind may hold the pipe for ever
                        let _ = tokio::time::timeout(PAUSE, &mut talk).await;
                    }
                    return Some(status.unwrap_or_else(|_| ExitStatus::from_raw(0)));
                }
                _ = &mut talk => {}
                _ = &mut *ended => break,
            }
        }
        tracing::info!("Ending client \"{command}\"");
        let signal = |signal| group.map(|group| kill_process_group(group, signal));
        signal(Signal::TERM);
        // a stopped process does not see SIGTERM until it continues
        signal(Signal::CONT);
        let gone = {
            let gone = tokio::time::timeout(GRACE, async {
                let _ = child.wait().await;
                while group.is_some_and(|group| test_kill_process_group(group).is_ok()) {
                    tokio::time::sleep(GONE_INTERVAL).await;
                }
            });
            tokio::pin!(gone);
            loop {
                tokio::select! {
                    gone = &mut gone => break gone,
                    _ = &mut talk => {} // it must not wait for room in its pipes
                }
            }
        };
        if gone.is_err() {
            tracing::warn!("Client {command} does not end: killed after {} s", GRACE.as_secs());
            signal(Signal::KILL);
            let _ = tokio::time::timeout(GRACE, child.wait()).await;
        }
        None
    }

    async fn listen(&self, pipe: Option<impl AsyncRead + Unpin>) {
        let Some(pipe) = pipe else { return };
        let name = self.program.command.split_whitespace().next().unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default();
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

    /// Reboots this machine; returns whether that is under way. The reason is in the log before.
    async fn reboot(&self, status: &ExitStatus) -> bool {
        tracing::error!(
            "failfast client {} has ended: {status}; rebooting this machine",
            self.program.command
        );
        let log = Arc::clone(&self.log);
        let flushed = tokio::task::spawn_blocking(move || log.flush());
        let _ = tokio::time::timeout(LOG_LIMIT, flushed).await; // a log that hangs must not keep a sick node up
        // At once, without stopping services: what is sick may be what would have to stop.
        let rebooted = Command::new("reboot").arg("-f").stdin(Stdio::null()).status().await;
        match rebooted {
            Ok(status) if status.success() => return true,
            Ok(status) => tracing::error!("this machine does not reboot: reboot -f: {status}"),
            Err(error) => tracing::error!("this machine does not reboot: reboot -f: {error}"),
        }
        false
    }
}
