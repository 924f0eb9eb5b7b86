//! `ldirectord` and `directord`: the suite's own director daemon, found beside this program.

use super::{Settings, script};
use crate::haresources::Resource;
use crate::order::{Action, Outcome};
use daemon::process::Ending;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The director's program, or `None` if it is not installed; then a script of the resource's name is used.
pub(super) fn program() -> Option<PathBuf> {
    daemon::sibling::find("directord")
}

/// Starts or stops a director.
pub(super) fn change(settings: &Settings, resource: &Resource, action: Action) -> (Outcome, String) {
    let Some(program) = program() else { return script::change(settings, resource, action) };
    if action == Action::Start && running(settings, &program, resource).0 {
        return (Outcome::Already, "directord is running".to_owned());
    }
    let limit = settings.limit(action);
    script::ended(
        &script::run(command(settings, &program, resource, action), &resource.text, action, limit),
        limit,
    )
}

/// Whether a director runs, and what it said.
pub(super) fn status(settings: &Settings, resource: &Resource) -> (bool, String) {
    match program() {
        Some(program) => running(settings, &program, resource),
        None => script::status(settings, resource),
    }
}

/// Unlike a script's, its exit code tells the truth (LSB: 0 is running).
fn running(settings: &Settings, program: &Path, resource: &Resource) -> (bool, String) {
    let (action, limit) = (Action::Status, settings.limit(Action::Status));
    let finished = script::run(command(settings, program, resource, action), &resource.text, action, limit);
    let said = script::last_line(&finished.output).or_else(|| script::last_line(&finished.errors));
    let said = said.unwrap_or_else(|| script::ended(&finished, limit).1);
    (finished.ending == Ending::Exited(0), said)
}

/// Folders are named only where they are not the usual ones, so that the director's own defaults hold.
fn command(settings: &Settings, program: &Path, resource: &Resource, action: Action) -> Command {
    let mut command = Command::new(program);
    if settings.config_dir != Path::new(crate::CONFIG_DIR) {
        command.arg("--config-dir").arg(&settings.config_dir);
    }
    if settings.run_dir != Path::new(crate::RUN_DIR) {
        command.arg("--run-dir").arg(&settings.run_dir);
    }
    command.args(&resource.arguments).arg(script::verb(action)).current_dir("/");
    settings.environment(&mut command);
    command
}
