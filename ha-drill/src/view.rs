//! What a node says at one moment, and what a series of such answers tells. Pure.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use heartbeatd::control::{Event, GroupState, NodeKind, NodeStatus, Severity, Status};

use crate::moment::Moment;

/// One answer of a node.
#[derive(Clone, Debug)]
pub struct View {
    /// When it was asked.
    pub asked: Moment,
    /// When the answer was there; it was made between the two.
    pub answered: Moment,
    /// Its `uname -n`.
    pub name: String,
    /// Its wall clock minus the one here, in nanoseconds, give or take half of question to answer.
    pub offset: Option<i128>,
    /// What its daemon says.
    pub daemon: Daemon,
    /// Whether its kernel has the address on a network.
    pub holds: Option<bool>,
}

/// What a node's daemon says.
#[derive(Clone, Debug)]
pub enum Daemon {
    /// Everything it knows.
    Running(Box<Status>),
    /// None runs.
    Stopped,
    /// It cannot be known; why.
    Unknown(String),
}

impl View {
    /// Reads the answer to one question.
    pub fn parse(text: &str, vip: IpAddr, asked: Moment, answered: Moment) -> View {
        let word = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let part = |from: &str, to: &str| {
            let begin = text.find(from).map(|at| at + from.len())?;
            let end = text.find(to)?;
            text.get(begin..end)?.split_once('\n').map(|(_, body)| body.trim())
        };
        let here = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let middle = here.as_nanos() as i128 - (answered.since(asked).as_nanos() / 2) as i128;
        let there = word("@clock").and_then(|word| word.parse::<i128>().ok());
        let kernel = part("@daemon", "@kernel").filter(|_| word("@kernel") == Some("0"));
        View {
            asked,
            answered,
            name: daemon::screen::clean(word("@name").unwrap_or_default()),
            offset: there.map(|there| there - middle),
            daemon: read_daemon(part("@clock", "@daemon").unwrap_or_default()),
            holds: kernel.map(|text| text.lines().any(|line| has(line, vip))),
        }
    }

    /// What its daemon knows, if it runs.
    pub fn status(&self) -> Option<&Status> {
        match &self.daemon {
            Daemon::Running(status) => Some(status),
            Daemon::Stopped | Daemon::Unknown(_) => None,
        }
    }
}

fn read_daemon(text: &str) -> Daemon {
    let value: serde_json::Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(_) if text.contains("not found") => return Daemon::no("cl_status is not installed there"),
        Err(_) => return Daemon::no("its cl_status does not know --json (heartbeat 3.0.6?)"),
    };
    if value.get("running") == Some(&serde_json::Value::Bool(false)) {
        return Daemon::Stopped;
    }
    if let Some(error) = value.get("error") {
        return Daemon::no(error.as_str().unwrap_or("it cannot be asked"));
    }
    match serde_json::from_value::<Status>(value) {
        Ok(status) if !status.node.is_empty() => Daemon::Running(Box::new(status)),
        _ => Daemon::no("its cl_status says something else"),
    }
}

impl Daemon {
    fn no(why: &str) -> Daemon {
        Daemon::Unknown(daemon::screen::clean(why))
    }
}

/// Whether a line of `ip -o address` has the address on something else than `lo`, where real servers have it.
fn has(line: &str, vip: IpAddr) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let address = words.get(3).and_then(|word| word.split('/').next()).and_then(|word| word.parse().ok());
    words.get(1) != Some(&"lo") && address == Some(vip)
}

/// Where the group of an address is, as a node knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The group's key.
    pub group: String,
    /// Its home.
    pub home: String,
    /// What it is.
    pub state: GroupState,
    /// Who has it.
    pub holder: Option<String>,
}

/// The group that has an address among its resources.
pub fn place(status: &Status, vip: IpAddr) -> Option<Place> {
    let is = |resource: &String| {
        let resource = ha_resources::haresources::Resource::parse(resource).ok();
        resource.and_then(|resource| resource.address().map(|address| address.ip)) == Some(vip)
    };
    let group = status.groups.iter().find(|group| group.resources.iter().any(is))?;
    Some(Place {
        group: group.key.clone(),
        home: group.home.clone(),
        state: group.state,
        holder: group.holder.clone(),
    })
}

