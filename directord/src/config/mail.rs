//! Mail: to whom, from whom, when and through which server; as plain data, and how it is read.

use super::lexer::{Word, blank};
use super::value::{Notes, first_word, not_in_list, text};
use config::Diagnostic;
use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// Where mail servers listen.
const SMTP_PORT: u16 = 25;

/// Who is told by mail of what happens to a service, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alerts {
    /// Who; never empty.
    pub to: Vec<Address>,
    /// Through this server; `None` for the machine's own `sendmail`.
    pub via: Option<MailHost>,
    /// How often one is reminded of a server that stays down; `None` for never.
    #[serde(serialize_with = "seconds")]
    pub every: Option<Duration>,
    /// In which phases of the daemon.
    pub when: Phases,
}

/// What the daemon is doing, as mails say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// From the start until every server has its first verdict.
    Starting,
    /// From then on.
    Running,
    /// The end.
    Stopping,
    /// As [`Phase::Starting`], with another configuration.
    Reloading,
}

impl Phase {
    /// All of them, in their order.
    pub const ALL: [Phase; 4] = [Phase::Starting, Phase::Running, Phase::Stopping, Phase::Reloading];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Stopping => "stopping",
            Phase::Reloading => "reloading",
        }
    }
}

/// Some of the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases(u8);

impl Phases {
    /// All of them.
    pub const ALL: Phases = Phases(0b1111);
    /// None.
    pub const NONE: Phases = Phases(0);

    /// These and one more.
    pub fn with(self, phase: Phase) -> Phases {
        Phases(self.0 | 1 << phase as u8)
    }

    /// Whether it is one of them.
    pub fn includes(self, phase: Phase) -> bool {
        self.0 & 1 << phase as u8 != 0
    }
}

fn seconds<S: Serializer>(every: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    every.map(|every| every.as_secs()).serialize(serializer)
}

impl Serialize for Phases {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let included = Phase::ALL.into_iter().filter(|phase| self.includes(*phase));
        serializer.collect_seq(included.map(Phase::name))
    }
}

/// A mail address: `root`, `ops@example.com`, `Operators <ops@example.com>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    shown: String,
    /// Where in `shown` the address itself stands.
    path: (usize, usize),
}

impl Address {
    /// Reads one; `None` if it cannot be one.
    pub fn new(shown: &str) -> Option<Address> {
        let shown = shown.trim_matches(blank);
        let path = match (shown.rfind('<'), shown.strip_suffix('>')) {
            (Some(start), Some(before)) => (start + 1, before.len()),
            _ => (0, shown.len()),
        };
        let address = Address { shown: shown.to_owned(), path };
        let (user, host) = address.path().rsplit_once('@').unwrap_or((address.path(), "localhost"));
        let plain = |text: &str, odd: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !odd.contains(c))
        };
        let display_is_one_line = !shown.chars().any(char::is_control);
        (plain(user, "<>()[],;:\\\"@") && plain(host, "<>(),;\\\"@") && display_is_one_line)
            .then_some(address)
    }

    /// As it was written: for a header.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Without the person's name: `ops@example.com`.
    pub fn path(&self) -> &str {
        self.shown.get(self.path.0..self.path.1).unwrap_or("")
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown)
    }
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct MailHost {
    /// Its name or address; names are looked up for every mail.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for MailHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {}", self.host, self.port)
    }
}

/// `emailalert`: one or more addresses.
pub(super) fn receivers(value: Word<'_>, notes: &mut Notes) -> Option<Vec<Address>> {
    let word = text("emailalert", value, notes)?;
    let mut receivers: Vec<Address> = Vec::new();
    for piece in pieces(word.text).into_iter().filter(|piece| !piece.is_empty()) {
        match Address::new(piece) {
            Some(address) if receivers.contains(&address) => {}
            Some(address) => receivers.push(address),
            None => {
                notes.push(not_an_address(word, piece));
                return None;
            }
        }
    }
    if receivers.is_empty() {
        notes.push(not_an_address(word, word.text));
        return None;
    }
    Some(receivers)
}

