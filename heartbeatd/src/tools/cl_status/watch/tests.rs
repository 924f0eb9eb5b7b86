use super::*;
use crate::control::{Event, Group, Node, NodeStatus};

fn status(events: usize) -> Status {
    let event = |number| Event { text: format!("event {number}"), ..Event::default() };
    Status {
        node: "alpha".to_owned(),
        nodes: vec![Node { name: "beta".to_owned(), silent_ms: Some(10), ..Node::default() }],
        groups: vec![Group { key: "192.0.2.1".to_owned(), ..Group::default() }],
        events: (0..events).map(event).collect(),
        ..Status::default()
    }
}

#[test]
fn time_alone_is_no_change() {
    let before = status(2);
    let mut later = before.clone();
    later.uptime_ms = 5000;
    later.nodes[0].silent_ms = Some(300);
    later.groups[0].for_ms = 5000;
    later.events[0].ago_ms = 5000;
    later.counters.sent = 10;
    later.beats.p99_us = 10;
    assert_eq!(timeless(&before), timeless(&later));
    let mut changed = later.clone();
    changed.nodes[0].status = NodeStatus::Dead;
    assert_ne!(timeless(&changed), timeless(&later));
    let mut heard_first = later.clone();
    heard_first.nodes[0].silent_ms = None;
    assert_ne!(timeless(&heard_first), timeless(&later));
}

#[test]
fn the_newest_events_fit_the_terminal() {
    let page = fitting(&Ok(status(100)), Size { rows: 24, columns: 80 });
    assert!(page.lines().count() < 24, "{page}");
    assert!(page.contains("event 99\n") && !page.contains("event 1\n"), "{page}");
}

#[test]
fn without_an_answer_nothing_known_is_shown() {
    for (reason, word, running) in [
        (NoStatus::Stopped, "stopped: ", Some(false)),
        (NoStatus::TimedOut, "unknown: ", Some(true)),
        (NoStatus::Failed("Permission denied".to_owned()), "unknown: ", None),
    ] {
        assert_eq!(reason.running(), running);
        let page = page(&Err(reason), EVENTS);
        assert!(page.starts_with(word) && page.lines().count() == 1, "{page}");
    }
}
