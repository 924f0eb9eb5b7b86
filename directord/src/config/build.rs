//! [`Config`] → [`Plan`]: names are resolved, defaults and globals filled in, contradictions reported.

mod checks;
mod effect;
mod resolve;

use super::mail::{Alerts, Phases};
use super::model::{Config, FallbackText, Protocol, Section, Setting, Shared, VirtualText};
use super::names::Names;
use super::plan::{Plan, RealServer, Settings, VirtualService};
use super::time::Time;
use super::value::Notes;
use config::Diagnostic;
use ipvs::{Destination, DestinationKey, Family, Forwarding, Persistence, Service, ServiceKey};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where ldirectord logs when the file does not say.
pub const DEFAULT_LOG: &str = "/var/log/ldirectord.log";
/// How often servers are checked when the file does not say.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);

/// Builds the plan; what cannot be built is noted and left out.
pub(super) fn build(config: &Config, names: &dyn Names, notes: &mut Notes) -> Plan {
    let builder = Builder { config, names };
    let settings = builder.settings(notes);
    builder.unused_addresses(notes);
    if config.sections.is_empty() {
        notes.push(
            Diagnostic::warning(None, "there is no virtual service in this file, so nothing is balanced")
                .help("a service begins with virtual=ADDRESS:PORT at the left margin"),
        );
    }
    let mut services: Vec<VirtualService> = Vec::new();
    for section in &config.sections {
        let Some(service) = builder.service(section, notes) else { continue };
        if services.iter().any(|other| other.service.key == service.service.key) {
            notes.push(
                Diagnostic::error(section.span, format!("virtual service {} is written twice", service.id()))
                    .help("merge the two sections, or give them different ports or protocols"),
            );
            continue;
        }
        services.push(service);
    }
    Plan { settings, services }
}

struct Builder<'a> {
    config: &'a Config,
    names: &'a dyn Names,
}

/// The virtual address of a section.
#[derive(Clone, Copy, Debug)]
struct Virtual<'a> {
    section: &'a Section,
    protocol: Protocol,
    address: Option<IpAddr>,
    /// 0 for a mark.
    port: u16,
    mark: Option<std::num::NonZeroU32>,
}

