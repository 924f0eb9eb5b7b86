//! What goes wrong beside an old node: scripts that fail or are slow, partitions, quick restarts, reloads, lost heartbeats.

use lab::Moment;
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

/// After a healed partition an old node notices within a keepalive, and lets go of everything 2 s later: in a pair of them an
/// address is on both for 2.2 to 2.8 s more. What is above that is for a busy machine.
const LETS_GO: Duration = Duration::from_secs(10);

/// Both directions and both values of `auto_failback` of a story; `turn` chooses the medium and the method.
fn case(story: &'static str, ours: usize, failback: &'static str, turn: usize) -> Case {
    let turn = turn + 2 * ours + usize::from(failback == "off");
    let media = [Media::Ucast, Media::Mcast, Media::Bcast][turn % 3];
    let key = [SHA1, MD5, CRC][(turn + turn / 3) % 3];
    Case { story, ours, new: true, failback, media, key }
}

macro_rules! stories {
    ($($story:ident $turn:literal,)*) => {$(
        mod $story {
            use super::*;

            const STORY: &str = stringify!($story);

            #[test]
            fn first_on() -> Result<()> {
                super::$story(case(STORY, 0, "on", $turn))
            }

            #[test]
            fn first_off() -> Result<()> {
                super::$story(case(STORY, 0, "off", $turn))
            }

            #[test]
            fn second_on() -> Result<()> {
                super::$story(case(STORY, 1, "on", $turn))
            }

            #[test]
            fn second_off() -> Result<()> {
                super::$story(case(STORY, 1, "off", $turn))
            }
        }
    )*};
}

stories! {
    a_start_fails_on_ours 0,
    a_start_fails_on_the_old_one 1,
    slow_scripts 2,
    a_partition_heals 3,
    loss 4,
    quick_restarts 5,
    reloads 6,
}

/// The same stories with the old program on both nodes: for the list of what its log then says.
#[cfg(feature = "old-pair")]
mod two_old_nodes {
    use super::*;

    macro_rules! old_pairs {
        ($($story:ident)*) => {$(
            mod $story {
                use super::*;

                #[test]
                fn on() -> Result<()> {
                    super::$story(Case { new: false, ..case(stringify!($story), 0, "on", 0) })
                }

                #[test]
                fn off() -> Result<()> {
                    super::$story(Case { new: false, ..case(stringify!($story), 1, "off", 0) })
                }
            }
        )*};
    }

    /// Its scripts write to its FIFO in pieces, as `cat` gets them; a busy machine leaves time between two of them.
    #[test]
    fn words_are_lost() -> Result<()> {
        let mixed = Mixed::boot(Case { new: false, ..case("any", 0, "on", 0) })?;
        mixed.start_both()?;
        let word = "(echo '>>>'; sleep 1; printf 't=ask_resources\\nrsc_hold=all\\ninfo=me\\n<<<\\n') | cat >>/var/lib/heartbeat/fifo";
        mixed.node(0).sh(word)?;
        let lost = || Ok(lab::old::words_lost(mixed.node(0))? > 0);
        wait_until(PATIENCE, "a word is lost", lost)?;
        mixed.stays(AT_HOME, SECOND * 5)
    }

    old_pairs! {
        moves_by_hand failures a_start_fails_on_ours a_start_fails_on_the_old_one slow_scripts a_partition_heals loss
        quick_restarts reloads
    }
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
    fn refused(&self, index: usize) -> Result<bool> {
        Ok(self.node(index).read("/var/log/faulty").is_ok_and(|names| !names.is_empty()))
    }

    fn wait_refused(&self, index: usize) -> Result<()> {
        let what = format!("a start fails on {}", self.node(index).name());
        let result = wait_until(PATIENCE, &what, || self.refused(index));
        result.map(drop).map_err(|failure| self.pair.explain(failure))
    }

    /// As [`Mixed::wait`], for what happens only after 30 s of the old node.
    fn wait_long(&self, wanted: [&str; 2], step: &str) -> Result<()> {
        self.wait_moved(wanted, PATIENCE, step)?;
        self.wait(wanted, step)
    }

