//! `ldirectord.cf`: what directord does otherwise than ldirectord 4.12, by directive.

use super::Places;
use super::account::{self, Account};
use crate::finding::{FileFindings, Verdict};
use crate::names::AnyHost;
use config::{Diagnostic, Source};
use directord::config::directive::find;
use directord::config::{LoadError, SystemNames, Written, load_source, written};
use ha_resources::haresources::{Kind, parse};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Every file of a director: `ldirectord.cf`, those that haresources names, and those beside them.
pub(super) fn files(places: &Places, files: &mut Vec<FileFindings>) {
    for path in paths(&places.directory) {
        match Source::read(&path) {
            Ok(source) => files.push(file(source, places.offline)),
            Err(error) => {
                let mut file = FileFindings::new(Source::new(&path, ""));
                file.add(Verdict::Change, None, None, format!("cannot be read: {error}"), None);
                files.push(file);
            }
        }
    }
}

/// The files, each once: those of the directory and of `conf` in it that end in `.cf` and have a virtual service, and those
/// that haresources names.
fn paths(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for folder in [folder.to_owned(), folder.join("conf")] {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let named = path.file_name().is_some_and(|name| name == "ldirectord.cf");
            let suffix = path.extension().is_some_and(|suffix| suffix == "cf");
            let other = path.file_name().is_some_and(|name| name == "ha.cf");
            let directs = || Source::read(&path).is_ok_and(|source| written(&source).iter().any(opens));
            if path.is_file() && (named || (suffix && !other && directs())) {
                found.insert(path);
            }
        }
    }
    let named = Source::read(folder.join("haresources")).map(|source| parse(source).0).unwrap_or_default();
    let resources = named.groups.iter().flat_map(|group| group.resources());
    for word in
        resources.filter(|resource| resource.kind == Kind::Director).filter_map(|r| r.arguments.last())
    {
        let inside = word.trim_start_matches('/');
        let places = [folder.join(inside), folder.join("conf").join(inside), PathBuf::from(word)];
        found.extend(places.into_iter().find(|path| path.is_file()));
    }
    found
}

fn opens(line: &Written) -> bool {
    matches!(line.directive.as_str(), "virtual" | "virtual6")
}

fn file(source: Source, offline: bool) -> FileFindings {
    let loaded = match offline {
        true => load_source(source.clone(), &AnyHost::load()),
        false => load_source(source.clone(), &SystemNames::load()),
    };
    let mut file = match loaded {
        Ok(loaded) => FileFindings::of(&loaded.report),
        Err(LoadError::Refused(report)) => FileFindings::of(&report),
        Err(error) => {
            let mut file = FileFindings::new(source.clone());
            file.diagnostic(&Diagnostic::error(None, error.to_string()));
            file
        }
    };
    let lines = written(&source);
    for (at, line) in lines.iter().enumerate() {
        if find(&line.directive).is_none() {
            continue; // the parser has said so
        }
        match difference(line, &section(&lines, at)) {
            Some((message, advice)) => {
                file.add(Verdict::Differs, Some(line.span), Some(&line.directive), message, advice);
            }
            None => file.same(line.span, &line.directive),
        }
    }
    account::judge(&mut file, &lines, Account::load());
    whole_file(&mut file, &lines);
    file
}

/// What is true of every file, or of several lines together.
fn whole_file(file: &mut FileFindings, lines: &[Written]) {
    if !lines.iter().any(opens) {
        return;
    }
    let mark = |line: &Written| opens(line) && line.value.trim().bytes().all(|byte| byte.is_ascii_digit());
    let fallback =
        |line: &&Written| !line.in_section && matches!(line.directive.as_str(), "fallback" | "fallback6");
    if lines.iter().any(mark) {
        for line in lines.iter().filter(fallback) {
            let message = "is also for services of firewall marks: with ldirectord they had none";
            file.add(Verdict::Differs, Some(line.span), Some(&line.directive), message, None);
        }
    }
    let mut service = None;
    for line in lines {
        match line.directive.as_str() {
            "virtual" | "virtual6" => service = port(line.value.trim()),
            "real" | "real6" if other_port(&line.value, service) => {
                let message = "gate and ipip keep the service's port, and this one is only checked: ldirectord failed at each change";
                file.add(Verdict::Differs, Some(line.span), Some(&line.directive), message, None);
            }
            _ => {}
        }
    }
    let message = "all servers are checked at the same time, each once in an interval; a start or reload gives no traffic to a server before its first good check";
    file.add(Verdict::Differs, None, None, message, None);
}

/// What stands behind the last colon, as a number.
fn port(address: &str) -> Option<u16> {
    address.rsplit_once(':')?.1.parse().ok()
}

