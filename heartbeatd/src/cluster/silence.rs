//! Why the other node is not heard: what comes in on each link instead of its messages. Said when it falls silent,
//! and once a minute while it is dead.

use super::peer::{NodeState, Peer};
use super::{Cluster, Notice};
use crate::wire::Method;
use std::fmt;
use std::time::Duration;

/// While a node is dead, the reasons are said again after this time; what came in longer ago does not count.
const INTERVAL: Duration = Duration::from_secs(60);
/// So many characters of a stranger's name are kept.
const LONGEST_NAME: usize = 64;

/// Why the shell refused a packet before the core could see a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its digest does not fit the secret of this key.
    WrongKey {
        /// Number of the key.
        number: u8,
        /// Its method here; `None` where authkeys has no key of this number.
        method: Option<Method>,
    },
    /// It is not signed.
    Unsigned,
    /// Not a message of heartbeat, or a damaged one; the reason in a word or two.
    Garbage(&'static str),
}

/// What came in on a link in place of the other node's messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instead {
    /// Packets with a wrong or unknown key, and the last of those keys: number and method.
    wrong_key: Counted<(u8, Option<Method>)>,
    /// Packets without a signature.
    unsigned: u64,
    /// Messages of a node that is not in ha.cf, and the last one's name.
    stranger: Counted<String>,
    /// Messages of another node with this node's name.
    namesake: u64,
    /// Messages of an earlier life of the other node, or repeated ones.
    replayed: u64,
    /// Packets that are no messages, and the last one's reason.
    garbage: Counted<&'static str>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counted<T> {
    count: u64,
    last: Option<T>,
}

impl<T: PartialEq + Clone> Counted<T> {
    fn add(&mut self, last: T) {
        self.count = self.count.saturating_add(1);
        self.last = Some(last);
    }

    fn with(&self, later: &Self) -> Self {
        let last = later.last.as_ref().or(self.last.as_ref());
        Counted { count: self.count.saturating_add(later.count), last: last.cloned() }
    }
}

impl Instead {
    fn with(&self, later: &Instead) -> Instead {
        Instead {
            wrong_key: self.wrong_key.with(&later.wrong_key),
            unsigned: self.unsigned.saturating_add(later.unsigned),
            stranger: self.stranger.with(&later.stranger),
            namesake: self.namesake.saturating_add(later.namesake),
            replayed: self.replayed.saturating_add(later.replayed),
            garbage: self.garbage.with(&later.garbage),
        }
    }

    fn nothing(&self) -> bool {
        *self == Instead::default()
    }
}

/// The reasons, for an administrator.
impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packets = |count: u64| format!("{count} packet{}", if count == 1 { "" } else { "s" });
        let mut reasons = Vec::new();
        match self.wrong_key.last {
            Some((number, Some(method))) => reasons.push(format!(
                "{} with a wrong key: key {number} ({method}) differs between the authkeys of the nodes",
                packets(self.wrong_key.count)
            )),
            Some((number, None)) => reasons.push(format!(
                "{} with a wrong key: authkeys here has no key {number}",
                packets(self.wrong_key.count)
            )),
            None => {}
        }
        if self.unsigned > 0 {
            reasons.push(format!("{} without a valid signature", packets(self.unsigned)));
        }
        if let Some(name) = &self.stranger.last {
            reasons.push(format!(
                "{} of node [{name}], which is not in ha.cf (another cluster on this port?)",
                packets(self.stranger.count)
            ));
        }
        if self.namesake > 0 {
            reasons.push(format!(
                "{} of another node with this node's name (uname -n, nodeinfo)",
                packets(self.namesake)
            ));
        }
        if self.replayed > 0 {
            reasons.push(format!(
                "{} of its past (replayed, or its hb_generation was set back)",
                packets(self.replayed)
            ));
        }
        if let Some(reason) = self.garbage.last {
            reasons.push(format!("{} of garbage ({reason})", packets(self.garbage.count)));
        }
        match reasons.is_empty() {
            true => f.write_str(
                "nothing arrives (it does not run, or a cable, a firewall, another port or group is between)",
            ),
            false => f.write_str(&reasons.join("; ")),
        }
    }
}

