//! What ldirectord 4.12 refuses or reads differently, for those who may have to go back to it.
//!
//! Its own grammar, line by line: comments and blanks count where they did not have to, a line that is not indented by
//! four blanks ends a section, a value must be exactly what it expects. Names are not resolved here: what cannot be
//! resolved this program refuses, too.

use super::model::ServiceName;
use super::time::exact;
use config::{Diagnostic, Source, Span};

const CHECK_TYPES: [&str; 7] = ["connect", "negotiate", "ping", "off", "on", "external", "external-perl"];
const METHODS: [&str; 3] = ["gate", "masq", "ipip"];
const YES_NO: &str = "behind = it takes yes or no and nothing else, no comment and no blank";
const QUOTES: &str = "it takes the value only in double quotes";
const EMPTY: &str = "it takes no empty value";
const UNKNOWN: &str = "it does not know this directive here";

/// Every line that ldirectord would not have read as this program reads it.
pub(super) fn differences(source: &Source) -> Vec<Diagnostic> {
    let mut reader = Reader { section: None, notes: Vec::new() };
    if let Some(mark) = source.mark() {
        reader.judge(Err("a byte order mark"), "", mark);
    }
    let count = source.lines().count();
    for (number, (offset, text)) in source.lines().enumerate() {
        let span = Span::new(offset, offset + text.len());
        reader.line(text, span, number + 1 == count);
    }
    reader.notes
}

struct Reader {
    section: Option<Opened>,
    notes: Vec<Diagnostic>,
}

/// The section that lines belong to.
#[derive(Clone, Copy)]
struct Opened {
    v6: bool,
    mark: bool,
}

impl Reader {
    fn line(&mut self, text: &str, span: Span, last: bool) {
        if self.section.is_some() && text.trim_start_matches(blank).starts_with('#') {
            return;
        }
        if let Some(opened) = self.section {
            let cut = text.split('#').next().unwrap_or("").replace('\t', "    ");
            if cut.len() > 4 && cut.starts_with("    ") {
                let command = cut.trim_start_matches(' ');
                return self.judge(in_section(command, opened), command, span);
            }
            self.section = None;
        }
        if let Some(opened) = opens(text) {
            self.section = Some(opened);
            let verdict = if last { Err("with a section as its last line it stops") } else { Ok(()) };
            return self.judge(verdict, text, span);
        }
        if !text.trim_matches(blank).is_empty() && !text.trim_start_matches(blank).starts_with('#') {
            self.judge(global(text), text, span);
        }
    }

    fn judge(&mut self, verdict: Result<(), &'static str>, command: &str, span: Span) {
        match verdict {
            Err(why) => self.notes.push(
                Diagnostic::warning(span, format!("ldirectord refuses this line: {why}"))
                    .help("this matters only if the file is to be used with ldirectord again"),
            ),
            Ok(()) => self.notes.extend(read_differently(command, span)),
        }
    }
}

/// A section's first line.
fn opens(line: &str) -> Option<Opened> {
    let (key, value) = directive(line)?;
    let mark = value.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) && !value.contains(':');
    match key {
        "virtual" => Some(Opened { v6: false, mark }),
        "virtual6" => Some(Opened { v6: true, mark }),
        _ => None,
    }
}

/// Name and value; the value with all that stands behind it.
fn directive(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    Some((key.trim_end_matches(blank), value.trim_start_matches(blank)))
}

