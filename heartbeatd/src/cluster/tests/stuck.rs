//! Groups that cannot be stopped: nobody is told that they are free.

use super::super::*;
use super::pair::{Pair, ms};
use super::{ALPHA, BETA};

fn has(pair: &Pair, node: usize, wanted: impl Fn(&Notice) -> bool) -> bool {
    pair.notices[node].iter().any(wanted)
}

#[test]
fn a_stand_by_that_cannot_stop_its_groups_is_cancelled_and_they_are_started_again() {
    let mut pair = Pair::joined(Failback::Off);
    pair.stuck = Some((ALPHA, ALPHA));
    pair.event(ALPHA, Event::Standby(Set::LOCAL));
    pair.run(ms(2_500));
    assert!(has(&pair, ALPHA, |notice| matches!(notice, Notice::GaveUpStopping { .. })));
    assert!(has(&pair, ALPHA, |notice| matches!(notice, Notice::StandbyCancelled { .. })));
    assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
    pair.run(ms(30_000));
    assert_eq!((pair.holds(), pair.most_holders), ([Set::LOCAL, Set::LOCAL], 1));
    assert!(pair.stable());
    pair.stuck = None;
    pair.event(ALPHA, Event::Standby(Set::LOCAL));
    pair.run(ms(100));
    assert_eq!(pair.holds(), [Set::NONE, Set::ALL], "mended");
}

#[test]
fn a_stop_that_cannot_stop_its_groups_says_nothing_of_being_done() {
    let mut pair = Pair::joined(Failback::Off);
    pair.stuck = Some((BETA, BETA));
    pair.event(BETA, Event::Stop);
    pair.run(ms(2_500));
    assert!(pair.left(BETA) && has(&pair, BETA, |notice| *notice == Notice::LeavesRunning));
    assert!(!pair.sent.iter().any(|kind| kind == "shutdone"), "{:?}", pair.sent);
    assert_eq!(pair.holds()[ALPHA], Set::LOCAL);
    pair.run(ms(2_000));
    assert_eq!(pair.holds()[ALPHA], Set::ALL, "as beside a node that died");
    assert!(has(&pair, ALPHA, |notice| matches!(notice, Notice::MayRunThere { .. })));
}

#[test]
fn with_a_device_such_a_node_is_fenced_before_its_groups_are_taken() {
    let mut pair = Pair::joined_with_fencing(Failback::Off);
    pair.stuck = Some((BETA, BETA));
    pair.event(BETA, Event::Stop);
    pair.run(ms(10_000));
    assert_eq!(pair.fences, [(ALPHA, "beta".to_owned())]);
    assert_eq!((pair.holds()[ALPHA], pair.most_holders), (Set::LOCAL, 1));
    pair.power_off(BETA);
    pair.event(ALPHA, Event::Fenced { node: "beta".to_owned(), done: true });
    pair.run(ms(10));
    assert_eq!((pair.holds()[ALPHA], pair.most_holders), (Set::ALL, 1));
}

/// The only node that is left cannot start what the dead one had.
fn survivor_that_failed() -> Pair {
    let mut pair = Pair::joined(Failback::Off);
    pair.broken = Some((ALPHA, BETA));
    pair.power_off(BETA);
    pair.run(ms(5_000));
    assert_eq!(pair.holds()[ALPHA], Set::LOCAL);
    pair
}

#[test]
fn a_survivor_tries_again_once_a_minute_what_it_could_not_start() {
    let mut pair = survivor_that_failed();
    let takes = |pair: &Pair| pair.jobs.iter().filter(|(_, kind, _)| *kind == JobKind::Take).count();
    assert_eq!(takes(&pair), 1);
    pair.run(ms(50_000));
    assert_eq!(takes(&pair), 1);
    pair.run(ms(130_000));
    assert_eq!((takes(&pair), pair.holds()[ALPHA]), (4, Set::LOCAL), "it fails as long as it is not mended");
    pair.broken = None;
    pair.run(ms(60_000));
    assert_eq!((takes(&pair), pair.holds()[ALPHA]), (5, Set::ALL));
    pair.run(ms(200_000));
    assert_eq!(takes(&pair), 5);
}

#[test]
fn an_administrator_makes_a_survivor_try_again_at_once() {
    let mut pair = survivor_that_failed();
    pair.broken = None;
    let refusal = |pair: &Pair, set| pair.cluster(ALPHA).takeover_refusal(set);
    assert_eq!(refusal(&pair, Set::LOCAL), Some("the other node is not alive"), "it has them");
    assert_eq!(refusal(&pair, Set::ALL), None);
    pair.event(ALPHA, Event::Takeover(Set::ALL));
    pair.run(ms(10));
    assert_eq!((pair.holds()[ALPHA], pair.most_holders), (Set::ALL, 1));
    assert_eq!(refusal(&pair, Set::ALL), Some("the other node is not alive"));
}

