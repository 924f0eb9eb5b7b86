//! Messages that a network loses, or that retransmission brings in another order.

use super::*;

impl Old {
    /// The reports and requests that were sent, as the old node reads them.
    fn words(&self) -> Vec<String> {
        let told = self.sent.iter().filter(|message| ["resource", "ask_resources"].contains(&message.kind()));
        let word = |message: &Message, name: &str| message.text(name).unwrap_or("-").to_owned();
        told.map(|message| ["rsc_hold", "isstable", "info"].map(|name| word(message, name)).join(" "))
            .collect()
    }

    fn asks_again_for(&mut self, seq: u64) {
        let seq = seq.to_string();
        self.sent.clear();
        self.message("NS_rexmit", &[("dest", "alpha"), ("firstseq", &seq), ("lastseq", &seq)]);
    }
}

#[test]
fn a_report_that_is_sent_again_says_what_is_true_now() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    old.event(Event::Standby(Set::FOREIGN));
    old.sent.clear();
    old.ask("foreign", "other");
    let report = old.sent.iter().find(|message| message.kind() == "resource").cloned().expect("a report");
    assert_eq!((report.text("rsc_hold"), report.text("isstable")), (Some("local"), Some("0")));
    old.report("local", "1", &[]);
    old.ask("foreign", "done");
    // the report of the beginning was lost, that of the end was not: what comes last is believed
    old.pass(ms(300));
    old.asks_again_for(report.hex("seq").expect("numbered"));
    assert_eq!(old.words(), ["local 1 standby"]);
    assert_eq!(old.sent[0].fields().len(), report.fields().len());
    assert_eq!(old.sent[0].text("seq"), report.text("seq"));
}

#[test]
fn a_request_to_take_is_repeated_and_then_given_up() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    old.sent.clear();
    old.event(Event::Standby(Set::FOREIGN));
    assert_eq!(old.words(), ["foreign - me"]);
    beats(&mut old, 3);
    assert_eq!(old.words(), ["foreign - me", "all 1 -", "foreign - me"], "the report may be what was lost");
    beats(&mut old, 8);
    assert_eq!(old.words().iter().filter(|word| *word == "foreign - me").count(), 4);
    assert!(old.alpha.snapshot().standby.is_some(), "it may have agreed to the last one");
    beats(&mut old, 6);
    assert_eq!(old.alpha.snapshot().standby, None);
    assert_eq!(old.alpha.wants(), Set::ALL);
}

#[test]
fn a_request_that_the_old_node_ignored_itself_can_be_repeated_by_it() {
    let mut old = Old::alone(Failback::Off);
    old.join("local");
    old.event(Event::Standby(Set::FOREIGN));
    old.ask("foreign", "other");
    old.report("local", "1", &[]);
    old.ask("foreign", "done");
    old.sent.clear();
    old.ask("local", "me"); // heard by us, but beta believed us to be in transition
    assert_eq!(old.words(), ["local - other"]);
    assert!(!old.was_sent("resource", &[("isstable", "0")]), "it would ignore the next one for it");
    old.sent.clear();
    old.ask("local", "me");
    assert_eq!(old.words(), ["local - other"]);
    beats(&mut old, 14);
    assert!(old.alpha.snapshot().standby.is_some());
    beats(&mut old, 2);
    assert_eq!(old.alpha.snapshot().standby, None, "it is not waited for any more");
    assert_eq!(old.alpha.standby_refusal(), None);
}

#[test]
fn what_an_old_node_releases_late_is_taken_all_the_same() {
    let mut old = Old::alone(Failback::Off);
    old.join("local");
    old.event(Event::Standby(Set::FOREIGN));
    old.ask("foreign", "other");
    old.report("local", "1", &[]);
    old.ask("foreign", "done");
    old.ask("local", "me");
    beats(&mut old, 16);
    assert_eq!((old.alpha.snapshot().standby, old.alpha.wants()), (None, Set::LOCAL));
    old.report("none", "0", &[("info", "standby")]);
    old.sent.clear();
    old.ask("local", "done");
    assert_eq!(old.alpha.wants(), Set::ALL);
    assert_eq!(old.words().last().map(String::as_str), Some("local - done"), "{:?}", old.words());
}

#[test]
fn what_is_asked_of_us_too_early_is_done_a_little_later() {
    for (wish, answer) in [("hb_takeover", "foreign - me"), ("ask_resources", "local - other")] {
        let mut old = Old::alone(Failback::Off);
        old.join("local");
        old.event(Event::Standby(Set::FOREIGN));
        old.ask("foreign", "other");
        old.report("local", "0", &[]); // its last report is still under way
        old.ask("foreign", "done");
        old.sent.clear();
        old.message(wish, &[("rsc_hold", "local"), ("info", "me")]);
        assert_eq!(old.words(), Vec::<String>::new(), "{wish}");
        old.pass(ms(300));
        old.report("local", "1", &[]);
        assert!(old.words().iter().any(|word| word == answer), "{wish}: {:?}", old.words());
    }
}

#[test]
fn what_is_asked_of_us_at_a_bad_time_is_forgotten_in_the_end() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    old.report("none", "0", &[]);
    old.sent.clear();
    old.message("hb_takeover", &[("rsc_hold", "local")]);
    beats(&mut old, 11);
    old.report("none", "1", &[]);
    beats(&mut old, 2);
    assert!(!old.was_sent("ask_resources", &[]), "{:?}", old.words());
}

#[test]
fn a_take_over_that_is_not_answered_is_asked_for_again_and_given_up() {
    let mut old = Old::alone(Failback::Off);
    old.join("none");
    old.event(Event::Standby(Set::ALL));
    old.ask("all", "other");
    old.report("all", "1", &[]);
    old.ask("all", "done");
    old.sent.clear();
    let asked = |old: &Old| old.sent.iter().filter(|message| message.kind() == "hb_takeover").count();
    old.event(Event::Takeover(Set::LOCAL));
    assert_eq!(asked(&old), 1);
    beats(&mut old, 6);
    assert_eq!(asked(&old), 2);
    beats(&mut old, 60);
    assert_eq!(asked(&old), 3);
    // answered: not again
    old.event(Event::Takeover(Set::LOCAL));
    old.ask("foreign", "me");
    old.report("local", "0", &[("info", "standby")]);
    old.ask("foreign", "done");
    assert_eq!(old.alpha.wants(), Set::LOCAL);
    old.report("local", "1", &[]);
    beats(&mut old, 20);
    assert_eq!(asked(&old), 4);
}
