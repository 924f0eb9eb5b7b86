//! Membership and ownership of a two-node cluster: a pure state machine.
//!
//! The shell gives it events with the time ([`Cluster::handle`]), takes what is to be done
//! ([`Cluster::poll_action`] until it is `None`), and calls again when [`Cluster::next_deadline`] is reached. No
//! clock, no socket, no log, no randomness but a seed: two of these on a virtual network are the simulator.
//!
//! ```text
//!              other node heard            repnodes              report of the other node
//!  Listening ──────────────────► Asking ─────────────► Starting ─────────────────────────► Stable
//!      │  nothing within initdead   │ it died             │ it died                         │ stop
//!      └────────────────────────────┴─────────────────────┴──► Stable, alone                ▼
//!      ▲                                                                        Stopping ─► Lingering ─► exit
//!      └── any phase: this node did not run for its deadtime (release first, then ask)
//! ```
//!
//! What runs where is decided in two steps. The rules (`rules.rs`, `standby.rs`) say for each [`share::Share`] whether this
//! node *wants* it; jobs bring what *runs* to that. Messages of heartbeat 3.0.6 carry the events; between two of
//! our nodes every beat repeats the whole state (`peer::Extra`), so that nothing rests on one message.

mod agreement;
mod event;
mod fencing;
mod insist;
mod ipfail;
mod join;
mod legacy;
mod notice;
mod peer;
mod random;
mod receive;
mod rules;
mod script;
mod send;
mod sequence;
mod set;
mod share;
mod silence;
mod snapshot;
mod standby;
mod stuck;
#[cfg(test)]
mod tests;

pub use agreement::ConfigHash;
pub use event::{Action, Event, Failback, Job, JobId, JobKind, JobOutcome, Settings, Time};
pub use ipfail::NAME as IPFAIL;
pub use notice::{Notice, Severity};
pub use peer::NodeState;
pub use script::is_native;
pub use set::Set;
pub use silence::{Instead, Refusal};
pub use snapshot::{LinkView, NodeView, ShareView, Snapshot};

use crate::wire::Message;
use ipfail::Ipfail;
use join::Phase;
use peer::Peer;
use random::Random;
use sequence::History;
use share::{Actual, Share};
use silence::Silence;
use standby::Standby;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Index of the groups homed here.
const LOCAL: usize = 0;
/// Index of the groups homed on the other node.
const FOREIGN: usize = 1;

/// The machine. See the module's documentation.
#[derive(Clone, Debug)]
pub struct Cluster {
    settings: Settings,
    now: Time,
    generation: u64,
    random: Random,
    history: History,
    actions: VecDeque<Action>,
    phase: Phase,
    peer: Option<Peer>,
    /// Groups homed here, groups homed on the other node.
    shares: [Share; 2],
    standby: Option<Standby>,
    insist: insist::Insist,
    /// Requests of `auto_failback legacy`.
    requests: legacy::Requests,
    /// The other node is dead, and nothing of it is taken before a device has cut it off.
    fencing: Option<fencing::Fencing>,
    /// How often a starting node has asked without an answer.
    unanswered: u32,
    ipfail: Ipfail,
    stop_requested: bool,
    /// The other node came (back): its groups are given to it when both are ready (`auto_failback on`).
    failback_due: bool,
    /// Since when nobody claims the groups of each share.
    orphan_since: [Option<Duration>; 2],
    /// Since when an old heartbeat holds what this node holds, or has not said what it holds; and when it was last asked.
    old_strange: Option<(Duration, Duration)>,
    /// What an old heartbeat was asked to take and has not answered: it may have agreed, and waits for an hour.
    asked_old: Option<Set>,
    /// When the other node was last cut off because it asked for that...
    reset_at: Option<Duration>,
    /// ...and its groups do not return to it before somebody moves groups by hand.
    stays_away: bool,
    beat_at: Duration,
    last_beat: Duration,
    /// When this node last let go of everything because it had not run.
    woken: Duration,
    /// `seq % 10` of the messages to acknowledge.
    ack_trigger: u64,
    jobs: BTreeMap<JobId, (usize, JobKind)>,
    next_job: u64,
    /// What the last `resource` report said.
    reported: Option<(Set, bool)>,
    load: String,
    stranger_said: Option<Duration>,
    silence: Silence,
    /// After a reload that made the beats slower: the old interval, and until when it is kept.
    hurry: Option<(Duration, Duration)>,
    /// What scripts are to be run for at the end of this event.
    scripts: Vec<Message>,
    /// The status of the other node that scripts were last told.
    scripted: String,
}

