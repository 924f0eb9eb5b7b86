//! One of our nodes beside an old heartbeat (beta) when messages are lost, late or out of order: what the simulation of
//! mixed pairs has found.

use super::super::*;
use super::old_peer::{Old, beats};
use super::pair::ms;

/// Both hold everything, and the old one does not shut itself down: for it, we were never dead.
fn both_hold(old: &mut Old, hold: &str) {
    old.join("none");
    old.event(Event::Standby(Set::FOREIGN));
    old.ask("foreign", "other");
    old.ask("foreign", "done");
    old.report("local", "1", &[]);
    old.pass(ms(1_100)); // dead
    assert_eq!(old.alpha.wants(), Set::ALL);
    old.seq += 300; // more than is asked for again
    old.jobs.clear();
    old.sent.clear();
    beats(old, 4);
    assert!(old.was_sent("starting", &[]), "it is asked what it holds");
    old.report(hold, "1", &[]);
}

#[test]
fn what_the_old_one_never_let_go_of_is_left_to_it() {
    let mut old = Old::alone(Failback::Off);
    both_hold(&mut old, "local");
    assert_eq!(old.alpha.wants(), Set::ALL, "it may still shut itself down");
    beats(&mut old, 3);
    assert_eq!(old.alpha.wants(), Set::LOCAL);
    assert!(old.alpha.snapshot().stable);
}

#[test]
fn what_the_old_one_lets_go_of_in_time_is_kept_and_announced() {
    let mut old = Old::alone(Failback::Off);
    both_hold(&mut old, "local");
    assert!(!old.jobs.contains(&(JobKind::Announce, "beta".to_owned())), "{:?}", old.jobs);
    old.report("none", "0", &[("info", "shutdown")]);
    beats(&mut old, 10);
    assert_eq!(old.alpha.wants(), Set::ALL);
    assert!(old.jobs.contains(&(JobKind::Announce, "beta".to_owned())), "{:?}", old.jobs);
}

#[test]
fn what_nobody_holds_beside_an_old_one_is_taken() {
    let mut old = Old::new(Failback::Off);
    old.status("active");
    old.message("repnodes", &[("dest", "alpha"), ("nodelist", "alpha beta "), ("delnodelist", " ")]);
    old.report("none", "1", &[]); // we held everything, and came back within its deadtime
    assert_eq!(old.alpha.wants(), Set::LOCAL);
    beats(&mut old, 6);
    assert_eq!(old.alpha.wants(), Set::ALL);
}

#[test]
fn reports_count_in_the_order_in_which_they_were_sent() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    old.seq += 1;
    old.message("resource", &[("rsc_hold", "foreign"), ("info", "mach_down")]);
    old.seq -= 2;
    old.report("all", "1", &[("info", "req_our_resources()")]); // sent before the one above
    old.seq += 1;
    let holds = old.alpha.snapshot().peer.and_then(|peer| peer.holds);
    assert_eq!(holds, Some(Set::ALL));
}

#[test]
fn an_agreement_that_comes_too_late_is_kept() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    old.event(Event::Standby(Set::FOREIGN));
    beats(&mut old, 20);
    assert_eq!(old.alpha.snapshot().standby, None, "cancelled");
    old.sent.clear();
    old.ask("foreign", "other"); // it waits for an hour now
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "foreign"), ("info", "done")]));
    assert_eq!(old.alpha.wants(), Set::LOCAL);
    old.sent.clear();
    old.report("local", "1", &[]);
    old.ask("foreign", "done");
    old.ask("foreign", "other");
    assert!(!old.was_sent("ask_resources", &[]), "once: {:?}", old.sent);
}

