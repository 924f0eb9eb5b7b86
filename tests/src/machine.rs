//! A machine of the lab: one process that holds a set of namespaces, and everything that runs in them.
//!
//! Nothing is given a name that outlives it: the namespaces end with their process 1, and that one ends when the pipe that its
//! maker holds is closed. So a test that panics, or is killed, leaves nothing behind.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Context, Result, fail};
use crate::moment::{Moment, wait_until};
use crate::programs;

/// Process 1 of a machine, seen from outside.
#[derive(Debug)]
pub struct Machine {
    pid: u32,
    /// Only for the one who started it: whoever opened a kept lab has no pipe.
    held: Option<(Child, ChildStdin)>,
}

impl Machine {
    /// Start an empty machine. `directory` is where what survives a power-off lies; without one it is only a network.
    pub fn boot(name: &str, directory: Option<&Path>) -> Result<Self> {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL", "--"]);
        // Ignored, the ends of orphans are reaped by the kernel: process 1 need not wait for them.
        command.args(["env", "--ignore-signal=CHLD"]).arg(programs::find("lab")?).args(["init", name]);
        command.args(directory);
        // A process group of its own: Ctrl-C in the terminal is for the story, which then ends its machines.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(|| "cannot start `unshare`")?;
        let stdin = child.stdin.take().context(|| "no pipe")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context(|| "no pipe")?).read_line(&mut line)?;
        let Ok(pid) = line.trim().parse() else {
            let _ = child.kill();
            let said = programs::said(&child.wait_with_output()?);
            return fail(format!("node {name} did not boot: {said} (the lab needs root)"));
        };
        Ok(Self { pid, held: Some((child, stdin)) })
    }

    /// A machine that runs already; it stays when this value is dropped.
    pub fn attach(pid: u32) -> Self {
        Self { pid, held: None }
    }

    /// Its process 1, in the machine's own numbers.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it runs.
    pub fn is_up(&self) -> bool {
        Path::new(&format!("/proc/{}/ns/net", self.pid)).exists()
            && std::fs::read_link(format!("/proc/{}/exe", self.pid)).is_ok()
    }

    /// Kill everything in it, as a power cut does, and wait until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(pid) = Pid::from_raw(self.pid as i32) {
            match kill_process(pid, Signal::KILL) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return fail(format!("cannot kill process {}: {error}", self.pid)),
            }
        }
        match self.held.take() {
            Some((mut child, _)) => drop(child.wait()),
            None => {
                wait_until(Duration::from_secs(5), "a killed node ends", || Ok(!self.is_up()))?;
            }
        }
        Ok(())
    }

    /// Let it run on when this process ends.
    pub fn keep(&mut self) -> Result<()> {
        if let Some((_, stdin)) = &mut self.held {
            writeln!(stdin, "keep")?;
        }
        self.held = None;
        Ok(())
    }

    /// A command that enters all its namespaces and becomes `program`, with the environment of a boot script.
    pub fn command(&self, program: &str) -> Result<Command> {
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.pid.to_string(),
            "--net",
            "--mount",
            "--uts",
            "--ipc",
            "--pid",
            "--",
        ]);
        command.args(["env", "-i", "HOME=/root", "LANG=C.UTF-8"]);
        command.arg(format!("PATH={}:/usr/sbin:/usr/bin:/sbin:/bin", programs::directory()?.display()));
        command.arg(program).current_dir("/").stdin(Stdio::null());
        Ok(command)
    }

    /// Run a batch of `ip` commands in its network, one a line.
    pub fn ip(&self, batch: &str) -> Result<()> {
        let mut child = Command::new("nsenter")
            .args(["--target", &self.pid.to_string(), "--net", "--", "ip", "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(|| "cannot start `nsenter`")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(batch.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if output.status.success() {
            return Ok(());
        }
        fail(format!("`ip -batch` failed: {}\n{batch}", programs::said(&output)))
    }

    /// A file of its process directory, such as `net/ip_vs`: read from outside, so that looking costs no new process.
    pub fn proc_file(&self, path: &str) -> Result<String> {
        let path = format!("/proc/{}/{path}", self.pid);
        std::fs::read_to_string(&path).context(|| path)
    }

    /// Send a signal to every process in it but process 1. New ones may appear meanwhile, so it looks until there are none.
    pub fn signal_all(&self, signal: Signal) -> Result<usize> {
        let mut done: Vec<i32> = Vec::new();
        let start = Moment::now();
        loop {
            let fresh: Vec<i32> = self.processes()?.into_iter().filter(|pid| !done.contains(pid)).collect();
            if fresh.is_empty() {
                return Ok(done.len());
            }
            if start.elapsed() > Duration::from_secs(5) {
                return fail("a node starts processes faster than they can be signalled");
            }
            for pid in fresh {
                if let Some(target) = Pid::from_raw(pid) {
                    let _ = kill_process(target, signal); // it may have ended meanwhile
                }
                done.push(pid);
            }
        }
    }

    /// The processes that run in it, but process 1, in the numbers of the machine outside.
    pub fn processes(&self) -> Result<Vec<i32>> {
        let own = std::fs::read_link(format!("/proc/{}/ns/pid", self.pid)).context(|| "the node is down")?;
        let all = std::fs::read_dir("/proc")?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let inside = |pid: &i32| {
            std::fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|namespace| namespace == own)
        };
        Ok(all.filter(|pid| *pid != self.pid as i32).filter(inside).collect())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.held.is_some() {
            let _ = self.kill();
        }
    }
}
