//! Work on resource groups: `ha-resources` as a child process that tells line by line what happens.

use super::progress::{News, Progress, Tally};
use super::spares::{self, Leaving, Made, Spares};
use super::{environment, guard};
use crate::cluster::{Job, JobId, JobKind, JobOutcome};
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::{Notify, mpsc};

/// Each script has a limit of its own inside `ha-resources`; this one is for `ha-resources` itself.
const LIMIT: Duration = Duration::from_secs(3600);
/// How long output is waited for after the end, if something still holds the pipe.
const LATE_OUTPUT: Duration = Duration::from_millis(200);
/// A child that waits for work says at once that it begins. One that has not by now stands still (stopped, frozen, or waiting
/// for its memory): another one does the work.
const BEGIN: Duration = Duration::from_millis(500);
/// A longer line is not one of `ha-resources`.
const LONGEST_LINE: u64 = 256 * 1024;

/// How jobs are run.
#[derive(Clone, Debug)]
pub(super) struct Runner {
    pub(super) config_dir: PathBuf,
    pub(super) run_dir: PathBuf,
    pub(super) environment: environment::Variables,
    /// `-M`: every job succeeds without anything being done.
    pub(super) disabled: bool,
    /// SCHED_RR with this priority, for whoever takes and gives addresses.
    pub(super) realtime: Option<u8>,
    /// Children that wait for work.
    pub(super) spares: Spares,
    pub(super) news: mpsc::UnboundedSender<News>,
}

impl Runner {
    /// Runs a job to its end; its end is always told. One that takes groups can be cancelled.
    pub(super) async fn run(self, job: Job, cancel: Arc<Notify>) {
        let outcome = match self.disabled {
            true => JobOutcome { done: 1, failed: 0, began: true },
            false => self.outcome(&job, &cancel).await,
        };
        // The receiver lives as long as the program.
        let _ = self.news.send(News::Done(job, outcome));
    }

    async fn outcome(&self, job: &Job, cancel: &Notify) -> JobOutcome {
        guard::not_releasing(&self.run_dir).await;
        let mut tally = Tally::default();
        let ended = tokio::time::timeout(LIMIT, self.obey(job, cancel, &mut tally)).await;
        let verb = verb(job);
        let began = !matches!(ended, Ok(Ok(2..) | Err(_))) || tally.done + tally.failed > 0;
        match ended {
            // 0: all as asked; 1: some group is not, and was told; anything else: it could not even begin.
            Ok(Ok(0)) => {}
            Ok(Ok(code)) => {
                if tally.failed == 0 {
                    tally.failed = 1;
                    tracing::error!("ha-resources {verb} {}: exit code {code}", job.home);
                }
            }
            Ok(Err(error)) => {
                tally.failed = tally.failed.max(1);
                tracing::error!("ha-resources {verb} {}: {error}", job.home);
            }
            Err(_elapsed) => {
                tally.failed = tally.failed.max(1);
                tracing::error!(
                    "ha-resources {verb} {}: still running after {} s, killed",
                    job.home,
                    LIMIT.as_secs()
                );
            }
        }
        JobOutcome { done: tally.done, failed: tally.failed, began }
    }

    /// Has a child do it, one that waits for work or else a new one; its exit code, or why it has none.
    async fn obey(&self, job: &Job, cancel: &Notify, tally: &mut Tally) -> Result<u8, String> {
        if let Some(child) = self.made().and_then(|made| self.spares.take(&made)) {
            let ended = self.follow(child, job, cancel, tally, BEGIN).await;
            match ended {
                // killed while it waited, or standing still; should it have begun, doing it again changes nothing
                Err(why) if !tally.told => {
                    tracing::warn!("a prepared ha-resources did nothing: {why}: starting another one");
                }
                ended => return ended,
            }
        }
        // it has everything to load first
        self.follow(self.spawn()?, job, cancel, tally, LIMIT).await
    }

    /// `ha-resources` with what it needs in any case.
    pub(super) fn command(&self) -> Result<Command, String> {
        let mut command = Command::new(program()?);
        command.arg("--config-dir").arg(&self.config_dir).arg("--run-dir").arg(&self.run_dir).arg("--json");
        self.prepare(&mut command);
        Ok(command)
    }

    /// Gives a child the environment of scripts.
    pub(super) fn prepare(&self, command: &mut Command) {
        command.envs(&self.environment);
        for private in environment::PRIVATE {
            command.env_remove(private);
        }
    }

    /// What a child is made with; nothing if there is no program.
    pub(super) fn made(&self) -> Option<Made> {
        Made::of(&program().ok()?, &self.environment)
    }

