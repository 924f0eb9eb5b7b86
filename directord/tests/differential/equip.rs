//! Servers as a plan wants them.

use crate::case::{BEACON, Case, Site, Speaks, State};
use directord::check::{Dialogue, Http, Kind};
use directord::config::{Check, Plan};
use std::collections::BTreeMap;

/// Servers that do what the plan's checks ask for; every third is gone, every other one changes.
pub fn equip(case: &mut Case, plan: &Plan) {
    let mut silent: BTreeMap<&str, usize> = BTreeMap::new();
    for service in &plan.services {
        for real in &service.reals {
            let Check::Probe(probe) = &real.check else { continue };
            if let Some(name) = play(&probe.kind, &mut case.ports) {
                *silent.entry(name).or_default() += 1;
            }
            let number = case.servers.len();
            let states = match number % 5 {
                0 => [State::Up, State::Gone, State::Up],
                1 => [State::Gone, State::Up, State::Refuses],
                2 => [State::Up, State::Wrong, State::Up],
                3 => [State::Wrong, State::Up, State::Up],
                _ => [State::Refuses, State::Gone, State::Wrong],
            };
            // A fallback may be this machine's own.
            if !real.address.is_loopback() {
                case.servers.entry(real.address).or_insert(states);
            }
        }
    }
    case.servers.remove(&BEACON.parse().unwrap());
    for (name, count) in silent {
        case.notes
            .push(format!("{count} servers of {name} being up: nobody plays {name}, they are down for both"));
    }
}

/// Lets the port of a check answer it; the name of the protocol if nobody does.
fn play<'a>(kind: &'a Kind, ports: &mut BTreeMap<(u16, bool), Speaks>) -> Option<&'a str> {
    match kind {
        Kind::Connect { to, .. } => {
            ports.entry((to.port(), false)).or_insert(Speaks::Nothing);
        }
        Kind::Http(http) => web(http, ports),
        Kind::SimpleTcp(simple) => drop(ports.insert((simple.to.port(), simple.udp), Speaks::Simple)),
        Kind::Dialogue(dialogue) => {
            let Some(speaks) = speaks(dialogue) else { return Some(dialogue.service.name()) };
            let udp = dialogue.udp || matches!(speaks, Speaks::Radius(_));
            ports.insert((dialogue.to.port(), udp), speaks);
        }
        Kind::Combined { negotiate, .. } => return play(negotiate, ports),
        Kind::Ping { .. } | Kind::External { .. } => {}
        other => return Some(other.name()),
    }
    None
}

/// One more page of the site at the check's port. A site has what is asked for, and nothing else: so both programs ask for the
/// same.
fn web(http: &Http, ports: &mut BTreeMap<(u16, bool), Speaks>) {
    let Ok(url) = url::Url::parse(&http.url) else { return };
    let port = url.port_or_known_default().unwrap_or(80);
    let tls = url.scheme() == "https";
    let fresh = || match tls {
        true => Speaks::Tls(Box::new(Speaks::Web(Site::default()))),
        false => Speaks::Web(Site::default()),
    };
    let entry = ports.entry((port, false)).or_insert_with(fresh);
    if !matches!(entry, Speaks::Web(_)) && !tls {
        *entry = fresh();
    }
    let site = match entry {
        Speaks::Web(site) => site,
        Speaks::Tls(inside) => match &mut **inside {
            Speaks::Web(site) => site,
            _ => return,
        },
        _ => return,
    };
    let host = http.host.clone().unwrap_or_else(|| url.host_str().unwrap_or_default().to_owned());
    let query = url.query().map_or(String::new(), |query| format!("?{query}"));
    site.known.push((host, format!("{}{query}", url.path())));
    let wanted = http.receive.as_ref().map_or(String::new(), |receive| example(receive.text()));
    site.page += &format!("{wanted}\n");
}

fn speaks(dialogue: &Dialogue) -> Option<Speaks> {
    let tls = |inside| Speaks::Tls(Box::new(inside));
    Some(match dialogue.service.name() {
        "smtp" | "submission" => Speaks::Smtp,
        "nntp" => Speaks::Nntp,
        "pop" => Speaks::Pop,
        "pops" => tls(Speaks::Pop),
        "imap" => Speaks::Imap,
        "imaps" => tls(Speaks::Imap),
        "sip" => Speaks::Sip,
        "dns" => Speaks::Dns,
        "ldap" => Speaks::Ldap,
        "ldaps" => tls(Speaks::Ldap),
        "mysql" => Speaks::Mysql,
        "pgsql" => Speaks::Pgsql,
        "radius" => Speaks::Radius(dialogue.secret.reveal().to_owned()),
        "ftp" => {
            Speaks::Ftp(dialogue.receive.as_ref().map_or(String::new(), |receive| example(receive.text())))
        }
        _ => return None,
    })
}

/// A text that an expression of the corpus or of the probes matches.
fn example(expression: &str) -> String {
    expression.replace("[0-9]+", "7")
}
