//! Alpha is ours with `auto_failback legacy`, beta a heartbeat 3.0.6 with the same: what recorded nodes do in a cold
//! start, a crash, a return and a stop (transcripts 30 to 33).

use super::super::*;
use super::old_peer::Old;
use super::pair::{KEYS, ms};

fn says_nothing_of_the_stand_by_protocol(old: &Old) -> bool {
    !["starting", "resource", "ask_resources"].iter().any(|kind| old.was_sent(kind, &[]))
}

fn own(key: &str) -> [(&str, &str); 4] {
    [("dest", "alpha"), ("ipaddr", key), ("weown", "yes"), ("ok", "OK")]
}

/// 30
#[test]
fn both_start_and_each_takes_its_own() {
    let mut old = Old::new(Failback::Legacy);
    old.join_as_legacy();
    assert!(old.was_sent("ip-request-resp", &own(KEYS[0])) && !old.was_sent("ip-request", &[]));
    old.message("ip-request-resp", &[("dest", "beta"), ("ipaddr", KEYS[1]), ("weown", "yes"), ("ok", "OK")]);
    assert_eq!(old.alpha.wants(), Set::LOCAL);
    assert!(says_nothing_of_the_stand_by_protocol(&old));
}

/// 31, 32
#[test]
fn it_crashes_and_gets_its_groups_when_it_asks() {
    let mut old = Old::alone(Failback::Legacy);
    old.join_as_legacy();
    assert_eq!(old.alpha.wants(), Set::ALL, "nothing moves before it asks");
    old.message("ip-request", &[("ipaddr", KEYS[1])]);
    assert_eq!(old.jobs.last(), Some(&(JobKind::Give, "beta".to_owned())));
    let answer = [("dest", "beta"), ("ipaddr", KEYS[1]), ("weown", "yes"), ("ok", "OK")];
    assert!(old.was_sent("ip-request-resp", &answer));
    assert_eq!(old.alpha.wants(), Set::LOCAL);
    assert_eq!(old.alpha.snapshot().standby_refusal.map(|why| why.contains("legacy")), Some(true));
    old.sent.clear();
    old.message("ip-request", &[("ipaddr", KEYS[1])]);
    assert!(old.was_sent("ip-request-resp", &[("weown", "no"), ("ok", "OK")]));
    old.message("ip-request", &[("ipaddr", KEYS[0])]);
    assert!(old.was_sent("ip-request-resp", &[("ipaddr", KEYS[0]), ("ok", "no")]), "that one is ours");
    old.pass(ms(1_100));
    assert!(old.was_sent("stonith", &[("node", "beta"), ("result", "n_stnth")]));
    assert_eq!(old.alpha.wants(), Set::ALL);
    assert!(says_nothing_of_the_stand_by_protocol(&old));
}

/// 32 from the other side
#[test]
fn we_return_and_start_ours_when_it_has_let_go() {
    let mut old = Old::new(Failback::Legacy);
    old.status("active");
    old.message("repnodes", &[("dest", "alpha"), ("nodelist", "alpha beta "), ("delnodelist", " ")]);
    assert!(old.was_sent("ip-request", &[("ipaddr", KEYS[0])]));
    for _ in 0..4 {
        old.pass(ms(500));
        old.status("active");
    }
    assert_eq!(old.alpha.wants(), Set::NONE, "it may still run them");
    old.message("ip-request-resp", &own(KEYS[0]));
    assert_eq!(old.alpha.wants(), Set::LOCAL);
    assert!(says_nothing_of_the_stand_by_protocol(&old));
}

/// 33
#[test]
fn it_stops_and_its_silence_needs_no_fencing() {
    let mut old = Old::alone(Failback::Legacy);
    old.join_as_legacy();
    old.message("ip-request", &[("ipaddr", KEYS[1])]);
    old.message("shutdone", &[("st", "dead")]);
    assert_eq!(old.alpha.wants(), Set::ALL);
    old.sent.clear();
    old.status("active");
    assert!(!old.was_sent("stonith", &[]));
    old.pass(ms(1_100));
    assert!(old.was_sent("stonith", &[("node", "beta"), ("result", "unneeded")]));
}

#[test]
fn one_that_uses_the_stand_by_protocol_is_answered_in_it() {
    let mut old = Old::alone(Failback::Legacy);
    old.join("none");
    assert!(old.was_sent("resource", &[("rsc_hold", "all"), ("isstable", "1")]));
    assert!(old.was_sent("ask_resources", &[("rsc_hold", "foreign"), ("info", "me")]));
}
