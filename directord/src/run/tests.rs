//! The loop as a whole: nothing that is slow may hold it up.

mod bed;

use crate::control::{Answer, Question};
use crate::run::GATHER;
use crate::run::reload::FRESH;
use crate::verdict::State::{Down, Up};
use bed::*;
use std::time::Instant;

#[test]
fn a_kernel_that_does_not_answer_holds_up_a_reload_and_nothing_else() {
    let (_a, first) = server();
    let (_b, second) = server();
    let bed = Bed::start(&section("", &[first]), false);
    let one = [format!("127.0.0.1:{first} 5")];
    bed.until("the first server", || bed.kernel.destinations() == one);
    bed.kernel.hold_up(true);
    bed.configure(&section("", &[first, second]));
    let reload = bed.asking(Question::Reload { executed_by: String::new() });
    bed.until("the table is to be read", || bed.kernel.is_waited_for());
    for _ in 0..3 {
        assert!(bed.mode().unwrap().active);
    }
    // A second wish meanwhile, for what the file says by then.
    bed.configure(&section("", &[second]));
    let again = bed.asking(Question::Reload { executed_by: String::new() });
    assert!(bed.mode().unwrap().active);
    bed.kernel.hold_up(false);
    for asked in [reload, again] {
        assert_eq!(asked.join().unwrap().unwrap(), Answer::End);
    }
    let last = [format!("127.0.0.1:{second} 5")];
    bed.until("the second server alone", || bed.kernel.destinations() == last);
}

/// Servers that the new file brings have no verdict yet: what is there stays meanwhile, and no fallback takes its place.
#[test]
fn a_reload_gives_new_servers_time_for_a_verdict() {
    let ((_a, first), (_b, second)) = (server(), server());
    let silent = "checktype=negotiate; service=http; request=/; receive=x"; // they accept, and say nothing
    let file = |port| format!("checkinterval=3600\n{}", section(silent, &[port]));
    let bed = Bed::start(&file(first), false);
    let reload = || bed.ask(Question::Reload { executed_by: String::new() });
    assert_eq!(reload(), Answer::End);
    bed.configure(&file(second));
    let began = Instant::now();
    assert_eq!(reload(), Answer::End);
    assert!(began.elapsed() >= GATHER, "it was placed at once");
}

#[test]
fn a_reload_brings_another_interval_between_looks() {
    let rarely = format!("checkinterval=3600\n{}", section("checktype=on", &[80]));
    let bed = Bed::start(&rarely, false);
    let reload = || bed.ask(Question::Reload { executed_by: String::new() });
    assert_eq!(reload(), Answer::End);
    bed.configure(&section("checktype=on", &[80]));
    assert_eq!(reload(), Answer::End);
    bed.kernel.clear();
    bed.until("it is repaired", || bed.kernel.destinations() == ["127.0.0.1:80 5"]);
}

/// A look is in slices, and leaves out no service.
#[test]
fn a_look_repairs_all_services() {
    let service = |at: usize| section("checktype=on", &[80]).replace("113.1:", &format!("113.{at}:"));
    let bed = Bed::start(&(1..=100).map(service).collect::<String>(), false);
    let complete = || bed.kernel.destinations().len() == 100;
    bed.until("all are placed", complete);
    bed.kernel.clear();
    bed.until("all are repaired", complete);
}

/// What was read beside the file serves the new plan and the pass that places it, unless the file has more services.
#[test]
fn a_reload_reads_the_table_once() {
    let quiet = |servers: &[u16]| format!("checkinterval=3600\n{}", section("checktype=on", servers));
    let bed = Bed::start(&quiet(&[80]), false);
    let reload = || bed.ask(Question::Reload { executed_by: String::new() });
    assert_eq!(reload(), Answer::End);
    let (before, began) = (bed.kernel.reads(), Instant::now());
    bed.configure(&quiet(&[80, 81]));
    assert_eq!(reload(), Answer::End);
    let too_old = began.elapsed() >= FRESH; // on a machine that does other things
    assert!(bed.kernel.reads() - before == 1 || too_old);
    assert_eq!(bed.kernel.destinations().len(), 2);
    let more = quiet(&[80, 81]);
    bed.configure(&format!("{more}{}", section("checktype=on", &[82]).replace("113.1:", "113.2:")));
    assert_eq!(reload(), Answer::End);
    assert_eq!(bed.kernel.reads() - before, 3);
    assert_eq!(bed.kernel.destinations().len(), 3);
}

/// A check whose way depends on the address that was just taken fails on standby.
#[test]
fn servers_that_were_down_on_standby_are_checked_again_when_it_is_activated() {
    let checked = "checktype=external; checkcommand=/bin/sh FOLDER/check; checkinterval=3600s";
    let bed = Bed::prepared(&section(checked, &[81, 82]), true, |folder| {
        std::fs::write(folder.join("check"), "[ $4 = 82 ] || [ -e ${0%/*}/taken ]\n").unwrap();
    });
    bed.until("both are checked", || bed.states() == [Down, Up]);
    assert_eq!(bed.kernel.destinations(), [""; 0]);
    std::fs::write(bed.file("taken"), "").unwrap();
    assert_eq!(bed.ask(Question::Activate), Answer::End);
    let both = ["127.0.0.1:81 5", "127.0.0.1:82 5"];
    assert!(bed.kernel.destinations().contains(&both[1].to_owned()), "it waits for no check");
    bed.until("the other one, too", || bed.kernel.destinations() == both);
    // Activated again it has nothing to check.
    std::fs::remove_file(bed.file("taken")).unwrap();
    assert_eq!(bed.ask(Question::Activate), Answer::End);
    assert_eq!(bed.states(), [Up, Up]);
}
