//! Cuts off nodes by the devices of `stonith` and `stonith_host`: one after the other until one has done it.
//!
//! ```text
//!  Action::Fence ─► for each device:  hosts? ─► reset ─┬─ done ──────────────► Event::Fenced { done: true }
//!                        ▲                             └─ failed: the next one
//!                        └───────────────────────────────── all have failed ──► Event::Fenced { done: false }
//! ```
//! Every program is a child process in a group of its own, with a time limit unless it waits for a person. Until a reset has
//! begun a request can be given up at any moment. From then on it ends by itself: a node may be off and not on again.

mod device;
mod program;

pub(super) use program::{agents, types};

use super::jobs::Runner;
use super::progress::News;
use crate::cluster::Severity;
use crate::config::{Plan, StonithDevice};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

/// How often the devices are asked whether they would work (heartbeat 3.0.6: 1 h).
const PROBE_INTERVAL: Duration = Duration::from_secs(3600);

/// What is under way.
#[derive(Debug)]
pub(super) struct Fencer {
    runner: Runner,
    /// Counts requests, so that the end of one that was replaced is not taken for the newest's.
    number: u64,
    task: Option<JoinHandle<()>>,
    /// What the request does at the moment.
    step: watch::Sender<Step>,
    /// Who holds this may use the devices: a reset that nobody waits for any more ends before the next request begins.
    devices: Arc<Mutex<()>>,
    /// Why the last request failed.
    failure: Option<String>,
    probe: Option<JoinHandle<()>>,
}

#[derive(Clone, Debug, Default)]
struct Step {
    text: String,
    resetting: bool,
    /// No further device is asked.
    last: bool,
}

impl Fencer {
    pub(super) fn new(runner: &Runner) -> Fencer {
        Fencer {
            runner: runner.clone(),
            number: 0,
            task: None,
            step: watch::Sender::default(),
            devices: Arc::default(),
            failure: None,
            probe: None,
        }
    }

    /// Cuts a node off; what comes of it is told as [`News::Fenced`]. An earlier request is given up.
    pub(super) fn begin(&mut self, devices: &[StonithDevice], node: String) {
        self.give_up();
        let (number, runner, devices) = (self.number, self.runner.clone(), devices.to_vec());
        let (step, ours) = (self.step.clone(), self.devices.clone());
        self.task = Some(tokio::spawn(async move {
            let _ours = ours.lock().await;
            let result =
                if runner.disabled { Ok(()) } else { cut_off(&runner, &devices, &node, &step).await };
            // The receiver lives as long as the program.
            let _ = runner.news.send(News::Fenced { number, node, result });
        }));
    }

    /// Takes the end of a request; whether it is the one that counts.
    pub(super) fn ended(&mut self, number: u64, result: &Result<(), String>) -> bool {
        if number != self.number {
            return false;
        }
        self.task = None;
        self.failure = result.as_ref().err().cloned();
        self.step = watch::Sender::default();
        true
    }

    /// Nobody waits for it any more.
    pub(super) fn not_needed(&mut self) {
        self.failure = None;
        if self.task.is_some() {
            self.give_up();
        }
    }

    /// Other devices are configured. A reset that has begun may still be the one that is waited for.
    pub(super) fn replace(&mut self, devices: &[StonithDevice], node: Option<String>) {
        if self.task.is_none() {
            return;
        }
        match node {
            Some(node) if !devices.is_empty() && !self.end_soon() => self.begin(devices, node),
            _ => {}
        }
    }

    /// Whether a reset has begun, whoever waits for it.
    pub(super) fn is_busy(&self) -> bool {
        self.step.borrow().resetting || self.task.is_none() && self.devices.try_lock().is_err()
    }

    /// Waits until a reset that has begun is over; nothing else is.
    pub(super) async fn end(&mut self) {
        self.give_up();
        let _ = tokio::time::timeout(device::RESET_LIMIT, self.devices.lock()).await;
    }

    /// Ends after the reset that has begun; whether one has.
    fn end_soon(&self) -> bool {
        self.step.send_if_modified(|step| {
            step.last = true;
            step.resetting
        })
    }

