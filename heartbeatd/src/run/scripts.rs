//! Scripts of `rc.d`: run when the status of a node or a link has changed, and for messages that mean nothing to this
//! program.
//!
//! ```text
//!  core ─ Action::Script ─► beat thread ─► shell ─► queue ─► one at a time, while no resource is being moved:
//!                                                            harc TYPE, which runs rc.d/TYPE; without harc rc.d/TYPE
//! ```
//!
//! Whatever a script does, and however long, nothing but the next script waits for it.

use super::child::Talker;
use super::environment::{self, Variables};
use crate::cluster::{self, NodeState};
use crate::wire::{Message, Value};
use rustix::fs::{Access, access};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Scripts that wait for their turn; more are dropped.
const QUEUE: usize = 64;
/// What a script may take, and what it waits for resources at most.
const LIMIT: Duration = Duration::from_secs(60);
/// heartbeat 3.0.6 runs nothing for a longer type.
const LONGEST_TYPE: usize = 31;
/// So much of a script is looked at.
const LARGEST_SCRIPT: u64 = 64 * 1024;
/// A message of more bytes is for no script: it would have to fit into an environment, and many may wait.
const LARGEST_MESSAGE: usize = 64 * 1024;
/// What a field takes besides its bytes, about.
const FIELD: usize = 64;
/// The types of heartbeat's own for which scripts are run; the core makes these messages.
const OWN_EVENTS: [&str; 2] = ["status", "ifstat"];
/// A `status` script that calls one of these takes a dead node's groups by itself.
const TAKE_GROUPS: [&str; 3] = ["mach_down", "ResourceManager", "req_resource"];

/// The way to the scripts; they end with it.
#[derive(Debug)]
pub(super) struct Scripts {
    queue: mpsc::Sender<Call>,
    /// Resources are being moved.
    moving: watch::Sender<bool>,
    dropped: u64,
    task: JoinHandle<()>,
}

/// A script to run if it is there.
#[derive(Debug)]
struct Call {
    kind: String,
    config_dir: PathBuf,
    variables: Variables,
}

impl Scripts {
    /// Starts the task; inside a runtime.
    pub(super) fn start() -> Scripts {
        let (queue, calls) = mpsc::channel(QUEUE);
        let moving = watch::Sender::new(false);
        let task = tokio::spawn(work(calls, moving.subscribe()));
        Scripts { queue, moving, dropped: 0, task }
    }

    /// Says whether resources are being moved: that comes first.
    pub(super) fn moving(&self, moving: bool) {
        self.moving.send_if_modified(|was| std::mem::replace(was, moving) != moving);
    }

    /// Runs the script for a message, if there is one, with the environment of this configuration; `own` is this node's
    /// status.
    pub(super) fn run(&mut self, message: &Message, own: NodeState, config_dir: &Path, base: &Variables) {
        let kind = message.kind().to_ascii_lowercase();
        if !is_name(&kind) || !may_run(message.kind()) {
            return;
        }
        let variables = environment::of_message(base, message, own.word());
        let call = Call { kind, config_dir: config_dir.to_owned(), variables };
        match self.queue.try_send(call) {
            Ok(()) => self.dropped = 0,
            Err(_) => {
                if self.dropped == 0 {
                    let kind = message.kind();
                    tracing::warn!(
                        "{QUEUE} scripts of rc.d wait for their turn: {kind} and more are dropped"
                    );
                }
                self.dropped += 1;
            }
        }
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why a script of `rc.d` is not run, whatever message comes; `None` for one that is.
pub fn why_not_run(config_dir: &Path, name: &str) -> Option<String> {
    if !is_name(name) || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(
            "its name is that of no message: small letters, digits and -_. are, up to 31".to_owned(),
        );
    }
    if !may_run(name) {
        return Some("heartbeatd does itself what it did".to_owned());
    }
    refused(&config_dir.join("rc.d").join(name), name)
}

/// Whether a message is too large for a script.
pub(super) fn is_too_large(message: &Message) -> bool {
    let length = |value: &Value| match value {
        Value::Text(bytes) | Value::Binary(bytes) | Value::Other { bytes, .. } => bytes.len(),
    };
    message.fields().map(|(name, value)| FIELD + name.len() + length(value)).sum::<usize>() > LARGEST_MESSAGE
}

/// Whether a type can be the name of a script: it comes from the network, and nothing but a file of `rc.d` is meant.
pub(super) fn is_name(kind: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=LONGEST_TYPE).contains(&kind.len()) && !kind.starts_with('.') && kind.bytes().all(known)
}

/// Whether a script may be run for messages of this type, as it was written. What heartbeat's other scripts would do
/// the daemon does itself.
fn may_run(kind: &str) -> bool {
    OWN_EVENTS.contains(&kind) || !cluster::is_native(kind)
}

