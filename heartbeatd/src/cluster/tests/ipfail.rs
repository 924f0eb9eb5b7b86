//! Two of ours that count ping nodes.

use super::*;

/// Both reach two ping nodes.
fn pair(failback: Failback) -> Pair {
    let mut pair = Pair::joined(failback);
    count(&mut pair, ALPHA, 2);
    count(&mut pair, BETA, 2);
    pair.run(ms(3_000));
    assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
    assert_eq!(pair.sent.iter().filter(|kind| *kind == "hbapi-clstat").count(), 2);
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
    let mut pair = Pair::joined(Failback::On);
    count(&mut pair, ALPHA, 2);
    pair.run(ms(5_000));
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