/// What stands between the commas; one inside quotes (`"Doe, Jane" <jane@example.com>`) divides nothing.
fn pieces(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let divides = |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    text.split(divides).map(|piece| piece.trim_matches(blank)).collect()
}

/// `emailalertfrom`: the old program took it as it stands, quotes included.
pub(super) fn sender(value: Word<'_>, notes: &mut Notes) -> Option<Address> {
    let whole = value.text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let written = whole.filter(|inside| !inside.contains('"')).unwrap_or(value.text);
    let address = Address::new(written);
    if address.is_none() {
        notes.push(not_an_address(value, value.text));
    }
    address
}

fn not_an_address(word: Word<'_>, piece: &str) -> Diagnostic {
    Diagnostic::error(word.span, format!("\"{piece}\" is not a mail address"))
        .help("for example ops@example.com, or Operators <ops@example.com>; several with commas between")
}

/// `emailalertstatus`: words of a list.
pub(super) fn phases(value: Word<'_>, notes: &mut Notes) -> Option<Phases> {
    const VALID: &[&str] = &["all", "none", "starting", "running", "stopping", "reloading"];
    let words = value.text.split(|c: char| c == ',' || blank(c)).filter(|word| !word.is_empty());
    let (mut phases, mut none, mut count) = (Phases::NONE, false, 0);
    for word in words {
        count += 1;
        let known = Phase::ALL.into_iter().find(|phase| phase.name() == word);
        match (word, known) {
            ("all", _) => phases = Phases::ALL,
            ("none", _) => none = true,
            (_, Some(phase)) => phases = phases.with(phase),
            (_, None) => {
                notes.push(not_in_list("status", Word { text: word, span: value.span }, VALID));
                return None;
            }
        }
    }
    if count == 0 || (none && count > 1) {
        let message = if none {
            "emailalertstatus cannot be none and something else"
        } else {
            "emailalertstatus is empty"
        };
        notes.push(
            Diagnostic::error(value.span, message).help(format!("valid: {}", VALID.join(" "))).valid(VALID),
        );
        return None;
    }
    Some(phases)
}

/// `smtp`: a host. ldirectord knew no port, and ignored one.
pub(super) fn mail_host(value: Word<'_>, notes: &mut Notes) -> Option<MailHost> {
    if value.text.is_empty() || value.text.starts_with('"') {
        notes.push(
            Diagnostic::error(value.span, "smtp must be a host name without quotes")
                .help("for example smtp=mail.example.com"),
        );
        return None;
    }
    let word = first_word("smtp", value, notes)?;
    let found = host_and_port(word.text);
    match &found {
        None => {
            notes.push(Diagnostic::error(word.span, format!("\"{}\" is not a mail server", word.text)).help(
                "a host name or an address, for example mail.example.com, 192.0.2.25 or mail.example.com:587",
            ))
        }
        Some(host) if host.port != SMTP_PORT => notes.push(Diagnostic::warning(
            word.span,
            format!("mail goes to port {}; ldirectord would use port {SMTP_PORT}", host.port),
        )),
        Some(_) => {}
    }
    found
}

