//! The core as a whole: plan, verdicts and a table that is edited as it says.

use super::*;
use crate::config::{SystemNames, load_source};
use crate::control::Selection;
use crate::reconcile::{Action, Counted, Edit, Presence, Wanted, reconcile, remove};
use config::Source;
use proptest::prelude::*;
use std::time::Duration;

mod drain;
mod keep;
mod weights;

fn plan(text: &str) -> Plan {
    match load_source(Source::new("t.cf", text), &SystemNames::default()) {
        Ok(loaded) => loaded.plan,
        Err(error) => panic!("{error}"),
    }
}

const TWO: &str = "quiescent=yes\nvirtual=192.0.2.1:80\n\tfallback=192.0.2.99:80\n\treal=192.0.2.10:80 gate 5\n\treal=192.0.2.11:80 gate 5\n";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH
}

/// A director with its table.
struct Bench {
    director: Director,
    table: Table,
}

impl Bench {
    fn new(text: &str) -> Bench {
        Bench::on(text, Table::default())
    }

    fn on(text: &str, table: Table) -> Bench {
        Bench { director: Director::new(plan(text), &table, now()), table }
    }

    /// One pass over all services; its log lines.
    fn pass(&mut self) -> Vec<String> {
        self.director.none_is_due();
        self.place(&self.director.wanted())
    }

    /// One over those that check results have touched.
    fn pass_touched(&mut self) -> Vec<String> {
        let wanted = self.director.take_due();
        self.place(&wanted)
    }

    fn place(&mut self, wanted: &[Wanted]) -> Vec<String> {
        let edits: Vec<Edit> = reconcile(wanted, &self.table);
        for edit in &edits {
            self.table.apply(&edit.action);
        }
        self.director.placed(wanted, &[], &self.table, now());
        edits.into_iter().map(|edit| edit.message).collect()
    }

    /// A result: what it has logged, and whether it has changed what is wanted.
    fn observe(&mut self, probe: &Probe, checked: &Checked) -> (Vec<Line>, bool) {
        let before = std::mem::take(&mut self.director.touched);
        let lines = self.director.observe(probe, checked, now());
        let changed = self.director.is_due();
        self.director.touched.extend(before);
        (lines, changed)
    }

    /// A result for every probe of this address.
    fn check(&mut self, last: u8, passed: bool) -> bool {
        let outcome = if passed { Outcome::Passed } else { Outcome::Refused };
        let checked = Checked { outcome, took: Duration::from_millis(1), http_status: None };
        let mut changed = false;
        for probe in self.director.probes() {
            if matches!(&probe.kind, crate::check::Kind::Http(http) if http.url.contains(&format!("192.0.2.{last}:")))
            {
                changed |= self.observe(&probe, &checked).1;
            }
        }
        changed
    }

    /// Of everything.
    fn status(&self) -> Vec<ServiceStatus> {
        let counted = Counted::from(&self.table);
        let all = self.director.select(&Selection::default()).unwrap();
        pieces(&self.director, &all, &counted, usize::MAX)
    }

    fn weights(&self) -> Vec<(u8, u32)> {
        let mut weights: Vec<(u8, u32)> = self
            .table
            .services
            .iter()
            .flat_map(|(_, destinations)| destinations)
            .map(|d| match d.key.address {
                std::net::IpAddr::V4(address) => (address.octets()[3], d.weight),
                std::net::IpAddr::V6(_) => (0, d.weight),
            })
            .collect();
        weights.sort_unstable();
        weights
    }
}

/// The status of some servers, made in pieces.
fn pieces(director: &Director, places: &[Place], counted: &Counted, size: usize) -> Vec<ServiceStatus> {
    let mut whole: Vec<ServiceStatus> = Vec::new();
    for piece in director.pieces(places, size) {
        assert!(piece.servers.len() <= size);
        let status = director.status(&piece, counted).unwrap();
        match whole.last_mut() {
            Some(last) if last.service == status.service => last.extend(status),
            _ => whole.push(status),
        }
    }
    whole
}