fn in_section(command: &str, opened: Opened) -> Result<(), &'static str> {
    let (key, value) = directive(command).ok_or(UNKNOWN)?;
    match key {
        "real" | "real6" => {
            (opened.v6 == (key == "real6"))
                .then_some(())
                .ok_or("it wants real in virtual, real6 in virtual6")?;
            real(value)
        }
        "fallback" | "fallback6" => {
            let right = opened.v6 == (key == "fallback6");
            right.then_some(()).ok_or("it wants fallback in virtual, fallback6 in virtual6")?;
            fallback(value)
        }
        "request" | "receive" | "login" | "passwd" | "database" | "secret" | "load" => quoted(value),
        "checkcommand" | "fallbackcommand" | "monitorfile" => filled(unquoted(value)),
        "checktype" => {
            let word = first(value, |c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            ok(digits(value).is_some() || CHECK_TYPES.contains(&word), "it does not know this check type")
        }
        "checkport" => {
            let port = digits(value).and_then(|digits| digits.parse::<u16>().ok());
            ok(port.is_some_and(|port| port > 0), "a port is 1 to 65535")
        }
        "scheduler" => {
            ok(value.contains(|c: char| c.is_ascii_lowercase()), "a scheduler has lower-case letters")
        }
        "persistent" => ok(digits(value).is_some(), "it wants a number"),
        "schedflags" => filled(value.trim_matches(blank)),
        "netmask" => netmask(value, opened.v6),
        "protocol" => {
            let word = word(value);
            let right = if opened.mark { word == "fwm" } else { matches!(word, "tcp" | "udp") };
            ok(right, "it does not take this protocol here")
        }
        "ops" => yes_no(value),
        "service" => ok(ServiceName::NAMES.contains(&word(value)), "it does not know this service"),
        "httpmethod" => {
            let word = word(value).to_ascii_uppercase();
            ok(word == "GET" || word == "HEAD", "it knows GET and HEAD")
        }
        "virtualhost" | "servicename" | "comment" => Ok(()),
        _ => in_both(key, value),
    }
}

fn global(line: &str) -> Result<(), &'static str> {
    if line.starts_with(blank) {
        return Err("it is indented, but belongs to no section: another line above has ended the section");
    }
    if line.trim_end_matches(blank) == "supervised" {
        return Ok(());
    }
    let (key, value) = directive(line).ok_or(UNKNOWN)?;
    match key {
        "fallback" | "fallback6" => fallback(value),
        "fallbackcommand" | "emailalertfrom" | "maintenancedir" => filled(value),
        "autoreload" | "fork" | "readdquiescent" | "supervised" => yes_no(value),
        "callback" | "logfile" => ok(value.starts_with('"') && value.rfind('"') > Some(0), QUOTES),
        "execute" => Ok(()),
        _ => in_both(key, value),
    }
}

/// What may stand in both places and is read the same.
fn in_both(key: &str, value: &str) -> Result<(), &'static str> {
    match key {
        "checktimeout" | "negotiatetimeout" | "checkinterval" | "checkcount" | "failurecount" => {
            ok(digits(value).is_some_and(|digits| digits != "0"), "its first digits must be a number above 0")
        }
        "quiescent" | "cleanstop" => yes_no(value),
        "emailalert" => filled(unquoted(value)),
        "emailalertfreq" => ok(value.starts_with(|c: char| c.is_ascii_digit()), "it wants a number"),
        "emailalertstatus" => status(value),
        "smtp" => {
            let host = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
            ok(value.starts_with(host), "it wants a host name without quotes")
        }
        _ => Err(UNKNOWN),
    }
}

fn real(value: &str) -> Result<(), &'static str> {
    let (_, rest) = value.split_once(blank).ok_or("a forwarding method is missing")?;
    let rest = rest.trim_start_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let method = first(rest, |c| c.is_ascii_alphanumeric() || c == '_');
    ok(METHODS.contains(&method), "it wants gate, masq or ipip")?;
    let rest = after(rest.get(method.len()..).unwrap_or(""), "");
    // Request and receive: from the first quote to the last.
    let rest = match (rest.find('"'), rest.rfind('"')) {
        (Some(start), Some(end)) if rest.matches('"').count() >= 4 => {
            let before = rest.get(..start).unwrap_or("");
            format!("{before}{}", rest.get(end + 1..).unwrap_or(""))
        }
        _ => rest.to_owned(),
    };
    let rest = after(after(&rest, "l:"), "u:");
    ok(rest.trim_matches(blank).is_empty(), "it does not take what stands behind the method")
}

/// What is behind the first number with a blank and this prefix before it; what was before it is not looked at, too.
/// The text itself if there is none.
fn after<'t>(text: &'t str, prefix: &str) -> &'t str {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(blank)) {
        let rest = text.get(from + at..).unwrap_or("").trim_start_matches(blank);
        if let Some(number) = rest.strip_prefix(prefix) {
            let behind = number.trim_start_matches(|c: char| c.is_ascii_digit());
            if behind.len() < number.len() {
                return behind;
            }
        }
        from += at + 1;
    }
    text
}

