//! Plans and status as people read them.

mod plan;

pub(crate) use plan::plan;

use crate::control::Status;
use crate::director::{ServerStatus, ServiceStatus};
use crate::verdict::State;
use daemon::screen::clean;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Prints a value as JSON.
pub(crate) fn json<T: Serialize>(value: &T) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => out(&(text + "\n")),
        Err(error) => eprintln!("directord: {error}"),
    }
}

/// Writes to standard output. Nobody to read it (`| head`) is no mistake.
pub(crate) fn out(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// One screen: which service has which servers, in which state, why, and since when.
pub(crate) fn status(status: &Status) -> String {
    let mut out = String::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let daemon = &status.daemon;
    if let Some(why) = &daemon.load_error {
        let _ = writeln!(out, "the file as it is now is not in force: {why}");
    }
    for why in &daemon.table_errors {
        let _ = writeln!(out, "kernel table: {why}");
    }
    if let Some(why) = &daemon.table_unknown {
        let _ = writeln!(out, "weights and connections in the kernel are unknown: {why}");
    }
    if let Some(why) = &daemon.drains_not_kept {
        let _ = writeln!(out, "drained servers would be forgotten by a restart: {why}");
    }
    if !daemon.mode.active {
        out.push_str("on standby: the checks run, the kernel's table is left alone until the activation\n");
    }
    for service in &status.services {
        heading(&mut out, service, daemon.mode.active, daemon.table_unknown.is_none());
        for server in &service.servers {
            row(&mut out, server, daemon.table_unknown.is_none(), now);
        }
    }
    out
}

const COLUMNS: &str =
    "  STATE    SERVER                   WEIGHT         ACTIVE    INACT      FOR       TOOK  LAST CHECK\n";

fn heading(out: &mut String, service: &ServiceStatus, active: bool, kernel_known: bool) {
    let missing = match (active, service.in_table) {
        _ if !kernel_known => "",
        (true, false) => ", NOT in the kernel's table",
        (false, true) => ", in the kernel's table all the same",
        _ => "",
    };
    let fallback = if service.fallback_active { ", FALLBACK active" } else { "" };
    let drained = match service.servers.iter().filter(|server| server.drained.is_some()).count() {
        0 => String::new(),
        count => format!(", {count} drained"),
    };
    let name = service.name.as_ref().map_or(String::new(), |name| format!(" ({name})"));
    let kept = if service.kept { ", ALL FAILED TOGETHER, last verdicts stay" } else { "" };
    let blank = if out.is_empty() { "" } else { "\n" };
    let _ = writeln!(
        out,
        "{blank}{}{name} {}: {} of {} up{drained}{kept}{fallback}{missing}",
        service.service,
        service.scheduler,
        service.up,
        service.servers.len()
    );
    out.push_str(COLUMNS);
}

fn row(out: &mut String, server: &ServerStatus, kernel_known: bool, now: u64) {
    let shown = if server.drained.is_some() { "drained" } else { state(server) };
    let count = |count: Option<u32>| match count {
        _ if !kernel_known => "?".to_owned(),
        Some(count) => count.to_string(),
        None => "-".to_owned(),
    };
    let weight = weight(server, kernel_known);
    let (active, inactive) = (count(server.active), count(server.inactive));
    let since = server.drained.as_ref().map_or(server.since, |drain| drain.since);
    let age = ago(now.saturating_sub(since));
    let took = server.took_ms.map_or("-".to_owned(), |took| format!("{took:.1} ms"));
    let why = match &server.drained {
        None => clean(&server.why),
        Some(drain) => {
            let (since, state, why) = (when(drain.since), state(server), clean(&server.why));
            format!("drained by {} at {since}; {state}: {why}", clean(&drain.by))
        }
    };
    let name = server.name.as_ref().map_or(String::new(), |name| format!(" [{name}]"));
    let _ = writeln!(
        out,
        "  {shown:<8} {:<24} {weight:<13} {active:>7}  {inactive:>7}  {age:>7}  {took:>9}  {why}{name}",
        server.server
    );
}

/// `5`; `0 (of 5)`: as wanted now, of what is configured; `9 (wanted 5)`: somebody else has set it.
fn weight(server: &ServerStatus, kernel_known: bool) -> String {
    let in_kernel = match server.table_weight {
        _ if !kernel_known => "?".to_owned(),
        Some(weight) => weight.to_string(),
        None => "-".to_owned(),
    };
    match server.wanted_weight {
        Some(wanted) if kernel_known && server.table_weight != Some(wanted) => {
            format!("{in_kernel} (wanted {wanted})")
        }
        Some(wanted) if wanted == server.weight && kernel_known => in_kernel,
        _ => format!("{in_kernel} (of {})", server.weight),
    }
}

/// What is believed of a server, in a word.
pub(crate) fn state(server: &ServerStatus) -> &'static str {
    match server.state {
        State::Up => "up",
        State::Down => "DOWN",
        State::Pending => "unknown",
    }
}

/// A moment, as the clock on the wall shows it.
pub(crate) fn when(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let zoned = moment.map(|moment| moment.to_zoned(jiff::tz::TimeZone::system()));
    zoned.map_or("an unknown time".to_owned(), |zoned| zoned.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86400),
    }
}

#[cfg(test)]
mod tests;
