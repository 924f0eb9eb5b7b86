//! Groups of a home of which some start and others do not.

use super::super::*;
use super::pair::{Pair, ms};
use super::{ALPHA, BETA};

/// Alpha cannot start every group of its own, and neither of the nodes in `partly` can.
fn started(partly: &[usize]) -> Pair {
    let mut pair = Pair::joined(Failback::Off);
    pair.event(ALPHA, Event::Standby(Set::LOCAL));
    pair.run(ms(100));
    pair.partly = partly.iter().map(|node| (*node, ALPHA)).collect();
    pair.event(ALPHA, Event::Takeover(Set::LOCAL));
    pair.run(ms(100));
    assert_eq!(pair.holds(), [Set::LOCAL; 2]);
    pair
}

fn takes(pair: &Pair, node: usize) -> usize {
    pair.jobs
        .iter()
        .filter(|(of, kind, home)| (*of, *kind, home.as_str()) == (node, JobKind::Take, "alpha"))
        .count()
}

#[test]
fn what_one_node_cannot_start_in_full_goes_to_the_other_once() {
    let mut pair = started(&[ALPHA]);
    pair.run(ms(4_800));
    assert_eq!(pair.holds(), [Set::LOCAL; 2], "not at once");
    pair.run(ms(300));
    assert_eq!((pair.holds(), pair.most_holders), ([Set::NONE, Set::ALL], 1));
    assert!(pair.notices[ALPHA].contains(&Notice::HandsOver { set: Set::LOCAL }));
    let before = takes(&pair, BETA);
    // an administrator may bring it back, and then it stays
    pair.event(ALPHA, Event::Takeover(Set::LOCAL));
    pair.run(ms(300_000));
    assert_eq!((pair.holds(), takes(&pair, BETA)), ([Set::LOCAL; 2], before));
    assert!(pair.stable());
}

#[test]
fn what_no_node_can_start_in_full_moves_once_and_stays() {
    let mut pair = started(&[ALPHA, BETA]);
    pair.run(ms(6_000));
    assert_eq!(pair.holds(), [Set::NONE, Set::ALL]);
    let before = [takes(&pair, ALPHA), takes(&pair, BETA)];
    pair.run(ms(1_000_000));
    assert_eq!((pair.holds(), [takes(&pair, ALPHA), takes(&pair, BETA)]), ([Set::NONE, Set::ALL], before));
    assert!(pair.stable());
    // its first node is mended and restarted
    pair.partly = vec![(BETA, ALPHA)];
    pair.kill(ALPHA);
    pair.runs[ALPHA] = [false; 2];
    pair.start(ALPHA);
    pair.run(ms(10_000));
    assert_eq!((pair.holds(), pair.most_holders), ([Set::LOCAL; 2], 1));
}

#[test]
fn what_one_node_cannot_start_and_the_other_not_in_full_is_left_to_that() {
    let mut pair = Pair::joined(Failback::Off);
    pair.event(ALPHA, Event::Standby(Set::LOCAL));
    pair.run(ms(100));
    pair.broken = Some((ALPHA, ALPHA));
    pair.partly = vec![(BETA, ALPHA)];
    pair.event(ALPHA, Event::Takeover(Set::LOCAL));
    pair.run(ms(1_000_000));
    assert_eq!(pair.holds(), [Set::NONE, Set::ALL], "what starts there is served");
    assert_eq!(takes(&pair, ALPHA), 1);
    assert!(pair.stable());
}

#[test]
fn what_starts_nowhere_moves_once_and_stays_down() {
    let mut pair = Pair::joined(Failback::Off);
    pair.event(ALPHA, Event::Standby(Set::LOCAL));
    pair.run(ms(100));
    (pair.broken, pair.interrupted) = (Some((ALPHA, ALPHA)), Some((BETA, ALPHA)));
    let before = takes(&pair, BETA);
    pair.event(ALPHA, Event::Takeover(Set::LOCAL));
    pair.run(ms(1_000_000));
    assert_eq!(pair.holds(), [Set::NONE, Set::LOCAL]);
    assert_eq!([takes(&pair, ALPHA), takes(&pair, BETA)], [1, before + 1]);
    assert_eq!(pair.runs, [[false, false], [false, true]], "the others of beta stay");
    assert!(pair.stable());
}

#[test]
fn an_administrator_has_the_missing_ones_started_where_the_others_are() {
    let mut pair = started(&[ALPHA, BETA]);
    pair.run(ms(6_000));
    assert_eq!(pair.cluster(BETA).takeover_refusal(Set::FOREIGN), None);
    let before = takes(&pair, BETA);
    pair.partly.clear();
    pair.event(BETA, Event::Takeover(Set::FOREIGN));
    pair.run(ms(10));
    assert_eq!((takes(&pair, BETA), pair.holds()[BETA]), (before + 1, Set::ALL));
    pair.event(BETA, Event::Takeover(Set::FOREIGN));
    pair.run(ms(10_000));
    assert_eq!(takes(&pair, BETA), before + 1, "nothing is missing any more");
}

#[test]
fn a_survivor_tries_the_missing_ones_once_a_minute() {
    let mut pair = started(&[ALPHA, BETA]);
    pair.run(ms(6_000));
    pair.power_off(ALPHA);
    pair.run(ms(10_000));
    let before = takes(&pair, BETA);
    pair.run(ms(120_000));
    assert_eq!(takes(&pair, BETA), before + 2);
    pair.partly.clear();
    pair.run(ms(180_000));
    assert_eq!((takes(&pair, BETA), pair.holds()[BETA]), (before + 3, Set::ALL));
}

#[test]
fn what_runs_stays_held_when_the_missing_ones_cannot_be_tried_at_all() {
    let mut pair = started(&[ALPHA, BETA]);
    pair.run(ms(6_000));
    pair.power_off(ALPHA);
    pair.run(ms(10_000));
    pair.jobs.clear();
    pair.broken = Some((BETA, ALPHA));
    pair.run(ms(130_000));
    assert_eq!((takes(&pair, BETA), pair.holds()[BETA]), (2, Set::ALL));
    assert!(pair.jobs.iter().all(|(_, kind, _)| *kind == JobKind::Take), "{:?}", pair.jobs);
}