#[test]
fn a_giver_that_does_not_begin_has_cancelled() {
    let mut old = Old::alone(Failback::Off);
    old.join("local");
    old.ask("local", "me"); // sent again after it was lost for long
    assert!(old.alpha.snapshot().standby.is_some());
    beats(&mut old, 16);
    assert_eq!(old.alpha.snapshot().standby, None);
    assert!(old.alpha.snapshot().stable);
    // but what it has released all the same is taken
    old.report("none", "0", &[("info", "standby")]);
    old.ask("local", "done");
    assert_eq!(old.alpha.wants(), Set::ALL);
}

#[test]
fn a_giver_that_has_begun_may_take_its_time() {
    let mut old = Old::alone(Failback::Off);
    old.join("local");
    old.ask("local", "me");
    old.report("none", "0", &[("info", "standby")]);
    beats(&mut old, 100);
    old.sent.clear();
    old.ask("local", "done");
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "local"), ("info", "done")]));
    assert_eq!(old.alpha.wants(), Set::ALL);
}

#[test]
fn what_both_held_is_announced_when_the_old_one_has_stopped_it() {
    let mut old = Old::alone(Failback::Off);
    old.join("all");
    old.ask("foreign", "me");
    old.report("local", "0", &[("info", "standby")]);
    old.jobs.clear();
    old.ask("foreign", "done");
    assert_eq!(old.jobs, [(JobKind::Announce, "alpha".to_owned())]);
}

#[test]
fn what_nobody_could_start_is_handed_over_again_when_the_old_one_has_restarted() {
    let mut old = Old::alone(Failback::Off);
    old.broken = Some("beta");
    old.join("local");
    old.event(Event::Standby(Set::FOREIGN));
    old.ask("foreign", "other");
    old.ask("foreign", "done");
    old.ask("local", "me");
    old.report("none", "0", &[("info", "standby")]);
    old.ask("local", "done"); // fails here
    old.report("none", "1", &[]);
    beats(&mut old, 8);
    old.ask("foreign", "other");
    old.ask("foreign", "done");
    old.report("local", "1", &[]);
    old.sent.clear();
    old.restart();
    old.join("none");
    beats(&mut old, 8);
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "foreign"), ("info", "me")]), "{:?}", old.sent);
}

#[test]
fn a_node_that_has_stopped_takes_nothing_any_more() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    old.report("none", "0", &[]);
    old.event(Event::Stop);
    assert!(old.was_sent("shutdone", &[]));
    old.jobs.clear();
    old.ask("all", "done"); // how it says that it has taken everything
    assert_eq!((old.alpha.wants(), old.jobs.len()), (Set::NONE, 0));
}

#[test]
fn a_start_that_is_heard_after_the_reports_that_followed_it_puts_nothing_in_transition() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    // the next message but one comes first
    let missing = old.seq + 1;
    old.seq += 1;
    old.report("local", "1", &[]);
    let last = std::mem::replace(&mut old.seq, missing - 1);
    old.message("starting", &[]);
    old.seq = last;
    old.sent.clear();
    old.event(Event::Standby(Set::FOREIGN));
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "foreign"), ("info", "me")]), "{:?}", old.sent);
}

#[test]
fn an_agreement_of_an_old_one_that_has_restarted_meanwhile_is_kept() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    old.event(Event::Standby(Set::ALL));
    old.restart();
    old.join("none");
    old.report("none", "0", &[]);
    old.sent.clear();
    old.ask("all", "other");
    assert!(!old.was_sent("ask_resources", &[("info", "done")]), "not while it is in transition");
    old.report("none", "1", &[]);
    beats(&mut old, 1);
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "all"), ("info", "done")]), "{:?}", old.sent);
    assert_eq!(old.alpha.wants(), Set::NONE);
}

#[test]
fn a_request_without_an_answer_is_repeated_and_given_up() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    old.sent.clear();
    old.event(Event::Standby(Set::ALL));
    beats(&mut old, 60);
    let asked = old.sent.iter().filter(|message| message.kind() == "ask_resources").count();
    assert_eq!((asked, old.alpha.wants()), (4, Set::ALL));
    assert!(old.alpha.standby.is_none());
}
