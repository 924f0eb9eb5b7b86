//! What goes wrong beside an old node: scripts that fail or are slow, partitions, quick restarts, reloads, lost heartbeats.

use lab::{Moment, check};
use rustix::process::Signal;

use super::*;
use crate::old::old_starts;
use crate::world::{ADDRESSES, SECOND};

/// A resource that an administrator can break: `faulty NAME ACTION`. What it refused is in `/var/log/faulty`.
const FAULTY: &str = "#!/bin/sh
name=$1 action=$2
case $action in
start)
    [ -e /etc/ha.d/slow ] && sleep 5
    if [ -e /etc/ha.d/refuse-$name ]; then echo $name >>/var/log/faulty; exit 1; fi
    touch /run/faulty-$name;;
stop) rm -f /run/faulty-$name;;
status) if [ -e /run/faulty-$name ]; then echo running; else echo stopped; exit 3; fi;;
esac
";

const NODES: [&str; 2] = ["alpha", "beta"];

fn case(ours: usize, failback: &'static str) -> Case {
    Case { ours, failback, media: [Media::Ucast, Media::Mcast][ours], key: SHA1 }
}

impl Mixed {
    /// Each group has its address and a resource that can be broken.
    fn boot_faulty(case: Case) -> Result<Self> {
        let mixed = Self::boot(case)?;
        let [one, two] = ADDRESSES;
        let groups = format!("alpha {one}/24/eth0 faulty::alpha\nbeta {two}/24/eth0 faulty::beta\n");
        for node in mixed.pair.nodes() {
            node.sh("mkdir -p /etc/ha.d/resource.d")?;
            node.write_mode("/etc/ha.d/resource.d/faulty", FAULTY, 0o755)?;
            node.write("/etc/ha.d/haresources", &groups)?;
        }
        Ok(mixed)
    }

    fn start_both(&self) -> Result<()> {
        self.start(1 - self.case.ours)?;
        self.start(self.case.ours)?;
        self.wait(AT_HOME, "cold start")
    }

    fn refuse(&self, index: usize, group: usize) -> Result<()> {
        self.node(index).write(&format!("/etc/ha.d/refuse-{}", NODES[group]), "")
    }

    fn mend(&self, index: usize) -> Result<()> {
        self.node(index).sh("rm -f /etc/ha.d/refuse-* /var/log/faulty").map(drop)
    }

    /// A node has tried to start what it cannot start.
    fn wait_refused(&self, index: usize) -> Result<()> {
        let node = self.node(index);
        let tried = || Ok(node.sh("cat /var/log/faulty 2>/dev/null || true")?.contains('a'));
        wait_until(LIMIT, &format!("a start fails on {}", node.name()), tried).map(drop)
    }

    /// As [`Mixed::wait`], for what happens only after 30 s of the old node.
    fn wait_long(&self, wanted: [&str; 2], step: &str) -> Result<()> {
        self.wait_moved(wanted, LIMIT * 3, step)?;
        self.wait(wanted, step)
    }

    /// Tells a node to hand over or to take, without waiting for what comes of it.
    fn say(&self, index: usize, tool: &str, set: &str) -> Result<()> {
        let node = self.node(index);
        if self.is_ours(index) {
            wait_until(LIMIT, tool, || node.run(&[tool, set]).map(|_| true)).map(drop)
        } else {
            old(node, &format!("/usr/share/heartbeat/{tool} {set}")).map(drop)
        }
    }

    /// Both still move what they are told to move.
    fn moves(&self) -> Result<()> {
        for index in [self.case.ours, 1 - self.case.ours] {
            self.order(index, "hb_standby", "all", PLACES[1 - index])?;
            self.order(index, "hb_takeover", "local", AT_HOME)?;
        }
        Ok(())
    }
}

/// What ours cannot start goes to the old node and stays there, whosever group it is, until it is asked for again.
fn a_start_fails_on_ours(ours: usize, failback: &'static str) -> Result<()> {
    let mixed = Mixed::boot_faulty(case(ours, failback))?;
    let aged = 1 - ours;
    mixed.refuse(ours, ours)?;
    mixed.start(aged)?;
    mixed.start(ours)?;
    mixed.wait(PLACES[aged], "our own groups cannot be started")?;
    mixed.pair.stays_placed(PLACES[aged], SECOND * 10)?;
    mixed.mend(ours)?;
    mixed.order(ours, "hb_takeover", "local", AT_HOME)?;
    mixed.refuse(ours, aged)?;
    mixed.say(aged, "hb_standby", "local")?;
    mixed.wait_refused(ours)?;
    mixed.wait(AT_HOME, "the groups that ours cannot start go back")?;
    mixed.mend(ours)?;
    mixed.moves()?;
    // meanwhile the old node has complained that nobody owned its groups, and was right
    mixed.pair.never_two_holders()
}