#[test]
fn a_status_in_pieces_is_the_same_as_in_one() {
    let services = ["192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"].map(|vip| {
        let reals = if vip.contains("2.2:") { 0 } else { 7 };
        let reals = (0..reals).map(|last| format!("\treal=192.0.2.{}:80 gate\n", 10 + last));
        format!("virtual={vip}\n\tfallback=192.0.2.99:80 gate\n{}", reals.collect::<String>())
    });
    let mut bench = Bench::new(&services.concat());
    bench.check(12, true);
    bench.pass();
    let counted = Counted::from(&bench.table);
    let all = bench.director.select(&Selection::default()).unwrap();
    let whole = pieces(&bench.director, &all, &counted, usize::MAX);
    let counts: Vec<_> = whole.iter().map(|service| (service.servers.len(), service.up)).collect();
    assert_eq!(counts, [(7, 1), (0, 0), (7, 1)]);
    for size in 1..9 {
        assert_eq!(pieces(&bench.director, &all, &counted, size), whole, "{size}");
    }
    let some = [all[2], all[9], all[13]];
    let services: Vec<String> =
        pieces(&bench.director, &some, &counted, 1).into_iter().map(|service| service.service).collect();
    assert_eq!(services, ["tcp:192.0.2.1:80", "tcp:192.0.2.3:80"]);
}

#[test]
fn a_cold_start_with_all_verdicts_shows_no_fallback() {
    let mut bench = Bench::new(TWO);
    assert!(!bench.director.is_gathered());
    assert!(bench.check(10, true) && bench.check(11, false));
    assert!(bench.director.is_gathered());
    let lines = bench.pass();
    assert!(lines.iter().all(|line| !line.contains("fallback")), "{lines:?}");
    assert_eq!(bench.weights(), [(10, 5), (11, 0)]);
    assert!(bench.pass().is_empty());
}

#[test]
fn without_verdicts_only_what_is_there_counts_as_up() {
    let mut cold = Bench::new(TWO);
    cold.pass();
    assert_eq!(cold.weights(), [(99, 1)], "nobody is known to be up");
    cold.check(10, true);
    cold.pass();
    assert_eq!(cold.weights(), [(10, 5)]);

    let mut before = Bench::new(TWO);
    before.check(10, true);
    before.check(11, false);
    before.pass();
    let mut warm = Bench::on(TWO, before.table);
    assert!(warm.pass().is_empty(), "adopted as it is");
    assert!(!warm.director.is_gathered());
    warm.check(10, false);
    warm.pass();
    assert_eq!(warm.weights(), [(10, 0), (11, 0), (99, 1)]);
}

#[test]
fn an_activation_places_what_is_known_by_then_as_a_start_does() {
    let mut bench = Bench::new(TWO);
    bench.check(10, true);
    bench.check(11, false);
    bench.pass();
    let first = bench.table.clone();
    let held = bench.director.stopping();
    for edit in held.iter().flat_map(|(key, ours)| remove(key, ours, &first, "stop")) {
        bench.table.apply(&edit.action);
    }
    assert!(bench.table.services.is_empty());
    bench.check(11, true); // on standby
    bench.director.activate();
    let wanted = bench.director.wanted();
    assert!(
        wanted.iter().all(|want| want.purge && !want.settled),
        "nothing is taken for granted: {wanted:?}"
    );
    let lines = bench.pass();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(bench.weights(), [(10, 5), (11, 5)]);
    assert!(bench.pass().is_empty());

    // A server that dies on standby is there again with weight 0, as after a start.
    bench.check(11, false);
    bench.table = Table::default();
    bench.director.activate();
    bench.pass();
    assert_eq!(bench.weights(), [(10, 5), (11, 0)]);
    assert_eq!(bench.table.services.len(), first.services.len());
}

#[test]
fn an_adopted_table_gets_the_configured_weights_and_loses_strangers() {
    let mut bench = Bench::new(TWO);
    bench.check(10, true);
    bench.check(11, true);
    bench.pass();
    let mut table = bench.table;
    table.services[0].1[0].weight = 9;
    let mut stranger = table.services[0].1[0].clone();
    stranger.key.address = [192, 0, 2, 77].into();
    table.services[0].1.push(stranger);
    let mut again = Bench::on(TWO, table);
    again.pass();
    assert_eq!(again.weights(), [(10, 5), (11, 5)]);
}

