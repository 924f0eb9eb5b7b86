//! `virtual_server` and `virtual_server_group`: sections of ldirectord.cf.

use super::super::director::{Director, Section, quoted, with_port};
use super::super::{NewFile, Notes, Place, Settings};
use super::checks;
use super::tree::Statement;
use std::net::IpAddr;

/// The most addresses that a range may mean.
const RANGE: u32 = 1024;

/// The director's file, and scripts that its checks call.
pub(super) fn director(
    statements: &[Statement],
    settings: &Settings,
    notes: &mut Notes,
) -> (Director, Vec<NewFile>) {
    let mut director =
        Director { comments: vec!["Imported from keepalived.".to_owned()], ..Director::default() };
    let mut scripts: Vec<NewFile> = Vec::new();
    mail(statements, &mut director, notes);
    for server in statements.iter().filter(|each| each.name() == "virtual_server") {
        let keys = keys(server, statements, notes);
        let protocol = protocol(server, notes);
        let Some(protocol) = protocol else { continue };
        let v6 = server
            .block
            .iter()
            .find(|each| each.name() == "real_server")
            .is_some_and(|real| real.value().contains(':'));
        for (key, mark) in keys {
            let protocol = if mark { "fwm" } else { protocol };
            let v6 = if mark { v6 } else { key.starts_with('[') };
            let first = !director.sections.iter().any(|section| section.place == server.place);
            let quiet = &mut Notes::default();
            // What is said of a group of addresses is said once.
            let notes = if first { &mut *notes } else { quiet };
            let mut section = Section::new(server.place, v6, key, protocol);
            body(server, &mut section, notes);
            let script = checks::apply(server, &mut section, settings, notes);
            scripts.extend(script);
            notes.same(server.place, &format!("virtual_server {}", section.key));
            director.sections.push(section);
        }
    }
    (director, scripts)
}

/// Who is told by mail.
fn mail(statements: &[Statement], director: &mut Director, notes: &mut Notes) {
    let globals = statements.iter().filter(|each| each.name() == "global_defs").flat_map(|each| &each.block);
    for statement in globals {
        match statement.name() {
            "notification_email" => {
                let to: Vec<&str> =
                    statement.block.iter().flat_map(|line| line.words.iter().map(String::as_str)).collect();
                let to: Vec<&str> =
                    to.into_iter().filter(|address| plain(address) && address.contains('@')).collect();
                if to.is_empty() {
                    notes.lost(
                        statement.place,
                        "notification_email",
                        "has no address",
                        "write emailalert=USER@HOST",
                    );
                } else {
                    notes.same(statement.place, "notification_email");
                    director.globals.push(("emailalert", to.join(", ")));
                }
            }
            "notification_email_from" if plain(statement.value()) && statement.value().contains('@') => {
                director.globals.push(("emailalertfrom", statement.value().to_owned()));
            }
            "smtp_server" if plain(statement.value()) => {
                director.globals.push(("smtp", statement.value().to_owned()))
            }
            _ => {}
        }
    }
}

fn plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "@._+-".contains(c))
}

fn protocol(server: &Statement, notes: &mut Notes) -> Option<&'static str> {
    match server.find("protocol").map_or("TCP", Statement::value).to_ascii_uppercase().as_str() {
        "TCP" => Some("tcp"),
        "UDP" => Some("udp"),
        other => {
            notes.lost(
                server.place,
                &format!("virtual_server {}", server.value()),
                format!("protocol {other}"),
                "directord balances TCP, UDP and marks",
            );
            None
        }
    }
}

/// What stands behind `virtual=`, and whether it is a mark: several for a group.
fn keys(server: &Statement, statements: &[Statement], notes: &mut Notes) -> Vec<(String, bool)> {
    match server.value() {
        "fwmark" => vec![(server.word(2).to_owned(), true)],
        "group" => {
            let group = statements
                .iter()
                .find(|each| each.name() == "virtual_server_group" && each.value() == server.word(2));
            let Some(group) = group else {
                notes.lost(
                    server.place,
                    server.word(2),
                    "there is no virtual_server_group of this name",
                    "import the file that has it, too",
                );
                return Vec::new();
            };
            group.block.iter().flat_map(|line| entry(line, notes)).collect()
        }
        address => one(address, server.word(2), server.place, notes),
    }
}

