//! `lvs_sync_daemon`: the kernel's synchronisation of connections, which follows an instance.

use super::super::Notes;
use super::super::pair::Pair;
use super::tree::Statement;

const ADVICE: &str = "write LVSSyncDaemonSwap::master::ID::INTERFACE into the group's line of haresources, before its addresses";

/// The resource that goes with a group of these instances.
pub(super) fn resource(
    statements: &[Statement],
    members: &[&Statement],
    notes: &mut Notes,
) -> Option<String> {
    if let Some((line, name)) = line(statements).and_then(|line| Some((line, instance(line)?))) {
        let member = members.iter().find(|member| member.value() == name)?;
        return written(line, Some(member), notes);
    }
    // older files have it in the instance
    let names = ["lvs_sync_daemon_interface", "lvs_sync_daemon_inteface"];
    let own = |member: &&Statement| names.iter().find_map(|name| member.find(name)).cloned();
    let (line, member) = members.iter().find_map(|member| Some((own(member)?, member)))?;
    written(&line, Some(member), notes)
}

/// Says what is left: a line that names no instance goes with the only group.
pub(super) fn rest(statements: &[Statement], pair: &mut Pair, notes: &mut Notes) {
    let Some(line) = line(statements) else { return };
    let taken =
        pair.groups.iter().any(|group| group.resources.iter().any(|each| each.starts_with("LVSSync")));
    match (pair.groups.as_mut_slice(), instance(line)) {
        _ if taken => {}
        ([group], None) => {
            if let Some(resource) = written(line, None, notes) {
                group.resources.insert(0, resource);
            }
        }
        (_, name) => {
            let message = match name {
                Some(name) => format!("no group has the instance {name}"),
                None => "names no instance, and there is not one group".to_owned(),
            };
            notes.lost(line.place, "lvs_sync_daemon", message, ADVICE);
        }
    }
}

fn line(statements: &[Statement]) -> Option<&Statement> {
    statements
        .iter()
        .filter(|each| each.name() == "global_defs")
        .find_map(|block| block.find("lvs_sync_daemon"))
}

/// `INTERFACE [[inst] INSTANCE] [id N] ...`
fn instance(line: &Statement) -> Option<&str> {
    match line.word(2) {
        "inst" => Some(line.word(3)),
        "" | "id" | "maxlen" | "port" | "ttl" | "group" => None,
        name => Some(name),
    }
}

/// In the words of haresources. Without an id keepalived takes the instance's router id.
fn written(line: &Statement, member: Option<&Statement>, notes: &mut Notes) -> Option<String> {
    let behind = |name: &str| {
        let at = line.words.iter().skip(2).position(|word| word == name)? + 2;
        Some(line.word(at + 1)).filter(|value| !value.is_empty())
    };
    let router =
        |member: &Statement| member.find("virtual_router_id").map_or("51", Statement::value).to_owned();
    let id = behind("id").map_or_else(|| member.map_or_else(|| "0".to_owned(), router), str::to_owned);
    if line.value().is_empty() {
        notes.lost(line.place, line.name(), "names no interface", ADVICE);
        return None;
    }
    let mut resource = format!("LVSSyncDaemonSwap::master::{id}::{}", line.value());
    for option in ["maxlen", "port", "ttl", "group"] {
        if let Some(value) = behind(option) {
            resource.push_str(&format!("::{option}={value}"));
        }
    }
    notes.same(line.place, line.name());
    Some(resource)
}
