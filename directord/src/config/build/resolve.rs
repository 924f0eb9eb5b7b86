//! Names and ranges of a file → addresses and ports.

use super::Builder;
use crate::config::model::{RealText, Setting};
use crate::config::names::{resolve_host, resolve_port};
use crate::config::value::Notes;
use config::{Diagnostic, Span};
use ipvs::Family;
use std::net::{IpAddr, Ipv4Addr};

/// More real servers in one range are a slip of the keyboard.
const MAX_RANGE: u32 = 4096;

impl Builder<'_> {
    /// All addresses of a `real` line, with the name if one was written, and the port (0 if none).
    pub(super) fn addresses(
        &self,
        text: &RealText,
        family: Family,
        notes: &mut Notes,
    ) -> Vec<(IpAddr, Option<String>, u16)> {
        let first = self.host(&text.host, family, notes);
        let last = text.last.as_ref().map(|last| self.host(last, family, notes));
        let port = text.port.as_ref().map_or(Some(0), |port| self.port(port, None, notes));
        let (Some(first), Some(port)) = (first, port) else { return Vec::new() };
        match last {
            None => {
                let name = text.host.value.parse::<IpAddr>().is_err().then(|| text.host.value.clone());
                vec![(first, name, port)]
            }
            Some(Some(last)) => {
                let span = text.last.as_ref().map_or(text.host.span, |l| l.span.to(text.host.span));
                range(first, last, span, notes).into_iter().map(|address| (address, None, port)).collect()
            }
            Some(None) => Vec::new(),
        }
    }

    pub(super) fn host(&self, host: &Setting<String>, family: Family, notes: &mut Notes) -> Option<IpAddr> {
        let address = resolve_host(self.names, &host.value, family);
        if address.is_none() {
            let numeric = host.value.parse::<IpAddr>().is_ok()
                || host.value.chars().all(|c| c.is_ascii_digit() || c == '.');
            let message = if numeric {
                format!("\"{}\" is not an {family} address", host.value)
            } else {
                format!("no {family} address is found for \"{}\"", host.value)
            };
            note_once(notes, Diagnostic::error(host.span, message).help(if numeric {
                "for example 192.0.2.10, or [2001:db8::10] in virtual6, real6 and fallback6"
            } else {
                "check the name with getent ahosts; an address in /etc/hosts or in this file does not depend on DNS"
            }));
        }
        address
    }

    pub(super) fn port(
        &self,
        port: &Setting<String>,
        protocol: Option<&str>,
        notes: &mut Notes,
    ) -> Option<u16> {
        let number = resolve_port(self.names, &port.value, protocol);
        if number.is_none() {
            let what = protocol.map_or(String::new(), |protocol| format!(" of {protocol}"));
            note_once(
                notes,
                Diagnostic::error(port.span, format!("\"{}\" is not a port{what}", port.value))
                    .help("a number up to 65535, or a name from /etc/services"),
            );
        }
        number
    }
}

/// A global fallback is resolved for every section; its mistake is told once.
pub(super) fn note_once(notes: &mut Notes, note: Diagnostic) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}

fn range(first: IpAddr, last: IpAddr, span: Span, notes: &mut Notes) -> Vec<IpAddr> {
    let (IpAddr::V4(first), IpAddr::V4(last)) = (first, last) else { return Vec::new() };
    let (from, to) = (u32::from(first), u32::from(last));
    let problem = if to < from {
        format!("the range {first}->{last} goes backwards")
    } else if to - from >= MAX_RANGE {
        format!("the range {first}->{last} has more than {MAX_RANGE} addresses")
    } else {
        return (from..=to).map(|n| IpAddr::V4(Ipv4Addr::from(n))).collect();
    };
    notes.push(Diagnostic::error(span, problem).help("write the lower address first"));
    Vec::new()
}
