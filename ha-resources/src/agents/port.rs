//! Holding a port during a move, with nftables.
//!
//! While the table is there, packets for the port are dropped: a client tries again a moment later, where a machine
//! that has the address and not yet its service would have refused it.

use super::built_in::Ended;
use super::script::{self, ended};
use super::{Settings, child};
use crate::builtin::{PortBlock, Side};
use crate::haresources::Resource;
use crate::order::{Action, Outcome};
use daemon::process::Ending;
use std::process::Command;
use tracing::warn;

/// Starts or stops one half.
pub(super) fn change(settings: &Settings, block: &PortBlock, resource: &Resource, start: bool) -> Ended {
    let action = if start { Action::Start } else { Action::Stop };
    let dropping = (block.side == Side::Block) == start;
    let table = block.table();
    if !dropping && !drops(settings, block, resource) {
        return (Outcome::Already, "its port is not held".to_owned());
    }
    // In one transaction: what was there goes, and there is no moment without it.
    let rules = if dropping {
        format!("add table inet {table}\ndelete table inet {table}\n{}", block.rules())
    } else {
        format!("delete table inet {table}")
    };
    let limit = settings.limit(action);
    match ended(&nft(settings, &[&rules], resource, action), limit) {
        // The group has to be released, whether clients are refused meanwhile or not.
        (Outcome::Failed | Outcome::TimedOut, why) if !start && dropping => {
            warn!("{}: the port is not held: {why}", resource.text);
            (Outcome::Done, format!("the port is not held: {why}"))
        }
        (Outcome::Failed, why) => (Outcome::Failed, format!("{why}; nft is in the package nftables")),
        (outcome, _) => (outcome, if dropping { "held" } else { "let through" }.to_owned()),
    }
}

/// Whether the port is held now.
pub(super) fn drops(settings: &Settings, block: &PortBlock, resource: &Resource) -> bool {
    let table = block.table();
    nft(settings, &["list", "table", "inet", &table], resource, Action::Status).ending == Ending::Exited(0)
}

fn nft(settings: &Settings, words: &[&str], resource: &Resource, action: Action) -> child::Finished {
    let mut command = Command::new("nft");
    command.args(words).current_dir("/");
    settings.environment(&mut command);
    script::run(command, &resource.text, action, settings.limit(action), action == Action::Start)
}
