//! The machine, event by event: two of ours on a perfect network, and one of ours against the messages of an old
//! heartbeat. (The imperfect network is the simulation's.)

mod agreement;
mod fencing;
mod hostile;
mod incomplete;
mod ipfail;
mod legacy;
mod old_peer;
mod old_troubles;
mod pair;
mod replay;
mod scripts;
mod silence;
mod stuck;

use super::*;
use pair::{Pair, ms};

const ALPHA: usize = 0;
const BETA: usize = 1;

#[test]
fn two_nodes_that_start_together_hold_their_own_groups_without_waiting() {
    let mut pair = Pair::new(Failback::On);
    pair.start(ALPHA);
    pair.start(BETA);
    pair.run(ms(1_200));
    assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
    assert!(pair.stable());
}

#[test]
fn a_node_alone_takes_everything_after_initdead_and_not_before() {
    let mut pair = Pair::new(Failback::Off);
    pair.start(ALPHA);
    pair.run(ms(1_990));
    assert_eq!(pair.holds()[ALPHA], Set::NONE);
    pair.run(ms(20));
    assert_eq!(pair.holds()[ALPHA], Set::ALL);
}

#[test]
fn a_dead_node_is_replaced_at_its_deadtime_after_its_last_beat() {
    let mut pair = Pair::joined(Failback::Off);
    let last_beat = pair.last_beat(BETA);
    pair.power_off(BETA);
    pair.run_until(last_beat + ms(999));
    assert_eq!(pair.holds()[ALPHA], Set::LOCAL);
    pair.run_until(last_beat + ms(1_010));
    assert_eq!(pair.holds()[ALPHA], Set::ALL);
}

#[test]
fn a_node_that_returns_gets_its_groups_back_only_with_auto_failback() {
    for (failback, expected) in [
        (Failback::On, [Set::LOCAL, Set::LOCAL]),
        (Failback::Legacy, [Set::LOCAL; 2]),
        (Failback::Off, [Set::ALL, Set::NONE]),
    ] {
        let mut pair = Pair::joined(failback);
        pair.power_off(BETA);
        pair.run(ms(3_000));
        pair.start(BETA);
        pair.run(ms(3_000));
        assert_eq!(pair.holds(), expected, "{failback:?}");
        assert!(pair.stable());
    }
}

#[test]
fn standby_gives_what_was_named() {
    let cases = [
        (Set::LOCAL, [Set::NONE, Set::ALL]),
        (Set::ALL, [Set::NONE, Set::ALL]),
        (Set::FOREIGN, [Set::LOCAL, Set::LOCAL]),
    ];
    for (set, expected) in cases {
        let mut pair = Pair::joined(Failback::Off);
        pair.event(ALPHA, Event::Standby(set));
        pair.run(ms(100));
        assert_eq!(pair.holds(), expected, "{set}");
        assert!(pair.stable());
        assert_eq!(pair.most_holders, 1, "{set}");
    }
}

#[test]
fn standby_does_not_bounce_back_with_auto_failback() {
    let mut pair = Pair::joined(Failback::On);
    pair.event(ALPHA, Event::Standby(Set::ALL));
    pair.run(ms(10_000));
    assert_eq!(pair.holds(), [Set::NONE, Set::ALL]);
}

#[test]
fn takeover_asks_the_other_node_for_what_the_caller_names_from_its_own_view() {
    let mut pair = Pair::joined(Failback::Off);
    pair.event(ALPHA, Event::Takeover(Set::FOREIGN));
    pair.run(ms(100));
    assert_eq!(pair.holds(), [Set::ALL, Set::NONE]);
    pair.event(BETA, Event::Takeover(Set::LOCAL));
    pair.run(ms(100));
    assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
}

#[test]
fn a_standby_that_cannot_be_is_refused_with_its_reason() {
    let mut pair = Pair::joined(Failback::Off);
    pair.power_off(BETA);
    pair.run(ms(2_000));
    pair.event(ALPHA, Event::Standby(Set::ALL));
    let refused = Notice::StandbyRefused { why: "the other node is not alive" };
    assert!(pair.notices[ALPHA].contains(&refused), "{:?}", pair.notices[ALPHA]);
    assert_eq!(pair.holds()[ALPHA], Set::ALL);
}

#[test]
fn a_graceful_stop_hands_over_at_once_and_leaves_nothing() {
    let mut pair = Pair::joined(Failback::On);
    pair.event(BETA, Event::Stop);
    pair.run(ms(20));
    assert_eq!(pair.holds(), [Set::ALL, Set::NONE]);
    pair.run(ms(2_500));
    assert!(pair.left(BETA));
    pair.event(ALPHA, Event::Stop);
    pair.run(ms(2_500));
    assert!(pair.left(ALPHA));
    assert_eq!(pair.runs, [[false; 2]; 2]);
}

