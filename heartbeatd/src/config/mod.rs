//! The three files of `/etc/ha.d` that the daemon reads, and what it keeps in `/var/lib/heartbeat`.
//!
//! [`read`] parses `ha.cf`, `authkeys` and `haresources` wholly, reports everything that is wrong with them in one
//! run, and gives a [`Plan`]: plain data that can be compared with the one in use.

mod authkeys;
mod defaults;
mod draft;
pub(crate) mod fingerprint;
mod hacf;
mod haresources;
mod line;
mod media;
mod plan;
mod respawn;
mod state;
mod stonith;
mod time;

pub use authkeys::{WrittenKey, written_keys};
pub use defaults::defaults;
pub use hacf::DIRECTIVES;
pub use haresources::Group;
pub(crate) use line::place;
pub use line::{Written, written};
pub use plan::{
    Failback, GenerationMethod, Log, Medium, MediumKind, PingNode, Plan, Respawn, StonithDevice,
    StonithParameters, Timing, UuidFrom,
};
pub use state::{
    Remembered, next_generation, node_name, peer_generation, save_generation, save_peer_generation,
    save_uuid, uuid,
};

use config::{Diagnostic, Level, Report, Source};
use draft::{Draft, Spanned};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What reading the configuration gave.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The configuration, unless something is wrong with it.
    pub plan: Option<Plan>,
    /// What is to be said about each file; warnings even when there is a plan.
    pub reports: Vec<Report>,
    /// A file could not be read for want of a permission.
    pub forbidden: bool,
}

impl Reading {
    /// The exit code of heartbeat 3.0.6 for a refused configuration: 6, or 4 if a permission is missing.
    pub fn exit_code(&self) -> u8 {
        if self.forbidden { 4 } else { 6 }
    }

    /// For a terminal: every diagnostic with its text, and for a refused configuration the closing lines that
    /// start-up scripts know.
    pub fn render(&self) -> String {
        let mut text: String = self.reports.iter().map(Report::render).collect();
        if self.plan.is_none() {
            text.push_str("Heartbeat not started: configuration error.\n");
            text.push_str("Configuration error, heartbeat not started.\n");
        }
        text
    }

    /// One line for each diagnostic, for a log.
    pub fn lines(&self) -> impl Iterator<Item = (Level, String)> {
        self.reports.iter().flat_map(|report| {
            report.diagnostics().iter().map(|diagnostic| diagnostic.level).zip(report.lines())
        })
    }
}

/// The three files as they were read; for one that cannot be read, the report that says so.
#[derive(Debug)]
pub struct Files {
    /// `ha.cf`
    pub ha_cf: Result<Source, Report>,
    /// Its permission bits.
    pub ha_cf_mode: u32,
    /// `authkeys`
    pub authkeys: Result<Source, Report>,
    /// Its permission bits.
    pub authkeys_mode: u32,
    /// `haresources`
    pub haresources: Result<Source, Report>,
    /// The text of services(5), for the port.
    pub services: String,
}

/// Reads the files of `directory` for the node `node` (lower case, [`node_name`]).
pub fn read(directory: &Path, node: &str) -> Reading {
    let mut forbidden = false;
    let mut open = |name: &str, failure: &str| {
        let path = directory.join(name);
        Source::read(&path).map_err(|error| {
            forbidden |= error.kind() == io::ErrorKind::PermissionDenied;
            let mut report = Report::new(Source::new(&path, ""));
            report.push(Diagnostic::error(None, format!("{failure} [{}]: {error}", path.display())));
            report
        })
    };
    let mode =
        |name: &str| std::fs::metadata(directory.join(name)).map_or(0, |meta| meta.permissions().mode());
    let files = Files {
        ha_cf: open("ha.cf", "Cannot open config file"),
        ha_cf_mode: mode("ha.cf"),
        authkeys: open("authkeys", "Cannot open keyfile"),
        authkeys_mode: mode("authkeys"),
        haresources: open("haresources", "Cannot open resource file"),
        services: std::fs::read_to_string("/etc/services").unwrap_or_default(),
    };
    Reading { forbidden, ..parse(files, node) }
}