fn host_and_port(text: &str) -> Option<MailHost> {
    let (host, port) =
        if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, rest.strip_prefix(':').or(rest.is_empty().then_some("25"))?)
        } else if text.parse::<std::net::Ipv6Addr>().is_ok() {
            (text, "25")
        } else {
            let (host, port) = text.split_once(':').unwrap_or((text, "25"));
            let right = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
            if host.is_empty() || !host.chars().all(right) {
                return None;
            }
            (host, port)
        };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    Some(MailHost { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::{Level, Span};

    fn word(text: &str) -> Word<'_> {
        Word { text, span: Span::new(0, text.len()) }
    }

    fn paths(text: &str) -> Option<Vec<String>> {
        let mut notes = Vec::new();
        let found = receivers(word(text), &mut notes);
        assert_eq!(found.is_none(), notes.iter().any(|note| note.level == Level::Error), "{text}");
        found.map(|all| all.iter().map(|address| address.path().to_owned()).collect())
    }

    #[test]
    fn several_receivers_with_or_without_names() {
        for (text, expected) in [
            ("root", vec!["root"]),
            ("\"a@example.com, b@example.com\"", vec!["a@example.com", "b@example.com"]),
            ("a@example.com,b@lb_1,a@example.com,", vec!["a@example.com", "b@lb_1"]),
            ("Operators <ops@[192.0.2.1]>, root", vec!["ops@[192.0.2.1]", "root"]),
            ("J. Doe <j.doe+lvs@example.com>", vec!["j.doe+lvs@example.com"]),
        ] {
            assert_eq!(paths(text), Some(expected.into_iter().map(str::to_owned).collect()), "{text}");
        }
        for text in [
            "",
            "\"\"",
            ",",
            "a@",
            "@b",
            "a b@c",
            "a@b@c",
            "a@example.com b@example.com",
            "<>",
            "x <a@b",
            "ä@example.com",
            "a\u{7}@b",
        ] {
            assert_eq!(paths(text), None, "{text}");
        }
        assert_eq!(pieces("\"Doe, Jane\" <j@example.com>, root"), ["\"Doe, Jane\" <j@example.com>", "root"]);
    }

    #[test]
    fn the_sender_stands_as_it_is_written() {
        let mut notes = Vec::new();
        for (text, shown, path) in [
            (
                "\"ldirectord Alerts\" <alerts@example.com>",
                "\"ldirectord Alerts\" <alerts@example.com>",
                "alerts@example.com",
            ),
            ("\"alerts@example.com\"", "alerts@example.com", "alerts@example.com"),
            ("alerts@example.com", "alerts@example.com", "alerts@example.com"),
        ] {
            let sender = sender(word(text), &mut notes).unwrap();
            assert_eq!((sender.shown(), sender.path()), (shown, path));
        }
        assert!(notes.is_empty());
        assert_eq!(sender(word("alerts example"), &mut notes), None);
        assert_eq!(notes.len(), 1);
    }

    #[test]
    fn phases_are_a_list_and_none_stands_alone() {
        let mut notes = Vec::new();
        let running = phases(word("running, stopping"), &mut notes).unwrap();
        assert_eq!(Phase::ALL.map(|phase| running.includes(phase)), [false, true, true, false]);
        assert_eq!(phases(word("all"), &mut notes), Some(Phases::ALL));
        assert_eq!(phases(word("none"), &mut notes), Some(Phases::NONE));
        assert!(notes.is_empty());
        for text in ["", "none,running", "runing", "Running"] {
            assert_eq!(phases(word(text), &mut notes), None, "{text}");
        }
        assert_eq!(notes.len(), 4);
        assert!(notes[2].help.as_ref().unwrap().contains("did you mean \"running\"?"));
    }

    #[test]
    fn mail_servers() {
        let mut notes = Vec::new();
        for (text, host, port) in [
            ("mail.example.com", "mail.example.com", 25),
            ("mail:2525", "mail", 2525),
            ("192.0.2.25", "192.0.2.25", 25),
            ("2001:db8::25", "2001:db8::25", 25),
            ("[2001:db8::25]:26", "2001:db8::25", 26),
        ] {
            assert_eq!(
                mail_host(word(text), &mut notes),
                Some(MailHost { host: host.into(), port }),
                "{text}"
            );
        }
        assert_eq!(notes.len(), 2, "a port is told of");
        notes.clear();
        for text in ["", "\"mail\"", "mail:", "mail:0", "mail:99999", "[x]", "ma/il", ":25"] {
            assert_eq!(mail_host(word(text), &mut notes), None, "{text}");
        }
        assert_eq!(notes.len(), 8);
    }
}
