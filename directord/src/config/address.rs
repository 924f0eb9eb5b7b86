//! What stands behind `virtual=`, `real=` and `fallback=`.

use super::lexer::Word;
use super::model::{FallbackText, RealText, Setting, VirtualText};
use super::value::{Notes, ignored};
use config::Diagnostic;
use ipvs::{Family, Forwarding, Tunnel};
use std::num::NonZeroU32;

/// `ipvsadm`'s limit; the kernel's is 2^31 - 1.
const MAX_WEIGHT: u32 = 65535;

const METHODS: [&str; 3] = ["gate", "masq", "ipip"];

/// `HOST:PORT`, `[IPv6]:PORT` or a firewall mark.
pub(super) fn virtual_text(value: Word<'_>, family: Family, notes: &mut Notes) -> Option<VirtualText> {
    let help = match family {
        Family::V4 => "virtual=ADDRESS:PORT, virtual=NAME:PORT or virtual=FIREWALLMARK",
        Family::V6 => "virtual6=[ADDRESS]:PORT, virtual6=NAME:PORT or virtual6=FIREWALLMARK",
    };
    let (word, rest) = value.split_word();
    let error = |message: String| Diagnostic::error(word.span, message).help(help);
    if word.text.is_empty() {
        notes.push(Diagnostic::error(value.span, "the virtual service's address is missing").help(help));
        return None;
    }
    ignored(rest, notes);
    if word.text.starts_with('"') {
        notes.push(error("the virtual service's address must not be quoted".into()));
        return None;
    }
    if word.text.chars().all(|c| c.is_ascii_digit()) {
        return match word.text.parse::<NonZeroU32>() {
            Ok(mark) => Some(VirtualText::Mark(mark)),
            Err(_) => {
                notes.push(error(format!(
                    "{} is not a firewall mark: they go from 1 to {}",
                    word.text,
                    u32::MAX
                )));
                None
            }
        };
    }
    match host_port(word, family, "_+") {
        Ok((host, Some(port))) => Some(VirtualText::Address { host: host.into(), port: port.into() }),
        Ok((_, None)) => {
            let digits = word.text.len() - word.text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let message = match word.text.get(..digits).unwrap_or("") {
                "" => format!("\"{}\" has no port", word.text),
                digits => format!(
                    "\"{}\" has no port; ldirectord would take it for firewall mark {digits}",
                    word.text
                ),
            };
            notes.push(error(message));
            None
        }
        Err(message) => {
            notes.push(error(message));
            None
        }
    }
}

/// `HOST[->HOST][:PORT] METHOD [WEIGHT] ["REQUEST", "RECEIVE"] [l:N] [u:N]`.
pub(super) fn real_text(value: Word<'_>, family: Family, notes: &mut Notes) -> Option<RealText> {
    const HELP: &str =
        "real=ADDRESS[->LAST]:PORT gate|masq|ipip [WEIGHT] [\"REQUEST\", \"RECEIVE\"] [l:LOWER] [u:UPPER]";
    let (server, rest) = value.split_word();
    if server.text.is_empty() {
        notes.push(Diagnostic::error(value.span, "the real server's address is missing").help(HELP));
        return None;
    }
    let range = server.text.find("->");
    let (first, last) = match range {
        Some(arrow) if family == Family::V6 => {
            let arrow = server.part(arrow, arrow + 2);
            notes.push(
                Diagnostic::error(arrow.span, "ranges of IPv6 addresses are not supported")
                    .help("write one real6 line per server"),
            );
            return None;
        }
        Some(arrow) => (server.part(0, arrow), Some(server.part(arrow + 2, server.text.len()))),
        None => (server, None),
    };
    let parsed = match last {
        Some(last) => host_port(first, family, "")
            .and_then(|(host, port)| match port {
                None => Ok(host),
                Some(_) => Err("the port of a range stands behind its last address".into()),
            })
            .and_then(|host| host_port(last, family, "").map(|(last, port)| (host, Some(last), port))),
        None => host_port(first, family, "").map(|(host, port)| (host, None, port)),
    };
    let (host, last, port) = match parsed {
        Ok(parsed) => parsed,
        Err(message) => {
            notes.push(Diagnostic::error(server.span, message).help(HELP));
            return None;
        }
    };
    let (method, rest) = rest.split_word();
    let forwarding = forwarding(method, server, notes)?;
    let mut real = RealText {
        host: host.into(),
        last: last.map(Setting::from),
        port: port.map(Setting::from),
        forwarding,
        weight: 1,
        dialogue: None,
        lower: 0,
        upper: 0,
    };
    if let Err(error) = options(rest, &mut real, notes) {
        notes.push(error.help(HELP));
        return None;
    }
    if real.upper != 0 && real.lower > real.upper {
        notes.push(
            Diagnostic::error(
                rest.span,
                format!("the lower threshold {} is above the upper one {}", real.lower, real.upper),
            )
            .help(HELP),
        );
        return None;
    }
    Some(real)
}

