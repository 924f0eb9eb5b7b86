//! Which mails come of what happens to a plan and its table.

use super::*;
use crate::check::{Checked, Outcome};
use crate::config::{SystemNames, load_source};
use crate::director::Director;
use crate::reconcile::{Table, reconcile, remove};
use config::Source;
use std::time::SystemTime;

fn plan(text: &str) -> Plan {
    match load_source(Source::new("t.cf", text), &SystemNames::default()) {
        Ok(loaded) => loaded.plan,
        Err(error) => panic!("{error}"),
    }
}

const TWO: &str = "emailalert=\"a@example.com, b@example.com\"\nemailalertfreq=60\nquiescent=yes\nvirtual=192.0.2.1:80\n\tfallback=192.0.2.99:80\n\treal=192.0.2.10:80 gate 5\n\treal=192.0.2.11:80 gate 5\n";

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Director, table and alerts as the daemon has them.
struct Bench {
    director: Director,
    table: Table,
    alerts: Alerts,
    phase: Phase,
    /// The kernel refuses every edit.
    refuses: bool,
}

impl Bench {
    fn new(text: &str) -> Bench {
        let plan = plan(text);
        let mut alerts = Alerts::default();
        alerts.load(&plan);
        let table = Table::default();
        let director = Director::new(plan, &table, SystemTime::UNIX_EPOCH);
        Bench { director, table, alerts, phase: Phase::Running, refuses: false }
    }

    fn check(&mut self, server: u8, up: bool) {
        let outcome = if up { Outcome::Passed } else { Outcome::Refused };
        let checked = Checked { outcome, took: Duration::ZERO, http_status: None };
        let probes = self.director.probes();
        let probe =
            probes.iter().find(|probe| format!("{:?}", probe.kind).contains(&format!("192.0.2.{server}:")));
        self.director.observe(probe.unwrap(), &checked, SystemTime::UNIX_EPOCH);
    }

    /// One pass; the subjects of the mails that come of it.
    fn pass(&mut self, now: Duration) -> Vec<String> {
        let wanted = self.director.wanted();
        let mut edits = reconcile(&wanted, &self.table);
        if self.refuses {
            edits.retain(|edit| edit.action.destination().is_none());
        }
        edits.iter().for_each(|edit| self.table.apply(&edit.action));
        self.director.placed(&wanted, &[], &self.table, SystemTime::UNIX_EPOCH);
        let down = self.director.down();
        subjects(self.alerts.edited(&edits, Some(&down), self.phase, now))
    }

    fn reminders(&mut self, now: Duration) -> Vec<String> {
        subjects(self.alerts.reminders(self.phase, now))
    }

    fn started(text: &str) -> Bench {
        let mut bench = Bench::new(text);
        bench.check(10, true);
        bench.check(11, true);
        bench.pass(at(0));
        bench
    }
}

fn subjects(mails: Vec<Mail>) -> Vec<String> {
    mails.iter().map(Mail::subject).collect()
}

#[test]
fn every_change_of_a_destination_is_told() {
    let mut bench = Bench::new(TWO);
    bench.check(10, true);
    bench.check(11, true);
    assert_eq!(
        bench.pass(at(0)),
        [
            "Added real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 5)",
            "Added real server: 192.0.2.11:80 (192.0.2.1:80) (Weight set to 5)"
        ]
    );
    assert!(bench.pass(at(1)).is_empty());
    bench.check(10, false);
    assert_eq!(bench.pass(at(2)), ["Quiescent real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 0)"]);
    bench.check(11, false);
    assert_eq!(
        bench.pass(at(3)),
        [
            "Added fallback server: 192.0.2.99:80 (192.0.2.1:80) (Weight set to 1)",
            "Quiescent real server: 192.0.2.11:80 (192.0.2.1:80) (Weight set to 0)"
        ]
    );
    bench.check(10, true);
    assert_eq!(
        bench.pass(at(4)),
        [
            "Restored real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 5)",
            "Deleted fallback server: 192.0.2.99:80 (192.0.2.1:80)"
        ]
    );
}

