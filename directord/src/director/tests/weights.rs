//! Weights that move while a server is up.

use super::*;
use std::time::Instant;

const SLOW: &str = "slowstart=10s\nquiescent=yes\nvirtual=192.0.2.1:80\n\treal=192.0.2.10:80 gate 100\n\treal=192.0.2.11:80 gate 100\n";

/// Both up, and a clock.
fn slow() -> (Bench, Instant) {
    let mut bench = Bench::new(SLOW);
    bench.check(10, true);
    bench.check(11, true);
    let now = Instant::now();
    assert_eq!(bench.director.advance(now), None);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 100), (11, 100)], "nobody was down");
    (bench, now)
}

#[test]
fn a_server_that_was_down_gets_its_weight_step_by_step() {
    let (mut bench, now) = slow();
    bench.check(10, false);
    bench.pass();
    bench.check(10, true);
    let mut due = bench.director.advance(now);
    let mut lines = bench.pass();
    assert_eq!(lines, ["Restored real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 10)"]);
    let mut weights = vec![bench.weights()[0].1];
    while let Some(at) = due {
        due = bench.director.advance(at);
        lines = bench.pass();
        weights.push(bench.weights()[0].1);
    }
    assert_eq!(weights, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    assert_eq!(lines, ["Changed real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 100)"]);
    assert_eq!(bench.weights()[1].1, 100);
    assert!(bench.pass().is_empty());
}

#[test]
fn a_server_that_dies_meanwhile_begins_anew() {
    let (mut bench, now) = slow();
    bench.check(10, false);
    bench.check(10, true);
    bench.director.advance(now);
    bench.director.advance(now + Duration::from_secs(5));
    bench.pass();
    assert_eq!(bench.weights()[0], (10, 60));
    bench.check(10, false);
    assert_eq!(bench.director.advance(now + Duration::from_secs(6)), None);
    bench.pass();
    assert_eq!(bench.weights()[0], (10, 0));
    bench.check(10, true);
    bench.director.advance(now + Duration::from_secs(60));
    bench.pass();
    assert_eq!(bench.weights()[0], (10, 10));
}

#[test]
fn a_reload_goes_on_with_a_slow_start() {
    let (mut bench, now) = slow();
    bench.check(10, false);
    bench.check(10, true);
    bench.director.advance(now);
    bench.pass();
    bench.director.reload(plan(SLOW), &bench.table, super::now());
    bench.director.advance(now + Duration::from_secs(5));
    bench.pass();
    assert_eq!(bench.weights(), [(10, 60), (11, 100)]);
    bench.director.reload(plan(&SLOW.replace("slowstart=10s\n", "")), &bench.table, super::now());
    assert_eq!(bench.director.advance(now + Duration::from_secs(6)), None, "nobody wants it any more");
    bench.pass();
    assert_eq!(bench.weights(), [(10, 100), (11, 100)]);
}

const SAID: &str = "weightfromcheck=yes\nquiescent=yes\nvirtual=192.0.2.1:80\n\tchecktype=external\n\tcheckcommand=/bin/true\n\
    \treal=192.0.2.10:80 gate 5\n\treal=192.0.2.11:80 gate 5\n";

fn say(bench: &mut Bench, number: usize, outcome: Outcome) -> (Vec<Line>, bool) {
    let probe = Arc::clone(&bench.director.probes()[number]);
    bench.observe(&probe, &Checked { outcome, took: Duration::ZERO, http_status: None })
}

#[test]
fn the_check_says_the_weight() {
    let mut bench = Bench::new(SAID);
    say(&mut bench, 0, Outcome::PassedWith(30));
    say(&mut bench, 1, Outcome::Passed);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 30), (11, 5)]);
    assert!(!say(&mut bench, 0, Outcome::PassedWith(30)).1, "nothing new");
    assert!(say(&mut bench, 0, Outcome::PassedWith(0)).1);
    assert_eq!(bench.pass(), ["Changed real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 0)"]);
    assert!(bench.status()[0].servers[0].state == State::Up, "it is up, and drained");
    say(&mut bench, 0, Outcome::Exited(1));
    bench.pass();
    say(&mut bench, 0, Outcome::PassedWith(7));
    assert_eq!(bench.pass(), ["Restored real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 7)"]);
}

