//! Files from the wild: what of them can run here, and servers as they want them.

use crate::case::{Case, Speaks, State};
use directord::check::Kind;
use directord::config::{Check, Plan};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

const FOLDER: &str = "ldirectord";

/// The cases of the folder's files that ldirectord accepts, and the files that are none, with the reason.
pub fn cases(folder: &str) -> (Vec<Case>, Vec<String>) {
    let (mut cases, mut left_out) = (Vec::new(), Vec::new());
    for (name, hosts) in accepted(folder) {
        match case(folder, &name, &hosts) {
            Ok(case) => cases.push(case),
            Err(reason) => left_out.push(format!("{name}: {reason}")),
        }
    }
    (cases, left_out)
}

/// The case of one of those files.
pub fn named(folder: &str, wanted: &str) -> Case {
    let (name, hosts) =
        accepted(folder).into_iter().find(|(name, _)| name == wanted).expect("a file of the corpus");
    case(folder, &name, &hosts).expect("a case")
}

/// The files that ldirectord accepts, each with the names that it has to know for that.
fn accepted(folder: &str) -> Vec<(String, String)> {
    let index = std::fs::read_to_string(Path::new(folder).join(FOLDER).join("index.tsv"))
        .expect("index.tsv of the corpus");
    let of_line = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let names = fields.get(7).and_then(|field| field.strip_prefix("with names "));
        let names = names.and_then(|field| field.strip_suffix(" in hosts: accepted"));
        let taken = fields[3] == "accepted" || names.is_some();
        taken.then(|| (fields[0].to_owned(), names.unwrap_or_default().to_owned()))
    };
    index.lines().skip(1).filter_map(of_line).collect()
}

fn case(folder: &str, name: &str, names: &str) -> Result<Case, String> {
    let bytes = std::fs::read(Path::new(folder).join(FOLDER).join(name)).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // At the reload the other way to treat dead servers, and a section more.
    let other = if text.lines().any(|line| line.starts_with("quiescent") && line.contains("yes")) {
        "no"
    } else {
        "yes"
    };
    let reloaded = format!(
        "{text}\n\nvirtual=198.51.100.200:81\n\tchecktype=on\n\treal=198.51.100.201:81 masq 3\n\nquiescent={other}\n"
    );
    let mut case = Case::new(name, [text, reloaded]);
    for (number, name) in names.split(',').filter(|name| !name.is_empty()).enumerate() {
        // Three dots: more names of the same kind.
        let known = name.trim_end_matches('.');
        case.hosts.push((IpAddr::from([198, 18, 0, number as u8 + 1]), known.to_owned()));
        if known != name {
            more_names(known, &mut case.hosts);
        }
    }
    let plan = case.plan(0)?;
    if let Some(database) = database(&plan) {
        return Err(format!(
            "ldirectord ends at its first check of {database}: Debian's package brings no driver"
        ));
    }
    equip(&mut case, &plan);
    Ok(case.judge())
}

/// The first database that a plan checks.
fn database(plan: &Plan) -> Option<&str> {
    let checks = plan.services.iter().flat_map(|service| &service.reals).map(|real| &real.check);
    let names = checks.filter_map(|check| match check {
        Check::Probe(probe) => Some(probe.kind.name()),
        _ => None,
    });
    names.into_iter().find(|name| ["mysql", "pgsql", "oracle"].contains(name))
}

/// `bb.bb.bb.01...` is also `bb.bb.bb.02` to `bb.bb.bb.09`.
fn more_names(first: &str, hosts: &mut Vec<(IpAddr, String)>) {
    let Some(stem) = first.strip_suffix('1') else { return };
    for digit in 2..=9 {
        hosts.push((IpAddr::from([198, 18, 1, digit]), format!("{stem}{digit}")));
    }
}

/// Servers that do what the plan's checks ask for; every third is gone, every other one changes.
fn equip(case: &mut Case, plan: &Plan) {
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
    case.servers.remove(&crate::case::BEACON.parse().unwrap());
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
        Kind::Http(http) if kind.name() == "http" => {
            let wanted = http.receive.as_ref().map_or(String::new(), |receive| example(receive.text()));
            let port = http.url.trim_start_matches("http://").split('/').next().unwrap_or("");
            let port = port.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(80);
            match ports.entry((port, false)).or_insert(Speaks::Web(String::new())) {
                Speaks::Web(page) => *page += &format!("{wanted}\n"),
                other => *other = Speaks::Web(format!("{wanted}\n")),
            }
        }
        Kind::SimpleTcp(simple) => drop(ports.insert((simple.to.port(), simple.udp), Speaks::Simple)),
        Kind::Dialogue(dialogue) => {
            let speaks = match dialogue.service.name() {
                "smtp" | "submission" => Speaks::Smtp,
                "nntp" => Speaks::Nntp,
                "pop" => Speaks::Pop,
                "imap" => Speaks::Imap,
                "sip" => Speaks::Sip,
                "dns" => Speaks::Dns,
                other => return Some(other),
            };
            ports.insert((dialogue.to.port(), dialogue.udp), speaks);
        }
        Kind::Combined { negotiate, .. } => return play(negotiate, ports),
        Kind::Ping { .. } | Kind::External { .. } => {}
        other => return Some(other.name()),
    }
    None
}

/// A text that an expression of the corpus matches.
fn example(expression: &str) -> String {
    expression.replace("[0-9]+", "7")
}
