//! What scripts of `rc.d` are run for.

use super::super::*;
use super::pair::{Pair, ms, settings};
use super::{ALPHA, BETA};
use crate::wire::Message;

/// Type, status, and of whom or of what, of everything that alpha's scripts were run for since the last question.
fn told(pair: &mut Pair) -> Vec<String> {
    let said = std::mem::take(&mut pair.scripts[ALPHA]);
    let words = |message: &Message| {
        let fields = ["t", "st", "src", "node", "ifname", "result"];
        fields.iter().filter_map(|field| message.text(field)).collect::<Vec<_>>().join(" ")
    };
    said.iter().map(words).collect()
}

#[test]
fn scripts_hear_of_every_status_and_link_of_the_other_node_once() {
    let mut pair = Pair::new(Failback::Off);
    pair.start(ALPHA);
    pair.run(ms(2_100));
    assert_eq!(told(&mut pair), ["stonith alpha beta n_stnth", "status dead beta"]);
    pair.start(BETA);
    pair.run(ms(1_000));
    let link = "ifstat up beta eth0";
    assert_eq!(told(&mut pair), [link, "status init beta", "status up beta", "status active beta"]);
    pair.run(ms(5_000));
    assert!(told(&mut pair).is_empty());
    pair.power_off(BETA);
    pair.run(ms(3_000));
    assert_eq!(told(&mut pair), ["stonith alpha beta unneeded", "ifstat dead beta eth0", "status dead beta"]);
}

#[test]
fn a_take_over_is_asked_for_before_the_scripts() {
    let time = |mono| Time { mono: ms(mono), epoch: 1 };
    let mut cluster = Cluster::new(settings(ALPHA, Failback::Off, 1), time(0));
    while cluster.poll_action().is_some() {}
    for beat in (0..=2_000).step_by(100) {
        cluster.handle(Event::Timer, time(beat));
    }
    let actions: Vec<Action> = std::iter::from_fn(|| cluster.poll_action()).collect();
    let start = actions.iter().position(|action| matches!(action, Action::Start(_)));
    let script = actions.iter().position(|action| matches!(action, Action::Script(_)));
    assert!(start.is_some() && start < script, "{actions:?}");
}

#[test]
fn a_message_of_the_administrators_own_reaches_the_scripts_of_both_nodes() {
    let mut pair = Pair::joined(Failback::Off);
    pair.scripts = [Vec::new(), Vec::new()];
    let mut message = Message::new("backup-done");
    message.push_text("volume", "data");
    pair.event(ALPHA, Event::Broadcast(message));
    pair.event(ALPHA, Event::Broadcast(Message::new("resource")));
    pair.run(ms(100));
    for node in [ALPHA, BETA] {
        let [message] = pair.scripts[node].as_slice() else { panic!("{:?}", pair.scripts[node]) };
        assert_eq!((message.kind(), message.text("volume")), ("backup-done", Some("data")));
        assert_eq!(message.text("src"), Some("alpha"));
    }
}
