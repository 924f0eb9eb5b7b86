//! Random valid files, what an administrator changes in them, and what their servers do: the same seed makes the same case.

mod checks;
mod section;

use crate::case::{BEACON, Case, MOMENTS, Site, Speaks, State};
use directord::config::Check;
use section::Section;
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

/// What the names of these cases begin with, before their number.
pub const PREFIX: &str = "random-";

/// The case of this number.
pub fn case(number: u64) -> Case {
    let dice = &mut Dice(number.wrapping_mul(7919));
    let globals = globals(dice);
    let mut sections: Vec<Section> =
        (0..1 + dice.below(3)).map(|index| section::random(dice, index)).collect();
    if dice.chance(25) {
        sections.push(sections[0].twin());
    }
    let before = text(dice, &globals, &sections);
    let (globals, sections) = changed(dice, globals, sections);
    let after = text(dice, &globals, &sections);
    let mut case = Case::new(&format!("{PREFIX}{number}"), [before, after]);
    case.hosts = section::hosts();
    case.ports = ports();
    set_servers(dice, &mut case);
    case.judge()
}

/// What the ports of all real servers speak.
fn ports() -> BTreeMap<(u16, bool), Speaks> {
    let web = || Speaks::Web(Site::of("It works: status ok, load 7\n"));
    let tls = |inside| Speaks::Tls(Box::new(inside));
    let tcp = [
        (21, Speaks::Ftp("this is a file".to_owned())),
        (25, Speaks::Smtp),
        (53, Speaks::Dns),
        (80, web()),
        (110, Speaks::Pop),
        (119, Speaks::Nntp),
        (143, Speaks::Imap),
        (389, Speaks::Ldap),
        (443, tls(web())),
        (587, Speaks::Smtp),
        (636, tls(Speaks::Ldap)),
        (993, tls(Speaks::Imap)),
        (995, tls(Speaks::Pop)),
        (3306, Speaks::Mysql),
        (5060, Speaks::Sip),
        (5432, Speaks::Pgsql),
        (7000, Speaks::Simple),
        (8080, web()),
        (8081, web()),
        (9000, Speaks::Nothing),
    ];
    let udp = [(53, Speaks::Dns), (1812, Speaks::Radius("example".to_owned())), (5060, Speaks::Sip)];
    let tcp = tcp.into_iter().map(|(port, speaks)| ((port, false), speaks));
    tcp.chain(udp.into_iter().map(|(port, speaks)| ((port, true), speaks))).collect()
}

fn globals(dice: &mut Dice) -> Vec<String> {
    let mut lines = Vec::new();
    let mut maybe = |percent, line: &str| {
        if dice.chance(percent) {
            lines.push(line.to_owned());
        }
    };
    maybe(100, "checktimeout=2 # seconds");
    maybe(90, "negotiatetimeout = 2");
    maybe(40, "quiescent=yes");
    maybe(20, "quiescent = no");
    maybe(20, "readdquiescent=yes");
    maybe(20, "failurecount=2");
    maybe(10, "checkcount = 2");
    maybe(15, "cleanstop=no");
    maybe(25, "fallback=127.0.0.1:8080 masq");
    maybe(10, "fallback=127.0.0.1");
    maybe(8, "fallback=sorry.example.com:81 gate");
    maybe(10, "fork=yes");
    maybe(15, "fallback6=[::1]:8080 masq");
    maybe(15, &format!("maintenancedir={}", crate::servers::MAINTENANCE));
    maybe(10, "fallbackcommand=/bin/true");
    maybe(20, "# a comment");
    maybe(10, "   \t# another");
    lines
}

/// What an administrator may change before a reload.
fn changed(
    dice: &mut Dice,
    mut globals: Vec<String>,
    mut sections: Vec<Section>,
) -> (Vec<String>, Vec<Section>) {
    for _ in 0..1 + dice.below(3) {
        let at = dice.below(sections.len() as u64) as usize;
        match dice.below(12) {
            0 => globals.push(format!("quiescent={}", dice.of(&["yes", "no"]))),
            1 if sections.len() > 1 => drop(sections.remove(at)),
            2 if !sections.iter().any(|section| section.index == 7) => {
                sections.push(section::random(dice, 7));
            }
            3 if sections[at].reals.len() > 1 => drop(sections[at].reals.pop()),
            4 => sections[at].schedule(dice),
            5 => sections[at].lines.push(format!("quiescent={}", dice.of(&["yes", "no"]))),
            6 => sections[at].lines.push("persistent=77".to_owned()),
            7 => sections[at].add_real(dice),
            8 => sections[at].lines.push(format!("failurecount={}", 1 + dice.below(2))),
            9 if !sections[at].six => sections[at].lines.push("fallback=127.0.0.1:81 masq".to_owned()),
            10 => sections.reverse(),
            _ => sections[at].weigh(1 + dice.below(9)),
        }
    }
    (globals, sections)
}

fn text(dice: &mut Dice, globals: &[String], sections: &[Section]) -> String {
    let mut text = globals.join("\n") + "\n";
    for section in sections {
        let indent = dice.of(&["\t", "    ", "        ", "\t  "]);
        text += &format!("\n{}\n", section.head);
        for line in section.lines.iter().chain(&section.reals) {
            text += &format!("{indent}{line}\n");
        }
    }
    text
}

/// Every real server of the files, and how it is.
fn set_servers(dice: &mut Dice, case: &mut Case) {
    let mut checks: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
    for version in 0..2 {
        let plan = case.plan(version).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        for real in plan.services.iter().flat_map(|service| &service.reals) {
            let checks = checks.entry(real.address).or_default();
            if let Check::Probe(probe) = &real.check {
                checks.push(probe.kind.name().to_owned());
            }
        }
    }
    checks.remove(&BEACON.parse().unwrap());
    // One at a time: the old program waits for each of them in every round.
    let mut silent = [false; MOMENTS];
    for (address, checks) in checks {
        let one_of = |names: &[&str]| checks.iter().any(|check| names.contains(&check.as_str()));
        // Of a silent server the old clients of these wait without end.
        let patient = one_of(&["pop", "pops", "imap", "imaps", "https", "ldap", "ldaps", "mysql", "pgsql"]);
        // And the ones of these five seconds before they try once more.
        let again = one_of(&["imap", "imaps"]);
        let mut state = |moment: usize| match dice.below(14) {
            0..=6 => State::Up,
            7..=8 => State::Wrong,
            9 if !patient && !std::mem::replace(&mut silent[moment], true) => State::Silent,
            10 => State::Maintained,
            _ if again => State::Wrong,
            // Of a server of RADIUS that cannot be reached the old program dies.
            _ if one_of(&["radius"]) => State::Refuses,
            11..=12 => State::Refuses,
            _ => State::Gone,
        };
        let states: [State; MOMENTS] = std::array::from_fn(&mut state);
        case.servers.insert(address, states);
    }
}
