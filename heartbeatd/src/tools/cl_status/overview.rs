//! `cl_status status` and `watch`: everything at a glance.

use std::fmt::Write;

use crate::control::{
    AddressTrouble, Beats, Counters, Event, Group, GroupState, Node, NodeKind, NodeStatus, Severity, Status,
    Watchdog,
};
use crate::tools::{clean, span};

/// The page, for a terminal, with so many of the newest events.
pub(super) fn render(status: &Status, events: usize) -> String {
    let mut page = String::new();
    // writing into a string does not fail
    let _ = write_page(&mut page, status, events);
    page
}

fn write_page(page: &mut String, status: &Status, events: usize) -> std::fmt::Result {
    let up = span(status.uptime_ms);
    writeln!(page, "heartbeatd {} (pid {}) for {up}, {}", status.version, status.pid, status.phase)?;
    writeln!(page, "\nnodes")?;
    for node in &status.nodes {
        write_node(page, node, &status.node)?;
    }
    let resources = &status.resources;
    let moving = if resources.transition { ", in transition" } else { "" };
    let step = resources.standby.as_ref().map(|step| format!(", stand-by: {step}")).unwrap_or_default();
    let (hold, failback) = (resources.hold, &status.auto_failback);
    writeln!(page, "\nresources: this node holds {hold}{moving}{step}; auto_failback {failback}")?;
    if let Some(fencing) = &resources.fencing {
        writeln!(page, "  {}", clean(fencing))?;
    }
    for node in status.nodes.iter().filter(|node| node.differs.iter().any(|file| file == "haresources")) {
        let (name, me) = (&node.name, &status.node);
        writeln!(
            page,
            "  WARN: haresources differs on {name}: each node starts the groups of its own file; this is {me}'s"
        )?;
    }
    for group in &status.groups {
        write_group(page, group, status)?;
    }
    for trouble in &status.addresses {
        write_address(page, trouble)?;
    }
    if let Some(last) = &resources.last_request {
        writeln!(page, "  {}", clean(last))?;
    }
    if let Some(reason) = &resources.standby_refusal {
        writeln!(page, "  hb_standby would be refused: {}", clean(reason))?;
    }
    write_counters(page, &status.counters)?;
    write_beats(page, status)?;
    let newest = status.events.iter().skip(status.events.len().saturating_sub(events));
    if newest.len() > 0 {
        writeln!(page, "\nlast events")?;
    }
    for Event { ago_ms, severity, text } in newest {
        let mark = match severity {
            Severity::Info => "",
            Severity::Warning => "WARN: ",
            Severity::Error => "ERROR: ",
        };
        writeln!(page, "  {:>12} ago  {mark}{}", span(*ago_ms), clean(text))?;
    }
    Ok(())
}

fn write_node(page: &mut String, node: &Node, me: &str) -> std::fmt::Result {
    write!(page, "  {}: {}", node.name, node.status)?;
    if node.name == me {
        write!(page, ", this node")?;
    } else if node.kind == NodeKind::Ping {
        write!(page, ", ping node")?;
    } else {
        let heard = node.silent_ms.map(|silent| format!("heard {} ago", span(silent)));
        write!(page, ", {}", heard.unwrap_or_else(|| "never heard".to_owned()))?;
    }
    if !node.software.is_empty() {
        write!(page, ", {}", clean(&node.software))?;
    }
    if node.leaving {
        write!(page, ", stops")?;
    }
    for file in &node.differs {
        write!(page, ", {} differs", clean(file))?;
    }
    for link in &node.links {
        write!(page, "; {} {}", link.name, super::state(link.up))?;
    }
    writeln!(page)?;
    for (link, why) in node.links.iter().filter_map(|link| Some((link, link.why.as_ref()?))) {
        match node.name == me {
            true => writeln!(page, "      {}: {}", link.name, clean(why))?,
            false => writeln!(page, "      not heard on {}: {}", link.name, clean(why))?,
        }
    }
    Ok(())
}

