//! A helper program in a node that prints lines while it runs, and ends when its standard input does.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::failure::{Context, Result, fail};
use crate::moment::{Moment, wait_until};
use crate::node::lock;

/// A running helper and the lines it has printed.
#[derive(Debug)]
pub struct Process {
    what: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Arc<Mutex<Vec<(Moment, String)>>>,
    errors: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    pub(crate) fn start(mut command: Command, what: String) -> Result<Self> {
        let mut child = command.spawn().context(|| format!("cannot start {what}"))?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let errors = Arc::new(Mutex::new(String::new()));
        let stdout = child.stdout.take().context(|| "no pipe")?;
        let mut stderr = child.stderr.take().context(|| "no pipe")?;
        let (to_lines, to_errors) = (Arc::clone(&lines), Arc::clone(&errors));
        let readers = vec![
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
                    lock(&to_lines).push((Moment::now(), line));
                }
            }),
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let _ = stderr.read_to_end(&mut text);
                lock(&to_errors).push_str(&String::from_utf8_lossy(&text));
            }),
        ];
        let stdin = child.stdin.take();
        Ok(Self { what, child, stdin, lines, errors, readers })
    }

    /// Everything it has printed.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.lines).iter().map(|(_, line)| line.clone()).collect()
    }

    /// The same, with when each line was read.
    pub fn stamped_lines(&self) -> Vec<(Moment, String)> {
        lock(&self.lines).clone()
    }

    /// What it has printed from line `start` on.
    pub fn lines_from(&self, start: usize) -> Vec<String> {
        lock(&self.lines).iter().skip(start).map(|(_, line)| line.clone()).collect()
    }

    /// Wait until it has printed something: it is at work.
    pub fn wait_started(&self) -> Result<()> {
        let started =
            wait_until(Duration::from_secs(10), "a helper starts", || Ok(!lock(&self.lines).is_empty()));
        match started {
            Ok(_) => Ok(()),
            Err(_) => fail(format!("{} did not start: {}", self.what, lock(&self.errors))),
        }
    }

    /// End it and wait for its last line.
    pub fn stop(mut self) -> Vec<String> {
        self.finish();
        self.lines()
    }

    fn finish(&mut self) {
        drop(self.stdin.take());
        let ended =
            wait_until(Duration::from_secs(5), "a helper ends", || Ok(self.child.try_wait()?.is_some()));
        if ended.is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            return; // its own child may hold the pipes: the readers end with the node
        }
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.finish();
    }
}
