//! Two of ours that count ping nodes.

use super::old_peer::{Old, beats};
use super::*;

/// Both reach two ping nodes.
fn pair(failback: Failback) -> Pair {
    let mut pair = Pair::new(failback);
    pair.ipfail = true;
    pair.start(ALPHA);
    pair.start(BETA);
    count(&mut pair, ALPHA, 2);
    count(&mut pair, BETA, 2);
    pair.run(ms(6_000));
    assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
    assert_eq!(pair.sent.iter().filter(|kind| *kind == "hbapi-clstat").count(), 2);
    pair.most_holders = 0;
    pair.sent.clear();
    pair
}

fn count(pair: &mut Pair, node: usize, count: usize) {
    pair.event(node, Event::Pings(Some(count)));
}

#[test]
fn the_node_that_reaches_fewer_gives_all_and_gets_its_own_back() {
    for (failback, after) in
        [(Failback::On, [Set::LOCAL, Set::LOCAL]), (Failback::Off, [Set::NONE, Set::ALL])]
    {
        let mut pair = pair(failback);
        count(&mut pair, ALPHA, 1);
        pair.run(ms(1_000));
        assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL], "not at once");
        pair.run(ms(2_000));
        assert_eq!(pair.holds(), [Set::NONE, Set::ALL]);
        pair.run(ms(10_000));
        assert_eq!(pair.holds(), [Set::NONE, Set::ALL], "it stays so");
        count(&mut pair, ALPHA, 2);
        pair.run(ms(3_000));
        assert_eq!(pair.holds(), after);
        assert_eq!(pair.most_holders, 1);
    }
}

#[test]
fn a_host_that_both_lose_and_find_again_moves_nothing() {
    for (first, apart) in [(ALPHA, 500), (BETA, 500), (BETA, 200), (ALPHA, 1_400)] {
        let mut pair = pair(Failback::On);
        for reached in [1, 2] {
            count(&mut pair, first, reached);
            pair.run(ms(apart));
            count(&mut pair, 1 - first, reached);
            pair.run(ms(10_000));
            assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
        }
        assert!(!pair.sent.iter().any(|kind| kind == "ask_resources"), "{:?}", pair.sent);
    }
}

#[test]
fn a_node_that_does_not_know_its_count_yet_is_not_told_to_give_up() {
    let mut pair = Pair::new(Failback::On);
    pair.ipfail = true;
    pair.start(ALPHA);
    pair.start(BETA);
    count(&mut pair, ALPHA, 2);
    pair.run(ms(8_000));
    assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
    count(&mut pair, BETA, 0);
    pair.run(ms(5_000));
    assert_eq!(pair.holds(), [Set::ALL, Set::NONE]);
}

#[test]
fn the_last_node_keeps_all_whatever_it_reaches() {
    let mut pair = pair(Failback::On);
    pair.power_off(BETA);
    pair.run(ms(3_000));
    count(&mut pair, ALPHA, 0);
    pair.run(ms(10_000));
    assert_eq!(pair.holds()[ALPHA], Set::ALL);
    // the other returns and reaches more
    pair.start(BETA);
    count(&mut pair, BETA, 2);
    pair.run(ms(10_000));
    assert_eq!(pair.holds(), [Set::NONE, Set::ALL]);
}

#[test]
fn a_node_that_returns_and_reaches_fewer_gets_its_groups_when_it_reaches_as_many() {
    let mut pair = pair(Failback::On);
    pair.power_off(ALPHA);
    pair.run(ms(3_000));
    assert_eq!(pair.holds()[BETA], Set::ALL);
    pair.jobs.clear();
    pair.start(ALPHA);
    pair.run(ms(10_000));
    assert_eq!(pair.holds(), [Set::NONE, Set::ALL], "it does not know yet what it reaches");
    count(&mut pair, ALPHA, 1);
    pair.run(ms(60_000));
    assert_eq!(pair.holds(), [Set::NONE, Set::ALL]);
    assert_eq!(pair.notices[BETA].iter().filter(|notice| **notice == Notice::FailbackWaits).count(), 1);
    let moved = pair.jobs.iter().any(|(_, kind, _)| matches!(kind, JobKind::Take | JobKind::Give));
    assert!(!moved, "{:?}", pair.jobs);
    count(&mut pair, ALPHA, 2);
    pair.run(ms(3_000));
    assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
    assert_eq!(pair.most_holders, 1);
}

#[test]
fn an_administrator_moves_groups_whatever_is_reached() {
    let mut pair = pair(Failback::On);
    count(&mut pair, ALPHA, 1);
    pair.run(ms(5_000));
    assert_eq!(pair.holds(), [Set::NONE, Set::ALL]);
    pair.event(BETA, Event::Standby(Set::FOREIGN));
    pair.run(ms(10_000));
    assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
}