fn fallback(value: &str) -> Result<(), &'static str> {
    let words: Vec<&str> = value.split(blank).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [] => Err(EMPTY),
        [_] => Ok(()),
        [.., method] => ok(METHODS.contains(method), "it takes the last word of the line for the method"),
    }
}

fn netmask(value: &str, v6: bool) -> Result<(), &'static str> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let right = if v6 {
        value.parse::<u8>().is_ok_and(|length| (1..=128).contains(&length))
    } else {
        value.split('.').count() == 4 && value.split('.').all(digits)
    };
    ok(right, "it takes a netmask and nothing else behind =")
}

fn status(value: &str) -> Result<(), &'static str> {
    let words: Vec<&str> = value.split(',').map(|word| word.trim_matches(blank)).collect();
    let known = ["all", "none", "starting", "running", "stopping", "reloading"];
    ok(words.iter().all(|word| known.contains(word)), "it wants its states with commas between them")?;
    ok(!words.contains(&"none") || words.len() == 1, "none stands alone")
}

/// What it reads otherwise without a word.
fn read_differently(command: &str, span: Span) -> Option<Diagnostic> {
    let (key, value) = directive(command)?;
    let times = ["checktimeout", "negotiatetimeout", "checkinterval", "persistent", "emailalertfreq"];
    if times.contains(&key) {
        let value = value.split('#').next().unwrap_or("").trim_matches(blank);
        let (ours, _) = exact(value)?;
        let theirs = digits(value)?;
        return (theirs.parse() != Ok(ours.as_secs()) || ours.subsec_nanos() != 0).then(|| {
            Diagnostic::warning(span, format!("ldirectord reads {key} as {theirs} seconds"))
                .help("it knows no units and no decimal point")
        });
    }
    if key == "checkcommand" {
        let command = unquoted(value.split('#').next().unwrap_or("").trim_matches(blank));
        return command.contains(blank).then(|| {
            Diagnostic::warning(span, "ldirectord takes all of it for the path of the program")
                .help("it passes no arguments of yours: write a script that does")
        });
    }
    if key.starts_with("real") {
        if value.split('"').nth(1).is_some_and(|request| request.starts_with('/')) {
            return Some(
                Diagnostic::warning(
                    span,
                    "ldirectord forgets what follows this request: receive and thresholds",
                )
                .help("write the request without the / at its beginning: it means the same"),
            );
        }
        let (lower, upper) = (value.find(" l:")?, value.find(" u:")?);
        return (upper < lower).then(|| {
            Diagnostic::warning(span, "ldirectord loses the upper threshold").help("write l: before u:")
        });
    }
    None
}

fn ok(right: bool, why: &'static str) -> Result<(), &'static str> {
    if right { Ok(()) } else { Err(why) }
}

fn yes_no(value: &str) -> Result<(), &'static str> {
    ok(matches!(value, "yes" | "no"), YES_NO)
}

fn filled(value: &str) -> Result<(), &'static str> {
    ok(!value.is_empty(), EMPTY)
}

fn quoted(value: &str) -> Result<(), &'static str> {
    let end = value.rfind('"').filter(|end| value.starts_with('"') && *end > 0).ok_or(QUOTES)?;
    ok(end > 1, EMPTY)
}

/// Without quotes, if they are around all of it.
fn unquoted(value: &str) -> &str {
    match value.strip_prefix('"').and_then(|rest| rest.rfind('"').and_then(|end| rest.get(..end))) {
        Some(inner) => inner,
        None => value,
    }
}

/// The first run of digits.
fn digits(value: &str) -> Option<&str> {
    let start = value.find(|c: char| c.is_ascii_digit())?;
    let tail = value.get(start..)?;
    tail.split(|c: char| !c.is_ascii_digit()).next()
}

/// The first word of letters, digits and `_`.
fn word(value: &str) -> &str {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    first(value.trim_start_matches(|c| !inside(c)), inside)
}

/// The characters at the beginning, after quotes.
fn first(value: &str, inside: impl Fn(char) -> bool) -> &str {
    let value = value.trim_start_matches('"');
    let end = value.find(|c| !inside(c)).unwrap_or(value.len());
    value.get(..end).unwrap_or("")
}