#[test]
fn a_shared_server_counts_its_failures_for_each_service_alone() {
    let section = |vip: u8, count: u8| {
        format!("virtual=192.0.2.{vip}:80\n\tfailurecount={count}\n\treal=192.0.2.10:80 gate\n")
    };
    let mut bench = Bench::new(&(section(1, 3) + &section(2, 2)));
    assert_eq!(bench.director.probes().len(), 1, "checked once");
    bench.check(10, true);
    bench.pass();
    assert!(!bench.check(10, false));
    assert!(bench.check(10, false), "down in the second service only");
    bench.pass();
    assert_eq!(bench.weights(), [(10, 1)]);
    assert!(bench.check(10, false));
    bench.pass();
    assert_eq!(bench.weights(), []);
}

#[test]
fn a_reload_keeps_verdicts_and_names_what_left() {
    let mut bench = Bench::new(TWO);
    bench.check(10, true);
    bench.check(11, false);
    bench.pass();
    let more = format!("{TWO}virtual=192.0.2.2:80\n\treal=192.0.2.12:80 gate\n");
    assert!(bench.director.reload(plan(&more), &bench.table, now()).is_empty());
    assert!(!bench.director.is_gathered(), "the new server has no verdict");
    let status = bench.status();
    assert_eq!(
        status[0].servers.iter().map(|server| server.state).collect::<Vec<_>>(),
        [State::Up, State::Down]
    );
    bench.check(12, true);
    assert_eq!(
        bench.pass(),
        [
            "Added virtual server: 192.0.2.2:80",
            "Added real server: 192.0.2.12:80 (192.0.2.2:80) (Weight set to 1)"
        ]
    );
    let left = bench.director.reload(plan(TWO), &bench.table, now());
    assert_eq!(left.len(), 1);
    for (key, named) in &left {
        for edit in remove(key, named, &bench.table, "start") {
            bench.table.apply(&edit.action);
        }
    }
    assert!(bench.pass().is_empty(), "the other service is as it was");
    assert_eq!(bench.weights(), [(10, 5), (11, 0)]);
}

#[test]
fn another_check_of_a_live_server_has_to_fail_before_it_goes() {
    let mut bench = Bench::new(TWO);
    bench.check(10, true);
    bench.check(11, true);
    bench.pass();
    bench.director.reload(
        plan(&TWO.replace("\tfallback", "\treceive=\"x\"\n\tfallback")),
        &bench.table,
        now(),
    );
    assert!(bench.pass().is_empty());
    bench.check(10, false);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0), (11, 5)]);
}

#[test]
fn the_fallback_may_be_one_of_the_real_servers() {
    let mut bench = Bench::new(&TWO.replace("192.0.2.99", "192.0.2.10"));
    bench.check(10, true);
    bench.check(11, true);
    bench.pass();
    bench.check(10, false);
    bench.check(11, false);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 1), (11, 0)]);
    bench.check(10, true);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 5), (11, 0)]);
}

#[test]
fn checktype_off_is_never_used_but_has_its_fallback() {
    let text = TWO.replace("\tfallback", "\tchecktype=off\n\tfallback");
    let mut bench = Bench::new(&text.replace("quiescent=yes", "quiescent=no"));
    assert!(bench.director.is_gathered());
    bench.pass();
    assert_eq!(bench.weights(), [(99, 1)]);
    let mut bench = Bench::new(&text);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0), (11, 0), (99, 1)]);
}

#[test]
fn fallback_commands_are_given_once_and_again_after_a_reload() {
    let text = TWO.replace("\tfallback", "\tfallbackcommand=/bin/tell\n\tfallback");
    let mut bench = Bench::new(&text);
    bench.check(10, true);
    assert_eq!(bench.director.fallback_commands(), ["/bin/tell stop 192.0.2.1:80 tcp"]);
    assert!(bench.director.fallback_commands().is_empty());
    bench.check(10, false);
    assert_eq!(bench.director.fallback_commands(), ["/bin/tell start 192.0.2.1:80 tcp"]);
    bench.director.reload(plan(&text), &bench.table, now());
    assert_eq!(bench.director.fallback_commands(), ["/bin/tell start 192.0.2.1:80 tcp"]);
}

