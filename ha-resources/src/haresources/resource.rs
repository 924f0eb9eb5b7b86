//! One resource: `script::argument::argument`, or an IPv4 address as shorthand for `IPaddr::address`.

use super::lexer::Word;
use crate::address::Address;
use crate::builtin::{BuiltIn, Wrong, in_full};
use config::{Diagnostic, Report, Span};
use std::net::Ipv6Addr;
use std::ops::Range;

/// A resource as it is written, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// As it is written.
    pub text: String,
    /// Where it is written.
    pub span: Span,
    /// The script's name: what stands before the first `::`, or `IPaddr` for the shorthand.
    pub script: String,
    /// The script's arguments, before `start`, `stop` or `status`.
    pub arguments: Vec<String>,
    /// Who takes care of it.
    pub kind: Kind,
}

/// Who takes care of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `IPaddr`, `IPaddr2` and `IPv6addr`: this program itself.
    Address(Address),
    /// `ldirectord` and `directord`: the suite's director daemon.
    Director,
    /// An agent of this program that is no address, unless `resource.d` has a script of that name.
    BuiltIn(BuiltIn),
    /// Everything else: a script in `resource.d` or `/etc/init.d`.
    Script,
}

const NATIVE: [&str; 5] = ["IPaddr", "IPaddr2", "IPv6addr", "ldirectord", "directord"];

/// Names of agents that need no script, for hints.
pub(crate) fn native<'a>() -> impl Iterator<Item = &'a str> + Clone {
    NATIVE.into_iter().chain(crate::builtin::NAMES)
}

impl Resource {
    /// The address, if it is one.
    pub fn address(&self) -> Option<&Address> {
        match &self.kind {
            Kind::Address(address) => Some(address),
            Kind::Director | Kind::BuiltIn(_) | Kind::Script => None,
        }
    }

    /// Whether it makes an address the source of what this machine sends.
    pub fn is_source(&self) -> bool {
        matches!(self.kind, Kind::BuiltIn(BuiltIn::Source(_)))
    }

    /// Parses one resource as it stands on a command line; the errors are those of a file with that text.
    pub fn parse(text: &str) -> Result<Resource, Report> {
        let mut report = Report::new(config::Source::new("resource", text));
        let word = Word { text: text.to_owned(), span: Span::new(0, text.len()) };
        let resource = parse(word, &mut report);
        if report.has_errors() { Err(report) } else { Ok(resource) }
    }
}

pub(super) fn parse(word: Word, report: &mut Report) -> Resource {
    let Word { text, span } = word;
    let (script, rest) = if is_shorthand(&text) {
        ("IPaddr", text.as_str())
    } else {
        text.split_once("::").unwrap_or((text.as_str(), ""))
    };
    let mut arguments: Vec<String> = rest.split("::").filter(|a| !a.is_empty()).map(str::to_owned).collect();
    if matches!(script, "IPv6addr" | "IPaddr2") && is_short_ipv6(rest) {
        // No other argument of theirs can look like that.
        arguments = vec![rest.to_owned()];
    }
    let kind = match script {
        "IPaddr" | "IPaddr2" | "IPv6addr" => {
            let whole = Place { span, length: text.len() };
            address(script, rest, &arguments, whole, report)
        }
        "ldirectord" | "directord" => Kind::Director,
        _ => match BuiltIn::parse(script, &arguments) {
            Some(Ok(built_in)) => Kind::BuiltIn(built_in),
            Some(Err(wrong)) => {
                report.push(wrong_argument(wrong, Place { span, length: text.len() }, &text));
                Kind::Script
            }
            None => {
                check_script(&text, script, span, report);
                Kind::Script
            }
        },
    };
    Resource { script: script.to_owned(), arguments, kind, span, text }
}

/// `digits.digits.digits.digits…`: the shell pattern `[0-9]*.[0-9]*.[0-9]*.[0-9]*` of the old program.
fn is_shorthand(text: &str) -> bool {
    let mut parts = text.split('.');
    let digit = |part: Option<&str>| part.is_some_and(|p| p.starts_with(|c: char| c.is_ascii_digit()));
    digit(parts.next()) && digit(parts.next()) && digit(parts.next()) && digit(parts.next())
}

