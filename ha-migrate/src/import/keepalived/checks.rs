//! The checkers of real servers. keepalived has several for each server; a service of directord has one for all of its servers.

use super::super::director::Section;
use super::super::{NewFile, Notes, Settings};
use super::services::quote;
use super::tree::Statement;
use super::vrrp::seconds;
use std::fmt::Write as _;
use std::time::Duration;

const CHECKERS: [&str; 10] = [
    "HTTP_GET",
    "SSL_GET",
    "TCP_CHECK",
    "SMTP_CHECK",
    "DNS_CHECK",
    "MISC_CHECK",
    "UDP_CHECK",
    "PING_CHECK",
    "BFD_CHECK",
    "FILE_CHECK",
];

/// Which checker says most about a server: the first of these that it has.
const ORDER: [&str; 8] =
    ["HTTP_GET", "SSL_GET", "SMTP_CHECK", "DNS_CHECK", "MISC_CHECK", "TCP_CHECK", "UDP_CHECK", "PING_CHECK"];

/// Whether a block is a checker.
pub(super) fn is_checker(name: &str) -> bool {
    CHECKERS.contains(&name)
}

/// Writes the check of a service; the script that it calls, if it calls one.
pub(super) fn apply(
    server: &Statement,
    section: &mut Section,
    settings: &Settings,
    notes: &mut Notes,
) -> Option<NewFile> {
    let reals: Vec<&Statement> = server.block.iter().filter(|each| each.name() == "real_server").collect();
    let mut chosen: Vec<(&Statement, &Statement)> = Vec::new();
    for real in &reals {
        let checkers: Vec<&Statement> = real.block.iter().filter(|each| is_checker(each.name())).collect();
        let best = ORDER.iter().find_map(|name| checkers.iter().find(|checker| checker.name() == *name));
        for checker in
            checkers.iter().filter(|checker| best.is_none_or(|best| !std::ptr::eq(**checker, *best)))
        {
            let why = match best {
                Some(_) => "a server has one check: this is not the one that was taken",
                None => "there is no such check",
            };
            notes.lost(
                checker.place,
                checker.name(),
                why,
                "checktype=external calls a program that checks whatever you want",
            );
        }
        chosen.extend(best.map(|best| (*real, *best)));
    }
    if chosen.len() < reals.len() && !reals.is_empty() && !chosen.is_empty() {
        notes.differs(
            server.place,
            "real_server",
            "those without a check of their own are checked like the others",
        );
    }
    let Some(&(real, first)) = chosen.first() else {
        section.comments.push("keepalived did not check these servers.".to_owned());
        section.set("checktype", "on");
        return None;
    };
    let script = match first.name() {
        "MISC_CHECK" => Some(program(&chosen, section, settings, notes)),
        _ => None,
    };
    for (_, checker) in
        chosen.iter().skip(1).filter(|(_, checker)| script.is_none() && shape(checker) != shape(first))
    {
        notes.lost(
            checker.place,
            checker.name(),
            "all servers of a service are checked in the same way: like the first one",
            "give the server a service of its own, or an external check",
        );
    }
    for (_, checker) in &chosen {
        said(checker, notes);
    }
    kind(server, real, first, section, notes);
    times(server, real, first, section, notes);
    script
}

/// What must be the same for one check to be for all.
fn shape(checker: &Statement) -> String {
    fn write(statement: &Statement, text: &mut String) {
        let _ = write!(text, "{:?}", statement.words);
        statement.block.iter().for_each(|inner| write(inner, text));
    }
    let mut text = String::new();
    write(checker, &mut text);
    text
}

fn kind(server: &Statement, real: &Statement, checker: &Statement, section: &mut Section, notes: &mut Notes) {
    let port = |section: &mut Section| {
        if let Some(port) = checker.find("connect_port") {
            section.set("checkport", port.value());
        }
    };
    match checker.name() {
        "TCP_CHECK" => {
            if section.protocol == "udp" {
                notes.differs(checker.place, "TCP_CHECK", "the connect check of a UDP service is a ping");
            }
            section.set("checktype", "connect");
            port(section);
        }
        "HTTP_GET" | "SSL_GET" => {
            section.set("checktype", "negotiate");
            section.set("service", if checker.name() == "SSL_GET" { "https" } else { "http" });
            if checker.name() == "SSL_GET" {
                section.comments.push("tlsverify=no: keepalived does not verify certificates, ldirectord does; ldirectord does not know the directive.".to_owned());
                section.set("tlsverify", "no");
            }
            port(section);
            page(server, real, checker, section, notes);
        }
        "SMTP_CHECK" => {
            section.set("checktype", "negotiate");
            section.set("service", "smtp");
            port(section);
        }
        "DNS_CHECK" => name(checker, section, notes),
        "UDP_CHECK" => {
            notes.differs(checker.place, "UDP_CHECK", "is a ping: whether the port answers is not known");
            section.set("checktype", "ping");
        }
        "PING_CHECK" => section.set("checktype", "ping"),
        _ => {}
    }
}

