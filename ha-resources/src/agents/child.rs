//! One script, in a process group of its own, with a time limit.
//!
//! `daemon::process` does the same for daemons, which live on and keep reading what a script has left
//! running. This program ends, and then the first line that a server started in the background writes to
//! its standard output would kill it by SIGPIPE. So the pipe that somebody still holds after the script's
//! end goes to a copy of this program that reads it ([`COMMAND`]) until nobody holds it any more.
//! Besides, heartbeat's rule for `status` looks at standard output alone, so the two can be kept apart.

use crate::cancel;
use daemon::process::{Ending, OUTPUT_LIMIT};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, test_kill_process_group};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program's name for [`drain`].
pub const COMMAND: &str = "drain-output";

/// Between SIGTERM and SIGKILL at the time limit.
const GRACE: Duration = Duration::from_secs(1);
/// How long a killed child is waited for: one in a blocked system call cannot end.
const AFTER_KILL: Duration = Duration::from_secs(1);
/// How long the end of the output is waited for after the end of the script.
const LATE_OUTPUT: Duration = Duration::from_millis(20);

/// What a script did.
pub struct Finished {
    /// How it ended.
    pub ending: Ending,
    /// Its standard output, the first 64 KiB; with standard error in it unless that was kept apart.
    pub output: Vec<u8>,
    /// Its standard error, the first 64 KiB, if it was kept apart.
    pub errors: Vec<u8>,
}

/// Where standard error goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Errors {
    /// Into the output, in the order of writing.
    Together,
    /// Apart.
    Apart,
}

/// Runs a command to its end or to the limit. At the limit its whole group gets SIGTERM, and what is left
/// of it a second later SIGKILL; earlier, if `starts` and what is being taken is not wanted any more.
pub fn run(mut command: Command, errors: Errors, limit: Duration, starts: bool) -> Finished {
    command.stdin(Stdio::null());
    started(command, errors, limit, starts)
}

/// The same, with something to read on its standard input.
pub fn run_with_input(mut command: Command, input: File, errors: Errors, limit: Duration) -> Finished {
    command.stdin(input);
    started(command, errors, limit, false)
}

fn started(mut command: Command, errors: Errors, limit: Duration, starts: bool) -> Finished {
    match start(&mut command, errors) {
        Ok(running) => {
            // It holds the writing ends of the pipes, which would never end.
            drop(command);
            running.finish(Instant::now() + limit, starts)
        }
        Err(error) => {
            let program = command.get_program().to_string_lossy();
            let ending = Ending::NotStarted(format!("{program}: {error}{}", advice(&error)));
            Finished { ending, output: Vec::new(), errors: Vec::new() }
        }
    }
}

/// Reads and forgets standard input to its end: what the background copy does.
pub fn drain() {
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
}

fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENOENT) => {
            "; the interpreter in its first line (#!) is missing, or the line ends in a carriage return"
        }
        Some(libc::ENOEXEC) => "; its first line names no interpreter (#!/bin/sh)",
        Some(libc::EACCES) => {
            "; it or its interpreter may not be executed: permissions, or a file system mounted noexec"
        }
        _ => "",
    }
}

fn start(command: &mut Command, errors: Errors) -> io::Result<Running> {
    let (output, writer) = Pipe::new()?;
    command.process_group(0);
    let apart = match errors {
        Errors::Together => {
            command.stderr(writer.try_clone()?);
            None
        }
        Errors::Apart => {
            let (apart, writer) = Pipe::new()?;
            command.stderr(writer);
            Some(apart)
        }
    };
    command.stdout(writer);
    let child = command.spawn()?;
    let group = Pid::from_child(&child);
    let ended = pidfd_open(group, PidfdFlags::empty())?;
    Ok(Running { child, group, ended, output, errors: apart })
}

struct Running {
    child: Child,
    group: Pid,
    /// Readable when the child has ended.
    ended: OwnedFd,
    output: Pipe,
    errors: Option<Pipe>,
}

impl Running {
    fn finish(mut self, limit: Instant, starts: bool) -> Finished {
        let wish = cancel::watched().filter(|_| starts);
        let ending = if self.wait(limit, wish) { self.reap() } else { self.end_group() };
        if ending == Ending::TimedOut {
            self.read();
        } else {
            self.last_output();
        }
        Finished {
            ending,
            output: self.output.kept,
            errors: self.errors.map(|errors| errors.kept).unwrap_or_default(),
        }
    }

