//! systemd units, by systemctl: it waits for the unit's job, and here never longer than the limit.

use super::Settings;
use super::built_in::Ended;
use super::script::{self, last_line};
use crate::haresources::Resource;
use crate::order::{Action, Outcome};
use daemon::process::Ending;
use std::path::Path;
use std::process::Command;

/// Starts or stops a unit.
pub(super) fn change(settings: &Settings, unit: &str, resource: &Resource, action: Action) -> Ended {
    let starts = action == Action::Start;
    // As sd_booted(3) sees it.
    if !Path::new("/run/systemd/system").is_dir() {
        let why = "systemd is not the init system of this machine".to_owned();
        return (if starts { Outcome::Failed } else { Outcome::Already }, why);
    }
    match (show(settings, unit, resource, starts), action) {
        (Ok(state), Action::Start) if state.load == "not-found" || state.load == "masked" => {
            return (Outcome::Failed, format!("unit {unit} is {}", state.load));
        }
        (Ok(state), Action::Start) if state.active == "active" => {
            return (Outcome::Already, format!("{unit} is active"));
        }
        (Ok(state), Action::Stop) if state.load == "not-found" && state.active == "inactive" => {
            return (Outcome::Already, format!("there is no unit {unit}"));
        }
        // What it is does not matter: systemctl will say.
        _ => {}
    }
    let mut command = systemctl(settings);
    command.arg(script::verb(action)).arg("--").arg(unit);
    let limit = settings.limit(action);
    let finished = script::run(command, &resource.text, action, limit, starts);
    let (outcome, said) = script::ended(&finished, limit);
    if outcome == Outcome::Done {
        return (outcome, said);
    }
    match show(settings, unit, resource, starts) {
        Ok(state) if action == Action::Stop && state.rests() => {
            (Outcome::Done, format!("{said}; but {unit} is {}", state.active))
        }
        Ok(state) => (outcome, format!("{said}; {unit} is {} ({})", state.active, state.result)),
        Err(_) => (outcome, said),
    }
}

/// Whether a unit is active, whether that is certain, and a sentence.
pub(super) fn status(settings: &Settings, unit: &str, resource: &Resource) -> (bool, Outcome, String) {
    if !Path::new("/run/systemd/system").is_dir() {
        return (false, Outcome::Done, "systemd is not the init system of this machine".to_owned());
    }
    match show(settings, unit, resource, false) {
        Ok(state) => {
            let running = matches!(state.active.as_str(), "active" | "reloading");
            // On its way up or down it is neither.
            let outcome = if running || state.rests() { Outcome::Done } else { Outcome::Failed };
            let there = if state.load == "not-found" { ", there is no such unit" } else { "" };
            (running, outcome, format!("{unit} is {} ({}{there})", state.active, state.sub))
        }
        Err(why) => (false, Outcome::Failed, why),
    }
}

/// What is to be said about a unit before anything is started: whether it is there, and whether systemd would start
/// it by itself.
pub(super) fn advice(settings: &Settings, unit: &str, resource: &Resource) -> Option<(String, String)> {
    if !Path::new("/run/systemd/system").is_dir() {
        return None;
    }
    let state = show(settings, unit, resource, false).ok()?;
    let enabled = || {
        (
            format!("{unit} is enabled: systemd starts it at boot on both nodes"),
            format!("systemctl disable {unit}"),
        )
    };
    match state.load.as_str() {
        "not-found" | "masked" => Some((
            format!("unit {unit} is {}", state.load),
            "install its package, or correct the name".to_owned(),
        )),
        _ => (state.file == "enabled").then(enabled),
    }
}

/// Properties of systemd.unit(5), as systemctl shows them.
#[derive(Debug, Default, PartialEq, Eq)]
struct State {
    load: String,
    active: String,
    sub: String,
    result: String,
    file: String,
}

impl State {
    fn parse(text: &str) -> State {
        let mut state = State::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let place = match name {
                "LoadState" => &mut state.load,
                "ActiveState" => &mut state.active,
                "SubState" => &mut state.sub,
                "Result" => &mut state.result,
                "UnitFileState" => &mut state.file,
                _ => continue,
            };
            *place = value.to_owned();
        }
        state
    }

    fn rests(&self) -> bool {
        matches!(self.active.as_str(), "inactive" | "failed")
    }
}

fn show(settings: &Settings, unit: &str, resource: &Resource, starts: bool) -> Result<State, String> {
    let mut command = systemctl(settings);
    command.args(["show", "--property=LoadState,ActiveState,SubState,Result,UnitFileState", "--"]).arg(unit);
    let limit = settings.status_limit;
    let finished = script::run(command, &resource.text, Action::Status, limit, starts);
    match finished.ending {
        Ending::Exited(0) => Ok(State::parse(&String::from_utf8_lossy(&finished.output))),
        _ => Err(last_line(&finished.errors).unwrap_or_else(|| script::ended(&finished, limit).1)),
    }
}

fn systemctl(settings: &Settings) -> Command {
    let mut command = Command::new("systemctl");
    command.args(["--no-pager", "--no-ask-password"]).current_dir("/");
    settings.environment(&mut command);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_properties_of_a_unit() {
        let text = "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\nUnitFileState=enabled\nX\n=\n";
        let state = State::parse(text);
        assert_eq!(
            (state.load.as_str(), state.active.as_str(), state.result.as_str()),
            ("loaded", "failed", "exit-code")
        );
        assert!(state.rests() && state.file == "enabled");
        assert!(!State::parse("ActiveState=activating").rests() && !State::parse("").rests());
    }
}
