//! Messages that no sane node sends, and old ones sent again; and settings at the edge of what can be said.

use super::super::*;
use super::pair::{Pair, ms, settings};
use super::{ALPHA, BETA};
use crate::wire::Message;

const LAST: &str = "ffffffffffffffff";

/// A message of beta with these fields after the ones every message has.
pub(super) fn from_beta(kind: &str, hg: &str, seq: &str, fields: &[(&str, &str)]) -> Message {
    let mut message = Message::new(kind);
    message.push_text("src", "beta").push_text("hg", hg).push_text("seq", seq).push_text("ts", "1");
    for (name, value) in fields {
        message.push_text(name, value);
    }
    message
}

pub(super) struct Alpha {
    pub(super) cluster: Cluster,
    pub(super) now: Duration,
}

impl Alpha {
    pub(super) fn new(generation: u64) -> Alpha {
        let now = ms(1_000);
        let settings = settings(ALPHA, Failback::Off, generation);
        Alpha { cluster: Cluster::new(settings, Time { mono: now, epoch: 1 }), now }
    }

    pub(super) fn after(&mut self, time: Duration, event: Event) -> Vec<Action> {
        self.now += time;
        self.cluster.handle(event, Time { mono: self.now, epoch: 1 });
        let actions: Vec<Action> = std::iter::from_fn(|| self.cluster.poll_action()).collect();
        for action in &actions {
            if let Action::Start(job) = action {
                let outcome = JobOutcome { done: 1, failed: 0, began: true };
                self.cluster
                    .handle(Event::JobDone { id: job.id, outcome }, Time { mono: self.now, epoch: 1 });
            }
        }
        actions
    }

    pub(super) fn receive(&mut self, message: Message) -> Vec<Action> {
        self.after(ms(1), Event::Received { link: 0, message })
    }

    /// Goes on from deadline to deadline.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.cluster.next_deadline() <= end {
            let pause = self.cluster.next_deadline().saturating_sub(self.now);
            self.after(pause, Event::Timer);
        }
        self.now = end;
    }
}

#[test]
fn numbers_at_the_end_of_their_range_end_nothing() {
    let mut alpha = Alpha::new(7);
    alpha.pass(ms(3_000));
    let terms = format!("{LAST} {LAST}");
    let extra = [("td", "1"), ("td_want", "none"), ("td_have", "none"), ("td_term", terms.as_str())];
    let status = [("st", "active"), ("dt", LAST), ("protocol", "1")];
    alpha.receive(from_beta("status", "1", "1", &[&status[..], &extra].concat()));
    alpha.cluster.release(Set::ALL, "a test");
    alpha.pass(ms(1_000));
    alpha.cluster.claim(Set::ALL, "a test");
    alpha.receive(from_beta("status", "1", LAST, &[&status[..], &extra].concat()));
    for kind in ["NS_ackmsg", "NS_rexmit", "NS_nak_rexmit"] {
        let range =
            [("ackseq", LAST), ("firstseq", "18446744073709551615"), ("lastseq", "18446744073709551615")];
        alpha.receive(from_beta(kind, "1", "1", &range));
    }
    alpha.receive(from_beta("status", LAST, LAST, &status));
    alpha.pass(ms(5_000));
    assert_eq!(alpha.cluster.wants(), Set::ALL);
}

#[test]
fn the_last_generation_is_not_followed_by_the_first() {
    let mut alpha = Alpha::new(u64::MAX);
    alpha.after(ms(60_000), Event::Timer); // it overslept
    assert_eq!(alpha.cluster.generation(), u64::MAX);
}

#[test]
fn an_old_message_sent_again_does_not_bring_back_an_old_uuid() {
    let mut alpha = Alpha::new(7);
    let with_uuid = |mut message: Message, uuid: u8| {
        message.push_binary("srcuuid", [uuid; 16]);
        message
    };
    let status = [("st", "active"), ("dt", "3e8"), ("protocol", "1")];
    let old = with_uuid(from_beta("status", "5", "1", &status), 8);
    alpha.receive(old.clone());
    alpha.receive(with_uuid(from_beta("status", "6", "1", &status), 9));
    alpha.receive(with_uuid(from_beta("status", "6", "3", &status), 9));
    alpha.receive(old);
    let asked = alpha.after(ms(300), Event::Timer);
    let to = asked.iter().find_map(|action| match action {
        Action::Send(message) if message.kind() == "NS_rexmit" => message.binary("destuuid"),
        _ => None,
    });
    assert_eq!(to, Some(&[9; 16][..]), "it asks for what it missed");
}

#[test]
fn strangers_who_take_turns_do_not_fill_the_log() {
    let mut alpha = Alpha::new(7);
    let mut lines = 0;
    for number in 0..10_000 {
        let mut message = Message::new("status");
        message.push_text("src", format!("gamma{}", number % 100)).push_text("hg", "1");
        let actions = alpha.receive(message);
        lines += actions.iter().filter(|a| matches!(a, Action::Notice(Notice::UnknownNode { .. }))).count();
    }
    assert!((1..=2).contains(&lines), "{lines} lines in ten seconds");
}

#[test]
fn a_reload_to_a_deadtime_that_the_last_beat_exceeds_releases_nothing() {
    let mut pair = Pair::joined(Failback::Off);
    pair.run_until(pair.last_beat(ALPHA) + ms(150));
    let faster = Settings { keepalive: ms(30), deadtime: ms(100), ..settings(ALPHA, Failback::Off, 1) };
    pair.event(ALPHA, Event::Reload(Box::new(faster)));
    pair.run(ms(500));
    assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
    assert_eq!(pair.jobs, [], "nothing was touched");
}