#[test]
fn a_start_fails_on_ours_with_failback() -> Result<()> {
    a_start_fails_on_ours(0, "on")
}

#[test]
fn a_start_fails_on_ours_without_failback() -> Result<()> {
    a_start_fails_on_ours(1, "off")
}

/// The old node hands back what it cannot start, 30 s later.
fn a_start_fails_on_the_old_one(ours: usize, failback: &'static str) -> Result<()> {
    let mixed = Mixed::boot_faulty(case(ours, failback))?;
    let aged = 1 - ours;
    mixed.start_both()?;
    mixed.refuse(aged, ours)?;
    mixed.say(ours, "hb_standby", "local")?;
    mixed.wait_refused(aged)?;
    mixed.wait_long(AT_HOME, "the groups that the old node cannot start come back")?;
    mixed.mend(aged)?;
    mixed.moves()?;
    mixed.pair.never_two_holders()
}

#[test]
fn a_start_fails_on_the_old_one_with_failback() -> Result<()> {
    a_start_fails_on_the_old_one(1, "on")
}

#[test]
fn a_start_fails_on_the_old_one_without_failback() -> Result<()> {
    a_start_fails_on_the_old_one(0, "off")
}

/// Both hold everything; healed, ours stays up and the old node restarts itself.
fn a_partition_heals(ours: usize, failback: &'static str) -> Result<()> {
    let mixed = Mixed::boot(case(ours, failback))?;
    mixed.start_both()?;
    let starts = old_starts(mixed.node(1 - ours))?;
    mixed.node(ours).cut_all()?;
    wait_until(LIMIT, "each holds everything while it is alone", || {
        let mut held = mixed
            .pair
            .nodes()
            .into_iter()
            .flat_map(|node| ADDRESSES.map(|address| node.holds(address.into())));
        held.try_fold(true, |all, one| Ok(all && one?))
    })?;
    let ours_before = mixed.node(ours).pids_of("heartbeatd")?;
    mixed.node(ours).heal_all()?;
    wait_until(LIMIT * 2, "the old node restarts itself", || {
        sleep(LOOK);
        Ok(old_starts(mixed.node(1 - ours))? > starts)
    })?;
    mixed.pair.wait_status(mixed.node(ours), NODES[1 - ours], "active")?;
    let wanted = if failback == "on" { AT_HOME } else { PLACES[ours] };
    mixed.wait_long(wanted, "after the partition")?;
    mixed.pair.stays_placed(wanted, SECOND * 5)?;
    check(mixed.node(ours).pids_of("heartbeatd")? == ours_before, || "ours restarted".to_owned())?;
    if failback == "off" {
        mixed.order(ours, "hb_standby", "foreign", AT_HOME)?;
    }
    mixed.moves()
}

#[test]
fn a_partition_heals_with_failback() -> Result<()> {
    a_partition_heals(0, "on")
}

#[test]
fn a_partition_heals_without_failback() -> Result<()> {
    a_partition_heals(1, "off")
}

/// Each node is back before the other one misses it.
fn quick_restarts(ours: usize, failback: &'static str) -> Result<()> {
    let mixed = Mixed::boot_with(case(ours, failback), SECOND * 12)?;
    let aged = 1 - ours;
    mixed.start_both()?;
    for index in [ours, aged] {
        mixed.node(index).power_off()?;
        mixed.node(index).power_on()?;
        mixed.start(index)?;
        mixed.wait(AT_HOME, &format!("power failure of {} for a moment", NODES[index]))?;
        mixed.moves()?;
    }
    check(mixed.node(ours).signal("heartbeatd", Signal::KILL)? > 0, || "no heartbeatd to kill".to_owned())?;
    mixed.pair.wait_gone(mixed.node(ours))?;
    mixed.start(ours)?;
    mixed.wait(AT_HOME, "ours was killed and restarted")?;
    mixed.moves()?;
    mixed.pair.never_two_holders()
}