/// `HOST[:PORT] [METHOD]`.
pub(super) fn fallback_text(value: Word<'_>, family: Family, notes: &mut Notes) -> Option<FallbackText> {
    const HELP: &str = "fallback=ADDRESS[:PORT] [gate|masq|ipip]";
    let (server, rest) = value.split_word();
    if server.text.is_empty() {
        notes.push(Diagnostic::error(value.span, "the fallback server's address is missing").help(HELP));
        return None;
    }
    let (host, port) = match host_port(server, family, "") {
        Ok(parsed) => parsed,
        Err(message) => {
            notes.push(Diagnostic::error(server.span, message).help(HELP));
            return None;
        }
    };
    let (method, rest) = rest.split_word();
    let forwarding =
        if method.text.is_empty() { Forwarding::DirectRoute } else { forwarding(method, server, notes)? };
    ignored(rest, notes);
    Some(FallbackText { host: host.into(), port: port.map(Setting::from), forwarding })
}

/// Splits `HOST[:PORT]`; an IPv6 host stands in brackets, which are removed. `also` are characters that a host may hold
/// besides letters, digits, dots and hyphens.
fn host_port<'a>(word: Word<'a>, family: Family, also: &str) -> Result<(Word<'a>, Option<Word<'a>>), String> {
    let text = word.text;
    if let Some(inner) = text.strip_prefix('[') {
        let end = inner.find(']').ok_or_else(|| format!("\"{text}\": the closing bracket is missing"))?;
        let host = word.part(1, 1 + end);
        let rest = word.part(end + 2, text.len());
        if family == Family::V4 {
            return Err(format!("\"{text}\" is an IPv6 address; use virtual6, real6 and fallback6 for IPv6"));
        }
        if host.text.contains('%') {
            return Err(format!("\"{}\" has a zone; addresses here cannot have one", host.text));
        }
        return match rest.text.strip_prefix(':') {
            None if rest.text.is_empty() => Ok((host, None)),
            Some(_) => port_word(rest.part(1, rest.text.len())).map(|port| (host, Some(port))),
            None => Err(format!("\"{}\" behind the bracket is not a port", rest.text)),
        };
    }
    let (host, port) = match text.find(':') {
        Some(colon) if text.rfind(':') == Some(colon) => {
            (word.part(0, colon), Some(port_word(word.part(colon + 1, text.len()))?))
        }
        Some(_) => {
            return Err(format!("\"{text}\": write an IPv6 address in brackets, like [2001:db8::1]:80"));
        }
        None => (word, None),
    };
    check_host(host.text, also)?;
    Ok((host, port))
}

fn port_word(port: Word<'_>) -> Result<Word<'_>, String> {
    if port.text.is_empty() {
        return Err("the port behind the colon is missing".into());
    }
    match port.text.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '-' || *c == '_')) {
        None => Ok(port),
        Some(odd) => Err(format!("\"{}\" is not a port: {odd:?} cannot be part of one", port.text)),
    }
}

