//! The program under other names: as a script of `resource.d`, and as heartbeat's `ResourceManager`.
//!
//! ```text
//! /etc/ha.d/resource.d/IPaddr2 192.0.2.10/24/eth0 start       a link to ha-resources: the agent of that name
//! /usr/share/heartbeat/ResourceManager listkeys alpha         a link to ha-resources: the same verbs
//! ```
//!
//! As a script it says what Debian's wrappers of heartbeat 3.0.6 say, with their exit codes (those of the OCF), so
//! that whoever reads the one can read the other.

use crate::agents::Agents;
use crate::args::Args;
use crate::builtin::BuiltIn;
use crate::haresources::Resource;
use crate::order::{Action, Outcome};
use clap::Parser;
use std::io::Write;
use std::path::Path;
use tracing::{error, info};

/// heartbeat's name for a program with these verbs.
pub const RESOURCE_MANAGER: &str = "ResourceManager";

/// OCF_ERR_GENERIC.
const FAILED: u8 = 1;
/// OCF_ERR_CONFIGURED.
const WRONG: u8 = 6;
/// OCF_NOT_RUNNING.
const STOPPED: u8 = 7;

/// The name by which a program is called.
pub fn name(called: &std::ffi::OsStr) -> &str {
    Path::new(called).file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Whether that is the name of an agent.
pub fn is_agent(name: &str) -> bool {
    matches!(name, "IPaddr" | "IPaddr2" | "IPv6addr") || BuiltIn::parse(name, &[]).is_some()
}

/// Does what a script of that name does; the exit code.
pub async fn run(agent: &str, words: &[String]) -> u8 {
    let Some((action, arguments)) = words.split_last() else { return usage(agent) };
    let action = match action.as_str() {
        "start" => Action::Start,
        "stop" => Action::Stop,
        "status" | "monitor" => Action::Status,
        _ => return usage(agent),
    };
    let text =
        std::iter::once(agent).chain(arguments.iter().map(String::as_str)).collect::<Vec<_>>().join("::");
    let resource = match Resource::parse(&text) {
        Ok(resource) => resource,
        Err(report) => {
            eprint!("{}", report.render());
            return told("ERROR:  Program is not configured", WRONG);
        }
    };
    // The folders and limits of the usual program.
    let mut agents = Agents::new(Args::parse_from(["ha-resources", "allkeys"]).settings());
    let code = ask(&mut agents, &resource, action).await;
    agents.repeat_announcements();
    code
}

async fn ask(agents: &mut Agents, resource: &Resource, action: Action) -> u8 {
    if action == Action::Status {
        let (running, done) = agents.status(resource).await;
        info!("{}: {}", resource.text, done.detail);
        return match (running, done.outcome) {
            (true, _) => told("INFO:  Running OK", 0),
            (false, Outcome::Done | Outcome::Already) => told("INFO:  Resource is stopped", STOPPED),
            (false, Outcome::Failed | Outcome::TimedOut) => failed(&done.detail),
        };
    }
    let done = agents.change(resource, action).await;
    match done.outcome {
        Outcome::Done | Outcome::Already => {
            info!("{}: {}", resource.text, done.detail);
            told("INFO:  Success", 0)
        }
        Outcome::Failed | Outcome::TimedOut => failed(&done.detail),
    }
}

fn failed(why: &str) -> u8 {
    error!("{why}");
    eprintln!("error: {why}");
    told("ERROR:  Generic error", FAILED)
}

/// Prints a line that scripts read; a reader that has gone away is no error.
fn told(line: &str, code: u8) -> u8 {
    let _ = writeln!(std::io::stdout(), "{line}");
    code
}

fn usage(agent: &str) -> u8 {
    let arguments = match agent {
        "IPaddr" | "IPaddr2" => "IP[/BITS[/INTERFACE[:LABEL][/BROADCAST]]]",
        "IPv6addr" => "IP[/BITS[/INTERFACE]]",
        _ => "[ARGUMENT]...",
    };
    eprintln!("usage: {agent} {arguments} start|stop|status|monitor");
    FAILED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(name(std::ffi::OsStr::new("/etc/ha.d/resource.d/IPaddr2")), "IPaddr2");
        for agent in
            ["IPaddr", "IPaddr2", "IPv6addr", "MailTo", "LVSSyncDaemonSwap", "Filesystem", "portblock"]
        {
            assert!(is_agent(agent), "{agent}");
        }
        for other in ["ha-resources", RESOURCE_MANAGER, "ldirectord", "", "ocfs2"] {
            assert!(!is_agent(other), "{other}");
        }
    }
}