#[test]
fn a_fallback_that_was_started_is_stopped_at_a_clean_stop_once() {
    let text = TWO.replace("\tfallback", "\tfallbackcommand=/bin/tell\n\tfallback");
    let mut bench = Bench::new(&text);
    assert!(bench.director.last_commands().is_empty(), "nothing was started");
    bench.check(10, true);
    bench.director.fallback_commands();
    assert!(bench.director.last_commands().is_empty(), "it was told already");
    bench.check(10, false);
    assert!(bench.director.last_commands().is_empty(), "not started before it was told so");
    bench.director.fallback_commands();
    assert_eq!(bench.director.last_commands(), ["/bin/tell stop 192.0.2.1:80 tcp"]);
    assert!(bench.director.last_commands().is_empty());
    let mut stays = Bench::new(&text.replace("\tfallback=", "\tcleanstop=no\n\tfallback="));
    stays.check(10, false);
    stays.director.fallback_commands();
    assert!(
        stays.director.last_commands().is_empty(),
        "the service stays in the table, and its fallback serves"
    );
}

#[test]
fn a_fallback_whose_service_or_command_leaves_at_a_reload_is_stopped() {
    let text = TWO.replace("\tfallback", "\tfallbackcommand=/bin/tell\n\tfallback");
    let other = text.replace("/bin/tell", "/bin/other");
    for (next, commands) in [
        ("", &["/bin/tell stop 192.0.2.1:80 tcp"][..]),
        (&other, &["/bin/tell stop 192.0.2.1:80 tcp", "/bin/other start 192.0.2.1:80 tcp"]),
        (&text, &["/bin/tell start 192.0.2.1:80 tcp"]),
    ] {
        let mut bench = Bench::new(&text);
        bench.check(10, false);
        bench.director.fallback_commands();
        bench.director.reload(plan(next), &bench.table, now());
        assert_eq!(bench.director.fallback_commands(), commands, "{next}");
        assert!(bench.director.fallback_commands().is_empty());
    }
    let mut serving = Bench::new(&text);
    serving.check(10, true);
    serving.director.fallback_commands();
    serving.director.reload(plan(""), &serving.table, now());
    assert!(serving.director.fallback_commands().is_empty(), "it was told already");
}

#[test]
fn servers_that_had_been_removed_get_weight_0_when_the_file_says_so_from_now_on() {
    let no = TWO.replace("quiescent=yes", "quiescent=no");
    let mut bench = Bench::new(&no);
    bench.check(10, false);
    bench.check(11, true);
    bench.pass();
    assert_eq!(bench.weights(), [(11, 5)]);
    bench.director.reload(plan(TWO), &bench.table, now());
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0), (11, 5)]);
    bench.director.reload(plan(&no), &bench.table, now());
    bench.pass();
    assert_eq!(bench.weights(), [(11, 5)]);
}

#[test]
fn a_machine_that_has_run_out_of_something_takes_no_server_down() {
    let mut bench = Bench::new(TWO);
    bench.check(10, true);
    bench.check(11, false);
    bench.pass();
    let probe = bench.director.probes().remove(0);
    let error = std::io::Error::from(rustix::io::Errno::MFILE);
    let checked = Checked { outcome: Outcome::of_io(&error), took: Duration::ZERO, http_status: None };
    let (lines, changed) = bench.observe(&probe, &checked);
    assert!(lines[0].warning && lines[0].text.contains("open files") && !changed, "{lines:?}");
    assert!(bench.observe(&probe, &checked).0.is_empty(), "told once");
    assert!(bench.pass().is_empty());
    assert_eq!(bench.weights(), [(10, 5), (11, 0)]);
}

#[test]
fn a_refused_edit_is_tried_again() {
    let mut bench = Bench::new(TWO);
    bench.check(10, true);
    bench.check(11, true);
    let wanted = bench.director.wanted();
    let edits = reconcile(&wanted, &bench.table);
    for edit in edits.iter().filter(|edit| !edit.message.contains("192.0.2.11:")) {
        bench.table.apply(&edit.action);
    }
    let key = wanted[0].service.key.clone();
    let refused = wanted[0].destinations[1].destination.key;
    bench.director.placed(&wanted, &[(key, Some(refused))], &bench.table, now());
    let again = reconcile(&bench.director.wanted(), &bench.table);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].repairs, None, "nobody changed anything");
}