#[test]
fn nothing_is_taken_by_hand_before_the_other_node_is_cut_off() {
    let mut pair = Pair::joined_with_fencing(Failback::Off);
    pair.power_off(BETA);
    pair.run(ms(3_000));
    assert!(pair.cluster(ALPHA).takeover_refusal(Set::ALL).is_some_and(|why| why.contains("cut off")));
    pair.event(ALPHA, Event::Takeover(Set::ALL));
    pair.run(ms(100_000));
    assert_eq!(pair.holds()[ALPHA], Set::LOCAL);
}

#[test]
fn what_must_go_is_stopped_again_until_it_is_gone() {
    let mut pair = Pair::joined(Failback::Off);
    pair.stuck = Some((ALPHA, BETA));
    pair.partition = true;
    pair.run(ms(3_000));
    assert_eq!(pair.holds(), [Set::ALL, Set::ALL]);
    pair.partition = false;
    pair.run(ms(30_000));
    assert!(pair.runs[ALPHA][BETA], "it cannot let go");
    assert!(pair.cluster(ALPHA).snapshot().shares[FOREIGN].stuck);
    assert!(!pair.stable());
    pair.stuck = None;
    pair.run(ms(60_000));
    assert!(!pair.runs[ALPHA][BETA]);
    assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
    assert!(pair.stable());
    let gave_up = pair.notices[ALPHA].iter().filter(|notice| matches!(notice, Notice::GaveUpStopping { .. }));
    assert_eq!(gave_up.count(), 1, "said once");
}

/// Two of ours with devices; `STOP_FAILURE=fence` in both files.
fn asking_to_be_fenced() -> Pair {
    let mut pair = Pair::joined_with_fencing(Failback::Off);
    for node in [ALPHA, BETA] {
        let settings =
            Settings { fencing: true, fence_stuck: true, ..super::pair::settings(node, Failback::Off, 1) };
        pair.event(node, Event::Reload(Box::new(settings)));
    }
    pair.run(ms(500));
    pair
}

#[test]
fn a_node_that_cannot_stop_its_groups_is_reset_by_the_other_if_it_asks_for_that() {
    let mut pair = asking_to_be_fenced();
    pair.stuck = Some((ALPHA, ALPHA));
    pair.event(ALPHA, Event::Standby(Set::LOCAL));
    pair.run(ms(3_000));
    assert!(has(&pair, ALPHA, |notice| matches!(notice, Notice::AsksToBeFenced { .. })));
    assert!(has(&pair, BETA, |notice| matches!(notice, Notice::AskedToFence { .. })));
    assert_eq!(pair.fences, [(BETA, "alpha".to_owned())]);
    assert_eq!(
        (pair.holds()[BETA], pair.most_holders),
        (Set::LOCAL, 1),
        "nothing before the device has answered"
    );
    pair.event(BETA, Event::Fenced { node: "alpha".to_owned(), done: false });
    pair.run(ms(6_000));
    assert_eq!(pair.fences.len(), 2, "asked again");
    pair.power_off(ALPHA);
    pair.event(BETA, Event::Fenced { node: "alpha".to_owned(), done: true });
    pair.run(ms(10));
    assert_eq!((pair.holds()[BETA], pair.most_holders), (Set::ALL, 1));
    pair.run(ms(5_000));
    assert_eq!(pair.fences.len(), 2, "not reset again for falling silent");
    pair.stuck = None;
    pair.start(ALPHA);
    pair.run(ms(3_000));
    assert_eq!(pair.holds(), [Set::NONE, Set::ALL]);
    assert!(pair.stable());
}

#[test]
fn a_node_that_falls_silent_while_it_is_reset_is_waited_for() {
    let mut pair = asking_to_be_fenced();
    pair.stuck = Some((ALPHA, ALPHA));
    pair.event(ALPHA, Event::Standby(Set::LOCAL));
    pair.run(ms(3_000));
    pair.power_off(ALPHA);
    pair.run(ms(5_000));
    assert_eq!((pair.fences.len(), pair.holds()[BETA]), (1, Set::LOCAL));
    pair.event(BETA, Event::Fenced { node: "alpha".to_owned(), done: true });
    pair.run(ms(10));
    assert_eq!((pair.fences.len(), pair.holds()[BETA]), (1, Set::ALL));
}

