//! Heartbeat's resource scripts and init scripts: `script arguments start|stop|status`.

use super::Settings;
use super::child::{self, Errors, Finished};
use crate::haresources::{Resource, native};
use crate::order::{Action, Outcome};
use daemon::process::Ending;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tracing::{debug, info};

/// The script of a resource: a regular, executable file in `resource.d` or in `/etc/init.d`; otherwise
/// why there is none, with a hint.
pub fn find(settings: &Settings, name: &str) -> Result<PathBuf, String> {
    let folders = [settings.resource_dir(), settings.init_dir.clone()];
    let mut useless = None;
    for folder in &folders {
        let path = folder.join(name);
        match path.metadata() {
            Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => return Ok(path),
            Ok(found) if found.is_file() => useless = Some(path),
            _ => {}
        }
    }
    if let Some(path) = useless {
        return Err(format!("{0} is not executable: chmod +x {0}", path.display()));
    }
    let present: Vec<String> = folders.iter().flat_map(|folder| names(folder)).collect();
    let known = present.iter().map(String::as_str).chain(native());
    let hint = match config::nearest(name, known) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => "install its package, or correct haresources".to_owned(),
    };
    let [resources, init] = folders;
    Err(format!("there is no script {name:?} in {} or {}; {hint}", resources.display(), init.display()))
}

