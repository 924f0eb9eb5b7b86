//! The pair that every scenario begins with: alpha and beta on one or two networks, a client, one group homed on each node.

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::Duration;

use lab::arp::ArpWatcher;
use lab::holding::HoldingWatcher;
use lab::pair::{self, Files};
use lab::{Context, Lab, Moment, Node, Result, Spec, check, fail, wait_for, wait_until};

/// The address homed on alpha, and the one homed on beta.
pub(crate) const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 100), Ipv4Addr::new(192, 0, 2, 101)];

/// The longest anything may take: far more than the timers say, for the sake of a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Both addresses on alpha, both on beta, each at home.
pub(crate) const AT_HOME: [&str; 2] = ["alpha", "beta"];
pub(crate) const ALL_ON_ALPHA: [&str; 2] = ["alpha", "alpha"];
pub(crate) const ALL_ON_BETA: [&str; 2] = ["beta", "beta"];

/// Waits until a node's log has all these words; the log, which is written by a thread of its own, a little later than
/// what it tells.
pub(crate) fn wait_logged(node: &Node, words: &[&str]) -> Result<String> {
    wait_log(node, &format!("{words:?}"), |log| words.iter().all(|words| log.contains(words)))
}

/// Waits until a node's log is as it should be; the log.
pub(crate) fn wait_log(node: &Node, what: &str, told: impl Fn(&str) -> bool) -> Result<String> {
    let mut log = String::new();
    let seen = wait_until(LIMIT * 4, what, || {
        sleep(Duration::from_millis(50));
        log = node.read("/var/log/ha-log")?;
        Ok(told(&log))
    });
    match seen {
        Ok(_) => Ok(log),
        Err(failure) => fail(format!("the log of {}: {failure}\n{log}", node.name())),
    }
}

/// How the nodes hear each other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Media {
    Mcast,
    Bcast,
    Ucast,
    /// Multicast of IPv6.
    Mcast6,
    /// Unicast of IPv6.
    Ucast6,
    /// Multicast on eth0 and broadcast on eth1.
    Two,
    /// A serial line.
    Serial,
    /// Multicast on eth0 and a serial line.
    SerialToo,
}

impl Media {
    fn lines(self) -> &'static str {
        match self {
            Self::Mcast => "mcast eth0 225.0.0.1 694 1 0\n",
            Self::Bcast => "bcast eth0\n",
            // The same file on both nodes: each also names itself.
            Self::Ucast => "ucast eth0 192.0.2.1\nucast eth0 192.0.2.2\n",
            Self::Mcast6 => "mcast6 eth0 ff15::694 694 1 0\n",
            Self::Ucast6 => "ucast6 eth0 2001:db8::1\nucast6 eth0 2001:db8::2\n",
            Self::Serial => "serial /etc/ha.d/serial0\n",
            Self::SerialToo => "mcast eth0 225.0.0.1 694 1 0\nserial /etc/ha.d/serial0\n",
            Self::Two => "mcast eth0 225.0.0.1 694 1 0\nbcast eth1\n",
        }
    }
}

/// What differs between scenarios.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) media: Media,
    pub(crate) failback: &'static str,
    /// Key 1 of authkeys: method, and key if it needs one.
    pub(crate) key: &'static str,
    /// The pair's deadtime; everything else follows from it.
    pub(crate) deadtime: Duration,
    /// More lines of ha.cf.
    pub(crate) more: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        let key = "sha1 a-key-for-the-lab";
        Self { media: Media::Mcast, failback: "on", key, deadtime: SECOND, more: "" }
    }
}

pub(crate) struct Pair {
    pub(crate) alpha: Node,
    pub(crate) beta: Node,
    pub(crate) client: Node,
    pub(crate) announcements: ArpWatcher,
    pub(crate) holding: HoldingWatcher,
    pub(crate) options: Options,
    // Last: it ends the nodes, and what runs in them.
    pub(crate) lab: Lab,
}

