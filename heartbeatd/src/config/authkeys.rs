//! `authkeys`: the keys that heartbeats are signed with (authkeys(5)).

use crate::wire::{Key, Keys, MAX_KEYS, Method};
use config::{Diagnostic, Report, Source, Span};
use std::collections::BTreeMap;

/// A secret shorter than this, in bytes, can be guessed from one recorded packet.
const SHORT: usize = 8;

/// Checks the mode and reads the text of `report`'s source; `None` when it must be refused.
///
/// `mode` are the permission bits of the file. As with heartbeat 3.0.6, being readable by the group or by others
/// is an error, being writable is not.
pub(super) fn parse(report: &mut Report, mode: u32) -> Option<Keys> {
    let path = report.source().name().display().to_string();
    if mode & 0o044 != 0 {
        let message = format!("Bad permissions on keyfile [{path}], 600 recommended.");
        report.push(Diagnostic::error(None, message).help(format!("chmod 600 {path}")));
    }
    let source = report.source().clone();
    let mut keys = BTreeMap::new();
    let mut default: Option<(u8, Span)> = None;
    for (start, text) in source.lines() {
        let text = text.split('#').next().unwrap_or("");
        let words = words(start, text);
        let Some(first) = words.first() else { continue };
        if first.0.starts_with('a') {
            default = auth_line(report, &words).or(default);
            // Only keys behind their `auth` line count, so a second one makes the first forgotten.
            if let Some((number, span)) = default {
                if keys.contains_key(&number) {
                    let message = format!("Auth Key [{number}] not found in keyfile");
                    let help = format!("the auth line must stand before the line of key {number}");
                    report.push(Diagnostic::error(span, message).help(help));
                }
            }
        } else if let Some((number, key)) = key_line(report, &words) {
            if keys.insert(number, key).is_some() {
                let message = format!("key {number} is given twice");
                report.push(Diagnostic::warning(first.1, message).help("the last one counts"));
            }
        }
    }
    finish(report, default, keys)
}

/// A line of `authkeys` as it is written, but for its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenKey {
    /// `auth`, or the number of a key.
    pub name: String,
    /// The number behind `auth`, or the key's method.
    pub value: String,
    /// Both words.
    pub span: Span,
}

/// The lines of an `authkeys` that say something, in order.
pub fn written_keys(source: &Source) -> Vec<WrittenKey> {
    let key = |(start, text): (usize, &str)| {
        let words = words(start, text.split('#').next().unwrap_or(""));
        let (name, value) = (words.first()?, words.get(1)?);
        let name_text = if name.0.starts_with('a') { "auth" } else { name.0 };
        Some(WrittenKey { name: name_text.to_owned(), value: value.0.to_owned(), span: name.1.to(value.1) })
    };
    source.lines().filter_map(key).collect()
}

fn finish(report: &mut Report, default: Option<(u8, Span)>, keys: BTreeMap<u8, Key>) -> Option<Keys> {
    let Some((number, span)) = default else {
        // A mistake in the auth line itself has been reported already.
        if !report.has_errors() {
            let help = "write \"auth 1\", and below it \"1 sha1 SECRET\"";
            report.push(Diagnostic::error(None, "Missing auth directive in keyfile").help(help));
        }
        return None;
    };
    match keys.get(&number) {
        None if !report.has_errors() => {
            let message = format!("Auth Key [{number}] not found in keyfile");
            let help = format!("add the line \"{number} sha1 SECRET\"");
            report.push(Diagnostic::error(span, message).help(help));
        }
        Some(key) if key.method() == Method::Crc => {
            let help =
                "whoever reaches the network can take the cluster over; use sha256 or sha1 with a secret";
            report.push(Diagnostic::warning(span, "crc does not authenticate anybody").help(help));
        }
        _ => {}
    }
    if report.has_errors() {
        return None;
    }
    // What this refuses has been reported above with its place; a key ring never reaches the caller unchecked.
    Keys::new(number, keys).map_err(|error| report.push(Diagnostic::error(span, error.to_string()))).ok()
}

fn auth_line(report: &mut Report, words: &[(&str, Span)]) -> Option<(u8, Span)> {
    let first = words.first()?;
    if first.0 != "auth" {
        let message = format!("\"{}\" is read as the auth line", first.0);
        report.push(Diagnostic::warning(first.1, message).help("write \"auth NUMBER\""));
    }
    match words.get(1) {
        None => {
            let message = "auth without a number";
            report.push(
                Diagnostic::error(first.1, message).help("the number of one of the keys below: auth 1"),
            );
            None
        }
        Some(word) => number(report, *word).map(|number| (number, word.1)),
    }
}

fn key_line(report: &mut Report, words: &[(&str, Span)]) -> Option<(u8, Key)> {
    let [number_word, rest @ ..] = words else { return None };
    let number = number(report, *number_word)?;
    let Some((method_word, method_span)) = rest.first() else {
        let message = format!("key {number} has no method");
        report.push(Diagnostic::error(number_word.1, message).help("NUMBER METHOD SECRET: 1 sha1 SECRET"));
        return None;
    };
    let method = match *method_word {
        "crc" => Method::Crc,
        "md5" => Method::Md5,
        "sha1" => Method::Sha1,
        "sha256" => Method::Sha256,
        other => {
            let message = format!("Invalid authtype [{other}]");
            report.push(Diagnostic::error(*method_span, message).help("sha256, sha1, md5 or crc"));
            return None;
        }
    };
    let secret = rest.get(1);
    match (method, secret) {
        (Method::Crc, Some((_, span))) => {
            let message = "Auth method [crc] doesn't use a key";
            report.push(Diagnostic::error(*span, message).help("remove the word, or use sha1"));
            None
        }
        (Method::Md5 | Method::Sha1 | Method::Sha256, None) => {
            let message = format!("Auth method [{method_word}] requires a key");
            report.push(Diagnostic::error(*method_span, message).help("a secret word behind it"));
            None
        }
        _ => {
            if let Some((text, span)) = secret.filter(|(text, _)| text.len() < SHORT) {
                let message = format!("the secret of key {number} has only {} characters", text.len());
                let help = "whoever records one packet can guess it: write 32 random ones on both nodes";
                report.push(Diagnostic::warning(*span, message).help(help));
            }
            if let (Some((_, from)), Some((_, to))) = (rest.get(2), rest.last()) {
                let message = format!("key {number}: the rest of the line is ignored");
                let help = "a secret is one word; both nodes must have the same one";
                report.push(Diagnostic::warning(from.to(*to), message).help(help));
            }
            let key = Key::new(method, secret.map_or("", |(text, _)| *text));
            key.map_err(|error| report.push(Diagnostic::error(*method_span, error.to_string())))
                .ok()
                .map(|key| (number, key))
        }
    }
}

fn number(report: &mut Report, (text, span): (&str, Span)) -> Option<u8> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse::<u8>().ok().filter(|number| digits && usize::from(*number) < MAX_KEYS);
    if number.is_none() {
        let message = format!("Invalid authnum [{text}]");
        report.push(Diagnostic::error(span, message).help("a whole number from 0 to 15"));
    }
    number
}

/// Words separated by blanks; a comma belongs to a secret.
fn words(start: usize, text: &str) -> Vec<(&str, Span)> {
    let mut offset = start;
    text.split_inclusive(char::is_whitespace)
        .filter_map(|piece| {
            let at = offset;
            offset += piece.len();
            let word = piece.trim_end();
            (!word.is_empty()).then(|| (word, Span::new(at, at + word.len())))
        })
        .collect()
}
