//! `ha.cf`: from lines to a [`Draft`]; every directive of heartbeat 3.0.6 (ha.cf(5)) is known.

mod children;

use super::draft::{Draft, Spanned};
use super::line::{self, Line, Word};
use super::media;
use super::plan::{Failback, GenerationMethod, UuidFrom};
use super::time;
use super::{respawn, stonith};
use config::{Diagnostic, Report, Span, nearest, parse_bool};
use std::path::PathBuf;
use std::time::Duration;

/// Every directive of `ha.cf`, in the order of the alphabet.
pub const DIRECTIVES: &[&str] = &[
    "apiauth",
    "auto_failback",
    "autojoin",
    "baud",
    "bcast",
    "cluster",
    "compression",
    "compression_threshold",
    "conn_logd_time",
    "coredumps",
    "coreroot",
    "crm",
    "crm_daemon_dir",
    "crmd_spawns_pengine",
    "deadping",
    "deadtime",
    "debug",
    "debugfile",
    "enable_config_writes",
    "env",
    "failfast",
    "hbgenmethod",
    "hopfudge",
    "initdead",
    "keepalive",
    "log_badpack",
    "logfacility",
    "logfile",
    "max_rexmit_delay",
    "mcast",
    "mcast6",
    "memreserve",
    "msgfmt",
    "nice_failback",
    "node",
    "normalpoll",
    "pacemaker",
    "ping",
    "ping6",
    "ping_group",
    "quorum_server",
    "realtime",
    "record_config_changes",
    "record_pengine_inputs",
    "respawn",
    "rtprio",
    "serial",
    "stonith",
    "stonith_host",
    "syslogmsgfmt",
    "traditional_compression",
    "ucast",
    "ucast6",
    "udp",
    "udpport",
    "use_apphbd",
    "use_logd",
    "uuidfrom",
    "warntime",
    "watchdog",
]; // one line per directive would hide the table's shape

/// Directives of which each line is one more: they have no single value to ask for, nor has heartbeat 3.0.6.
const LISTS: &[&str] = &[
    "apiauth",
    "bcast",
    "env",
    "failfast",
    "mcast",
    "mcast6",
    "node",
    "ping",
    "ping6",
    "ping_group",
    "respawn",
    "serial",
    "stonith_host",
    "ucast",
    "ucast6",
    "udp",
];

/// What heartbeat 3.0.6 knows.
const BAUD_RATES: [u32; 7] = [9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800];

const FACILITIES: &[&str] = &[
    "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// Reads the text of `report`'s source; what is wrong goes into `report`. `services_port` is the port of the
/// service `ha-cluster`/udp in /etc/services, if it is there: the default of `udpport`.
pub(super) fn parse(report: &mut Report, services_port: Option<u16>) -> Draft {
    let source = report.source().clone();
    let mut draft = Draft::new(services_port);
    for line in line::lines(&source) {
        Parser { report, draft: &mut draft }.line(&line);
    }
    draft
}

/// Applies lines to a draft.
pub(super) struct Parser<'a> {
    pub(super) report: &'a mut Report,
    pub(super) draft: &'a mut Draft,
}

