//! The whole way of a pair of directors from heartbeat 3.0.6 and ldirectord to heartbeatd and directord and back, as
//! `docs/migration.md` has it: one node at a time, while a client asks for a page all the time. Address and IPVS table move
//! together, and every step tells what it cost the client.
//!
//! ```text
//!      client .100                       192.0.2.0/24, virtual address .10, at home on beta
//!        │
//!   ┌────┴────┬─────────┬─────────┐
//! alpha .1  beta .2  web1 .11  web2 .12          direct routing
//! ```

use std::cell::Cell;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::Duration;

use lab::costs::Costs;
use lab::holding::HoldingWatcher;
use lab::probe::Prober;
use lab::{Failure, Lab, Moment, Node, Result, Spec, check, old, pair, wait_until, web};

const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const WEB: [&str; 2] = ["web1", "web2"];
const LDIRECTORD_CF: &str = "checktimeout=10\ncheckinterval=1\nquiescent=yes\nvirtual=192.0.2.10:80\n\treal=192.0.2.11:80 gate 1\n\
                             \treal=192.0.2.12:80 gate 2\n\tservice=http\n\trequest=\"/\"\n\treceive=\"web\"\n\tscheduler=wrr\n\tprotocol=tcp\n";
/// What that means to the kernel.
const TABLE: [&str; 3] = ["TCP 192.0.2.10:80 wrr", "192.0.2.11:80 Route 1", "192.0.2.12:80 Route 2"];
/// The deadtime is so long that no step can succeed by waiting until the other node is taken for dead.
const HA_CF: &str = "logfacility none\nlogfile /var/log/ha-log\nkeepalive 1\nwarntime 60\ndeadtime 120\ninitdead 240\nudpport 694\n\
                     mcast eth0 225.0.0.1 694 1 0\nauto_failback off\nnode alpha\nnode beta\n";
/// The group's first resource, by which the old program calls it.
const GROUP: &str = "ldirectord::ldirectord.cf";
/// The longest that the address may be without an answer in one step: less than a node that has to be taken for dead would cost.
const OUTAGE_LIMIT: Duration = Duration::from_secs(100);
/// Beyond what any step takes in a slow kernel with one processor.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often the client asks for a page, and how long an answer may take.
const ASK_EVERY: Duration = Duration::from_millis(20);
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// What must be the same at the end as at the beginning.
const FILES: &str = "cd / && sha256sum etc/ha.d/ha.cf etc/ha.d/authkeys etc/ha.d/haresources etc/ha.d/ldirectord.cf \
                     var/lib/heartbeat/hb_uuid";
/// What an administrator looks at before a node is replaced; none of it changes anything.
const CHECKS: &str = "ha-migrate check && heartbeatd --check && directord ldirectord.cf check && ha-resources plan takenode beta";

const ALPHA: usize = 0;
/// The group is at home there.
const BETA: usize = 1;
/// There directord is a service that the resource activates, as the package has it on a pair; on the other node the resource starts it.
const STANDBY: usize = ALPHA;

/// What runs on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Programs {
    Old,
    New,
}

use Programs::{New, Old};

/// The pair under way, its client, and what each step cost.
struct Migration {
    nodes: [Node; 2],
    running: [Option<Programs>; 2],
    /// How many words of its own scripts the old daemon on beta has lost.
    lost: Cell<usize>,
    client: Prober,
    costs: Costs,
    holding: HoldingWatcher,
    // Last: it ends the nodes, and what runs in them.
    lab: Lab,
}