#[test]
fn reminders_come_as_often_as_asked_until_the_server_is_back() {
    let mut bench = Bench::started(TWO);
    bench.check(10, false);
    bench.pass(at(100));
    let reminder = "Inaccessible real server: 192.0.2.10:80 (192.0.2.1:80)";
    assert!(bench.reminders(at(159)).is_empty());
    assert_eq!(bench.reminders(at(160)), [reminder]);
    assert!(bench.reminders(at(161)).is_empty() && bench.pass(at(162)).is_empty());
    assert_eq!(bench.reminders(at(300)), [reminder], "a long gap is one reminder");
    bench.check(10, true);
    bench.pass(at(301));
    assert!(bench.reminders(at(1000)).is_empty());
    let mut never = Bench::started(&TWO.replace("freq=60", "freq=0"));
    never.check(10, false);
    never.pass(at(1));
    assert!(never.reminders(at(10_000)).is_empty());
}

#[test]
fn a_server_that_is_down_without_an_edit_is_told_of_once() {
    let mut bench = Bench::new(&TWO.replace("quiescent=yes", "quiescent=no"));
    bench.phase = Phase::Starting;
    bench.check(10, true);
    bench.check(11, false);
    let reminder = "Inaccessible real server: 192.0.2.11:80 (192.0.2.1:80)";
    assert_eq!(
        bench.pass(at(0)),
        ["Added real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 5)", reminder]
    );
    assert!(bench.pass(at(1)).is_empty());
    assert_eq!(bench.reminders(at(60)), [reminder]);
    bench.refuses = true;
    bench.check(10, false);
    let told = bench.pass(at(61));
    assert_eq!(told, ["Inaccessible real server: 192.0.2.10:80 (192.0.2.1:80)"], "its edit was refused");
}

#[test]
fn a_server_that_somebody_removed_comes_back_quiescent_and_is_mailed_as_ldirectord_did() {
    let mut bench = Bench::started(&format!("readdquiescent=yes\n{TWO}"));
    bench.check(10, false);
    bench.pass(at(0));
    for (_, destinations) in &mut bench.table.services {
        destinations.retain(|found| found.weight > 0);
    }
    assert_eq!(bench.pass(at(1)), ["Quiescent real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 0)"]);
}

#[test]
fn only_the_phases_asked_for() {
    let mut bench = Bench::new(&TWO.replace("quiescent", "emailalertstatus=running\nquiescent"));
    bench.phase = Phase::Starting;
    bench.check(10, true);
    bench.check(11, false);
    assert!(bench.pass(at(0)).is_empty());
    assert!(bench.reminders(at(60)).is_empty());
    bench.phase = Phase::Running;
    assert_eq!(bench.reminders(at(120)).len(), 1, "it is reminded of all the same");
    bench.check(10, false);
    assert_eq!(bench.pass(at(121)).len(), 2);
    bench.phase = Phase::Stopping;
    assert!(bench.reminders(at(1000)).is_empty());
    let none = plan(&TWO.replace("quiescent", "emailalertstatus=none\nquiescent"));
    assert_eq!(none.services[0].alerts, None);
}

#[test]
fn a_sections_values_win_and_name_and_comment_come_along() {
    let text = format!(
        "smtp=mail.example.com\nemailalertfrom=lvs@example.com\n{}\temailalert=root\n\tservicename=Shop\n\tcomment=call Jane\n",
        TWO.replace("quiescent=yes", "quiescent=no")
    );
    let mut bench = Bench::new(&text);
    bench.check(10, true);
    let wanted = bench.director.wanted();
    let mails = bench.alerts.edited(&reconcile(&wanted, &bench.table), None, Phase::Starting, at(0));
    let mail = &mails[0];
    assert_eq!(mail.settings.to.iter().map(Address::path).collect::<Vec<_>>(), ["root"]);
    assert_eq!(mail.route().unwrap().host, "mail.example.com");
    assert_eq!(mail.from.as_ref().unwrap().path(), "lvs@example.com");
    assert_eq!(mail.subject(), "[Shop] Added real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 5)");
    assert_eq!((mail.comment.as_deref(), mail.phase), (Some("call Jane"), Phase::Starting));
}

