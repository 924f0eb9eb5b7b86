//! `cl_status watch`: the overview, kept up to date until somebody ends it.
//!
//! Every look asks the daemon anew, and what it does not answer is not shown: without an answer the screen says
//! "stopped" or "unknown" and why. On a terminal the screen is drawn again when its text has changed; elsewhere
//! (`| tee file`) it is written once per change, and mere passing of time is none.

use std::io;
use std::path::Path;
use std::time::Duration;

use daemon::screen::{self, Size};
use serde_json::json;

use super::{NoStatus, overview, status_of};
use crate::control::{Beats, Counters, Status};
use crate::tools::{Output, clean};

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(200);
/// A daemon that has not answered for so long is in no known state.
const PATIENCE: Duration = Duration::from_secs(1);
/// Events written where there is no terminal whose height would tell.
const EVENTS: usize = 10;
/// Events shown on a terminal that is too low for all else.
const FEWEST_EVENTS: usize = 3;

/// Watches until somebody ends it.
pub(super) fn run(run_dir: &Path, json: bool) -> Output {
    let mut last = None;
    let ended = screen::watch(INTERVAL, json, |size| {
        let status = status_of(run_dir, PATIENCE);
        if let Some(size) = size {
            return Ok(Some(fitting(&status, size)));
        }
        let state = status.as_ref().map(timeless).map_err(Clone::clone);
        if last.as_ref() == Some(&state) {
            return Ok(None);
        }
        last = Some(state);
        plain(&status, json).map(Some)
    });
    match ended {
        Ok(()) => Output::default(),
        Err(error) => Output::failure(super::UNKNOWN, format!("cl_status: the terminal fails: {error}\n")),
    }
}

/// What is a change when it differs: everything but what grows by itself.
fn timeless(status: &Status) -> Status {
    let mut status = status.clone();
    status.uptime_ms = 0;
    status.counters = Counters::default();
    status.beats = Beats::default();
    status.nodes.iter_mut().for_each(|node| node.silent_ms = node.silent_ms.map(|_| 0));
    status.groups.iter_mut().for_each(|group| group.for_ms = 0);
    status.events.iter_mut().for_each(|event| event.ago_ms = 0);
    status
}

fn plain(status: &Result<Status, NoStatus>, json: bool) -> io::Result<String> {
    let mut text = match (status, json) {
        (Ok(status), true) => serde_json::to_string(status).map_err(io::Error::other)?,
        (Err(reason), true) => {
            json!({ "running": reason.running(), "error": without_status(reason) }).to_string()
        }
        (status, false) => page(status, EVENTS),
    };
    text.push('\n'); // ends the line of JSON, and sets one screen apart from the next
    Ok(text)
}

fn page(status: &Result<Status, NoStatus>, events: usize) -> String {
    match status {
        Ok(status) => overview::render(status, events),
        Err(reason) => without_status(reason) + "\n",
    }
}

fn without_status(reason: &NoStatus) -> String {
    match reason {
        NoStatus::Stopped => "stopped: heartbeat does not run on this machine".to_owned(),
        NoStatus::TimedOut => {
            format!("unknown: the daemon runs, but did not answer within {} s", PATIENCE.as_secs())
        }
        NoStatus::Failed(reason) => format!("unknown: the daemon cannot be asked: {}", clean(reason)),
    }
}

/// The page with as many of the newest events as there is room for.
fn fitting(status: &Result<Status, NoStatus>, size: Size) -> String {
    let rest = page(status, 0).lines().count() + 3; // two rows of heading, one for the last row
    page(status, size.rows.saturating_sub(rest).max(FEWEST_EVENTS))
}

#[cfg(test)]
mod tests;
