//! `drain` and `undrain`.

use super::{NoAnswer, ask, code_of, selection};
use crate::cli::Arguments;
use crate::control::{Question, Selection, Status};
use crate::director::{ServerStatus, ServiceStatus};
use crate::instance::Instance;
use crate::show;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Connections are left when the limit is over.
const LEFT: u8 = 5;
/// Between two looks at the connections.
const LOOK: Duration = Duration::from_millis(250);
/// Between two lines of progress while nothing changes.
const PROGRESS: Duration = Duration::from_secs(10);
/// A daemon that is restarted is waited for so long.
const RESTART: Duration = Duration::from_secs(10);

/// Takes servers out of service; with `--wait` until they have no connection left.
pub(crate) fn drain(arguments: &Arguments, instance: &Instance) -> ExitCode {
    let question = Question::Drain { of: selection(arguments), by: administrator() };
    let status = match ask(instance, &question) {
        Ok(status) => status,
        Err(reason) => return reason.report(arguments.json),
    };
    warn(&status);
    if !arguments.wait {
        return done(arguments, &status);
    }
    let told = wait(arguments, instance, status, |line| eprintln!("{line}"));
    match told {
        Ok((status, true)) => done(arguments, &status),
        Ok((status, false)) => {
            done(arguments, &status);
            ExitCode::from(LEFT)
        }
        Err(reason) => reason.report(arguments.json),
    }
}

/// Gives them back to the checks.
pub(crate) fn undrain(arguments: &Arguments, instance: &Instance) -> ExitCode {
    let question = Question::Undrain { of: selection(arguments), by: administrator() };
    match ask(instance, &question) {
        Ok(status) => {
            warn(&status);
            done(arguments, &status)
        }
        Err(reason) => reason.report(arguments.json),
    }
}

/// Who types: behind `sudo` the one who called it.
fn administrator() -> String {
    let known = ["SUDO_USER", "LOGNAME", "USER"].iter().find_map(|name| std::env::var(name).ok());
    let known = known.filter(|name| !name.trim().is_empty());
    known.unwrap_or_else(|| match rustix::process::getuid().as_raw() {
        0 => "root".to_owned(),
        other => format!("user id {other}"),
    })
}

fn warn(status: &Status) {
    for warning in &status.warnings {
        eprintln!("directord: warning: {warning}");
    }
}

fn done(arguments: &Arguments, status: &Status) -> ExitCode {
    if arguments.json {
        show::json(status);
    } else {
        servers(status)
            .for_each(|(service, server)| show::out(&line(service, server, &status.daemon.table_unknown)));
    }
    code_of(status)
}

fn servers(status: &Status) -> impl Iterator<Item = (&ServiceStatus, &ServerStatus)> {
    status.services.iter().flat_map(|service| service.servers.iter().map(move |server| (service, server)))
}

/// `tcp:192.0.2.1:80 192.0.2.10:80: drained, weight 0, 3 active and 1 inactive connections`.
fn line(service: &ServiceStatus, server: &ServerStatus, unknown: &Option<String>) -> String {
    let state = if server.drained.is_some() { "drained" } else { show::state(server) };
    let kernel = match (unknown, server.table_weight) {
        (Some(why), _) => format!("unknown in the kernel: {why}"),
        (None, None) => "not in the kernel's table".to_owned(),
        (None, Some(weight)) => format!(
            "weight {weight}, {} active and {} inactive connections",
            server.active.unwrap_or(0),
            server.inactive.unwrap_or(0)
        ),
    };
    format!("{} {}: {state}, {kernel}\n", service.service, server.server)
}

/// Waits until the kernel counts no active connection; `false` when the limit is over before.
fn wait(
    arguments: &Arguments,
    instance: &Instance,
    mut status: Status,
    mut tell: impl FnMut(&str),
) -> Result<(Status, bool), NoAnswer> {
    let began = Instant::now();
    let mut told: Option<(u64, Instant)> = None;
    loop {
        let left = active(&status)?;
        if left == 0 {
            return Ok((status, true));
        }
        if told.is_none_or(|(count, at)| count != left || at.elapsed() >= PROGRESS) {
            told = Some((left, Instant::now()));
            let plural = if left == 1 { "" } else { "s" };
            tell(&format!("{left} active connection{plural} left after {} s", began.elapsed().as_secs()));
        }
        if arguments.limit.is_some_and(|limit| began.elapsed() >= limit) {
            return Ok((status, false));
        }
        std::thread::sleep(LOOK);
        status = look(instance, &selection(arguments))?;
    }
}

/// Asks again; a daemon that is being restarted gets some time.
fn look(instance: &Instance, of: &Selection) -> Result<Status, NoAnswer> {
    let began = Instant::now();
    loop {
        match ask(instance, &Question::Status(of.clone())) {
            Err(NoAnswer::Stopped(_) | NoAnswer::Unknown(_)) if began.elapsed() < RESTART => {
                std::thread::sleep(LOOK);
            }
            answer => return answer,
        }
    }
}

/// The active connections of all servers.
fn active(status: &Status) -> Result<u64, NoAnswer> {
    if let Some(why) = &status.daemon.table_unknown {
        return Err(NoAnswer::Unknown(why.clone()));
    }
    if let Some((service, server)) = servers(status).find(|(_, server)| server.drained.is_none()) {
        let name = &server.server;
        let why = format!("{name} ({}) is not drained any more: it is not waited for", service.service);
        return Err(NoAnswer::Refused(why));
    }
    Ok(servers(status).map(|(_, server)| u64::from(server.active.unwrap_or(0))).sum())
}
