//! One of our nodes (alpha) against the messages of heartbeat 3.0.6 (beta), in the order in which real nodes send
//! them: the recorded scenarios of `tests/fixtures/captures/transcripts` named in each test.

mod insist;

use super::super::*;
use super::pair::{ms, settings};
use crate::wire::Message;

const OLD_GENERATION: u64 = 0x6b00_a9ce;

pub(super) struct Old {
    now: Duration,
    pub(super) alpha: Cluster,
    pub(super) seq: u64,
    generation: u64,
    pub(super) sent: Vec<Message>,
    pub(super) jobs: Vec<(JobKind, String)>,
    /// How often beta was to be fenced.
    pub(super) fences: usize,
    /// The groups of this home cannot be started here.
    pub(super) broken: Option<&'static str>,
    /// Nor is that all of them: others of the same home can.
    pub(super) partly: bool,
}

impl Old {
    pub(super) fn new(failback: Failback) -> Old {
        Old::with(settings(0, failback, 7))
    }

    /// Alpha has ipfail.
    pub(super) fn counting(failback: Failback) -> Old {
        Old::with(Settings { ipfail: true, ..settings(0, failback, 7) })
    }

    pub(super) fn with(settings: Settings) -> Old {
        let now = ms(1_000);
        let alpha = Cluster::new(settings, Time { mono: now, epoch: 1 });
        let mut old = Old {
            now,
            alpha,
            seq: 0,
            generation: OLD_GENERATION,
            sent: Vec::new(),
            jobs: Vec::new(),
            fences: 0,
            broken: None,
            partly: false,
        };
        old.collect();
        old
    }

    /// Alpha alone holds everything.
    pub(super) fn alone(failback: Failback) -> Old {
        let mut old = Old::new(failback);
        old.pass(ms(2_100));
        assert_eq!(old.alpha.wants(), Set::ALL);
        old
    }

    /// Beta joins as in 03 and 21, up to its own `isstable=1`.
    pub(super) fn join(&mut self, holds: &str) {
        self.status("init");
        self.status("up");
        self.message("reqnodes", &[("dest", "alpha")]);
        assert!(self.was_sent("repnodes", &[("nodelist", "alpha beta ")]));
        self.message("repnodes", &[("dest", "alpha"), ("nodelist", "alpha beta "), ("delnodelist", " ")]);
        self.status("active");
        self.sent.clear();
        self.message("starting", &[]);
        self.report("none", "0", &[]);
        self.report(holds, "1", &[]);
    }

    /// Beta joins without the stand-by protocol.
    pub(super) fn join_as_legacy(&mut self) {
        self.status("init");
        self.status("up");
        self.message("reqnodes", &[("dest", "alpha")]);
        self.message("repnodes", &[("dest", "alpha"), ("nodelist", "alpha beta "), ("delnodelist", " ")]);
        self.status("active");
    }

    /// Beta begins a new life.
    pub(super) fn restart(&mut self) {
        (self.generation, self.seq) = (self.generation + 1, 0);
    }

    pub(super) fn status(&mut self, st: &str) {
        self.message("status", &[("st", st), ("dt", "3e8"), ("protocol", "1")]);
    }

    pub(super) fn report(&mut self, hold: &str, stable: &str, more: &[(&str, &str)]) {
        let mut fields = vec![("rsc_hold", hold), ("rtype", "full"), ("isstable", stable)];
        fields.extend(more);
        self.message("resource", &fields);
    }

    pub(super) fn ask(&mut self, hold: &str, info: &str) {
        self.message("ask_resources", &[("rsc_hold", hold), ("info", info)]);
    }

    pub(super) fn message(&mut self, kind: &str, fields: &[(&str, &str)]) {
        let mut message = Message::new(kind);
        for (name, value) in fields {
            message.push_text(name, value);
        }
        message.push_text("src", "beta").push_binary("srcuuid", [9; 16]);
        if !kind.starts_with("NS_") {
            self.seq += 1;
            message.push_text("seq", format!("{:x}", self.seq));
        }
        message.push_text("hg", format!("{:x}", self.generation)).push_text("ts", "6b00aa5b");
        self.receive(message);
    }

    /// A message between the clients.
    pub(super) fn ipfail(&mut self, kind: &str, fields: &[(&str, &str)]) {
        self.message(
            kind,
            &[&[("dest", "alpha"), ("from_id", "ipfail"), ("to_id", "ipfail")], fields].concat(),
        );
    }

