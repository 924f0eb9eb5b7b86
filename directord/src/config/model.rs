//! The file as written: every directive's value, typed, with its place. Nothing is resolved or combined yet;
//! that is the work of [`super::build`].

use super::lexer::Word;
use super::mail::{Address, MailHost, Phases};
use super::time::Time;
use config::Span;
use ipvs::{Family, Forwarding, SchedulerFlags};
use serde::{Serialize, Serializer};

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<T> Setting<T> {
    /// A value written at `span`.
    pub fn new(value: T, span: Span) -> Setting<T> {
        Setting { value, span }
    }
}

impl From<Word<'_>> for Setting<String> {
    fn from(word: Word<'_>) -> Setting<String> {
        Setting::new(word.text.to_owned(), word.span)
    }
}

/// What may be written both globally and in a section.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// The limit of cheap checks.
    pub check_timeout: Option<Setting<Time>>,
    /// The limit of checks in a service's protocol.
    pub negotiate_timeout: Option<Setting<Time>>,
    /// From one check to the next.
    pub check_interval: Option<Setting<Time>>,
    /// The same while a failure or a success does not count yet.
    pub recheck_interval: Option<Setting<Time>>,
    /// Attempts of a ping check.
    pub check_count: Option<Setting<u32>>,
    /// Failures in a row until a server is down.
    pub failure_count: Option<Setting<u32>>,
    /// The IPv4 address that checks are sent from (in a section: of the section's family).
    pub source: Option<Setting<String>>,
    /// The IPv6 address that checks are sent from.
    pub source6: Option<Setting<String>>,
    /// How long the weight of a server grows after it was down.
    pub slow_start: Option<Setting<Time>>,
    /// The answer of an external check says the weight.
    pub weight_from_check: Option<Setting<bool>>,
    /// When all servers fail together the last verdicts stay.
    pub keep_last: Option<Setting<bool>>,
    /// Good checks in a row until a server that was down is up.
    pub rise: Option<Setting<u32>>,
    /// Weight 0 instead of removal.
    pub quiescent: Option<Setting<bool>>,
    /// Take the service out of the table at stop.
    pub clean_stop: Option<Setting<bool>>,
    /// IPv4 fallback server (in a section: of the section's family).
    pub fallback: Option<Setting<FallbackText>>,
    /// IPv6 fallback server.
    pub fallback6: Option<Setting<FallbackText>>,
    /// Shell command to run when the fallback comes and goes; empty = none.
    pub fallback_command: Option<Setting<String>>,
    /// Who is told by mail.
    pub alert_to: Option<Setting<Vec<Address>>>,
    /// Seconds between two mails about a server that stays down; 0 = one mail only.
    pub alert_every: Option<Setting<u32>>,
    /// In which phases mail is sent.
    pub alert_when: Option<Setting<Phases>>,
    /// The mail server.
    pub mail_host: Option<Setting<MailHost>>,
}

/// A whole file.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Defaults of the sections.
    pub shared: Shared,
    /// Reload when the file changes.
    pub auto_reload: Option<Setting<bool>>,
    /// Command to run after a change of the file.
    pub callback: Option<Setting<String>>,
    /// Path, or syslog facility.
    pub log_file: Option<Setting<String>>,
    /// Put a dead server that somebody removed back with weight 0.
    pub readd_quiescent: Option<Setting<bool>>,
    /// Stay in the foreground, log to stdout.
    pub supervised: Option<Setting<bool>>,
    /// In the old program one process per section; here it only makes a section's `checkinterval` count.
    pub fork: Option<Setting<bool>>,
    /// Configurations of other instances, which run with this one.
    pub execute: Vec<String>,
    /// Who mails come from.
    pub alert_from: Option<Setting<Address>>,
    /// Directory of files that name servers in maintenance.
    pub maintenance_dir: Option<Setting<String>>,
    /// The virtual services.
    pub sections: Vec<Section>,
}

/// One `virtual` section.
#[derive(Clone, Debug)]
pub struct Section {
    /// IPv6 for `virtual6`.
    pub family: Family,
    /// What stands behind `virtual=`; `None` if it was wrong (then an error was reported).
    pub address: Option<VirtualText>,
    /// Place of the value behind `virtual=`.
    pub span: Span,
    /// Values that override the global ones.
    pub shared: Shared,
    /// How to check.
    pub check_type: Option<Setting<CheckType>>,
    /// Which protocol a negotiate check speaks.
    pub service: Option<Setting<ServiceName>>,
    /// Program of external checks.
    pub check_command: Option<Setting<String>>,
    /// Port to check instead of the real server's.
    pub check_port: Option<Setting<u16>>,
    /// What a negotiate check asks for.
    pub request: Option<Setting<String>>,
    /// Regular expression that the answer must match.
    pub receive: Option<Setting<String>>,
    /// `HEAD` instead of `GET`.
    pub head: Option<Setting<bool>>,
    /// Account of a check.
    pub login: Option<Setting<String>>,
    /// Password of the account.
    pub password: Option<Setting<String>>,
    /// Database that a check asks.
    pub database: Option<Setting<String>>,
    /// What RADIUS client and server share.
    pub secret: Option<Setting<String>>,
    /// Host header of HTTP checks.
    pub virtual_host: Option<Setting<String>>,
    /// Verify certificates in TLS checks.
    pub tls_verify: Option<Setting<bool>>,
    /// Scheduler's name.
    pub scheduler: Option<Setting<String>>,
    /// Scheduler's flags.
    pub scheduler_flags: Option<Setting<SchedulerFlags>>,
    /// Seconds of persistence.
    pub persistent: Option<Setting<u32>>,
    /// Granularity of persistence.
    pub netmask: Option<Setting<ipvs::Netmask>>,
    /// Transport protocol.
    pub protocol: Option<Setting<Protocol>>,
    /// One-packet scheduling.
    pub one_packet: Option<Setting<bool>>,
    /// File to which the results of checks are written.
    pub monitor_file: Option<Setting<String>>,
    /// Free text, shown by status.
    pub service_name: Option<Setting<String>>,
    /// Free text, shown by status.
    pub comment: Option<Setting<String>>,
    /// The real servers.
    pub reals: Vec<RealText>,
}