    /// A node hands its own groups over to the other one, which cannot start them.
    fn hand_over_in_vain(&self, index: usize) -> Result<()> {
        let node = self.node(index);
        if !self.is_ours(index) {
            let refused = || self.refused(1 - index);
            return say_to_old(node, "hb_standby local", PATIENCE, refused)
                .map_err(|failure| self.pair.explain(failure));
        }
        wait_until(PATIENCE, "hb_standby local", || node.run(&["hb_standby", "local"]).map(|_| true))?;
        self.wait_refused(1 - index)
    }

    /// Nothing moves for a while.
    fn stays(&self, wanted: [&str; 2], span: Duration) -> Result<()> {
        let begin = Moment::now();
        while begin.elapsed() < span {
            let found = self.pair.placement()?;
            check(found == wanted.map(Some), || format!("moved: {found:?}"))
                .map_err(|failure| self.pair.explain(failure))?;
            sleep(LOOK);
        }
        Ok(())
    }

    /// A node reads ha.cf and authkeys again.
    fn reload(&self, index: usize) -> Result<()> {
        if self.is_ours(index) {
            return self.node(index).run(&["heartbeatd", "-r"]).map(drop);
        }
        old(self.node(index), "/usr/libexec/heartbeat/heartbeat -r").map(drop)
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
fn a_start_fails_on_ours(case: Case) -> Result<()> {
    let mixed = Mixed::boot_faulty(case)?;
    let (ours, aged) = (case.ours, 1 - case.ours);
    mixed.refuse(ours, ours)?;
    mixed.start(aged)?;
    mixed.start(ours)?;
    if !case.new {
        // an old node says that it holds what it could not start, and hands over the wrong set 30 s later
        mixed.wait_refused(ours)?;
        sleep(SECOND * 45);
        return mixed.finish();
    }
    mixed.wait(PLACES[aged], "our own groups cannot be started")?;
    mixed.stays(PLACES[aged], SECOND * 10)?;
    mixed.mend(ours)?;
    mixed.order(ours, "hb_takeover", "local", AT_HOME)?;
    mixed.refuse(ours, aged)?;
    mixed.hand_over_in_vain(aged)?;
    mixed.wait(AT_HOME, "the groups that ours cannot start go back")?;
    mixed.mend(ours)?;
    mixed.moves()?;
    mixed.pair.never_two_holders()?;
    // an old node would have said that it holds what it could not start
    mixed.check_log(&["ERROR: No one owns our local resources!"])
}

/// The old node hands back what it cannot start, 30 s later.
fn a_start_fails_on_the_old_one(case: Case) -> Result<()> {
    let mixed = Mixed::boot_faulty(case)?;
    let (ours, aged) = (case.ours, 1 - case.ours);
    mixed.start_both()?;
    mixed.refuse(aged, ours)?;
    mixed.hand_over_in_vain(ours)?;
    mixed.wait_long(AT_HOME, "the groups that the old node cannot start come back")?;
    mixed.mend(aged)?;
    mixed.moves()?;
    mixed.finish()
}

/// Both hold everything; healed, ours stays up and the old node restarts itself.
fn a_partition_heals(case: Case) -> Result<()> {
    let mixed = Mixed::boot(case)?;
    let (ours, aged) = (case.ours, 1 - case.ours);
    mixed.start_both()?;
    let starts = old_starts(mixed.node(aged))?;
    mixed.node(ours).cut_all()?;
    wait_until(PATIENCE, "each holds everything while it is alone", || {
        let nodes = mixed.pair.nodes().into_iter();
        let mut held = nodes.flat_map(|node| ADDRESSES.map(|address| node.holds(address.into())));
        held.try_fold(true, |all, one| Ok(all && one?))
    })?;
    let before = mixed.node(ours).pids_of("heartbeatd")?;
    let healed = Moment::now();
    mixed.node(ours).heal_all()?;
    wait_until(PATIENCE, "the old node restarts itself", || {
        sleep(LOOK);
        Ok(old_starts(mixed.node(aged))? > starts)
    })?;
    mixed.wait_active()?;
    // two old nodes restart both
    let wanted = if case.failback == "on" || !case.new { AT_HOME } else { PLACES[ours] };
    mixed.wait_long(wanted, "after the partition")?;
    for address in ADDRESSES {
        let overlap = mixed.pair.holding.longest_overlap(&[address]);
        let end = overlap.map(|overlap| overlap.from.plus(overlap.length).since(healed)).unwrap_or_default();
        println!("{address} was on two nodes until {end:?} after the partition had healed");
        check(end < LETS_GO, || format!("{address} was on two nodes for {end:?} more"))?;
    }
    mixed.stays(wanted, SECOND * 5)?;
    check(mixed.node(ours).pids_of("heartbeatd")? == before, || "ours restarted".to_owned())?;
    if wanted != AT_HOME {
        mixed.order(ours, "hb_standby", "foreign", AT_HOME)?;
    }
    mixed.moves()?;
    mixed.check_log(&[])
}

/// Each node is back before the other one misses it.
fn quick_restarts(case: Case) -> Result<()> {
    let mixed = Mixed::boot_with(case, SECOND * 12)?;
    let (ours, aged) = (case.ours, 1 - case.ours);
    mixed.start_both()?;
    for index in [ours, aged] {
        mixed.node(index).power_off()?;
        mixed.node(index).power_on()?;
        mixed.start(index)?;
        mixed.wait(AT_HOME, &format!("power failure of {} for a moment", NODES[index]))?;
        mixed.moves()?;
    }
    if case.new {
        let killed = mixed.node(ours).signal("heartbeatd", Signal::KILL)?;
        check(killed > 0, || "no heartbeatd to kill".to_owned())?;
        mixed.pair.wait_gone(mixed.node(ours))?;
        mixed.start(ours)?;
        mixed.wait(AT_HOME, "ours was killed and restarted")?;
        mixed.moves()?;
    }
    mixed.finish()
}

/// Other timers on one node after the other, then another secret; nothing moves meanwhile.
fn reloads(case: Case) -> Result<()> {
    let mixed = Mixed::boot_with(case, SECOND * 12)?;
    let (ours, aged) = (case.ours, 1 - case.ours);
    mixed.start_both()?;
    let ha_cf = crate::world::files(mixed.pair.options).ha_cf;
    let ha_cf = ha_cf.replace("deadtime 12000ms", "deadtime 9").replace("warntime 6000ms", "warntime 4");
    for index in [ours, aged] {
        let starts = old_starts(mixed.node(index))?;
        mixed.node(index).write("/etc/ha.d/ha.cf", &ha_cf)?;
        mixed.reload(index)?;
        if !mixed.is_ours(index) {
            wait_until(PATIENCE, "the old node has read its files", || {
                sleep(LOOK);
                Ok(old_starts(mixed.node(index))? > starts)
            })?;
        }
        mixed.wait(AT_HOME, &format!("other timers on {}", NODES[index]))?;
        mixed.moves()?;
    }
    for index in [ours, aged] {
        let authkeys = "auth 1\n1 sha1 the-next-key-for-the-lab\n";
        mixed.node(index).write_mode("/etc/ha.d/authkeys", authkeys, 0o600)?;
        mixed.reload(index)?;
    }
    mixed.stays(AT_HOME, SECOND * 12)?;
    for index in [ours, aged] {
        let said = mixed.status(index)?;
        check(said == "active", || format!("long after the new key, {} says {said}", NODES[index]))?;
    }
    mixed.moves()?;
    mixed.finish()
}

/// Three of ten heartbeats are lost in both directions: nobody is taken for dead, and what is ordered is done.
fn loss(case: Case) -> Result<()> {
    let mixed = Mixed::boot_with(case, SECOND * 4)?;
    mixed.start_both()?;
    mixed.pair.lab.lose(30)?;
    mixed.stays(AT_HOME, SECOND * 60)?;
    mixed.moves()?;
    mixed.pair.lab.lose(0)?;
    mixed.wait(AT_HOME, "nothing is lost any more")?;
    mixed.moves()?;
    let log = mixed.node(1 - case.ours).sh("grep -c 'lost packet' /var/log/ha-log || true")?;
    check(log.trim() != "0", || "the old node has missed nothing: nothing was lost".to_owned())?;
    mixed.pair.never_two_holders()
}

/// Scripts that take longer than the deadtime.
fn slow_scripts(case: Case) -> Result<()> {
    let mixed = Mixed::boot_faulty(case)?;
    for node in mixed.pair.nodes() {
        node.write("/etc/ha.d/slow", "")?;
    }
    mixed.start_both()?;
    mixed.moves()?;
    mixed.finish()
}
