//! Random valid files: the same seed makes the same file.

use crate::case::{Case, MOMENTS, Speaks, State};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    /// True in `percent` of 100 cases.
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// A section, to be changed and written.
#[derive(Clone)]
struct Section {
    head: String,
    lines: Vec<String>,
    reals: Vec<String>,
}

/// What the names of these cases begin with, before their number.
pub const PREFIX: &str = "random-";

/// The case of this number.
pub fn case(number: u64) -> Case {
    let dice = &mut Dice(number.wrapping_mul(7919));
    let globals = globals(dice);
    let mut sections: Vec<Section> = (0..1 + dice.below(3)).map(|index| section(dice, index)).collect();
    if dice.chance(25) {
        sections.push(twin(&sections[0]));
    }
    let before = text(&globals, &sections);
    let (globals, sections) = changed(dice, globals, sections);
    let mut case = Case::new(&format!("{PREFIX}{number}"), [before, text(&globals, &sections)]);
    case.ports = PORTS.iter().map(|(port, page)| ((*port, false), speaks(page))).collect();
    case.servers = servers(dice, case.files.concat().as_str());
    case.judge()
}

/// What the ports of all real servers speak.
const PORTS: &[(u16, &str)] =
    &[(80, "web"), (8080, "web"), (8081, "web"), (25, "mail"), (9000, ""), (443, ""), (3306, "")];

fn speaks(name: &str) -> Speaks {
    match name {
        "web" => Speaks::Web("It works: status ok, load 7\n".to_owned()),
        "mail" => Speaks::Smtp,
        _ => Speaks::Nothing,
    }
}

fn globals(dice: &mut Dice) -> Vec<String> {
    let mut lines = vec!["checktimeout=3".to_owned(), "negotiatetimeout = 4".to_owned()];
    let mut maybe = |percent, line: &str, dice: &mut Dice| {
        if dice.chance(percent) {
            lines.push(line.to_owned());
        }
    };
    maybe(40, "quiescent=yes", dice);
    maybe(20, "quiescent = no", dice);
    maybe(20, "readdquiescent=yes", dice);
    maybe(20, "failurecount=2", dice);
    maybe(15, "cleanstop=no", dice);
    maybe(30, "fallback=127.0.0.1:8080 masq", dice);
    maybe(15, "fallback=127.0.0.1", dice);
    maybe(10, "fork=yes", dice);
    maybe(10, "fallback6=[::1]:8080 masq", dice);
    maybe(20, "# a comment", dice);
    lines
}

const SCHEDULERS: &[&str] = &["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq"];

fn section(dice: &mut Dice, index: u64) -> Section {
    let six = dice.chance(15);
    let mark = !six && dice.chance(20);
    let udp = !six && !mark && dice.chance(15);
    let port = dice.of(&["80", "8080", "http", "25", "9000", "443", "3306", "53"]);
    let port = if udp {
        "53"
    } else if port == "53" {
        "80"
    } else {
        port
    };
    let head = if mark {
        format!("virtual={}", index + 1 + dice.below(90) * 4)
    } else if six {
        format!("virtual6=[2001:db8:1::{}]:{port}", index + 1)
    } else {
        format!("virtual = 203.0.113.{}:{port}", index + 1)
    };
    let mut lines = Vec::new();
    if udp {
        lines.push("protocol=udp".to_owned());
    } else if mark && dice.chance(30) {
        lines.push("protocol=fwm".to_owned());
    }
    check(dice, six, udp, &mut lines);
    if dice.chance(70) {
        lines.push(format!("scheduler={}", dice.of(SCHEDULERS)));
    }
    if dice.chance(30) {
        lines.push(format!("persistent={}", 30 + dice.below(600)));
        if dice.chance(50) {
            lines.push(format!("netmask={}", if six { "64" } else { "255.255.255.0" }));
        }
    }
    if dice.chance(30) {
        lines.push(format!("quiescent={}", dice.of(&["yes", "no"])));
    }
    if udp && dice.chance(30) {
        lines.push("ops=yes".to_owned());
    }
    if dice.chance(30) {
        lines.push(match (six, mark) {
            (true, _) => "fallback6=[::1]:9000 masq".to_owned(),
            (_, true) => "fallback=127.0.0.1:80 gate".to_owned(),
            _ => format!("fallback=127.0.0.1{} {}", dice.of(&[":80", ""]), dice.of(&["masq", "gate", ""]))
                .trim_end()
                .to_owned(),
        });
    }
    let count = 1 + dice.below(3);
    let reals = (0..count).map(|real| real_line(dice, six, mark, port, index, real)).collect();
    Section { head, lines, reals }
}

