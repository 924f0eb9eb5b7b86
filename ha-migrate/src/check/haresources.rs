//! `haresources`: what each resource becomes.

use super::{Places, has_error, nodes};
use crate::finding::{FileFindings, Verdict};
use config::Report;
use ha_resources::agents::{Agents, Settings};
use ha_resources::haresources::{Kind, Resource, parse};
use std::path::PathBuf;
use std::time::Duration;

/// The scripts that Debian's heartbeat put into resource.d: they go when that package is purged.
const SHIPPED: [&str; 22] = [
    "AudibleAlarm",
    "Delay",
    "Filesystem",
    "ICP",
    "IPaddr",
    "IPaddr2",
    "IPsrcaddr",
    "IPv6addr",
    "LVM",
    "LinuxSCSI",
    "MailTo",
    "OCF",
    "Raid1",
    "SendArp",
    "ServeRAID",
    "WAS",
    "WinPopup",
    "Xinetd",
    "apache",
    "db2",
    "ids",
    "portblock",
];

/// Adds what the resource manager says, and what each resource becomes.
pub(super) fn judge(places: &Places, node: &str, report: &Report, file: &mut FileFindings) {
    let (groups, mut second) = parse(report.source().clone());
    let nodes = nodes(&places.directory);
    if !nodes.is_empty() {
        groups.check_nodes(&nodes, &mut second);
    }
    // What both parsers complain about, the node, is said once.
    for diagnostic in second.diagnostics() {
        let known = report.diagnostics().iter().any(|said| said.span == diagnostic.span);
        if !known {
            file.diagnostic(diagnostic);
        }
    }
    if groups.groups.is_empty() {
        file.add(Verdict::Look, None, None, "there is no group: nothing is ever started", None);
    }
    let agents = Agents::new(settings(places, node));
    for group in &groups.groups {
        let line = report.source().position(group.node_span.start).line;
        if has_error(report, line) || has_error(&second, line) {
            continue;
        }
        group.resources().for_each(|resource| judge_resource(&agents, resource, file));
    }
}

fn judge_resource(agents: &Agents, resource: &Resource, file: &mut FileFindings) {
    let (span, script) = (Some(resource.span), resource.script.as_str());
    let subject = Some(resource.text.as_str());
    match &resource.kind {
        Kind::Director => {
            if agents.missing_director_file(resource).is_some() {
                let message = "its configuration file is not beside this file, nor in conf";
                file.add(
                    Verdict::Look,
                    span,
                    subject,
                    message,
                    Some("the group cannot be started without it"),
                );
            }
            file.same(resource.span, &resource.text);
        }
        Kind::BuiltIn(_) if agents.who(resource).is_ok() => file.same(resource.span, &resource.text),
        Kind::BuiltIn(_) | Kind::Script => match agents.who(resource) {
            Ok(_) if SHIPPED.contains(&script) => {
                let message = "its script belongs to the old package heartbeat";
                let advice = "do not purge that package before the script is elsewhere: in resource.d under your own care, or built in (\"ha-resources check\" tells)";
                file.add(Verdict::Look, span, subject, message, Some(advice));
                file.same(resource.span, &resource.text);
            }
            Ok(_) => file.same(resource.span, &resource.text),
            Err(_) if SHIPPED.contains(&script) => {
                let message = "no such script is on this machine; Debian's package heartbeat brings one";
                let advice = "keep the package's resource.d, or copy the script";
                file.add(Verdict::Look, span, subject, message, Some(advice));
            }
            Err(why) => {
                let (message, help) =
                    why.split_once("; ").unwrap_or((&why, "the group cannot be started without it"));
                file.add(Verdict::Look, span, subject, message, Some(help));
            }
        },
        // built in
        _ => file.same(resource.span, &resource.text),
    }
}

fn settings(places: &Places, node: &str) -> Settings {
    Settings {
        config_dir: places.directory.clone(),
        run_dir: PathBuf::from(ha_resources::RUN_DIR),
        init_dir: places
            .directory
            .parent()
            .map_or_else(|| PathBuf::from("/etc/init.d"), |etc| etc.join("init.d")),
        script_limit: Duration::from_secs(60),
        status_limit: Duration::from_secs(20),
        node: node.to_owned(),
    }
}