fn write_group(page: &mut String, group: &Group, status: &Status) -> std::fmt::Result {
    let since = span(group.for_ms);
    write!(page, "  {} (home {}): ", group.key, group.home)?;
    match (group.state, &group.holder) {
        (GroupState::Held, Some(holder)) => {
            writeln!(page, "held by {holder} for {since}: {}", reason(group, holder, status))?;
        }
        (GroupState::Held, None) => writeln!(page, "held for {since}")?,
        (GroupState::Released, _) => writeln!(page, "held by nobody for {since}")?,
        (GroupState::Unknown, _) => writeln!(page, "unknown")?,
        (state, Some(holder)) => writeln!(page, "{state} on {holder} for {since}")?,
        (state, None) => writeln!(page, "{state} for {since}")?,
    }
    // the first one has been named already
    for resource in group.resources.iter().skip(1) {
        writeln!(page, "      {}", clean(resource))?;
    }
    if group.gone {
        writeln!(
            page,
            "      no longer in haresources; stopped as it was started, with the groups of {}",
            group.home
        )?;
    }
    if !group.started.is_empty() {
        let started = clean(&group.started.join(" "));
        writeln!(page, "      haresources was changed since the start here, which was of: {started}")?;
    }
    Ok(())
}

/// What happened to an address while nobody moved anything.
fn write_address(page: &mut String, trouble: &AddressTrouble) -> std::fmt::Result {
    let mark = if matches!(trouble.news.as_str(), "repaired" | "removed") { "WARN" } else { "ERROR" };
    let times = if trouble.count > 1 { format!(", {} times", trouble.count) } else { String::new() };
    writeln!(page, "  {mark}: {} ago{times}: {}", span(trouble.ago_ms), clean(&trouble.detail))
}

/// Why a group is where it is.
fn reason(group: &Group, holder: &str, status: &Status) -> String {
    let home = &group.home;
    if holder == home {
        return "at home".to_owned();
    }
    match status.find(home) {
        Some(node) if node.leaving => format!("{home} has stopped or stops"),
        Some(node) if node.status == NodeStatus::Dead => format!("{home} is dead"),
        Some(node) if node.status == NodeStatus::Init => format!("{home} was not heard yet"),
        Some(_) => format!("away from home, where it may be; auto_failback {}", status.auto_failback),
        None => format!("{home} is no node of ha.cf"),
    }
}

fn write_counters(page: &mut String, counters: &Counters) -> std::fmt::Result {
    let Counters { sent, received, resent, lost, .. } = counters;
    writeln!(page, "\nmessages: {sent} sent, {received} received, {resent} sent again, {lost} late or lost")?;
    let dropped = counters.dropped.iter().filter(|(_, count)| **count > 0);
    let dropped: Vec<String> = dropped.map(|(reason, count)| format!("{count} {}", clean(reason))).collect();
    if !dropped.is_empty() {
        writeln!(page, "  datagrams dropped: {}", dropped.join(", "))?;
    }
    if counters.log_dropped > 0 {
        writeln!(page, "  log lines dropped: {}", counters.log_dropped)?;
    }
    Ok(())
}

fn write_beats(page: &mut String, status: &Status) -> std::fmt::Result {
    let Beats { scheduling, count, p50_us, p99_us, max_us, .. } = &status.beats;
    write!(page, "beats: at most {} late since the start", milliseconds(status.counters.beat_delay_us))?;
    if *count > 0 {
        let [half, most, all] = [p50_us, p99_us, max_us].map(|late| milliseconds(*late));
        write!(
            page,
            "; of the last {count} half by {half}, 99 % by {most}, all by {all}; {}",
            clean(scheduling)
        )?;
    }
    writeln!(page)?;
    match &status.watchdog {
        Some(Watchdog { device, timeout_s: Some(seconds) }) => {
            writeln!(
                page,
                "watchdog {}: reboots this machine after {seconds} s without a beat",
                clean(device)
            )
        }
        Some(Watchdog { device, timeout_s: None }) => {
            writeln!(page, "watchdog {}: not in use", clean(device))
        }
        None => Ok(()),
    }
}

/// Microseconds in milliseconds.
fn milliseconds(micros: u64) -> String {
    format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
}