fn one(address: &str, port: &str, place: Place, notes: &mut Notes) -> Vec<(String, bool)> {
    if port.is_empty() || port == "0" {
        notes.differs(place, address, "all ports of an address: written as port 0, which needs persistent");
        return vec![(with_port(address, "0"), false)];
    }
    vec![(with_port(address, port), false)]
}

/// An address, a range (`192.0.2.1-10`) or a mark of a group.
fn entry(line: &Statement, notes: &mut Notes) -> Vec<(String, bool)> {
    if line.name() == "fwmark" {
        return vec![(line.value().to_owned(), true)];
    }
    let name = line.name();
    let range = name.split_once('-').and_then(|(first, last)| {
        let first: std::net::Ipv4Addr = first.parse().ok()?;
        let last = match last.parse::<u8>() {
            Ok(last) => std::net::Ipv4Addr::from((u32::from(first) & !0xff) | u32::from(last)),
            Err(_) => last.parse().ok()?,
        };
        Some((u32::from(first), u32::from(last)))
    });
    match range {
        Some((first, last)) if first <= last && last - first < RANGE => (first..=last)
            .flat_map(|number| {
                one(&std::net::Ipv4Addr::from(number).to_string(), line.value(), line.place, notes)
            })
            .collect(),
        _ if name.parse::<IpAddr>().is_ok() => one(name, line.value(), line.place, notes),
        _ => {
            notes.lost(
                line.place,
                name,
                "a range that is not taken over",
                "write a firewall mark for it, or a service for each address",
            );
            Vec::new()
        }
    }
}

fn method(word: &str) -> &'static str {
    match word {
        "DR" => "gate",
        "TUN" => "ipip",
        _ => "masq",
    }
}

/// Everything but the checks.
fn body(server: &Statement, section: &mut Section, notes: &mut Notes) {
    let algorithm = server.find("lvs_sched").or(server.find("lb_algo"));
    section.set("scheduler", algorithm.map_or("wlc", Statement::value).to_ascii_lowercase());
    let kind =
        server.find("lvs_method").or(server.find("lb_kind")).map_or("masq", |kind| method(kind.value()));
    let reals: Vec<&Statement> = server.block.iter().filter(|each| each.name() == "real_server").collect();
    let flags: Vec<&str> =
        server.block.iter().map(Statement::name).filter(|name| FLAGS.contains(name)).collect();
    if !flags.is_empty() {
        section.set("schedflags", flags.join(","));
    }
    quiescence(server, &reals, section, notes);
    for statement in &server.block {
        shared(statement, kind, section, notes);
    }
    for real in reals {
        let kind = real.find("lvs_method").map_or(kind, |own| method(own.value()));
        section.reals.push(real_line(real, kind, section.protocol == "fwm"));
        for statement in &real.block {
            real_statement(statement, notes);
        }
        notes.same(real.place, &format!("real_server {}", real.value()));
    }
}

const FLAGS: [&str; 7] = ["flag-1", "flag-2", "flag-3", "sh-port", "sh-fallback", "mh-port", "mh-fallback"];

