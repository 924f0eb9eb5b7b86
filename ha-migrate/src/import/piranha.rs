//! piranha's `lvs.cf`: two routers with one group, and the services that its nannies watched.

use super::director::{Director, Section, quoted, with_port};
use super::keepalived::tree::{Statement, read};
use super::pair::{Group, Pair};
use super::{NewFile, Notes, Output, Place, Settings};
use config::{Source, Span};
use std::net::Ipv4Addr;
use std::time::Duration;

/// What the file becomes.
pub fn import(source: Source, settings: &Settings) -> Output {
    let mut notes = Notes::default();
    let place = Place { file: 0, span: Span::new(0, 0) };
    let statements = read(source, &mut notes);
    let method = match setting(&statements, "network") {
        Some("direct") => "gate",
        Some("tunnel") => "ipip",
        _ => "masq",
    };
    let mut director = Director {
        comments: vec!["Imported from piranha.".to_owned()],
        globals: vec![("checkinterval", "5".to_owned())],
        sections: Vec::new(),
    };
    let mut addresses: Vec<String> = Vec::new();
    for statement in &statements {
        match statement.name() {
            "virtual" => addresses.extend(service(statement, method, &mut director, &mut notes)),
            "nat_router" => {
                addresses.extend(address(statement, setting(&statements, "nat_nmask"), &mut notes))
            }
            _ => global(statement, &mut notes),
        }
    }
    addresses.dedup();
    let mut files = Vec::new();
    if !director.sections.is_empty() {
        files.push(NewFile {
            name: "ldirectord.cf".to_owned(),
            text: director.text(&mut notes),
            mode: 0o644,
        });
        addresses.push("ldirectord::ldirectord.cf".to_owned());
    }
    let mut unique: Vec<String> = Vec::new();
    addresses.into_iter().for_each(|address| {
        if !unique.contains(&address) {
            unique.push(address)
        }
    });
    let group = Group { place, name: "the routers of piranha".to_owned(), here: true, resources: unique };
    match &settings.peer {
        Some(peer) => files.extend(pair(&statements, group).files(settings, peer, &mut notes)),
        None => notes.lost(
            place,
            "backup",
            "no pair is written: the other node has no name",
            "say it with --peer NAME",
        ),
    }
    Output { files, notes }
}

/// `NAME = VALUE` outside of blocks.
fn setting<'a>(statements: &'a [Statement], name: &str) -> Option<&'a str> {
    statements
        .iter()
        .rev()
        .find(|each| each.name() == name)
        .map(|each| each.word(2))
        .filter(|value| !value.is_empty())
}

fn pair(statements: &[Statement], group: Group) -> Pair {
    let seconds = |name: &str, default: u64| {
        let value = setting(statements, name)
            .and_then(|value| value.parse::<u64>().ok())
            .filter(|seconds| (1..=3600).contains(seconds));
        Duration::from_secs(value.unwrap_or(default))
    };
    let keepalive = seconds("keepalive", 6);
    let deadtime = seconds("deadtime", 18);
    let deadtime = if deadtime > keepalive * 2 { deadtime } else { keepalive * 3 };
    let interface = |name: &str| {
        statements.iter().find(|each| each.name() == name).and_then(|each| each.word(3).split(':').next())
    };
    let interface = interface("nat_router").filter(|name| !name.is_empty()).unwrap_or("eth0");
    let peers = ["primary_private", "backup_private", "primary", "backup"];
    let mut links: Vec<String> = Vec::new();
    for peer in peers.iter().filter_map(|name| setting(statements, name)?.parse::<Ipv4Addr>().ok()) {
        // The file is for both nodes: each also names itself.
        links.push(format!("ucast {interface} {peer}"));
    }
    if links.is_empty() {
        links.push(format!("bcast {interface}"));
    }
    links.dedup();
    Pair { links, keepalive, deadtime, failback: true, groups: vec![group] }
}