#[test]
fn a_stop_tells_of_the_servers_and_not_of_the_fallback() {
    let mut bench = Bench::started(TWO);
    bench.check(10, false);
    bench.check(11, false);
    bench.pass(at(0));
    let edits: Vec<Edit> = bench
        .director
        .stopping()
        .iter()
        .flat_map(|(key, named)| remove(key, named, &bench.table, "stop"))
        .collect();
    assert_eq!(
        subjects(bench.alerts.edited(&edits, None, Phase::Stopping, at(1))),
        [
            "Purged real server (stop): 192.0.2.10:80 (192.0.2.1:80)",
            "Purged real server (stop): 192.0.2.11:80 (192.0.2.1:80)"
        ]
    );
    assert!(!bench.alerts.are_wanted());
}

#[test]
fn a_reload_forgets_nothing_and_tells_of_what_leaves() {
    let other = TWO.replace("192.0.2.1:80", "192.0.2.2:80").replace("192.0.2.99:80", "192.0.2.98:80");
    let both =
        format!("{TWO}{}", other.split_once("virtual").map(|(_, rest)| format!("virtual{rest}")).unwrap());
    let mut bench = Bench::started(&both);
    bench.check(10, false);
    assert_eq!(bench.pass(at(0)).len(), 2, "a shared server is told of for each service");
    let next = plan(&both.replace("freq=60", "freq=30"));
    bench.alerts.load(&next);
    bench.director.reload(next, &bench.table, SystemTime::UNIX_EPOCH);
    assert!(bench.pass(at(1)).is_empty());
    assert_eq!(bench.reminders(at(31)).len(), 2);
    let one = plan(TWO);
    bench.alerts.load(&one);
    let left = bench.director.reload(one, &bench.table, SystemTime::UNIX_EPOCH);
    let edits: Vec<Edit> =
        left.iter().flat_map(|(key, named)| remove(key, named, &bench.table, "start")).collect();
    let told = subjects(bench.alerts.edited(&edits, None, Phase::Reloading, at(32)));
    assert_eq!(told.len(), 2);
    assert!(
        told.iter().all(|subject| subject.starts_with("Purged real server (start): 192.0.2.1")),
        "{told:?}"
    );
    assert_eq!(bench.reminders(at(100)).len(), 1, "of what has left nobody is reminded");
}

#[test]
fn without_receivers_there_is_nothing_to_do() {
    let mut bench = Bench::new(
        &TWO.replace("emailalert=", "servicename=")
            .replace("servicename=\"a@example.com, b@example.com\"\n", ""),
    );
    assert!(!bench.alerts.are_wanted());
    bench.check(10, false);
    assert!(bench.pass(at(0)).is_empty() && bench.reminders(at(1000)).is_empty());
}

#[test]
fn that_all_servers_failed_together_and_its_end_are_told_of() {
    let mut bench = Bench::new(&format!("keeplast=yes\n{TWO}"));
    for (server, up) in [(10, true), (11, true), (10, false), (11, false), (10, false), (11, true)] {
        bench.check(server, up);
    }
    let notices = bench.director.take_notices();
    let mails: Vec<String> = notices
        .into_iter()
        .filter_map(|(service, event)| bench.alerts.noticed(&service, event, bench.phase))
        .map(|mail| mail.subject())
        .collect();
    assert_eq!(mails.len(), 2, "{mails:?}");
    assert!(
        mails[0].starts_with("ALL 2 real servers of tcp:192.0.2.1:80 that were up have failed"),
        "{mails:?}"
    );
    assert!(mails[1].starts_with("A check has passed"), "{mails:?}");
    assert!(bench.director.take_notices().is_empty());
}

#[test]
fn a_weight_that_moves_is_no_news() {
    let mut bench =
        Bench::new(&TWO.replace("quiescent", "slowstart=10\nquiescent").replace("gate 5", "gate 10"));
    for (server, up) in [(10, true), (11, true), (10, false), (10, true)] {
        bench.check(server, up);
    }
    let mut due = bench.director.advance(std::time::Instant::now());
    let mut subjects = bench.pass(at(0));
    while let Some(next) = due {
        due = bench.director.advance(next);
        subjects.extend(bench.pass(at(0)));
    }
    assert!(subjects.iter().all(|subject| !subject.starts_with("Changed")), "{subjects:?}");
    let weight = |table: &Table| table.services[0].1.iter().map(|found| found.weight).max();
    assert_eq!(weight(&bench.table), Some(10), "although it moved");
}