#[test]
fn a_stop_during_a_standby_waits_for_it() {
    let mut pair = Pair::joined(Failback::Off);
    pair.job_time = ms(50);
    pair.event(ALPHA, Event::Standby(Set::LOCAL));
    pair.run(ms(10));
    pair.event(ALPHA, Event::Stop);
    assert!(pair.notices[ALPHA].contains(&Notice::StopDelayed));
    pair.run(ms(3_000));
    assert!(pair.left(ALPHA));
    assert_eq!(pair.holds()[BETA], Set::ALL);
}

#[test]
fn a_restarted_daemon_keeps_what_still_runs() {
    let mut pair = Pair::joined(Failback::On);
    pair.kill(BETA);
    pair.run(ms(300));
    pair.start(BETA);
    pair.run(ms(2_000));
    assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
    let stops = pair.jobs.iter().filter(|(node, kind, home)| {
        (*node, home.as_str()) == (BETA, "beta") && matches!(kind, JobKind::Give | JobKind::Clear)
    });
    assert_eq!(stops.count(), 0, "its own groups were never stopped: {:?}", pair.jobs);
}

#[test]
fn a_daemon_that_was_dead_for_too_long_clears_what_the_other_has_taken() {
    let mut pair = Pair::joined(Failback::Off);
    pair.kill(BETA);
    pair.run(ms(1_500));
    assert!(pair.runs[BETA][BETA]);
    pair.start(BETA);
    pair.run(ms(2_000));
    assert_eq!(pair.holds(), [Set::ALL, Set::NONE]);
    assert_eq!(pair.runs[BETA], [false, false]);
}

#[test]
fn a_node_that_overslept_its_deadtime_lets_go_before_it_says_anything_else() {
    let mut pair = Pair::joined(Failback::Off);
    let generation = pair.cluster(BETA).generation();
    pair.pause(BETA, ms(3_000));
    assert_eq!(pair.holds()[ALPHA], Set::ALL);
    pair.wake(BETA);
    let first = pair.jobs.iter().rev().find(|(node, ..)| *node == BETA).cloned();
    assert_eq!(first, Some((BETA, JobKind::Give, "beta".to_owned())));
    assert_eq!(pair.cluster(BETA).generation(), generation + 1);
    pair.run(ms(3_000));
    assert_eq!(pair.holds(), [Set::ALL, Set::NONE]);
    assert!(pair.stable());
}

#[test]
fn a_take_over_under_way_is_cancelled_when_the_other_node_may_hold_the_groups() {
    let mut pair = Pair::joined(Failback::Off);
    pair.job_time = ms(20_000);
    pair.kill(ALPHA);
    pair.run(ms(2_000));
    assert!(pair.runs[BETA][ALPHA] && pair.cancelled.is_empty());
    pair.pause(BETA, ms(3_000));
    pair.job_time = ms(1);
    pair.wake(BETA);
    assert_eq!(pair.cancelled.len(), 1);
    pair.run(ms(500));
    assert_eq!(pair.runs[BETA], [false, false]);
    // it was no failure: alone again, it takes them
    pair.run(ms(5_000));
    assert_eq!(pair.holds()[BETA], Set::ALL);
    // a planned move cancels nothing
    pair.start(ALPHA);
    pair.run(ms(3_000));
    pair.job_time = ms(500);
    pair.event(BETA, Event::Standby(Set::ALL));
    pair.run(ms(5_000));
    assert_eq!((pair.holds()[ALPHA], pair.cancelled.len()), (Set::ALL, 1));
}

#[test]
fn only_what_the_other_node_may_hold_already_loses_its_addresses_first() {
    let mut pair = Pair::joined(Failback::Off);
    pair.event(ALPHA, Event::Standby(Set::LOCAL));
    pair.run(ms(100));
    pair.event(ALPHA, Event::Takeover(Set::LOCAL));
    pair.run(ms(100));
    assert_eq!((pair.holds(), pair.yielding.clone()), ([Set::LOCAL; 2], Vec::new()), "a planned move");
    pair.stuck = Some((BETA, BETA));
    pair.pause(BETA, ms(3_000));
    pair.wake(BETA);
    pair.run(ms(1_100));
    assert_eq!(pair.yielding, vec![(BETA, "beta".to_owned()); 2], "the second try, too");
    pair.stuck = None;
    pair.run(ms(5_000));
    pair.yielding.clear();
    pair.event(BETA, Event::Takeover(Set::LOCAL));
    pair.run(ms(100));
    pair.partition = true;
    pair.run(ms(3_000));
    pair.partition = false;
    pair.run(ms(3_000));
    assert_eq!(pair.yielding, [(ALPHA, "beta".to_owned()), (BETA, "alpha".to_owned())]);
    pair.yielding.clear();
    pair.event(BETA, Event::Stop);
    pair.run(ms(100));
    assert_eq!((pair.holds()[ALPHA], pair.yielding.len()), (Set::ALL, 0));
}