async fn work(mut calls: mpsc::Receiver<Call>, mut moving: watch::Receiver<bool>) {
    // What was said about a script, so that it is said once.
    let mut said = BTreeSet::new();
    while let Some(call) = calls.recv().await {
        let (kind, config_dir) = (call.kind.clone(), call.config_dir.clone());
        let found = tokio::task::spawn_blocking(move || find(&config_dir, &kind)).await;
        match found {
            Ok(Ok(Some(program))) => {
                let _ = tokio::time::timeout(LIMIT, moving.wait_for(|moving| !moving)).await;
                run(&program, &call).await;
            }
            Ok(Err(why)) => {
                if said.insert(why.clone()) {
                    tracing::info!("{why}");
                }
            }
            Ok(Ok(None)) | Err(_) => {}
        }
    }
}

/// The program for a type: `harc` if it is there, which runs the script; `None` without a script. Why a script that is
/// there is not run is an error.
fn find(config_dir: &Path, kind: &str) -> Result<Option<PathBuf>, String> {
    let script = config_dir.join("rc.d").join(kind);
    if !script.is_file() {
        return Ok(None);
    }
    if let Some(why) = refused(&script, kind) {
        return Err(format!("{} is not run: {why}", script.display()));
    }
    let harc = config_dir.join("harc");
    Ok(Some(if access(&harc, Access::EXEC_OK).is_ok() { harc } else { script }))
}

/// What is in the way of a script that is there.
fn refused(script: &Path, kind: &str) -> Option<String> {
    if access(script, Access::EXEC_OK).is_err() {
        return Some("it is not executable".to_owned());
    }
    if kind != "status" {
        return None;
    }
    match takes_groups(script) {
        Ok(command) => command.map(|command| {
            format!(
                "it calls {command}, which takes groups that this daemon takes itself; without that call it would be run"
            )
        }),
        Err(error) => Some(error.to_string()),
    }
}

/// What a script calls that takes a dead node's groups, as the one of heartbeat 3.0.6 does.
fn takes_groups(script: &Path) -> io::Result<Option<&'static str>> {
    let mut text = Vec::new();
    fs::File::open(script)?.take(LARGEST_SCRIPT).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    Ok(TAKE_GROUPS.into_iter().find(|command| code.iter().any(|line| line.contains(command))))
}

async fn run(program: &Path, call: &Call) {
    let kind = &call.kind;
    let mut command = Command::new(program);
    command.arg(kind).envs(&call.variables);
    let mut child = match Talker::spawn(command, &format!("rc.d/{kind}")) {
        Ok(child) => child,
        Err(error) => return tracing::error!("{} {kind}: not started: {error}", program.display()),
    };
    match tokio::time::timeout(LIMIT, child.wait()).await {
        Ok(status) if status.success() => tracing::debug!("rc.d/{kind}: done"),
        Ok(status) => tracing::warn!("{} {kind}: {status}", program.display()),
        Err(_elapsed) => {
            tracing::error!("{} {kind}: still running after {} s: ended", program.display(), LIMIT.as_secs());
            child.end().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_script_of_heartbeat_does_what_the_daemon_does_itself() {
        for kind in ["status", "ifstat", "backup-done", "Backup-Done"] {
            assert!(may_run(kind), "{kind}");
        }
        for kind in
            ["STATUS", "IfStat", "ip-request-resp", "IP-Request-Resp", "ask_resources", "NS_x", "ns_x"]
        {
            assert!(!may_run(kind), "{kind}");
        }
    }

    #[test]
    fn why_a_script_is_not_run_is_known_beforehand() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("heartbeatd-scripts-{}", std::process::id()));
        fs::create_dir_all(folder.join("rc.d")).unwrap();
        let why = |name: &str, text: &str, mode: u32| {
            let path = folder.join("rc.d").join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let why = why_not_run(&folder, name);
            // the daemon looks for the name in small letters, and only for types that may be run
            if is_name(name) && may_run(name) && name == name.to_lowercase() {
                assert_eq!(find(&folder, name).is_err(), why.is_some(), "{name}");
            }
            why.unwrap_or_default()
        };
        assert_eq!(why("status", "#!/bin/sh\n# mach_down\n", 0o755), "");
        for command in TAKE_GROUPS {
            assert!(why("status", &format!("#!/bin/sh\n {command} x\n"), 0o755).contains(command));
        }
        assert_eq!(why("mine", "mach_down", 0o755), "", "only status is about dead nodes");
        assert_eq!(why("ifstat", "", 0o644), "it is not executable");
        assert!(why("ask_resources", "", 0o755).contains("itself"));
        assert!(why("Mine", "", 0o755).contains("name"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_message_that_fits_no_environment_is_for_no_script() {
        let mut message = Message::new("backup-done");
        message.push_text("list", "x".repeat(LARGEST_MESSAGE - 1000));
        assert!(!is_too_large(&message));
        let mut more = message.clone();
        assert!(is_too_large(more.push_binary("more", [0; 1000])));
        for _ in 0..20 {
            message.push_text("", "");
        }
        assert!(is_too_large(&message));
    }

    #[test]
    fn only_files_of_the_directory_can_be_named() {
        for kind in ["status", "my-event", "x_1.sh", &"a".repeat(31)] {
            assert!(is_name(kind), "{kind}");
        }
        for kind in ["", ".", "..", "../x", "a/b", "a b", "a\n", "ä", &"a".repeat(32)] {
            assert!(!is_name(kind), "{kind:?}");
        }
    }
}
