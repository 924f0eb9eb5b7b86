//! One node runs heartbeat 3.0.6 as Debian ships it, the other heartbeatd: how a pair is migrated.

mod rolling;
mod scripts;
mod tools;
mod troubles;

use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

use lab::pair;
use lab::{Node, Result, check, fail, wait_for, wait_until};

use crate::old::{
    LOOK, check_old_log_of, complaints, old, old_runs, request_if_lost, say_to_old, start_old, stop_old,
};
use crate::pings;
use crate::world::{ADDRESSES, ALL_ON_ALPHA, ALL_ON_BETA, AT_HOME, Media, Options, Pair};

/// The longest anything may take: an old node starts dozens of processes for each move.
const PATIENCE: Duration = Duration::from_secs(90);

fn wait_old_says(node: &Node, wanted: &str) -> Result<()> {
    let what = format!("the old cl_status on {} says {wanted}", node.name());
    wait_until(PATIENCE, &what, || {
        let says = old(node, "cl_status rscstatus || true")?;
        if says.trim() != wanted {
            sleep(LOOK);
        }
        check(says.trim() == wanted, || format!("it says {}", says.trim()))?;
        Ok(true)
    })
    .map(drop)
}

/// One of the configurations: over all of them, in each direction, every medium, every method of authkeys and both
/// values of `auto_failback` occur; and every failback with every medium and every method.
#[derive(Clone, Copy)]
struct Case {
    story: &'static str,
    /// Which node of haresources is ours.
    ours: usize,
    /// False: the old program plays the part of ours, too.
    new: bool,
    failback: &'static str,
    media: Media,
    key: &'static str,
}

const SHA1: &str = "sha1 a-key-for-the-lab";
const MD5: &str = "md5 another-key-for-the-lab";
const CRC: &str = "crc";

const PLACES: [[&str; 2]; 2] = [ALL_ON_ALPHA, ALL_ON_BETA];

/// A pair under way: what is expected is worked out from what was done.
struct Mixed {
    pair: Pair,
    case: Case,
    /// Which nodes run ours, or will when they are started.
    ours: [Cell<bool>; 2],
    /// How many words each old daemon has lost that were said again.
    lost: [Cell<usize>; 2],
}

impl Mixed {
    fn boot(case: Case) -> Result<Self> {
        Self::boot_with(case, Duration::from_secs(3))
    }

    fn boot_with(case: Case, deadtime: Duration) -> Result<Self> {
        let Case { failback, media, key, .. } = case;
        // Longer than the old program may take to start beside others on a busy machine; the last value counts.
        let more = if deadtime < Duration::from_secs(6) { "initdead 12\n" } else { "" };
        let pair = Pair::new(Options { media, failback, key, deadtime, more })?;
        let ours = [0, 1].map(|index| Cell::new(case.new && index == case.ours));
        Ok(Self { pair, case, ours, lost: Default::default() })
    }

    fn node(&self, index: usize) -> &Node {
        self.pair.nodes()[index]
    }

    fn is_ours(&self, index: usize) -> bool {
        self.ours[index].get()
    }

    fn start(&self, index: usize) -> Result<()> {
        if self.is_ours(index) { pair::start(self.node(index)) } else { start_old(self.node(index)) }
    }

    /// Both nodes' kernels and both programs say that the groups are there.
    fn wait(&self, wanted: [&str; 2], step: &str) -> Result<()> {
        let told = |failure| lab::Failure::new(format!("{step}: {failure}"));
        self.wait_moved(wanted, PATIENCE, step)?;
        self.pair.wait_placed(wanted).map_err(told)?;
        for home in [0, 1].into_iter().filter(|&index| !self.is_ours(index)) {
            let aged = self.node(home);
            if !old_runs(aged)? && !wanted.contains(&aged.name()) {
                continue;
            }
            let says = match (wanted[home] == aged.name(), wanted[1 - home] == aged.name()) {
                (true, true) => "all",
                (true, false) => "local",
                (false, true) => "foreign",
                (false, false) => "none",
            };
            wait_old_says(aged, says).map_err(told).map_err(|failure| self.pair.explain(failure))?;
        }
        Ok(())
    }

    /// Waits for the groups to be where they should be. What an old node's scripts say to their own daemon may be lost; then its
    /// group is asked for again, as its administrator would have to in a pair of old nodes.
    fn wait_moved(&self, wanted: [&str; 2], limit: Duration, step: &str) -> Result<()> {
        wait_for(limit, step, || {
            let found = self.pair.placement()?;
            if found == wanted.map(Some) {
                return Ok(Some(()));
            }
            sleep(LOOK);
            for home in [0, 1].into_iter().filter(|&index| !self.is_ours(index)) {
                let aged = self.node(home);
                if found[home].is_none() && wanted[home] == aged.name() && aged.pid().is_some() {
                    request_if_lost(aged, &format!("{}/24/eth0", ADDRESSES[home]), &self.lost[home])?;
                }
            }
            fail(format!("they are held by {found:?}"))
        })
        .map_err(|failure| self.pair.explain(failure))
    }

