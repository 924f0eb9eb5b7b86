//! What each kind of device is asked: `stonith` of cluster-glue (stonith(8)), or a program of fence-agents, which reads
//! its options as `name=value` lines (FenceAgentAPI).

use super::program::{self, Said};
use crate::config::{StonithDevice, StonithParameters};
use crate::run::jobs::Runner;
use std::time::Duration;
use tokio::process::Command;

/// A status, a list of hosts.
const ASK_LIMIT: Duration = Duration::from_secs(60);
/// A reset: switching off, waiting until that is seen, switching on.
pub(super) const RESET_LIMIT: Duration = Duration::from_secs(180);
/// A file of parameters has no more than this.
const LONGEST_FILE: usize = 64 * 1024;

/// Whether the device works, and `node` is one that it can reset.
pub(super) async fn check(runner: &Runner, device: &StonithDevice, node: &str) -> Result<(), String> {
    if device.is_fence_agent() {
        let said = fence_agent(runner, device, node, "monitor", ASK_LIMIT).await?;
        return said.succeeded();
    }
    let said = stonith(runner, device, &["-l", "-S"], Some(ASK_LIMIT)).await?;
    said.succeeded()?;
    let mut hosts = said.stdout.split_whitespace();
    if hosts.any(|host| host.eq_ignore_ascii_case(node)) {
        return Ok(());
    }
    let hosts: Vec<&str> = said.stdout.split_whitespace().collect();
    Err(format!("it resets only these hosts: {}", hosts.join(" ")))
}

/// Resets the node; the device says that this is done, or why not. The last question before anything is switched is `go`:
/// whether the node is still to be reset.
pub(super) async fn reset(
    runner: &Runner,
    device: &StonithDevice,
    node: &str,
    go: impl Fn() -> bool,
) -> Result<(), String> {
    if !device.is_fence_agent() {
        // some devices say "done" for hosts that they do not know
        check(runner, device, node).await?;
    }
    if !go() {
        return Err("it is not needed any more".to_owned());
    }
    if device.is_fence_agent() {
        return fence_agent(runner, device, node, "reboot", RESET_LIMIT).await?.succeeded();
    }
    let limit = (!device.is_manual()).then_some(RESET_LIMIT);
    stonith(runner, device, &["-T", "reset", node], limit).await?.succeeded()
}

async fn stonith(
    runner: &Runner,
    device: &StonithDevice,
    ask: &[&str],
    limit: Option<Duration>,
) -> Result<Said, String> {
    let mut command = command(runner, "stonith");
    command.arg("-t").arg(&device.kind);
    let mut input = Vec::new();
    match &device.parameters {
        StonithParameters::File(file) => drop(command.arg("-F").arg(file)),
        // neither on the command line: everybody can read those
        StonithParameters::Line(line) => match named(line) {
            Some(parameters) => drop(command.arg("-E").envs(parameters)),
            None => {
                command.arg("-F").arg("/dev/stdin");
                input = format!("{line}\n").into_bytes();
            }
        },
    }
    command.args(ask);
    program::run(command, input, limit).await
}

/// The parameters by name, if every word is `name=value`.
fn named(line: &str) -> Option<Vec<(&str, &str)>> {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let pairs = line.split_whitespace().map(|word| word.split_once('=').filter(|(name, _)| is_name(name)));
    pairs.collect::<Option<Vec<_>>>().filter(|pairs| !pairs.is_empty())
}

async fn fence_agent(
    runner: &Runner,
    device: &StonithDevice,
    node: &str,
    action: &str,
    limit: Duration,
) -> Result<Said, String> {
    let text = match &device.parameters {
        StonithParameters::Line(line) => line.clone(),
        StonithParameters::File(file) => {
            let shown = file.display();
            let path = file.clone();
            let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
            let bytes = read
                .unwrap_or_else(|error| Err(error.into()))
                .map_err(|error| format!("{shown}: {error}"))?;
            let bytes = bytes.get(..LONGEST_FILE).unwrap_or(&bytes);
            String::from_utf8_lossy(bytes).into_owned()
        }
    };
    let by_line = matches!(device.parameters, StonithParameters::File(_));
    program::run(command(runner, &device.kind), options(&text, by_line, node, action), Some(limit)).await
}

/// The lines for a program of fence-agents. An `action` of the administrator's replaces only `reboot`; the node goes by
/// its name unless a plug is named.
fn options(text: &str, by_line: bool, node: &str, action: &str) -> Vec<u8> {
    let words: Vec<&str> = match by_line {
        true => {
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
        }
        false => text.split_whitespace().collect(),
    };
    let has = |name: &str| words.iter().any(|word| word.split('=').next().map(str::trim) == Some(name));
    let replaced = has("action") && action != "reboot";
    let mut lines: Vec<String> = words
        .iter()
        .filter(|word| !replaced || word.split('=').next().map(str::trim) != Some("action"))
        .map(|word| (*word).to_owned())
        .collect();
    if replaced || !has("action") {
        lines.push(format!("action={action}"));
    }
    lines.push(format!("nodename={node}"));
    if !has("plug") && !has("port") {
        lines.push(format!("plug={node}"));
    }
    format!("{}\n", lines.join("\n")).into_bytes()
}

fn command(runner: &Runner, name: &str) -> Command {
    let mut command = Command::new(program::find(name));
    runner.prepare(&mut command);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_by_name_and_by_order() {
        assert_eq!(
            named("hostlist=beta  ipaddr=192.0.2.9 passwd=a=b"),
            Some(vec![("hostlist", "beta"), ("ipaddr", "192.0.2.9"), ("passwd", "a=b")])
        );
        for by_order in ["beta 192.0.2.9 admin pass=word", "=beta", "host-list=beta", "  "] {
            assert_eq!(named(by_order), None, "{by_order}");
        }
    }

    #[test]
    fn options_of_fence_agents() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(
            text(options("ip=192.0.2.9 lanplus=1", false, "beta", "reboot")),
            "ip=192.0.2.9\nlanplus=1\naction=reboot\nnodename=beta\nplug=beta\n"
        );
        let file = "# the switch\nip=192.0.2.9\npassword=two words\naction=off\nport=7\n";
        assert_eq!(
            text(options(file, true, "beta", "reboot")),
            "ip=192.0.2.9\npassword=two words\naction=off\nport=7\nnodename=beta\n"
        );
        assert_eq!(
            text(options(file, true, "beta", "monitor")),
            "ip=192.0.2.9\npassword=two words\nport=7\naction=monitor\nnodename=beta\n"
        );
    }
}
