//! The schedule alone, on a clock of its own.

use super::*;
use crate::check::Kind;
use proptest::prelude::*;
use tokio::sync::oneshot;

const SECOND: Duration = Duration::from_secs(1);

fn probe(port: u16, interval: Duration, recheck: Option<Duration>) -> Arc<Probe> {
    let kind = Kind::Connect { to: ([192, 0, 2, 1], port).into(), timeout: SECOND };
    Arc::new(Probe { interval, recheck, source: None, kind })
}

/// A schedule, and the moment it began.
fn begun(probes: &[Arc<Probe>]) -> (Schedule, Instant) {
    let now = Instant::now();
    let mut schedule = Schedule::new(now);
    schedule.set(probes, now);
    (schedule, now)
}

fn ports(runs: &[Run]) -> Vec<u16> {
    let port = |run: &Run| match run.probe.kind {
        Kind::Connect { to, .. } => to.port(),
        _ => 0,
    };
    runs.iter().map(port).collect()
}

#[test]
fn a_run_that_goes_on_is_not_due_again_and_what_it_missed_is_left_out() {
    let (mut schedule, start) = begun(&[probe(1, SECOND, None)]);
    let runs = schedule.take(start, 9);
    assert_eq!(ports(&runs), [1], "at once");
    assert!(schedule.take(start + 10 * SECOND, 9).is_empty(), "it still goes on");
    assert_eq!(schedule.next(start), None);
    let late = start + 10 * SECOND + SECOND / 2;
    let ticket = runs.first().map(|run| run.ticket).unwrap();
    assert!(schedule.ended(ticket, None, late), "it is the next one");
    assert_eq!(schedule.take(late, 9).len(), 1, "what is overdue runs at once");
    assert!(schedule.take(late, 9).is_empty(), "but once");
}

#[test]
fn who_asks_does_not_wait_and_what_rests_does_not_run() {
    let (mut schedule, start) = begun(&[probe(1, SECOND, None), probe(2, SECOND, None)]);
    let begin = start + SECOND / 2;
    for run in schedule.take(begin, 9) {
        schedule.ended(run.ticket, None, begin);
    }
    schedule.rest(&FxHashSet::from_iter([probe(1, SECOND, None)]));
    assert_eq!(ports(&schedule.take(start + 9 * SECOND / 10, 9)), [0; 0]);
    let (asked, _result) = oneshot::channel();
    schedule.ask(&probe(1, SECOND, None), asked, begin).unwrap();
    assert_eq!(schedule.next(begin), Some(begin));
    let runs = schedule.take(begin, 9);
    assert_eq!((ports(&runs), runs.first().map(|run| run.asked.len())), (vec![1], Some(1)));
    let (again, _result) = oneshot::channel();
    schedule.ask(&probe(1, SECOND, None), again, begin).unwrap();
    assert!(schedule.take(begin, 9).is_empty(), "while it runs");
    schedule.ended(runs.first().unwrap().ticket, None, begin);
    assert_eq!(ports(&schedule.take(begin, 9)), [1], "once more after that");
    assert_eq!(ports(&schedule.take(start + 3 * SECOND, 9)), [2]);
}

#[test]
fn a_doubt_that_is_over_leaves_the_beat() {
    let one = probe(1, 4 * SECOND, Some(SECOND / 2));
    let (mut schedule, start) = begun(&[Arc::clone(&one)]);
    let runs = schedule.take(start, 9);
    schedule.ended(runs.first().unwrap().ticket, None, start);
    assert!(schedule.doubt(&one, true) && !schedule.doubt(&one, true));
    assert!(schedule.take(start + SECOND / 4, 9).is_empty());
    assert!(schedule.doubt(&one, false));
    assert!(schedule.take(start + 3 * SECOND, 9).is_empty(), "the one that was put forward is void");
    assert!(schedule.doubt(&one, true));
    assert_eq!(schedule.take(start + SECOND / 2, 9).len(), 1);
}

#[test]
fn a_run_that_outlives_its_probe_ends_nothing() {
    let (one, two) = (probe(1, SECOND, None), probe(2, SECOND, None));
    let (mut schedule, start) = begun(&[Arc::clone(&one)]);
    let old = schedule.take(start, 9);
    schedule.set(&[Arc::clone(&two)], start);
    assert!(schedule.ask(&one, oneshot::channel().0, start).is_none());
    let new = schedule.take(start + SECOND / 2, 9);
    assert_eq!(ports(&new), [2], "in the place of the other");
    assert!(!schedule.ended(old.first().unwrap().ticket, None, start));
    assert_eq!(schedule.next(start), None, "the new one goes on");
    assert_eq!((schedule.len(), schedule.slots.len()), (1, 1));
}

proptest! {
    /// Whatever takes how long: each probe runs once an interval, or when its last run is over, and never twice at a time.
    #[test]
    fn every_probe_has_its_turn(
        count in 1u16..60, millis in 20u64..3000, most in 1usize..20, took in proptest::collection::vec(0u64..5000, 40),
    ) {
        let interval = Duration::from_millis(millis);
        let probes: Vec<_> = (0..count).map(|port| probe(port, interval, None)).collect();
        let (mut schedule, start) = begun(&probes);
        let mut going: Vec<(Instant, Ticket, u16)> = Vec::new();
        let mut began = vec![start; usize::from(count)];
        let (mut now, mut turns) = (start, took.iter().cycle());
        while now < start + 5 * interval {
            going.retain(|(end, ticket, port)| {
                if *end <= now {
                    schedule.ended(*ticket, None, now);
                    began[usize::from(*port)] = began[usize::from(*port)].max(now - interval);
                }
                *end > now
            });
            loop {
                let runs = schedule.take(now, most);
                for run in &runs {
                    let port = ports(std::slice::from_ref(run))[0];
                    prop_assert!(going.iter().all(|(.., other)| *other != port), "twice at the same time");
                    let since = now - began[usize::from(port)];
                    prop_assert!(since <= interval + Duration::from_millis(12), "{since:?} of {interval:?}");
                    began[usize::from(port)] = now;
                    going.push((now + Duration::from_millis(*turns.next().unwrap()), run.ticket, port));
                }
                if runs.is_empty() { break }
            }
            now += Duration::from_millis(5);
            if let Some(next) = schedule.next(now) {
                prop_assert!(next >= now && next <= now + 2 * interval);
            }
        }
    }
}