/// `2001:db8::10/64/eth0`: the `::` is part of the address.
fn is_short_ipv6(rest: &str) -> bool {
    rest.split('/').next().is_some_and(|ip| ip.contains("::") && ip.parse::<Ipv6Addr>().is_ok())
}

fn wrong_argument(wrong: Wrong, word: Place, text: &str) -> Diagnostic {
    let at = text.rfind(&wrong.piece).filter(|_| !wrong.piece.is_empty());
    let place = at.map_or(word.span, |at| word.part(at, &(0..wrong.piece.len())));
    Diagnostic::error(place, wrong.message).help(wrong.help)
}

/// An address agent's one argument. What is wrong with it is reported; then it is kept as a script, which
/// nobody runs because the file is refused.
fn address(script: &str, rest: &str, arguments: &[String], word: Place, report: &mut Report) -> Kind {
    let span = word.span;
    let argument = match arguments {
        [argument] if !rest.starts_with("::") || argument == rest => argument,
        [] => {
            report.push(
                Diagnostic::error(span, format!("{script} needs an address"))
                    .help(format!("write {script}::192.0.2.10/24/eth0; only the address is required")),
            );
            return Kind::Script;
        }
        _ => {
            report.push(too_many(script, rest, span));
            return Kind::Script;
        }
    };
    match Address::parse(argument) {
        Ok(address) if script == "IPv6addr" && address.ip.is_ipv4() => {
            report.push(
                Diagnostic::error(span, format!("IPv6addr cannot hold the IPv4 address {}", address.ip))
                    .help(format!("write IPaddr2::{argument}")),
            );
            Kind::Script
        }
        Ok(mut address) => {
            address.agent = crate::address::Agent::named(script);
            Kind::Address(address)
        }
        Err(error) => {
            let place = word.part(word.length - rest.len(), &error.part);
            report.push(Diagnostic::error(place, error.message).help(error.help));
            Kind::Script
        }
    }
}

/// Where a word stands in the file, and how many bytes it has without the line breaks inside.
#[derive(Clone, Copy)]
struct Place {
    span: Span,
    length: usize,
}

impl Place {
    /// The place of `part` of what begins `start` bytes into the word. A word that goes over a line's end is
    /// underlined whole.
    fn part(self, start: usize, part: &Range<usize>) -> Span {
        if self.span.end - self.span.start != self.length {
            return self.span;
        }
        let at = |offset: usize| (self.span.start + start + offset).min(self.span.end);
        Span::new(at(part.start), at(part.end))
    }
}

fn too_many(script: &str, rest: &str, span: Span) -> Diagnostic {
    let (ip, more) =
        rest.split_once('/').map_or((rest, String::new()), |(ip, more)| (ip, format!("/{more}")));
    match ip.parse::<Ipv6Addr>() {
        Ok(ip) => Diagnostic::error(span, format!("{script} cannot hold the IPv6 address {ip}"))
            .help(format!("write IPv6addr::{}{more}", in_full(ip))),
        Err(_) => Diagnostic::error(span, format!("{script} takes one argument"))
            .help("its parts are separated by `/`: ip/maskbits/interface:label/broadcast"),
    }
}

fn check_script(text: &str, script: &str, span: Span, report: &mut Report) {
    let (ip, more) =
        text.split_once('/').map_or((text, String::new()), |(ip, more)| (ip, format!("/{more}")));
    if let Ok(ip) = ip.parse::<Ipv6Addr>() {
        report.push(
            Diagnostic::error(span, "there is no shorthand for IPv6 addresses")
                .help(format!("write IPv6addr::{}{more}", in_full(ip))),
        );
    } else if script.is_empty() {
        report.push(
            Diagnostic::error(span, "there is no script before `::`")
                .help("a resource is script::argument::argument"),
        );
    } else if script.starts_with('/') || script.split('/').any(|part| matches!(part, "." | ".." | "")) {
        report.push(Diagnostic::error(span, format!("{script:?} is a path, not the name of a script")).help(
            "scripts are looked for by name in resource.d and /etc/init.d: write the file's name alone",
        ));
    }
}
