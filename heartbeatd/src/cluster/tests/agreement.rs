//! Two nodes whose files differ say so, once for each change; and each knows which version the other runs.

use super::super::*;
use super::pair::{Pair, ms, settings};
use super::{ALPHA, BETA};
use crate::wire::Message;

/// What one node has said of the other's files.
fn said(pair: &Pair, node: usize) -> Vec<String> {
    let about = |notice: &&Notice| {
        matches!(notice, Notice::ConfigurationDiffers { .. } | Notice::ConfigurationAgrees { .. })
    };
    let texts = pair.notices[node].iter().filter(about).map(Notice::to_string);
    texts.map(|text| text.split([':', ';']).next().unwrap_or_default().to_owned()).collect()
}

fn edit(pair: &mut Pair, node: usize, ha_cf: u32, haresources: u32) {
    let configuration = ConfigHash { ha_cf, haresources };
    let generation = pair.cluster(node).generation();
    pair.event(
        node,
        Event::Reload(Box::new(Settings { configuration, ..settings(node, Failback::On, generation) })),
    );
    pair.run(ms(1_000));
}

fn differs(pair: &Pair, node: usize) -> Vec<&'static str> {
    pair.cluster(node).snapshot().peer.map(|peer| peer.differs).unwrap_or_default()
}

#[test]
fn equal_files_are_not_worth_a_word() {
    let mut pair = Pair::joined(Failback::On);
    pair.run(ms(2_000));
    assert!(said(&pair, ALPHA).is_empty() && said(&pair, BETA).is_empty());
    assert!(differs(&pair, ALPHA).is_empty());
}

#[test]
fn a_difference_is_said_by_both_once_and_so_is_its_end() {
    let mut pair = Pair::joined(Failback::On);
    edit(&mut pair, ALPHA, 1, 2);
    assert_eq!(said(&pair, ALPHA), ["haresources differs on beta"]);
    assert_eq!(said(&pair, BETA), ["haresources differs on alpha"]);
    assert_eq!([differs(&pair, ALPHA), differs(&pair, BETA)], [["haresources"], ["haresources"]]);
    // the same difference is not news, another one is
    pair.run(ms(5_000));
    assert_eq!(said(&pair, BETA).len(), 1);
    edit(&mut pair, ALPHA, 1, 3);
    assert_eq!(said(&pair, BETA).len(), 2);
    edit(&mut pair, BETA, 7, 3);
    assert_eq!(said(&pair, ALPHA)[2..], ["ha.cf differs on beta", "haresources is the same on beta again"]);
    assert_eq!(differs(&pair, BETA), ["ha.cf"]);
    edit(&mut pair, BETA, 1, 3);
    assert_eq!(said(&pair, BETA).last().unwrap(), "ha.cf is the same on alpha again");
    assert!(differs(&pair, ALPHA).is_empty() && differs(&pair, BETA).is_empty());
    assert!(pair.stable());
}

#[test]
fn a_dead_node_has_no_difference_and_its_return_does_not_repeat_one() {
    let mut pair = Pair::joined(Failback::On);
    edit(&mut pair, ALPHA, 1, 2);
    pair.power_off(BETA);
    pair.run(ms(3_000));
    assert!(differs(&pair, ALPHA).is_empty());
    pair.start(BETA);
    pair.run(ms(3_000));
    assert_eq!(differs(&pair, ALPHA), ["haresources"]);
    assert_eq!(said(&pair, ALPHA), ["haresources differs on beta"]);
}

#[test]
fn what_is_no_hash_says_nothing() {
    for text in ["", "1", "x y", "1 2 3", "00000001  00000002", "100000000 1"] {
        let mut message = Message::new("status");
        message.push_text("td_conf", text);
        assert_eq!(ConfigHash::read(&message), None, "{text:?}");
    }
    assert_eq!(ConfigHash::read(&Message::new("status")), None);
    let (hash, mut message) = (ConfigHash { ha_cf: 0xfe, haresources: u32::MAX }, Message::new("status"));
    hash.push(&mut message);
    assert_eq!(ConfigHash::read(&message), Some(hash));
}

#[test]
fn each_knows_the_version_of_the_other() {
    let version = |pair: &Pair, node| pair.cluster(node).snapshot().peer.and_then(|peer| peer.version);
    let pair = Pair::joined(Failback::On);
    for node in [ALPHA, BETA] {
        assert_eq!(version(&pair, node).as_deref(), Some(env!("CARGO_PKG_VERSION")));
    }
}