impl Parser<'_> {
    fn line(&mut self, line: &Line<'_>) {
        let name = line.directive.text;
        if !DIRECTIVES.contains(&name) {
            return self.unknown(line.directive);
        }
        if line.values.is_empty() {
            let help = format!("write \"{name} VALUE\", or put # before it");
            return self.error(line.directive.span, format!("{name} has no value"), help);
        }
        if !LISTS.contains(&name) {
            // heartbeat 3.0.6 knows the old word for it by the new one
            if name == "crm" {
                self.draft.parameters.insert("pacemaker".to_owned(), line.rest.text.to_owned());
            }
            self.draft.parameters.insert(name.to_owned(), line.rest.text.to_owned());
        }
        match name {
            "bcast" | "udp" | "ucast" | "ucast6" | "mcast" | "mcast6" | "serial" | "ping" | "ping6"
            | "ping_group" => media::apply(self, line),
            "env" => self.environment(line),
            // These take the whole line: a value is a command or a host with its parameters.
            "apiauth" => self.api_authority(line),
            "respawn" | "failfast" => respawn::apply(self, line),
            "stonith" | "stonith_host" => stonith::apply(self, line),
            "node" | "watchdog" => line.values.iter().for_each(|value| self.value(line.directive, *value)),
            _ => {
                line.values.iter().for_each(|value| self.value(line.directive, *value));
                self.several(line);
            }
        }
    }

    /// Warns of a directive with more values than it has use for.
    fn several(&mut self, line: &Line<'_>) {
        let [first, .., last] = line.values.as_slice() else { return };
        let (name, count, rest) = (line.directive.text, line.values.len(), line.rest.text);
        let message = format!("{name} has {count} values, and only the last one, {}, counts", last.text);
        let digits = |word: &Word<'_>| word.text.starts_with(|c: char| c.is_ascii_digit());
        let help = match count == 2 && rest.contains(',') && digits(first) && digits(last) {
            true => format!("a comma separates values; a fraction has a point: {}.{}", first.text, last.text),
            false => format!("write \"{name} {}\"", last.text),
        };
        self.warning(first.span.to(last.span), message, help);
    }

    /// Most directives accept several values; each is applied in turn, and the last one stays.
    fn value(&mut self, directive: Word<'_>, value: Word<'_>) {
        match directive.text {
            "node" => self.draft.nodes.push(Spanned::new(value.text.to_lowercase(), value.span)),
            "keepalive" => self.time(value, |d| &mut d.keepalive),
            "deadtime" => self.time(value, |d| &mut d.deadtime),
            "warntime" => self.time(value, |d| &mut d.warntime),
            "initdead" => self.time(value, |d| &mut d.initdead),
            "deadping" => self.time(value, |d| &mut d.deadping),
            "max_rexmit_delay" => {
                if let Some(ms) = self.number(directive, value, 1, 3_600_000) {
                    self.draft.rexmit_delay = Duration::from_millis(ms);
                }
            }
            "udpport" => {
                if let Some(port) = self.number(directive, value, 1, 65_535) {
                    media::set_port(self, directive, port as u16);
                }
            }
            "baud" => match value.text.parse().ok().filter(|rate| BAUD_RATES.contains(rate)) {
                Some(rate) => media::set_baud(self, rate),
                None => {
                    let message = format!("unsupported baud rate \"{}\"", value.text);
                    self.error(value.span, message, "9600, 19200, 38400, 57600, 115200, 230400 or 460800");
                }
            },
            "auto_failback" | "nice_failback" => self.failback(directive, value),
            "hopfudge" => {
                if let Some(hops) = self.number(directive, value, 0, 255) {
                    self.draft.hop_fudge = hops as u32;
                }
            }
            "debug" => {
                if let Some(level) = self.number(directive, value, 0, 255) {
                    self.draft.debug = level as u8;
                }
            }
            "rtprio" => {
                if let Some(priority) = self.number(directive, value, 1, 99) {
                    self.draft.priority = priority as u8;
                }
            }
            "realtime" => self.flag(directive, value, |d| &mut d.realtime),
            "log_badpack" => self.flag(directive, value, |d| &mut d.log_bad_packets),
            "use_logd" => self.flag(directive, value, |d| &mut d.use_logd),
            "logfile" => self.draft.log.file = Some(PathBuf::from(value.text)),
            "debugfile" => self.draft.log.debug_file = Some(PathBuf::from(value.text)),
            "logfacility" => self.facility(value),
            "watchdog" => self.watchdog(value),
            "crm" | "pacemaker" => self.crm(directive, value),
            "hbgenmethod" => {
                let choices = [("file", GenerationMethod::File), ("time", GenerationMethod::Time)];
                if let Some(method) = self.choice(directive, value, &choices) {
                    self.draft.generation = method;
                }
            }
            "uuidfrom" => {
                let choices = [("file", UuidFrom::File), ("nodename", UuidFrom::NodeName)];
                if let Some(from) = self.choice(directive, value, &choices) {
                    self.draft.uuid_from = from;
                }
            }
            "msgfmt" => {
                if let Some(inner) = self.choice(directive, value, &[("classic", true), ("netstring", false)])
                {
                    self.draft.inner_auth = inner;
                }
            }
            "autojoin" => self.autojoin(directive, value),
            _ => self.checked_without_effect(directive, value),
        }
    }

    fn unknown(&mut self, word: Word<'_>) {
        let hint = match nearest(word.text, DIRECTIVES.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "ha.cf(5) lists the directives".to_owned(),
        };
        let message = format!("Illegal directive [{}]", word.text);
        self.report.push(Diagnostic::error(word.span, message).label("unknown directive").help(hint));
    }

    fn time(&mut self, value: Word<'_>, field: impl Fn(&mut Draft) -> &mut Option<Spanned<Duration>>) {
        match time::parse(value.text) {
            Some(time) if !time.is_zero() => {
                *field(self.draft) = Some(Spanned::new(time, value.span));
            }
            Some(_) => self.error(value.span, "a time must be more than 0", time::VALID),
            None => self.error(value.span, format!("\"{}\" is not a time", value.text), time::VALID),
        }
    }

    pub(super) fn number(
        &mut self,
        directive: Word<'_>,
        value: Word<'_>,
        least: u64,
        most: u64,
    ) -> Option<u64> {
        // Only digits: `parse` alone would take "+1".
        let number = value.text.bytes().all(|b| b.is_ascii_digit()).then(|| value.text.parse::<u64>().ok());
        match number.flatten() {
            Some(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                let message = format!("{} \"{}\" is not valid", directive.text, value.text);
                self.error(value.span, message, format!("a whole number from {least} to {most}"));
                None
            }
        }
    }

    fn flag(&mut self, directive: Word<'_>, value: Word<'_>, field: impl Fn(&mut Draft) -> &mut bool) {
        match parse_bool(value.text) {
            Some(flag) => *field(self.draft) = flag,
            None => {
                let message = format!("{} \"{}\" is neither yes nor no", directive.text, value.text);
                self.error(value.span, message, "true on yes y 1, or false off no n 0");
            }
        }
    }

    fn choice<T: Copy>(&mut self, directive: Word<'_>, value: Word<'_>, choices: &[(&str, T)]) -> Option<T> {
        let found = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(value.text));
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let message = format!("{} \"{}\" is not valid", directive.text, value.text);
            self.error(value.span, message, format!("one of: {}", names.join(", ")));
        }
        found.map(|(_, choice)| *choice)
    }

    fn failback(&mut self, directive: Word<'_>, value: Word<'_>) {
        if directive.text == "nice_failback" {
            // heartbeat 3.0.6 maps the word, whichever it is, to what was there before: `off` behind an
            // auto_failback on or off, else `legacy`.
            if parse_bool(value.text).is_none() {
                let message = format!("nice_failback \"{}\" is neither on nor off", value.text);
                return self.error(value.span, message, "write auto_failback on or off instead");
            }
            let before = self.draft.failback.as_ref().map(|f| f.value);
            let becomes = match before {
                Some(Failback::On | Failback::Off) => Failback::Off,
                _ => Failback::Legacy,
            };
            self.warning(
                directive.span,
                "nice_failback is obsolete",
                "write auto_failback on or off instead",
            );
            self.draft.failback = Some(Spanned::new(becomes, value.span));
            return;
        }
        let failback = match parse_bool(value.text) {
            Some(true) => Failback::On,
            Some(false) => Failback::Off,
            None if value.text.eq_ignore_ascii_case("legacy") => Failback::Legacy,
            None => {
                let message = format!("auto_failback \"{}\" is not valid", value.text);
                return self.error(value.span, message, "on, off or legacy");
            }
        };
        self.draft.failback = Some(Spanned::new(failback, value.span));
    }

    fn watchdog(&mut self, value: Word<'_>) {
        if let Some(first) = &self.draft.watchdog {
            let message = format!("watchdog {}: there is one already, {}", value.text, first.display());
            return self.error(value.span, message, "one device is enough; remove the other");
        }
        if !value.text.starts_with('/') {
            let message = format!("watchdog {} is not a device", value.text);
            self.warning(value.span, message, "write its whole path: /dev/watchdog");
        }
        self.draft.watchdog = Some(PathBuf::from(value.text));
    }

    fn facility(&mut self, value: Word<'_>) {
        let name = value.text.to_ascii_lowercase();
        if name == "none" {
            self.draft.log.facility = None;
        } else if FACILITIES.contains(&name.as_str()) {
            self.draft.log.facility = Some(name);
        } else {
            let near = nearest(&name, FACILITIES.iter().copied());
            let help = near.map_or(String::new(), |near| format!("did you mean \"{near}\"? "));
            let message = format!("unknown log facility \"{}\"", value.text);
            self.error(
                value.span,
                message,
                format!("{help}syslog(3) lists them; local0 to local7 are free, none is no syslog"),
            );
        }
        self.draft.log_named = true;
    }

    fn crm(&mut self, directive: Word<'_>, value: Word<'_>) {
        let off = matches!(parse_bool(value.text), Some(false)) || value.text.eq_ignore_ascii_case("none");
        if !off {
            let message = format!("{} {}: this cluster is managed by Pacemaker", directive.text, value.text);
            self.error(
                value.span,
                message,
                "this program manages the groups of haresources; write \"crm off\" for that",
            );
        }
    }

    fn autojoin(&mut self, directive: Word<'_>, value: Word<'_>) {
        let choices = [("none", true), ("other", false), ("any", false)];
        if self.choice(directive, value, &choices) == Some(false) {
            let message = format!("autojoin {} needs a cluster managed by Pacemaker", value.text);
            self.error(value.span, message, "with haresources the nodes are listed: autojoin none");
        }
    }

    /// Directives whose values are still checked, and which have no effect here.
    fn checked_without_effect(&mut self, directive: Word<'_>, value: Word<'_>) {
        match directive.text {
            "syslogmsgfmt" | "coredumps" | "traditional_compression" if parse_bool(value.text).is_none() => {
                let message = format!("{} \"{}\" is neither yes nor no", directive.text, value.text);
                self.error(value.span, message, "true on yes y 1, or false off no n 0");
            }
            "compression" => {
                self.choice(directive, value, &[("zlib", ()), ("bz2", ())]);
            }
            "memreserve" | "compression_threshold" => {
                self.number(directive, value, 0, u64::from(u32::MAX));
            }
            _ => {}
        }
    }

    pub(super) fn error(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.report.push(Diagnostic::error(span, message).help(help));
    }

    pub(super) fn warning(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.report.push(Diagnostic::warning(span, message).help(help));
    }
}