/// What the texts mean for the node `node`. Pure.
pub fn parse(files: Files, node: &str) -> Reading {
    let mut reading = Reading { plan: None, reports: Vec::new(), forbidden: false };
    let draft = reading.take(files.ha_cf).map(|mut report| {
        let draft = hacf::parse(&mut report, service_port(&files.services));
        let plan = complete(&mut report, draft, node);
        stonith::check_mode(&mut report, &plan.stonith, files.ha_cf_mode);
        reading.reports.push(report);
        plan
    });
    let keys = reading.take(files.authkeys).and_then(|mut report| {
        let keys = authkeys::parse(&mut report, files.authkeys_mode);
        let fences = draft.as_ref().is_some_and(|completed| completed.draft.fence_stuck.is_some());
        if fences && keys.as_ref().is_some_and(|keys| !keys.authenticate()) {
            // whoever can forge a packet must not have a node cut off
            let message = "STOP_FAILURE=fence with crc among the keys: a failed stop only raises the alarm";
            report.push(Diagnostic::warning(None, message).help("use sha256 or sha1 on both nodes"));
        }
        reading.reports.push(report);
        keys
    });
    let mut group_keys = Vec::new();
    if let Some(mut report) = reading.take(files.haresources) {
        group_keys = haresources::keys(report.source(), node);
        if let Some(Completed { nodes, .. }) = &draft {
            haresources::check(&mut report, nodes);
        }
        reading.reports.push(report);
    }
    if let (Some(completed), Some(keys), false) =
        (draft, keys, reading.reports.iter().any(Report::has_errors))
    {
        reading.plan = Some(completed.plan(node, keys, group_keys));
    }
    reading
}

/// The groups of `haresources` in `directory`, as they are now.
///
/// # Errors
/// The file cannot be read.
pub fn groups(directory: &Path) -> io::Result<Vec<Group>> {
    Source::read(directory.join("haresources")).map(|source| haresources::groups(&source))
}

/// The groups that were started here and not yet stopped, as haresources had them then: what `ha-resources` notes of each
/// in its run directory. Notes that cannot be read are passed over.
pub fn taken(run_dir: &Path) -> Vec<Group> {
    let Ok(entries) = std::fs::read_dir(run_dir.join("groups")) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut notes: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "taken")).collect();
    notes.sort_unstable();
    let sources = notes.into_iter().filter_map(|path| Source::read(path).ok());
    sources.flat_map(|source| haresources::groups(&source)).collect()
}

impl Reading {
    /// An empty report on a file that could be read; the report on another one is kept.
    fn take(&mut self, file: Result<Source, Report>) -> Option<Report> {
        let mut report = file.map(Report::new).map_err(|report| self.reports.push(report)).ok()?;
        report.warn_of_mark();
        Some(report)
    }
}

/// A draft whose parts fit each other.
struct Completed {
    draft: Draft,
    timing: Timing,
    failback: Failback,
    nodes: Vec<String>,
    stonith: Vec<StonithDevice>,
}

/// Checks a draft as a whole; what is wrong goes into `report`, which decides whether the result may be used.
fn complete(report: &mut Report, draft: Draft, node: &str) -> Completed {
    let timing = draft.timing(report);
    let nodes = nodes(report, &draft.nodes, node);
    ping_nodes(report, &draft.pings, &nodes);
    if draft.media_lines == draft.other_media {
        let help = match draft.other_media {
            0 => "add a line \"bcast eth0\", \"ucast eth0 PEER\" or \"mcast eth0 239.0.0.1 694 1 0\"",
            _ => "ping nodes carry no heartbeats: add a bcast, ucast, mcast or serial line",
        };
        report.push(Diagnostic::error(None, "No heartbeat media defined").help(help));
    }
    let failback = draft.failback.as_ref();
    if failback.is_none_or(|failback| failback.value == Failback::Legacy) {
        let message = match failback {
            Some(_) => "auto_failback legacy is obsolete",
            None => "auto_failback is not set: the default is legacy, which is obsolete",
        };
        let help =
            "write \"auto_failback on\" (the same in effect) or \"auto_failback off\", on both nodes at once";
        report.push(Diagnostic::warning(failback.map(|failback| failback.span), message).help(help));
    }
    let failback = failback.map_or(Failback::Legacy, |failback| failback.value);
    let stonith = stonith::devices(report, &draft, node, &nodes);
    if let (Some(span), true) = (draft.fence_stuck, draft.stonith.is_empty()) {
        let message = "STOP_FAILURE=fence without a stonith device: a failed stop only raises the alarm";
        let help = "add stonith_host lines by which each node can reset the other";
        report.push(Diagnostic::warning(span, message).help(help));
    }
    Completed { draft, timing, failback, nodes, stonith }
}