impl Pair {
    /// The pair, booted and configured; heartbeat is not started.
    pub(crate) fn new(options: Options) -> Result<Self> {
        let mut lab = Lab::new()?;
        lab.switch("lan0")?;
        lab.switch("lan1")?;
        let holding = lab.watch_holding()?;
        let files = files(options);
        let mut node = |name: &str, number: u8| -> Result<Node> {
            let first = [format!("192.0.2.{number}/24"), format!("2001:db8::{number}/64")];
            let second = format!("198.51.100.{number}/24");
            let spec = Spec::new(name).link("eth0", "lan0", &first.each_ref().map(String::as_str)).link(
                "eth1",
                "lan1",
                &[&second],
            );
            let node = lab.boot(spec)?;
            files.install(&node)?;
            Ok(node)
        };
        let (alpha, beta, client) = (node("alpha", 1)?, node("beta", 2)?, node("client", 9)?);
        client.sh("ip route add 224.0.0.0/4 dev eth0")?;
        let announcements = ArpWatcher::start(&client)?;
        Ok(Self { alpha, beta, client, announcements, holding, options, lab })
    }

    /// The pair with both nodes started and each group at home.
    pub(crate) fn started(options: Options) -> Result<Self> {
        let pair = Self::new(options)?;
        pair::start(&pair.alpha)?;
        pair::start(&pair.beta)?;
        pair.wait_placed(AT_HOME)?;
        Ok(pair)
    }

    pub(crate) fn nodes(&self) -> [&Node; 2] {
        [&self.alpha, &self.beta]
    }

    /// Which node holds each address; two holders of one are a failure.
    pub(crate) fn placement(&self) -> Result<[Option<&str>; 2]> {
        let holder = |address: Ipv4Addr| pair::holder(address.into(), &self.alpha, &self.beta);
        Ok([holder(ADDRESSES[0])?.map(Node::name), holder(ADDRESSES[1])?.map(Node::name)])
    }

    /// Wait until each address is held by the node named for it, and by no other, and the nodes say so too.
    pub(crate) fn wait_placed(&self, wanted: [&str; 2]) -> Result<Moment> {
        let what = format!("{wanted:?} hold the addresses of alpha and beta");
        let result = wait_for(LIMIT, &what, || {
            let found = self.placement()?;
            check(found == wanted.map(Some), || format!("they are held by {found:?}"))?;
            self.say(wanted).map(|()| Some(Moment::now()))
        });
        result.map_err(|failure| self.explain(failure))
    }

    /// `cl_status rscstatus` of each node that runs agrees with what the kernels say.
    fn say(&self, placement: [&str; 2]) -> Result<()> {
        for node in self
            .nodes()
            .into_iter()
            .filter(|node| node.pids_of("heartbeatd").is_ok_and(|pids| !pids.is_empty()))
        {
            let home = usize::from(node.name() == "beta");
            let (local, foreign) = (placement[home] == node.name(), placement[1 - home] == node.name());
            let wanted = match (local, foreign) {
                (true, true) => "all",
                (true, false) => "local",
                (false, true) => "foreign",
                (false, false) => "none",
            };
            let said = pair::resources(node)?;
            check(said == wanted, || format!("{} says it holds {said}, not {wanted}", node.name()))?;
        }
        Ok(())
    }

    /// For `span`, nothing moves.
    pub(crate) fn stays_placed(&self, wanted: [&str; 2], span: Duration) -> Result<()> {
        lab::hold_for(span, "nothing moves", || {
            let found = self.placement()?;
            check(found == wanted.map(Some), || format!("moved: {found:?}"))?;
            Ok(true)
        })
        .map_err(|failure| self.explain(failure))
    }