    /// A move by hand; on an old node it is said until it is heard.
    fn order(&self, index: usize, tool: &str, set: &str, wanted: [&str; 2]) -> Result<()> {
        let (node, words) = (self.node(index), format!("{tool} {set}"));
        let step = format!("{words} on {}", node.name());
        if self.is_ours(index) {
            wait_until(PATIENCE, &step, || node.run(&[tool, set]).map(|_| true))?;
            return self.wait(wanted, &step);
        }
        let there = || Ok(self.pair.placement()? == wanted.map(Some));
        say_to_old(node, &words, PATIENCE, there).map_err(|failure| self.pair.explain(failure))?;
        self.wait(wanted, &step)
    }

    fn stop(&self, index: usize) -> Result<()> {
        if self.is_ours(index) { pair::stop(self.node(index)) } else { stop_old(self.node(index)) }
    }

    /// What a node says about the status of the other one.
    fn status(&self, index: usize) -> Result<String> {
        let (node, other) = (self.node(index), self.node(1 - index).name());
        if self.is_ours(index) {
            return self.pair.cl_status(node, &["nodestatus", other]);
        }
        old(node, &format!("cl_status nodestatus {other} || true")).map(|said| said.trim().to_owned())
    }

    /// Each says that the other one takes part.
    fn wait_active(&self) -> Result<()> {
        for index in [0, 1] {
            let what = format!("{} says that the other node is active", self.node(index).name());
            wait_until(PATIENCE, &what, || {
                sleep(LOOK);
                Ok(self.status(index)? == "active")
            })
            .map_err(|failure| self.pair.explain(failure))?;
        }
        Ok(())
    }

    /// The old node complains about nothing that a pair of old nodes would not complain about, and no address was on two nodes.
    fn finish(self) -> Result<()> {
        self.pair.never_two_holders()?;
        self.check_log(&[])
    }

    /// The old node complains about nothing that a pair of old nodes would not complain about, and this.
    fn check_log(&self, more: &[&str]) -> Result<()> {
        match self.case.new {
            true => check_old_log_of(self.node(1 - self.case.ours), self.case.story, more),
            false => Ok(()), // what they complain about is noted
        }
    }
}

/// Cold start together; stand-by and take-over of each set, asked for on either node.
fn moves_by_hand(case: Case) -> Result<()> {
    let mixed = Mixed::boot(case)?;
    mixed.start(1 - case.ours)?;
    mixed.start(case.ours)?;
    mixed.wait(AT_HOME, "cold start")?;
    for index in [case.ours, 1 - case.ours] {
        let (mine, others) = (PLACES[index], PLACES[1 - index]);
        mixed.order(index, "hb_standby", "all", others)?;
        mixed.order(index, "hb_takeover", "local", AT_HOME)?;
        mixed.order(index, "hb_takeover", "foreign", mine)?;
        mixed.order(index, "hb_standby", "failback", AT_HOME)?;
        mixed.order(index, "hb_standby", "all", others)?;
        if mixed.is_ours(index) {
            mixed.order(index, "hb_takeover", "failback", AT_HOME)?;
        } else {
            // the old tool takes all when it is told to take what is its own
            mixed.order(index, "hb_takeover", "failback", mine)?;
            mixed.order(index, "hb_standby", "foreign", AT_HOME)?;
        }
        mixed.order(index, "hb_standby", "local", others)?;
        mixed.order(index, "hb_takeover", "all", mine)?;
        mixed.order(index, "hb_standby", "foreign", AT_HOME)?;
    }
    mixed.finish()
}

