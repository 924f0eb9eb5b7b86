//! The resource layer of heartbeat 3.0.6: who holds what, by its messages alone.

use super::{Comm, Deed, LINGER, Old};
use heartbeatd::cluster::{Action, Job, JobId, JobKind, NodeState, Set};
use heartbeatd::wire::Message;
use std::time::Duration;

/// A starting node waits so long for one that is at rest.
const DEADLOCK: Duration = Duration::from_secs(10);
/// A stand-by is cancelled if it is not answered within this time...
const ASK_PATIENCE: Duration = Duration::from_secs(10);
/// ...and may then last so long.
const WORK_PATIENCE: Duration = Duration::from_secs(3600);
/// Fail-back is tried again.
const FAILBACK_INTERVAL: Duration = Duration::from_secs(1);
/// After a failed start `hb_standby foreign` is called.
const BOUNCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rsc {
    Init,
    /// Has said `starting`.
    Starting,
    /// A report was seen, its own or another's.
    Received {
        until: Duration,
    },
    Stable,
    Shutdown,
}

/// Sets are from this node's point of view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Standby {
    Not,
    /// Giver: has asked, or (`agreed`) releases or waits for the end.
    Me {
        set: Set,
        until: Duration,
        agreed: bool,
    },
    /// Taker.
    Other {
        set: Set,
        until: Duration,
        taking: bool,
    },
}

/// Why a child process works on groups.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Child {
    /// `req_our_resources`.
    Own,
    MachDown,
    Give(Set),
    Take(Set),
    Shutdown,
}

#[derive(Debug)]
pub(super) struct Resources {
    pub(super) rsc: Rsc,
    kept: bool,
    pub(super) held: Set,
    pub(super) other_holds: Set,
    other_stable: bool,
    pub(super) standby: Standby,
    failback_due: bool,
    failback_at: Option<Duration>,
    bounce_at: Option<Duration>,
}

impl Resources {
    pub(super) fn new(kept: Option<Set>) -> Resources {
        Resources {
            rsc: Rsc::Init,
            kept: kept.is_some(),
            held: kept.unwrap_or(Set::NONE),
            other_holds: Set::NONE,
            other_stable: false,
            standby: Standby::Not,
            failback_due: kept.is_none(),
            failback_at: None,
            bounce_at: None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        let rsc = match self.rsc {
            Rsc::Received { until } => Some(until),
            _ => None,
        };
        let standby = match self.standby {
            Standby::Me { until, .. } | Standby::Other { until, .. } => Some(until),
            Standby::Not => None,
        };
        [rsc, standby, self.failback_at, self.bounce_at].into_iter().flatten().min()
    }
}

impl Old {
    pub(super) fn expire_resources(&mut self) {
        let now = self.now.mono;
        if matches!(self.resources.rsc, Rsc::Received { until } if until <= now) {
            self.note("local resource transition completed after 10 s");
            self.settle_in();
        }
        match self.resources.standby {
            Standby::Me { until, .. } | Standby::Other { until, .. } if until <= now => {
                self.note("No reply to standby request. Standby request cancelled.");
                self.resources.standby = Standby::Not;
            }
            _ => {}
        }
        if self.resources.failback_at.is_some_and(|at| at <= now) {
            self.resources.failback_at = None;
            self.try_failback();
        }
        if self.resources.bounce_at.is_some_and(|at| at <= now) {
            self.resources.bounce_at = None;
            self.say("ask_resources", &[("rsc_hold", "foreign"), ("info", "me")]);
        }
        if self.stop_requested && self.at_rest() {
            self.stop_requested = false;
            self.begin_shutdown();
        }
    }

    fn begin_shutdown(&mut self) {
        self.resources.rsc = Rsc::Shutdown;
        self.resources.held = Set::NONE;
        self.report(Some("shutdown"));
        self.work(Set::ALL, JobKind::Give, Child::Shutdown); // whatever runs, held or not
    }

    fn report(&mut self, info: Option<&str>) {
        let stable = if self.resources.rsc == Rsc::Stable { "1" } else { "0" };
        self.report_as(stable, info);
    }

    fn report_as(&mut self, stable: &str, info: Option<&str>) {
        let held = self.resources.held.word();
        let mut fields = vec![("rsc_hold", held), ("rtype", "full"), ("isstable", stable)];
        fields.extend(info.map(|info| ("info", info)));
        self.say("resource", &fields);
    }