/// The names of the members of the pair, and how they are.
pub fn members(status: &Status) -> Vec<(&str, NodeStatus)> {
    let members = status.nodes.iter().filter(|node| node.kind == NodeKind::Normal);
    members.map(|node| (node.name.as_str(), node.status)).collect()
}

/// Something that happened on a node, on the clock here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Not before.
    pub earliest: Moment,
    /// Not after.
    pub latest: Moment,
    /// How much it matters.
    pub severity: Severity,
    /// What.
    pub text: String,
}

/// What a series of answers of one node tells, in its order.
pub fn history(views: &[View]) -> Vec<Happened> {
    let mut all = Vec::new();
    let mut known: Vec<Event> = Vec::new();
    let mut life = None;
    let mut certain: Option<&View> = None;
    for (place, view) in views.iter().enumerate() {
        if let Some(status) = view.status() {
            if life != Some(status.pid) {
                known.clear();
            }
            let first = life.replace(status.pid).is_none();
            for event in fresh(&known, &status.events) {
                // before the drill: already history
                if !first {
                    let ago = Duration::from_millis(event.ago_ms);
                    all.push(Happened {
                        earliest: view.asked.minus(ago + Duration::from_millis(1)),
                        latest: view.answered.minus(ago),
                        severity: event.severity,
                        text: daemon::screen::clean(&event.text),
                    });
                }
            }
            known.clone_from(&status.events);
        }
        if let Some(before) = place.checked_sub(1).and_then(|before| views.get(before)) {
            moved(before, view, &mut all);
        }
        // what could not be asked in between changes nothing
        match &view.daemon {
            Daemon::Unknown(_) => {}
            _ => {
                daemons(certain.replace(view), view, &mut all);
            }
        }
    }
    all.sort_by_key(|happened| happened.latest);
    all
}

/// The events that are not in the older list: it grows at its end, and loses its oldest.
fn fresh<'a>(known: &[Event], events: &'a [Event]) -> &'a [Event] {
    let same = |(old, new): (&Event, &Event)| old.text == new.text && old.severity == new.severity;
    let begins = |count: usize| {
        let (Some(old), Some(new)) = (known.get(known.len().wrapping_sub(count)..), events.get(..count))
        else {
            return false;
        };
        old.iter().zip(new).all(same)
    };
    let shared = (0..=events.len().min(known.len())).rev().find(|count| begins(*count)).unwrap_or(0);
    events.get(shared..).unwrap_or_default()
}

/// Whether its kernel has or has lost the address from one answer to the next.
fn moved(before: &View, view: &View, all: &mut Vec<Happened>) {
    match (before.holds, view.holds) {
        (Some(false), Some(true)) => {
            all.push(between(before, view, Severity::Info, "its kernel has the address"))
        }
        (Some(true), Some(false)) => {
            all.push(between(before, view, Severity::Info, "its kernel no longer has the address"));
        }
        _ => {}
    }
}

/// Whether its daemon has ended or begun since it was known last.
fn daemons(before: Option<&View>, view: &View, all: &mut Vec<Happened>) {
    let Some(before) = before else { return };
    let (severity, text) = match (&before.daemon, &view.daemon) {
        (Daemon::Running(old), Daemon::Running(new)) if old.pid != new.pid => {
            (Severity::Warning, "the daemon runs again, as another process")
        }
        (Daemon::Running(_), Daemon::Stopped) => (Severity::Warning, "the daemon does not run any more"),
        (Daemon::Stopped, Daemon::Running(_)) => (Severity::Info, "the daemon runs"),
        _ => return,
    };
    all.push(between(before, view, severity, text));
}

fn between(before: &View, view: &View, severity: Severity, text: &str) -> Happened {
    Happened { earliest: before.asked, latest: view.answered, severity, text: text.to_owned() }
}

#[cfg(test)]
mod tests;
