//! What the runs have exercised, and how much the cores did for it: a generator of faults that silently stops reaching
//! a rule is found here, and so is a storm.

use heartbeatd::cluster::Notice;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most messages that one node may send within a second: beats, reports, and requests for what a lossy network lost.
const MOST_SENT: u64 = 1_000;
/// Most actions that may follow from one event.
const MOST_ACTIONS: u64 = 150;

/// Every rule that speaks when it is taken, but for those that need a wrong configuration, a hostile network, or
/// more luck than 50,000 runs have (the core's own tests have them).
const EXPECTED: &[&str] = &[
    "I1: two holders became one in time",
    "I2: held again after a power-off",
    "I3: announced after the other let go",
    "Alone",
    "AskedToFence",
    "AsksToBeFenced",
    "BothHold false",
    "BothHold true",
    "Fenced",
    "Fencing",
    "FencingEnds",
    "FencingFailed",
    "HandsOver",
    "NobodyFences",
    "Giving: standby",
    "Giving: the other node does not hear us and holds them",
    "Giving: the other node held them before",
    "Giving: this node stops",
    "Giving: this node was not running",
    "JobFailed Clear",
    "JobFailed Give",
    "JobFailed Take",
    "Joined",
    "LateBeat",
    "LinkDead",
    "LinkUp",
    "LostMessages",
    "NodeDead",
    "NodeRestarted",
    "NodeReturned",
    "NodeStatus",
    "PeerStable",
    "PeerStops",
    "Slept",
    "StandbyCancelled: the other node is dead",
    "StandbyCancelled: the other node keeps its resources",
    "StandbyCancelled: the other node restarted",
    "StandbyDone",
    "StandbyRefused: Other side is in flux.",
    "StandbyRefused: Standby in progress",
    "StandbyRefused: resources of this node are in transition",
    "StandbyRefused: the other node is not alive",
    "StandbyRefused: the other node stops",
    "StandbyRefused: this node is starting or stopping",
    "StandbyStarted",
    "StandbyTimedOut",
    "StopDelayed",
    "Stopping",
    "Taking: no other node is alive",
    "Taking: nobody holds them",
    "StandbyCancelled: groups could not be stopped here",
    "Taking: the other node gave them up",
    "Taking: they could not be stopped",
    "Taking: they could not be stopped, and nobody else holds them",
    "Taking: the other node is dead",
    "Taking: the other node restarted before it had taken them",
    "Taking: the other node stops",
    "Unheard",
];

/// The same of runs with an old heartbeat, and what the old one does there.
const EXPECTED_BESIDE_OLD: &[&str] = &[
    "I1: two holders became one in time",
    "I2: held again after a power-off",
    "I3: announced after the other let go",
    "Alone",
    "CannotResend",
    "Giving: standby",
    "Giving: the other node holds them, too, and does not let go",
    "Giving: this node stops",
    "Giving: this node was not running",
    "JobFailed Clear",
    "JobFailed Give",
    "JobFailed Take",
    "LateBeat",
    "LostMessages",
    "NodeDead",
    "NodeRestarted",
    "NodeReturned",
    "PeerStable",
    "PeerStops",
    "Slept",
    "StandbyCancelled: the other node is dead",
    "StandbyCancelled: the other node restarted",
    "StandbyDone",
    "StandbyRefused: Other side is in flux.",
    "StandbyRefused: Standby in progress",
    "StandbyRefused: the other node is not alive",
    "StopDelayed",
    "Stopping",
    "Taking: no other node is alive",
    "Taking: nobody holds them",
    "Taking: the other node gave them up",
    "Taking: the other node is dead",
    "Taking: the other node stops",
    "the old one: Cluster node returning after partition.",
    "the old one: Late heartbeat (> deadtime)",
    "the old one: No local heartbeat. Forcing restart.",
    "the old one: No reply to standby request. Standby request cancelled.",
    "the old one: Standby in progress",
    "the old one: a resource does not stop: reboot",
    "the old one: local resource transition completed after 10 s",
    "the old one: standby message ignored. Other side is in flux.",
];

const BESIDE: &str = "beside an old one, ";

/// Counters of one run, or of many.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Coverage {
    rules: BTreeMap<String, u64>,
    most_actions: u64,
    most_sent: u64,
    second: [u64; 2],
    sent: [u64; 2],
}

impl Coverage {
    /// What an old heartbeat does.
    pub(crate) fn old_said(&mut self, text: &str) {
        *self.rules.entry(format!("{BESIDE}the old one: {text}")).or_default() += 1;
    }

    /// What ours does, perhaps beside an old one.
    pub(crate) fn saw(&mut self, notice: &Notice, mixed: bool) {
        let key = match notice {
            Notice::Taking { why, .. } => format!("Taking: {why}"),
            Notice::Giving { why, .. } => format!("Giving: {why}"),
            Notice::StandbyRefused { why } => format!("StandbyRefused: {why}"),
            Notice::StandbyCancelled { why } => format!("StandbyCancelled: {why}"),
            Notice::JobFailed { kind, .. } => format!("JobFailed {kind:?}"),
            Notice::BothHold { stays, .. } => format!("BothHold {stays}"),
            other => {
                let text = format!("{other:?}");
                text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
            }
        };
        let beside = if mixed { BESIDE } else { "" };
        *self.rules.entry(format!("{beside}{key}")).or_default() += 1;
    }

    pub(crate) fn actions(&mut self, of_one_event: u64) {
        self.most_actions = self.most_actions.max(of_one_event);
    }

    pub(crate) fn sent(&mut self, node: usize, now: Duration) {
        if self.second[node] != now.as_secs() {
            (self.second[node], self.sent[node]) = (now.as_secs(), 0);
        }
        self.sent[node] += 1;
        self.most_sent = self.most_sent.max(self.sent[node]);
    }

    /// The promises that were put to the test.
    pub(crate) fn checked(&mut self, kept: &BTreeMap<&'static str, u64>, mixed: bool) {
        let beside = if mixed { BESIDE } else { "" };
        for (promise, count) in kept {
            *self.rules.entry(format!("{beside}{promise}")).or_default() += count;
        }
    }

    /// No storm so far.
    pub(crate) fn bounded(&self) -> Result<(), String> {
        if self.most_sent > MOST_SENT {
            return Err(format!("I8: a node sent {} messages within a second", self.most_sent));
        }
        if self.most_actions > MOST_ACTIONS {
            return Err(format!("I8: {} actions followed from one event", self.most_actions));
        }
        Ok(())
    }

    pub(crate) fn add(&mut self, other: Coverage) {
        for (rule, count) in other.rules {
            *self.rules.entry(rule).or_default() += count;
        }
        self.most_actions = self.most_actions.max(other.most_actions);
        self.most_sent = self.most_sent.max(other.most_sent);
    }

    /// What should have happened in many runs and did not.
    pub(crate) fn missing(&self) -> Vec<String> {
        let beside = EXPECTED_BESIDE_OLD.iter().map(|rule| format!("{BESIDE}{rule}"));
        let all = EXPECTED.iter().map(|rule| (*rule).to_owned()).chain(beside);
        all.filter(|rule| !self.rules.contains_key(rule)).collect()
    }

    pub(crate) fn print(&self) {
        for (rule, count) in &self.rules {
            println!("{count:>10} {rule}");
        }
        println!("most messages of a node in a second: {}", self.most_sent);
        println!("most actions after one event: {}", self.most_actions);
    }
}