#[test]
fn a_node_whose_guard_released_its_resources_joins_anew_and_only_once() {
    let mut pair = Pair::joined(Failback::Off);
    let generation = pair.cluster(BETA).generation();
    let at = pair.now;
    pair.event(BETA, Event::Abandoned { at });
    assert!(pair.notices[BETA].contains(&Notice::Abandoned));
    assert_eq!(pair.jobs.last(), Some(&(BETA, JobKind::Give, "beta".to_owned())));
    pair.run(ms(10_000));
    assert_eq!(pair.most_holders, 1);
    let held = pair.holds();
    assert_eq!([held[0].local, held[1].local], [!held[1].foreign, !held[0].foreign], "{held:?}");
    // What comes late is settled.
    pair.event(BETA, Event::Abandoned { at });
    assert_eq!(pair.cluster(BETA).generation(), generation + 1);
    assert_eq!(pair.holds(), held);
    assert!(pair.stable());
}

#[test]
fn after_a_partition_the_earlier_holder_keeps_and_announces_and_the_other_lets_go() {
    let mut pair = Pair::joined(Failback::Off);
    pair.event(ALPHA, Event::Standby(Set::LOCAL)); // beta holds everything
    pair.run(ms(100));
    pair.partition = true;
    pair.run(ms(3_000));
    assert_eq!(pair.holds(), [Set::ALL, Set::ALL]);
    pair.jobs.clear();
    pair.partition = false;
    pair.run(ms(500));
    assert_eq!(pair.holds(), [Set::NONE, Set::ALL], "beta held them before");
    let announced = pair.jobs.iter().filter(|(node, kind, _)| (*node, *kind) == (BETA, JobKind::Announce));
    assert_eq!(announced.count(), 4, "both groups, at once and when alpha has let go: {:?}", pair.jobs);
    assert!(!pair.jobs.iter().any(|(node, kind, _)| (*node, *kind) == (BETA, JobKind::Give)));
}

#[test]
fn a_node_that_is_not_heard_yields_to_the_one_that_took_over() {
    let mut pair = Pair::joined(Failback::Off);
    pair.mute = Some(ALPHA);
    pair.run(ms(2_000));
    assert_eq!(pair.holds(), [Set::NONE, Set::ALL]);
    pair.mute = None;
    pair.run(ms(2_000));
    assert_eq!(pair.holds(), [Set::NONE, Set::ALL]);
    assert!(pair.stable());
}

#[test]
fn groups_that_cannot_be_started_are_not_reported_as_held() {
    let mut pair = Pair::joined(Failback::Off);
    pair.broken = Some((ALPHA, BETA));
    pair.power_off(BETA);
    pair.run(ms(2_000));
    assert_eq!(pair.holds()[ALPHA], Set::LOCAL);
    assert!(pair.cluster(ALPHA).snapshot().shares[FOREIGN].failed);
    assert!(pair.notices[ALPHA].iter().any(|notice| matches!(notice, Notice::JobFailed { .. })));
}

#[test]
fn lost_messages_are_asked_for_and_sent_again() {
    let mut pair = Pair::joined(Failback::Off);
    pair.lose = 1; // the request of the stand-by
    pair.event(ALPHA, Event::Standby(Set::LOCAL));
    pair.run(ms(1_500));
    assert_eq!(pair.holds(), [Set::NONE, Set::ALL]);
    assert!(pair.sent.iter().any(|kind| kind == "NS_rexmit"), "{:?}", pair.sent);
}

#[test]
fn a_cluster_of_one_serves_at_once() {
    let settings = Settings { nodes: vec!["alpha".to_owned()], ..pair::settings(ALPHA, Failback::Off, 1) };
    let mut cluster = Cluster::new(settings, Time { mono: ms(1_000), epoch: 1 });
    let jobs = std::iter::from_fn(|| cluster.poll_action())
        .filter(|action| matches!(action, Action::Start(_)))
        .count();
    assert_eq!(jobs, 1);
    assert_eq!(cluster.wants(), Set::LOCAL);
}

#[test]
fn a_reload_changes_the_timers_and_refuses_other_nodes() {
    let mut pair = Pair::joined(Failback::Off);
    let faster = Settings { deadtime: ms(400), ..pair::settings(ALPHA, Failback::On, 1) };
    pair.event(ALPHA, Event::Reload(Box::new(faster.clone())));
    assert!(pair.notices[ALPHA].iter().all(|notice| *notice != Notice::ReloadNeedsRestart));
    let links = ["eth1", "eth0"].map(str::to_owned).to_vec();
    pair.event(ALPHA, Event::Reload(Box::new(Settings { links, ..faster.clone() })));
    let up: Vec<bool> =
        pair.cluster(ALPHA).snapshot().peer.iter().flat_map(|peer| &peer.links).map(|link| link.up).collect();
    assert_eq!(up, [false, true], "the link that stays is still up");
    let other = Settings { nodes: vec!["alpha".to_owned(), "gamma".to_owned()], ..faster };
    pair.event(ALPHA, Event::Reload(Box::new(other)));
    assert!(pair.notices[ALPHA].contains(&Notice::ReloadNeedsRestart));
    assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
}