fn global(statement: &Statement, notes: &mut Notes) {
    let (name, value, place) = (statement.name(), statement.word(2), statement.place);
    match name {
        "primary" | "backup" | "primary_private" | "backup_private" | "keepalive" | "deadtime"
        | "network" | "nat_nmask" => notes.same(place, name),
        "serial_no" | "service" | "rsh_command" | "debug_level" | "hard_shutdown" | "tcp_timeout"
        | "tcpfin_timeout" | "udp_timeout" => {
            notes.differs(place, name, "concerns piranha alone");
        }
        "backup_active" => notes.differs(place, name, "both nodes take part"),
        "heartbeat" | "heartbeat_port" => {
            notes.differs(place, name, "the port is 694, unless udpport in ha.cf says otherwise")
        }
        "monitor_links" | "syncdaemon" | "syncd_iface" | "syncd_id" if value == "0" || value.is_empty() => {}
        "monitor_links" => notes.lost(
            place,
            name,
            "a link that fails does not move the group by itself",
            "ping a router: ping ADDRESS, and respawn hacluster ipfail, in ha.cf",
        ),
        "syncdaemon" | "syncd_iface" | "syncd_id" => notes.lost(
            place,
            name,
            "connection synchronisation is no part of these files",
            "a resource in haresources starts and stops it with the group: LVSSyncDaemonSwap::master",
        ),
        "failover" => notes.lost(
            place,
            &format!("failover {}", statement.value()),
            "a service that only moves is a script",
            "put its start script and its address into a line of haresources",
        ),
        _ => notes.lost(place, name, "is not known", "ha.cf(5) tells what there is"),
    }
}

/// `ADDRESS DEVICE:LABEL`; the mask stands elsewhere.
fn address(statement: &Statement, mask: Option<&str>, notes: &mut Notes) -> Option<String> {
    let ip: Ipv4Addr = match statement.word(2).parse() {
        Ok(ip) => ip,
        Err(_) => {
            notes.lost(
                statement.place,
                statement.name(),
                format!("{} is no address", statement.word(2)),
                "write it into haresources by hand",
            );
            return None;
        }
    };
    let bits =
        mask.and_then(|mask| mask.parse::<Ipv4Addr>().ok()).map_or(32, |mask| u32::from(mask).leading_ones());
    let device = statement.word(3);
    let place = if device.is_empty() { String::new() } else { format!("/{device}") };
    notes.same(statement.place, statement.name());
    Some(format!("IPaddr2::{ip}/{bits}{place}"))
}

/// A service; its address as a resource.
fn service(block: &Statement, method: &str, director: &mut Director, notes: &mut Notes) -> Option<String> {
    let get = |name: &str| block.find(name).map(|each| each.word(2)).filter(|value| !value.is_empty());
    let subject = format!("virtual {}", block.value());
    if get("active") == Some("0") {
        notes.look(block.place, &subject, "is not active, and not taken over");
        return None;
    }
    let mark = get("fwmark").filter(|mark| *mark != "0");
    let protocol = if get("protocol") == Some("udp") { "udp" } else { "tcp" };
    let (host, port) = (get("address").unwrap_or(""), get("port").unwrap_or("80"));
    let (key, protocol) = match mark {
        Some(mark) => (mark.to_owned(), "fwm"),
        None => (with_port(host, port), protocol),
    };
    let mut section = Section::new(block.place, false, key, protocol);
    section.comments.push(subject.clone());
    section.set("scheduler", get("scheduler").unwrap_or("wlc").to_ascii_lowercase());
    if let Some(time) = get("persistent").filter(|time| *time != "0") {
        section.set("persistent", time);
        if let Some(mask) = get("pmask") {
            section.set("netmask", mask);
        }
    }
    section.set("quiescent", if get("quiesce_server") == Some("1") { "yes" } else { "no" });
    if let Some(sorry) = get("sorry_server") {
        section.set("fallback", format!("{sorry} gate"));
    }
    for statement in &block.block {
        said(statement, notes);
        if statement.name() == "server" {
            real(statement, port, method, &mut section, notes);
        }
    }
    check(block, protocol, &mut section, notes);
    notes.same(block.place, &subject);
    director.sections.push(section);
    block.find("address").and_then(|line| address(line, get("vip_nmask"), notes))
}

