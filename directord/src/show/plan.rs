//! What a configuration asks for, in words: everything that has an effect.

use crate::check::{Dialogue, Http, Kind, Pattern, Route};
use crate::config::model::ServiceName;
use crate::config::{Alerts, Check, Phase, Plan, RealServer, Settings, VirtualService, time::shown};
use ipvs::{Destination, Forwarding};
use std::fmt::Write as _;
use std::time::Duration;

/// All of a configuration.
pub(crate) fn plan(plan: &Plan) -> String {
    let mut out = String::new();
    settings(&mut out, &plan.settings, plan.services.iter().any(|service| service.quiescent));
    for service in &plan.services {
        let _ = writeln!(out, "\n{} {}, {}", service.id(), kernel(service), verdicts(service));
        if let Some(named) = named(service) {
            let _ = writeln!(out, "    {named}");
        }
        for real in &service.reals {
            let _ = writeln!(out, "    {}", server(real, plan.settings.check_interval));
        }
        for line in besides(service, &plan.settings) {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}

/// What concerns the daemon itself.
fn settings(out: &mut String, settings: &Settings, any_quiescent: bool) {
    let log = match settings.log.as_str() {
        _ if settings.supervised => "standard output, in the foreground (supervised=yes)".to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        facility => format!("syslog, facility {facility}"),
    };
    let _ = writeln!(out, "checked every {}, log: {log}", shown(settings.check_interval));
    let mut lines = Vec::new();
    if settings.auto_reload {
        lines.push("read again when the file changes".to_owned());
    }
    if let Some(callback) = &settings.callback {
        lines.push(format!("when the file changes: runs {} with its path", callback.display()));
    }
    if settings.readd_quiescent && any_quiescent {
        lines.push("dead servers that are missing in the table are put there with weight 0".to_owned());
    }
    if let Some(directory) = &settings.maintenance_dir {
        lines.push(format!("in maintenance: the servers that a file in {} names", directory.display()));
    }
    if !settings.execute.is_empty() {
        lines.push(format!("runs with it: {}", settings.execute.join(", ")));
    }
    lines.iter().for_each(|line| {
        let _ = writeln!(out, "{line}");
    });
}

/// What the kernel is told of the service itself.
fn kernel(service: &VirtualService) -> String {
    let kernel = &service.service;
    let mut text = format!("scheduler {}", kernel.scheduler);
    let flags = kernel.scheduler_flags.list(&kernel.scheduler);
    if !flags.is_empty() {
        let _ = write!(text, " ({flags})");
    }
    if kernel.one_packet {
        text += ", every packet by itself (ops)";
    }
    if let Some(persistence) = &kernel.persistence {
        let _ = write!(text, ", persistent {} s", persistence.timeout);
        if !persistence.netmask.is_host() {
            let _ = write!(text, " for all clients of a network (netmask {})", persistence.netmask);
        }
    }
    text
}

/// What mails say of it.
fn named(service: &VirtualService) -> Option<String> {
    let words: Vec<&str> = service.name.iter().chain(&service.comment).map(String::as_str).collect();
    (!words.is_empty()).then(|| words.join(": "))
}

fn server(real: &RealServer, usual: Duration) -> String {
    let to = &real.destination;
    let method = method(to.forwarding);
    let name = real.name.as_ref().map_or(String::new(), |name| format!(" [{name}]"));
    let port = match to.key.port {
        port if port == real.port => String::new(),
        port => format!(" (port {port} in the table)"),
    };
    format!(
        "{}{name} {method}{port} weight {}{}, {}",
        real.shown(),
        to.weight,
        thresholds(to),
        check(&real.check, usual)
    )
}

fn thresholds(to: &Destination) -> String {
    match (to.upper_threshold, to.lower_threshold) {
        (0, _) => String::new(),
        (upper, 0) => format!(", no new connections above {upper}"),
        (upper, lower) => format!(", no new connections above {upper} until below {lower}"),
    }
}

/// What else becomes of a service.
fn besides(service: &VirtualService, settings: &Settings) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(fallback) = &service.fallback {
        let method = method(fallback.forwarding);
        lines.push(format!("fallback {} {method}, while no server is up", fallback.key));
    }
    if let Some(command) = &service.fallback_command {
        lines.push(format!("when the last server is down, and when one is up again: runs {command}"));
    }
    if let Some(alerts) = &service.alerts {
        lines.push(mail(alerts, settings));
    }
    if let Some(file) = &service.monitor_file {
        lines.push(format!("results of the checks: {}", file.display()));
    }
    if !service.clean_stop {
        lines.push("stays in the table when the daemon stops".to_owned());
    }
    lines
}

/// To whom, how, when and how often.
fn mail(alerts: &Alerts, settings: &Settings) -> String {
    let to: Vec<&str> = alerts.to.iter().map(|to| to.shown()).collect();
    let mut text = format!("mail to {}", to.join(", "));
    if let Some(from) = &settings.alert_from {
        let _ = write!(text, ", from {}", from.shown());
    }
    match &alerts.via {
        Some(host) => drop(write!(text, ", through {host}")),
        None => text += ", through sendmail",
    }
    let phases: Vec<&str> =
        Phase::ALL.into_iter().filter(|phase| alerts.when.includes(*phase)).map(Phase::name).collect();
    if phases.len() < Phase::ALL.len() {
        let _ = write!(text, ", only while {}", phases.join(", "));
    }
    if let Some(every) = alerts.every {
        let _ = write!(text, ", again every {} while a server is down", shown(every));
    }
    text
}

/// When a server counts as down and as up, and what becomes of it then.
fn verdicts(service: &VirtualService) -> String {
    let dead = if service.quiescent { "weight 0" } else { "removed" };
    let times = |count: u32, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let mut text = format!("dead servers: {dead} after {}", times(service.failure_count, "failure"));
    if service.rise > 1 {
        let _ = write!(text, ", back after {}", times(service.rise, "good check"));
    }
    if !service.slow_start.is_zero() {
        let _ = write!(text, ", then slowly for {}", shown(service.slow_start));
    }
    if service.keep_last {
        text += ", last verdicts stay when all fail together";
    }
    text
}

/// How a server is checked; its interval only where it is not the one of all.
fn check(check: &Check, usual: Duration) -> String {
    match check {
        Check::On => "not checked, always used".into(),
        Check::Off => "not checked, never used".into(),
        Check::Probe(probe) => {
            let mut text = format!("{}, limit {}", kind(&probe.kind), shown(probe.kind.limit()));
            if probe.interval != usual {
                let _ = write!(text, ", every {}", shown(probe.interval));
            }
            if let Some(source) = probe.source {
                let _ = write!(text, ", from {source}");
            }
            if let Some(recheck) = probe.recheck {
                let _ = write!(text, ", in doubt after {}", shown(recheck));
            }
            text
        }
    }
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Connect { to, .. } => format!("connect {to}"),
        Kind::Ping { to, attempts: 0 | 1, .. } => format!("ping {to}"),
        Kind::Ping { to, attempts, .. } => format!("ping {to}, {attempts} attempts"),
        Kind::Http(page) => http(page),
        Kind::SimpleTcp(simple) => {
            let udp = if simple.udp { " over UDP" } else { "" };
            let expects = expects(simple.receive.as_ref());
            format!("simpletcp {}{udp}, sends {:?}{expects}", simple.to, simple.request)
        }
        Kind::Dialogue(talk) => dialogue(talk),
        Kind::External { command, weighs, .. } => {
            format!("runs {}{}", command.join(" "), if *weighs { ", which says the weight" } else { "" })
        }
        Kind::Script(script) => format!(
            "{}: runs {} {}",
            script.service.name(),
            script.program.display(),
            script.arguments.join(" ")
        ),
        Kind::Combined { connects, negotiate, connect } => {
            format!("{}, then {connects} times {}", self::kind(negotiate), self::kind(connect))
        }
    }
}

