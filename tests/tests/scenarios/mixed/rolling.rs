//! The whole way of a live pair from heartbeat 3.0.6 to heartbeatd and back, one node at a time, while clients ask for pages of
//! either address. The files of a node are never touched: each program takes over what the other one left. Every step tells what it
//! cost the clients.

use std::io::Write as _;
use std::time::Duration;

use lab::costs::Costs;
use lab::probe::Prober;
use lab::{Moment, Node, Result, check, web};

use super::{Case, Media, Mixed, PATIENCE, PLACES, SHA1};
use crate::old::check_old_log_of;
use crate::world::{ADDRESSES, AT_HOME};

/// Long enough that no step can succeed by waiting until the other node is taken for dead.
const DEADTIME: Duration = Duration::from_secs(60);
/// The longest that an address may be without an answer in one step: an old node moves it in about a second on a quiet machine, and a
/// node that has to be taken for dead costs the deadtime.
const OUTAGE_LIMIT: Duration = Duration::from_secs(30);
/// How often each address is asked for a page, and how long an answer may take.
const ASK_EVERY: Duration = Duration::from_millis(20);
const ANSWER_LIMIT: Duration = Duration::from_millis(500);
/// What must be the same at the end as at the beginning.
const FILES: &str =
    "cd / && sha256sum etc/ha.d/ha.cf etc/ha.d/authkeys etc/ha.d/haresources var/lib/heartbeat/hb_uuid";

/// A pair under way, its clients, and what each step cost.
struct Rolling {
    mixed: Mixed,
    clients: [Prober; 2],
    costs: Costs,
}

impl Rolling {
    /// Both nodes run the old program, and the clients are served.
    fn begin(case: Case) -> Result<Self> {
        let mixed = Mixed::boot_with(case, DEADTIME)?;
        for node in mixed.pair.nodes() {
            web::start(node, node.name(), "80")?;
        }
        mixed.start(0)?;
        mixed.start(1)?;
        mixed.wait(AT_HOME, "cold start of two old nodes")?;
        let ask = |address| Prober::http(&mixed.pair.client, (address, 80).into(), ASK_EVERY, ANSWER_LIMIT);
        let clients = [ask(ADDRESSES[0])?, ask(ADDRESSES[1])?];
        let title = format!(
            "Rolling migration, auto_failback {}, {:?}: longest time without an answer, by address\n(alpha+beta: the programs of the two nodes after the step)",
            case.failback, case.media
        );
        let columns = ADDRESSES.map(|address| address.to_string());
        let costs = Costs::new(&title, &columns.each_ref().map(String::as_str), OUTAGE_LIMIT);
        let rolling = Self { mixed, clients, costs };
        rolling.served(Moment::now(), AT_HOME)?;
        Ok(rolling)
    }

    fn node(&self, index: usize) -> &Node {
        self.mixed.node(index)
    }

    /// Each address is answered by the node that should hold it.
    fn served(&self, after: Moment, wanted: [&str; 2]) -> Result<()> {
        for (client, holder) in self.clients.iter().zip(wanted) {
            client
                .wait_answer(after, &[holder], PATIENCE)
                .map_err(|failure| self.mixed.pair.explain(failure))?;
        }
        Ok(())
    }

    /// Does something, waits until the addresses are where they should be and answer, and notes what it cost.
    fn step(&mut self, what: &str, wanted: [&str; 2], act: impl FnOnce(&Mixed) -> Result<()>) -> Result<()> {
        let begin = Moment::now();
        act(&self.mixed)?;
        self.mixed.wait(wanted, what)?;
        self.served(Moment::now(), wanted)?;
        let programs = [0, 1].map(|index| if self.mixed.is_ours(index) { "new" } else { "old" });
        self.costs.step(&format!("{}: {what}", programs.join("+")), begin, &self.clients)
    }

    /// Gives a node the other program, as an administrator does: hands everything over, stops, starts the other one.
    fn replace(&mut self, index: usize, hand_over: bool) -> Result<()> {
        let (name, others) = (self.node(index).name().to_owned(), PLACES[1 - index]);
        let ours = !self.mixed.is_ours(index);
        if ours {
            self.node(index).run(&["ha-migrate", "check"])?;
            self.node(index).run(&["heartbeatd", "--check"])?;
        }
        if hand_over {
            self.step(&format!("hb_standby on {name}"), others, |mixed| {
                mixed.order(index, "hb_standby", "all", others)
            })?;
        }
        self.step(&format!("stop on {name}"), others, |mixed| mixed.stop(index))?;
        let wanted = if self.mixed.case.failback == "on" { AT_HOME } else { others };
        let program = if ours { "heartbeatd" } else { "heartbeat 3.0.6" };
        self.mixed.ours[index].set(ours);
        self.step(&format!("start of {program} on {name}"), wanted, |mixed| {
            mixed.start(index)?;
            mixed.wait_active()
        })?;
        if wanted != AT_HOME {
            self.step(&format!("hb_takeover local on {name}"), AT_HOME, |mixed| {
                mixed.order(index, "hb_takeover", "local", AT_HOME)
            })?;
        }
        Ok(())
    }

    /// Each node gives everything away and gets its own back.
    fn move_by_hand(&mut self) -> Result<()> {
        for index in [0, 1] {
            let (name, others) = (self.node(index).name().to_owned(), PLACES[1 - index]);
            self.step(&format!("hb_standby on {name}"), others, |mixed| {
                mixed.order(index, "hb_standby", "all", others)
            })?;
            self.step(&format!("hb_takeover local on {name}"), AT_HOME, |mixed| {
                mixed.order(index, "hb_takeover", "local", AT_HOME)
            })?;
        }
        Ok(())
    }
}

/// Old and old, old and new, new and new, new and old, old and old.
fn there_and_back(case: Case) -> Result<()> {
    let mut rolling = Rolling::begin(case)?;
    let files = [0, 1].map(|index| rolling.node(index).sh(FILES));
    rolling.replace(1, true)?;
    rolling.move_by_hand()?;
    rolling.replace(0, true)?;
    rolling.move_by_hand()?;
    // back, and this time nothing is handed over first: an orderly stop does that, too
    rolling.replace(0, false)?;
    rolling.move_by_hand()?;
    rolling.replace(1, false)?;
    for (index, before) in files.into_iter().enumerate() {
        let (before, after) = (before?, rolling.node(index).sh(FILES)?);
        check(before == after, || format!("files have changed:\n{before}\n{after}"))?;
    }
    rolling.mixed.pair.never_two_holders()?;
    for node in rolling.mixed.pair.nodes() {
        check_old_log_of(node, case.story, &[])?;
    }
    // Past the capture of the test runner: what it cost is told also when all is well.
    let _ = writeln!(std::io::stderr(), "{}", rolling.costs);
    Ok(())
}

fn case(failback: &'static str, media: Media, key: &'static str) -> Case {
    Case { story: "failures", ours: 0, new: false, failback, media, key }
}

#[test]
fn a_pair_is_migrated_and_goes_back_with_failback() -> Result<()> {
    there_and_back(case("on", Media::Mcast, SHA1))
}

#[test]
fn a_pair_is_migrated_and_goes_back_without_failback() -> Result<()> {
    there_and_back(case("off", Media::Ucast, super::MD5))
}
