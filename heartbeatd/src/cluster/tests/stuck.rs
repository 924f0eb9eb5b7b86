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