    fn receive(&mut self, message: Message) {
        self.now += ms(1);
        self.alpha.handle(Event::Received { link: 0, message }, Time { mono: self.now, epoch: 1 });
        self.collect();
    }

    pub(super) fn event(&mut self, event: Event) {
        self.alpha.handle(event, Time { mono: self.now, epoch: 1 });
        self.collect();
    }

    /// Time passes without a word of beta.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.alpha.next_deadline() <= end {
            self.now = self.alpha.next_deadline().max(self.now);
            self.event(Event::Timer);
        }
        self.now = end;
    }

    fn collect(&mut self) {
        while let Some(action) = self.alpha.poll_action() {
            match action {
                Action::Send(message) => self.sent.push(message),
                Action::Start(job) => {
                    self.jobs.push((job.kind, job.home));
                    let job_home = self.jobs.last().map(|(_, home)| home.as_str());
                    let fails = job.kind == JobKind::Take && self.broken.is_some() && self.broken == job_home;
                    let outcome = JobOutcome {
                        done: usize::from(!fails || self.partly),
                        failed: usize::from(fails),
                        began: true,
                    };
                    self.alpha
                        .handle(Event::JobDone { id: job.id, outcome }, Time { mono: self.now, epoch: 1 });
                }
                Action::Fence { .. } => self.fences += 1,
                _ => {}
            }
        }
    }

    pub(super) fn was_sent(&self, kind: &str, fields: &[(&str, &str)]) -> bool {
        self.sent.iter().any(|message| {
            message.kind() == kind && fields.iter().all(|(name, value)| message.text(name) == Some(value))
        })
    }
}

#[test]
fn it_joins_and_nothing_moves_without_failback() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    assert!(old.was_sent("resource", &[("rsc_hold", "all"), ("rtype", "full"), ("isstable", "1")]));
    old.pass(ms(500));
    assert_eq!(old.alpha.wants(), Set::ALL);
    assert!(!old.was_sent("ask_resources", &[]));
}

#[test]
fn it_joins_and_gets_its_groups_with_failback() {
    let mut old = Old::alone(Failback::On);
    old.join("none");
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "foreign"), ("info", "me")]));
    old.sent.clear();
    old.ask("foreign", "other");
    assert!(old.was_sent("resource", &[("rsc_hold", "local"), ("isstable", "0"), ("info", "standby")]));
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "foreign"), ("info", "done")]));
    assert_eq!(old.jobs.last(), Some(&(JobKind::Give, "beta".to_owned())));
    old.sent.clear();
    // the report comes before the "done" that caused it
    old.report("local", "1", &[]);
    assert_eq!(old.alpha.wants(), Set::LOCAL);
    old.ask("foreign", "done");
    assert!(old.was_sent("resource", &[("rsc_hold", "local"), ("isstable", "1")]));
    assert!(old.alpha.snapshot().stable);
}

#[test]
fn it_asks_us_to_take_its_groups() {
    let mut old = Old::alone(Failback::On);
    old.join("none");
    old.ask("foreign", "other");
    old.report("local", "1", &[]);
    old.ask("foreign", "done");
    old.sent.clear();
    old.ask("local", "me");
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "local"), ("info", "other")]));
    assert_eq!(old.alpha.wants(), Set::LOCAL, "nothing is taken before it has let go");
    old.report("none", "0", &[("info", "standby")]);
    old.sent.clear();
    old.ask("local", "done");
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "local"), ("info", "done")]));
    assert!(old.was_sent("resource", &[("rsc_hold", "all"), ("isstable", "1")]));
    assert_eq!(old.alpha.wants(), Set::ALL);
}

#[test]
fn it_takes_over_by_hand() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    old.sent.clear();
    old.message("hb_takeover", &[("rsc_hold", "local")]);
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "foreign"), ("info", "me")]));
}

#[test]
fn it_holds_everything_when_we_start() {
    let mut old = Old::new(Failback::Off);
    old.status("active");
    assert!(old.was_sent("reqnodes", &[("dest", "beta")]));
    assert!(!old.was_sent("starting", &[]), "it must answer first");
    old.message("repnodes", &[("dest", "alpha"), ("nodelist", "alpha beta "), ("delnodelist", " ")]);
    assert!(old.was_sent("starting", &[]));
    old.report("all", "1", &[]);
    assert!(old.alpha.snapshot().stable);
    assert_eq!(old.alpha.wants(), Set::NONE);
    assert!(!old.jobs.iter().any(|(kind, _)| *kind == JobKind::Take));
}

