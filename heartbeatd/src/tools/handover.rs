//! `hb_standby` and `hb_takeover`: ask the daemon to move resource groups between the nodes.
//!
//! The sets are named as this node sees them: `local` groups are homed here, `foreign` ones on the other node.
//! `failback` brings groups home: `hb_standby failback` gives away the foreign ones, `hb_takeover failback` takes
//! the local ones. (The `hb_takeover failback` of heartbeat 3.0.6 took all.)

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};
use daemon::control::RequestError;

use super::{Output, ask, clean, run_dir};
use crate::control::{self, Answer, Event, Group, GroupState, Request, Severity, Status, Which};

/// Exit code of both tools for every failure.
const FAILED: u8 = 1;
/// Between two looks at the daemon's state under `--wait`.
const LOOK: Duration = Duration::from_millis(100);
/// The status may be older than the request for so long: the daemon takes a picture of itself now and then.
const BEGIN: Duration = Duration::from_secs(1);

/// Which way the groups move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `hb_standby`: to the other node.
    Standby,
    /// `hb_takeover`: to this one.
    Takeover,
}

impl Direction {
    fn program(self) -> &'static str {
        match self {
            Self::Standby => "hb_standby",
            Self::Takeover => "hb_takeover",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Standby => "Give resource groups to the other node.",
            Self::Takeover => "Take resource groups from the other node.",
        }
    }

    fn request(self, set: Which) -> Request {
        match self {
            Self::Standby => Request::Standby { set },
            Self::Takeover => Request::Takeover { set },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    /// Every group
    All,
    /// Groups homed on the other node
    Foreign,
    /// Groups homed on this node
    Local,
    /// The groups homed on the node that gets them
    Failback,
}

impl Word {
    fn which(self, direction: Direction) -> Which {
        match (self, direction) {
            (Self::All, _) => Which::All,
            (Self::Foreign, _) | (Self::Failback, Direction::Standby) => Which::Foreign,
            (Self::Local, _) | (Self::Failback, Direction::Takeover) => Which::Local,
        }
    }
}

#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Which groups
    #[arg(value_enum, default_value = "all")]
    set: Word,
    /// Wait until they have moved, at most so long
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "60")]
    wait: Option<u32>,
    /// Run directory of the daemon [default: $HA_RUN_DIR or /run/heartbeat]
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
}

/// The command line of both tools, for those who describe it.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the tool; `arguments` begins with the program's name.
pub fn run(direction: Direction, arguments: impl IntoIterator<Item = OsString>) -> Output {
    let mut command = Arguments::command().name(direction.program()).about(direction.about());
    let parsed = command.try_get_matches_from_mut(joined(arguments));
    let arguments = match parsed.and_then(|found| Arguments::from_arg_matches(&found)) {
        Ok(arguments) => arguments,
        Err(error) => {
            let mut output = Output::usage(&error, FAILED);
            if output.code != 0 && !output.err.contains("Usage:") {
                output.err.push_str(&format!("\n{}\n", command.render_usage()));
            }
            return output;
        }
    };
    let set = arguments.set.which(direction);
    let run_dir = run_dir(arguments.run_dir);
    let moved = request(direction, set, &run_dir).and_then(|note| match arguments.wait {
        Some(seconds) => wait(direction, set, &run_dir, Duration::from_secs(seconds.into())),
        None => Ok(note),
    });
    match moved {
        Ok(note) => Output::success(format!("{note}\n")),
        Err(reason) => Output::failure(FAILED, format!("{}: {reason}\n", direction.program())),
    }
}

/// `--wait 5` is `--wait=5`: no set is a number, so nothing else can be meant.
fn joined(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    for argument in arguments {
        let number =
            argument.to_str().is_some_and(|text| text.starts_with(|first: char| first.is_ascii_digit()));
        match joined.last_mut() {
            Some(last) if number && last == "--wait" => {
                last.push("=");
                last.push(argument);
            }
            _ => joined.push(argument),
        }
    }
    joined
}