#[test]
fn a_refused_edit_of_ours_does_not_make_strangers_of_an_administrators_servers() {
    let mut bench = Bench::new(TWO);
    bench.check(10, true);
    bench.check(11, true);
    bench.pass();
    bench.check(11, false);
    bench.director.reload(plan(TWO), &bench.table, now());
    let wanted = bench.director.wanted();
    let key = wanted[0].service.key.clone();
    let refused = wanted[0].destinations[1].destination.key;
    bench.director.placed(&wanted, &[(key, Some(refused))], &bench.table, now());
    let mut added = bench.table.services[0].1[0].clone();
    added.key.address = [192, 0, 2, 77].into();
    bench.table.services[0].1.push(added);
    bench.pass();
    assert_eq!(bench.weights(), [(10, 5), (11, 0), (77, 5)]);
}

#[test]
fn a_refused_change_of_a_service_does_not_unsettle_its_servers() {
    let mut bench = Bench::new(TWO);
    bench.check(10, true);
    bench.check(11, true);
    bench.pass();
    let other = TWO.replace("\tfallback", "\tscheduler=rr\n\tfallback");
    bench.director.reload(plan(&other), &bench.table, now());
    let wanted = bench.director.wanted();
    bench.director.placed(&wanted, &[(wanted[0].service.key.clone(), None)], &bench.table, now());
    bench.table.services[0].1[0].weight = 0; // somebody drains a server
    assert_eq!(
        bench.pass(),
        ["Changed virtual server: 192.0.2.1:80"],
        "the change is tried again, nothing else"
    );
    assert_eq!(bench.weights(), [(10, 0), (11, 5)]);
}

#[test]
fn a_reload_keeps_the_weights_of_an_administrator_where_nothing_changed() {
    let mut bench = Bench::new(TWO);
    bench.check(10, true);
    bench.check(11, true);
    bench.pass();
    bench.table.services[0].1[0].weight = 0;
    bench.table.services[0].1[1].weight = 9;
    bench.director.reload(
        plan(&TWO.replace("192.0.2.11:80 gate 5", "192.0.2.11:80 gate 7")),
        &bench.table,
        now(),
    );
    bench.pass();
    assert_eq!(bench.weights(), [(10, 0), (11, 7)], "the second one's line was changed");
}

#[test]
fn a_pass_over_what_checks_have_touched_leaves_all_else_alone() {
    let two = format!("{TWO}virtual=192.0.2.2:80\n\treal=192.0.2.12:80 gate 5\n");
    let mut bench = Bench::new(&two);
    for last in [10, 11, 12] {
        bench.check(last, true);
    }
    bench.pass();
    assert!(bench.pass_touched().is_empty());
    bench.table.services[1].1.clear(); // somebody deletes a server of the other service
    bench.check(11, false);
    assert_eq!(bench.pass_touched().len(), 1);
    assert_eq!(bench.weights(), [(10, 5), (11, 0)]);
    assert!(!bench.director.is_due());
    bench.pass();
    assert_eq!(bench.weights(), [(10, 5), (11, 0), (12, 5)]);
}

/// A look at all services is in slices, so that no check's result waits for all of them.
#[test]
fn a_look_takes_some_services_at_a_time_and_misses_none() {
    let servers = "checktype=on\n\treal=192.0.2.200->192.0.2.219:80 gate 5";
    let service = |at: usize| format!("virtual=192.0.2.{at}:80\n\t{servers}\n");
    let mut bench = Bench::new(&(1..=40).map(service).collect::<String>());
    bench.pass();
    bench.table.services.iter_mut().for_each(|(_, servers)| servers.clear()); // somebody deletes all servers
    bench.director.look();
    let (mut slices, mut repaired) = (0, 0);
    while bench.director.is_looking() {
        bench.director.look(); // the next beat comes before the end of this look
        let wanted = bench.director.take_due();
        assert!(wanted.iter().map(|want| want.destinations.len()).sum::<usize>() < due::SLICE + 20);
        repaired += bench.place(&wanted).len();
        slices += 1;
        assert!(slices <= 40);
    }
    assert_eq!((slices, repaired), (6, 800));
    // What has changed comes first, but does not keep the look waiting for ever.
    bench.director.look();
    for taken in [1, 8, 1, 8] {
        bench.director.touched.insert(39);
        assert_eq!(bench.director.take_due().len(), taken);
    }
    assert!(bench.director.is_looking());
    while bench.director.is_looking() {
        bench.director.take_due();
    }
    assert!(!bench.director.is_due() && bench.director.take_due().is_empty());
}

