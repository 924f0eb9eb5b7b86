//! What is right in itself, but does not do what its author must have had in mind.

use super::resolve::note_once;
use super::{Builder, Section, value};
use crate::config::SCHEDULERS;
use crate::config::model::{CheckType, Setting};
use crate::config::value::Notes;
use config::{Diagnostic, Level};
use ipvs::{Family, Forwarding};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

impl Builder<'_> {
    /// Warns of a section that does nothing, or whose checks say nothing.
    pub(super) fn idle(&self, section: &Section, notes: &mut Notes) {
        // Where there are errors it may be one of them that leaves it without.
        if section.reals.is_empty() && !notes.iter().any(|note| note.level == Level::Error) {
            notes.push(
                Diagnostic::warning(section.span, "this virtual service has no real server")
                    .help("write real=ADDRESS:PORT gate, masq or ipip below it"),
            );
        }
        let external = section.check_type.as_ref().filter(|kind| is_external(kind.value));
        match (external, &section.check_command) {
            (Some(kind), None) => notes.push(
                Diagnostic::warning(kind.span, "without checkcommand every server is up: /bin/true is run")
                    .help("write checkcommand=PATH in the section"),
            ),
            (Some(kind), Some(command)) => missing_program(kind.value, command, notes),
            _ => {}
        }
    }

    /// Warns of directives without effect. What is written globally is not meant for every section.
    pub(super) fn without_effect(&self, section: &Section, notes: &mut Notes) {
        let shared = &section.shared;
        let external = value(&section.check_type).is_some_and(is_external);
        if let Some(weight) = shared.weight_from_check.as_ref().filter(|weight| weight.value && !external) {
            notes.push(
                Diagnostic::warning(
                    weight.span,
                    "weightfromcheck has no effect: only a program says a weight",
                )
                .help("it counts with checktype=external and external-perl"),
            );
        }
        if let Some(slow) = shared.slow_start.as_ref().filter(|slow| !slow.value.duration.is_zero()) {
            if !section.reals.is_empty() && section.reals.iter().all(|real| real.weight <= 1) {
                notes.push(
                    Diagnostic::warning(slow.span, "slowstart has no effect: a weight of 1 cannot grow")
                        .help("give the real servers weights of 10 or more"),
                );
            }
        }
        if let Some(keep) = shared.keep_last.as_ref().filter(|keep| keep.value) {
            let alone = matches!(section.reals.as_slice(), [real] if real.last.is_none());
            if alone {
                notes.push(
                    Diagnostic::warning(keep.span, "keeplast has no effect: there is only one real server")
                        .help("that a single server fails says nothing of this machine"),
                );
            }
        }
        if let (Some(flags), Some(scheduler)) = (&section.scheduler_flags, flagless(section)) {
            notes.push(
                Diagnostic::warning(
                    flags.span,
                    format!("schedflags has no effect: scheduler {scheduler} has no flags"),
                )
                .help("it counts with scheduler=sh and scheduler=mh; ipvsadm refuses the flags of other schedulers"),
            );
        }
    }

    /// Warns of what the kernel refuses or drops. ldirectord had only its log to say so, when it was in use.
    pub(super) fn refused_by_kernel(&self, section: &Section, notes: &mut Notes) {
        // One above the upper threshold is an error of the line; without one it is above 0, which is none.
        for real in section.reals.iter().filter(|real| real.lower > 0 && real.upper == 0) {
            let message = format!("the kernel refuses this server: l:{} without u:", real.lower);
            notes.push(
                Diagnostic::warning(real.host.span, message)
                    .help("write u: with the number of connections from which on it gets no new ones"),
            );
        }
        let fallback = section.shared.fallback.as_ref().or(match section.family {
            Family::V4 => self.config.shared.fallback.as_ref(),
            Family::V6 => section.shared.fallback6.as_ref().or(self.config.shared.fallback6.as_ref()),
        });
        let stays_here = |host: &Setting<String>, forwarding| {
            let address = host.value.parse::<IpAddr>();
            forwarding == Forwarding::Masquerade && address.is_ok_and(|address| address.is_loopback())
        };
        let real = section.reals.iter().find(|real| stays_here(&real.host, real.forwarding));
        let fallback = fallback.map(|fallback| &fallback.value);
        let fallback = fallback.filter(|fallback| stays_here(&fallback.host, fallback.forwarding));
        // One of the real servers stands for them all.
        for host in real.map(|real| &real.host).into_iter().chain(fallback.map(|fallback| &fallback.host)) {
            let warning = Diagnostic::warning(
                host.span,
                format!("with masq the kernel drops what other machines send to {}", host.value),
            )
            .help("write gate, and have the server listen on the virtual address or on all");
            note_once(notes, warning); // a global fallback is that of many sections
        }
    }
}

/// The scheduler, if it is one of the kernel's that looks at no flag.
fn flagless(section: &Section) -> Option<&str> {
    let scheduler = section.scheduler.as_ref().map_or("wrr", |scheduler| scheduler.value.as_str());
    (SCHEDULERS.contains(&scheduler) && !matches!(scheduler, "sh" | "mh")).then_some(scheduler)
}

fn is_external(kind: CheckType) -> bool {
    matches!(kind, CheckType::External | CheckType::ExternalPerl)
}

/// The program of a check: that it is missing is seen here, not when the first server is down.
fn missing_program(kind: CheckType, command: &Setting<String>, notes: &mut Notes) {
    let whole = Path::new(&command.value);
    let first = command.value.split_whitespace().next().unwrap_or("");
    let program = if whole.is_file() { whole } else { Path::new(first) };
    let executable = program.metadata().is_ok_and(|file| file.permissions().mode() & 0o111 != 0);
    let (problem, help) = if !program.is_absolute() {
        ("is not an absolute path, and checks run in /", "write the whole path")
    } else if !program.is_file() {
        ("does not exist, so every server is down", "check the path")
    } else if kind == CheckType::External && !executable {
        (
            "is not executable, so every server is down",
            "chmod +x, or checktype=external-perl for a Perl script",
        )
    } else {
        return;
    };
    notes.push(
        Diagnostic::warning(command.span, format!("checkcommand {} {problem}", program.display())).help(help),
    );
}
