//! What the configuration names and this machine does not have now. It may come later, so the daemon starts without most
//! of it; but who has mistyped a name learns of it before it matters.

use super::fence;
use crate::config::{self, MediumKind, Plan, Reading};
use crate::media;
use ::config::{Diagnostic, Level, Report, Source, nearest};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

const MEDIA: [&str; 7] = ["bcast", "udp", "ucast", "ucast6", "mcast", "mcast6", "serial"];

/// Everything that can be found out by a look: interfaces and serial lines, the watchdog, where logs are to be written.
/// An error stands for what keeps the daemon from starting. Empty for a refused configuration.
pub(super) fn missing(reading: &Reading) -> Report {
    let mut report = logs(reading);
    if let Some(plan) = &reading.plan {
        media(plan, &mut report);
        watchdog(plan, &mut report);
    }
    report
}

/// The folders of logs that are not there.
pub(super) fn logs(reading: &Reading) -> Report {
    let mut report = Report::new(source(reading));
    let Some(plan) = &reading.plan else { return report };
    for (directive, file) in [("logfile", &plan.log.file), ("debugfile", &plan.log.debug_file)] {
        let Some(file) = file else { continue };
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let Some(folder) = folder.filter(|folder| !folder.is_dir()) else { continue };
        let message = format!("{directive}: there is no directory {}", folder.display());
        let help = format!("mkdir -p {}; until then nothing is written there", folder.display());
        warn(&mut report, &[directive], &file.display().to_string(), message, help);
    }
    report
}

/// The types of stonith devices that nothing on this machine knows; runs `stonith -L`.
pub(super) fn stonith(reading: &Reading) -> Report {
    let mut report = Report::new(source(reading));
    let devices = reading.plan.iter().flat_map(|plan| &plan.stonith);
    let mut kinds: Vec<&str> = Vec::new();
    for device in devices {
        if !kinds.contains(&device.kind.as_str()) {
            kinds.push(&device.kind);
        }
    }
    let (agents, types): (Vec<&str>, Vec<&str>) =
        kinds.into_iter().partition(|kind| kind.starts_with("fence_"));
    let mut tell = |kind: &str, known: Result<Vec<String>, String>| {
        let (message, help) = match known {
            Ok(known) if known.iter().any(|name| name == kind) => return,
            Ok(known) => {
                let near = nearest(kind, known.iter().map(String::as_str));
                let help = near.map(|near| format!("did you mean \"{near}\"?"));
                let help = help.unwrap_or_else(|| "\"stonith -L\" lists the types of devices".to_owned());
                (format!("there is no stonith device of the type {kind} on this machine"), help)
            }
            Err(why) => {
                let help =
                    "install cluster-glue: without it a dead node's resources are not taken".to_owned();
                (format!("the stonith device {kind} cannot be used: {why}"), help)
            }
        };
        warn(&mut report, &["stonith", "stonith_host"], kind, message, help);
    };
    if !types.is_empty() {
        let known = fence::types();
        types.into_iter().for_each(|kind| tell(kind, known.clone()));
    }
    agents.into_iter().for_each(|kind| tell(kind, Ok(fence::agents())));
    report
}

fn media(plan: &Plan, report: &mut Report) {
    let states: Vec<_> = plan.media.iter().map(|medium| (medium, media::present(medium))).collect();
    let alone = states.iter().all(|(_, state)| state.is_err());
    let mut told = Vec::new();
    for (medium, state) in states {
        let Err(error) = state else { continue };
        let message = error.to_string();
        if told.contains(&message) {
            continue;
        }
        let serial = matches!(medium.kind, MediumKind::Serial { .. });
        let without = match (alone, serial) {
            (true, _) => "the daemon does not start before a medium can be opened",
            (false, true) => {
                "the daemon starts without it (heartbeat 3.0.6 refuses), and opens it when it comes"
            }
            (false, false) => "the daemon starts without it, and opens it when it comes",
        };
        let help = match serial {
            true => without.to_owned(),
            false => format!("{without}; interfaces here: {}", media::interfaces().join(" ")),
        };
        let level = if alone && serial { Level::Error } else { Level::Warning };
        let span = config::place(report.source(), &MEDIA, &medium.interface);
        let diagnostic = Diagnostic::warning(span, format!("{}: {message}", medium.interface));
        report.push(Diagnostic { level, ..diagnostic }.help(help));
        told.push(message);
    }
}

fn watchdog(plan: &Plan, report: &mut Report) {
    let Some(path) = &plan.watchdog else { return };
    let device = |path: &Path| path.metadata().is_ok_and(|meta| meta.file_type().is_char_device());
    if !device(path) {
        let path = path.display().to_string();
        let message = format!("there is no watchdog device {path}");
        let help = "\"modprobe softdog\" makes /dev/watchdog where the hardware has none; the daemon starts without it";
        warn(report, &["watchdog"], &path, message, help);
    }
}

fn warn(
    report: &mut Report,
    directives: &[&str],
    word: &str,
    message: impl Into<String>,
    help: impl Into<String>,
) {
    let span = config::place(report.source(), directives, word);
    report.push(Diagnostic::warning(span, message).help(help));
}

/// `ha.cf` as it was read.
fn source(reading: &Reading) -> Source {
    let report = reading.reports.iter().find(|report| report.source().name().ends_with("ha.cf"));
    report.map_or_else(|| Source::new("ha.cf", ""), |report| report.source().clone())
}
