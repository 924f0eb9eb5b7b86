//! `ldirectord` and `directord`: the suite's own director daemon.
//!
//! One that runs on standby is told over its control socket, which takes a millisecond ([`at_once`]). Everything else
//! is done by the program beside this one: a cold start and its end, and what a daemon that has died has left, or one
//! that stands still does not do.
//!
//! Nothing of a group waits for a director that stands still: the addresses that were taken before it are announced on,
//! and a take that is not wanted any more ends at once.

use super::{Settings, script};
use crate::cancel;
use crate::haresources::Resource;
use crate::order::{Action, Outcome};
use daemon::control::{Client, RequestError, Waited, request};
use daemon::process::Ending;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tracing::warn;

/// How long an answer is waited for that a daemon always has ready.
const READY_LIMIT: Duration = Duration::from_secs(2);
/// How long its work on the kernel's table is waited for, before the program has to see to it: most of that is the first
/// verdicts of a configuration that it has just read.
const WORK_LIMIT: Duration = Duration::from_secs(5);
/// Who has waited so long has something else to do meanwhile. By then the first repeated announcement is due.
const SOON: Duration = Duration::from_millis(10);

/// What the daemon is asked: of `directord::control::Question`, what is needed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
enum Question {
    Mode,
    Activate,
    Deactivate,
}

/// What it answers, of `directord::control::Answer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
enum Answer {
    End,
    Mode { standby: bool, active: bool },
    Refused { why: String },
}

/// The director's program, or `None` if it is not installed; then a script of the resource's name is used.
pub(super) fn program() -> Option<PathBuf> {
    daemon::sibling::find("directord")
}

/// Activates or releases a director that was started for standby. `None` if there is none, or if it does not answer:
/// then [`change`] is needed. `meanwhile` is called as soon as this takes longer than a moment.
pub(super) fn at_once(
    settings: &Settings,
    resource: &Resource,
    action: Action,
    meanwhile: impl FnMut(),
) -> Option<(Outcome, String)> {
    let socket = socket(settings, resource)?;
    let mut asking = Asking { socket: &socket, action, meanwhile };
    match asking.told(settings) {
        Ok(outcome) => outcome,
        Err(Unanswered::NotWanted) => {
            Some((Outcome::Failed, "no longer wanted here while it was waited for".to_owned()))
        }
        // Without a trace of a daemon there is no service here, and nothing to tell.
        Err(Unanswered::Failed(RequestError::NotRunning)) if !socket.exists() => None,
        Err(Unanswered::Failed(error)) => {
            let how = if action == Action::Start { "a cold start is tried" } else { "it is stopped" };
            warn!("{}: the director that was here does not answer, so {how}: {error}", resource.text);
            None
        }
    }
}

/// What a daemon is asked for, and by whom.
struct Asking<'a, F> {
    socket: &'a Path,
    action: Action,
    meanwhile: F,
}

/// Why there is no answer.
enum Unanswered {
    /// What is being taken is not wanted here any more.
    NotWanted,
    Failed(RequestError),
}

impl From<RequestError> for Unanswered {
    fn from(error: RequestError) -> Unanswered {
        Unanswered::Failed(error)
    }
}

impl<F: FnMut()> Asking<'_, F> {
    fn told(&mut self, settings: &Settings) -> Result<Option<(Outcome, String)>, Unanswered> {
        let mode = self.ask(Question::Mode, settings.status_limit.min(READY_LIMIT))?;
        let (question, already) = match (mode, self.action) {
            (Answer::Mode { standby: true, active }, Action::Start) => (Question::Activate, active),
            (Answer::Mode { standby: true, active }, Action::Stop) => (Question::Deactivate, !active),
            // It was started by the program, or is older than these questions.
            _ => return Ok(None),
        };
        // Also if it is so already: its answer comes when the kernel's table is.
        Ok(match self.ask(question, settings.limit(self.action).min(WORK_LIMIT))? {
            Answer::End if already => Some((Outcome::Already, "directord was told before".to_owned())),
            Answer::End => Some((Outcome::Done, "by the director on standby".to_owned())),
            Answer::Refused { why } => Some((Outcome::Failed, why)),
            Answer::Mode { .. } => None,
        })
    }

    fn ask(&mut self, question: Question, limit: Duration) -> Result<Answer, Unanswered> {
        let deadline = Instant::now() + limit;
        let mut client = Client::connect(self.socket, limit)?;
        client.send(&question)?;
        loop {
            let wish = cancel::watched().filter(|_| self.action == Action::Start);
            let left = deadline.saturating_duration_since(Instant::now());
            match client.wait(left.min(SOON), wish)? {
                Waited::Answer => break,
                Waited::Other => return Err(Unanswered::NotWanted),
                Waited::Nothing if left.is_zero() => return Err(RequestError::TimedOut.into()),
                Waited::Nothing => (self.meanwhile)(),
            }
        }
        client.recv()?.ok_or_else(|| {
            RequestError::Garbled("the connection was closed without an answer".to_owned()).into()
        })
    }
}

/// Starts or stops a director by its program.
pub(super) fn change(settings: &Settings, resource: &Resource, action: Action) -> (Outcome, String) {
    let Some(program) = program() else { return script::change(settings, resource, action) };
    if action == Action::Start && asked(settings, &program, resource, true).0 == Ending::Exited(0) {
        return (Outcome::Already, "directord is running".to_owned());
    }
    if action == Action::Start && cancel::wished() {
        return (Outcome::Failed, "no longer wanted here while it was asked".to_owned());
    }
    let limit = settings.limit(action);
    let starts = action == Action::Start;
    script::ended(
        &script::run(command(settings, &program, resource, action), &resource.text, action, limit, starts),
        limit,
    )
}

