//! Random checks, each with the port that its section has.

use super::Dice;

/// A way to check.
pub struct Check {
    pub lines: Vec<String>,
    /// Of the virtual service, and as a rule of the real servers.
    pub port: &'static str,
    pub udp: bool,
    /// The port of the real servers is what is checked.
    pub own_port: bool,
    /// Requests and answers that a real server may have on its own line.
    pub pairs: &'static [&'static str],
}

/// A service of `checktype=negotiate`: its port, the lines it cannot do without, and what real servers may ask instead.
struct Service {
    name: &'static str,
    ports: &'static [&'static str],
    number: &'static str,
    lines: &'static [&'static str],
    pairs: &'static [&'static str],
}

const fn service(
    name: &'static str,
    ports: &'static [&'static str],
    number: &'static str,
    lines: &'static [&'static str],
    pairs: &'static [&'static str],
) -> Service {
    Service { name, ports, number, lines, pairs }
}

const LOGIN: &[&str] = &["login=\"monitor\"", "passwd = \"example\""];

/// The old program changes the table within the time limit of these checks; if ipvsadm is slow, it stops half way and never tries
/// again.
const UNHURRIED: &str = "checktimeout=60";
const QUERY: &[&str] =
    &["login=\"monitor\"", "passwd=\"example\"", "database=\"example\"", "request=\"SELECT 1\""];

/// Those but the ones of the web, and `oracle`: without Oracle's own driver, which Debian lacks, the old program ends with the first
/// check. Simpletcp has no port of its own.
const SERVICES: &[Service] = &[
    service("smtp", &["25", "smtp"], "25", &[], &[]),
    service("submission", &["587", "submission"], "587", &[], &[]),
    service("nntp", &["119", "nntp"], "119", &[], &[]),
    service("pop", &["110", "pop3"], "110", LOGIN, &[]),
    service("pops", &["995", "pop3s"], "995", LOGIN, &[]),
    service("imap", &["143", "imap2"], "143", LOGIN, &[]),
    service("imaps", &["993", "imaps"], "993", LOGIN, &[]),
    service("sip", &["5060", "sip"], "5060", &["login=\"monitor@192.0.2.1\""], &[]),
    service(
        "dns",
        &["53", "domain"],
        "53",
        &["request=\"www.example.com\"", "receive=\"192.0.2.5\\d$\""],
        &[" \"www.example.com\" \"192.0.2.53\"", " \"www.example.com\", \"192.0.2.54\""],
    ),
    service(
        "ftp",
        &["21", "ftp"],
        "21",
        &["login=\"monitor\"", "passwd=\"example\"", "request=\"status.txt\"", "receive=\"a (file|page)\""],
        &[" \"own.txt\" \"file$\"", " \"own.txt\", \"never\""],
    ),
    service("ldap", &["389", "ldap"], "389", &["request=\"dc=example\"", "receive=\"^dc=\""], &[]),
    service("ldap", &["389", "ldap"], "389", LOGIN, &[]),
    service("ldaps", &["636", "ldaps"], "636", &["request=\"dc=example\"", "receive=\"^dc=\""], &[]),
    service("ldaps", &["636", "ldaps"], "636", LOGIN, &[]),
    service(
        "radius",
        &["1812"],
        "1812",
        &["login=\"monitor\"", "passwd=\"example\"", "secret=\"example\""],
        &[],
    ),
    service("mysql", &["3306", "mysql"], "3306", QUERY, &[]),
    service("pgsql", &["5432", "postgresql"], "5432", QUERY, &[]),
    service(
        "simpletcp",
        &["7000"],
        "7000",
        &["request=\"how is it\\n\"", "receive=\"(well|fine)\""],
        &[" \"well?\\n\" \"ok$\"", " \"well?\\n\", \"never\""],
    ),
    service("none", &["9000"], "9000", &[], &[]),
];

const ANY_PORT: &[&str] = &["80", "8080", "http", "smtp", "9000", "443", "https", "3306"];

/// A check for a section of this family.
pub fn random(dice: &mut Dice, six: bool, mark: bool) -> Check {
    // The old program pings IPv4 alone.
    let kind = match dice.below(100) {
        0..=29 => "http",
        30..=37 => "https",
        38..=67 => "service",
        68..=75 => "connect",
        76..=80 => "external",
        81..=84 => "external-perl",
        85..=88 => "on",
        89..=90 => "off",
        _ if six => "connect",
        91..=92 => "udp",
        _ => "ping",
    };
    let mut lines = Vec::new();
    match kind {
        "http" | "https" => web(dice, kind, lines),
        "service" => negotiate(dice, six, mark, lines),
        "external" => {
            lines.push("checktype = external".to_owned());
            let script = dice.of(&["is-up", "is-up", "is-up", "is-down", "no-such-command"]);
            lines.push(format!("checkcommand={}", dice.of(&["F", "\"F\""]).replace('F', &in_folder(script))));
            any_port(dice, lines)
        }
        "external-perl" => {
            lines.push("checktype=external-perl".to_owned());
            lines.push(format!("checkcommand={}", in_folder("is-up.pl")));
            any_port(dice, lines)
        }
        "connect" => {
            lines.push("checktype=connect".to_owned());
            let own_port = !mark && dice.chance(50);
            if !own_port {
                lines.push("checkport=9000".to_owned());
            }
            Check { own_port, ..any_port(dice, lines) }
        }
        "udp" => {
            lines.push("protocol=udp".to_owned());
            lines.push(dice.of(&["checktype=connect", "checktype=ping", "checktype=on"]).to_owned());
            Check { port: dice.of(&["53", "514", "syslog"]), udp: true, ..any_port(dice, lines) }
        }
        _ => {
            lines.push(format!("checktype={kind}"));
            if kind == "ping" && dice.chance(50) {
                lines.push("checkcount=2".to_owned());
            }
            any_port(dice, lines)
        }
    }
}

