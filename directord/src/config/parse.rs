//! Directives → [`Config`]: every line is read, every mistake of the file is noted.

use super::address::{fallback_text, real_text, virtual_text};
use super::directive::{self, Directive, Effect, Scope};
use super::lexer::{Entry, Word, lex};
use super::mail;
use super::model::{CheckType, Config, Protocol, Section, ServiceName, Setting, Shared};
use super::time::{Time, time, whole_seconds};
use super::value::{self, Notes, first_word, not_in_list, number, quoted, text, yes_no};
use config::{Diagnostic, Source, nearest};
use ipvs::{Family, Netmask, Persistence, SchedulerFlags};
use std::time::Duration;

/// Schedulers of current kernels. Others are passed on: a kernel may have more.
pub(crate) const SCHEDULERS: &[&str] =
    &["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos"];

/// No limit of a check is shorter.
const SHORTEST_LIMIT: Duration = Duration::from_millis(1);
/// No server is checked more often.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

const CHECK_TYPES: &[&str] = &["connect", "negotiate", "ping", "off", "on", "external", "external-perl"];

/// Reads a whole file.
pub(super) fn parse(source: &Source, notes: &mut Notes) -> Config {
    let entries = lex(source, notes);
    let mut parser = Parser { config: Config::default(), notes };
    for entry in entries {
        parser.entry(entry);
    }
    parser.config
}

struct Parser<'n> {
    config: Config,
    notes: &'n mut Notes,
}

impl Parser<'_> {
    fn entry(&mut self, entry: Entry<'_>) {
        let Some(known) = directive::find(entry.key.text) else {
            self.notes.push(unknown(entry.key));
            return;
        };
        match (known.scope, entry.in_section) {
            (Scope::Global, true) => {
                self.notes.push(
                    Diagnostic::error(
                        entry.key.span,
                        format!("{} does not belong in a virtual section", known.name),
                    )
                    .help("write it at the left margin, above the first virtual line"),
                );
                return;
            }
            (Scope::Section, false) => {
                self.notes.push(
                    Diagnostic::error(entry.key.span, format!("{} belongs in a virtual section", known.name))
                        .help("indent the line by 4 blanks or a tab, below the virtual line it belongs to"),
                );
                return;
            }
            _ => {}
        }
        match known.effect {
            Effect::Replaced(by) => {
                self.notes.push(
                    Diagnostic::error(entry.key.span, format!("{} is no longer a directive", known.name))
                        .help(format!("use {by}")),
                );
                return;
            }
            Effect::Yes => {}
        }
        self.value(known, entry);
    }

    fn value(&mut self, known: &Directive, entry: Entry<'_>) {
        let value = entry.value;
        if entry.in_section {
            if let Some(section) = self.config.sections.last_mut() {
                if !shared(&mut section.shared, known, value, section.family, self.notes) {
                    section_value(section, known, value, self.notes);
                }
            }
        } else if matches!(known.name, "virtual" | "virtual6") {
            let family = if known.name == "virtual" { Family::V4 } else { Family::V6 };
            let address = virtual_text(value, family, self.notes);
            let span = if value.text.is_empty() { entry.key.span } else { value.span };
            self.config.sections.push(Section::new(family, address, span));
        } else if !shared(&mut self.config.shared, known, value, Family::V4, self.notes) {
            global_value(&mut self.config, known, value, self.notes);
        }
    }
}