#[test]
fn without_ipfail_on_the_other_node_it_gets_its_groups_back() {
    let mut pair = pair(Failback::On);
    pair.power_off(ALPHA);
    pair.run(ms(3_000));
    pair.ipfail = false;
    pair.start(ALPHA);
    pair.run(ms(10_000));
    assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
    assert_eq!(pair.cluster(BETA).snapshot().ipfail, [true, false]);
}

/// An old node that holds all, and is heard by this one, which counts.
fn returned_beside_an_old_node() -> Old {
    let mut old = Old::counting(Failback::On);
    old.status("init");
    old.status("active");
    old.message("repnodes", &[("dest", "alpha"), ("nodelist", "alpha beta "), ("delnodelist", " ")]);
    assert!(old.was_sent("hbapi-clstat", &[("st", "join"), ("from_id", "ipfail")]));
    assert!(old.was_sent("query-cstatus", &[("cn", "ipfail"), ("from_id", "ipfail"), ("dest", "beta")]));
    old.ipfail("respond-cstatus", &[("result", "OK"), ("cn", "ipfail"), ("cs", "online")]);
    old.ipfail("num_ping_nodes", &[("num_ping", "2")]);
    old.report("all", "1", &[]);
    assert_eq!(old.alpha.wants(), Set::NONE);
    assert_eq!(old.alpha.snapshot().ipfail, [true, true]);
    old
}

#[test]
fn what_an_old_node_offers_is_taken_when_this_node_reaches_as_many() {
    let mut old = returned_beside_an_old_node();
    old.ask("foreign", "me");
    beats(&mut old, 1);
    assert!(!old.was_sent("ask_resources", &[]), "{:?}", old.sent);
    old.event(Event::Pings(Some(2)));
    assert!(old.was_sent("num_ping_nodes", &[("num_ping", "2")]));
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "foreign"), ("info", "other")]));
}

#[test]
fn what_an_old_node_offers_is_not_taken_by_a_node_that_reaches_fewer() {
    let mut old = returned_beside_an_old_node();
    old.event(Event::Pings(Some(1)));
    old.ask("foreign", "me");
    old.ipfail("you_are_dead", &[]);
    beats(&mut old, 12);
    assert!(!old.was_sent("ask_resources", &[]), "{:?}", old.sent);
    // when it reaches as many, the old client offers them itself
    old.event(Event::Pings(Some(2)));
    beats(&mut old, 1);
    assert!(old.was_sent("num_ping_nodes", &[("num_ping", "2")]));
    old.ipfail("abort_giveup", &[]);
    old.ask("foreign", "me");
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "foreign"), ("info", "other")]));
}

#[test]
fn an_administrator_gets_what_an_old_node_offers() {
    let mut old = returned_beside_an_old_node();
    old.event(Event::Pings(Some(1)));
    old.event(Event::Takeover(Set::LOCAL));
    old.ask("foreign", "me");
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "foreign"), ("info", "other")]));
}

#[test]
fn an_old_node_that_returns_is_given_its_groups_when_its_client_reaches_as_many() {
    for reached in [None, Some("1"), Some("2")] {
        let mut old = Old::counting(Failback::On);
        old.pass(ms(2_100));
        old.event(Event::Pings(Some(2)));
        old.join("none");
        old.ipfail("respond-cstatus", &[("result", "OK"), ("cn", "ipfail"), ("cs", "offline")]);
        beats(&mut old, 1);
        assert!(!old.was_sent("ask_resources", &[]), "{:?}", old.sent);
        let join = [("st", "join"), ("from_id", "ipfail"), ("to_id", "ipfail")];
        match reached {
            Some(count) => {
                old.message("hbapi-clstat", &join);
                old.ipfail("num_ping_nodes", &[("num_ping", count)]);
                beats(&mut old, 1);
                assert!(old.was_sent("num_ping_nodes", &[("num_ping", "2")]));
            }
            None => beats(&mut old, 10), // it never starts one
        }
        assert_eq!(old.was_sent("ask_resources", &[("info", "me")]), reached != Some("1"), "{reached:?}");
    }
}

#[test]
fn another_node_may_ask_which_clients_are_here() {
    let mut old = returned_beside_an_old_node();
    for (client, state) in [("ipfail", "online"), ("ccm", "offline")] {
        old.message("query-cstatus", &[("dest", "alpha"), ("cn", client), ("from_id", "cl_status")]);
        let answer =
            [("dest", "beta"), ("result", "OK"), ("cn", client), ("to_id", "cl_status"), ("cs", state)];
        assert!(old.was_sent("respond-cstatus", &answer), "{:?}", old.sent);
    }
    old.message("hbapi-clstat", &[("st", "leave"), ("from_id", "ipfail"), ("to_id", "ipfail")]);
    assert_eq!(old.alpha.snapshot().ipfail, [true, false]);
}