impl Cluster {
    /// A node that starts now: it begins to listen and sends its first beats. `settings.nodes` must hold
    /// `settings.me` and at most one other name; further names are ignored.
    pub fn new(settings: Settings, now: Time) -> Cluster {
        let mut random = Random::new(settings.seed);
        let peer = settings.nodes.iter().find(|name| **name != settings.me);
        let peer = peer
            .map(|name| Peer::new(name, settings.links.len(), settings.deadtime, settings.peer_generation));
        let mut cluster = Cluster {
            now,
            generation: settings.generation,
            history: History::default(),
            actions: VecDeque::new(),
            phase: Phase::Listening { until: now.mono + settings.initdead },
            peer,
            shares: [Share::new(), Share::new()],
            standby: None,
            insist: insist::Insist::default(),
            requests: legacy::Requests::default(),
            fencing: None,
            unanswered: 0,
            ipfail: Ipfail::default(),
            stop_requested: false,
            failback_due: false,
            orphan_since: [None; 2],
            old_strange: None,
            asked_old: None,
            reset_at: None,
            stays_away: false,
            beat_at: now.mono + settings.keepalive,
            last_beat: now.mono,
            woken: now.mono,
            ack_trigger: random.below(10),
            random,
            jobs: BTreeMap::new(),
            next_job: 1,
            reported: None,
            load: "n/a".to_owned(),
            stranger_said: None,
            silence: Silence::new(settings.links.len()),
            hurry: None,
            scripts: Vec::new(),
            scripted: NodeState::Init.word().to_owned(),
            settings,
        };
        cluster.send_status(NodeState::Init);
        cluster.send_status(NodeState::Up);
        cluster.settle();
        cluster
    }

    /// Takes in one event at `now`, which must not be before the `now` of an earlier call.
    pub fn handle(&mut self, event: Event, now: Time) {
        self.now = now;
        if self.slept() {
            let time = now.mono.saturating_sub(self.last_beat);
            self.wake(Notice::Slept { time });
        }
        match event {
            Event::Received { link, message } => self.receive(link, message),
            Event::Timer => {}
            Event::JobDone { id, outcome } => self.job_done(id, outcome),
            Event::Standby(set) => {
                self.stays_away = false;
                self.ask_standby(set);
            }
            Event::Takeover(set) => {
                self.stays_away = false;
                self.ask_takeover(set);
            }
            // One that began before this node let go of everything by itself is settled by that.
            Event::Abandoned { at } if at > self.woken => self.wake(Notice::Abandoned),
            Event::Abandoned { .. } => {}
            Event::Fenced { node, done } => self.fenced(&node, done),
            Event::Stop => self.request_stop(),
            Event::LoadAverage(load) => self.load = load,
            Event::Broadcast(message) => self.broadcast(message),
            Event::Reload(settings) => self.reload(*settings),
            Event::Pings(count) => self.count_pings(count),
        }
        self.expire();
        self.settle();
        self.run_scripts();
    }

    /// The next thing to do, in order; `None` when all is done.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Event::Timer`] is due at the latest, on the clock of [`Time::mono`].
    pub fn next_deadline(&self) -> Duration {
        let peer = self.peer.as_ref();
        // a starting node that waits for a device is waked by its answer
        let waits = self.fencing.is_some() && matches!(self.phase, Phase::Starting { .. });
        let mut times = vec![Some(self.beat_at), self.phase.deadline().filter(|_| !waits)];
        times.push(peer.and_then(Peer::dead_at));
        times.push(self.link_deadline());
        times.push(peer.filter(|peer| peer.alive()).and_then(|peer| peer.inbound.deadline()));
        times.push(self.ipfail_deadline());
        times.push(self.standby_deadline());
        times.push(self.insist_deadline());
        times.push(self.fencing.as_ref().and_then(fencing::Fencing::deadline));
        times.push(self.unheard_deadline());
        times.push(self.orphan_deadline());
        times.push(self.alone_deadline());
        times.push(self.silence_deadline());
        times.push(self.old_deadline());
        times.push(self.take_back_deadline());
        times.push(self.incomplete_deadline());
        times.extend(self.shares.iter().map(Share::deadline));
        times.into_iter().flatten().min().unwrap_or(self.beat_at)
    }