/// The directives that may stand in both places; false if this is none of them.
fn shared(to: &mut Shared, known: &Directive, value: Word<'_>, family: Family, notes: &mut Notes) -> bool {
    let key = known.name;
    let mut limit = |to: &mut Option<Setting<Time>>| set(to, value, time(key, value, SHORTEST_LIMIT, notes));
    match key {
        "checktimeout" => limit(&mut to.check_timeout),
        "negotiatetimeout" => limit(&mut to.negotiate_timeout),
        "checkinterval" => set(&mut to.check_interval, value, time(key, value, SHORTEST_INTERVAL, notes)),
        "recheckinterval" => set(&mut to.recheck_interval, value, time(key, value, SHORTEST_INTERVAL, notes)),
        "slowstart" => set(&mut to.slow_start, value, time(key, value, Duration::ZERO, notes)),
        "weightfromcheck" => set(&mut to.weight_from_check, value, yes_no(key, value, notes)),
        "keeplast" => set(&mut to.keep_last, value, yes_no(key, value, notes)),
        "sourceaddress" => set(&mut to.source, value, source_address(key, value, notes)),
        "sourceaddress6" => set(&mut to.source6, value, source_address(key, value, notes)),
        "checkcount" => set(&mut to.check_count, value, number(key, value, false, notes)),
        "failurecount" => set(&mut to.failure_count, value, number(key, value, false, notes)),
        "rise" => set(&mut to.rise, value, number(key, value, false, notes)),
        "quiescent" => set(&mut to.quiescent, value, yes_no(key, value, notes)),
        "cleanstop" => set(&mut to.clean_stop, value, yes_no(key, value, notes)),
        "fallback" => set(&mut to.fallback, value, fallback_text(value, family, notes)),
        "fallback6" => set(&mut to.fallback6, value, fallback_text(value, Family::V6, notes)),
        "fallbackcommand" => {
            // Globally the old program kept the quotes, and its shell removed them again.
            let command = quoted(key, value, notes).map(|word| word.text.to_owned());
            set(&mut to.fallback_command, value, command);
        }
        "emailalert" => set(&mut to.alert_to, value, mail::receivers(value, notes)),
        "emailalertfreq" => set(&mut to.alert_every, value, number(key, value, true, notes)),
        "emailalertstatus" => set(&mut to.alert_when, value, mail::phases(value, notes)),
        "smtp" => set(&mut to.mail_host, value, mail::mail_host(value, notes)),
        _ => return false,
    }
    true
}

fn global_value(config: &mut Config, known: &Directive, value: Word<'_>, notes: &mut Notes) {
    let key = known.name;
    match key {
        "autoreload" => set(&mut config.auto_reload, value, yes_no(key, value, notes)),
        "fork" => set(&mut config.fork, value, yes_no(key, value, notes)),
        "readdquiescent" => set(&mut config.readd_quiescent, value, yes_no(key, value, notes)),
        "supervised" => set(&mut config.supervised, value, yes_no(key, value, notes)),
        "callback" => set(&mut config.callback, value, owned(text(key, value, notes))),
        "logfile" => set(&mut config.log_file, value, owned(text(key, value, notes))),
        "maintenancedir" => set(&mut config.maintenance_dir, value, owned(text(key, value, notes))),
        "emailalertfrom" => set(&mut config.alert_from, value, mail::sender(value, notes)),
        "execute" => {
            let name = owned(text(key, value, notes));
            config.execute.extend(name.filter(|name| !config.execute.contains(name)));
        }
        _ => {}
    }
}

fn section_value(section: &mut Section, known: &Directive, value: Word<'_>, notes: &mut Notes) {
    let key = known.name;
    match key {
        "real" | "real6" => real(section, key, value, notes),
        "checktype" => set(&mut section.check_type, value, check_type(value, notes)),
        "service" => set(&mut section.service, value, service(value, notes)),
        "checkcommand" => set(&mut section.check_command, value, owned(text(key, value, notes))),
        "checkport" => set(&mut section.check_port, value, check_port(value, notes)),
        "request" => set(&mut section.request, value, owned(text(key, value, notes))),
        "receive" => {
            // The place of the text itself: a mistake inside the expression is underlined there.
            if let Some(word) = text(key, value, notes) {
                section.receive = Some(Setting::new(spaced(word.text), word.span));
            }
        }
        "httpmethod" => set(&mut section.head, value, http_method(value, notes)),
        "virtualhost" => set(&mut section.virtual_host, value, virtual_host(value, notes)),
        "tlsverify" => set(&mut section.tls_verify, value, yes_no(key, value, notes)),
        "login" => set(&mut section.login, value, owned(text(key, value, notes))),
        "passwd" => set(&mut section.password, value, owned(text(key, value, notes))),
        "database" => set(&mut section.database, value, owned(text(key, value, notes))),
        "secret" => set(&mut section.secret, value, owned(text(key, value, notes))),
        "load" => drop(text(key, value, notes)),
        "scheduler" => set(&mut section.scheduler, value, scheduler(value, notes)),
        "schedflags" => scheduler_flags(section, value, notes),
        "persistent" => set(&mut section.persistent, value, persistent(value, notes)),
        "netmask" => set(&mut section.netmask, value, netmask(value, section.family, notes)),
        "protocol" => set(&mut section.protocol, value, protocol(value, notes)),
        "monitorfile" => set(&mut section.monitor_file, value, owned(text(key, value, notes))),
        "ops" => set(&mut section.one_packet, value, yes_no(key, value, notes)),
        "servicename" => set(&mut section.service_name, value, Some(value.text.to_owned())),
        "comment" => set(&mut section.comment, value, Some(value.text.to_owned())),
        _ => {}
    }
}