#[test]
fn a_reload_to_slower_beats_is_not_taken_for_death_when_one_message_is_lost() {
    let mut pair = Pair::joined(Failback::Off);
    let slower = Settings { keepalive: ms(2_000), deadtime: ms(8_000), ..settings(ALPHA, Failback::Off, 1) };
    pair.lose = 1;
    pair.event(ALPHA, Event::Reload(Box::new(slower)));
    pair.run(ms(5_000));
    assert_eq!(pair.jobs, [], "nothing was touched");
}

#[test]
fn what_a_failed_start_may_have_left_is_stopped_before_the_other_node_takes_it() {
    let mut pair = Pair::joined(Failback::Off);
    pair.event(BETA, Event::Standby(Set::ALL));
    pair.run(ms(1_000));
    assert_eq!(pair.holds(), [Set::ALL, Set::NONE]);
    pair.jobs.clear();
    pair.interrupted = Some((BETA, BETA)); // the job dies in the middle: nobody knows what runs
    pair.most_holders = 0;
    pair.event(ALPHA, Event::Standby(Set::FOREIGN));
    pair.run(ms(10_000));
    assert!(pair.jobs.contains(&(BETA, JobKind::Clear, "beta".to_owned())), "{:?}", pair.jobs);
    assert_eq!(pair.most_holders, 1);
    assert_eq!(pair.holds(), [Set::ALL, Set::NONE]);
}

#[test]
fn groups_wanted_again_after_a_stop_that_failed_half_way_are_started_again() {
    let mut pair = Pair::joined(Failback::Off);
    pair.stuck = Some((ALPHA, ALPHA));
    pair.event(ALPHA, Event::Standby(Set::LOCAL));
    pair.run(ms(100));
    pair.jobs.clear();
    pair.power_off(BETA);
    pair.run(ms(1_500));
    assert!(pair.jobs.contains(&(ALPHA, JobKind::Take, "alpha".to_owned())), "{:?}", pair.jobs);
    assert_eq!(pair.holds()[ALPHA], Set::ALL);
}

#[test]
fn a_starting_node_whose_report_was_lost_unnoticed_asks_again() {
    let mut alpha = Alpha::new(7);
    let status = [("st", "active"), ("dt", "3e8"), ("protocol", "1")];
    alpha.receive(from_beta("status", "1", "1", &status));
    let actions = alpha.receive(from_beta("repnodes", "1", "2", &[("nodelist", "alpha beta ")]));
    let starting = |actions: &[Action]| {
        actions.iter().any(|action| matches!(action, Action::Send(message) if message.kind() == "starting"))
    };
    assert!(starting(&actions));
    let mut again = false;
    for seq in 3..20 {
        again |= starting(&alpha.receive(from_beta("status", "1", &format!("{seq:x}"), &status)));
        again |= starting(&alpha.after(ms(200), Event::Timer));
    }
    assert!(again, "nobody has said yet what beta holds");
}

#[test]
fn a_deadtime_that_cannot_be_meant_neither_kills_nor_keeps_a_dead_node() {
    // own deadtime 1 s: from 100 ms to 70 s
    for (dt, used, notices) in [("64", 100, 0), ("1", 100, 1), ("84d0", 34_000, 0), (LAST, 70_000, 1)] {
        let mut alpha = Alpha::new(7);
        let mut said = 0;
        for seq in ["1", "2", "3"] {
            let fields = [("st", "active"), ("dt", dt), ("protocol", "1")];
            let actions = alpha.receive(from_beta("status", "9", seq, &fields));
            let strange = |action: &&Action| matches!(action, Action::Notice(Notice::StrangeDeadtime { .. }));
            said += actions.iter().filter(strange).count();
        }
        let peer = |alpha: &Alpha| alpha.cluster.snapshot().peer.map(|peer| (peer.state, peer.deadtime));
        assert_eq!(peer(&alpha), Some((NodeState::Active, ms(used))), "{dt}");
        assert_eq!(said, notices, "{dt}: said once");
        alpha.pass(ms(used - 1));
        assert_eq!(peer(&alpha).map(|(state, _)| state), Some(NodeState::Active), "{dt}");
        alpha.pass(ms(1));
        assert_eq!(peer(&alpha).map(|(state, _)| state), Some(NodeState::Dead), "{dt}");
    }
}

#[test]
fn a_request_for_old_messages_that_comes_again_and_again_is_answered_at_a_bounded_rate() {
    let mut alpha = Alpha::new(7);
    alpha.receive(from_beta("status", "9", "1", &[("st", "active"), ("dt", "3e8"), ("protocol", "1")]));
    alpha.pass(ms(200 * 600)); // the first messages are no longer kept
    alpha.receive(from_beta("status", "9", "2", &[("st", "active"), ("dt", "3e8"), ("protocol", "1")]));
    for (first, last) in [("1", "400"), ("500", "100000")] {
        let (mut sent, mut said) = (0, 0);
        for _ in 0..200 {
            let fields = [("firstseq", first), ("lastseq", last)];
            for action in alpha.receive(from_beta("NS_rexmit", "9", "", &fields)) {
                match action {
                    Action::Notice(Notice::CannotResend { .. }) => said += 1,
                    Action::Send(message) if message.kind() == "NS_nak_rexmit" => sent += 1,
                    Action::Send(message) if message.hex("seq").is_some_and(|seq| seq < 600) => sent += 1,
                    _ => {}
                }
            }
        }
        assert!((1..=50).contains(&sent), "{first}..{last}: {sent} in 200 ms");
        assert_eq!(said, usize::from(last == "100000"), "{first}..{last}");
    }
}