impl Builder<'_> {
    fn settings(&self, notes: &mut Notes) -> Settings {
        let config = self.config;
        let path = |setting: &Option<Setting<String>>| setting.as_ref().map(|s| PathBuf::from(&s.value));
        if let Some(directory) = &config.maintenance_dir {
            if !Path::new(&directory.value).is_dir() {
                notes.push(Diagnostic::warning(directory.span, "maintenance directory does not exist"));
            }
        }
        if let Some(callback) = &config.callback {
            if !Path::new(&callback.value).is_file() {
                notes.push(
                    Diagnostic::warning(callback.span, format!("callback {} does not exist", callback.value))
                        .help("the path of a program, without arguments"),
                );
            }
        }
        let log = config.log_file.as_ref().map_or(DEFAULT_LOG, |log| log.value.as_str());
        if let Some(setting) = &config.log_file {
            log_target(setting, notes);
        }
        Settings {
            check_interval: duration(&config.shared.check_interval).unwrap_or(DEFAULT_INTERVAL),
            auto_reload: value(&config.auto_reload).unwrap_or(false),
            callback: path(&config.callback),
            log: log.to_owned(),
            readd_quiescent: value(&config.readd_quiescent).unwrap_or(false),
            supervised: value(&config.supervised).unwrap_or(false),
            maintenance_dir: path(&config.maintenance_dir),
            execute: config.execute.clone(),
            alert_from: config.alert_from.as_ref().map(|from| from.value.clone()),
        }
    }

    /// Global addresses are resolved even if no section uses them: ldirectord refuses wrong fallbacks at once.
    fn unused_addresses(&self, notes: &mut Notes) {
        let shared = &self.config.shared;
        for (fallback, family) in [(&shared.fallback, Family::V4), (&shared.fallback6, Family::V6)] {
            if let Some(fallback) = fallback {
                self.fallback(&fallback.value, family, Some("tcp"), 1, notes);
            }
        }
        for (source, family) in [(&shared.source, Family::V4), (&shared.source6, Family::V6)] {
            source.as_ref().map(|source| self.host(source, family, notes));
        }
    }

    /// Where the checks of a section are sent from, as it is written.
    fn source<'s>(&'s self, section: &'s Section) -> Option<&'s Setting<String>> {
        let global = &self.config.shared;
        match section.family {
            Family::V4 => section.shared.source.as_ref().or(global.source.as_ref()),
            // In a virtual6 section both names will do.
            Family::V6 => {
                let own = section.shared.source6.as_ref().or(section.shared.source.as_ref());
                own.or(global.source6.as_ref())
            }
        }
    }

    fn service(&self, section: &Section, notes: &mut Notes) -> Option<VirtualService> {
        let Some(at) = self.address(section, notes) else {
            self.names_of(section, notes);
            return None;
        };
        let shared = &section.shared;
        let global = &self.config.shared;
        let key = match (at.mark, at.address) {
            (Some(mark), _) => ServiceKey::Fwmark { mark, family: section.family },
            (None, Some(address)) => ServiceKey::new(kernel_protocol(at.protocol), address, at.port),
            (None, None) => return None,
        };
        let scheduler = section.scheduler.as_ref().map_or("wrr", |s| s.value.as_str());
        let mut service = Service::new(key, scheduler);
        service.scheduler_flags = section.scheduler_flags.as_ref().map(|s| s.value).unwrap_or_default();
        service.one_packet = self.one_packet(section, at.protocol, notes);
        service.persistence = self.persistence(section, notes);
        if at.port == 0 && at.mark.is_none() && service.persistence.is_none() {
            notes.push(
                Diagnostic::error(
                    section.span,
                    "port 0 means every port, which only a persistent service can have",
                )
                .help("write a port, or add persistent=SECONDS to the section"),
            );
        }
        self.interval_without_fork(section, notes);
        self.idle(section, notes);
        self.without_effect(section, notes);
        self.refused_by_kernel(section, notes);
        if let Some(file) = &section.monitor_file {
            file_to_write("monitor file", file, notes);
        }
        let failure_count = value(&shared.failure_count).or(value(&global.failure_count)).unwrap_or(1);
        let fallback_command =
            shared.fallback_command.as_ref().or(global.fallback_command.as_ref()).map(|s| s.value.clone());
        Some(VirtualService {
            name: section.service_name.as_ref().map(|s| s.value.clone()),
            comment: section.comment.as_ref().map(|s| s.value.clone()),
            reals: self.reals(&at, notes),
            fallback: self.fallback_of(&at, notes),
            fallback_command: fallback_command.filter(|command| !command.is_empty()),
            quiescent: value(&shared.quiescent).or(value(&global.quiescent)).unwrap_or(false),
            clean_stop: value(&shared.clean_stop).or(value(&global.clean_stop)).unwrap_or(true),
            failure_count,
            rise: value(&shared.rise).or(value(&global.rise)).unwrap_or(1),
            alerts: self.alerts(shared),
            monitor_file: section.monitor_file.as_ref().map(|file| PathBuf::from(&file.value)),
            slow_start: duration(&shared.slow_start).or(duration(&global.slow_start)).unwrap_or_default(),
            keep_last: value(&shared.keep_last).or(value(&global.keep_last)).unwrap_or(false),
            service,
        })
    }

    /// A section's values win over the global ones, each for itself.
    fn alerts(&self, own: &Shared) -> Option<Alerts> {
        let global = &self.config.shared;
        let to = own.alert_to.as_ref().or(global.alert_to.as_ref())?.value.clone();
        let via = own.mail_host.as_ref().or(global.mail_host.as_ref()).map(|host| host.value.clone());
        let every = value(&own.alert_every).or(value(&global.alert_every)).filter(|every| *every > 0);
        let when = value(&own.alert_when).or(value(&global.alert_when)).unwrap_or(Phases::ALL);
        (when != Phases::NONE).then_some(Alerts {
            to,
            via,
            every: every.map(|every| Duration::from_secs(every.into())),
            when,
        })
    }

    /// The mistakes in the names of a section that cannot be built: all of a file are told at once.
    fn names_of(&self, section: &Section, notes: &mut Notes) {
        for text in &section.reals {
            self.addresses(text, section.family, notes);
        }
    }

    fn address<'s>(&self, section: &'s Section, notes: &mut Notes) -> Option<Virtual<'s>> {
        let written = section.protocol.as_ref();
        let mut at = Virtual { section, protocol: Protocol::Tcp, address: None, port: 0, mark: None };
        match section.address.as_ref()? {
            VirtualText::Mark(mark) => {
                if let Some(wrong) = written.filter(|p| p.value != Protocol::Mark) {
                    notes.push(
                        Diagnostic::error(wrong.span, "a firewall mark holds packets of any protocol")
                            .help("write protocol=fwm, or leave the line out"),
                    );
                }
                at.protocol = Protocol::Mark;
                at.mark = Some(*mark);
            }
            VirtualText::Address { host, port } => {
                let domain = matches!(port.value.as_str(), "53" | "domain");
                let default = if domain { Protocol::Udp } else { Protocol::Tcp };
                at.protocol = written.map_or(default, |p| p.value);
                if let Some(wrong) = written.filter(|p| p.value == Protocol::Mark) {
                    notes.push(
                        Diagnostic::error(wrong.span, "protocol fwm is only for firewall marks")
                            .help("write protocol=tcp or protocol=udp, or virtual=MARK"),
                    );
                    return None;
                }
                let address = self.host(host, section.family, notes);
                let port = self.port(port, Some(protocol_name(at.protocol)), notes);
                at.address = Some(address?);
                at.port = port?;
            }
        }
        Some(at)
    }

    fn one_packet(&self, section: &Section, protocol: Protocol, notes: &mut Notes) -> bool {
        let Some(ops) = section.one_packet.as_ref().filter(|ops| ops.value) else { return false };
        if protocol != Protocol::Udp {
            notes.push(Diagnostic::warning(ops.span, "ops has no effect: one-packet scheduling is for UDP"));
        }
        protocol == Protocol::Udp
    }

    fn persistence(&self, section: &Section, notes: &mut Notes) -> Option<Persistence> {
        let Some(timeout) = value(&section.persistent) else {
            if let Some(mask) = &section.netmask {
                notes.push(Diagnostic::warning(mask.span, "netmask has no effect without persistent"));
            }
            return None;
        };
        let mut persistence = Persistence::new(timeout, section.family);
        if let Some(mask) = &section.netmask {
            persistence.netmask = mask.value;
        }
        Some(persistence)
    }

    /// A section's own interval. Without `fork=yes` ldirectord ignored it; one that ldirectord could not have
    /// been given, because it has a unit or a decimal point, counts all the same.
    fn own_interval(&self, section: &Section) -> Option<Duration> {
        let own = section.shared.check_interval.as_ref().map(|setting| setting.value);
        own.filter(|time| self.forks() || !time.plain).map(|time| time.duration)
    }

    fn interval_without_fork(&self, section: &Section, notes: &mut Notes) {
        let ignored = section.shared.check_interval.as_ref().filter(|_| self.own_interval(section).is_none());
        if let Some(interval) = ignored {
            notes.push(
                Diagnostic::warning(
                    interval.span,
                    "checkinterval in a virtual section is ignored when fork=no",
                )
                .help(format!(
                    "write checkinterval={}s, with a unit, or fork=yes at the left margin, to have it count",
                    interval.value.duration.as_secs()
                )),
            );
        }
    }

    fn forks(&self) -> bool {
        value(&self.config.fork).unwrap_or(false)
    }

    fn reals(&self, at: &Virtual<'_>, notes: &mut Notes) -> Vec<RealServer> {
        let mut reals: Vec<RealServer> = Vec::new();
        let Some(checks) = checks::Checks::new(self, at, notes) else { return reals };
        for text in &at.section.reals {
            for (address, name, port) in self.addresses(text, at.section.family, notes) {
                let kernel_port = kernel_port(at, port, text.forwarding);
                let mut destination =
                    Destination::new(DestinationKey::new(address, kernel_port), text.forwarding);
                destination.weight = text.weight;
                destination.lower_threshold = text.lower;
                destination.upper_threshold = text.upper;
                if text.forwarding == Forwarding::Masquerade && port == 0 && at.port != 0 {
                    notes.push(
                        Diagnostic::warning(
                            text.host.span,
                            "with masq and no port, connections go to port 0",
                        )
                        .help(format!("write {}:{}", text.host.value, at.port)),
                    );
                }
                let Some(check) = checks.of(text, address, port, notes) else { continue };
                let monitor_name = match at.section.monitor_file {
                    Some(_) => checks.monitor_name(text, address, port).into(),
                    None => Box::default(),
                };
                let name = name.map(String::into_boxed_str);
                let real = RealServer { address, port, name, destination, check, monitor_name };
                match reals.iter_mut().find(|other| other.destination.key == real.destination.key) {
                    Some(other) => {
                        notes.push(Diagnostic::warning(
                            text.host.span,
                            format!(
                                "real server {} is written twice; this line counts",
                                real.destination.key
                            ),
                        ));
                        *other = real;
                    }
                    None => reals.push(real),
                }
            }
        }
        reals.shrink_to_fit();
        reals
    }

    fn fallback_of(&self, at: &Virtual<'_>, notes: &mut Notes) -> Option<Destination> {
        let pick = |shared: &Shared| match at.section.family {
            Family::V4 => shared.fallback.clone(),
            Family::V6 => shared.fallback6.clone(),
        };
        let own = pick(&at.section.shared);
        let own = own.or_else(|| at.section.shared.fallback.clone()); // in a virtual6 section both names will do
        let fallback = own.or_else(|| pick(&self.config.shared))?;
        let protocol = if at.mark.is_some() { None } else { Some(protocol_name(at.protocol)) };
        let mut destination = self.fallback(&fallback.value, at.section.family, protocol, at.port, notes)?;
        destination.key.port = kernel_port(at, destination.key.port, destination.forwarding);
        Some(destination)
    }

    fn fallback(
        &self,
        text: &FallbackText,
        family: Family,
        protocol: Option<&str>,
        default_port: u16,
        notes: &mut Notes,
    ) -> Option<Destination> {
        let address = self.host(&text.host, family, notes);
        let port = text.port.as_ref().map_or(Some(default_port), |port| self.port(port, protocol, notes));
        Some(Destination::new(DestinationKey::new(address?, port?), text.forwarding))
    }
}