#[test]
fn it_stops_and_goes_silent() {
    let mut old = Old::alone(Failback::Off);
    old.join("local"); // a restart within its deadtime: 14
    old.jobs.clear();
    old.event(Event::Standby(Set::FOREIGN));
    old.report("none", "0", &[("info", "shutdown")]);
    old.message("shutdone", &[("st", "dead")]);
    assert_eq!(old.alpha.wants(), Set::ALL);
    old.sent.clear();
    old.status("active");
    old.pass(ms(1_100));
    assert!(old.was_sent("stonith", &[("node", "beta"), ("result", "unneeded")]));
}

#[test]
fn it_crashes() {
    let mut old = Old::alone(Failback::On);
    old.join("none");
    old.ask("foreign", "other");
    old.report("local", "1", &[]);
    old.ask("foreign", "done");
    old.sent.clear();
    old.pass(ms(1_100));
    assert!(old.was_sent("stonith", &[("node", "beta"), ("result", "n_stnth")]));
    assert!(old.was_sent("resource", &[("rsc_hold", "all"), ("info", "mach_down")]));
    assert_eq!(old.alpha.wants(), Set::ALL);
}

#[test]
fn after_a_partition_ours_stays_and_the_old_one_rejoins() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    old.pass(ms(1_100)); // dead
    old.jobs.clear();
    old.seq += 20;
    old.status("active"); // it returns, and restarts itself as heartbeat does: 13
    old.report("none", "0", &[("info", "shutdown")]);
    old.message("shutdone", &[("st", "dead")]);
    (old.generation, old.seq) = (OLD_GENERATION + 1, 0);
    old.join("none");
    assert_eq!(old.alpha.wants(), Set::ALL);
    assert!(
        !old.jobs.iter().any(|(kind, _)| matches!(kind, JobKind::Give | JobKind::Take)),
        "{:?}",
        old.jobs
    );
}

#[test]
fn it_is_acknowledged_one_message_in_ten_and_answered_when_it_asks_again() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    old.sent.clear();
    for _ in 0..20 {
        old.status("active");
    }
    let acknowledged = old.sent.iter().filter(|message| message.kind() == "NS_ackmsg");
    let numbers: Vec<u64> = acknowledged.filter_map(|message| message.hex("ackseq")).collect();
    assert_eq!(numbers.len(), 2, "{numbers:?}");
    assert_eq!(numbers[1] - numbers[0], 10);
    let kept = old.sent.iter().find_map(|message| message.hex("seq"));
    assert_eq!(kept, None);
    old.pass(ms(250));
    let beat = old.sent.iter().find(|message| message.kind() == "status").cloned().expect("a beat");
    let seq = beat.hex("seq").expect("numbered").to_string();
    old.sent.clear();
    old.message("NS_rexmit", &[("dest", "alpha"), ("firstseq", &seq), ("lastseq", &seq)]); // decimal
    assert_eq!(old.sent, [beat]);
}

#[test]
fn what_it_never_sent_again_is_given_up() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    old.seq += 1; // one is lost
    old.sent.clear();
    old.status("active");
    old.pass(ms(260));
    let lost = (old.seq - 1).to_string();
    assert!(old.was_sent("NS_rexmit", &[("dest", "beta"), ("firstseq", &lost), ("lastseq", &lost)]));
    let hex = format!("{:x}", old.seq - 1);
    old.message("NS_nak_rexmit", &[("dest", "alpha"), ("firstseq", &hex), ("info", "seqno too low")]);
    old.sent.clear();
    old.pass(ms(600));
    assert!(!old.was_sent("NS_rexmit", &[]));
}

#[test]
fn strangers_replays_and_forgeries_change_nothing() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    old.jobs.clear();
    let before = old.alpha.snapshot();
    let generation = std::mem::replace(&mut old.generation, OLD_GENERATION - 1);
    old.message("shutdone", &[("st", "dead")]); // an earlier life
    old.generation = generation;
    let (now, seq) = (old.now, old.seq);
    old.seq = 1;
    old.ask("all", "me"); // a number that came long ago
    old.seq = seq;
    old.message("ask_resources", &[("dest", "gamma"), ("rsc_hold", "all"), ("info", "me")]); // for another node
    let mut stranger = Message::new("ask_resources");
    stranger.push_text("src", "gamma").push_text("seq", "1").push_text("hg", "1").push_text("ts", "1");
    old.receive(stranger);
    old.receive(Message::empty());
    assert!(old.now > now && old.jobs.is_empty());
    let after = old.alpha.snapshot();
    assert_eq!((after.wants, after.stable, after.standby), (before.wants, before.stable, before.standby));
}

