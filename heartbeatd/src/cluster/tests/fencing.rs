//! With a stonith device nothing of a silent node is taken before the device says that it is cut off.

use super::super::*;
use super::old_peer::Old;
use super::pair::{Pair, ms, settings};
use super::{ALPHA, BETA};

fn answer(node: &str, done: bool) -> Event {
    Event::Fenced { node: node.to_owned(), done }
}

#[test]
fn a_dead_node_is_fenced_before_its_groups_are_taken() {
    let mut pair = Pair::joined_with_fencing(Failback::Off);
    pair.power_off(BETA);
    pair.run(ms(3_000));
    assert_eq!(pair.fences, [(ALPHA, "beta".to_owned())]);
    assert_eq!(pair.holds()[ALPHA], Set::LOCAL);
    assert!(!pair.stable());
    assert_eq!(pair.cluster(ALPHA).snapshot().fencing, Some(0));
    pair.event(ALPHA, answer("gamma", true));
    pair.run(ms(1_000));
    assert_eq!(pair.holds()[ALPHA], Set::LOCAL, "that was another node");
    pair.event(ALPHA, answer("beta", true));
    pair.run(ms(10));
    assert_eq!(pair.holds()[ALPHA], Set::ALL);
    assert!(pair.stable());
    assert_eq!(pair.cluster(ALPHA).snapshot().fencing, None);
}

#[test]
fn a_device_that_fails_is_asked_again_after_five_seconds_and_the_groups_wait() {
    let mut pair = Pair::joined_with_fencing(Failback::Off);
    pair.power_off(BETA);
    pair.run(ms(2_000));
    for failures in 1..4 {
        assert_eq!(pair.fences.len(), failures);
        pair.event(ALPHA, answer("beta", false));
        pair.event(ALPHA, answer("beta", true)); // nobody has asked
        assert_eq!(pair.cluster(ALPHA).snapshot().fencing, Some(failures as u32));
        pair.run(ms(4_990));
        assert_eq!(pair.fences.len(), failures);
        pair.run(ms(20));
        assert_eq!(pair.holds()[ALPHA], Set::LOCAL);
    }
    assert!(pair.notices[ALPHA].contains(&Notice::FencingFailed { node: "beta".to_owned(), failures: 3 }));
    pair.event(ALPHA, answer("beta", true));
    pair.run(ms(10));
    assert_eq!(pair.holds()[ALPHA], Set::ALL);
}

#[test]
fn when_only_the_links_fail_one_node_is_fenced_and_the_other_one_goes_on() {
    let mut pair = Pair::joined_with_fencing(Failback::Off);
    pair.partition = true;
    pair.run(ms(4_000));
    assert_eq!(pair.fences, [(ALPHA, "beta".to_owned())], "of two holders the first by name begins");
    pair.power_off(BETA);
    pair.event(ALPHA, answer("beta", true));
    pair.run(ms(10_000));
    assert_eq!((pair.fences.len(), pair.holds()[ALPHA]), (1, Set::ALL));
}

#[test]
fn the_holder_of_everything_fences_before_the_idle_node_does() {
    for idle in [ALPHA, BETA] {
        let (holder, name) = (1 - idle, ["alpha", "beta"][idle]);
        let mut pair = Pair::joined_with_fencing(Failback::Off);
        pair.event(idle, Event::Standby(Set::ALL));
        pair.run(ms(100));
        assert_eq!(pair.holds()[holder], Set::ALL);
        pair.partition = true;
        pair.run(ms(4_000));
        assert_eq!(pair.fences, [(holder, name.to_owned())]);
        pair.run(ms(1_000));
        assert_eq!(pair.fences.len(), 2, "a holder whose device does not work is fenced in its turn");
    }
}

#[test]
fn a_node_that_is_heard_again_is_not_fenced_any_more_and_keeps_its_groups() {
    let mut pair = Pair::joined_with_fencing(Failback::Off);
    pair.partition = true;
    pair.run(ms(2_000));
    assert_eq!(pair.fences.len(), 1);
    assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
    pair.partition = false;
    pair.run(ms(1_000));
    pair.event(ALPHA, answer("beta", true)); // too late to matter
    pair.run(ms(6_000));
    assert_eq!(pair.fences.len(), 1, "nor does beta ask in its turn");
    assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
    assert_eq!(pair.most_holders, 1);
    assert!(pair.stable());
    let ends = Notice::FencingEnds { node: "beta".to_owned(), why: "it is heard again" };
    assert!(pair.notices[ALPHA].contains(&ends));
}

#[test]
fn a_node_that_starts_alone_fences_the_one_that_it_never_heard() {
    let mut pair = Pair::new(Failback::Off);
    pair.fencing = true;
    pair.start(ALPHA);
    pair.run(ms(4_000));
    assert!(pair.fences.is_empty(), "should it run, it goes first");
    pair.run(ms(3_000));
    assert_eq!(pair.fences, [(ALPHA, "beta".to_owned())]);
    assert_eq!(pair.holds()[ALPHA], Set::NONE, "its own groups may run there, too");
    pair.event(ALPHA, answer("beta", true));
    pair.run(ms(10));
    assert_eq!(pair.holds()[ALPHA], Set::ALL);
    assert!(pair.stable());
}

