//! Directives of ha.cf that only a running daemon shows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test says what went wrong by failing

mod node;

use node::{Node, port};
use std::io::Write;

#[test]
fn large_messages_travel_compressed_and_log_lines_have_the_old_form() {
    let (alpha, beta, port) = (Node::named("options", "alpha"), Node::named("options", "beta"), port());
    let script =
        format!("#!/bin/sh\necho \"${{#HA_x0}} ${{#HA_x49}} $(ulimit -Sc)\" >>{}\n", beta.path("out/large"));
    for (node, algorithm) in [(&alpha, "bz2"), (&beta, "zlib")] {
        let lines = format!(
            "traditional_compression on\ncompression {algorithm}\ncompression_threshold 0\nsyslogmsgfmt off\ncoredumps off\n"
        );
        node.configure("alpha beta", port, &lines);
        node.succeeds(&[]);
    }
    std::fs::create_dir_all(beta.path("etc/rc.d")).unwrap();
    beta.write("etc/rc.d/large", 0o755, &script);
    for (node, other) in [(&alpha, "beta"), (&beta, "alpha")] {
        let known = format!("Status update for node {other}: status active");
        node.until("joined", || node.logs(&known) == 1);
    }
    // more than a datagram holds
    let fields: String = (0..50).map(|number| format!("x{number}={}\n", "y".repeat(4_000))).collect();
    let mut fifo = std::fs::OpenOptions::new().write(true).open(alpha.path("state/fifo")).unwrap();
    fifo.write_all(format!(">>>\nt=large\n{fields}<<<\n").as_bytes()).unwrap();
    beta.until("told", || beta.read("out/large") == "4000 4000 0\n");
    assert!(!alpha.read("log").contains("packets do not leave"), "{}", alpha.read("log"));

    // heartbeat[123]: 2026/01/31_12:00:00 info: …
    let log = alpha.read("log");
    let line = log.lines().find(|line| line.contains("Status update for node beta: status active")).unwrap();
    let (program, rest) = line.split_once("]: ").unwrap();
    assert!(program.strip_prefix("heartbeat[").unwrap().parse::<u32>().is_ok(), "{line}");
    let (time, text) = rest.split_once(' ').unwrap();
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!((shape.as_str(), text.split(' ').next()), ("9999/99/99_99:99:99", Some("info:")), "{line}");
}
