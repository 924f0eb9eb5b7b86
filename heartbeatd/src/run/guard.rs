//! The guard, seen from the daemon: a process of its own (`ha-resources guard`) that hears every beat, and that
//! releases everything here when they stay away because this process was killed or stands still.
//!
//! With the keepalive K, the deadtime D and the last beat at t, the other node takes over at t + D; the guard begins
//! at t + (K + D) / 2. Only if several beats before the last were lost as well does the other node's time begin earlier.

use super::jobs::Runner;
use super::orders::{Order, Orders};
use super::progress::{News, Progress};
use crate::cluster::{Event, Settings};
use crate::sys;
use daemon::pidfile;
use rustix::fs::{FlockOperation, flock};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Child;

/// How long the guard of an earlier daemon may take to end after SIGKILL.
const DISMISSAL: Duration = Duration::from_secs(1);
/// Between the end of a guard and the next one.
const AGAIN: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(10);
/// A longer line is not one of `ha-resources`.
const LONGEST_LINE: u64 = 256 * 1024;

/// How long the guard bears silence.
pub(super) fn limit(settings: &Settings) -> Duration {
    (settings.keepalive + settings.deadtime) / 2
}

/// The way from the beat thread to the guard. It never waits: a guard that does not listen, or is gone, is another's
/// business.
#[derive(Debug)]
pub(super) struct Line(OwnedFd);

impl Line {
    /// A beat was sent at this time.
    pub(super) fn beat(&self, sent: Duration, limit: Duration) {
        self.say(&format!("beat {} {}", sent.as_nanos(), limit.as_nanos()));
    }

    /// Everything is released, and the daemon ends.
    pub(super) fn bye(&self) {
        self.say("bye");
    }

    pub(super) fn say(&self, words: &str) {
        let _ = send(&self.0, words.as_bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    }
}

/// Ends the guard of an earlier daemon, unless it releases already: then jobs wait for it ([`not_releasing`]).
pub(super) fn dismiss(run_dir: &Path) {
    let path = run_dir.join("guard.pid");
    let Some(number) = pidfile::running(&path) else { return };
    let Some(pid) = i32::try_from(number).ok().and_then(Pid::from_raw) else { return };
    let Ok(guard) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    // Now the number cannot become another process's; and it is still the guard's.
    if pidfile::running(&path) == Some(number) {
        let _ = pidfd_send_signal(&guard, Signal::KILL);
    }
    let begun = Instant::now();
    while pidfile::running(&path).is_some() && begun.elapsed() < DISMISSAL {
        std::thread::sleep(LOOK);
    }
    // It is a child of this process if that was started anew in place.
    let _ = waitpid(Some(pid), WaitOptions::NOHANG);
}

/// Waits until no guard releases anything: what was started meanwhile would be stopped again.
pub(super) async fn not_releasing(run_dir: &Path) {
    let path = run_dir.join("release.lock");
    loop {
        let Ok(file) = File::open(&path) else { return };
        let tried = flock(&file, FlockOperation::NonBlockingLockShared);
        drop(file);
        if !matches!(tried, Err(rustix::io::Errno::WOULDBLOCK)) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Keeps a guard running, and passes on what it tells. It outlives this task and this process.
pub(super) async fn keep(runner: Runner, orders: Orders) {
    loop {
        match start(&runner, "guard") {
            Ok((mut child, line)) => {
                prefer(&child, &runner);
                orders.give_surely(Order::Guard(line)).await;
                let ended = follow(&mut child, &runner, &orders).await;
                tracing::warn!("the guard has ended ({ended}); another one is started");
            }
            Err(error) => {
                tracing::error!(
                    "no guard: {error}; if this daemon is killed its addresses stay until it is started again"
                );
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Starts `ha-resources` for something that lasts as long as this process; it hears what is said on the line.
pub(super) fn start(runner: &Runner, duty: &str) -> Result<(Child, Line), String> {
    let flags = SocketFlags::CLOEXEC;
    let (ours, its) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .map_err(|error| format!("socketpair: {error}"))?;
    let mut command = runner.command()?;
    command.arg(duty).stdin(Stdio::from(its)).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = command.spawn().map_err(|error| format!("ha-resources {duty}: {error}"))?;
    Ok((child, Line(ours)))
}

/// Whatever else wants the processor, the guard must not wait for it.
fn prefer(child: &Child, runner: &Runner) {
    if let (Some(priority), Some(pid)) = (runner.realtime, child.id()) {
        if let Err(error) = sys::set_round_robin(pid, priority.saturating_add(1).min(99)) {
            tracing::warn!("no real-time priority for the guard: {error}; under load it may be late");
        }
    }
}

async fn follow(child: &mut Child, runner: &Runner, orders: &Orders) -> String {
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout);
        let mut line = Vec::new();
        while matches!((&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line).await, Ok(1..)) {
            match serde_json::from_slice(&line) {
                Ok(Progress::Abandoned { at_ns }) => {
                    let at = Duration::from_nanos(at_ns);
                    orders.give_surely(Order::Event(Event::Abandoned { at })).await;
                }
                Ok(progress) => drop(runner.news.send(News::Progress(progress))),
                Err(_) => tracing::warn!("guard: {}", String::from_utf8_lossy(&line).trim_end()),
            }
            line.clear();
        }
    }
    match child.wait().await {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}
