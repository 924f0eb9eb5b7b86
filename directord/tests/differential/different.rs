//! The deliberate differences of the two programs' tables, in one place. The destinations of a service that one of these
//! applies to are not compared; the service itself is.

use directord::check::{Dialogue, Kind};
use directord::config::{Check, Plan, VirtualService};
use ipvs::ServiceKey;

/// Whether a difference applies to a service of a plan; the last argument is the file.
type Applies = fn(&Plan, &VirtualService, &str) -> bool;

const DIFFERENT: &[(&str, Applies)] = &[
    ("ldirectord takes pop and pops without a login for up when they refuse connections", |_, service, _| {
        dialogues(service)
            .any(|dialogue| dialogue.service.name().starts_with("pop") && dialogue.login.is_empty())
    }),
    ("ldirectord takes ftp without receive for up when it refuses connections", |_, service, _| {
        dialogues(service).any(|dialogue| dialogue.service.name() == "ftp" && dialogue.receive.is_none())
    }),
    (
        "ldirectord takes a checkcommand with arguments for one path, and its servers for down",
        |_, service, _| {
            service
                .reals
                .iter()
                .any(|real| matches!(&real.check, Check::Probe(probe) if has_arguments(&probe.kind)))
        },
    ),
    (
        "ldirectord has no fallback for a mark if it is the global one: it calls ipvsadm with `-r :0`",
        |_, service, text| match service.service.key {
            ServiceKey::Fwmark { mark, .. } => {
                service.fallback.is_some() && !has_own_fallback(text, mark.get())
            }
            ServiceKey::Address { .. } => false,
        },
    ),
    (
        "ldirectord puts a quiescent server back without its thresholds, also one that the kernel refuses for them",
        |plan, service, _| {
            let refused = |to: &ipvs::Destination| to.upper_threshold == 0 && to.lower_threshold > 0;
            plan.settings.readd_quiescent
                && service.quiescent
                && service.reals.iter().any(|real| refused(&real.destination))
        },
    ),
    (
        "ldirectord forgets one of two sections that hold the same server with different checks: it lacks its weight 0",
        |plan, service, _| {
            let others = plan.services.iter().filter(|other| other.service.key != service.service.key);
            let mut theirs = others.flat_map(|other| &other.reals);
            theirs.any(|their| {
                let same = |real: &&directord::config::RealServer| real.shown() == their.shown();
                service
                    .reals
                    .iter()
                    .filter(same)
                    .any(|real| real.check != their.check || real.destination != their.destination)
            })
        },
    ),
];

/// What of a plan is not compared: each service as ipvsadm's options, and the reason.
pub fn in_plan(plan: &Plan, text: &str) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    for service in &plan.services {
        for (reason, applies) in DIFFERENT {
            if applies(plan, service, text) {
                found.push((ipvs::ipvsadm::service_options(&service.service.key), *reason));
            }
        }
    }
    found
}

/// Whether the section of this mark has a fallback of its own.
fn has_own_fallback(text: &str, mark: u32) -> bool {
    let is_of_mark = |head: &str| {
        let value = head.split_once('=').map_or("", |(_, value)| value);
        value.split_whitespace().next().is_some_and(|word| word == mark.to_string())
    };
    let is_fallback = |line: &str| {
        let rest = line.trim_start().strip_prefix("fallback");
        line.starts_with([' ', '\t']) && rest.is_some_and(|rest| !rest.starts_with("command"))
    };
    let mut sections = text.split("\nvirtual").map(str::lines);
    sections.any(|mut lines| lines.next().is_some_and(is_of_mark) && lines.any(is_fallback))
}

/// Whether an external check has arguments beside its own four.
fn has_arguments(kind: &Kind) -> bool {
    let Kind::External { command, .. } = kind else { return false };
    let program = if command.first().is_some_and(|word| word == "perl") { 2 } else { 1 };
    command.len() > program + 4
}

fn dialogues(service: &VirtualService) -> impl Iterator<Item = &Dialogue> {
    service.reals.iter().filter_map(|real| match &real.check {
        Check::Probe(probe) => dialogue(&probe.kind),
        _ => None,
    })
}

fn dialogue(kind: &Kind) -> Option<&Dialogue> {
    match kind {
        Kind::Dialogue(dialogue) => Some(dialogue),
        Kind::Combined { negotiate, .. } => dialogue(negotiate),
        _ => None,
    }
}