#[test]
fn a_check_that_says_no_weight_leaves_it_and_is_told_of_once() {
    let mut bench = Bench::new(SAID);
    say(&mut bench, 0, Outcome::PassedWith(30));
    bench.pass();
    let lines = say(&mut bench, 0, Outcome::NoWeight("oops".into())).0;
    assert!(lines.iter().any(|line| line.warning && line.text.contains("\"oops\"")), "{lines:?}");
    assert!(say(&mut bench, 0, Outcome::NoWeight("oops".into())).0.is_empty());
    bench.pass();
    assert_eq!(bench.weights(), [(10, 30)]);
}

#[test]
fn an_administrators_weight_stays_until_the_check_says_another_one() {
    let mut bench = Bench::new(SAID);
    say(&mut bench, 0, Outcome::PassedWith(30));
    bench.pass();
    for (_, destinations) in &mut bench.table.services {
        destinations.iter_mut().for_each(|found| found.weight = 1);
    }
    say(&mut bench, 0, Outcome::PassedWith(30));
    bench.pass();
    assert_eq!(bench.weights(), [(10, 1)]);
    say(&mut bench, 0, Outcome::PassedWith(31));
    bench.pass();
    assert_eq!(bench.weights(), [(10, 31)]);
}

#[test]
fn a_restart_begins_with_the_weight_that_is_there() {
    let mut before = Bench::new(SAID);
    say(&mut before, 0, Outcome::PassedWith(30));
    before.pass();
    let mut after = Bench::on(SAID, before.table);
    after.pass();
    assert_eq!(after.weights(), [(10, 30)], "not 5 until the first check");
}

#[test]
fn one_probe_tells_all_services_that_ask_the_same_and_each_counts_for_itself() {
    let section = |vip: u8, count: u8| {
        format!("virtual=192.0.2.{vip}:80\n\tfailurecount={count}\n\treal=192.0.2.10:80 gate {vip}\n")
    };
    let mut bench =
        Bench::new(&format!("quiescent=yes\n{}{}{}", section(1, 1), section(2, 2), section(3, 3)));
    assert_eq!(bench.director.probes().len(), 1);
    let mut seen = Vec::new();
    for passed in [true, false, false, false, true] {
        bench.check(10, passed);
        bench.pass();
        seen.push(bench.weights().into_iter().map(|(_, weight)| weight).collect::<Vec<_>>());
    }
    assert_eq!(seen, [[1, 2, 3], [0, 2, 3], [0, 0, 3], [0, 0, 0], [1, 2, 3]]);
}

/// `SAID` with a fallback.
fn said_with_fallback() -> Bench {
    Bench::new(&SAID.replace("\treal", "\tfallback=192.0.2.99:80 gate\n\treal"))
}

#[test]
fn the_fallback_serves_while_the_checks_say_0_for_every_server() {
    let mut bench = said_with_fallback();
    say(&mut bench, 0, Outcome::PassedWith(30));
    say(&mut bench, 1, Outcome::PassedWith(0));
    bench.pass();
    assert_eq!(bench.weights(), [(10, 30), (11, 0)], "one takes connections");
    assert!(bench.director.fallback_commands().is_empty() && !bench.status()[0].fallback_active);
    say(&mut bench, 0, Outcome::PassedWith(0));
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0), (11, 0), (99, 1)]);
    let status = &bench.status()[0];
    assert!(status.fallback_active && status.up == 2, "up, and full");
    // Another one that says nothing has the weight of the file.
    say(&mut bench, 1, Outcome::Passed);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0), (11, 5)]);
    say(&mut bench, 1, Outcome::Exited(1));
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0), (11, 0), (99, 1)]);
}

#[test]
fn a_weight_of_0_in_the_file_keeps_the_fallback_away_as_with_ldirectord() {
    let text =
        "quiescent=yes\nvirtual=192.0.2.1:80\n\tfallback=192.0.2.99:80 gate\n\treal=192.0.2.10:80 gate 0\n";
    let mut bench = Bench::new(text);
    bench.check(10, true);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0)]);
    bench.check(10, false);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0), (99, 1)]);
}

#[test]
fn servers_that_fail_together_beside_one_that_is_full_are_not_kept() {
    let text = format!("{SAID}\treal=192.0.2.12:80 gate 5\n");
    let mut bench = Bench::new(&format!("keeplast=yes\n{text}"));
    for (number, weight) in [0, 30, 30].into_iter().enumerate() {
        say(&mut bench, number, Outcome::PassedWith(weight));
    }
    bench.pass();
    say(&mut bench, 1, Outcome::Exited(1));
    say(&mut bench, 2, Outcome::Exited(1));
    bench.pass();
    assert!(!bench.status()[0].kept, "the first one answers: it is not this machine");
    assert!(bench.weights().iter().all(|(_, weight)| *weight == 0));
}
