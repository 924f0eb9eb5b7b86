//! Recordings of a node's earlier lives, after this node has restarted and remembers only one number.

use super::super::*;
use super::hostile::{Alpha, from_beta};
use super::pair::{Pair, ms, settings};
use super::{ALPHA, BETA};
use crate::wire::Message;

fn status(generation: u64, seq: &str) -> Message {
    from_beta(
        "status",
        &format!("{generation:x}"),
        seq,
        &[("st", "active"), ("dt", "3e8"), ("protocol", "1")],
    )
}

/// A node that has heard beta's generation 100 in an earlier run.
fn restarted() -> Alpha {
    let now = ms(1_000);
    let settings = Settings { peer_generation: 100, ..settings(ALPHA, Failback::Off, 7) };
    Alpha { cluster: Cluster::new(settings, Time { mono: now, epoch: 1 }), now }
}

fn saved(actions: &[Action]) -> Vec<u64> {
    let saved = actions.iter().filter_map(|action| match action {
        Action::SavePeerGeneration { node, generation } if node == "beta" => Some(*generation),
        _ => None,
    });
    saved.collect()
}

fn peer(alpha: &Alpha) -> (NodeState, bool) {
    let peer = alpha.cluster.snapshot().peer.unwrap();
    (peer.state, peer.links[0].up)
}

#[test]
fn a_higher_generation_is_kept_once_and_a_message_that_begins_no_life_keeps_none() {
    let mut alpha = Alpha::new(7);
    assert_eq!(saved(&alpha.receive(from_beta("resource", "9", "1", &[("rsc_hold", "none")]))), [0_u64; 0]);
    assert_eq!(saved(&alpha.receive(status(9, "2"))), [9]);
    assert_eq!(saved(&alpha.receive(status(9, "3"))), [0_u64; 0]);
    assert_eq!(saved(&alpha.receive(status(8, "4"))), [0_u64; 0]);
    assert_eq!(saved(&alpha.receive(status(12, "1"))), [12]);
}

#[test]
fn recordings_of_earlier_lives_are_refused_after_a_restart() {
    let mut alpha = restarted();
    let mut said = Vec::new();
    for seq in 1..50u64 {
        for message in [
            status(99, &format!("{seq:x}")),
            from_beta(
                "resource",
                "63",
                &format!("{:x}", seq + 50),
                &[("rsc_hold", "all"), ("isstable", "1")],
            ),
            from_beta("NS_ackmsg", "63", "0", &[("ackseq", "1")]),
        ] {
            let actions = alpha.receive(message);
            assert_eq!(saved(&actions), [0_u64; 0]);
            said.extend(actions.into_iter().filter_map(|action| match action {
                Action::Notice(notice @ Notice::Replay { .. }) => {
                    Some((notice.severity(), notice.to_string()))
                }
                _ => None,
            }));
        }
    }
    assert_eq!(peer(&alpha), (NodeState::Init, false));
    let [(Severity::Error, text)] = &said[..] else { panic!("said once: {said:?}") };
    for part in [
        "generation 99 after 100",
        "attempted replay attack",
        "write 100 into hb_generation",
        "remove hb_peer_generation",
        "--state-dir",
    ] {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    alpha.pass(ms(3_000));
    assert_eq!(alpha.cluster.wants(), Set::ALL, "it is alone");
    alpha.receive(status(101, "1"));
    assert_eq!(peer(&alpha), (NodeState::Active, true), "its next life is heard");
}

#[test]
fn the_life_that_was_known_goes_on_after_a_restart() {
    let mut alpha = restarted();
    assert_eq!(saved(&alpha.receive(status(100, "500"))), [0_u64; 0], "nothing new to keep");
    assert_eq!(peer(&alpha), (NodeState::Active, true));
}

#[test]
fn the_last_generation_of_all_is_heard_and_ends_nothing() {
    let mut alpha = restarted();
    assert_eq!(saved(&alpha.receive(status(u64::MAX, "1"))), [u64::MAX]);
    alpha.receive(status(u64::MAX, "2"));
    assert_eq!(peer(&alpha), (NodeState::Active, true));
}

#[test]
fn a_pair_that_restarts_and_oversleeps_joins_again_with_what_it_keeps() {
    let mut pair = Pair::joined(Failback::On);
    for node in [ALPHA, BETA, ALPHA] {
        pair.power_off(node);
        pair.run(ms(2_000));
        pair.start(node);
        pair.run(ms(5_000));
        assert_eq!(pair.holds(), [Set::LOCAL, Set::LOCAL]);
    }
}