fn nodes(report: &mut Report, words: &[Spanned<String>], me: &str) -> Vec<String> {
    let mut nodes: Vec<String> = Vec::new();
    for word in words {
        if nodes.contains(&word.value) {
            report.push(Diagnostic::warning(word.span, format!("node {} is listed twice", word.value)));
        } else {
            // 100 bytes with a NUL is what a peer's tables hold.
            if word.value.len() > 99 {
                let message = "the name of a node has at most 99 bytes";
                report.push(Diagnostic::error(word.span, message));
            }
            nodes.push(word.value.clone());
        }
    }
    if !nodes.iter().any(|node| node == me) {
        let near = config::nearest(me, nodes.iter().map(String::as_str));
        let help = match near {
            Some(near) => format!(
                "node \"{near}\" is there; write the name as \"uname -n\" prints it, or put it into nodeinfo"
            ),
            None => {
                format!("add \"node {me}\" (uname -n), or write this node's name into nodeinfo beside ha.cf")
            }
        };
        let message = format!("Current node [{me}] not in configuration!");
        report.push(Diagnostic::error(None, message).help(help));
    }
    match (nodes.len(), words.last()) {
        (1, Some(word)) => report.push(
            Diagnostic::warning(word.span, "this is the only node")
                .help("a pair has two: add the other's name"),
        ),
        (3.., Some(word)) => report.push(
            Diagnostic::error(word.span, format!("{} nodes: haresources is for pairs", nodes.len()))
                .help("two node names"),
        ),
        _ => {}
    }
    nodes
}

/// A name means one node: tools and the other node's ipfail know nodes by their names alone.
fn ping_nodes(report: &mut Report, pings: &[Spanned<PingNode>], nodes: &[String]) {
    for ping in pings {
        let name = &ping.value.name;
        // names of nodes are read in lower case
        if nodes.contains(&name.to_lowercase()) {
            let message = format!("ping node {name} has the name of a node of the cluster");
            let help = match ping.value.group {
                true => "give the group another name",
                false => "ping a router or a switch, by its address: what fails with a node proves nothing",
            };
            report.push(Diagnostic::error(ping.span, message).help(help));
        }
    }
}

impl Completed {
    fn plan(self, node: &str, keys: crate::wire::Keys, group_keys: Vec<String>) -> Plan {
        let Completed { draft, timing, failback, nodes, stonith } = self;
        let mut log = draft.log;
        if draft.use_logd || (log.file.is_none() && log.debug_file.is_none() && !draft.log_named) {
            // There is no ha_logd here; syslog under the facility that ha_logd has by default stands in for it.
            log.facility.get_or_insert_with(|| "daemon".to_owned());
        }
        let mut plan = Plan {
            node: node.to_owned(),
            nodes,
            timing,
            media: draft.media,
            pings: draft.pings.into_iter().map(|ping| ping.value).collect(),
            respawns: draft.respawns,
            ipfail: draft.ipfail,
            stonith,
            failback,
            group_keys,
            hop_fudge: draft.hop_fudge,
            generation: draft.generation,
            uuid_from: draft.uuid_from,
            inner_auth: draft.inner_auth,
            watchdog: draft.watchdog,
            realtime: draft.realtime.then_some(draft.priority),
            log,
            log_bad_packets: draft.log_bad_packets,
            debug: draft.debug,
            environment: draft.environment,
            fence_stuck: draft.fence_stuck.is_some() && keys.authenticate(),
            keys,
            parameters: draft.parameters,
        };
        defaults::complete(&mut plan, draft.port);
        plan
    }
}

/// The port of the service `ha-cluster`/udp in the text of services(5).
fn service_port(services: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let (name, port) = (words.next()?, words.next()?);
        let known = name == "ha-cluster" || words.any(|alias| alias == "ha-cluster");
        port.strip_suffix("/udp").filter(|_| known)?.parse().ok()
    })
}

#[cfg(test)]
mod tests;