/// `ipvsadm` and the kernel know only masquerading to another port.
fn kernel_port(at: &Virtual<'_>, port: u16, forwarding: Forwarding) -> u16 {
    if at.mark.is_some() || forwarding == Forwarding::Masquerade { port } else { at.port }
}

fn kernel_protocol(protocol: Protocol) -> ipvs::Protocol {
    if protocol == Protocol::Udp { ipvs::Protocol::Udp } else { ipvs::Protocol::Tcp }
}

fn protocol_name(protocol: Protocol) -> &'static str {
    if protocol == Protocol::Udp { "udp" } else { "tcp" }
}

fn value<T: Copy>(setting: &Option<Setting<T>>) -> Option<T> {
    setting.as_ref().map(|setting| setting.value)
}

fn duration(setting: &Option<Setting<Time>>) -> Option<Duration> {
    value(setting).map(|time| time.duration)
}

/// A path, or a syslog facility.
fn log_target(setting: &Setting<String>, notes: &mut Notes) {
    if setting.value.starts_with('/') {
        file_to_write("log file", setting, notes);
    } else if setting.value.parse::<daemon::log::Facility>().is_err() {
        notes.push(
            Diagnostic::warning(
                setting.span,
                format!("\"{}\" is not a syslog facility; daemon is used", setting.value),
            )
            .help("an absolute path, or a facility like daemon, user or local0"),
        );
    }
}

/// Tells at load what would fail at the first line written.
fn file_to_write(what: &str, setting: &Setting<String>, notes: &mut Notes) {
    let path = Path::new(&setting.value);
    let directory = path.parent().unwrap_or(path);
    let problem = if path.is_dir() {
        format!("{} is a directory", path.display())
    } else if !directory.is_dir() {
        format!("there is no directory {}", directory.display())
    } else {
        return;
    };
    notes.push(
        Diagnostic::error(setting.span, format!("{what} {} cannot be opened", setting.value)).help(problem),
    );
}
