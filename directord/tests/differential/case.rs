//! A case: two versions of a file, and what its real servers do.

use crate::different;
use directord::config::{Names, Plan, Source, SystemNames, load_source};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What is compared, and on what stage.
#[derive(Debug)]
pub struct Case {
    /// Under this name it is reported and selected.
    pub name: String,
    /// The file at the start, and at the reload.
    pub files: [String; 2],
    /// Every real server's address: how it is at each moment.
    pub servers: BTreeMap<IpAddr, [State; MOMENTS]>,
    /// What speaks on which port of each of them, and whether by UDP.
    pub ports: BTreeMap<(u16, bool), Speaks>,
    /// Names for `/etc/hosts`.
    pub hosts: Vec<(IpAddr, String)>,
    /// What of it is not compared, and why.
    pub notes: Vec<String>,
    /// Services, as `ipvsadm -Sn` names them, whose servers are not compared.
    pub skipped: Vec<String>,
    /// Whether only the table after the start is compared.
    pub brief: bool,
}

/// At the start, after a change of the servers, and after another one, which follows the reload.
pub const MOMENTS: usize = 3;

/// How a real server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does what its checks ask for.
    Up,
    /// It accepts connections, and answers wrongly.
    Wrong,
    /// It accepts connections, and says nothing.
    Silent,
    /// It refuses connections.
    Refuses,
    /// Its address does not exist.
    Gone,
    /// It does what its checks ask for, and has a file in the directory of those in maintenance.
    Maintained,
}

impl State {
    /// Whether it answers as its checks want it.
    pub fn is_well(self) -> bool {
        matches!(self, State::Up | State::Maintained)
    }
}

/// What a port of the real servers speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP.
    Web(Site),
    /// SMTP.
    Smtp,
    /// NNTP.
    Nntp,
    /// POP3.
    Pop,
    /// IMAP.
    Imap,
    /// A line, and a line in answer.
    Simple,
    /// SIP.
    Sip,
    /// DNS.
    Dns,
    /// FTP, with this text in every file.
    Ftp(String),
    /// LDAP.
    Ldap,
    /// RADIUS, with this secret.
    Radius(String),
    /// MySQL.
    Mysql,
    /// PostgreSQL.
    Pgsql,
    /// The same in TLS.
    Tls(Box<Speaks>),
    /// Nothing: it accepts connections and hangs up.
    Nothing,
}

/// What a web server has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// Every page.
    pub page: String,
    /// Host and path of each of them; it has all that there are if there is none.
    pub known: Vec<(String, String)>,
}

impl Site {
    /// A site that has this page by every name.
    pub fn of(page: &str) -> Site {
        Site { page: page.to_owned(), known: Vec::new() }
    }

    /// Whether it has a page of this name.
    pub fn has(&self, host: &str, target: &str) -> bool {
        self.known.is_empty() || self.known.iter().any(|(name, path)| name == host && path == target)
    }
}

/// Where the last section's real server listens: the test sees by its visitors how far a round is.
pub const BEACON: &str = "198.51.100.251";
pub const BEACON_PORT: u16 = 8099;
/// Its virtual service.
const BEACON_SERVICE: &str = "198.51.100.250:8099";

impl Case {
    /// Completes what both versions of the file say: the last section and the settings that make it quick.
    pub fn new(name: &str, files: [String; 2]) -> Case {
        let finish = |text: String| {
            format!(
                "{text}\n\nvirtual={BEACON_SERVICE}\n\tchecktype=connect\n\treal={BEACON}:{BEACON_PORT} masq\n\n\
                 checkinterval=1\nautoreload=no\nsupervised=no\nlogfile=\"/var/log/differential.log\"\nemailalertstatus=none\n"
            )
        };
        Case {
            name: name.to_owned(),
            files: files.map(finish),
            servers: BTreeMap::new(),
            ports: BTreeMap::new(),
            hosts: Vec::new(),
            notes: Vec::new(),
            skipped: Vec::new(),
            brief: false,
        }
    }

    /// The plan of one version.
    pub fn plan(&self, version: usize) -> Result<Plan, String> {
        let names = Hosts { hosts: &self.hosts, system: SystemNames::load() };
        let source = Source::new("case.cf", self.files[version].clone());
        load_source(source, &names).map(|loaded| loaded.plan).map_err(|error| error.to_string())
    }

    /// How every server is at each moment.
    pub fn servers_in_words(&self) -> String {
        let line = |(server, states): (&IpAddr, &[State; MOMENTS])| format!("{server}: {states:?}\n");
        self.servers.iter().map(line).collect()
    }

    /// Notes what is not compared.
    pub fn judge(mut self) -> Case {
        let (mut notes, mut skipped) = (Vec::new(), Vec::new());
        for version in 0..2 {
            let Ok(plan) = self.plan(version) else { continue };
            for (service, reason) in different::in_plan(&plan, &self.files[version]) {
                if !skipped.contains(&service) {
                    notes.push(format!("servers of {service}: {reason}"));
                    skipped.push(service);
                }
            }
        }
        self.notes.append(&mut notes);
        self.skipped.append(&mut skipped);
        self
    }
}

/// Names of the case before those of the system.
struct Hosts<'a> {
    hosts: &'a [(IpAddr, String)],
    system: SystemNames,
}

impl Names for Hosts<'_> {
    fn host(&self, name: &str, family: ipvs::Family) -> Option<IpAddr> {
        let known =
            self.hosts.iter().find(|(address, known)| known == name && ipvs::Family::of(*address) == family);
        let literal = || name.parse().ok().filter(|address| ipvs::Family::of(*address) == family);
        known.map(|(address, _)| *address).or_else(literal)
    }
    fn port(&self, name: &str, protocol: Option<&str>) -> Option<u16> {
        self.system.port(name, protocol)
    }
}