fn in_folder(name: &str) -> String {
    format!("{}/{name}", crate::side::FOLDER)
}

fn any_port(dice: &mut Dice, lines: Vec<String>) -> Check {
    Check { lines, port: dice.of(ANY_PORT), udp: false, own_port: false, pairs: &[] }
}

fn web(dice: &mut Dice, name: &str, mut lines: Vec<String>) -> Check {
    if dice.chance(20) {
        lines.push(dice.of(&["checktype=2", "checktype = 1", "checktype=\"3\""]).to_owned());
    }
    let tls = name == "https";
    let proxy = !tls && dice.chance(10);
    let name = if proxy { "http_proxy" } else { name };
    lines.push(format!("{}{name}{}", dice.of(&["service=", "service = "]), dice.of(&["", " # the web"])));
    // A plain service at the port of its own kind needs no port for the check.
    let own_port = dice.chance(40);
    let own: &[&str] = if tls { &["443", "https"] } else { &["80", "http", "8080"] };
    let port = if own_port { dice.of(own) } else { dice.of(ANY_PORT) };
    if !own_port {
        lines.push(format!("checkport={}", if tls { "443" } else { "8080" }));
    }
    if proxy {
        lines.push("request=\"http://www.example.com/page\"".to_owned());
    } else if dice.chance(80) {
        lines.push(format!("request=\"{}\"", dice.of(&["index.html", "/status", "/", "a?b=c&d=%20e"])));
    }
    let head = dice.chance(10);
    if head {
        lines.push(format!("httpmethod={}", dice.of(&["HEAD", "head"])));
    } else if dice.chance(10) {
        lines.push("httpmethod=get".to_owned());
    }
    if !head || dice.chance(20) {
        let wanted = dice.of(&[
            "ok",
            "^It works",
            "status (ok|fine)",
            "load [0-9]+",
            "(?i)STATUS OK",
            "load 7$",
            "It(?= works)",
            "never this",
        ]);
        lines.push(format!("receive=\"{wanted}\"{}", dice.of(&["", "", " # what it says"])));
    }
    if dice.chance(30) {
        lines.push(dice.of(&["virtualhost=www.example.com", "virtualhost=\"www.example.com\""]).to_owned());
    }
    let pairs: &[&str] = match name {
        "http" => &[
            " \"status\", \"ok\"",
            " \"own\" \"never\"",
            " \"x.html\",\"l.ad\"",
            " \"http://192.0.2.10:8081/x\" \"works\"",
        ],
        "https" => &[" \"status\", \"ok\"", " \"own\" \"never\""],
        _ => &[],
    };
    Check { lines, port, udp: false, own_port, pairs }
}

/// A service that its name or its port tells.
fn negotiate(dice: &mut Dice, six: bool, mark: bool, mut lines: Vec<String>) -> Check {
    // Old clients of the others know IPv4 alone.
    let knows_six = ["smtp", "submission", "nntp", "simpletcp", "none"];
    let fits = |service: &&Service| !six || knows_six.contains(&service.name);
    let services: Vec<&Service> = SERVICES.iter().filter(fits).collect();
    let service = services[dice.below(services.len() as u64) as usize];
    let udp = !mark && ["sip", "dns"].contains(&service.name) && dice.chance(60);
    if udp {
        lines.push("protocol=udp".to_owned());
    } else if !mark && service.name == "dns" {
        lines.push("protocol=tcp".to_owned());
    }
    lines.push(dice.of(&["# the default", "checktype=negotiate", "checktype = \"negotiate\""]).to_owned());
    let own_port = !mark && dice.chance(60);
    if !own_port || dice.chance(50) || ["simpletcp", "none"].contains(&service.name) {
        lines.push(format!("service={}{}", service.name, dice.of(&["", " # it is"])));
    }
    if !own_port {
        lines.push(format!("checkport={}", service.number));
    }
    lines.extend(service.lines.iter().map(|line| (*line).to_owned()));
    if service.name.starts_with("ldap") {
        lines.push(UNHURRIED.to_owned());
    }
    let port = match (own_port, udp) {
        (true, _) => dice.of(service.ports),
        (false, true) => dice.of(&["80", "8080", "9000"]), // few names are known for UDP
        (false, false) => dice.of(ANY_PORT),
    };
    Check { lines, port, udp, own_port, pairs: service.pairs }
}