impl Migration {
    /// Both nodes run the old programs, and the client is served.
    fn begin() -> Result<Self> {
        let mut lab = Lab::new()?;
        lab.switch("lan")?;
        let holding = lab.watch_holding()?;
        for (name, last) in WEB.into_iter().zip([11, 12]) {
            let server = Spec::new(name).link("eth0", "lan", &[&format!("192.0.2.{last}/24")]);
            lab.boot(
                server.boot(web::direct_routing(&VIRTUAL.to_string())).boot(web::boot_line(name, "80")?),
            )?;
        }
        let files = pair::Files {
            ha_cf: HA_CF.to_owned(),
            authkeys: "auth 1\n1 sha1 a-key-for-the-lab\n".to_owned(),
            haresources: format!("beta {GROUP} IPaddr2::{VIRTUAL}/24/eth0\n"),
            others: vec![("ldirectord.cf".to_owned(), LDIRECTORD_CF.to_owned())],
        };
        let mut node = |name: &str, last: u8| -> Result<Node> {
            let node = lab.boot(Spec::new(name).link("eth0", "lan", &[&format!("192.0.2.{last}/24")]))?;
            files.install(&node)?;
            Ok(node)
        };
        let (nodes, client) = ([node("alpha", 1)?, node("beta", 2)?], node("client", 100)?);
        let client = Prober::http(&client, (VIRTUAL, 80).into(), ASK_EVERY, ANSWER_LIMIT)?;
        let title = "Migration of two directors: longest time without an answer\n(alpha+beta: the programs of the two nodes after the step)";
        let costs = Costs::new(title, &["service"], OUTAGE_LIMIT);
        let (running, lost) = ([None; 2], Cell::default());
        let mut migration = Self { nodes, running, lost, client, costs, holding, lab };
        migration.start(ALPHA, Old)?;
        migration.start(BETA, Old)?;
        migration.served_by(BETA, "cold start of two old nodes")?;
        Ok(migration)
    }

    fn start(&mut self, index: usize, programs: Programs) -> Result<()> {
        let node = &self.nodes[index];
        if programs == New && index == STANDBY {
            node.sh("directord ldirectord.cf start --standby </dev/null")?;
        }
        if programs == New {
            pair::start(node)?
        } else {
            old::start(node)?
        }
        self.running[index] = Some(programs);
        Ok(())
    }

    fn stop(&mut self, index: usize) -> Result<()> {
        let node = &self.nodes[index];
        let programs = self.running[index].take();
        if programs == Some(New) {
            pair::stop(node)?
        } else {
            old::stop(node)?
        }
        if programs == Some(New) && index == STANDBY {
            node.run(&["directord", "ldirectord.cf", "stop"])?;
        }
        Ok(())
    }

    fn holder(&self) -> Result<Option<&str>> {
        Ok(pair::holder(VIRTUAL.into(), &self.nodes[ALPHA], &self.nodes[BETA])?.map(Node::name))
    }