fn set<T>(target: &mut Option<Setting<T>>, value: Word<'_>, parsed: Option<T>) {
    if let Some(parsed) = parsed {
        *target = Some(Setting::new(parsed, value.span));
    }
}

fn owned(word: Option<Word<'_>>) -> Option<String> {
    word.map(|word| spaced(word.text))
}

/// The old program turned tabs into 4 blanks before it looked at a section's line.
fn spaced(text: &str) -> String {
    text.replace('\t', "    ")
}

/// An address or a name, as it will be resolved.
fn source_address(key: &str, value: Word<'_>, notes: &mut Notes) -> Option<String> {
    let word = first_word(key, value, notes)?.text;
    Some(word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).unwrap_or(word).to_owned())
}

fn real(section: &mut Section, key: &str, value: Word<'_>, notes: &mut Notes) {
    let right = if section.family == Family::V4 { "real" } else { "real6" };
    if key != right {
        let opener = if section.family == Family::V4 { "virtual" } else { "virtual6" };
        notes.push(
            Diagnostic::error(value.span, format!("{key} cannot be used in a {opener} section"))
                .help(format!("write {right}=")),
        );
    } else if let Some(real) = real_text(value, section.family, notes) {
        section.reals.push(real);
    }
}

fn check_type(value: Word<'_>, notes: &mut Notes) -> Option<CheckType> {
    let word = first_word("checktype", value, notes)?;
    match word.text {
        "connect" => return Some(CheckType::Connect),
        "negotiate" => return Some(CheckType::Negotiate),
        "ping" => return Some(CheckType::Ping),
        "off" => return Some(CheckType::Off),
        "on" => return Some(CheckType::On),
        "external" => return Some(CheckType::External),
        "external-perl" => return Some(CheckType::ExternalPerl),
        _ => {}
    }
    if let Ok(connects) = word.text.parse() {
        return Some(CheckType::Combined(connects));
    }
    let digits: String = word.text.chars().filter(char::is_ascii_digit).collect();
    let mut error = not_in_list("check type", word, CHECK_TYPES);
    error.help =
        error.help.map(|help| format!("{help}, or a number of connects between two negotiate checks"));
    if !digits.is_empty() {
        error = error.label(format!("ldirectord would take it for checktype={digits}"));
    }
    notes.push(error);
    None
}

fn service(value: Word<'_>, notes: &mut Notes) -> Option<ServiceName> {
    let word = first_word("service", value, notes)?;
    let service = ServiceName::from_name(word.text);
    if service.is_none() {
        notes.push(not_in_list("service", word, ServiceName::NAMES));
    }
    service
}

fn check_port(value: Word<'_>, notes: &mut Notes) -> Option<u16> {
    let (word, rest) = value.split_word();
    value::ignored(rest, notes);
    let port = word.text.parse().ok().filter(|port| *port != 0);
    if port.is_none() {
        let message = format!("checkport must be a port number{}", value::found(word));
        notes.push(Diagnostic::error(value.span, message).help("1 to 65535; names are not taken here"));
    }
    port
}

fn http_method(value: Word<'_>, notes: &mut Notes) -> Option<bool> {
    let word = first_word("httpmethod", value, notes)?;
    match word.text.to_ascii_lowercase().as_str() {
        "get" => Some(false),
        "head" => Some(true),
        _ => {
            notes.push(not_in_list("method for checks", word, &["GET", "HEAD"]));
            None
        }
    }
}