    /// Starts a child that waits for its order.
    pub(super) fn spawn(&self) -> Result<Child, String> {
        let mut command = self.command()?;
        command.arg("await");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // In a group of its own: a signal from a terminal is for this daemon, which then stops in order.
        command.process_group(0).kill_on_drop(true);
        let child = command.spawn().map_err(|error| error.to_string())?;
        spares::prefer(&child, self.realtime);
        Ok(child)
    }

    /// Has children wait for the next jobs.
    pub(super) fn refill(&self) {
        if !self.disabled {
            self.spares.refill(self);
        }
    }

    /// Gives a child its order, and listens until it says that it is done; one that is silent for longer than `patience` at
    /// first is killed.
    async fn follow(
        &self,
        mut child: Child,
        job: &Job,
        cancel: &Notify,
        tally: &mut Tally,
        patience: Duration,
    ) -> Result<u8, String> {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        if let Some(mut stdin) = stdin {
            let order = format!("{} {}\n", verb(job), job.home);
            let _ = stdin.write_all(order.as_bytes()).await; // one that has ended tells nothing, below
        }
        let mut complaints: Leaving = Box::pin(complain(stderr));
        let begun = AtomicBool::new(false);
        let (told, mut silent) = (self.listen(stdout, tally, &begun), false);
        tokio::pin!(told);
        let (first, mut asked) = (tokio::time::sleep(patience), false);
        tokio::pin!(first);
        let (cancelled, mut told_so) = (cancel.notified(), false);
        tokio::pin!(cancelled);
        let code = loop {
            tokio::select! {
                biased; // what was said in time counts, however late it is heard here
                code = &mut told => break code,
                () = &mut complaints, if !silent => silent = true,
                () = &mut cancelled, if !told_so => {
                    told_so = true;
                    end_taking(&child);
                }
                () = &mut first, if !asked => {
                    asked = true;
                    if begun.load(Ordering::Relaxed) {
                        continue;
                    }
                    let _ = child.start_kill(); // it ends when it can: who waits for a frozen one waits for ever
                    return Err(format!("it did not begin within {} ms, killed", patience.as_millis()));
                }
                // What holds its pipes beyond its end is not waited for.
                _ = child.wait() => break tokio::time::timeout(LATE_OUTPUT, &mut told).await.ok().flatten(),
            }
        };
        let Some(code) = code else {
            if !silent {
                let _ = tokio::time::timeout(LATE_OUTPUT, complaints).await;
            }
            return match child.wait().await {
                Ok(status) => Err(format!("it ended before its work was done: {status}")),
                Err(error) => Err(error.to_string()),
            };
        };
        self.spares.leave(Box::pin(async move {
            if !silent {
                complaints.await;
            }
            let _ = child.wait().await;
        }));
        Ok(code)
    }

    /// Hears what a child tells, until it says that its work is done; nothing if it never does.
    async fn listen(&self, stdout: Option<ChildStdout>, tally: &mut Tally, begun: &AtomicBool) -> Option<u8> {
        let mut lines = BufReader::new(stdout?);
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => tally.told = true,
            }
            begun.store(true, Ordering::Relaxed);
            match serde_json::from_slice(&line) {
                Ok(Progress::End { code }) => return Some(code),
                Ok(Progress::Begun) => {}
                Ok(progress) => {
                    tally.count(&progress);
                    let _ = self.news.send(News::Progress(progress));
                }
                Err(_) => {
                    let text = String::from_utf8_lossy(&line);
                    tracing::warn!("ha-resources said something that is not understood: {}", text.trim_end());
                }
            }
        }
    }
}

/// A child that takes groups is asked to let go of their addresses and to end.
fn end_taking(child: &Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::TERM); // it may just have ended
    }
}

/// What a child says to people goes to the log.
async fn complain(stderr: Option<ChildStderr>) {
    let Some(stderr) = stderr else { return };
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    while matches!((&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line).await, Ok(1..)) {
        tracing::warn!("ha-resources: {}", String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}

fn program() -> Result<PathBuf, String> {
    daemon::sibling::find("ha-resources")
        .ok_or_else(|| "program not found beside heartbeatd or in /usr/sbin".to_owned())
}

fn verb(job: &Job) -> &'static str {
    match job.kind {
        JobKind::Give if job.addresses_first => "yieldnode",
        JobKind::Take => "takenode",
        JobKind::Give => "givenode",
        JobKind::Clear => "clearnode",
        JobKind::Announce => "announce",
    }
}

/// A job under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) task: tokio::task::JoinHandle<()>,
    /// Ends it, if it takes groups.
    pub(super) cancel: Arc<Notify>,
}

/// Jobs under way.
pub(super) type Running = std::collections::BTreeMap<JobId, UnderWay>;

#[cfg(test)]
mod tests;