fn said(statement: &Statement, notes: &mut Notes) {
    let (name, place) = (statement.name(), statement.place);
    match name {
        "active" | "address" | "vip_nmask" | "port" | "persistent" | "pmask" | "scheduler" | "protocol"
        | "quiesce_server" | "fwmark" | "server" | "send" | "expect" | "send_program" | "expect_program"
        | "timeout" | "use_regex" | "sorry_server" => {}
        "reentry" => notes.differs(
            place,
            name,
            "a server is up after one good check; rise and slowstart, of directord's own, can make it slower",
        ),
        "load_monitor" if matches!(statement.word(2), "none" | "") => {}
        "load_monitor" => notes.lost(
            place,
            name,
            "weights do not follow the load",
            "weightfromcheck=yes, with an external program that asks for it",
        ),
        _ => notes.lost(place, name, "has no counterpart", "ldirectord.cf(5) tells what there is"),
    }
}

fn real(block: &Statement, port: &str, method: &str, section: &mut Section, notes: &mut Notes) {
    let get = |name: &str| block.find(name).map(|each| each.word(2)).filter(|value| !value.is_empty());
    let subject = format!("server {}", block.value());
    let Some(host) = get("address") else {
        return notes.lost(block.place, &subject, "has no address", "write real= by hand");
    };
    if get("active") == Some("0") {
        return notes.look(block.place, &subject, "is not active, and not taken over");
    }
    let host = if section.protocol == "fwm" {
        host.to_owned()
    } else {
        with_port(host, get("port").unwrap_or(port))
    };
    section.reals.push(format!("{host} {method} {}", get("weight").unwrap_or("1")));
    notes.same(block.place, &subject);
}

/// `send` and `expect`: a page for what looks like HTTP, else the text itself.
fn check(block: &Statement, protocol: &str, section: &mut Section, notes: &mut Notes) {
    let get = |name: &str| block.find(name).filter(|each| !each.word(2).is_empty());
    let limit = get("timeout")
        .and_then(|each| each.word(2).parse::<u64>().ok())
        .filter(|seconds| (1..=3600).contains(seconds))
        .unwrap_or(6);
    section.set("checktimeout", limit.to_string());
    section.set("negotiatetimeout", limit.to_string());
    if let Some(program) = get("send_program") {
        let advice = "write it as checkcommand: it is called with VIP, port, server and port, and says by its exit status whether the server is up";
        notes.lost(program.place, "send_program", "what a program prints is not compared", advice);
    }
    let regex = block.find("use_regex").is_some_and(|each| each.word(2) == "1");
    let send = get("send").map_or("", |each| each.word(2));
    let path = send
        .strip_prefix("GET ")
        .and_then(|rest| rest.split([' ', '\\']).next())
        .filter(|path| path.starts_with('/'));
    match (get("expect"), path) {
        _ if protocol == "udp" || section.protocol == "fwm" => section.set("checktype", "ping"),
        (expect, Some(path)) => {
            section.set("checktype", "negotiate");
            section.set("service", "http");
            section.lines.extend(quoted(path).map(|path| ("request", path)));
            if let Some(expect) = expect {
                notes.differs(
                    expect.place,
                    "expect",
                    "a page is good if its status is; the beginning of the answer is not compared",
                );
            }
        }
        (Some(expect), None) => {
            let text = if regex { expect.word(2).to_owned() } else { escaped(expect.word(2)) };
            section.set("checktype", "negotiate");
            section.set("service", "simpletcp");
            section.lines.extend(quoted(send).map(|send| ("request", send)));
            match quoted(&text) {
                Some(text) => section.set("receive", text),
                None => notes.lost(
                    expect.place,
                    "expect",
                    "cannot stand in quotes",
                    "an external check can compare it",
                ),
            }
        }
        (None, None) => section.set("checktype", "connect"),
    }
}

/// As an expression that means itself.
fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| (!c.is_alphanumeric() && c.is_ascii()).then_some('\\').into_iter().chain([c]))
        .collect()
}