fn virtual_host(value: Word<'_>, notes: &mut Notes) -> Option<String> {
    let word = text("virtualhost", value, notes)?.trim();
    if word.text.is_empty() || word.text.chars().any(|c| !c.is_ascii_graphic()) {
        notes.push(
            Diagnostic::error(word.span, format!("\"{}\" cannot be sent as a host name", word.text))
                .help("letters, digits, dots and hyphens, for example virtualhost=www.example.com"),
        );
        return None;
    }
    Some(word.text.to_owned())
}

fn scheduler(value: Word<'_>, notes: &mut Notes) -> Option<String> {
    let word = first_word("scheduler", value, notes)?;
    if word.text.chars().all(|c| c.is_ascii_lowercase()) {
        if !SCHEDULERS.contains(&word.text) {
            let help = match nearest(word.text, SCHEDULERS.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"? known: {}", SCHEDULERS.join(" ")),
                None => format!("known: {}", SCHEDULERS.join(" ")),
            };
            let message = format!("\"{}\" is not a scheduler of Linux; it is passed on as it is", word.text);
            notes.push(Diagnostic::warning(word.span, message).help(help).valid(SCHEDULERS));
        }
        return Some(word.text.to_owned());
    }
    let read = word
        .text
        .split(|c: char| !c.is_ascii_lowercase())
        .find(|part| !part.is_empty())
        .map(|part| format!("ldirectord would take it for \"{part}\""));
    let mut error = not_in_list("scheduler", word, SCHEDULERS);
    error.label = read.or(error.label);
    notes.push(error);
    None
}

fn scheduler_flags(section: &mut Section, value: Word<'_>, notes: &mut Notes) {
    let Some(word) = first_word("schedflags", value, notes) else { return };
    // The scheduler may stand below; the names of both families mean the same bits.
    let own = if word.text.contains("mh-") { "mh" } else { "sh" };
    match SchedulerFlags::parse(own, word.text) {
        Ok(flags) => section.scheduler_flags = Some(Setting::new(flags, word.span)),
        Err(error) => notes.push(
            Diagnostic::error(word.span, format!("\"{}\" is not a scheduler flag", error.flag)).help(
                "valid: sh-fallback sh-port mh-fallback mh-port flag-1 flag-2 flag-3, with commas between",
            ),
        ),
    }
}

fn persistent(value: Word<'_>, notes: &mut Notes) -> Option<u32> {
    let seconds = whole_seconds("persistent", value, false, notes)?;
    if seconds > Persistence::MAX_TIMEOUT {
        notes.push(
            Diagnostic::error(
                value.span,
                format!("{seconds} seconds of persistence are more than IPVS can count"),
            )
            .help(format!("1 to {}", Persistence::MAX_TIMEOUT)),
        );
        return None;
    }
    Some(seconds)
}

fn netmask(value: Word<'_>, family: Family, notes: &mut Notes) -> Option<Netmask> {
    let (word, rest) = value.split_word();
    value::ignored(rest, notes);
    let (mask, help) = match family {
        Family::V4 => {
            (word.text.parse().ok().map(Netmask::V4), "a dotted quad, for example netmask=255.255.255.0")
        }
        Family::V6 => {
            let length = word.text.parse().ok().filter(|length| (1..=128).contains(length));
            (length.map(Netmask::V6), "a prefix length from 1 to 128")
        }
    };
    if mask.is_none() {
        notes.push(Diagnostic::error(value.span, format!("\"{}\" is not a netmask", word.text)).help(help));
    }
    mask
}

fn protocol(value: Word<'_>, notes: &mut Notes) -> Option<Protocol> {
    let word = first_word("protocol", value, notes)?;
    match word.text {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        "fwm" => Some(Protocol::Mark),
        _ => {
            notes.push(not_in_list("protocol", word, &["tcp", "udp", "fwm"]));
            None
        }
    }
}

fn unknown(key: Word<'_>) -> Diagnostic {
    let error = Diagnostic::error(key.span, format!("unknown directive \"{}\"", key.text));
    match nearest(key.text, directive::DIRECTIVES.iter().map(|directive| directive.name)) {
        Some(near) => error.help(format!("did you mean \"{near}\"?")),
        None => error.help("the directives are listed in ldirectord(8)"),
    }
}