/// `\s` of Perl.
fn blank(c: char) -> bool {
    super::lexer::blank(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &str) -> Vec<String> {
        let source = Source::new("t.cf", text);
        let line = |note: &Diagnostic| note.span.map_or(0, |span| source.position(span.start).line);
        differences(&source).iter().map(|note| format!("{}: {}", line(note), note.message)).collect()
    }

    /// The numbers of the lines that are told of.
    fn told(text: &str) -> Vec<String> {
        lines(text).into_iter().map(|line| line.split(':').next().unwrap_or("").to_owned()).collect()
    }

    #[test]
    fn a_file_for_ldirectord_has_none() {
        let text = "# comment\nchecktimeout=3 # seconds\nquiescent=no\nlogfile=\"/var/log/x\" # log\n\
                    fallback=127.0.0.1:80 gate\n\nvirtual=192.0.2.1:80 # web\n    # comment\n\treal=192.0.2.10:80 gate 5\n\
                    \treal=192.0.2.11->192.0.2.14:80 masq 5 \"a\", \"b\" l:1 u:2\n\tservice=http # comment\n\
                    \trequest=\"index.html\"\n\tchecktype=3\n\tprotocol=tcp\n\nvirtual6=[2001:db8::1]:80\n\
                    \treal6=[2001:db8::2]:80 gate\n\tnetmask=64\nvirtual=5\n\treal=192.0.2.10 gate -w 5\n\tprotocol=fwm\n";
        assert_eq!(lines(text), [""; 0]);
    }

    #[test]
    fn what_it_refuses() {
        for (text, line) in [
            ("quiescent=yes # c\n", "1"),
            ("quiescent=yes \n", "1"),
            (" checktimeout=3\n", "1"),
            ("logfile=/var/log/x\n", "1"),
            ("checkinterval=0.5\n", "1"),
            ("rise=3\n", "1"),
            ("fallback=127.0.0.1:80 gate # c\n", "1"),
            ("virtual=192.0.2.1:80\n\treal=192.0.2.2:80 gate\n\n\tservice=http\n", "4"),
            ("virtual=192.0.2.1:80\n  real=192.0.2.2:80 gate\n", "2"),
            ("virtual=192.0.2.1:80\n\tpasswd=\"a#b\"\n", "2"),
            ("virtual=192.0.2.1:80\n\treal=192.0.2.2:80 gate 5 fast\n", "2"),
            ("virtual=192.0.2.1:80\n\treal=192.0.2.2:80 gate \"a 5\", \"b\"\n", "2"),
            ("virtual=192.0.2.1:80\n", "1"),
            ("\u{feff}# comment\nquiescent=yes\n", "1"),
        ] {
            assert_eq!(told(text), [line], "{text}: {:?}", lines(text));
            assert!(lines(text)[0].contains("ldirectord refuses this line: "));
        }
    }

    #[test]
    fn what_it_reads_differently() {
        assert_eq!(lines("checkinterval=200ms\n"), ["1: ldirectord reads checkinterval as 200 seconds"]);
        assert_eq!(lines("checktimeout=1.5 # c\n"), ["1: ldirectord reads checktimeout as 1 seconds"]);
        assert_eq!(lines("checktimeout=3s\nnegotiatetimeout=3\n"), [""; 0], "that is the same");
        let upper = "virtual=192.0.2.1:80\n\treal=192.0.2.2:80 gate 5 u:20 l:10\n\treal=192.0.2.3:80 gate 5 l:10 u:20\n";
        assert_eq!(lines(upper), ["2: ldirectord loses the upper threshold"]);
        let request = "virtual=192.0.2.1:80\n\treal=192.0.2.2:80 gate \"/a\", \"b\"\n\treal=192.0.2.3:80 gate \"a\", \"/b\"\n";
        assert_eq!(
            lines(request),
            ["2: ldirectord forgets what follows this request: receive and thresholds"]
        );
        let command =
            "virtual=192.0.2.1:80\n\tcheckcommand=\"/bin/check -x\"\n\tcheckcommand=/bin/check # c\n";
        assert_eq!(lines(command), ["2: ldirectord takes all of it for the path of the program"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(virtual=|real=|\t|    |\"|#|=|l:|u:|gate|\\PC|\n|\r)*") {
            let _ = differences(&Source::new("t.cf", text));
        }
    }
}