/// Whether a director runs and is not on standby, and what it said. [`Outcome::Failed`] if it has died, or does not
/// answer: then its services may be in the kernel's table.
pub(super) fn status(settings: &Settings, resource: &Resource) -> (bool, Outcome, String) {
    let limit = settings.status_limit.min(READY_LIMIT);
    match socket(settings, resource).map(|socket| request(&socket, &Question::Mode, limit)) {
        Some(Ok(Answer::Mode { active: true, .. })) => {
            return (true, Outcome::Done, "directord is active".to_owned());
        }
        Some(Ok(Answer::Mode { active: false, .. })) => {
            return (false, Outcome::Done, "directord is on standby".to_owned());
        }
        _ => {}
    }
    let Some(program) = program() else {
        let (running, said) = script::status(settings, resource);
        return (running, Outcome::Done, said);
    };
    // Unlike a script's, its exit code tells the truth (LSB: 0 is running, 3 is not).
    match asked(settings, &program, resource, false) {
        (Ending::Exited(0), said) => (true, Outcome::Done, said),
        (Ending::Exited(3), said) => (false, Outcome::Done, said),
        (_, said) => (false, Outcome::Failed, said),
    }
}

/// `starts`: it ends early when what is being taken is not wanted any more.
fn asked(settings: &Settings, program: &Path, resource: &Resource, starts: bool) -> (Ending, String) {
    let (action, limit) = (Action::Status, settings.limit(Action::Status));
    let command = command(settings, program, resource, action);
    let finished = script::run(command, &resource.text, action, limit, starts);
    let said = script::last_line(&finished.output).or_else(|| script::last_line(&finished.errors));
    let said = said.unwrap_or_else(|| script::ended(&finished, limit).1);
    (finished.ending, said)
}

/// Where the daemon of a resource answers, as `directord::instance` has it; `None` for a command line of a kind that
/// only the program understands.
fn socket(settings: &Settings, resource: &Resource) -> Option<PathBuf> {
    let name = match resource.arguments.as_slice() {
        [] => "ldirectord".to_owned(),
        [config] => {
            Path::new(config).file_name().map_or(config.clone(), |name| name.to_string_lossy().into_owned())
        }
        _ => return None,
    };
    let run_dir = other_run_dir(settings).unwrap_or(Path::new("/run"));
    Some(run_dir.join("directord").join(format!("{name}.sock")))
}

fn other_run_dir(settings: &Settings) -> Option<&Path> {
    Some(settings.run_dir.as_path()).filter(|path| *path != Path::new(crate::RUN_DIR))
}

/// Folders are named only where they are not the usual ones, so that the director's own defaults hold.
fn command(settings: &Settings, program: &Path, resource: &Resource, action: Action) -> Command {
    let mut command = Command::new(program);
    if settings.config_dir != Path::new(crate::CONFIG_DIR) {
        command.arg("--config-dir").arg(&settings.config_dir);
    }
    if let Some(run_dir) = other_run_dir(settings) {
        command.arg("--run-dir").arg(run_dir);
    }
    // One that was started for standby goes on checking after a release.
    let verb = if action == Action::Stop { "deactivate" } else { script::verb(action) };
    command.args(&resource.arguments).arg(verb).current_dir("/");
    settings.environment(&mut command);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<T: Serialize>(value: &T) -> serde_json::Value {
        serde_json::to_value(value).unwrap()
    }

    #[test]
    fn question_and_answer_are_the_directors() {
        use directord::control as theirs;
        assert_eq!(words(&Question::Mode), words(&theirs::Question::Mode));
        assert_eq!(words(&Question::Activate), words(&theirs::Question::Activate));
        assert_eq!(words(&Question::Deactivate), words(&theirs::Question::Deactivate));
        let mode = theirs::Mode { standby: true, active: false };
        assert_eq!(words(&Answer::Mode { standby: true, active: false }), words(&theirs::Answer::Mode(mode)));
        assert_eq!(words(&Answer::End), words(&theirs::Answer::End));
        let why = "no".to_owned();
        assert_eq!(words(&Answer::Refused { why: why.clone() }), words(&theirs::Answer::Refused { why }));
    }

    #[test]
    fn the_socket_is_where_the_director_has_it() {
        let mut settings = Settings {
            config_dir: "/etc/ha.d".into(),
            run_dir: crate::RUN_DIR.into(),
            init_dir: "/etc/init.d".into(),
            script_limit: WORK_LIMIT,
            status_limit: READY_LIMIT,
            node: "alpha".into(),
        };
        for run_dir in ["/run", "/tmp/elsewhere"] {
            if run_dir != "/run" {
                settings.run_dir = run_dir.into();
            }
            for (text, word) in [
                ("ldirectord", None),
                ("ldirectord::ldirectord.cf", Some("ldirectord.cf")),
                ("directord::/srv/lvs/web.cf", Some("/srv/lvs/web.cf")),
            ] {
                let resource = Resource::parse(text).unwrap();
                let theirs =
                    directord::instance::Instance::new(word, Path::new("/etc/ha.d"), Path::new(run_dir));
                assert_eq!(socket(&settings, &resource), Some(theirs.socket), "{text}");
            }
        }
        let odd = Resource::parse("ldirectord::a.cf::b").unwrap();
        assert_eq!(socket(&settings, &odd), None);
    }
}