    /// The nodes that run know each other, and nothing is being moved any more.
    fn at_rest(&self) -> Result<bool> {
        let ask = |index: usize, question: &str| -> Result<String> {
            let (node, words) = (&self.nodes[index], format!("cl_status {question} || true"));
            let said =
                if self.running[index] == Some(New) { node.sh(&words) } else { old::run(node, &words) };
            said.map(|said| said.trim().to_owned())
        };
        for index in [ALPHA, BETA].into_iter().filter(|&index| self.running[index].is_some()) {
            let other = &self.nodes[1 - index];
            let alone = self.running[1 - index].is_none();
            let heard = alone || ask(index, &format!("nodestatus {}", other.name()))? == "active";
            if !heard || ask(index, "rscstatus")? == "transition" {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// This node holds the address and balances to both servers, the other one has nothing, and the client is served by both.
    fn served_by(&self, holder: usize, step: &str) -> Result<()> {
        let (node, other) = (&self.nodes[holder], &self.nodes[1 - holder]);
        let explain = |failure| Failure::new(format!("{step}: {failure}\n{}", self.lab.evidence(60)));
        wait_until(PATIENCE, &format!("{} alone serves", node.name()), || {
            sleep(old::LOOK);
            let held = self.holder()?;
            if held.is_none() && holder == BETA && self.running[BETA] == Some(Old) {
                old::request_if_lost(node, GROUP, &self.lost)?;
            }
            let tables = (table(node)?, table(other)?);
            check(held == Some(node.name()) && tables.0 == TABLE && tables.1.is_empty(), || {
                format!("{held:?} holds the address, the tables are {tables:?}")
            })?;
            let ours = !node.pids_of("directord")?.is_empty();
            check(ours == (self.running[holder] == Some(New)), || format!("directord runs there: {ours}"))?;
            self.at_rest()
        })
        .map_err(explain)?;
        let now = Moment::now();
        let served = |name| self.client.wait_answer(now, &[name], PATIENCE).map(drop).map_err(explain);
        WEB.into_iter().try_for_each(served)
    }

    /// Does something, waits until this node serves, and notes what it cost.
    fn step(&mut self, what: &str, holder: usize, act: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let begin = Moment::now();
        act(self)?;
        self.served_by(holder, what)?;
        let programs = self.running.map(|programs| match programs {
            Some(New) => "new",
            Some(Old) => "old",
            None => "none",
        });
        let line = format!("{}: {what}", programs.join("+"));
        self.costs.step(&line, begin, std::slice::from_ref(&self.client))
    }

    /// A move by hand, said on one of the nodes.
    fn order(&mut self, index: usize, words: &str, holder: usize) -> Result<()> {
        let what = format!("{words} on {}", self.nodes[index].name());
        self.step(&what, holder, |pair| {
            let node = &pair.nodes[index];
            if pair.running[index] == Some(New) {
                return wait_until(PATIENCE, &what, || node.sh(words).map(|_| true)).map(drop);
            }
            old::say(node, words, PATIENCE, || Ok(pair.holder()? == Some(pair.nodes[holder].name())))
        })
    }

    /// Gives a node that holds nothing the other programs, as an administrator does.
    fn replace(&mut self, index: usize, programs: Programs) -> Result<()> {
        let name = self.nodes[index].name().to_owned();
        if programs == New {
            self.nodes[index].sh(CHECKS)?;
        }
        self.step(&format!("stop on {name}"), 1 - index, |pair| pair.stop(index))?;
        let what = format!("start of the {} programs on {name}", if programs == New { "new" } else { "old" });
        self.step(&what, 1 - index, |pair| pair.start(index, programs))
    }
}

/// A node's IPVS table, in words.
fn table(node: &Node) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for service in node.ipvs()? {
        let servers = service.servers.iter();
        let mut servers: Vec<String> = servers
            .map(|server| format!("{} {} {}", server.address, server.forward, server.weight))
            .collect();
        servers.sort();
        lines.push(format!("{} {} {}", service.protocol, service.address, service.scheduler));
        lines.append(&mut servers);
    }
    Ok(lines)
}

#[test]
fn a_pair_of_directors_is_migrated_and_goes_back() -> Result<()> {
    let mut pair = Migration::begin()?;
    let before = pair.nodes.each_ref().map(|node| node.sh(FILES));

    pair.order(BETA, "hb_standby all", ALPHA)?;
    pair.replace(BETA, New)?;
    pair.order(BETA, "hb_takeover local", BETA)?;
    pair.order(BETA, "hb_standby all", ALPHA)?;
    pair.order(ALPHA, "hb_standby all", BETA)?;
    pair.replace(ALPHA, New)?;
    pair.order(BETA, "hb_standby all", ALPHA)?;
    pair.order(ALPHA, "hb_standby all", BETA)?;
    // and back
    pair.replace(ALPHA, Old)?;
    pair.order(BETA, "hb_standby all", ALPHA)?;
    pair.replace(BETA, Old)?;
    pair.order(BETA, "hb_takeover local", BETA)?;

    for (node, before) in pair.nodes.iter().zip(before) {
        let (before, after) = (before?, node.sh(FILES)?);
        check(before == after, || format!("files have changed:\n{before}\n{after}"))?;
    }
    let overlap = pair.holding.longest_overlap(&[VIRTUAL]);
    check(overlap.is_none(), || format!("both nodes held the address: {overlap:?}"))?;
    // Past the capture of the test runner: what it cost is told also when all is well.
    let _ = writeln!(std::io::stderr(), "{}", pair.costs);
    Ok(())
}
