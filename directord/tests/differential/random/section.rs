//! A random section: a virtual service and its real servers.

use super::Dice;
use super::checks::{self, Check};
use std::net::IpAddr;

/// A section, to be changed and written.
#[derive(Clone)]
pub struct Section {
    pub head: String,
    pub lines: Vec<String>,
    pub reals: Vec<String>,
    pub six: bool,
    mark: bool,
    /// Of the virtual service.
    port: &'static str,
    /// Its real servers have that port and no other.
    own_port: bool,
    /// The first section is number 0.
    pub index: u64,
    /// Request and receive that a real server may have on its own line.
    pairs: &'static [&'static str],
}

const SCHEDULERS: &[&str] =
    &["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "mh", "fo", "ovf"];

/// The names that the files have.
pub fn hosts() -> Vec<(IpAddr, String)> {
    let mut hosts = vec![
        (IpAddr::from([127, 0, 0, 1]), "sorry.example.com".to_owned()),
        (IpAddr::from([203, 0, 113, 90]), "vip.example.com".to_owned()),
    ];
    hosts.extend((10..100).map(|last| (IpAddr::from([192, 0, 2, last]), format!("web{last}.example.com"))));
    hosts
}

/// A section of this number, which its addresses show.
pub fn random(dice: &mut Dice, index: u64) -> Section {
    let six = dice.chance(18);
    let mark = dice.chance(20);
    let Check { mut lines, port, udp, own_port, pairs } = checks::random(dice, six, mark);
    let mark = mark && !udp && !own_port;
    let head = match (mark, six) {
        (true, true) => format!("virtual6={}", index + 1 + dice.below(90) * 8),
        (true, false) => format!("virtual={}", index + 1 + dice.below(90) * 8),
        (false, true) => format!("virtual6=[2001:db8:1::{}]:{port}", index + 1),
        (false, false) if index == 1 && dice.chance(30) => format!("virtual=vip.example.com:{port}"),
        (false, false) => format!("virtual = 203.0.113.{}:{port} # the service", index + 1),
    };
    if mark && dice.chance(30) {
        lines.push("protocol=fwm".to_owned());
    } else if !mark && !udp && dice.chance(20) {
        lines.push("protocol = tcp".to_owned());
    }
    settings(dice, six, mark, udp, &mut lines);
    let mut section = Section { head, lines, reals: Vec::new(), six, mark, port, own_port, index, pairs };
    for _ in 0..1 + dice.below(3) {
        section.add_real(dice);
    }
    section
}

fn settings(dice: &mut Dice, six: bool, mark: bool, udp: bool, lines: &mut Vec<String>) {
    if dice.chance(75) {
        let scheduler = dice.of(SCHEDULERS);
        lines.push(format!("scheduler={scheduler}"));
        if ["sh", "mh"].contains(&scheduler) && dice.chance(50) {
            lines.push(format!("schedflags={scheduler}-{}", dice.of(&["port", "fallback"])));
        }
    }
    if dice.chance(30) {
        lines.push(format!("persistent={}", 30 + dice.below(600)));
        if dice.chance(50) {
            lines.push(format!("netmask={}", if six { "64" } else { "255.255.255.0" }));
        }
    }
    let unhurried = lines.iter().any(|line| line.starts_with("checktimeout"));
    let mut maybe = |percent, line: &str| {
        if dice.chance(percent) {
            lines.push(line.to_owned());
        }
    };
    maybe(15, "quiescent=yes");
    maybe(15, "quiescent = no");
    maybe(10, "cleanstop=no");
    maybe(10, "cleanstop=yes");
    maybe(15, "failurecount=2");
    maybe(5, "failurecount=3# more");
    maybe(10, "negotiatetimeout=3");
    maybe(if unhurried { 0 } else { 10 }, "checktimeout=3s");
    maybe(10, "servicename=A service");
    maybe(10, "# a comment in the section");
    maybe(10, "fallbackcommand=\"/bin/true\"");
    maybe(if udp { 30 } else { 0 }, "ops=yes");
    if dice.chance(30) {
        let method = dice.of(&["masq", "gate", "ipip", ""]);
        let fallback = match (six, mark) {
            (true, _) => format!("fallback6=[::1]:9000 {method}"),
            (_, true) => "fallback=127.0.0.1:80 gate".to_owned(),
            _ => {
                let host = dice.of(&["127.0.0.1", "sorry.example.com"]);
                let named = if udp { ":domain" } else { ":http" };
                format!("fallback={host}{} {method}", dice.of(&[":80", named, ""]))
            }
        };
        lines.push(fallback.trim_end().to_owned());
    }
}

impl Section {
    /// One more real server, or a range of them.
    pub fn add_real(&mut self, dice: &mut Dice) {
        let method = dice.of(&["gate", "masq", "ipip"]);
        let port = match (self.mark, method) {
            (true, _) => dice.of(&["", ":80"]).to_owned(),
            (_, "masq") if !self.own_port && dice.chance(40) => ":8080".to_owned(),
            _ => format!(":{}", self.port),
        };
        let mut rest = String::new();
        match dice.below(10) {
            0..=5 => rest = format!(" {}", dice.below(10)),
            6 => rest = format!(" -w {}", dice.below(10)),
            _ => {}
        }
        if !self.pairs.is_empty() && dice.chance(20) {
            rest += dice.of(self.pairs);
        }
        if dice.chance(15) {
            rest += dice.of(&[" l:5 u:50", " u:50", " l:5"]);
        }
        let own = 10 * (self.index + 1) + 3 * self.reals.len() as u64;
        let last = dice.chance(15).then(|| own + 1 + dice.below(2));
        self.reals.push(match (self.six, last) {
            (true, _) => format!("real6=[2001:db8::{own}]{port} {method}{rest}"),
            (_, Some(last)) => format!("real=192.0.2.{own}->192.0.2.{last}{port} {method}{rest}"),
            (_, None) if dice.chance(15) => format!("real = web{own}.example.com{port} {method}{rest}"),
            (_, None) => format!("real=192.0.2.{own}{port}  {method}{rest}"),
        });
    }

    /// Gives all real servers without a weight this one.
    pub fn weigh(&mut self, weight: u64) {
        for real in &mut self.reals {
            if ["gate", "masq", "ipip"].iter().any(|method| real.ends_with(method)) {
                *real = format!("{real} {weight}");
            }
        }
    }

    /// Schedules otherwise.
    pub fn schedule(&mut self, dice: &mut Dice) {
        self.lines.retain(|line| !line.starts_with("schedflags")); // they belong to a scheduler
        self.lines.push(format!("scheduler={}", dice.of(SCHEDULERS)));
    }

    /// The same servers behind another address: their checks are the same, and done once.
    pub fn twin(&self) -> Section {
        let head = match self.head.split_once("203.0.113.") {
            Some((start, rest)) => format!("{start}203.0.113.2{rest}"),
            None if self.head.contains("2001") => self.head.replace("2001:db8:1::", "2001:db8:2::"),
            None => format!("{}000", self.head),
        };
        Section { head, ..self.clone() }
    }
}
