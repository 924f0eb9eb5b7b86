//! What is said when nobody is heard.

use super::super::*;
use super::hostile::{Alpha, from_beta};
use super::pair::ms;
use crate::wire::{Message, Method};

/// What is said of the link until `time` has passed, and whether as a repetition.
fn said(alpha: &mut Alpha, time: Duration) -> Vec<(bool, String)> {
    let end = alpha.now + time;
    let mut lines = Vec::new();
    while alpha.now < end {
        let deadline = alpha.cluster.next_deadline().clamp(alpha.now, end);
        let pause = deadline - alpha.now;
        for action in alpha.after(pause.max(ms(1)), Event::Timer) {
            if let Action::Notice(notice @ Notice::NotHeard { again, .. }) = action {
                lines.push((again, notice.to_string()));
            }
        }
    }
    lines
}

fn status(hg: &str, seq: &str) -> Message {
    from_beta("status", hg, seq, &[("st", "active"), ("dt", "3e8"), ("protocol", "1")])
}

fn why(alpha: &Alpha) -> Option<String> {
    let view = alpha.cluster.snapshot().peer?;
    view.links.first()?.instead.as_ref().map(ToString::to_string)
}

#[test]
fn a_node_that_was_never_heard_is_explained_at_initdead_and_then_once_a_minute() {
    let mut alpha = Alpha::new(7);
    assert!(why(&alpha).unwrap().starts_with("nothing arrives"), "the status knows it before");
    let lines = said(&mut alpha, ms(130_000)); // initdead is 2 s
    assert_eq!(lines.iter().map(|(again, _)| *again).collect::<Vec<_>>(), [false, true, true]);
    for (_, line) in lines {
        assert!(
            line.starts_with("node beta is not heard on eth0: nothing arrives (it does not run"),
            "{line}"
        );
    }
}

#[test]
fn each_reason_has_its_words_and_is_counted() {
    let mut alpha = Alpha::new(7);
    let mut stranger = Message::new("status");
    stranger.push_text("src", "gamma").push_text("hg", "1");
    let mut namesake = Message::new("status");
    namesake.push_text("src", "alpha").push_binary("srcuuid", [9; 16]);
    alpha.receive(stranger.clone());
    alpha.receive(stranger);
    alpha.receive(namesake);
    for refusal in [
        Refusal::WrongKey { number: 3, method: None },
        Refusal::WrongKey { number: 1, method: Some(Method::Sha1) },
        Refusal::Unsigned,
        Refusal::Garbage("not heartbeat"),
    ] {
        alpha.cluster.refused(0, refusal);
        alpha.cluster.refused(17, refusal); // no such link
    }
    let expected = "2 packets with a wrong key: key 1 (sha1) differs between the authkeys of the nodes; \
        1 packet without a valid signature; \
        2 packets of node [gamma], which is not in ha.cf (another cluster on this port?); \
        1 packet of another node with this node's name (uname -n, nodeinfo); \
        1 packet of garbage (not heartbeat)";
    assert_eq!(why(&alpha).unwrap(), expected);
    let lines = said(&mut alpha, ms(10_000));
    assert_eq!(lines, [(false, format!("node beta is not heard on eth0: {expected}"))]);
    assert_eq!(why(&alpha).unwrap(), expected, "the status still shows what was said");
    said(&mut alpha, ms(120_000));
    assert!(why(&alpha).unwrap().starts_with("nothing arrives"), "what came minutes ago does not count");
}

#[test]
fn replays_are_the_reason_and_a_heard_node_has_none() {
    let mut alpha = Alpha::new(7);
    alpha.receive(status("6", "1"));
    assert_eq!(why(&alpha), None);
    alpha.cluster.refused(0, Refusal::Unsigned);
    alpha.receive(status("6", "2"));
    let lines = said(&mut alpha, ms(3_000));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].1.contains("nothing arrives"), "what came before it was heard is forgotten: {lines:?}");
    alpha.receive(status("6", "2")); // repeated
    alpha.receive(status("5", "9")); // of an earlier life
    let links = alpha.cluster.snapshot().peer.map(|peer| peer.links).unwrap_or_default();
    assert!(!links[0].up, "recordings make no link work");
    assert!(why(&alpha).unwrap().starts_with("2 packets of its past (replayed"), "{:?}", why(&alpha));
    assert_eq!(said(&mut alpha, ms(61_000)).len(), 1);
    alpha.receive(status("6", "3"));
    assert_eq!(why(&alpha), None);
    assert_eq!(said(&mut alpha, ms(500)), []);
}

#[test]
fn a_node_that_has_said_that_it_goes_is_not_missed() {
    let mut alpha = Alpha::new(7);
    alpha.receive(status("6", "1"));
    alpha.receive(from_beta("shutdone", "6", "2", &[("st", "dead")]));
    assert_eq!(said(&mut alpha, ms(200_000)), []);
    assert_eq!(alpha.cluster.snapshot().peer.map(|peer| peer.state), Some(NodeState::Dead));
    alpha.cluster.refused(0, Refusal::WrongKey { number: 1, method: Some(Method::Md5) });
    let lines = said(&mut alpha, ms(61_000));
    assert_eq!(lines.len(), 1, "but a wrong key is worth a line when it returns: {lines:?}");
}