fn http(page: &Http) -> String {
    let host = page.host.as_ref().map_or(String::new(), |host| format!(" (Host: {host})"));
    let proxy = match page.route {
        Route::Through(proxy) => format!(" through the proxy {proxy}"),
        Route::Resolved | Route::To(_) => String::new(),
    };
    let method = if page.head { "HEAD" } else { "GET" };
    let verified =
        if page.url.starts_with("https") && !page.tls_verify { ", certificate not verified" } else { "" };
    format!("{method} {}{proxy}{host}{}{verified}", page.url, expects(page.receive.as_ref()))
}

/// Who is asked what, where that has an effect. Passwords are not shown.
fn dialogue(talk: &Dialogue) -> String {
    use ServiceName::{Dns, Ftp, Ldap, Ldaps, Mysql, Nntp, Pgsql, Smtp, Submission};
    let mut text = format!("{} {}", talk.service.name(), talk.to);
    if talk.udp && talk.service != Dns {
        text += " over UDP";
    }
    if !talk.login.is_empty() && !matches!(talk.service, Dns | Nntp | Smtp | Submission) {
        let _ = write!(text, " as {}", talk.login);
    }
    if !talk.database.is_empty() && matches!(talk.service, Mysql | Pgsql) {
        let _ = write!(text, ", database {}", talk.database);
    }
    if matches!(talk.service, Dns | Ftp | Ldap | Ldaps | Mysql | Pgsql) {
        if !talk.request.is_empty() {
            let _ = write!(text, ", asks for {:?}", talk.request);
        }
        text += &expects(talk.receive.as_ref());
    }
    if talk.tls_verify == Some(false) {
        text += ", certificate not verified";
    }
    text
}

fn expects(pattern: Option<&Pattern>) -> String {
    pattern.map_or(String::new(), |pattern| format!(", expects /{}/", pattern.text()))
}

fn method(forwarding: Forwarding) -> &'static str {
    match forwarding {
        Forwarding::Masquerade => "masq",
        Forwarding::Tunnel(_) => "ipip",
        _ => "gate",
    }
}
