//! Servers out of service by hand, and how they are named.

use super::*;
use crate::control::Selection;

fn drain() -> Drain {
    Drain { by: "alice".into(), since: 7 }
}

fn of(real: &str) -> Selection {
    Selection { real: Some(real.into()), service: None }
}

impl Bench {
    fn drain(&mut self, real: &str) -> usize {
        let places = self.director.select(&of(real)).unwrap();
        self.director.drain(&places, &drain(), now()).len()
    }

    fn undrain(&mut self, real: &str) -> usize {
        let places = self.director.select(&of(real)).unwrap();
        self.director.undrain(&places, "bob", now()).len()
    }

    fn up(text: &str) -> Bench {
        let mut bench = Bench::new(text);
        bench.check(10, true);
        bench.check(11, true);
        bench.pass();
        bench
    }
}

#[test]
fn weight_0_whatever_the_checks_say_until_undrained() {
    for quiescent in ["yes", "no"] {
        let mut bench = Bench::up(&TWO.replace("quiescent=yes", &format!("quiescent={quiescent}")));
        assert_eq!(bench.weights(), [(10, 5), (11, 5)]);
        assert_eq!((bench.drain("192.0.2.10"), bench.drain("192.0.2.10:80")), (1, 0), "once");
        assert_eq!(bench.pass().len(), 1);
        assert_eq!(bench.weights(), [(10, 0), (11, 5)]);
        for passed in [false, true, false] {
            bench.check(10, passed);
            assert!(bench.pass().is_empty(), "it is neither removed nor restored");
        }
        bench.check(10, true);
        assert_eq!(bench.undrain("192.0.2.10"), 1);
        bench.pass();
        assert_eq!(bench.weights(), [(10, 5), (11, 5)]);
        assert_eq!(bench.undrain("192.0.2.10"), 0);
    }
}

#[test]
fn a_drained_server_that_died_meanwhile_is_as_dead_as_others() {
    let mut bench = Bench::up(&TWO.replace("quiescent=yes", "quiescent=no"));
    bench.drain("192.0.2.10");
    bench.check(10, false);
    bench.pass();
    bench.undrain("192.0.2.10");
    bench.pass();
    assert_eq!(bench.weights(), [(11, 5)]);
    bench.drain("192.0.2.10");
    assert!(bench.pass().is_empty(), "removed already, it is not put back");
    let kernel = Counted::from(&bench.table);
    let status =
        pieces(&bench.director, &bench.director.select(&of("192.0.2.10")).unwrap(), &kernel, usize::MAX);
    let server = &status[0].servers[0];
    assert_eq!((status[0].servers.len(), server.wanted_weight, server.table_weight), (1, None, None));
}

#[test]
fn a_weight_set_by_hand_gives_way_to_a_drain_and_counts_again_after_it() {
    let mut bench = Bench::up(TWO);
    bench.check(11, false);
    bench.pass();
    bench.table.services[0].1.iter_mut().for_each(|server| server.weight = 9);
    assert!(bench.pass().is_empty());
    bench.drain("192.0.2.10");
    bench.drain("192.0.2.11");
    bench.pass();
    assert!(bench.weights().contains(&(10, 0)) && bench.weights().contains(&(11, 0)));
}

#[test]
fn with_all_drained_the_fallback_serves() {
    let mut bench = Bench::up(TWO);
    bench.drain("192.0.2.10");
    let places = bench.director.select(&of("192.0.2.10")).unwrap();
    assert!(bench.director.drain_warnings(&places, true).is_empty());
    bench.drain("192.0.2.11");
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0), (11, 0), (99, 1)]);
    let warnings = bench.director.drain_warnings(&places, true);
    assert_eq!(warnings, ["tcp:192.0.2.1:80: no server is left, the fallback 192.0.2.99:80 serves"]);
    bench.undrain("192.0.2.11");
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0), (11, 5)]);

    let mut both = Bench::up(&TWO.replace("fallback=192.0.2.99", "fallback=192.0.2.10"));
    both.drain("192.0.2.10");
    both.drain("192.0.2.11");
    both.pass();
    assert_eq!(both.weights(), [(10, 0), (11, 0)], "drained, it is no fallback either");
}

