//! `keeplast`: servers that fail together, and servers that fail one after the other.

use super::*;

/// Three servers whose checks end within their interval; one failure counts.
const THREE: &str = "keeplast=yes\nquiescent=yes\ncheckinterval=10\nnegotiatetimeout=3\nvirtual=192.0.2.1:80\n\
    \tfallback=192.0.2.99:80\n\treal=192.0.2.10:80 gate 5\n\treal=192.0.2.11:80 gate 5\n\treal=192.0.2.12:80 gate 5\n";

/// All three up.
fn three(text: &str) -> Bench {
    let mut bench = Bench::new(text);
    for last in [10, 11, 12] {
        bench.check(last, true);
    }
    bench.pass();
    assert_eq!(bench.weights(), [(10, 5), (11, 5), (12, 5)]);
    bench
}

fn is_kept(bench: &Bench) -> bool {
    bench.status()[0].kept
}

#[test]
fn servers_that_fail_together_stay_as_they_were() {
    let mut bench = three(THREE);
    bench.check(10, false);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0), (11, 5), (12, 5)], "one that fails alone is taken out at once");
    bench.check(11, false);
    bench.check(12, false);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 5), (11, 5), (12, 5)], "no fallback, no empty pool");
    assert!(is_kept(&bench));
    for _ in 0..9 {
        for last in [10, 11, 12] {
            assert!(!bench.check(last, false));
        }
    }
    assert!(bench.pass().is_empty());
    let status = bench.status();
    assert_eq!(status[0].servers[0].why, "kept up, as all failed together: connection refused");
}

#[test]
fn it_is_said_once_loudly_and_again_when_it_is_over() {
    let mut bench = three(THREE);
    let observe = |bench: &mut Bench, number: usize, outcome| {
        let checked = Checked { outcome, took: Duration::ZERO, http_status: None };
        let probe = Arc::clone(&bench.director.probes()[number]);
        let lines = bench.observe(&probe, &checked).0;
        lines.into_iter().filter(|line| line.warning).map(|line| line.text).collect::<Vec<_>>()
    };
    observe(&mut bench, 0, Outcome::Refused);
    observe(&mut bench, 1, Outcome::Refused);
    let loud = observe(&mut bench, 2, Outcome::Refused);
    assert_eq!(loud.len(), 2, "{loud:?}");
    assert!(
        loud[1].starts_with("ALL 3 real servers of tcp:192.0.2.1:80 that were up have failed"),
        "{loud:?}"
    );
    assert!(observe(&mut bench, 2, Outcome::Refused).is_empty());
    let over = observe(&mut bench, 1, Outcome::Passed);
    assert_eq!(over, ["A check has passed: verdicts on real servers of tcp:192.0.2.1:80 count again"]);
    assert!(!is_kept(&bench));
}

#[test]
fn when_one_passes_again_those_that_still_fail_go() {
    let mut bench = three(THREE);
    for last in [10, 11, 12] {
        bench.check(last, false);
    }
    bench.check(11, true);
    bench.check(10, false);
    bench.check(12, false);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0), (11, 5), (12, 0)]);
}

#[test]
fn servers_that_fail_one_after_the_other_all_go() {
    let mut bench = three(THREE);
    bench.check(10, false);
    for _ in 0..3 {
        bench.check(10, false);
        bench.check(11, true);
        bench.check(12, true);
    }
    bench.check(11, false);
    for _ in 0..3 {
        bench.check(10, false);
        bench.check(11, false);
        bench.check(12, true);
    }
    bench.check(12, false);
    bench.pass();
    assert_eq!(
        bench.weights(),
        [(10, 0), (11, 0), (12, 0), (99, 1)],
        "the last one is dead, too: nobody else's fault"
    );
}

#[test]
fn those_that_were_down_before_stay_down() {
    let mut bench = three(THREE);
    for _ in 0..4 {
        bench.check(10, false);
        bench.check(11, true);
    }
    bench.check(11, false);
    bench.check(12, false);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0), (11, 5), (12, 5)]);
}

#[test]
fn a_server_that_runs_into_its_limit_fails_together_with_one_that_is_refused_at_once() {
    // The limit is two intervals: meanwhile the first one fails two times more.
    let mut bench = three(&THREE.replace("negotiatetimeout=3", "negotiatetimeout=20"));
    bench.check(10, false);
    bench.check(11, false);
    bench.check(10, false);
    bench.check(10, false);
    bench.check(12, false);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 5), (11, 5), (12, 5)]);
}

#[test]
fn without_it_all_go_and_the_fallback_comes() {
    let mut bench = three(&THREE.replace("keeplast=yes", "keeplast=no"));
    for last in [10, 11, 12] {
        bench.check(last, false);
    }
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0), (11, 0), (12, 0), (99, 1)]);
    assert!(!is_kept(&bench));
}

#[test]
fn a_reload_keeps_it_unless_it_is_turned_off() {
    let mut bench = three(THREE);
    for last in [10, 11, 12] {
        bench.check(last, false);
    }
    bench.pass();
    bench.director.reload(plan(THREE), &bench.table, now());
    assert!(is_kept(&bench));
    bench.director.reload(plan(&THREE.replace("keeplast=yes", "keeplast=no")), &bench.table, now());
    assert!(!is_kept(&bench));
    bench.check(10, false);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0), (11, 5), (12, 5)]);
}