#[test]
fn quick_restarts_with_failback() -> Result<()> {
    quick_restarts(1, "on")
}

#[test]
fn quick_restarts_without_failback() -> Result<()> {
    quick_restarts(0, "off")
}

/// Other timers on one node after the other, then another secret; nothing moves meanwhile.
fn reloads(ours: usize, failback: &'static str) -> Result<()> {
    let mixed = Mixed::boot_with(case(ours, failback), SECOND * 12)?;
    let aged = 1 - ours;
    mixed.start_both()?;
    let ha_cf = crate::world::files(mixed.pair.options).ha_cf;
    let ha_cf = ha_cf.replace("deadtime 12000ms", "deadtime 9").replace("warntime 6000ms", "warntime 4");
    let reload = |index: usize| -> Result<()> {
        if index == ours {
            return mixed.node(ours).run(&["heartbeatd", "-r"]).map(drop);
        }
        old(mixed.node(aged), "/usr/libexec/heartbeat/heartbeat -r").map(drop)
    };
    for index in [ours, aged] {
        let starts = old_starts(mixed.node(aged))?;
        mixed.node(index).write("/etc/ha.d/ha.cf", &ha_cf)?;
        reload(index)?;
        if index == aged {
            wait_until(LIMIT * 2, "the old node has read its files", || {
                sleep(LOOK);
                Ok(old_starts(mixed.node(aged))? > starts)
            })?;
        }
        mixed.wait(AT_HOME, &format!("other timers on {}", NODES[index]))?;
        mixed.moves()?;
    }
    let begin = Moment::now();
    for index in [ours, aged] {
        mixed.node(index).write_mode(
            "/etc/ha.d/authkeys",
            "auth 1\n1 sha1 the-next-key-for-the-lab\n",
            0o600,
        )?;
        reload(index)?;
    }
    mixed.pair.stays_placed(AT_HOME, SECOND * 12)?;
    for (index, other) in [(ours, aged), (aged, ours)] {
        let said = if index == ours {
            mixed.pair.cl_status(mixed.node(ours), &["nodestatus", NODES[other]])?
        } else {
            old(mixed.node(aged), &format!("cl_status nodestatus {}", NODES[other]))?.trim().to_owned()
        };
        check(said == "active", || {
            format!("{:?} after the new key, {} says {said}", begin.elapsed(), NODES[index])
        })?;
    }
    mixed.moves()?;
    mixed.pair.never_two_holders()
}

#[test]
fn reloads_with_failback() -> Result<()> {
    reloads(0, "on")
}

#[test]
fn reloads_without_failback() -> Result<()> {
    reloads(1, "off")
}

/// Three of ten heartbeats are lost in both directions: nobody is taken for dead, and what is ordered is done.
fn loss(ours: usize, failback: &'static str) -> Result<()> {
    let mixed = Mixed::boot_with(case(ours, failback), SECOND * 4)?;
    mixed.start_both()?;
    mixed.pair.lab.lose(30)?;
    mixed.pair.stays_placed(AT_HOME, SECOND * 12)?;
    mixed.moves()?;
    mixed.pair.lab.lose(0)?;
    mixed.wait(AT_HOME, "nothing is lost any more")?;
    mixed.moves()?;
    let log = mixed.node(1 - ours).sh("grep -c 'lost packet' /var/log/ha-log || true")?;
    check(log.trim() != "0", || "the old node has missed nothing: nothing was lost".to_owned())?;
    mixed.pair.never_two_holders()
}

#[test]
fn loss_with_failback() -> Result<()> {
    loss(1, "on")
}

#[test]
fn loss_without_failback() -> Result<()> {
    loss(0, "off")
}

/// Scripts that take longer than the deadtime.
fn slow_scripts(ours: usize, failback: &'static str) -> Result<()> {
    let mixed = Mixed::boot_faulty(case(ours, failback))?;
    for node in mixed.pair.nodes() {
        node.write("/etc/ha.d/slow", "")?;
    }
    mixed.start_both()?;
    mixed.moves()?;
    mixed.finish()
}

#[test]
fn slow_scripts_with_failback() -> Result<()> {
    slow_scripts(0, "on")
}

#[test]
fn slow_scripts_without_failback() -> Result<()> {
    slow_scripts(1, "off")
}