/// The administrator's own script under the name of an agent that is built in. Debian's wrappers around OCF agents are
/// not meant, nor this program under that name.
pub(super) fn own(settings: &Settings, name: &str) -> Option<PathBuf> {
    let executable = |path: &Path| {
        path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let script = settings.resource_dir().join(name);
    if executable(&script) {
        let wraps = fs::read(&script).is_ok_and(|text| position(&text, b"ra_execocf").is_some());
        return Some(script).filter(|script| !wraps && !is_this_program(script));
    }
    Some(settings.init_dir.join(name)).filter(|script| executable(script))
}

fn is_this_program(path: &Path) -> bool {
    let target = path.canonicalize().ok();
    target.as_deref().and_then(Path::file_name).is_some_and(|name| name == "ha-resources")
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

/// Starts or stops a resource by its script.
pub fn change(settings: &Settings, resource: &Resource, action: Action) -> (Outcome, String) {
    let path = match find(settings, &resource.script) {
        Ok(path) => path,
        // What has no script here cannot have been started here, and waiting will not bring it.
        Err(why) if action == Action::Stop => return (Outcome::Already, format!("nothing to stop: {why}")),
        Err(why) => return (Outcome::Failed, why),
    };
    if action == Action::Start && status(settings, resource).0 {
        return (Outcome::Already, "its script says that it is running".to_owned());
    }
    let (outcome, detail) = ended(&call(settings, &path, resource, action), settings.limit(action));
    if action != Action::Stop || outcome != Outcome::Failed {
        return (outcome, detail);
    }
    // Many scripts call it a failure to stop what does not run.
    match status(settings, resource) {
        (false, _) => (Outcome::Done, format!("{detail}; but its script says that it is not running")),
        (true, _) => (outcome, format!("{detail}; and it is still running")),
    }
}

/// Whether a resource's script says that it is running, and what it said.
pub fn status(settings: &Settings, resource: &Resource) -> (bool, String) {
    let path = match find(settings, &resource.script) {
        Ok(path) => path,
        Err(why) => return (false, why),
    };
    let finished = call(settings, &path, resource, Action::Status);
    if matches!(finished.ending, Ending::TimedOut | Ending::NotStarted(_)) {
        return (false, ended(&finished, settings.limit(Action::Status)).1);
    }
    let said = last_line(&finished.output).unwrap_or_else(|| "its script said nothing".to_owned());
    (says_running(&finished.output), said)
}

/// Heartbeat's rule for the output of `status`. The exit code does not count: too many scripts, written
/// for this rule, always exit with 0.
fn says_running(output: &[u8]) -> bool {
    let any = |words: &[&[u8]]| words.iter().find_map(|word| position(output, word));
    // `*[Nn][Oo][Tt]\ *[Rr]unning*`
    let lower: Vec<u8> = output.iter().map(u8::to_ascii_lowercase).collect();
    let after_not = position(&lower, b"not ").and_then(|at| output.get(at + 4..)).unwrap_or_default();
    if position(after_not, b"running").or(position(after_not, b"Running")).is_some() {
        return false;
    }
    any(&[b"running", b"Running", b"OK"]).is_some()
}

fn position(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}

fn call(settings: &Settings, path: &Path, resource: &Resource, action: Action) -> Finished {
    let mut command = Command::new(path);
    command.args(&resource.arguments).arg(verb(action)).current_dir("/");
    settings.environment(&mut command);
    run(command, &resource.text, action, settings.limit(action), action == Action::Start)
}

/// Runs a prepared command and writes its output to the log. `starts`: it ends early when what is being taken is not
/// wanted any more.
pub(super) fn run(
    command: Command,
    resource: &str,
    action: Action,
    limit: Duration,
    starts: bool,
) -> Finished {
    let errors = if action == Action::Status { Errors::Apart } else { Errors::Together };
    debug!("running {command:?}");
    let finished = child::run(command, errors, limit, starts);
    for text in [&finished.output, &finished.errors] {
        for line in String::from_utf8_lossy(text).lines().filter(|line| !line.trim().is_empty()) {
            match action {
                Action::Status => debug!("{resource} status: {line}"),
                _ => info!("{resource} {}: {line}", verb(action)),
            }
        }
    }
    finished
}

pub(super) fn verb(action: Action) -> &'static str {
    match action {
        Action::Start => "start",
        Action::Stop => "stop",
        Action::Status => "status",
    }
}

/// The result of `start` or `stop`, with the last thing that the script said if it failed.
pub(super) fn ended(finished: &Finished, limit: Duration) -> (Outcome, String) {
    let (outcome, how) = match &finished.ending {
        Ending::Exited(0) => return (Outcome::Done, String::new()),
        Ending::Exited(code) => (Outcome::Failed, format!("exit code {code}")),
        Ending::Killed(signal) => (Outcome::Failed, format!("killed by signal {signal}")),
        Ending::TimedOut => {
            (Outcome::TimedOut, format!("not done after {} s, so it was killed", limit.as_secs_f32()))
        }
        Ending::NotStarted(why) => (Outcome::Failed, format!("cannot run {why}")),
    };
    let said = last_line(&finished.output).map(|line| format!(": {line}")).unwrap_or_default();
    (outcome, format!("{how}{said}"))
}

/// The last line with text, at most 200 characters, without control characters.
pub(super) fn last_line(output: &[u8]) -> Option<String> {
    let tail = output.get(output.len().saturating_sub(4096)..).unwrap_or(output);
    let text = String::from_utf8_lossy(tail);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(200).map(|c| if c.is_control() { '.' } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_rule_for_running() {
        for (output, running) in [
            ("foo is running", true),
            ("INFO: Running OK", true),
            ("Running", true),
            ("OK", true),
            ("foo is not running", false),
            ("foo is NOT running", false),
            ("Not currently Running", false),
            ("RUNNING", false),
            ("ok", false),
            ("stopped", false),
            ("", false),
            ("running\nbut bar is not\nrunning", true),
            ("bar is not there\nfoo is running", false),
            ("a knot running", false),
        ] {
            assert_eq!(says_running(output.as_bytes()), running, "{output:?}");
        }
        assert!(says_running(b"\xff\x00running\xfe"));
    }

    #[test]
    fn the_last_line_is_printable_and_short() {
        assert_eq!(last_line(b"a\n  b c \n\n").as_deref(), Some("b c"));
        assert_eq!(last_line(b"\xff\x1b[31mred").as_deref(), Some("\u{fffd}.[31mred"));
        assert_eq!(last_line(&[b'x'; 70_000]).map(|line| line.len()), Some(200));
        assert_eq!(last_line(b" \n\n"), None);
    }
}
