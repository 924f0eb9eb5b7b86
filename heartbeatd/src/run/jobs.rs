//! Work on resource groups: `ha-resources` as a child process that tells line by line what happens.

use super::{environment, guard};
use crate::cluster::{Job, JobId, JobKind, JobOutcome};
use serde::Deserialize;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// Each script has a limit of its own inside `ha-resources`; this one is for `ha-resources` itself.
const LIMIT: Duration = Duration::from_secs(3600);
/// How long output is waited for after the end, if something still holds the pipe.
const LATE_OUTPUT: Duration = Duration::from_millis(200);
/// A longer line is not one of `ha-resources`.
const LONGEST_LINE: u64 = 256 * 1024;

/// What a job tells.
#[derive(Debug)]
pub(super) enum News {
    /// Something happened to a group or one of its resources.
    Progress(Progress),
    /// It is over.
    Done(Job, JobOutcome),
}

/// A line of `ha-resources --json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Progress {
    Resource {
        group: String,
        #[serde(default)]
        action: String,
    },
    Group {
        group: String,
        #[serde(default)]
        action: String,
        #[serde(default)]
        result: String,
        #[serde(default)]
        detail: String,
        #[serde(default)]
        ms: u64,
    },
    /// The guard began to release everything, at this time of the clock that never jumps.
    Abandoned { at_ns: u64 },
    #[serde(other)]
    Unknown,
}

impl Progress {
    /// The sentence about a group, and whether it is bad news; nothing about single resources, of which
    /// `ha-resources` keeps the log itself.
    pub(super) fn sentence(&self) -> Option<(bool, String)> {
        let Progress::Group { group, action, result, detail, ms } = self else { return None };
        let failed = matches!(result.as_str(), "failed" | "timeout");
        let text = format!("group {group}: {action}: {result} ({ms} ms) {detail}");
        Some((failed, text.trim_end().to_owned()))
    }
}

/// How jobs are run.
#[derive(Clone, Debug)]
pub(super) struct Runner {
    pub(super) config_dir: PathBuf,
    pub(super) run_dir: PathBuf,
    pub(super) environment: environment::Variables,
    /// `-M`: every job succeeds without anything being done.
    pub(super) disabled: bool,
    pub(super) news: mpsc::UnboundedSender<News>,
}

impl Runner {
    /// Runs a job to its end; its end is always told.
    pub(super) async fn run(self, job: Job) {
        let outcome =
            if self.disabled { JobOutcome { done: 1, failed: 0 } } else { self.outcome(&job).await };
        // The receiver lives as long as the program.
        let _ = self.news.send(News::Done(job, outcome));
    }

    async fn outcome(&self, job: &Job) -> JobOutcome {
        guard::not_releasing(&self.run_dir).await;
        let mut tally = Tally::default();
        let ended = match self.start(job) {
            Ok(child) => tokio::time::timeout(LIMIT, self.follow(child, &mut tally)).await,
            Err(error) => Ok(Err(error)),
        };
        let verb = verb(job.kind);
        match ended {
            Ok(Ok(status)) => {
                // 0: all as asked; 1: some group is not, and was told; anything else: it could not even begin.
                if !status.success() && tally.failed == 0 {
                    tally.failed = 1;
                    tracing::error!("ha-resources {verb} {}: {status}", job.home);
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
        JobOutcome { done: tally.done, failed: tally.failed }
    }

    /// `ha-resources` with what it needs in any case.
    pub(super) fn command(&self) -> Result<Command, String> {
        let program = daemon::sibling::find("ha-resources")
            .ok_or("program not found beside heartbeatd or in /usr/sbin")?;
        let mut command = Command::new(program);
        command.arg("--config-dir").arg(&self.config_dir).arg("--run-dir").arg(&self.run_dir).arg("--json");
        command.envs(&self.environment);
        for private in environment::PRIVATE {
            command.env_remove(private);
        }
        Ok(command)
    }

    fn start(&self, job: &Job) -> Result<Child, String> {
        let mut command = self.command()?;
        command.arg(verb(job.kind)).arg(&job.home);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // In a group of its own: a signal from a terminal is for this daemon, which then stops in order.
        command.process_group(0).kill_on_drop(true);
        command.spawn().map_err(|error| error.to_string())
    }

    async fn follow(&self, mut child: Child, tally: &mut Tally) -> Result<std::process::ExitStatus, String> {
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let told = async {
            let Some(stdout) = stdout else { return };
            let mut lines = BufReader::new(stdout);
            let mut line = Vec::new();
            loop {
                line.clear();
                match (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => self.told(&line, tally),
                }
            }
        };
        let complained = async {
            let Some(stderr) = stderr else { return };
            let mut lines = BufReader::new(stderr);
            let mut line = Vec::new();
            loop {
                line.clear();
                match (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => tracing::warn!("ha-resources: {}", String::from_utf8_lossy(&line).trim_end()),
                }
            }
        };
        // The child's end is its end; a script's daemon that keeps the pipes open is left alone.
        let talk = async { tokio::join!(told, complained) };
        tokio::pin!(talk);
        let mut silent = false;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                _ = &mut talk, if !silent => silent = true,
            }
        };
        if !silent {
            let _ = tokio::time::timeout(LATE_OUTPUT, &mut talk).await;
        }
        status.map_err(|error| error.to_string())
    }

    fn told(&self, line: &[u8], tally: &mut Tally) {
        let Ok(progress) = serde_json::from_slice::<Progress>(line) else {
            let text = String::from_utf8_lossy(line);
            return tracing::warn!("ha-resources said something that is not understood: {}", text.trim_end());
        };
        tally.count(&progress);
        let _ = self.news.send(News::Progress(progress));
    }
}

fn verb(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Take => "takenode",
        JobKind::Give => "givenode",
        JobKind::Clear => "clearnode",
        JobKind::Announce => "announce",
    }
}

/// Groups that ended as asked and groups that did not.
#[derive(Debug, Default)]
struct Tally {
    done: usize,
    failed: usize,
}

impl Tally {
    fn count(&mut self, progress: &Progress) {
        if let Progress::Group { result, .. } = progress {
            match result.as_str() {
                "failed" | "timeout" => self.failed += 1,
                _ => self.done += 1,
            }
        }
    }
}

/// Jobs under way.
pub(super) type Running = std::collections::BTreeMap<JobId, tokio::task::JoinHandle<()>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_ha_resources() {
        let mut tally = Tally::default();
        for line in [
            r#"{"event":"resource","group":"192.0.2.1","resource":"192.0.2.1","action":"start","result":"done","detail":"","ms":3}"#,
            r#"{"event":"group","group":"192.0.2.1","action":"take","result":"held","ms":4}"#,
            r#"{"event":"group","group":"192.0.2.2","action":"take","result":"failed","detail":"x"}"#,
            r#"{"event":"tea","group":"later versions"}"#,
        ] {
            tally.count(&serde_json::from_str(line).unwrap());
        }
        assert_eq!((tally.done, tally.failed), (1, 1));
    }
}