    /// Starts a child for each home node in the set.
    fn work(&mut self, set: Set, kind: JobKind, child: Child) {
        let homes = [(set.local, self.settings.me.clone()), (set.foreign, self.other.name.clone())];
        for (_, home) in homes.into_iter().filter(|(wanted, _)| *wanted) {
            let id = JobId(self.next_job);
            self.next_job += 1;
            self.jobs.insert(id, child);
            self.do_it(Action::Start(Job { id, kind, home, addresses_first: false }));
        }
    }

    pub(super) fn child_done(&mut self, id: JobId, failed: bool) {
        let Some(child) = self.jobs.remove(&id) else { return };
        let stops = matches!(child, Child::Give(_) | Child::Shutdown);
        if failed && stops {
            self.note("a resource does not stop: reboot");
            self.deeds.push_back(Deed::Reboot);
            return;
        }
        if failed {
            self.resources.bounce_at = Some(self.now.mono + BOUNCE);
        }
        if self.jobs.values().any(|other| *other == child) {
            return;
        }
        match child {
            Child::Own => {
                let me = self.settings.me.clone();
                self.say("ip-request-resp", &[("dest", &me), ("weown", "yes"), ("ok", "OK")]);
                self.report_as("1", Some("req_our_resources()"));
            }
            Child::MachDown => self.say("resource", &[("rsc_hold", "foreign"), ("info", "mach_down")]),
            Child::Give(set) => self.say("ask_resources", &[("rsc_hold", set.word()), ("info", "done")]),
            // in the giver's words
            Child::Take(set) => {
                self.say("ask_resources", &[("rsc_hold", set.flipped().word()), ("info", "done")])
            }
            Child::Shutdown => {
                self.say("shutdone", &[("st", "dead")]);
                self.comm = Comm::Leaving { until: self.now.mono + LINGER };
            }
        }
    }

    /// The other node is dead, or as good as that.
    pub(super) fn take_over_dead(&mut self) {
        let resources = &mut self.resources;
        if matches!(resources.rsc, Rsc::Init | Rsc::Shutdown) {
            return;
        }
        resources.standby = Standby::Not;
        (resources.other_holds, resources.other_stable) = (Set::NONE, true);
        resources.failback_due = true;
        let missing = Set::ALL.without(resources.held);
        let other = self.other.name.clone();
        let result = if missing.is_empty() { "unneeded" } else { "n_stnth" };
        self.say("stonith", &[("node", &other), ("result", result)]);
        if !missing.is_empty() {
            self.take_everything();
        }
    }

    fn take_everything(&mut self) {
        self.resources.held = Set::ALL;
        self.work(Set::LOCAL, JobKind::Take, Child::Own);
        self.work(Set::FOREIGN, JobKind::Take, Child::MachDown);
    }

    /// The loop-back of an own message.
    pub(super) fn hear_own(&mut self, message: &Message) {
        match message.kind() {
            "starting" if self.resources.rsc == Rsc::Init => {
                self.resources.rsc = if self.resources.kept { Rsc::Stable } else { Rsc::Starting };
            }
            "resource" => self.note_report(),
            "ask_resources" => self.ask(message, true),
            _ => {}
        }
    }

    pub(super) fn receive_numbered(&mut self, message: &Message) {
        match message.kind() {
            "reqnodes" => {
                let (other, me) = (self.other.name.clone(), self.settings.me.clone());
                let mut nodes = [other.clone(), me];
                nodes.sort_unstable();
                let list = format!("{} {} ", nodes[0], nodes[1]);
                self.say("repnodes", &[("dest", &other), ("nodelist", &list), ("delnodelist", " ")]);
            }
            "repnodes" if matches!(self.comm, Comm::Asking { .. }) => self.join(),
            "starting" if self.resources.rsc != Rsc::Init => {
                self.resources.other_stable = false;
                self.report(None);
            }
            "resource" => self.receive_report(message),
            "ask_resources" => self.ask(message, false),
            "hb_takeover" => {
                let set = set_of(message).flipped();
                self.say("ask_resources", &[("rsc_hold", set.word()), ("info", "me")]);
            }
            "shutdone" => self.receive_shutdone(),
            _ => {}
        }
    }

    fn note_report(&mut self) {
        if self.resources.rsc == Rsc::Starting {
            self.resources.rsc = Rsc::Received { until: self.now.mono + DEADLOCK };
        }
    }