/// One node alone and the other joins; power failure and return of either; graceful stop and return of either.
fn failures(case: Case) -> Result<()> {
    let mixed = Mixed::boot(case)?;
    let home_again = |holder: usize| -> Result<()> {
        if case.failback == "on" {
            return mixed.wait(AT_HOME, "return with failback on");
        }
        mixed.wait_active()?;
        mixed.wait(PLACES[holder], "return with failback off")?;
        mixed.pair.stays_placed(PLACES[holder], Duration::from_secs(3))?;
        mixed.order(holder, "hb_standby", "foreign", AT_HOME)
    };
    mixed.start(case.ours)?;
    mixed.wait(PLACES[case.ours], "alone")?;
    mixed.start(1 - case.ours)?;
    home_again(case.ours)?;
    for index in [1 - case.ours, case.ours] {
        mixed.node(index).power_off()?;
        mixed.wait(PLACES[1 - index], "power failure")?;
        mixed.node(index).power_on()?;
        mixed.start(index)?;
        home_again(1 - index)?;
    }
    for index in [case.ours, 1 - case.ours] {
        mixed.stop(index)?;
        mixed.wait(PLACES[1 - index], "graceful stop")?;
        mixed.start(index)?;
        home_again(1 - index)?;
    }
    // the old one alone, too
    mixed.stop(case.ours)?;
    mixed.wait(PLACES[1 - case.ours], "graceful stop of ours")?;
    mixed.stop(1 - case.ours)?;
    mixed.start(1 - case.ours)?;
    mixed.wait(PLACES[1 - case.ours], "the old one starts alone")?;
    mixed.start(case.ours)?;
    home_again(1 - case.ours)?;
    mixed.finish()
}

/// What two old nodes complain about goes where the script that asks for it wants it.
impl Drop for Mixed {
    fn drop(&mut self) {
        let Some(path) = std::env::var_os("OLD_PAIR_LINES").filter(|_| !self.case.new) else { return };
        let Ok(mut file) = File::options().append(true).create(true).open(path) else { return };
        for line in self.pair.nodes().into_iter().filter_map(|node| complaints(node).ok()).flatten() {
            let _ = file.write_all(format!("{}: {line}\n", self.case.story).as_bytes());
        }
    }
}

macro_rules! cases {
    ($($name:ident: $ours:literal $failback:literal $media:ident $key:ident,)*) => {$(
        mod $name {
            use super::*;

            fn case(story: &'static str) -> Case {
                Case { story, ours: $ours, new: true, failback: $failback, media: Media::$media, key: $key }
            }

            #[test]
            fn moves_by_hand() -> Result<()> {
                super::moves_by_hand(case("moves_by_hand"))
            }

            #[test]
            fn failures() -> Result<()> {
                super::failures(case("failures"))
            }
        }
    )*};
}

cases! {
    first_on_mcast_sha1: 0 "on" Mcast SHA1,
    first_off_bcast_md5: 0 "off" Bcast MD5,
    first_on_ucast_crc: 0 "on" Ucast CRC,
    second_off_mcast_crc: 1 "off" Mcast CRC,
    second_on_bcast_md5: 1 "on" Bcast MD5,
    second_off_ucast_sha1: 1 "off" Ucast SHA1,
}

/// Ours and the old client agree about who reaches more; each side is once the one that loses.
fn ipfail_with_an_old_node(ours: usize) -> Result<()> {
    let options = Options { more: pings::IPFAIL, deadtime: Duration::from_secs(3), ..Options::default() };
    let pair = Pair::new(options)?;
    let (new, aged) = (pair.nodes()[ours], pair.nodes()[1 - ours]);
    start_old(aged)?;
    pair::start(new)?;
    pair.wait_placed(AT_HOME)?;
    pair.wait_status(new, "198.51.100.9", "ping")?;
    let running = || Ok(!aged.pids_of("ipfail")?.is_empty());
    wait_until(PATIENCE, "the old ipfail runs", running)?;
    clients_are_online(&pair, new, aged)?;
    pings::follow_the_ping_node(&pair)?;
    if ours == 0 {
        pair::stop(new)?;
        pings::return_when_the_host_is_reached(&pair, pair::start)
    } else {
        stop_old(aged)?;
        pings::return_when_the_host_is_reached(&pair, start_old)
    }
}

/// Each program says so of its own client and of the other node's, and knows no others.
fn clients_are_online(pair: &Pair, new: &Node, aged: &Node) -> Result<()> {
    for node in pair.nodes() {
        for (client, state) in [("ipfail", "online"), ("ccm", "offline")] {
            let ask = format!("cl_status clientstatus {} {client} 3000 || true", node.name());
            let agree = || Ok(new.sh(&ask)?.trim() == state && old(aged, &ask)?.trim() == state);
            wait_until(PATIENCE, &format!("{client} on {} is {state}", node.name()), agree)?;
        }
    }
    Ok(())
}

#[test]
fn ipfail_of_ours_loses_to_an_old_one_and_comes_back() -> Result<()> {
    ipfail_with_an_old_node(0)
}

#[test]
fn ipfail_of_an_old_node_loses_to_ours_and_comes_back() -> Result<()> {
    ipfail_with_an_old_node(1)
}
