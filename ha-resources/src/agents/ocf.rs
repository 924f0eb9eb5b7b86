//! OCF agents (Open Cluster Framework, resource agent API 1.0 and 1.1): the exit code says how it is, and the
//! meta-data which parameters there are and how much time an action needs.

mod metadata;

use super::built_in::{Ended, plain, temporary};
use super::script::{self, last_line};
use super::{Settings, child};
use crate::args::variable;
use crate::builtin::{Ocf, Parameters};
use crate::haresources::Resource;
use crate::order::{Action, Outcome};
use daemon::process::Ending;
use metadata::Metadata;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The longest that meta-data is waited for. Without it the usual limits hold.
const METADATA_LIMIT: Duration = Duration::from_secs(5);

/// Starts or stops an agent's instance. An agent that is to start what runs says that it has done so.
pub(super) fn change(settings: &Settings, ocf: &Ocf, resource: &Resource, action: Action) -> Ended {
    let path = match find(ocf) {
        Ok(path) => path,
        Err(why) if action == Action::Stop => return (Outcome::Already, format!("nothing to stop: {why}")),
        Err(why) => return (Outcome::Failed, why),
    };
    let advised =
        metadata(settings, &path, ocf, resource).and_then(|about| about.time_for(script::verb(action)));
    let limit = advised.unwrap_or_default().max(settings.limit(action));
    let finished = script::run(
        command(settings, &path, ocf, resource, script::verb(action), limit),
        &resource.text,
        action,
        limit,
        action == Action::Start,
    );
    let (outcome, detail) = match finished.ending {
        Ending::Exited(0) => return (Outcome::Done, String::new()),
        Ending::Exited(code) => (Outcome::Failed, explained(code, &finished)),
        _ => script::ended(&finished, limit),
    };
    if action != Action::Stop || outcome != Outcome::Failed {
        return (outcome, detail);
    }
    match status(settings, ocf, resource) {
        (false, Outcome::Done, _) => {
            (Outcome::Done, format!("{detail}; but its monitor says that it is not running"))
        }
        (_, _, said) => (outcome, format!("{detail}; and its monitor says: {said}")),
    }
}

/// Whether an instance runs, whether that is certain, and a sentence.
pub(super) fn status(settings: &Settings, ocf: &Ocf, resource: &Resource) -> (bool, Outcome, String) {
    let path = match find(ocf) {
        Ok(path) => path,
        Err(why) => return (false, Outcome::Done, why),
    };
    let limit = settings.status_limit;
    let finished = script::run(
        command(settings, &path, ocf, resource, "monitor", limit),
        &resource.text,
        Action::Status,
        limit,
        false,
    );
    match finished.ending {
        Ending::Exited(0) => (true, Outcome::Done, "it runs".to_owned()),
        Ending::Exited(8) => (true, Outcome::Done, "it runs, promoted".to_owned()),
        Ending::Exited(7) => (false, Outcome::Done, "it does not run".to_owned()),
        // It runs, but not well (OCF_DEGRADED, OCF_DEGRADED_PROMOTED).
        Ending::Exited(code @ (190 | 191)) => (true, Outcome::Done, explained(code, &finished)),
        Ending::Exited(code) => (false, Outcome::Failed, explained(code, &finished)),
        _ => (false, Outcome::Failed, script::ended(&finished, limit).1),
    }
}

