//! The programs of `respawn` and `failfast`: started when this node is active, started again when they end, ended
//! with the daemon after its resources are released. From the order to stop on nothing is started again, and a program
//! that fails because of what goes away reboots nothing; one that a signal killed still does (as with heartbeat 3.0.6).
//!
//! ```text
//!            ┌───────────────── any other end, after a pause ───────────────┐
//!            ▼                                                              │
//!  active ─► runs as USER, `sh -c "exec COMMAND"`, output to the log ───────┤
//!                                                                           ├─ exit code 100, or too many short lives ─► left
//!                                                                           └─ failfast: abnormal ─► reboot
//! ```

use super::child::{GRACE, Talker};
use super::environment::Variables;
use crate::config::Respawn;
use crate::sys::{self, Account};
use daemon::log::Log;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::process::Command;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// With this code a program says that it does not want to be started again (ha.cf(5)).
const LEAVE: i32 = 100;
/// A life of less is a short one; after more than so many in a row the program is given up.
const SHORT_LIFE: Duration = Duration::from_secs(30);
const SHORT_LIVES: u32 = 10;
/// Between an end and the next start.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a reboot waits for the log to be written.
const LOG_LIMIT: Duration = Duration::from_secs(1);

/// The programs under supervision.
#[derive(Debug)]
pub(super) struct Respawner {
    log: Arc<Log>,
    running: Vec<(Respawn, Supervised)>,
    /// The daemon has been told to stop.
    stopping: watch::Sender<bool>,
}

#[derive(Debug)]
struct Supervised {
    /// Dropped to end the program.
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Respawner {
    pub(super) fn new(log: &Arc<Log>) -> Respawner {
        Respawner { log: Arc::clone(log), running: Vec::new(), stopping: watch::Sender::new(false) }
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

    /// The daemon stops: those that run may go on until [`Respawner::end`], but whichever ends stays ended.
    pub(super) fn stop(&self) {
        self.stopping.send_replace(true);
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
            stopping: self.stopping.subscribe(),
        };
        Supervised { end, task: tokio::spawn(supervisor.run(ended)) }
    }
}

struct Supervisor {
    program: Respawn,
    environment: Variables,
    log: Arc<Log>,
    stopping: watch::Receiver<bool>,
}

impl Supervisor {
    async fn run(mut self, mut ended: oneshot::Receiver<()>) {
        let command = self.program.command.clone();
        let mut short_lives = 0;
        loop {
            let begun = Instant::now();
            let program = match self.spawn().await {
                Ok(program) => program,
                Err(error) => return tracing::error!("{command}: not started: {error}"),
            };
            let Some(status) = self.live(program, &mut ended).await else { return };
            tracing::warn!("Client {command} has ended: {status}");
            if status.code() == Some(LEAVE) {
                return tracing::info!(
                    "Client {command} is not started again: it wants that (exit code {LEAVE})"
                );
            }
            let stopping = *self.stopping.borrow();
            if self.program.failfast && is_abnormal(&status, stopping) && self.reboot(&status).await {
                return;
            }
            if stopping {
                return tracing::info!("Client {command} is not started again: this daemon stops");
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
                _ = self.stopping.wait_for(|stopping| *stopping) => return,
                () = tokio::time::sleep(PAUSE) => tracing::info!("Respawning client \"{command}\""),
            }
        }
    }

    async fn spawn(&self) -> Result<Talker, String> {
        let name = self.program.user.clone();
        // where accounts come from a network, the look-up may take its time
        let account = tokio::task::spawn_blocking(move || Account::find(&name)).await;
        let account = account.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let account = account.ok_or_else(|| format!("there is no user {}", self.program.user))?;
        let (uid, gid) = account.ids();
        tracing::info!("Starting child client \"{}\" ({uid},{gid})", self.program.command);
        let mut command = std::process::Command::new("/bin/sh");
        command.arg("-c").arg(format!("exec {}", self.program.command)).envs(&self.environment);
        sys::run_as(&mut command, account);
        let name = self.program.command.split_whitespace().next().unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default();
        Talker::spawn(command, name).map_err(|error| error.to_string())
    }

    /// Waits until the program ends by itself; ends it when it is asked to, and returns `None` then.
    async fn live(&self, mut program: Talker, ended: &mut oneshot::Receiver<()>) -> Option<ExitStatus> {
        let command = &self.program.command;
        tokio::select! {
            status = program.wait() => return Some(status),
            _ = ended => tracing::info!("Ending client \"{command}\""),
        }
        if program.end().await {
            tracing::warn!("Client {command} does not end: killed after {} s", GRACE.as_secs());
        }
        None
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

/// Whether a failfast program must not end like this. While the daemon stops, what a program needs goes away: that it
/// gives up then is no fault.
fn is_abnormal(status: &ExitStatus, stopping: bool) -> bool {
    match status.code() {
        None => true, // killed by a signal
        Some(code) => code != 0 && !stopping,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn what_ends_by_itself_while_the_daemon_stops_is_no_fault() {
        let (success, failure, killed) = (0, 3 << 8, 11);
        for (status, in_operation, in_a_stop) in
            [(success, false, false), (failure, true, false), (killed, true, true)]
        {
            let status = ExitStatus::from_raw(status);
            assert_eq!(is_abnormal(&status, false), in_operation, "{status}");
            assert_eq!(is_abnormal(&status, true), in_a_stop, "{status}");
        }
    }
}
