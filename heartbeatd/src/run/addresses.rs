//! The addresses of this machine while nobody moves anything: a process of its own (`ha-resources watch`) puts back what
//! somebody removes and hears who else claims what is held here; and what an earlier life of this node has left is swept
//! away before the first beat (`ha-resources sweep`).
//!
//! The watch puts nothing back and announces nothing unless this daemon says, all the time, that the node takes part: one
//! that stood still, or has not joined yet, holds nothing for sure.

use super::environment;
use super::guard::{self, Line};
use super::jobs::Runner;
use super::picture::Picture;
use super::progress::{News, Progress};
use crate::cluster::Settings;
use crate::config::Plan;
use daemon::process;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Between the end of a watch and the next one.
const AGAIN: Duration = Duration::from_secs(1);
/// A longer line is not one of `ha-resources`.
const LONGEST_LINE: u64 = 256 * 1024;
/// So long the start waits for the sweep.
const SWEEP_LIMIT: Duration = Duration::from_secs(5);
/// Where no other node takes anything, nothing is ever too long ago; the longest time that can be said.
const FOR_EVER: Duration = Duration::from_secs(86_400);

/// What the watch must know to be sure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pulse {
    /// When the beat thread did its work last, on the clock that never jumps.
    at: Duration,
    /// So long after that no other node has taken anything from this one.
    limit: Duration,
    /// Nodes of whose groups nothing is wanted here and nothing may run.
    free: Vec<String>,
}

impl Pulse {
    /// What a picture tells; nothing while this node does not take part.
    pub(super) fn of(picture: &Picture, settings: &Settings) -> Option<Pulse> {
        let cluster = &picture.cluster;
        if cluster.phase != "stable" {
            return None;
        }
        let busy = cluster.wants.with(cluster.may_run);
        let peer = cluster.peer.as_ref().map(|peer| (&peer.name, busy.foreign));
        let homes = [Some((&settings.me, busy.local)), peer];
        let free =
            homes.into_iter().flatten().filter(|(_, busy)| !busy).map(|(name, _)| name.clone()).collect();
        // a beat may have left as much earlier as there is between two of them; then as long as the guard bears silence
        let limit = guard::limit(settings).saturating_sub(settings.keepalive);
        Some(Pulse { at: picture.at, limit, free })
    }
}

/// The watch that runs, and what it is told.
#[derive(Debug)]
pub(super) struct Watch {
    pulse: watch::Sender<Pulse>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Keeps one running until this is dropped.
    pub(super) fn start(runner: Runner) -> Watch {
        let (pulse, pulses) = watch::channel(Pulse::default());
        Watch { pulse, task: tokio::spawn(keep(runner, pulses)) }
    }

    pub(super) fn beat(&self, pulse: Pulse) {
        self.pulse.send_replace(pulse);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort(); // its line is closed with it, and the process ends
    }
}

async fn keep(runner: Runner, mut pulses: watch::Receiver<Pulse>) {
    loop {
        match guard::start(&runner, "watch") {
            Ok((child, line)) => {
                let ended = follow(child, &line, &runner, &mut pulses).await;
                tracing::warn!("the watch over the addresses has ended ({ended}); another one is started");
            }
            Err(error) => tracing::error!("nobody watches the addresses: {error}"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Tells it what it must know and passes on what it tells, until it ends.
async fn follow(
    mut child: Child,
    line: &Line,
    runner: &Runner,
    pulses: &mut watch::Receiver<Pulse>,
) -> String {
    let Some(stdout) = child.stdout.take() else { return "nothing is heard of it".to_owned() };
    let mut lines = BufReader::new(stdout).take(LONGEST_LINE);
    let (mut text, mut said) = (Vec::new(), Pulse::default());
    loop {
        tokio::select! {
            read = lines.read_until(b'\n', &mut text) => {
                if !matches!(read, Ok(1..)) {
                    break;
                }
                match serde_json::from_slice::<Progress>(&text) {
                    Ok(progress) => drop(runner.news.send(News::Progress(progress))),
                    Err(_) => tracing::warn!("watch: {}", String::from_utf8_lossy(&text).trim_end()),
                }
                text.clear();
                lines.set_limit(LONGEST_LINE);
            }
            Ok(()) = pulses.changed() => {
                let pulse = pulses.borrow_and_update().clone();
                if pulse.free != said.free {
                    line.say(&format!("free {}", pulse.free.join(" ")));
                }
                // it need not wake for every beat
                if pulse.at >= said.at + pulse.limit / 4 || pulse.free != said.free {
                    line.beat(pulse.at, pulse.limit);
                    said = pulse;
                }
            }
            else => break,
        }
    }
    match child.wait().await {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

/// Removes what an earlier life of this node has left and no group would find, and everything if the other node has had
/// the time to take it. Before the first beat.
pub(super) async fn sweep(plan: &Plan, config_dir: &Path, state_dir: &Path, run_dir: &Path) {
    let Some(program) = daemon::sibling::find("ha-resources") else { return }; // whoever needs it complains
    let patience = if plan.nodes.len() > 1 { plan.timing.deadtime } else { FOR_EVER };
    let mut command = Command::new(program);
    command.arg("--config-dir").arg(config_dir).arg("--run-dir").arg(run_dir).args(["--json", "sweep"]);
    command.arg(format!("{:.3}", patience.min(FOR_EVER).as_secs_f64()));
    command.envs(environment::variables(plan, config_dir, state_dir));
    let finished = process::run(command, SWEEP_LIMIT).await;
    if !finished.success() {
        tracing::warn!(
            "ha-resources sweep: {:?} {}: addresses that an earlier life of this node has left may still be here",
            finished.ending,
            String::from_utf8_lossy(&finished.output).trim_end()
        );
    }
}
