//! The second part: directord is a service of both nodes, checks all the time, and is only activated by the take-over.

use std::time::Duration;

use rustix::process::Signal;

use super::{PATIENCE, SERVERS, Story, VIRTUAL, WEB};
use crate::failure::{Result, check};
use crate::moment::{Moment, wait_until};
use crate::node::Node;
use crate::pair;

/// What an init system runs on both nodes.
const SERVICE: &str = "directord ldirectord.cf start --standby </dev/null";

/// How often a take-over is looked at: it is to be measured.
const LOOK: Duration = Duration::from_millis(1);

impl Story {
    pub(super) fn directors_on_standby(&mut self) -> Result<()> {
        let (one, two) = (self.one.clone(), self.two.clone());
        self.services_start([&one, &two])?;
        self.time.step("hb_standby on xvm249, directord on standby on xvm250");
        let begin = Moment::now();
        pair::standby(&one, "all")?;
        self.takes_over(&two, "stand-by by hand, warm")?;
        self.on_standby(&one)?;
        self.moved("stand-by by hand, warm", begin)?;

        self.time.step("xvm250 loses its power, directord is on standby on xvm249");
        let cut = two.power_off()?;
        self.takes_over(&one, "power failure, warm")?;
        self.moved("power failure, warm", cut)?;
        two.power_on()?;
        two.sh(SERVICE)?;
        two.start_services()?;
        self.on_standby(&two)?;

        self.killed_on_standby([&one, &two])?;
        self.services_stop([&one, &two])
    }

    /// Both check before anybody holds the address, and none has an entry until then.
    fn services_start(&mut self, both: [&Node; 2]) -> Result<()> {
        self.time.step("directord becomes a service on both directors: start --standby");
        for node in both {
            node.sh(SERVICE)?;
            self.on_standby(node)?;
        }
        self.time.saw("both check the web servers, and neither has a virtual service");
        self.time.step("Both directors start heartbeat");
        let begin = Moment::now();
        both.iter().try_for_each(|node| node.start_services())?;
        self.takes_over(both[0], "cold start of heartbeat, warm directord")?;
        self.served_by_first(begin)?;
        self.on_standby(both[1])?;
        self.balanced()
    }

    /// Killed between the decision to move and the activation: for whoever takes over it is as if there never was one.
    fn killed_on_standby(&mut self, [one, two]: [&Node; 2]) -> Result<()> {
        self.time.step("directord on xvm250 is killed on standby, then hb_standby on xvm249");
        two.signal("directord", Signal::KILL)?;
        let begin = Moment::now();
        pair::standby(one, "all")?;
        self.takes_over(two, "stand-by by hand, killed on standby")?;
        let told = || Ok(two.sh("cat /var/log/* 2>/dev/null; true")?.contains("a cold start is tried"));
        wait_until(PATIENCE, "the log of xvm250 tells of the cold start", told)?;
        self.moved("stand-by by hand, killed on standby", begin)?;

        self.time
            .step("The init system of xvm250 starts directord again, while the cold one holds the table");
        let before = two.ipvs()?;
        two.sh(SERVICE)?;
        let after = two.ipvs()?;
        let edited = || format!("the table was {before:?} and is {after:?}");
        check(before.len() == after.len() && two.weight(SERVERS[0])? == Some(1), edited)?;
        self.balanced()?;
        self.time.saw("it has taken over the table as it was");

        self.time.step("hb_takeover on xvm249: directord on xvm250 is on standby again");
        let begin = Moment::now();
        pair::takeover(one, "all")?;
        self.takes_over(one, "take-over by hand, warm")?;
        self.on_standby(two)?;
        self.moved("take-over by hand, warm", begin)
    }

    fn services_stop(&mut self, both: [&Node; 2]) -> Result<()> {
        self.time.step("Both directors stop heartbeat, then directord");
        for node in both {
            pair::stop(node)?;
            check(!node.holds(VIRTUAL.into())?, || format!("{} still holds the address", node.name()))?;
            self.on_standby(node)?;
        }
        self.time.saw("no address and no virtual service is left, and both directord still check");
        for node in both {
            node.sh("directord ldirectord.cf stop")?;
            let left = || Ok(node.pids_of("directord")?.is_empty());
            wait_until(PATIENCE, &format!("no directord is left on {}", node.name()), left)?;
        }
        self.time.saw("no directord is left");
        Ok(())
    }

    /// directord runs on a node, says that it is not active, and nothing is in the table.
    fn on_standby(&self, node: &Node) -> Result<()> {
        let standby = || {
            let said = node.output(&["directord", "ldirectord.cf", "status"])?;
            Ok(said.status.code() == Some(3)
                && node.ipvs()?.is_empty()
                && !node.pids_of("directord")?.is_empty())
        };
        wait_until(PATIENCE, &format!("directord is on standby on {}", node.name()), standby).map(drop)
    }

    /// `node` gets the address, and then the whole table: how long the second came after the first. At no moment both
    /// nodes have entries.
    pub(super) fn takes_over(&mut self, node: &Node, how: &str) -> Result<()> {
        let (one, two) = (self.one.clone(), self.two.clone());
        let (mut held, mut complete) = (None, None);
        let began = Moment::now();
        let limit = self.profile.limit() + PATIENCE;
        while complete.is_none() {
            check(began.elapsed() < limit, || {
                format!(
                    "{} did not take over: the address {held:?}, the table {:?}",
                    node.name(),
                    node.ipvs()
                )
            })?;
            if held.is_none() && node.holds(VIRTUAL.into())? {
                held = Some(Moment::now());
            }
            let weights = [node.weight(SERVERS[0])?, node.weight(SERVERS[1])?];
            if held.is_some() && weights == [Some(1); WEB.len()] {
                complete = Some(Moment::now());
            }
            // What is there before and after another look was there during it.
            let tables = [one.ipvs()?, two.ipvs()?, one.ipvs()?];
            check(tables.iter().any(Vec::is_empty), || format!("both have virtual services: {tables:?}"))?;
            std::thread::sleep(LOOK);
        }
        let (Some(held), Some(complete)) = (held, complete) else { return Ok(()) };
        self.time.saw_at(held, &format!("{} holds 203.0.113.202", node.name()));
        self.time.saw_at(
            complete,
            &format!("both servers have weight 1 in the kernel's table of {}", node.name()),
        );
        self.time.measured_span(&format!("{how}: address to complete table"), complete.since(held));
        Ok(())
    }
}
