//! A child process with a time limit, whose whole group ends with it.

use rustix::process::{Pid, Signal, kill_process_group};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// So much of the output is kept.
const OUTPUT: u64 = 16 * 1024;
/// How long output is waited for after the end, if something still holds the pipe.
const LATE_OUTPUT: Duration = Duration::from_millis(200);
/// A list of the types of devices.
const LIST_LIMIT: Duration = Duration::from_secs(20);
/// Where the programs are, whatever the daemon's own path.
const PLACES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"];

/// How a program ended.
#[derive(Debug)]
pub(super) struct Said {
    status: ExitStatus,
    pub(super) stdout: String,
    stderr: String,
}

impl Said {
    /// Exit code 0, or what the program complained of.
    pub(super) fn succeeded(&self) -> Result<(), String> {
        if self.status.success() {
            return Ok(());
        }
        let last =
            |text: &str| text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
        let complaint = last(&self.stderr).or_else(|| last(&self.stdout));
        Err(complaint.map_or_else(|| self.status.to_string(), |line| format!("{line} ({})", self.status)))
    }
}

/// Where a program is; by its name alone the path is searched.
pub(super) fn find(name: &str) -> PathBuf {
    let places = PLACES.iter().map(|place| PathBuf::from(place).join(name));
    places.into_iter().find(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(name))
}

/// The types of devices that `stonith` knows. Blocks until it has said so.
pub(in crate::run) fn types() -> Result<Vec<String>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let mut command = Command::new(find("stonith"));
    command.arg("-L");
    let said = runtime.block_on(run(command, Vec::new(), Some(LIST_LIMIT)))?;
    said.succeeded()?;
    Ok(said.stdout.split_whitespace().map(str::to_owned).collect())
}

/// The programs of fence-agents that are installed.
pub(in crate::run) fn agents() -> Vec<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = PLACES.iter().map(PathBuf::from).chain(std::env::split_paths(&path));
    let entries = places.filter_map(|place| std::fs::read_dir(place).ok()).flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with("fence_")).collect()
}

/// The group of a child that has not ended yet.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL); // it may be ending
        }
    }
}

/// Runs a program to its end; when this is given up, or takes longer than the limit, everything of it is killed.
pub(super) async fn run(
    mut command: Command,
    input: Vec<u8>,
    limit: Option<Duration>,
) -> Result<Said, String> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    let child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let mut group = Group(id);
    let ended = match limit {
        Some(limit) => tokio::time::timeout(limit, follow(child, input))
            .await
            .map_err(|_| format!("{name}: no answer within {} s", limit.as_secs()))?,
        None => follow(child, input).await,
    };
    group.0 = None; // its number may be another's from now on
    ended.map_err(|error| format!("{name}: {error}"))
}

async fn follow(mut child: Child, input: Vec<u8>) -> std::io::Result<Said> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = {
        let feed = async move {
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(&input).await; // one that reads nothing needs nothing
            }
        };
        let talk = async { tokio::join!(feed, read(stdout, &mut out), read(stderr, &mut err)) };
        tokio::pin!(talk);
        let mut silent = false;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status?,
                _ = &mut talk, if !silent => silent = true,
            }
        };
        if !silent {
            let _ = tokio::time::timeout(LATE_OUTPUT, &mut talk).await;
        }
        status
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Said { status, stdout: text(&out), stderr: text(&err) })
}

/// Keeps the beginning, and reads the rest so that nobody waits.
async fn read(from: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    if (&mut from).take(OUTPUT).read_to_end(kept).await.is_ok() {
        let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    }
}