    /// Waits for the child's end while reading what it writes; false if it has not ended by then, or when `wish` can
    /// be read.
    fn wait(&mut self, until: Instant, wish: Option<BorrowedFd<'_>>) -> bool {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let mut watched = vec![PollFd::new(&self.ended, PollFlags::IN)];
            watched.extend(wish.as_ref().map(|wish| PollFd::new(wish, PollFlags::IN)));
            watched.extend(self.pipes().filter_map(Pipe::watched));
            let _ = poll(&mut watched, Some(&timespec(left)));
            let ready = |fd: Option<&PollFd<'_>>| fd.is_some_and(|fd| !fd.revents().is_empty());
            let (ended, wished) = (ready(watched.first()), wish.is_some() && ready(watched.get(1)));
            self.read();
            if ended || wished || left.is_zero() {
                return ended;
            }
        }
    }

    fn reap(&mut self) -> Ending {
        match self.child.wait() {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => Ending::Exited(code),
                (None, signal) => Ending::Killed(signal.unwrap_or_default()),
            },
            Err(error) => Ending::NotStarted(error.to_string()),
        }
    }

    fn end_group(&mut self) -> Ending {
        let until = Instant::now() + GRACE;
        self.signal(Signal::TERM);
        // A stopped process does not see SIGTERM until it continues.
        self.signal(Signal::CONT);
        if self.wait(until, None) {
            self.reap();
            while test_kill_process_group(self.group).is_ok() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(10));
                self.read();
            }
        }
        self.signal(Signal::KILL);
        if self.wait(Instant::now() + AFTER_KILL, None) {
            self.reap();
        }
        Ending::TimedOut
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal); // it may just have ended
    }

    fn pipes(&self) -> impl Iterator<Item = &Pipe> {
        std::iter::once(&self.output).chain(&self.errors)
    }

    fn read(&mut self) {
        self.output.read();
        self.errors.iter_mut().for_each(Pipe::read);
    }

    /// Reads to the end of the output, or for a moment; then somebody who lives on holds it.
    fn last_output(&mut self) {
        let until = Instant::now() + LATE_OUTPUT;
        loop {
            self.read();
            let left = until.saturating_duration_since(Instant::now());
            let mut watched: Vec<_> = self.pipes().filter_map(Pipe::watched).collect();
            if watched.is_empty() {
                return;
            }
            if left.is_zero() {
                break;
            }
            let _ = poll(&mut watched, Some(&timespec(left)));
        }
        for pipe in std::iter::once(&mut self.output).chain(&mut self.errors) {
            if let Some(fd) = pipe.fd.take() {
                keep_reading(fd);
            }
        }
    }
}

/// Without the copy the worst that can happen is a SIGPIPE later, so a failure is only said.
fn keep_reading(pipe: OwnedFd) {
    // The copy reads it with blocking calls.
    let _ = fcntl_setfl(&pipe, OFlags::empty());
    let copy = Command::new("/proc/self/exe")
        .arg(COMMAND)
        .current_dir("/")
        .stdin(pipe)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = copy {
        tracing::warn!("the output of what the script left running cannot be read on: {error}");
    }
}

/// The reading end of a pipe, and the beginning of what came through.
struct Pipe {
    /// `None` after the end.
    fd: Option<OwnedFd>,
    kept: Vec<u8>,
}

impl Pipe {
    fn new() -> io::Result<(Pipe, OwnedFd)> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        fcntl_setfl(&reader, OFlags::NONBLOCK)?;
        Ok((Pipe { fd: Some(reader), kept: Vec::new() }, writer))
    }

    fn watched(&self) -> Option<PollFd<'_>> {
        self.fd.as_ref().map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN))
    }

    /// Reads what is there, at most one pipe's capacity: a script that never stops writing must not keep
    /// its own time limit from being seen.
    fn read(&mut self) {
        let mut buffer = [0; 4096];
        for _ in 0..16 {
            let Some(fd) = &self.fd else { return };
            match rustix::io::read(fd, &mut buffer) {
                Ok(0) => self.fd = None,
                Ok(length) => {
                    let room = OUTPUT_LIMIT.saturating_sub(self.kept.len());
                    self.kept.extend(buffer.iter().take(length.min(room)));
                }
                Err(rustix::io::Errno::AGAIN) => return,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => self.fd = None,
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