#[test]
fn a_device_that_does_not_work_leaves_the_groups_where_they_are() {
    let mut pair = asking_to_be_fenced();
    pair.stuck = Some((ALPHA, ALPHA));
    pair.event(ALPHA, Event::Standby(Set::LOCAL));
    pair.run(ms(30_000));
    assert_eq!(pair.holds(), [Set::NONE, Set::LOCAL]);
    pair.run(ms(40_000));
    assert_eq!((pair.holds(), pair.most_holders), ([Set::LOCAL; 2], 1));
    pair.event(BETA, Event::Fenced { node: "alpha".to_owned(), done: false });
    pair.run(ms(500));
    assert!(has(&pair, BETA, |notice| matches!(notice, Notice::FencingEnds { .. })));
    pair.run(ms(200_000));
    assert_eq!(pair.fences.len(), 1, "it does not ask any more");
    assert!(pair.stable());
}

#[test]
fn what_stops_at_last_needs_no_reset() {
    let mut pair = asking_to_be_fenced();
    pair.stuck = Some((ALPHA, BETA));
    pair.partition = true;
    pair.run(ms(3_000));
    for (node, other) in [(ALPHA, "beta"), (BETA, "alpha")] {
        pair.event(node, Event::Fenced { node: other.to_owned(), done: true });
    }
    pair.partition = false;
    pair.run(ms(10_000));
    assert!(pair.fences.contains(&(BETA, "alpha".to_owned())));
    pair.stuck = None;
    pair.run(ms(60_000));
    let ended = |pair: &Pair| {
        has(
            pair,
            BETA,
            |notice| matches!(notice, Notice::FencingEnds { why, .. } if why.contains("does not ask")),
        )
    };
    assert!(!ended(&pair), "the device works already");
    pair.event(BETA, Event::Fenced { node: "alpha".to_owned(), done: false });
    pair.run(ms(500));
    assert!(ended(&pair));
    assert_eq!(pair.holds(), [Set::LOCAL; 2]);
    assert!(pair.stable());
}

#[test]
fn without_a_device_on_the_other_node_the_alarm_says_so_and_nobody_is_reset() {
    let mut pair = Pair::joined(Failback::Off);
    let settings = Settings { fence_stuck: true, ..super::pair::settings(ALPHA, Failback::Off, 1) };
    pair.event(ALPHA, Event::Reload(Box::new(settings)));
    pair.stuck = Some((ALPHA, ALPHA));
    pair.event(ALPHA, Event::Standby(Set::LOCAL));
    pair.run(ms(2_500));
    assert!(has(&pair, ALPHA, |notice| matches!(notice, Notice::NobodyFences { .. })));
    assert_eq!((pair.holds(), pair.fences.len()), ([Set::LOCAL; 2], 0));
}

#[test]
fn what_nobody_else_holds_and_cannot_be_stopped_is_held_again() {
    let mut pair = Pair::joined(Failback::Off);
    pair.event(ALPHA, Event::Standby(Set::LOCAL));
    pair.run(ms(100));
    assert_eq!(pair.holds(), [Set::NONE, Set::ALL]);
    // beta's guard let go of everything, and could not stop alpha's groups; beta itself still hears and is heard
    pair.stuck = Some((BETA, ALPHA));
    let at = pair.now;
    pair.event(BETA, Event::Abandoned { at });
    pair.run(ms(30_000));
    assert_eq!((pair.holds()[BETA].foreign, pair.most_holders), (true, 1), "{:?}", pair.holds());
    assert!(pair.stable());
}

#[test]
fn a_node_that_was_reset_gets_nothing_back_by_itself_and_is_not_reset_again_soon() {
    let mut pair = Pair::joined_with_fencing(Failback::On);
    for node in [ALPHA, BETA] {
        let settings =
            Settings { fencing: true, fence_stuck: true, ..super::pair::settings(node, Failback::On, 1) };
        pair.event(node, Event::Reload(Box::new(settings)));
    }
    pair.run(ms(500));
    pair.stuck = Some((ALPHA, ALPHA));
    pair.event(ALPHA, Event::Standby(Set::LOCAL));
    pair.run(ms(3_000));
    // a device that answers before the node is off
    pair.event(BETA, Event::Fenced { node: "alpha".to_owned(), done: true });
    pair.run(ms(1_000));
    assert_eq!((pair.fences.len(), pair.holds()[BETA]), (1, Set::ALL));
    pair.power_off(ALPHA);
    pair.run(ms(10));
    for (node, done) in std::mem::take(&mut pair.fences) {
        pair.event(node, Event::Fenced { node: done, done: true });
    }
    pair.fences.clear();
    pair.start(ALPHA);
    pair.run(ms(120_000));
    assert_eq!((pair.fences.len(), pair.holds()), (0, [Set::NONE, Set::ALL]));
    pair.stuck = None;
    pair.event(ALPHA, Event::Takeover(Set::LOCAL));
    pair.run(ms(3_000));
    assert_eq!(pair.holds(), [Set::LOCAL; 2]);
}