    /// No address was ever on two nodes at once.
    pub(crate) fn never_two_holders(&self) -> Result<()> {
        match self.holding.longest_overlap(&ADDRESSES) {
            Some(overlap) => {
                fail(format!("two nodes held an address: {overlap:?}")).map_err(|f| self.explain(f))
            }
            None => Ok(()),
        }
    }

    /// An address is announced by a node after a moment.
    pub(crate) fn wait_announced(&self, address: Ipv4Addr, node: &Node, after: Moment) -> Result<()> {
        let claim = self.announcements.wait_announcement(address, &node.mac("eth0")?, after, LIMIT);
        claim.map(drop).map_err(|failure| self.explain(failure))
    }

    /// Wait until a node's view of another has this status.
    pub(crate) fn wait_status(&self, node: &Node, of: &str, status: &str) -> Result<Moment> {
        let what = format!("{} says that {of} is {status}", node.name());
        let said = || Ok(self.cl_status(node, &["nodestatus", of])? == status);
        let result = wait_until(LIMIT, &what, said);
        result.map_err(|failure| self.explain(failure))
    }

    /// What `cl_status` prints. Its exit code is another answer: 1 for something that is dead.
    pub(crate) fn cl_status(&self, node: &Node, words: &[&str]) -> Result<String> {
        let words: Vec<&str> = ["cl_status"].iter().chain(words).copied().collect();
        Ok(String::from_utf8_lossy(&node.output(&words)?.stdout).trim().to_owned())
    }

    /// What a node's daemon says about itself.
    pub(crate) fn status(&self, node: &Node) -> Result<serde_json::Value> {
        pair::status(node)
    }

    /// Wait until a node's daemon says this of why it does not hear another one, on the page and in JSON.
    pub(crate) fn wait_why(&self, node: &Node, of: &str, why: &str) -> Result<()> {
        let what = format!("{} does not hear {of}: {why}", node.name());
        let said = || {
            let page = self.cl_status(node, &["status"])?;
            let json = self.cl_status(node, &["status", "--json"])?;
            Ok([page, json].iter().all(|text| text.contains(why)))
        };
        wait_until(LIMIT, &what, said).map(drop).map_err(|failure| self.explain(failure))
    }

    /// Datagrams that a node's daemon has dropped, whatever the reason.
    pub(crate) fn dropped(&self, node: &Node) -> Result<u64> {
        let status = self.status(node)?;
        let dropped = status.pointer("/counters/dropped").and_then(serde_json::Value::as_object);
        let dropped = dropped.context(|| format!("no counters in {status}"))?;
        Ok(dropped.values().filter_map(serde_json::Value::as_u64).sum())
    }

    /// Wait until a node's daemon does not run.
    pub(crate) fn wait_gone(&self, node: &Node) -> Result<()> {
        let gone = || Ok(node.pids_of("heartbeatd")?.is_empty());
        wait_until(LIMIT, "heartbeatd is gone", gone).map(drop)
    }

    /// A failure with the last lines of every log.
    pub(crate) fn explain(&self, failure: lab::Failure) -> lab::Failure {
        fail::<()>(format!("{failure}\n{}", self.lab.evidence(60))).unwrap_err()
    }
}

/// The files of the pair for these options.
pub(crate) fn files(options: Options) -> Files {
    let dead = options.deadtime.as_millis();
    let ha_cf = format!(
        "logfacility none\nlogfile /var/log/ha-log\nkeepalive {}ms\nwarntime {}ms\ndeadtime {dead}ms\ninitdead {}ms\nudpport 694\n{}auto_failback {}\n\
         node alpha\nnode beta\n{}",
        dead.min(1000) / 10,
        dead / 2,
        dead * 2,
        options.media.lines(),
        options.failback,
        options.more
    );
    Files {
        ha_cf,
        authkeys: format!("auth 1\n1 {}\n", options.key),
        haresources: format!("alpha {}/24/eth0\nbeta {}/24/eth0\n", ADDRESSES[0], ADDRESSES[1]),
        others: Vec::new(),
    }
}