fn request(direction: Direction, set: Which, run_dir: &Path) -> Result<String, String> {
    match ask(run_dir, &direction.request(set)) {
        Ok(Answer::Accepted { note }) => Ok(clean(&note)),
        Ok(Answer::Refused { reason }) => Err(format!("refused: {}", clean(&reason))),
        Ok(Answer::Status(_)) => Err("the daemon answered something else".to_owned()),
        Err(error) => Err(silence(&error, run_dir)),
    }
}

fn silence(error: &RequestError, run_dir: &Path) -> String {
    format!("{error} ({})", control::socket(run_dir).display())
}

/// Looks again and again until the groups have moved.
fn wait(direction: Direction, set: Which, run_dir: &Path, limit: Duration) -> Result<String, String> {
    let asked = Instant::now();
    let deadline = asked + limit;
    let mut begun = false;
    loop {
        let status = match ask(run_dir, &Request::Status) {
            Ok(Answer::Status(status)) => status,
            Ok(_) => return Err("the daemon answered something else".to_owned()),
            Err(error) => return Err(silence(&error, run_dir)),
        };
        let progress = progress(direction, set, &status);
        begun |= progress == Progress::Moving;
        match progress {
            Progress::Moved => return Ok(summary(&status)),
            Progress::Failed(reason) if begun || asked.elapsed() >= BEGIN.min(limit) => {
                return Err(format!("{reason}{}", troubles(&status, asked.elapsed())));
            }
            Progress::Failed(_) => std::thread::sleep(LOOK), // the status is of before the request
            Progress::Moving if Instant::now() >= deadline => {
                let step = status.resources.standby.as_deref().unwrap_or("nothing has begun");
                let holds = status.resources.hold;
                let why = troubles(&status, asked.elapsed());
                return Err(format!(
                    "not done after {} s: {step}; this node holds {holds}{why}",
                    limit.as_secs()
                ));
            }
            Progress::Moving => std::thread::sleep(LOOK),
        }
    }
}

/// What has been warned of since the request, each on a line.
fn troubles(status: &Status, since: Duration) -> String {
    let ours =
        |event: &&Event| event.severity != Severity::Info && u128::from(event.ago_ms) <= since.as_millis();
    status.events.iter().filter(ours).map(|event| format!("\n  {}", clean(&event.text))).collect()
}

/// How far a move is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Not there yet.
    Moving,
    /// Everything is where it was asked to be.
    Moved,
    /// It came to rest otherwise, with the reason.
    Failed(String),
}

/// How far the move of `set` is, by the daemon's state.
pub fn progress(direction: Direction, set: Which, status: &Status) -> Progress {
    let resources = &status.resources;
    if resources.transition || resources.standby.is_some() {
        return Progress::Moving;
    }
    let home = |group: &&Group| match set {
        Which::All => true,
        Which::Local => group.home == status.node,
        Which::Foreign => group.home != status.node,
    };
    let failed = status.groups.iter().filter(home).filter(|group| group.state == GroupState::Failed);
    let failed: Vec<&str> = failed.map(|group| group.key.as_str()).collect();
    let (arrived, stays) = match direction {
        Direction::Standby => (resources.hold.has_none(set), true),
        // the other node begins when it has the message: until then nothing moves here
        Direction::Takeover => (resources.hold.has_all(set), false),
    };
    match (arrived, failed.is_empty()) {
        (true, true) => Progress::Moved,
        (true, false) => Progress::Failed(format!("failed: {}", failed.join(", "))),
        (false, _) if stays => {
            Progress::Failed(format!("the move was given up: this node holds {}", resources.hold))
        }
        (false, _) => Progress::Moving,
    }
}

/// Who holds what, in one line for each group.
fn summary(status: &Status) -> String {
    let line = |group: &Group| match &group.holder {
        Some(holder) => format!("{}: {} by {holder}", group.key, group.state),
        None => format!("{}: {}", group.key, group.state),
    };
    status.groups.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