fn page(server: &Statement, real: &Statement, checker: &Statement, section: &mut Section, notes: &mut Notes) {
    let mut urls = checker.block.iter().filter(|each| each.name() == "url");
    let url = urls.next();
    for more in urls {
        notes.lost(more.place, "url", "one page is asked for", "an external check can ask for several");
    }
    let of = |name: &str| url.and_then(|url| url.find(name)).or(real.find(name)).or(server.find(name));
    if let Some(path) = url.and_then(|url| url.find("path")).filter(|path| !path.value().is_empty()) {
        quote(section, "request", path.value(), path.place, notes);
    }
    if let Some(host) = of("virtualhost").filter(|host| !host.value().is_empty()) {
        section.set("virtualhost", host.value());
    }
    let Some(url) = url else { return };
    for statement in &url.block {
        let place = statement.place;
        match statement.name() {
            "path" | "virtualhost" => {}
            "regex" => quote(section, "receive", statement.value(), place, notes),
            "status_code" if matches!(statement.value(), "200" | "200-299") && statement.words.len() == 2 => {
                notes.differs(place, "status_code", "any status from 200 to 299 is good, after redirects");
            }
            "status_code" => notes.lost(
                place,
                "status_code",
                "a status from 200 to 299 is good, after redirects, and no other",
                "an external check can want another",
            ),
            "digest" => notes.lost(
                place,
                "digest",
                "a page is not compared as a whole",
                "write receive=\"...\": an expression that the page must match",
            ),
            name => notes.lost(
                place,
                name,
                "has no counterpart",
                "receive takes a Perl expression, (?i) and the like in it",
            ),
        }
    }
}

fn name(checker: &Statement, section: &mut Section, notes: &mut Notes) {
    let name = checker.find("name").map_or(".", Statement::value);
    let kind = checker.find("type").map_or("SOA", Statement::value).to_ascii_uppercase();
    if name == "." || name.is_empty() {
        notes.lost(
            checker.place,
            "DNS_CHECK",
            "the root cannot be asked for; the servers are pinged",
            "write service=dns and request=\"NAME\"",
        );
        section.set("checktype", "ping");
        return;
    }
    if kind != "A" && kind != "AAAA" {
        notes.differs(
            checker.place,
            "DNS_CHECK",
            format!("the address of the name is asked for, not {kind}"),
        );
    }
    section.set("checktype", "negotiate");
    section.set("service", "dns");
    quote(section, "request", name, checker.place, notes);
}

/// Every program of the servers, in one script: directord calls one program, with the server's address and port.
fn program(
    chosen: &[(&Statement, &Statement)],
    section: &mut Section,
    settings: &Settings,
    notes: &mut Notes,
) -> NewFile {
    let mut text =
        "#!/bin/sh\n# Imported from keepalived: called as PROGRAM VIP VPORT RIP RPORT.\ncase \"$3\" in\n"
            .to_owned();
    let mut dynamic = false;
    let mut known: Vec<&str> = Vec::new();
    for (real, checker) in chosen.iter().filter(|(_, checker)| checker.name() == "MISC_CHECK") {
        let Some(command) = checker.find("misc_path").filter(|path| !path.value().is_empty()) else {
            notes.lost(checker.place, "MISC_CHECK", "has no misc_path", "write one");
            continue;
        };
        if known.contains(&real.value())
            || !real.value().chars().all(|c| c.is_ascii_alphanumeric() || ".:-".contains(c))
        {
            notes.lost(
                checker.place,
                real.value(),
                "the script tells servers apart by their address",
                "give it a service of its own",
            );
            continue;
        }
        known.push(real.value());
        let _ = writeln!(text, "{})\n  {}\n  ;;", real.value(), command.value().replace(['\n', '\r'], " "));
        dynamic |= checker.find("misc_dynamic").is_some();
    }
    text.push_str("*) exit 1 ;;\nesac\n");
    if dynamic {
        text.push_str("code=$?\n# misc_dynamic: 2 to 255 is good, and a weight of 0 to 253\n[ $code -lt 2 ] && exit $code\necho \"weight $((code - 2))\"\n");
        section.comments.push("weightfromcheck: the program says the weight, as with misc_dynamic; ldirectord does not know it.".to_owned());
        section.set("weightfromcheck", "yes");
    }
    let safe: String =
        section.key.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let name = format!("checks/{}-{}", section.protocol, safe.trim_matches('-'));
    section.set("checktype", "external");
    let path = settings.install.join(&name);
    section.set("checkcommand", path.display().to_string());
    if let Some((_, checker)) = chosen.first() {
        let message = format!(
            "the programs are called by a script in {}: copy it there on both nodes; directord's service runs it as the user directord, without root's rights",
            path.parent().unwrap_or(&settings.install).display()
        );
        notes.differs(checker.place, "MISC_CHECK", message);
    }
    NewFile { name, text, mode: 0o755 }
}