#[test]
fn persistence_is_warned_of() {
    let mut bench = Bench::up(&format!("{TWO}\tpersistent=60\n"));
    bench.drain("192.0.2.10");
    let places = bench.director.select(&of("192.0.2.10")).unwrap();
    assert!(bench.director.drain_warnings(&places, true)[0].contains("expire_quiescent_template"));
    assert!(bench.director.drain_warnings(&places, false).is_empty());
}

#[test]
fn drained_over_reload_and_restart() {
    let mut bench = Bench::up(TWO);
    bench.drain("192.0.2.10");
    bench.pass();
    let next = plan(&TWO.replace("192.0.2.11", "192.0.2.12"));
    bench.director.reload(next, &bench.table, now());
    bench.pass();
    assert_eq!(bench.weights().first(), Some(&(10, 0)));
    let remembered = bench.director.drained();
    assert_eq!((remembered.len(), remembered[0].drain.clone()), (1, drain()));

    let mut restarted = Bench::on(TWO, bench.table.clone());
    restarted.director.restore(&remembered);
    restarted.check(10, true);
    restarted.pass();
    assert_eq!(restarted.weights().first(), Some(&(10, 0)));
    let mut cold = Bench::new(TWO);
    cold.director.restore(&remembered);
    cold.pass();
    assert!(
        cold.weights().contains(&(10, 0)),
        "shown in the table before its first check: {:?}",
        cold.weights()
    );

    let without = plan(&TWO.replace("192.0.2.10:80 gate", "192.0.2.13:80 gate"));
    bench.director.reload(without, &bench.table, now());
    assert!(bench.director.drained().is_empty(), "who leaves the file is forgotten");
}

#[test]
fn a_named_server_is_the_same_at_another_address() {
    let named = |address: &str| {
        let mut plan = plan(&TWO.replace("192.0.2.10", address));
        plan.services[0].reals[0].name = Some("web1".into());
        plan
    };
    let mut director = Director::new(named("192.0.2.10"), &Table::default(), now());
    let places = director.select(&of("WEB1")).unwrap();
    assert_eq!(director.select(&of("web1:80")), Ok(places.clone()));
    director.drain(&places, &drain(), now());
    director.reload(named("192.0.2.77"), &Table::default(), now());
    assert_eq!(director.drained().len(), 1);
    assert_eq!(director.drained()[0].server, "192.0.2.77:80");
}

#[test]
fn names_and_the_nearest_one() {
    let text = "virtual=192.0.2.1:80\n\tservicename=Shop\n\treal=192.0.2.10:80 masq\n\treal=192.0.2.10:81 masq\nvirtual=5\n\treal=192.0.2.10:80 gate\nvirtual6=[2001:db8::1]:80\n\treal6=[2001:db8::10]:80 masq\n";
    let director = Director::new(plan(text), &Table::default(), now());
    let found = |real: Option<&str>, service: Option<&str>| {
        director.select(&Selection { real: real.map(str::to_owned), service: service.map(str::to_owned) })
    };
    assert_eq!(found(None, None).unwrap().len(), 4);
    assert_eq!(found(Some("192.0.2.10"), None), Ok(vec![(0, 0), (0, 1), (1, 0)]));
    assert_eq!(found(Some("192.0.2.10:80"), None), Ok(vec![(0, 0), (1, 0)]));
    for service in ["shop", "192.0.2.1:80", "tcp:192.0.2.1:80"] {
        assert_eq!(found(Some("192.0.2.10:80"), Some(service)), Ok(vec![(0, 0)]), "{service}");
    }
    assert_eq!(found(None, Some("fwm:5")), Ok(vec![(1, 0)]));
    for real in ["2001:db8::10", "[2001:db8::10]", "[2001:db8:0::10]:80"] {
        assert_eq!(found(Some(real), None), Ok(vec![(2, 0)]), "{real}");
    }
    let error = found(Some("192.0.2.11:80"), None).unwrap_err();
    assert_eq!(error, "no real server \"192.0.2.11:80\"; did you mean 192.0.2.10:80?");
    let error = found(None, Some("sop")).unwrap_err();
    assert_eq!(error, "no virtual service \"sop\"; did you mean Shop?");
    assert!(found(Some("2001:db8::10"), Some("shop")).unwrap_err().contains("in shop"));
    assert!(found(Some("nothing-like-it"), None).unwrap_err().contains("directord show"));
}
