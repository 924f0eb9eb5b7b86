//! How the real servers of one section are checked: `checktype`, `service` and all that belongs to them.

mod database;
mod hopeless;
mod web;

use super::{Builder, DEFAULT_INTERVAL, Virtual, duration, value};
use crate::check::{Dialogue, Kind, Pattern, Probe, Secret, SimpleTcp};
use crate::config::model::{CheckType, Protocol, RealText, ServiceName, Setting};
use crate::config::plan::Check;
use crate::config::value::Notes;
use config::{Diagnostic, Span};
use ipvs::Forwarding;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What all real servers of a section have in common.
pub(super) struct Checks<'a> {
    at: Virtual<'a>,
    kind: CheckType,
    service: ServiceName,
    check_timeout: Duration,
    negotiate_timeout: Duration,
    interval: Duration,
    recheck: Option<Duration>,
    source: Option<IpAddr>,
    weighs: bool,
    attempts: u32,
    receive: Option<Pattern>,
}

impl<'a> Checks<'a> {
    /// Resolves the section's directives; `None` if a mistake in them makes every check impossible.
    pub(super) fn new(builder: &Builder<'_>, at: &Virtual<'a>, notes: &mut Notes) -> Option<Checks<'a>> {
        let section = at.section;
        let (own, global) = (&section.shared, &builder.config.shared);
        let service = value(&section.service).unwrap_or_else(|| ServiceName::of_port(at.port));
        let check = duration(&own.check_timeout)
            .or(duration(&own.negotiate_timeout))
            .or(duration(&global.check_timeout))
            .or(duration(&global.negotiate_timeout));
        let negotiate = duration(&own.negotiate_timeout)
            .or(duration(&own.check_timeout))
            .or(duration(&global.negotiate_timeout))
            .or(duration(&global.check_timeout));
        let interval = builder.own_interval(section).or(duration(&global.check_interval));
        let source = match builder.source(section) {
            Some(source) => Some(builder.host(source, section.family, notes)?),
            None => None,
        };
        let receive = match &section.receive {
            Some(receive) => Some(pattern(receive, notes)?),
            None => None,
        };
        let checks = Checks {
            at: *at,
            kind: value(&section.check_type).unwrap_or(CheckType::Negotiate),
            service,
            check_timeout: check.unwrap_or(Duration::from_secs(5)),
            negotiate_timeout: negotiate.unwrap_or(Duration::from_secs(30)),
            interval: interval.unwrap_or(DEFAULT_INTERVAL),
            recheck: duration(&own.recheck_interval).or(duration(&global.recheck_interval)),
            source,
            weighs: value(&own.weight_from_check).or(value(&global.weight_from_check)).unwrap_or(false),
            attempts: value(&own.check_count).or(value(&global.check_count)).unwrap_or(1),
            receive,
        };
        checks.unused_tls_verify(notes);
        checks.hopeless(notes);
        checks.is_complete(notes).then_some(checks)
    }

    /// The check of one real server; `None` after an error was noted.
    pub(super) fn of(&self, real: &RealText, address: IpAddr, port: u16, notes: &mut Notes) -> Option<Check> {
        let kind = match self.kind {
            CheckType::On => return Some(Check::On),
            CheckType::Off => return Some(Check::Off),
            CheckType::Ping => self.ping(address),
            CheckType::Connect => self.connect(real, address, port, notes)?,
            CheckType::External => self.external(&[], address, port),
            CheckType::ExternalPerl => self.external(&["perl"], address, port),
            CheckType::Negotiate => match self.negotiate(real, address, port, notes)? {
                Some(kind) => kind,
                None => return Some(Check::On),
            },
            CheckType::Combined(connects) => match self.negotiate(real, address, port, notes)? {
                Some(negotiate) => {
                    let connect = self.connect(real, address, port, notes)?;
                    Kind::Combined { connects, connect: connect.into(), negotiate: negotiate.into() }
                }
                // Service none always passes, so only the connects say anything.
                None if self.port(port).is_some() => self.connect(real, address, port, notes)?,
                None => {
                    let message =
                        format!("{address} is never checked: the service is none and there is no port");
                    notes.push(
                        Diagnostic::warning(real.host.span, message)
                            .help("write checkport=PORT in the section"),
                    );
                    return Some(Check::On);
                }
            },
        };
        let (interval, recheck, source) = (self.interval, self.recheck, self.source);
        Some(Check::Probe(Arc::new(Probe { interval, recheck, source, kind })))
    }

    fn negotiates(&self) -> bool {
        matches!(self.kind, CheckType::Negotiate | CheckType::Combined(_))
    }

    fn unused_tls_verify(&self, notes: &mut Notes) {
        use ServiceName::{Http, HttpProxy, Https, Imaps, Ldaps, Mysql, Pgsql, Pops};
        let Some(written) = &self.at.section.tls_verify else { return };
        if !self.negotiates()
            || !matches!(self.service, Http | HttpProxy | Https | Imaps | Ldaps | Mysql | Pgsql | Pops)
        {
            notes.push(
                Diagnostic::warning(written.span, "tlsverify has no effect: this check does not use TLS")
                    .help("it counts in checks of https, imaps, pops, ldaps, mysql, pgsql"),
            );
        }
    }

    /// The port to check: `checkport`, the real server's, the service's, the virtual one.
    fn port(&self, port: u16) -> Option<u16> {
        let written = value(&self.at.section.check_port);
        written.or_else(|| [port, self.service.port(), self.at.port].into_iter().find(|port| *port != 0))
    }

    fn target(&self, real: &RealText, address: IpAddr, port: u16, notes: &mut Notes) -> Option<SocketAddr> {
        let port = self.port(port);
        if port.is_none() {
            notes.push(
                Diagnostic::error(real.host.span, format!("there is no port at which to check {address}"))
                    .help("write checkport=PORT in the section, or a port behind the address"),
            );
        }
        Some(SocketAddr::new(address, port?))
    }

    fn ping(&self, to: IpAddr) -> Kind {
        Kind::Ping { to, attempts: self.attempts, timeout: self.check_timeout }
    }

    fn connect(&self, real: &RealText, address: IpAddr, port: u16, notes: &mut Notes) -> Option<Kind> {
        if self.at.protocol == Protocol::Udp {
            return Some(self.ping(address)); // nothing can be connected
        }
        Some(Kind::Connect { to: self.target(real, address, port, notes)?, timeout: self.check_timeout })
    }

    /// `Some(None)` for service `none`, which is always up.
    fn negotiate(
        &self,
        real: &RealText,
        address: IpAddr,
        port: u16,
        notes: &mut Notes,
    ) -> Option<Option<Kind>> {
        let receive = match &real.dialogue {
            Some((_, receive)) => Some(pattern(receive, notes)?),
            None => self.receive.clone(),
        };
        match self.service {
            ServiceName::Http | ServiceName::Https => {
                let to = self.target(real, address, port, notes)?;
                self.http(real, to, receive, notes).map(|http| Some(Kind::Http(http.into())))
            }
            ServiceName::HttpProxy => {
                let proxy = self.target(real, address, port, notes)?;
                self.http_proxy(real, proxy, receive, notes).map(|http| Some(Kind::Http(http.into())))
            }
            ServiceName::Oracle => {
                let to = self.target(real, address, port, notes)?;
                Some(Some(Kind::Script(Box::new(self.oracle(real, to, notes)))))
            }
            ServiceName::Simpletcp => Some(Some(Kind::SimpleTcp(Box::new(SimpleTcp {
                to: self.target(real, address, port, notes)?,
                udp: self.at.protocol == Protocol::Udp,
                request: self.request(real).0.trim_start_matches('/').replace("\\n", "\n"),
                receive,
                timeout: self.negotiate_timeout,
            })))),
            ServiceName::None => Some(None),
            service => Some(Some(Kind::Dialogue(Box::new(Dialogue {
                service,
                to: self.target(real, address, port, notes)?,
                udp: self.at.protocol == Protocol::Udp,
                login: self.login(),
                password: self.password(),
                database: text(&self.at.section.database),
                secret: Secret::new(text(&self.at.section.secret)),
                request: self.request(real).0.trim_start_matches('/').to_owned(),
                receive,
                virtual_host: self.at.section.virtual_host.as_ref().map(|host| host.value.clone()),
                tls_verify: value(&self.at.section.tls_verify),
                check_timeout: self.check_timeout,
                timeout: self.negotiate_timeout,
            })))),
        }
    }

    /// Where the section names the service and no account, ldirectord used these.
    fn login(&self) -> String {
        let section = self.at.section;
        match (&section.login, value(&section.service)) {
            (Some(login), _) => login.value.clone(),
            (None, Some(ServiceName::Ftp)) => "anonymous".to_owned(),
            (None, Some(ServiceName::Sip)) => own_name(),
            (None, _) => String::new(),
        }
    }

    fn password(&self) -> Secret {
        let section = self.at.section;
        match (&section.password, value(&section.service)) {
            (Some(password), _) => Secret::new(password.value.as_str()),
            (None, Some(ServiceName::Ftp)) => Secret::new(own_name()),
            (None, _) => Secret::default(),
        }
    }

    /// The request with its leading `/`, and its place.
    fn request(&self, real: &RealText) -> (String, Span) {
        let section = self.at.section;
        let setting = real.dialogue.as_ref().map(|(request, _)| request).or(section.request.as_ref());
        let Some(setting) = setting else { return ("/".into(), section.span) };
        let slash = if setting.value.starts_with('/') { "" } else { "/" };
        (format!("{slash}{}", setting.value), setting.span)
    }

    /// ldirectord's key of a check, as it wrote it into monitor files: a blank for each run of colons, and no
    /// backslashes.
    pub(super) fn monitor_name(&self, real: &RealText, address: IpAddr, port: u16) -> String {
        let section = self.at.section;
        let command = section.check_command.as_ref().map_or("/bin/true", |command| command.value.as_str());
        let check = match self.kind {
            CheckType::On => "on".to_owned(),
            CheckType::Off => "off".to_owned(),
            CheckType::Ping => "ping".to_owned(),
            CheckType::Connect => "connect".to_owned(),
            CheckType::External => format!("external:{command}"),
            CheckType::ExternalPerl => format!("external-perl:{command}"),
            CheckType::Negotiate => format!("negotiate:{}", self.service.name()),
            CheckType::Combined(_) => format!("combined:{}", self.service.name()),
        };
        let protocol = match self.at.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Mark => "fwm",
        };
        let host = text(&section.virtual_host);
        let check_port = value(&section.check_port).map(|port| port.to_string()).unwrap_or_default();
        let method = match real.forwarding {
            Forwarding::Masquerade => "masq",
            Forwarding::Tunnel(_) => "ipip",
            _ => "gate",
        };
        let receive = real.dialogue.as_ref().map(|(_, receive)| receive).or(section.receive.as_ref());
        let receive = receive.map(|receive| receive.value.as_str()).unwrap_or_default();
        let key = format!(
            "{check}:{protocol}:{}:{port}:{host}:{check_port}:{}:{method}:{}:{receive}",
            bracketed(address),
            real.weight,
            self.request(real).0
        );
        let mut name = String::with_capacity(key.len());
        let mut after_colon = false;
        for c in key.chars().filter(|c| *c != '\\') {
            if c != ':' {
                name.push(c);
            } else if !after_colon {
                name.push(' ');
            }
            after_colon = c == ':';
        }
        name
    }

    /// `PROGRAM VIP VPORT RIP RPORT`, or `MARK 0 RIP RPORT`, as ldirectord calls it.
    fn external(&self, before: &[&str], address: IpAddr, port: u16) -> Kind {
        let program =
            self.at.section.check_command.as_ref().map_or("/bin/true", |command| command.value.as_str());
        let words: Vec<&str> =
            if Path::new(program).is_file() { vec![program] } else { program.split_whitespace().collect() };
        let service = match (self.at.mark, self.at.address) {
            (Some(mark), _) => mark.to_string(),
            (None, address) => address.map(bracketed).unwrap_or_default(),
        };
        let mut command: Vec<String> = before.iter().chain(&words).map(|word| (*word).to_owned()).collect();
        command.extend([service, self.at.port.to_string(), bracketed(address), port.to_string()]);
        Kind::External { command, timeout: self.check_timeout, weighs: self.weighs }
    }
}

fn text(setting: &Option<Setting<String>>) -> String {
    setting.as_ref().map(|setting| setting.value.clone()).unwrap_or_default()
}

/// `ldirectord@HOST`.
fn own_name() -> String {
    format!("ldirectord@{}", rustix::system::uname().nodename().to_string_lossy())
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn pattern(text: &Setting<String>, notes: &mut Notes) -> Option<Pattern> {
    match Pattern::new(&text.value) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            // Where tabs were replaced the offsets differ: then the whole text is underlined.
            let length = text.span.end - text.span.start;
            let span = if length == text.value.len() {
                Span::new(text.span.start + error.place.start, text.span.start + error.place.end)
            } else {
                text.span
            };
            let message = format!("\"{}\" is not a regular expression", text.value);
            super::resolve::note_once(notes, Diagnostic::error(span, message).label(error.reason).help(
                "a Perl regular expression; put \\ before a character that is meant literally, such as ( [ * + ? or .",
            ));
            None
        }
    }
}