impl Section {
    /// A section without directives.
    pub fn new(family: Family, address: Option<VirtualText>, span: Span) -> Section {
        Section {
            family,
            address,
            span,
            shared: Shared::default(),
            check_type: None,
            service: None,
            check_command: None,
            check_port: None,
            request: None,
            receive: None,
            head: None,
            login: None,
            password: None,
            database: None,
            secret: None,
            virtual_host: None,
            tls_verify: None,
            scheduler: None,
            scheduler_flags: None,
            persistent: None,
            netmask: None,
            protocol: None,
            one_packet: None,
            monitor_file: None,
            service_name: None,
            comment: None,
            reals: Vec::new(),
        }
    }
}

/// What stands behind `virtual=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VirtualText {
    /// `HOST:PORT`; names are not resolved.
    Address {
        /// Address or name, without brackets.
        host: Setting<String>,
        /// Number or name.
        port: Setting<String>,
    },
    /// A firewall mark.
    Mark(std::num::NonZeroU32),
}

/// What stands behind `real=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealText {
    /// Address or name, without brackets.
    pub host: Setting<String>,
    /// Last address of a range.
    pub last: Option<Setting<String>>,
    /// Number or name.
    pub port: Option<Setting<String>>,
    /// Forwarding method.
    pub forwarding: Forwarding,
    /// Weight, 1 if none was written.
    pub weight: u32,
    /// Its own request and receive texts.
    pub dialogue: Option<(Setting<String>, Setting<String>)>,
    /// Lower connection threshold, 0 = none.
    pub lower: u32,
    /// Upper connection threshold, 0 = none.
    pub upper: u32,
}

/// What stands behind `fallback=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallbackText {
    /// Address or name, without brackets.
    pub host: Setting<String>,
    /// Number or name.
    pub port: Option<Setting<String>>,
    /// Forwarding method.
    pub forwarding: Forwarding,
}

/// Behind `protocol=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// The service is a firewall mark.
    Mark,
}

/// Behind `checktype=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckType {
    /// A TCP connection (a ping for UDP services).
    Connect,
    /// A dialogue in the service's protocol.
    Negotiate,
    /// One negotiate check, then this many connects, and again.
    Combined(u32),
    /// ICMP echo.
    Ping,
    /// Never used.
    Off,
    /// Always used.
    On,
    /// A program.
    External,
    /// A Perl program.
    ExternalPerl,
}

macro_rules! services {
    ($($variant:ident $name:literal $port:literal,)*) => {
        /// Behind `service=`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum ServiceName { $($variant,)* }

        impl ServiceName {
            /// All names, for messages.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// The service of this name.
            pub fn from_name(name: &str) -> Option<ServiceName> {
                match name { $($name => Some(ServiceName::$variant),)* _ => None }
            }

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(ServiceName::$variant => $name,)* }
            }

            /// Its usual port; 0 if it has none.
            pub fn port(self) -> u16 {
                match self { $(ServiceName::$variant => $port,)* }
            }
        }
    };
}

services! {
    Dns "dns" 53, Ftp "ftp" 21, Http "http" 80, Https "https" 443, HttpProxy "http_proxy" 3128,
    Imap "imap" 143, Imaps "imaps" 993, Ldap "ldap" 389, Ldaps "ldaps" 636, Mysql "mysql" 3306,
    Nntp "nntp" 119, None "none" 0, Oracle "oracle" 1521, Pop "pop" 110, Pops "pops" 995,
    Radius "radius" 1812, Pgsql "pgsql" 5432, Simpletcp "simpletcp" 0, Sip "sip" 5060, Smtp "smtp" 25,
    Submission "submission" 587,
}

impl Serialize for ServiceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl ServiceName {
    /// The service that a port number stands for, as in ldirectord's table.
    pub fn of_port(port: u16) -> ServiceName {
        ServiceName::NAMES
            .iter()
            .filter_map(|name| ServiceName::from_name(name))
            .find(|service| port != 0 && service.port() == port)
            .unwrap_or(ServiceName::None)
    }
}