/// The old one has just handed over `set` (from its point of view), which cannot be started here.
fn handed_what_fails_here(old: &mut Old, set: &str, rest: &str) {
    old.ask(set, "me");
    old.report(rest, "0", &[("info", "standby")]);
    old.sent.clear();
    old.ask(set, "done");
    assert!(old.was_sent("ask_resources", &[("rsc_hold", set), ("info", "done")]), "{:?}", old.sent);
    old.report(rest, "1", &[]);
}

/// Time passes, the old one beats.
pub(super) fn beats(old: &mut Old, seconds: u64) {
    for _ in 0..seconds * 5 {
        old.pass(ms(200));
        old.status("active");
    }
}

#[test]
fn what_cannot_be_started_here_is_handed_back_to_it() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    old.event(Event::Standby(Set::FOREIGN));
    old.ask("foreign", "other");
    old.report("local", "1", &[]);
    old.ask("foreign", "done");
    old.broken = Some("beta");
    handed_what_fails_here(&mut old, "local", "none");
    assert_eq!(old.alpha.wants(), Set::LOCAL);
    assert!(!old.was_sent("ask_resources", &[("info", "me")]), "not before it is at rest");
    beats(&mut old, 8);
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "foreign"), ("info", "me")]), "{:?}", old.sent);
    old.ask("foreign", "other");
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "foreign"), ("info", "done")]));
    old.report("local", "1", &[]);
    old.ask("foreign", "done");
    assert!(old.alpha.snapshot().stable);
}

/// A node joins the old one, cannot start its own groups, and has asked the old one to take them.
fn asked_to_take_what_fails_at_home() -> Old {
    let mut old = Old::new(Failback::Off);
    old.broken = Some("alpha");
    old.status("active");
    old.message("repnodes", &[("dest", "alpha"), ("nodelist", "alpha beta "), ("delnodelist", " ")]);
    old.report("local", "1", &[]);
    beats(&mut old, 8);
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "local"), ("info", "me")]), "{:?}", old.sent);
    old
}

#[test]
fn what_neither_can_start_is_not_thrown_to_and_fro() {
    let mut old = asked_to_take_what_fails_at_home();
    old.ask("local", "other");
    old.report("all", "1", &[]); // it says so although its scripts failed
    old.ask("local", "done");
    beats(&mut old, 30);
    handed_what_fails_here(&mut old, "foreign", "local");
    assert_eq!(old.alpha.wants(), Set::NONE);
    old.sent.clear();
    beats(&mut old, 120);
    assert!(!old.was_sent("ask_resources", &[]), "nobody can start them: {:?}", old.sent);
    // an administrator may still order it
    old.broken = None;
    old.event(Event::Standby(Set::FOREIGN));
    assert!(old.was_sent("ask_resources", &[("info", "me")]));
}

#[test]
fn what_it_does_not_take_is_tried_here_again() {
    let mut old = asked_to_take_what_fails_at_home();
    old.sent.clear();
    old.broken = None;
    beats(&mut old, 20);
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "local"), ("info", "me")]));
    assert_eq!(old.alpha.wants(), Set::LOCAL, "it waits in a stand-by that nobody else remembers");
}

#[test]
fn groups_of_which_some_cannot_be_started_here_go_to_it_once() {
    let mut old = Old::new(Failback::Off);
    (old.broken, old.partly) = (Some("alpha"), true);
    old.status("active");
    old.message("repnodes", &[("dest", "alpha"), ("nodelist", "alpha beta "), ("delnodelist", " ")]);
    old.report("local", "1", &[]);
    assert_eq!(old.alpha.wants(), Set::LOCAL);
    beats(&mut old, 8);
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "local"), ("info", "me")]), "{:?}", old.sent);
    old.ask("local", "other");
    old.report("all", "1", &[]);
    old.ask("local", "done");
    beats(&mut old, 30);
    // it could not start them all either, and hands them back: there they stay
    handed_what_fails_here(&mut old, "foreign", "local");
    old.sent.clear();
    beats(&mut old, 120);
    assert_eq!(old.alpha.wants(), Set::LOCAL);
    assert!(!old.was_sent("ask_resources", &[]), "{:?}", old.sent);
}
