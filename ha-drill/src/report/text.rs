//! The report for people.

use std::fmt::Write;

use heartbeatd::control::Severity;

use super::{Event, Node, Owners, Probe, Report};
use crate::outage::Verdict;

/// More events than this are not printed; they are in the JSON.
const EVENTS: usize = 200;

/// The whole report as text.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    // writing to a String cannot fail
    let _ = head(report, &mut text);
    let _ = body(report, &mut text);
    text
}

fn head(report: &Report, out: &mut String) -> std::fmt::Result {
    let on = report.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
    writeln!(out, "Drill: {}{on}, {}, began {}", report.action, report.address, report.began)?;
    writeln!(out, "Probed from {}", report.probed_from)?;
    if !report.command.is_empty() {
        writeln!(out, "Command: {}", report.command)?;
    }
    if let Some(failure) = &report.command_failed {
        writeln!(out, "The command FAILED: {failure}")?;
    }
    let verdict = match report.verdict {
        Verdict::Within => "WITHIN the limit",
        Verdict::Exceeded => "OVER the limit",
        Verdict::Unknown => "UNKNOWN",
    };
    writeln!(out, "\nVerdict: {verdict} ({:.0} ms)", report.max_outage_ms)?;
    report.reasons.iter().try_for_each(|reason| writeln!(out, "  {reason}"))
}

fn body(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\nWhat the client saw (outage: from the last answer before to the first after it)")?;
    report.probes.iter().try_for_each(|each| probe(each, out))?;
    owners(&report.owners, out)?;
    if !report.nodes.is_empty() {
        writeln!(out, "\nNodes")?;
        report.nodes.iter().try_for_each(|each| node(each, out))?;
        writeln!(
            out,
            "  Times are of the clock here: a node says how long ago something was, and its answer was made between question and arrival."
        )?;
    }
    writeln!(out, "\nTimeline, milliseconds since the action began")?;
    for each in report.events.iter().take(EVENTS) {
        event(each, out)?;
    }
    if report.events.len() > EVENTS {
        writeln!(out, "  ... and {} more", report.events.len() - EVENTS)?;
    }
    list("Now", &report.state, out)?;
    list("To undo it", &report.undo, out)?;
    list("To be known", &report.warnings, out)
}

fn probe(probe: &Probe, out: &mut String) -> std::fmt::Result {
    let Probe { name, interval_ms, answered, failed, unsent, .. } = probe;
    write!(out, "  {name:<12} {answered} answered, {failed} failed")?;
    if *unsent > 0 {
        write!(out, ", {unsent} could not be sent")?;
    }
    writeln!(out, " (one every {interval_ms:.0} ms)")?;
    for outage in &probe.outages {
        let end = if outage.ended { "" } else { ", not ended" };
        let (length, from, lost) = (outage.length_ms, outage.from_ms, outage.lost);
        writeln!(out, "    outage {length:.1} ms from {from:+.1} ms, {lost} lost{end}")?;
    }
    for span in &probe.unknown {
        writeln!(out, "    not known from {:+.1} to {:+.1} ms: nothing was sent", span.from_ms, span.to_ms)?;
    }
    for (reason, count) in &probe.failures {
        writeln!(out, "    {count} x {reason}")?;
    }
    Ok(())
}

fn owners(owners: &Owners, out: &mut String) -> std::fmt::Result {
    if let Some(why) = &owners.unknown {
        return writeln!(out, "  owner        not known: {why}");
    }
    let twice = match owners.duplicate_ms {
        Some(time) if time > 0.0 => format!("TWO ANSWERED FOR {time:.1} ms"),
        Some(_) => "never two at once".to_owned(),
        None => "not known".to_owned(),
    };
    writeln!(
        out,
        "  owner        {twice} (asked every {:.0} ms), {} announcements",
        owners.interval_ms, owners.announcements
    )?;
    for owned in &owners.tenures {
        let who = if owned.macs.is_empty() { "nobody".to_owned() } else { owned.macs.join(" and ") };
        writeln!(out, "    {:+.1} to {:+.1} ms: {who}", owned.when.from_ms, owned.when.to_ms)?;
    }
    Ok(())
}

fn node(node: &Node, out: &mut String) -> std::fmt::Result {
    write!(
        out,
        "  {:<12} {} answers, each within {:.1} to {:.1} ms",
        node.name, node.answers, node.quickest_ms, node.slowest_ms
    )?;
    if let Some(offset) = node.clock_offset_ms {
        write!(
            out,
            "; its wall clock is {:.1} ms {} ours (±{:.1} ms)",
            offset.abs(),
            if offset < 0.0 { "behind" } else { "ahead of" },
            node.clock_error_ms
        )?;
    }
    writeln!(out)?;
    for span in &node.silent {
        writeln!(out, "    no answer from {:+.0} to {:+.0} ms", span.from_ms, span.to_ms)?;
    }
    Ok(())
}

fn event(event: &Event, out: &mut String) -> std::fmt::Result {
    let half = (event.latest_ms - event.earliest_ms) / 2.0;
    let about = if half >= 0.5 { format!("±{half:.0}") } else { String::new() };
    let mark = match event.severity {
        Severity::Info => ' ',
        Severity::Warning => '!',
        Severity::Error => 'E',
    };
    writeln!(
        out,
        "  {:>+10.1} {about:<6} {mark} {:<8} {}",
        event.earliest_ms + half,
        event.source,
        event.text
    )
}

fn list(title: &str, lines: &[String], out: &mut String) -> std::fmt::Result {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    lines.iter().try_for_each(|line| writeln!(out, "  {line}"))
}
