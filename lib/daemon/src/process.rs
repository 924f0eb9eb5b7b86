//! Child processes with a time limit, each in a process group of its own.

mod group;
mod output;

use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use group::Group;
use output::Output;

/// The first so many bytes of a child's output are kept; the rest is read and dropped.
pub const OUTPUT_LIMIT: usize = 64 * 1024;
/// Between SIGTERM and SIGKILL at the time limit.
const GRACE: Duration = Duration::from_secs(1);
/// How long output is waited for after the child's end, if something still holds the pipe.
const LATE_OUTPUT: Duration = Duration::from_millis(200);
/// How long a killed child is waited for: a process in a blocked system call cannot end.
const AFTER_KILL: Duration = Duration::from_secs(1);

/// Variables with which systemd talks to the daemon itself, not to its children.
const PRIVATE_VARIABLES: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal, which somebody else sent.
    Killed(i32),
    /// It was still running at the limit, so its group was killed.
    TimedOut,
    /// It could not be started; why, with the program's name.
    NotStarted(String),
}

/// A child that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub ending: Ending,
    /// Standard output and standard error in the order in which they were written, the first
    /// [`OUTPUT_LIMIT`] bytes.
    pub output: Vec<u8>,
    /// From the start to the end; after a time-out, until the group was dead.
    pub took: Duration,
}

impl Finished {
    /// True if the child exited by itself with code 0.
    pub fn success(&self) -> bool {
        self.ending == Ending::Exited(0)
    }
}

/// Runs `command` with its standard input from `/dev/null`, and waits at most `limit` for its end.
///
/// At the limit its whole process group gets SIGTERM, and what is left of the group one second later
/// SIGKILL. A grandchild that outlives the child in time is left alone (init scripts start daemons), and
/// so is what it writes: it is read and dropped, so that it neither blocks nor gets SIGPIPE. If the
/// future is dropped, the group is killed at once.
///
/// The child does not inherit the variables by which systemd knows the daemon (`NOTIFY_SOCKET` and the
/// like). Needs a tokio runtime with its I/O and time drivers.
pub async fn run(command: Command, limit: Duration) -> Finished {
    run_from(command, Stdio::null(), limit).await
}

/// [`run`] with `input` as the standard input. It lies in memory as a file: a child that does not read holds up nobody.
pub async fn feed(command: Command, input: &[u8], limit: Duration) -> Finished {
    match file_in_memory(input) {
        Ok(file) => run_from(command, file.into(), limit).await,
        Err(error) => {
            let ending = Ending::NotStarted(format!("{}: {error}", command.get_program().to_string_lossy()));
            Finished { ending, output: Vec::new(), took: Duration::ZERO }
        }
    }
}

async fn run_from(command: Command, input: Stdio, limit: Duration) -> Finished {
    let started = Instant::now();
    let program = command.get_program().to_string_lossy().into_owned();
    let (mut child, mut group, mut output) = match start(command, input) {
        Ok(all) => all,
        Err(error) => {
            let ending = Ending::NotStarted(format!("{program}: {error}"));
            return Finished { ending, output: Vec::new(), took: started.elapsed() };
        }
    };
    let ending = {
        let ended = async {
            tokio::select! {
                status = child.wait() => status,
                never = output.drain() => match never {},
            }
        };
        tokio::time::timeout(limit, ended).await
    };
    let ending = match ending {
        Ok(status) => {
            group.release();
            status.map_or_else(|error| Ending::NotStarted(format!("{program}: {error}")), ending_of)
        }
        Err(_elapsed) => {
            tokio::select! {
                () = end_group(&mut child, &mut group) => {}
                never = output.drain() => match never {},
            }
            Ending::TimedOut
        }
    };
    let took = started.elapsed();
    Finished { ending, output: output.finish(LATE_OUTPUT).await, took }
}

fn file_in_memory(content: &[u8]) -> std::io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("input", rustix::fs::MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

fn start(mut command: Command, input: Stdio) -> std::io::Result<(tokio::process::Child, Group, Output)> {
    let (output, writer) = Output::new()?;
    command.stdin(input).stdout(writer.try_clone()?).stderr(writer).process_group(0);
    for name in PRIVATE_VARIABLES {
        command.env_remove(name);
    }
    // The command owns the pipe's writing ends: it must be gone for the pipe to end with the children.
    let child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
    let group = Group::of(&child);
    Ok((child, group, output))
}

/// SIGTERM, and SIGKILL to what is left a second later.
async fn end_group(child: &mut tokio::process::Child, group: &mut Group) {
    group.terminate();
    let gone = async {
        let _ = child.wait().await;
        group.gone().await;
    };
    if tokio::time::timeout(GRACE, gone).await.is_err() {
        group.kill();
        let _ = tokio::time::timeout(AFTER_KILL, child.wait()).await;
    }
    group.release();
}

fn ending_of(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, Some(signal)) => Ending::Killed(signal),
        (None, None) => Ending::Exited(status.into_raw()),
    }
}

#[cfg(test)]
mod tests;
