//! `check`: what is wrong with haresources, and what of it this machine does not have now.

use super::ask::say;
use super::{BAD_CONFIGURATION, Run};
use crate::address::Address;
use crate::haresources::{Group, Haresources, Kind, Resource};
use config::{Diagnostic, Level, Report, Span, nearest};
use std::collections::HashMap;
use std::net::IpAddr;
use tracing::{error, warn};

/// Agents that only tell somebody, or only wait: each group may have one of its own.
const STATELESS: [&str; 2] = ["AudibleAlarm", "WinPopup"];

impl Run {
    /// Exit code 6 for a file that is refused, or that names scripts which are not there.
    pub(super) async fn check(&mut self) -> u8 {
        let (file, mut report) = match self.read() {
            Ok(read) => read,
            Err(code) => return code,
        };
        // what an error stands for is not known, and nothing is to be said about it
        if !report.has_errors() {
            let interfaces = self.agents.interfaces().await;
            self.missing(&file, &interfaces, &mut report);
            twice(&file, &mut report);
        }
        eprint!("{}", report.render());
        for (diagnostic, line) in report.diagnostics().iter().zip(report.lines()) {
            match diagnostic.level {
                Level::Error => error!("{line}"),
                Level::Warning => warn!("{line}"),
            }
        }
        if report.has_errors() {
            return BAD_CONFIGURATION;
        }
        if !self.printer.json {
            say(&valid(&file, &report));
        }
        0
    }

    /// What is not on this machine: without a script the group never starts; the rest may come.
    fn missing(&self, file: &Haresources, interfaces: &[String], report: &mut Report) {
        if file.groups.is_empty() {
            let help = "write a line for each group: node 192.0.2.10/24/eth0 ldirectord::ldirectord.cf";
            report
                .push(Diagnostic::warning(None, "the file has no group: nothing is ever started").help(help));
        }
        for resource in file.groups.iter().flat_map(Group::resources) {
            if let Err(why) = self.agents.who(resource) {
                let (message, help) = why.split_once("; ").unwrap_or((&why, "the group cannot be started"));
                report.push(Diagnostic::error(part(resource, &resource.script), message).help(help));
            }
            for (piece, message, help) in self.agents.advice(resource) {
                report.push(Diagnostic::warning(part(resource, &piece), message).help(help));
            }
            if let Some(address) = resource.address() {
                report_interface(resource, address, interfaces, report);
            }
            if let Some(name) = self.agents.missing_director_file(resource) {
                let folder = self.settings.config_dir.display();
                let message = format!("there is no file {name} in {folder} or {folder}/conf");
                let help = "write it, or correct the name; without it the group cannot be started";
                report.push(Diagnostic::warning(part(resource, name), message).help(help));
            }
        }
    }
}

fn report_interface(resource: &Resource, address: &Address, interfaces: &[String], report: &mut Report) {
    let Some(name) = address.interface.as_ref().filter(|name| !interfaces.contains(name)) else { return };
    let help = match nearest(name, interfaces.iter().map(String::as_str)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("this machine has: {}", interfaces.join(" ")),
    };
    let message = format!("there is no network interface {name} on this machine now");
    report.push(Diagnostic::warning(part(resource, name), message).help(help));
}

/// What stands in the file twice: two nodes could hold it, or one group's stop ends it for the other.
fn twice(file: &Haresources, report: &mut Report) {
    let mut addresses = HashMap::<IpAddr, Span>::new();
    let mut scripts = HashMap::<(&str, &[String]), Span>::new();
    for resource in file.groups.iter().flat_map(Group::resources) {
        let (earlier, what, help) = match &resource.kind {
            Kind::Address(address) => (
                addresses.insert(address.ip, resource.span),
                format!("the address {}", address.ip),
                "an address belongs to one group: both nodes would hold it at the same time",
            ),
            Kind::BuiltIn(what) if what.stateless() => continue,
            _ if !STATELESS.contains(&resource.script.as_str()) => (
                scripts.insert((&resource.script, &resource.arguments), resource.span),
                format!("the resource {}", resource.text),
                "what is stopped with one group is then gone for the other, too",
            ),
            Kind::Script | Kind::BuiltIn(_) | Kind::Director => continue,
        };
        if let Some(earlier) = earlier {
            let line = report.source().position(earlier.start).line;
            let message = format!("{what} is in the file twice, in line {line} too");
            report.push(Diagnostic::warning(resource.span, message).help(help));
        }
    }
}

/// The place of the last such piece of a resource; of one that is written in two lines, the whole.
fn part(resource: &Resource, piece: &str) -> Span {
    let span = resource.span;
    match resource.text.rfind(piece).filter(|_| !piece.is_empty()) {
        Some(at) if span.end - span.start == resource.text.len() => {
            Span::new(span.start + at, span.start + at + piece.len())
        }
        _ => span,
    }
}

fn valid(file: &Haresources, report: &Report) -> String {
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let resources = file.groups.iter().map(Group::size).sum();
    format!(
        "{}: valid: {}, {}",
        report.source().name().display(),
        many(file.groups.len(), "group"),
        many(resources, "resource")
    )
}
