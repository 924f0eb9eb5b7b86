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
fn a_frame_fits_its_terminal() {
    for (rows, columns) in [(24, 80), (40, 20), (5, 10), (1, 1), (60, 200)] {
        let frame = frame(&Ok(status(100)), rows, columns);
        let text = frame.replace("\x1b[H", "").replace("\x1b[K", "").replace("\x1b[J", "");
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert!(lines.len() <= rows, "{rows}x{columns}: {lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= columns), "{lines:?}");
    }
    let frame = frame(&Ok(status(100)), 24, 80);
    assert!(frame.contains("event 99\x1b[K") && !frame.contains("event 1\x1b[K"), "{frame}");
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