/// The agent's file; otherwise why there is none, with a hint.
pub(super) fn find(ocf: &Ocf) -> Result<PathBuf, String> {
    let root = root();
    let providers = match &ocf.provider {
        Some(provider) => vec![provider.clone()],
        None => providers(&root),
    };
    let executable = |path: &PathBuf| {
        path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let paths = providers.iter().map(|provider| root.join(provider).join(&ocf.agent));
    if let Some(path) = paths.clone().find(executable) {
        return Ok(path);
    }
    let present: Vec<String> = providers.iter().flat_map(|provider| names(&root.join(provider))).collect();
    let hint = match config::nearest(&ocf.agent, present.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "Debian's package resource-agents has most of them".to_owned(),
    };
    let place = root.join(ocf.provider.as_deref().unwrap_or("heartbeat"));
    Err(format!("there is no OCF agent {:?} in {}; {hint}", ocf.agent, place.display()))
}

/// What its meta-data says against the parameters that are given: the piece it is about, what, and what helps.
pub(super) fn advice(settings: &Settings, ocf: &Ocf, resource: &Resource) -> Vec<(String, String, String)> {
    let Parameters::Given(given) = &ocf.parameters else { return Vec::new() };
    let about = find(ocf).ok().and_then(|path| metadata(settings, &path, ocf, resource));
    let Some(about) = about else { return Vec::new() };
    let mut problems = Vec::new();
    for (name, _) in given.iter().filter(|(name, _)| !about.knows(name)) {
        let help = match config::nearest(name, about.names()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("it has: {}", about.names().collect::<Vec<_>>().join(" ")),
        };
        problems.push((name.clone(), format!("the agent {} has no parameter {name}", ocf.agent), help));
    }
    for name in about.required().filter(|name| given.iter().all(|(known, _)| known != name)) {
        let message = format!("the agent {} needs the parameter {name}", ocf.agent);
        problems.push((String::new(), message, format!("add ::{name}=VALUE")));
    }
    problems
}

fn metadata(settings: &Settings, path: &Path, ocf: &Ocf, resource: &Resource) -> Option<Metadata> {
    let limit = METADATA_LIMIT;
    let command = command(settings, path, ocf, resource, "meta-data", limit);
    let finished = child::run(command, child::Errors::Apart, limit, false);
    Metadata::parse(&String::from_utf8_lossy(&finished.output))
}

fn command(
    settings: &Settings,
    path: &Path,
    ocf: &Ocf,
    resource: &Resource,
    action: &str,
    limit: Duration,
) -> Command {
    let mut command = match &ocf.parameters {
        Parameters::Given(given) => {
            let mut command = Command::new(path);
            command.arg(action);
            command.envs(given.iter().map(|(name, value)| (format!("OCF_RESKEY_{name}"), value)));
            command
        }
        // The file is a piece of shell script that sets variables.
        Parameters::File(instance) => {
            let file = settings.config_dir.join("conf/OCF").join(&ocf.agent).join(instance);
            let mut command = Command::new("/bin/sh");
            command
                .args(["-c", "set -a; . \"$1\" || exit 6; exec \"$2\" \"$3\"", "sh"])
                .arg(file)
                .arg(path)
                .arg(action);
            command
        }
    };
    let provider = path.parent().and_then(Path::file_name).unwrap_or_default();
    settings.environment(&mut command);
    command
        .current_dir("/")
        .env("OCF_ROOT", ocf_root())
        .env("OCF_RA_VERSION_MAJOR", "1")
        .env("OCF_RA_VERSION_MINOR", "0")
        .env("OCF_RESOURCE_TYPE", &ocf.agent)
        .env("OCF_RESOURCE_PROVIDER", provider)
        .env("OCF_RESOURCE_INSTANCE", plain(&resource.text))
        .env("OCF_RESKEY_CRM_meta_timeout", limit.as_millis().to_string());
    // The agents expect it to be there.
    let _ = fs::create_dir_all(temporary(settings));
    command
}

/// The exit codes of the API, in words, with the last thing that the agent said.
fn explained(code: i32, finished: &child::Finished) -> String {
    let meaning = match code {
        1 => "it failed",
        2 => "a parameter does not fit this machine",
        3 => "the agent cannot do that",
        4 => "not permitted",
        5 => "a program that the agent needs is not installed",
        6 => "the parameters are wrong",
        7 => "it does not run",
        8 => "it runs, promoted",
        9 => "it failed, promoted",
        190 => "it runs, but not well",
        191 => "it runs, promoted, but not well",
        _ => "an exit code that the OCF does not know",
    };
    let said = last_line(&finished.errors).or_else(|| last_line(&finished.output));
    let said = said.map(|line| format!(": {line}")).unwrap_or_default();
    format!("{meaning} (exit code {code}){said}")
}

fn ocf_root() -> PathBuf {
    variable("OCF_ROOT").unwrap_or_else(|| "/usr/lib/ocf".to_owned()).into()
}

fn root() -> PathBuf {
    ocf_root().join("resource.d")
}

/// `heartbeat` first: what the old scripts mean.
fn providers(root: &Path) -> Vec<String> {
    let mut all: Vec<String> = names(root);
    all.sort_unstable();
    all.sort_by_key(|name| name != "heartbeat");
    all
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| !name.starts_with('.')).collect()
}