    fn receive_report(&mut self, message: &Message) {
        let Some(held) = message.text("rsc_hold").and_then(Set::from_word) else { return };
        let held = held.flipped();
        let before = self.resources.other_holds;
        let full = message.text("rtype") == Some("full") || held.is_empty();
        self.resources.other_holds = if full { held } else { before.with(held) };
        let was_stable = self.resources.other_stable;
        match message.text("isstable") {
            Some("0") => self.resources.other_stable = false,
            Some("1") => self.resources.other_stable = true,
            _ => {}
        }
        if self.resources.rsc == Rsc::Init {
            return;
        }
        self.note_report();
        let became_stable = self.resources.other_stable && !was_stable;
        if became_stable {
            self.report(None);
        }
        if self.resources.other_stable && !matches!(self.resources.rsc, Rsc::Stable | Rsc::Shutdown) {
            self.settle_in();
        }
        if became_stable {
            self.try_failback();
        }
    }

    /// Takes its own groups unless one of the two holds them.
    fn settle_in(&mut self) {
        self.resources.rsc = Rsc::Stable;
        let free = !self.resources.held.local && !self.resources.other_holds.local;
        if free {
            self.resources.held.local = true;
            self.work(Set::LOCAL, JobKind::Take, Child::Own);
        }
        self.report(None);
        self.try_failback();
    }

    fn try_failback(&mut self) {
        let fails_back = self.fails_back();
        let resources = &mut self.resources;
        let alive = matches!(self.other.state, NodeState::Up | NodeState::Active);
        if !resources.failback_due || !resources.held.foreign || !alive || resources.rsc == Rsc::Shutdown {
            return;
        }
        if !fails_back {
            resources.failback_due = false;
            return;
        }
        let quiet = resources.rsc == Rsc::Stable && resources.other_stable;
        if quiet && resources.standby == Standby::Not {
            resources.failback_due = false;
            self.say("ask_resources", &[("rsc_hold", "foreign"), ("info", "me")]);
        } else {
            resources.failback_at = Some(self.now.mono + FAILBACK_INTERVAL);
        }
    }

    fn receive_shutdone(&mut self) {
        let resources = &mut self.resources;
        if matches!(resources.rsc, Rsc::Init | Rsc::Shutdown) {
            return; // "Resource takeover cancelled - shutdown in progress."
        }
        (resources.other_stable, resources.other_holds) = (true, Set::NONE);
        let missing = Set::ALL.without(resources.held);
        if !missing.is_empty() {
            let until = self.now.mono + WORK_PATIENCE;
            let set = missing;
            resources.standby = Standby::Other { set, until, taking: true };
            // this one end of a stand-by is told in its own words
            self.work(missing, JobKind::Take, Child::Take(set.flipped()));
        }
        self.take_everything();
    }

    fn ask(&mut self, message: &Message, mine: bool) {
        let (now, said) = (self.now.mono, set_of(message));
        let resources = &mut self.resources;
        match (message.text("info").unwrap_or_default(), mine, resources.standby) {
            ("me", ..) if resources.rsc != Rsc::Stable || !resources.other_stable => {
                self.note("standby message ignored. Other side is in flux.");
            }
            ("me", true, Standby::Not) => {
                resources.standby = Standby::Me { set: said, until: now + ASK_PATIENCE, agreed: false };
            }
            ("me", false, Standby::Not) => {
                let set = said.flipped();
                resources.standby = Standby::Other { set, until: now + ASK_PATIENCE, taking: false };
                self.say("ask_resources", &[("rsc_hold", said.word()), ("info", "other")]);
            }
            ("me", ..) => self.note("Standby in progress"),
            ("other", true, Standby::Other { set, taking, .. }) => {
                resources.other_stable = false;
                resources.standby = Standby::Other { set, until: now + WORK_PATIENCE, taking };
            }
            ("other", false, Standby::Me { set, agreed: false, .. }) => {
                resources.standby = Standby::Me { set, until: now + WORK_PATIENCE, agreed: true };
                resources.other_stable = false;
                resources.held = resources.held.without(set);
                self.report_as("0", Some("standby"));
                self.work(set, JobKind::Give, Child::Give(set));
            }
            ("done", false, Standby::Other { set, until, taking: false }) => {
                resources.standby = Standby::Other { set, until, taking: true };
                resources.held = resources.held.with(set);
                self.work(set, JobKind::Take, Child::Take(set));
            }
            ("done", true, Standby::Other { taking: true, .. })
            | ("done", false, Standby::Me { agreed: true, .. }) => {
                resources.standby = Standby::Not;
                self.report(None);
            }
            _ => {}
        }
    }
}

fn set_of(message: &Message) -> Set {
    message.text("rsc_hold").and_then(Set::from_word).unwrap_or(Set::ALL)
}