/// What of a checker is taken over, and what not.
fn said(checker: &Statement, notes: &mut Notes) {
    for statement in &checker.block {
        let (name, place) = (statement.name(), statement.place);
        match name {
            "url" | "connect_port" | "connect_timeout" | "retry" | "nb_get_retry" | "nb_sock_retry"
            | "delay_before_retry" | "delay_loop" | "misc_path" | "misc_timeout" | "misc_dynamic"
            | "name" | "type" | "bindto" => {}
            "warmup" => notes.differs(place, name, "the first checks are spread by themselves"),
            "alpha" => {
                notes.differs(place, name, "is always so: a server gets traffic after its first good check")
            }
            "enable_sni" => {
                notes.differs(place, name, "virtualhost is always sent as the name in the handshake")
            }
            "http_protocol" | "fast_recovery" | "log_all_failures" | "helo_name" | "tls_compliant" => {
                notes.differs(place, name, "directord does it its own way")
            }
            "host" => notes.lost(place, name, "the server itself is asked", "checkport names another port"),
            "connect_ip" => notes.lost(
                place,
                name,
                "the server itself is asked",
                "an external check can ask another address",
            ),
            "user" => notes.lost(
                place,
                name,
                "programs run as the daemon's user",
                "call the program by runuser or setpriv in the script",
            ),
            _ => notes.lost(place, name, "has no counterpart", "ldirectord.cf(5) tells what there is"),
        }
    }
    notes.same(checker.place, checker.name());
}

/// Intervals, limits and repetitions.
fn times(
    server: &Statement,
    real: &Statement,
    checker: &Statement,
    section: &mut Section,
    notes: &mut Notes,
) {
    let of = |name: &str| checker.find(name).or(real.find(name)).or(server.find(name));
    let time = |name: &str| of(name).and_then(|each| seconds(each.value()));
    let (misc, dns) = (checker.name() == "MISC_CHECK", checker.name() == "DNS_CHECK");
    let interval = time("delay_loop").unwrap_or(Duration::from_secs(60));
    let limit = if misc {
        checker.find("misc_timeout").and_then(|each| seconds(each.value())).unwrap_or(interval)
    } else {
        time("connect_timeout").unwrap_or(Duration::from_secs(5))
    };
    let default = if misc {
        0
    } else if dns {
        3
    } else {
        1
    };
    let retry = of("retry").or(checker.find("nb_get_retry")).or(checker.find("nb_sock_retry"));
    let retry = retry.map_or(default, |each| each.value().parse::<u32>().unwrap_or(default)).min(1000);
    let delay = match checker.name() {
        "DNS_CHECK" => interval,
        "HTTP_GET" | "SSL_GET" => Duration::from_secs(3),
        _ => Duration::from_secs(1),
    };
    let delay = time("delay_before_retry").unwrap_or(delay);
    section.comments.push(format!(
        "Times with units{} are directord's own: ldirectord reads only their first digits, or refuses the line.",
        if retry > 0 && delay != interval { " and recheckinterval" } else { "" }
    ));
    let shown = |time: Duration| match time.subsec_millis() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    };
    section.set("checkinterval", shown(interval));
    section.set("checktimeout", shown(limit));
    section.set("negotiatetimeout", shown(limit));
    section.set("failurecount", (retry + 1).to_string());
    if retry > 0 && delay != interval {
        section.set("recheckinterval", shown(delay));
    }
    if let Some(source) =
        checker.find("bindto").filter(|source| source.value().parse::<std::net::IpAddr>().is_ok())
    {
        section.set(
            if source.value().contains(':') { "sourceaddress6" } else { "sourceaddress" },
            source.value(),
        );
        notes.same(source.place, "bindto");
    }
}