fn check(dice: &mut Dice, six: bool, udp: bool, lines: &mut Vec<String>) {
    // ldirectord dies of HTTP over IPv6 on Debian, and pings IPv4 alone.
    let kind = match (six, udp) {
        (true, _) => dice.of(&["connect", "on", "external"]),
        (_, true) => dice.of(&["connect", "ping", "on", "external"]),
        _ => dice.of(&["connect", "http", "http", "http", "ping", "on", "off", "external", "combined"]),
    };
    let web = |lines: &mut Vec<String>, dice: &mut Dice| {
        lines.push("service=http".to_owned());
        lines.push("checkport=8080".to_owned());
        lines.push(format!("request=\"{}\"", dice.of(&["index.html", "/status", "/"])));
        if dice.chance(70) {
            let wanted = dice.of(&[
                "ok",
                "^It works",
                "status (ok|fine)",
                "load [0-9]+",
                "(?i)STATUS OK",
                "never this",
            ]);
            lines.push(format!("receive=\"{wanted}\""));
        } else if dice.chance(30) {
            lines.push("httpmethod=HEAD".to_owned());
        }
        if dice.chance(30) {
            lines.push("virtualhost=www.example.com".to_owned());
        }
    };
    match kind {
        "http" => web(lines, dice),
        "combined" => {
            lines.push("checktype=2".to_owned());
            web(lines, dice);
        }
        "external" => {
            lines.push("checktype = external".to_owned());
            lines.push(format!("checkcommand={}", dice.of(&["/bin/true", "/bin/false", "/no/such/command"])));
        }
        "connect" => {
            lines.push("checktype=connect".to_owned());
            if dice.chance(50) {
                lines.push("checkport=9000".to_owned());
            }
        }
        other => lines.push(format!("checktype={other}")),
    }
}

fn real_line(dice: &mut Dice, six: bool, mark: bool, port: &str, section: u64, real: u64) -> String {
    let method = dice.of(&["gate", "masq", "ipip"]);
    let port = match (mark, method) {
        (true, _) => dice.of(&["", ":80"]).to_owned(),
        (_, "masq") if dice.chance(40) => ":8080".to_owned(),
        _ => format!(":{port}"),
    };
    let weight = if dice.chance(60) { format!(" {}", dice.below(10)) } else { String::new() };
    let limits = if dice.chance(15) { " l:5 u:50" } else { "" };
    let own = 10 * (section + 1) + 4 * real;
    if six {
        return format!("real6=[2001:db8::{own}]{port} {method}{weight}{limits}");
    }
    let last = if dice.chance(15) { format!("->192.0.2.{}", own + 1 + dice.below(2)) } else { String::new() };
    format!("real=192.0.2.{own}{last}{port} {method}{weight}{limits}")
}

/// The same servers behind another address: their checks are the same, and done once.
fn twin(section: &Section) -> Section {
    let head = match section.head.split_once("203.0.113.") {
        Some((start, rest)) => format!("{start}203.0.113.2{rest}"),
        None if section.head.contains("2001") => section.head.replace("2001:db8:1::", "2001:db8:2::"),
        None => format!("{}000", section.head),
    };
    Section { head, ..section.clone() }
}

/// What an administrator may change before a reload.
fn changed(
    dice: &mut Dice,
    mut globals: Vec<String>,
    mut sections: Vec<Section>,
) -> (Vec<String>, Vec<Section>) {
    for _ in 0..1 + dice.below(2) {
        let at = dice.below(sections.len() as u64) as usize;
        match dice.below(8) {
            0 => globals.push(format!("quiescent={}", dice.of(&["yes", "no"]))),
            1 if sections.len() > 1 => drop(sections.remove(at)),
            2 => sections.push(section(dice, 7)),
            3 if sections[at].reals.len() > 1 => drop(sections[at].reals.pop()),
            4 => sections[at].lines.push(format!("scheduler={}", dice.of(SCHEDULERS))),
            5 => sections[at].lines.push(format!("quiescent={}", dice.of(&["yes", "no"]))),
            6 => sections[at].lines.push("persistent=77".to_owned()),
            _ => {
                for real in &mut sections[at].reals {
                    *real = real
                        .replace(" masq", " masq 9")
                        .replace(" gate", " gate 9")
                        .replace(" ipip", " ipip 9");
                    let mut words: Vec<&str> = real.split(' ').collect();
                    if words.get(3).is_some_and(|word| word.parse::<u32>().is_ok()) {
                        words.remove(3); // the weight it had
                    }
                    *real = words.join(" ");
                }
            }
        }
    }
    (globals, sections)
}

fn text(globals: &[String], sections: &[Section]) -> String {
    let mut text = globals.join("\n") + "\n";
    for section in sections {
        text += &format!("\n{}\n", section.head);
        for line in section.lines.iter().chain(&section.reals) {
            text += &format!("\t{line}\n");
        }
    }
    text
}

/// Every address that the files name as a real server, and how it is.
fn servers(dice: &mut Dice, text: &str) -> BTreeMap<IpAddr, [State; MOMENTS]> {
    let mut servers = BTreeMap::new();
    let mut state = || match dice.below(10) {
        0..=5 => State::Up,
        6..=7 => State::Wrong,
        8 => State::Refuses,
        _ => State::Gone,
    };
    for last in 10..=99_u16 {
        let four = IpAddr::from([192, 0, 2, last as u8]);
        let six: IpAddr = format!("2001:db8::{last}").parse().unwrap();
        for (address, written) in
            [(four, text.contains("192.0.2.")), (six, text.contains(&format!("[{six}]")))]
        {
            if written {
                servers.insert(address, [state(), state(), state()]);
            }
        }
    }
    servers
}