    fn give_up(&mut self) {
        self.number += 1; // its end may be on its way
        if let Some(task) = self.task.take() {
            if !self.end_soon() {
                task.abort();
            }
        }
        self.step = watch::Sender::default();
    }

    /// What people have to know while resources wait for it.
    pub(super) fn sentence(&self, node: &str, failures: u32) -> String {
        let step = self.step.borrow().text.clone();
        let tried = match (failures, &self.failure) {
            (0, _) => String::new(),
            (count, failure) => {
                let attempts = if count == 1 { "attempt" } else { "attempts" };
                let why = failure.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                format!(" ({count} {attempts} failed{why})")
            }
        };
        let now = if step.is_empty() { String::new() } else { format!("; {step}") };
        format!("waiting for fencing of {node}{tried}{now}")
    }

    /// Asks the devices of a plan, now and from time to time, whether they would work: that none does is better known
    /// before it is needed.
    pub(super) fn probe(&mut self, plan: &Plan) {
        if let Some(before) = self.probe.take() {
            before.abort();
        }
        let peer = plan.nodes.iter().find(|name| **name != plan.node).cloned();
        let (Some(peer), false, false) = (peer, plan.stonith.is_empty(), self.runner.disabled) else {
            return;
        };
        let (runner, devices) = (self.runner.clone(), plan.stonith.clone());
        self.probe = Some(tokio::spawn(async move {
            loop {
                for device in &devices {
                    probe(&runner, device, &peer).await;
                }
                tokio::time::sleep(PROBE_INTERVAL).await;
            }
        }));
    }
}

async fn probe(runner: &Runner, device: &StonithDevice, peer: &str) {
    let kind = &device.kind;
    match device::check(runner, device, peer).await {
        Ok(()) => tracing::info!("stonith device {kind} works, and can reset {peer}"),
        Err(why) => {
            let text = format!(
                "stonith device {kind} cannot reset {peer}: {why}; should {peer} fail, its resources would wait"
            );
            tracing::error!("{text}");
            let _ = runner.news.send(News::Said(Severity::Error, text));
        }
    }
}

/// Tries each device; why none has done it.
async fn cut_off(
    runner: &Runner,
    devices: &[StonithDevice],
    node: &str,
    step: &watch::Sender<Step>,
) -> Result<(), String> {
    let mut failures = Vec::new();
    for device in devices {
        let kind = &device.kind;
        announce(runner, device, node, step);
        // a person may be told at any time that it is not needed
        let go = || device.is_manual() || step.send_if_modified(begin_reset);
        match device::reset(runner, device, node, go).await {
            Ok(()) => {
                tracing::info!("[{kind}] has reset node {node}");
                return Ok(());
            }
            Err(why) => {
                tracing::error!("Host {node} not reset! [{kind}]: {why}");
                failures.push(format!("{kind}: {why}"));
            }
        }
        if step.borrow().last {
            break;
        }
    }
    Err(if failures.is_empty() { "no device is configured".to_owned() } else { failures.join("; ") })
}

/// Whether the reset may begin. From then on it is not given up.
fn begin_reset(step: &mut Step) -> bool {
    step.resetting = !step.last;
    step.resetting
}

/// Says which device is at work.
fn announce(runner: &Runner, device: &StonithDevice, node: &str, step: &watch::Sender<Step>) {
    let kind = &device.kind;
    let text = match device.is_manual() {
        true => format!(
            "OPERATOR INTERVENTION REQUIRED: switch {node} off, then confirm that with \"meatclient -c {node}\""
        ),
        false => format!("{kind} is resetting it"),
    };
    if device.is_manual() {
        tracing::error!("{text}");
        let _ = runner.news.send(News::Said(Severity::Error, text.clone()));
    } else {
        tracing::info!("Resetting node {node} with [{kind}]");
    }
    step.send_modify(|step| (step.text, step.resetting) = (text, false));
}

#[cfg(test)]
mod tests;