    /// The groups this node holds or is taking.
    pub fn wants(&self) -> Set {
        Set { local: self.shares[LOCAL].want, foreign: self.shares[FOREIGN].want }
    }

    /// The groups that may run here.
    pub fn may_run(&self) -> Set {
        Set { local: self.shares[LOCAL].may_run(), foreign: self.shares[FOREIGN].may_run() }
    }

    /// The generation in use: that of the settings, plus one for each time the node overslept its deadtime.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    fn notice(&mut self, notice: Notice) {
        self.actions.push_back(Action::Notice(notice));
    }

    /// Everything runs as it is wanted.
    fn settled(&self) -> bool {
        self.shares.iter().all(Share::settled)
    }

    /// No job is under way or due soon.
    fn at_rest(&self) -> bool {
        self.shares.iter().all(Share::at_rest)
    }

    /// `isstable` of the wire: joined, settled, and neither fencing nor a stand-by under way that both know of.
    fn is_stable(&self) -> bool {
        let resting = match self.standby {
            None | Some(Standby::Asked { .. }) => true,
            // an old node that ignored its own request would be told that we are in transition, and ignore the next one
            Some(Standby::Agreed { .. }) => self.beside_old(),
            _ => false,
        };
        self.phase == Phase::Stable && self.settled() && resting && self.fencing.is_none()
    }

    /// What the other node is known to hold, and whether it is at rest; `None` until it has said so.
    fn peer_report(&self) -> Option<(Set, bool)> {
        let peer = self.peer.as_ref().filter(|peer| peer.alive())?;
        match (&peer.extra, peer.holds) {
            (Some(extra), _) => Some((peer.claims(), extra.stable)),
            (None, Some(_)) => Some((peer.claims(), peer.stable)),
            (None, None) => None,
        }
    }

    /// Wants a set from now on. A new owner's term is one above all that were seen.
    fn claim(&mut self, set: Set, why: &'static str) {
        let theirs = self.peer.as_ref().and_then(|peer| peer.extra).map_or([0; 2], |extra| extra.terms);
        let mut news = Set::NONE;
        for (index, wanted) in [(LOCAL, set.local), (FOREIGN, set.foreign && self.peer.is_some())] {
            let share = &mut self.shares[index];
            if wanted && !share.want {
                (share.want, share.failed, share.hand_over) = (true, false, false);
                (share.partly, share.again) = (false, false);
                share.yields = false;
                share.term = share.term.max(theirs[index]).saturating_add(1);
                share.since = self.now.mono;
                news = news.with(if index == LOCAL { Set::LOCAL } else { Set::FOREIGN });
            }
        }
        if !news.is_empty() {
            self.notice(Notice::Taking { set: news, why });
        }
    }

    /// No longer wants a set.
    fn release(&mut self, set: Set, why: &'static str) {
        let gone = self.wants().both(set);
        for (index, wanted) in [(LOCAL, gone.local), (FOREIGN, gone.foreign)] {
            if wanted {
                self.shares[index].want = false;
                self.shares[index].contested = false;
            }
        }
        if !gone.is_empty() {
            self.notice(Notice::Giving { set: gone, why });
        }
    }

    /// No longer wants a set that the other node holds, too, or may hold before it is stopped here: clients must not find
    /// two holders of an address for as long as the slowest script takes to stop.
    fn yield_set(&mut self, set: Set, why: &'static str) {
        // also what is being released already, in the usual order
        for (share, meant) in self.shares.iter_mut().zip([set.local, set.foreign]) {
            share.yields |= meant;
            if let (true, true, Actual::Busy(id, JobKind::Take)) = (meant, share.want, share.actual) {
                self.actions.push_back(Action::Cancel(id));
            }
        }
        self.release(set, why);
    }

    /// Starts the jobs that bring what runs to what is wanted.
    fn start_jobs(&mut self) {
        for index in [LOCAL, FOREIGN] {
            if let Some(kind) = self.shares[index].next_job(self.may_clear(index), self.now.mono) {
                if let Some(id) = self.start(index, kind) {
                    self.shares[index].actual = Actual::Busy(id, kind);
                } else {
                    self.shares[index].actual =
                        if self.shares[index].want { Actual::Held } else { Actual::Released };
                }
            }
        }
    }

    /// Whether what an earlier life may have left running is to be stopped now: as soon as the other node is
    /// known to hold it; what is homed here only when this node does not want it in the end, for a daemon that
    /// was restarted finds its resources running and keeps them.
    fn may_clear(&self, index: usize) -> bool {
        let peer = self.peer.as_ref().filter(|peer| peer.alive());
        let theirs =
            peer.and_then(|peer| peer.extra.map(|extra| extra.want).or(peer.holds)).unwrap_or(Set::NONE);
        let asked = index == FOREIGN && self.requests.is_asked();
        let held_there = [theirs.local, theirs.foreign][index] || asked;
        match self.phase {
            Phase::Listening { .. } | Phase::Asking { .. } => held_there,
            Phase::Starting { .. } => held_there || index == FOREIGN,
            _ => true,
        }
    }

    /// The node on which the groups of a share are homed; `None` when there is no other node.
    fn home(&self, index: usize) -> Option<&str> {
        if index == LOCAL {
            Some(&self.settings.me)
        } else {
            self.peer.as_ref().map(|peer| peer.name.as_str())
        }
    }

    /// Starts a job; `None` when there is no node whose groups these would be.
    fn start(&mut self, index: usize, kind: JobKind) -> Option<JobId> {
        let home = self.home(index)?.to_owned();
        let id = JobId(self.next_job);
        self.next_job += 1;
        self.jobs.insert(id, (index, kind));
        let addresses_first = kind == JobKind::Give && self.shares[index].yields;
        self.actions.push_back(Action::Start(Job { id, kind, home, addresses_first }));
        Some(id)
    }

    fn job_done(&mut self, id: JobId, outcome: JobOutcome) {
        let Some((index, kind)) = self.jobs.remove(&id) else { return };
        let home = self.home(index).unwrap_or_default().to_owned();
        if outcome.failed > 0 {
            let (failed, held) = (outcome.failed, outcome.done);
            self.notice(Notice::JobFailed { kind, home: home.clone(), failed, held });
        }
        if self.shares[index].job_done(kind, outcome, self.now.mono) {
            self.notice(Notice::GaveUpStopping { home });
            self.say_who_fences();
        }
        if !self.shares[index].may_run() {
            self.beat_at = self.now.mono; // the other node may wait for it
        }
    }

    fn reload(&mut self, settings: Settings) {
        if settings.me != self.settings.me || settings.nodes != self.settings.nodes {
            self.notice(Notice::ReloadNeedsRestart);
            return;
        }
        if let Some(peer) = self.peer.as_mut() {
            let old = self.settings.links.iter().zip(&peer.links);
            let known: BTreeMap<&String, _> = old.map(|(name, state)| (name, *state)).collect();
            peer.links =
                settings.links.iter().map(|name| known.get(name).copied().unwrap_or((None, false))).collect();
        }
        self.silence.relink(&self.settings.links, &settings.links);
        if settings.deadtime != self.settings.deadtime {
            // The other node learns it at once, and as often as before: one lost message must not be our death.
            self.beat_at = self.now.mono;
            self.last_beat = self.now.mono;
            self.hurry = Some((self.settings.keepalive, self.now.mono + self.settings.deadtime));
        }
        self.beat_at = self.beat_at.min(self.now.mono + settings.keepalive);
        self.settings =
            Settings { generation: self.settings.generation, uuid: self.settings.uuid, ..settings };
        self.compare_configurations();
        self.fencing_reloaded();
    }
}
