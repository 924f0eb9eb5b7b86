//! piranha's `lvs.cf`: two routers with one group, and the services that its nannies watched.

mod checks;

use super::director::{Director, Section, with_port};
use super::keepalived::tree::{Statement, read};
use super::pair::{Group, Pair};
use super::{NewFile, Notes, Output, Place, Settings, TIMEOUTS};
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
    let sync = sync(&statements, &mut notes);
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
    let mut files = Vec::new();
    if !director.sections.is_empty() {
        files.push(NewFile {
            name: "ldirectord.cf".to_owned(),
            text: director.text(&mut notes),
            mode: 0o644,
        });
    }
    let director = (!director.sections.is_empty()).then(|| "ldirectord::ldirectord.cf".to_owned());
    let mut unique: Vec<String> = director.into_iter().chain(sync).collect();
    addresses.into_iter().for_each(|address| {
        if !unique.contains(&address) {
            unique.push(address)
        }
    });
    let group = Group { place, name: "the routers of piranha".to_owned(), here: true, resources: unique };
    match &settings.peer {
        Some(peer) => {
            let pair = pair(&statements, group, &mut notes);
            files.extend(pair.files(settings, peer, &mut notes));
        }
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

/// The daemon that keeps the other router's table of connections, with piranha's own defaults.
fn sync(statements: &[Statement], notes: &mut Notes) -> Option<String> {
    let found = |name: &str| statements.iter().rev().find(|each| each.name() == name);
    let on = found("syncdaemon").filter(|each| each.word(2) == "1")?;
    let interface = setting(statements, "syncd_iface").unwrap_or("eth0");
    let id = setting(statements, "syncd_id").unwrap_or("0");
    for line in [Some(on), found("syncd_iface"), found("syncd_id")].into_iter().flatten() {
        notes.same(line.place, line.name());
    }
    Some(format!("LVSSyncDaemonSwap::master::{id}::{interface}"))
}

fn pair(statements: &[Statement], group: Group, notes: &mut Notes) -> Pair {
    let seconds = |name: &str, default: u64| {
        let value = setting(statements, name)
            .and_then(|value| value.parse::<u64>().ok())
            .filter(|seconds| (1..=3600).contains(seconds));
        Duration::from_secs(value.unwrap_or(default))
    };
    let keepalive = seconds("keepalive", 6);
    let deadtime = seconds("deadtime", 18);
    let deadtime = if deadtime > keepalive * 2 { deadtime } else { keepalive * 3 };
    // Clients come in where the virtual addresses are, the servers are behind the router for NAT.
    let public = statements
        .iter()
        .filter(|each| each.name() == "virtual")
        .find_map(|block| device(block.find("address")?));
    let private = statements.iter().find(|each| each.name() == "nat_router").and_then(device);
    let mut links = Vec::new();
    links.extend(link(statements, ["primary", "backup"], public, group.place, notes));
    if statements.iter().any(|each| each.name().ends_with("_private") && !each.word(2).is_empty()) {
        links.extend(link(statements, ["primary_private", "backup_private"], private, group.place, notes));
    }
    if !links.iter().any(|link| link.starts_with("ucast")) {
        links.push(format!("bcast {}", public.or(private).unwrap_or("eth0")));
    }
    Pair { links, keepalive, deadtime, failback: true, groups: vec![group] }
}

/// `ADDRESS DEVICE:LABEL`
fn device(statement: &Statement) -> Option<&str> {
    statement.word(3).split(':').next().filter(|device| !device.is_empty())
}

/// The lines of a network that both routers have: each node also names itself, so that the file is for both.
fn link(
    statements: &[Statement],
    names: [&str; 2],
    device: Option<&str>,
    whole: Place,
    notes: &mut Notes,
) -> Vec<String> {
    let mut lines = Vec::new();
    for name in names {
        let statement = statements.iter().rev().find(|each| each.name() == name);
        let place = statement.map_or(whole, |statement| statement.place);
        let address = statement.and_then(|statement| statement.word(2).parse::<Ipv4Addr>().ok());
        match (address, device) {
            (Some(address), Some(device)) => lines.push(format!("ucast {device} {address}")),
            (Some(address), None) => {
                lines.push(format!("# ucast INTERFACE {address}"));
                notes.lost(
                    place,
                    name,
                    "the file does not say on which interface it is",
                    "write the interface into its line of ha.cf, where it is a comment",
                );
            }
            (None, _) => notes.lost(
                place,
                name,
                "without this address one node would not hear the other",
                "add the line to ha.cf, on both nodes: ucast INTERFACE ADDRESS",
            ),
        }
    }
    lines
}

fn global(statement: &Statement, notes: &mut Notes) {
    let (name, value, place) = (statement.name(), statement.word(2), statement.place);
    match name {
        "primary" | "backup" | "primary_private" | "backup_private" | "keepalive" | "deadtime"
        | "network" | "nat_nmask" => notes.same(place, name),
        "serial_no" | "service" | "rsh_command" | "debug_level" | "hard_shutdown" => {
            notes.differs(place, name, "concerns piranha alone");
        }
        "tcp_timeout" | "tcpfin_timeout" | "udp_timeout" if matches!(value, "" | "0") => {}
        "tcp_timeout" | "tcpfin_timeout" | "udp_timeout" => {
            notes.lost(place, name, TIMEOUTS.0, TIMEOUTS.1);
        }
        "backup_active" => notes.differs(place, name, "both nodes take part"),
        "heartbeat" | "heartbeat_port" => {
            notes.differs(place, name, "the port is 694, unless udpport in ha.cf says otherwise")
        }
        "syncdaemon" | "syncd_iface" | "syncd_id" => {} // see the resource
        "monitor_links" if value == "0" || value.is_empty() => {}
        "monitor_links" => notes.lost(
            place,
            name,
            "a link that fails does not move the group by itself",
            "ping a router: ping ADDRESS, and respawn hacluster ipfail, in ha.cf",
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
    checks::apply(block, port, &mut section, notes);
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