/// The report that it got before is no longer one, and time does not stand still.
#[test]
fn a_node_that_starts_and_loses_the_other_one_asks_anew_when_it_is_heard_again() {
    for failback in [Failback::Off, Failback::Legacy] {
        let mut old = Old::with(Settings { fencing: true, ..settings(ALPHA, failback, 7) });
        old.status("active");
        old.message("repnodes", &[("dest", "alpha"), ("nodelist", "alpha beta "), ("delnodelist", " ")]);
        if failback == Failback::Off {
            old.report("foreign", "0", &[]);
        }
        old.pass(ms(40_000));
        assert_eq!((old.fences, old.alpha.wants()), (1, Set::NONE), "{failback:?}");
        old.sent.clear();
        old.status("active");
        let asks = if failback == Failback::Off { "starting" } else { "ip-request" };
        assert!(old.was_sent(asks, &[]), "{failback:?}");
        assert_eq!(old.alpha.wants(), Set::NONE, "it has not answered yet");
        old.pass(ms(4_500));
        assert_eq!(old.fences, 2, "{failback:?}");
    }
}

#[test]
fn a_node_that_has_stopped_in_order_is_not_fenced() {
    let mut pair = Pair::joined_with_fencing(Failback::Off);
    pair.event(BETA, Event::Stop);
    pair.run(ms(6_000));
    assert!(pair.left(BETA) && pair.fences.is_empty());
    assert_eq!(pair.holds()[ALPHA], Set::ALL);
}

#[test]
fn a_stop_and_a_sleep_end_it_and_so_does_removing_the_device() {
    let waiting = || {
        let mut pair = Pair::joined_with_fencing(Failback::Off);
        pair.power_off(BETA);
        pair.run(ms(2_000));
        assert_eq!(pair.fences.len(), 1);
        pair
    };
    let mut pair = waiting();
    pair.event(ALPHA, Event::Stop);
    pair.run(ms(3_000));
    assert!(pair.left(ALPHA));

    let mut pair = waiting();
    pair.pause(ALPHA, ms(3_000));
    pair.wake(ALPHA);
    assert_eq!(pair.cluster(ALPHA).snapshot().fencing, None);
    pair.event(ALPHA, answer("beta", true));
    pair.run(ms(5_000));
    assert_eq!((pair.fences.len(), pair.holds()[ALPHA]), (2, Set::NONE), "it begins anew");
    pair.event(ALPHA, answer("beta", true));
    pair.run(ms(10));
    assert_eq!(pair.holds()[ALPHA], Set::ALL);

    let mut pair = waiting();
    let without = settings(ALPHA, Failback::Off, 1);
    pair.event(ALPHA, Event::Reload(Box::new(Settings { fencing: true, ..without.clone() })));
    pair.run(ms(10));
    assert_eq!(pair.holds()[ALPHA], Set::LOCAL);
    pair.event(ALPHA, Event::Reload(Box::new(without)));
    pair.run(ms(10));
    assert_eq!(pair.holds()[ALPHA], Set::ALL);
}

#[test]
fn what_came_of_it_is_told_in_the_words_of_heartbeat() {
    let mut old = Old::with(Settings { fencing: true, ..settings(ALPHA, Failback::Off, 7) });
    old.pass(ms(5_500));
    assert_eq!((old.fences, old.alpha.wants()), (1, Set::NONE));
    old.event(answer("beta", false));
    assert!(old.was_sent("stonith", &[("node", "beta"), ("result", "bad")]));
    old.pass(ms(5_000));
    old.event(answer("beta", true));
    assert!(old.was_sent("stonith", &[("node", "beta"), ("result", "OK")]));
    assert_eq!(old.alpha.wants(), Set::ALL);
    old.join("none");
    old.sent.clear();
    old.pass(ms(4_500));
    assert!(old.was_sent("stonith", &[("node", "beta"), ("result", "unneeded")]), "it held nothing");
    assert_eq!(old.fences, 2);
}

#[test]
fn of_a_legacy_node_nothing_is_known_so_it_is_fenced_unless_it_stopped() {
    let legacy = || Old::with(Settings { fencing: true, ..settings(ALPHA, Failback::Legacy, 7) });
    let mut old = legacy();
    old.join_as_legacy();
    old.pass(ms(4_500));
    assert_eq!(old.fences, 1);
    let mut old = legacy();
    old.join_as_legacy();
    old.message("shutdone", &[("st", "dead")]);
    old.pass(ms(4_500));
    assert_eq!((old.fences, old.alpha.wants()), (0, Set::ALL));
}