/// What is remembered of each link.
#[derive(Clone, Debug, Default)]
pub(super) struct Silence {
    links: Vec<Window>,
    /// When the reasons are said again.
    again: Option<Duration>,
}

/// Since it was said last, and before that.
#[derive(Clone, Debug, Default)]
struct Window {
    now: Instead,
    before: Instead,
}

impl Silence {
    pub(super) fn new(links: usize) -> Silence {
        Silence { links: vec![Window::default(); links], again: None }
    }

    /// Other links: what is known of the old ones is forgotten, unless they are the same.
    pub(super) fn relink(&mut self, old: &[String], new: &[String]) {
        if old != new {
            self.links = vec![Window::default(); new.len()];
        }
    }

    fn on(&mut self, link: usize) -> Option<&mut Instead> {
        self.links.get_mut(link).map(|window| &mut window.now)
    }

    /// The other node is heard on a link.
    pub(super) fn heard(&mut self, link: usize) {
        if let Some(window) = self.links.get_mut(link) {
            if !window.now.nothing() || !window.before.nothing() {
                *window = Window::default();
            }
        }
    }

    pub(super) fn replayed(&mut self, link: usize) {
        if let Some(instead) = self.on(link) {
            instead.replayed = instead.replayed.saturating_add(1);
        }
    }

    pub(super) fn namesake(&mut self, link: usize) {
        if let Some(instead) = self.on(link) {
            instead.namesake = instead.namesake.saturating_add(1);
        }
    }

    pub(super) fn stranger(&mut self, link: usize, name: &str) {
        if let Some(instead) = self.on(link) {
            instead.stranger.add(name.chars().take(LONGEST_NAME).collect());
        }
    }

    /// What came in lately on a link.
    pub(super) fn lately(&self, link: usize) -> Instead {
        self.links.get(link).map(|window| window.before.with(&window.now)).unwrap_or_default()
    }
}

impl Cluster {
    /// Counts a packet that the shell refused on a link. No event: it changes nothing but what is said of the link.
    pub fn refused(&mut self, link: usize, refusal: Refusal) {
        let Some(instead) = self.silence.on(link) else { return };
        match refusal {
            Refusal::WrongKey { number, method } => instead.wrong_key.add((number, method)),
            Refusal::Unsigned => instead.unsigned = instead.unsigned.saturating_add(1),
            Refusal::Garbage(reason) => instead.garbage.add(reason),
        }
    }

    /// Says of every link why the other node is not heard on it, now and then once a minute while it is dead.
    pub(super) fn say_silence(&mut self) {
        self.silence.again = Some(self.now.mono + INTERVAL);
        (0..self.settings.links.len()).for_each(|link| self.say_silence_of(link, false));
    }

    /// Says it of one link.
    pub(super) fn say_silence_of(&mut self, link: usize, again: bool) {
        let (Some(peer), Some(name)) = (&self.peer, self.settings.links.get(link)) else { return };
        let Some(window) = self.silence.links.get_mut(link) else { return };
        window.before = std::mem::take(&mut window.now);
        let why = window.before.clone();
        if peer.leaving && why.nothing() {
            return; // it has said that it goes
        }
        let (node, link) = (peer.name.clone(), name.clone());
        self.notice(Notice::NotHeard { node, link, why, again });
    }

    /// Says it again when it is time.
    pub(super) fn repeat_silence(&mut self) {
        if !self.silent() {
            self.silence.again = None;
        } else if self.silence.again.is_some_and(|at| at <= self.now.mono) {
            self.silence.again = Some(self.now.mono + INTERVAL);
            (0..self.settings.links.len()).for_each(|link| self.say_silence_of(link, true));
        }
    }

    pub(super) fn silence_deadline(&self) -> Option<Duration> {
        self.silence.again.filter(|_| self.silent())
    }

    fn silent(&self) -> bool {
        self.peer.as_ref().map(|peer: &Peer| peer.state) == Some(NodeState::Dead)
    }
}