/// Letters, digits, dots and hyphens, and what else ldirectord takes there (`also`).
fn check_host(host: &str, also: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("the address is missing".into());
    }
    let Some(odd) =
        host.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-' || also.contains(c)))
    else {
        return Ok(());
    };
    let tail = host.get(odd..).unwrap_or("");
    let read = tail.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let c = tail.chars().next().unwrap_or(' ');
    Err(if read.is_empty() || odd == 0 {
        format!("\"{host}\" is not an address or a host name: {c:?} cannot be part of one")
    } else {
        format!(
            "\"{host}\" is not an address or a host name: {c:?} cannot be part of one; ldirectord would read the host \"{read}\""
        )
    })
}

fn forwarding(method: Word<'_>, server: Word<'_>, notes: &mut Notes) -> Option<Forwarding> {
    let found = match method.text {
        "gate" => return Some(Forwarding::DirectRoute),
        "masq" => return Some(Forwarding::Masquerade),
        "ipip" => return Some(Forwarding::Tunnel(Tunnel::Ipip)),
        "" => Diagnostic::error(
            server.span,
            format!("the forwarding method is missing behind \"{}\"", server.text),
        ),
        other => Diagnostic::error(method.span, format!("\"{other}\" is not a forwarding method")),
    };
    let help = match config::nearest(method.text, METHODS) {
        Some(near) => format!("did you mean \"{near}\"? valid: gate, masq or ipip"),
        None => "valid: gate, masq or ipip".to_owned(),
    };
    notes.push(found.help(help).valid(&METHODS));
    None
}

/// Everything behind the forwarding method, in any order.
fn options(rest: Word<'_>, real: &mut RealText, notes: &mut Notes) -> Result<(), Diagnostic> {
    let mut weight_seen = false;
    let mut rest = rest;
    while !rest.text.is_empty() {
        if rest.text.starts_with('"') {
            let (request, behind) = quoted(rest)?;
            let behind = behind.trim();
            let behind = behind.part(behind.text.starts_with(',').into(), behind.text.len()).trim();
            if !behind.text.starts_with('"') {
                return Err(Diagnostic::error(request.span, "a request needs its receive text behind it"));
            }
            let (receive, behind) = quoted(behind)?;
            real.dialogue = Some((request.into(), receive.into()));
            rest = behind.trim();
            continue;
        }
        let (word, behind) = rest.split_word();
        rest = behind;
        if word.text == "-w" {
            notes.push(Diagnostic::warning(word.span, "\"-w\" is not needed before a weight"));
        } else if let Some(number) = word.text.strip_prefix("l:") {
            real.lower = threshold(number, word)?;
        } else if let Some(number) = word.text.strip_prefix("u:") {
            real.upper = threshold(number, word)?;
        } else if word.text.chars().all(|c| c.is_ascii_digit()) && !weight_seen {
            weight_seen = true;
            real.weight = word.text.parse().ok().filter(|weight| *weight <= MAX_WEIGHT).ok_or_else(|| {
                Diagnostic::error(word.span, format!("{} is too large for a weight", word.text))
                    .label(format!("0 to {MAX_WEIGHT}"))
            })?;
        } else {
            return Err(Diagnostic::error(word.span, format!("\"{}\" is not understood here", word.text)));
        }
    }
    Ok(())
}

fn threshold(number: &str, word: Word<'_>) -> Result<u32, Diagnostic> {
    number
        .parse()
        .map_err(|_| Diagnostic::error(word.span, format!("\"{}\" is not a connection threshold", word.text)))
}

/// The text between the first two quotes, and what is behind them.
fn quoted(rest: Word<'_>) -> Result<(Word<'_>, Word<'_>), Diagnostic> {
    let inner = rest.part(1, rest.text.len());
    match inner.text.find('"') {
        Some(0) => Err(Diagnostic::error(rest.part(0, 2).span, "the text between the quotes is missing")),
        Some(end) => Ok((inner.part(0, end), inner.part(end + 1, inner.text.len()))),
        None => Err(Diagnostic::error(rest.span, "the closing quote is missing")),
    }
}

#[cfg(test)]
mod tests;