fn shared(statement: &Statement, kind: &str, section: &mut Section, notes: &mut Notes) {
    let (name, value, place) = (statement.name(), statement.value(), statement.place);
    match name {
        "lb_algo" | "lvs_sched" | "lb_kind" | "lvs_method" | "protocol" | "delay_loop" | "virtualhost"
        | "inhibit_on_failure" | "connect_timeout" | "retry" | "delay_before_retry" => {
            notes.same(place, name)
        }
        "real_server" => {}
        "persistence_timeout" => {
            section.set("persistent", if value.is_empty() { "360" } else { value });
            notes.same(place, name);
        }
        "persistence_granularity" => {
            section.set("netmask", value);
            notes.same(place, name);
        }
        "ops" => {
            section.set("ops", "yes");
            notes.same(place, name);
        }
        "sorry_server" => {
            let own = if statement.word(2).is_empty() {
                value.to_owned()
            } else {
                with_port(value, statement.word(2))
            };
            section.set(if section.v6 { "fallback6" } else { "fallback" }, format!("{own} {kind}"));
            notes.same(place, name);
        }
        "ha_suspend" => {
            notes.differs(place, name, "directord checks and balances only where the group is, or on standby")
        }
        "alpha" => {
            notes.differs(place, name, "is always so: a server gets traffic after its first good check")
        }
        "warmup" => notes.differs(place, name, "the first checks are spread by themselves"),
        "quorum" if value == "1" || value.is_empty() => notes.same(place, name),
        "quorum" | "hysteresis" => {
            notes.lost(place, name, "one server that is up is enough", "the fallback comes when none is up")
        }
        "quorum_up" | "quorum_down" => notes.lost(
            place,
            name,
            "the command is not taken over",
            "fallbackcommand is called with start when no server is up, and with stop",
        ),
        "omega" => notes.lost(
            place,
            name,
            "no command is called for servers at the end",
            "fallbackcommand is called with stop",
        ),
        "sorry_server_inhibit" | "sorry_server_lvs_method" => notes.differs(
            place,
            name,
            "the fallback is removed when it is not needed, and has the service's method",
        ),
        "persistence_engine" => notes.lost(
            place,
            name,
            "a persistence engine",
            "directord has persistence by the client's address only",
        ),
        "smtp_alert" => notes.differs(place, name, "emailalert at the left margin is for all services"),
        "snmp_name" => {
            section.set("servicename", value);
            notes.same(place, name);
        }
        _ if FLAGS.contains(&name) => notes.same(place, name),
        _ if checks::is_checker(name) => {
            notes.lost(place, name, "a check outside real_server", "write it into each real_server")
        }
        _ => notes.lost(place, name, "has no counterpart", "ldirectord.cf(5) tells what there is"),
    }
}

/// `inhibit_on_failure`, of the service or of its servers.
fn quiescence(server: &Statement, reals: &[&Statement], section: &mut Section, notes: &mut Notes) {
    let on = |block: &Statement| block.find("inhibit_on_failure").map(Statement::on);
    let all = on(server).unwrap_or(false);
    let own: Vec<bool> = reals.iter().map(|real| on(real).unwrap_or(all)).collect();
    let some = own.contains(&true);
    if some && own.contains(&false) {
        notes.differs(
            server.place,
            "inhibit_on_failure",
            "is for all servers of a service, or for none: here for all",
        );
    }
    section.set("quiescent", if some { "yes" } else { "no" });
}

fn real_line(real: &Statement, kind: &str, mark: bool) -> String {
    let port = real.word(2);
    let host = match port.is_empty() || (mark && port == "0") {
        true if real.value().contains(':') => format!("[{}]", real.value()),
        true => real.value().to_owned(),
        false => with_port(real.value(), port),
    };
    let word = |name: &str| real.find(name).map(Statement::value).filter(|value| !value.is_empty());
    let mut text = format!("{host} {kind} {}", word("weight").unwrap_or("1"));
    for (name, letter) in [("lthreshold", 'l'), ("uthreshold", 'u')] {
        if let Some(value) = word(name) {
            text.push_str(&format!(" {letter}:{value}"));
        }
    }
    text
}

fn real_statement(statement: &Statement, notes: &mut Notes) {
    let (name, place) = (statement.name(), statement.place);
    match name {
        "weight" | "lvs_method" | "uthreshold" | "lthreshold" | "inhibit_on_failure" => {
            notes.same(place, name)
        }
        "virtualhost" | "connect_timeout" | "retry" | "delay_before_retry" | "delay_loop" => {
            notes.differs(place, name, "is the service's: what the first server says counts for all");
        }
        "alpha" => {
            notes.differs(place, name, "is always so: a server gets traffic after its first good check")
        }
        "warmup" => notes.differs(place, name, "the first checks are spread by themselves"),
        "notify_up" | "notify_down" => notes.lost(
            place,
            name,
            "no command is called for a server",
            "emailalert tells people; \"directord events --follow --json\" tells programs",
        ),
        "smtp_alert" => notes.differs(place, name, "emailalert at the left margin is for all services"),
        "snmp_name" => notes.differs(place, name, "a server has the name that is written behind real="),
        _ if checks::is_checker(name) => {}
        _ => notes.lost(place, name, "has no counterpart", "ldirectord.cf(5) tells what there is"),
    }
}

/// A value in quotes; what cannot be in them is said.
pub(super) fn quote(
    section: &mut Section,
    directive: &'static str,
    text: &str,
    place: Place,
    notes: &mut Notes,
) {
    match quoted(text) {
        Some(text) => section.set(directive, text),
        None => notes.lost(
            place,
            directive,
            format!("{text:?} cannot stand in quotes"),
            "an external check can ask for it",
        ),
    }
}