/// Whether a server that keeps the service's port is configured with another.
fn other_port(real: &str, service: Option<u16>) -> bool {
    let mut words = real.split_whitespace();
    let own = words.next().and_then(port);
    let keeps = words.next().is_some_and(|method| matches!(method, "gate" | "ipip"));
    keeps && own.is_some_and(|own| service.is_some_and(|service| own != service))
}

/// The directives of the section that a line belongs to.
fn section(lines: &[Written], at: usize) -> Vec<&Written> {
    let begin = lines.iter().take(at + 1).rposition(opens).unwrap_or(0);
    let end = lines.iter().skip(at + 1).position(opens).map_or(lines.len(), |more| at + 1 + more);
    lines.iter().take(end).skip(begin).filter(|line| line.in_section).collect()
}

/// `u:20 l:10`, in this order.
fn lost_threshold(real: &str) -> bool {
    let at = |start: &str| real.split_whitespace().position(|word| word.starts_with(start));
    at("u:").is_some_and(|upper| at("l:").is_some_and(|lower| upper < lower))
}

/// A request of its own that begins with `/`.
fn lost_request(real: &str) -> bool {
    real.split('"').nth(1).is_some_and(|request| request.starts_with('/'))
}

fn difference(line: &Written, section: &[&Written]) -> Option<(&'static str, Option<&'static str>)> {
    let value = line.value.trim_matches('"');
    let has = |name: &str| {
        section.iter().any(|other| other.directive == name && !other.value.trim_matches('"').is_empty())
    };
    match (line.directive.as_str(), value) {
        ("fork", "yes") => Some((
            "starts no process for each service: the checks do not wait for each other anyway; a section's own checkinterval counts, as before",
            None,
        )),
        ("emailalert", list) if list.contains(',') => {
            Some(("each receiver gets a mail of his own; over smtp ldirectord reached none of several", None))
        }
        ("fallbackcommand", _) => Some(("is also run when the daemon stops", None)),
        ("checktype", "external") => Some((
            "a program that a signal has killed has not said that the server is up; at the limit its children are ended, too",
            None,
        )),
        ("checktype", "external-perl") => Some((
            "perl runs the script anew for each check, not inside the daemon: nothing it remembers stays",
            None,
        )),
        ("monitorfile", _) => Some(("a file that cannot be written does not end the daemon", None)),
        ("service", "imap" | "imaps") => Some((
            "the configured port is checked: ldirectord always asked 143 and 993",
            Some("where the real server has another port, see that the check passes"),
        )),
        ("service", "pop" | "pops") if !has("login") => {
            Some(("wants a good greeting: ldirectord took a server for up that refused", None))
        }
        ("service", "ftp") if !has("receive") => {
            Some(("is down when the login fails: ldirectord took that for up", None))
        }
        ("service", "dns") if !has("receive") => {
            Some(("any record passes: ldirectord took the server for dead", None))
        }
        ("service", "sip") => {
            Some(("waits for the final answer, and believes only one to its own request", None))
        }
        ("service", "pop" | "pops" | "mysql" | "pgsql" | "oracle") if !has("receive") => {
            Some(("has the limits of the file: a server that never answered stopped all checks", None))
        }
        ("service", "simpletcp") if has("receive") => Some((
            "any line of the answer may match: with ldirectord the last match stood for all lines",
            None,
        )),
        ("service", "ldap" | "ldaps") => Some((
            "a failed connection or login counts once for failurecount: with ldirectord it counted twice",
            Some("halve failurecount where it was doubled for that"),
        )),
        ("real" | "real6", servers) if lost_threshold(servers) => Some((
            "both thresholds count: ldirectord lost the upper one, which stands before the lower one",
            Some("see whether the upper one is right"),
        )),
        ("real" | "real6", server) if lost_request(server) => Some((
            "the request, receive and thresholds that it has of its own count: ldirectord forgot them for the / at the beginning",
            Some("see that the server passes this check, or remove its request"),
        )),
        ("checkcommand", command) if command.trim().contains(char::is_whitespace) => {
            Some(("the program gets these arguments: ldirectord took all of it for the program's path", None))
        }
        ("service", "mysql" | "pgsql" | "oracle") if has("receive") => Some((
            "receive must match a value of the first row: ldirectord did not look at it",
            Some("remove receive where it was only tried"),
        )),
        ("service", "https") => Some((
            "virtualhost is sent as the name in the TLS handshake, and a body that does not end in time is a failure",
            Some(
                "a server whose chain the system does not trust was down before, too: tlsverify=no lets it pass",
            ),
        )),
        ("service", "http") => {
            Some(("a body that does not end in time is a failure: ldirectord took it for whole", None))
        }
        ("maintenancedir", _) => Some((
            "the names of its files are looked up beside the checks, which do not wait for it",
            Some("\"directord drain\" does the same without files"),
        )),
        _ => None,
    }
}