/// What can happen to a director.
#[derive(Clone, Debug)]
enum Happening {
    Check(u8, bool),
    Pass,
    PassTouched,
    /// Somebody sets a weight.
    Weight(u8, u32),
    /// Somebody deletes a destination.
    Delete(u8),
    /// Somebody clears the table.
    Clear,
    Reload(bool),
    Maintain(u8, bool),
}

fn happening() -> impl Strategy<Value = Happening> {
    let server = || prop_oneof![Just(10u8), Just(11), Just(99)];
    prop_oneof![
        8 => (server(), any::<bool>()).prop_map(|(server, passed)| Happening::Check(server, passed)),
        4 => Just(Happening::Pass),
        4 => Just(Happening::PassTouched),
        1 => (server(), 0..4u32).prop_map(|(server, weight)| Happening::Weight(server, weight)),
        1 => server().prop_map(Happening::Delete),
        1 => Just(Happening::Clear),
        1 => any::<bool>().prop_map(Happening::Reload),
        1 => (server(), any::<bool>()).prop_map(|(server, on)| Happening::Maintain(server, on)),
    ]
}

proptest! {
    /// Whatever happens: passes come to rest, our own edits give no dead server a weight, and after a pass there is
    /// always somebody for the clients, a live server or the fallback (unless an administrator took the weight).
    #[test]
    fn promises_hold(quiescent in any::<bool>(), happenings in proptest::collection::vec(happening(), 0..60)) {
        let text = if quiescent { TWO.to_owned() } else { TWO.replace("quiescent=yes", "quiescent=no") };
        let other = text.replace("gate 5", "gate 7");
        let mut bench = Bench::new(&text);
        let mut touched = false;
        for happening in happenings {
            match happening {
                Happening::Check(server, passed) => drop(bench.check(server, passed)),
                Happening::PassTouched => drop(bench.pass_touched()),
                Happening::Weight(server, weight) => {
                    touched = true;
                    for found in bench.table.services.iter_mut().flat_map(|(_, all)| all.iter_mut()) {
                        if found.key.address == std::net::IpAddr::from([192, 0, 2, server]) {
                            found.weight = weight;
                        }
                    }
                }
                Happening::Delete(server) => {
                    for (_, all) in &mut bench.table.services {
                        all.retain(|found| found.key.address != std::net::IpAddr::from([192, 0, 2, server]));
                    }
                }
                Happening::Clear => bench.table = Table::default(),
                Happening::Reload(changed) => {
                    let text = if changed { &other } else { &text };
                    bench.director.reload(plan(text), &bench.table, now());
                }
                Happening::Maintain(server, on) => {
                    let address = std::net::IpAddr::from([192, 0, 2, server]);
                    bench.director.maintain(|real| on && real.address == address, now());
                }
                Happening::Pass => {
                    let wanted = bench.director.wanted();
                    let down: Vec<_> = wanted[0].destinations.iter().filter(|d| d.presence != Presence::Serving).map(|d| d.destination.key).collect();
                    for edit in reconcile(&wanted, &bench.table) {
                        if let Action::AddDestination(_, to) = &edit.action {
                            prop_assert!(to.weight == 0 || !down.contains(&to.key), "{}", edit.message);
                        }
                    }
                    bench.pass();
                    prop_assert_eq!(bench.pass(), Vec::<String>::new());
                    let serving = wanted[0].destinations.iter().any(|d| {
                        d.presence == Presence::Serving && bench.table.destination(&wanted[0].service.key, &d.destination.key).is_some()
                    });
                    prop_assert!(serving);
                    prop_assert!(touched || bench.weights().iter().any(|(_, weight)| *weight > 0));
                }
            }
        }
    }
}
