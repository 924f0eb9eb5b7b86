//! Connection synchronisation: an established TCP connection through IPVS outlives its director.
//!
//! ```text
//!            client .100                      192.0.2.0/24, virtual address .10
//!              │
//!    ┌─────────┴─────────┐ eth0
//!   one .1             two .2                 heartbeats and sync daemons on eth0
//!    └─────────┬─────────┘ eth1
//!              │                              198.51.100.0/24, with NAT the gateway .254 moves too
//!        web1 .11  web2 .12                   with direct routing they are on eth0's network
//! ```

use std::time::Duration;

use lab::process::Process;
use lab::{Lab, Node, Result, Spec, check, fail, pair, wait_until, web};

const VIRTUAL: std::net::Ipv4Addr = std::net::Ipv4Addr::new(192, 0, 2, 10);
/// Beyond what any step takes in a slow kernel with one processor.
const PATIENCE: Duration = Duration::from_secs(120);
/// Lines that are exchanged before and after a move. IPVS tells its peer about a connection after three packets.
const ENOUGH: usize = 10;

/// Answers every line with the server's name and the line, on every connection.
const SERVER: &str = r#"use IO::Socket::INET; $SIG{CHLD} = "IGNORE";
my $listener = IO::Socket::INET->new(LocalPort => 7000, Listen => 16, ReuseAddr => 1) or die "listen: $!";
while (1) { my $client = $listener->accept or next; if (fork) { close $client; next }
  $client->autoflush(1); while (my $line = <$client>) { print $client "NAME $line" } exit }"#;

/// Sends numbers on one connection, prints the answers, and says when the connection ends.
const CLIENT: &str = r#"use IO::Socket::INET; $| = 1; my $number = 0;
my $socket = IO::Socket::INET->new(PeerAddr => "192.0.2.10:7000", Timeout => 10) or die "connect: $!";
$socket->autoflush(1);
while (1) { $number++; print $socket "$number\n"; my $answer = <$socket>;
  if (!defined $answer) { print "ended: $!\n"; exit } print $answer; select undef, undef, undef, 0.05 }"#;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Forwarding {
    Route,
    Masquerade,
}

struct Pair {
    _lab: Lab,
    one: Node,
    two: Node,
    client: Node,
}

impl Pair {
    /// Both directors run and `one` balances. `sync`: the resource between director and address, or nothing.
    fn start(forwarding: Forwarding, sync: &str) -> Result<Pair> {
        let mut lab = Lab::new()?;
        lab.switch("outside")?;
        lab.switch("inside")?;
        let client = lab.boot(Spec::new("client").link("eth0", "outside", &["192.0.2.100/24"]))?;
        let (network, switch, gateway) = match forwarding {
            Forwarding::Route => ("192.0.2", "outside", web::direct_routing(&VIRTUAL.to_string())),
            Forwarding::Masquerade => {
                ("198.51.100", "inside", "ip route add default via 198.51.100.254".to_owned())
            }
        };
        for (name, last) in [("web1", 11), ("web2", 12)] {
            let script = SERVER.replace("NAME", name);
            let server = Spec::new(name).link("eth0", switch, &[&format!("{network}.{last}/24")]).boot(&gateway).boot(format!(
                "cat >/run/server.pl <<'END'\n{script}\nEND\nperl /run/server.pl </dev/null >/run/server.log 2>&1 &"
            ));
            lab.boot(server)?;
        }
        let (kind, group) = match forwarding {
            Forwarding::Route => {
                ("gate", format!("one ldirectord::ldirectord.cf {sync} 192.0.2.10/24/eth0\n"))
            }
            Forwarding::Masquerade => (
                "masq",
                // The same resource by the program's own name.
                format!("one directord::ldirectord.cf {sync} 198.51.100.254/24/eth1 192.0.2.10/24/eth0\n"),
            ),
        };
        let files = pair::Files {
            ha_cf: "keepalive 200ms\ndeadtime 3\nwarntime 1\ninitdead 3\nmcast eth0 225.0.0.1 694 1 0\nauto_failback off\nnode one two\n".to_owned(),
            authkeys: "auth 1\n1 sha256 a key for the laboratory\n".to_owned(),
            haresources: group,
            others: vec![(
                "ldirectord.cf".to_owned(),
                format!(
                    "checktimeout=5\ncheckinterval=1\nquiescent=yes\nvirtual=192.0.2.10:7000\n\treal={network}.11:7000 {kind}\n\
                     \treal={network}.12:7000 {kind}\n\tscheduler=rr\n\tprotocol=tcp\n\tchecktype=connect\n"
                ),
            )],
        };
        let mut director = |name: &str, last: u8| -> Result<Node> {
            let spec = Spec::new(name)
                .link("eth0", "outside", &[&format!("192.0.2.{last}/24")])
                .link("eth1", "inside", &[&format!("198.51.100.{last}/24")])
                .boot("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.all.send_redirects=0")
                .service(pair::START);
            let node = lab.node(spec)?;
            files.install(&node)?;
            node.power_on()?;
            Ok(node)
        };
        let (one, two) = (director("one", 1)?, director("two", 2)?);
        one.start_services()?;
        two.start_services()?;
        let pair = Pair { _lab: lab, one, two, client };
        pair.balances(&pair.one, &pair.two)?;
        Ok(pair)
    }

    /// `node` holds the address, and both servers are in its table; in the other's there is nothing.
    fn balances(&self, node: &Node, other: &Node) -> Result<()> {
        pair::wait_holder(VIRTUAL.into(), node, other, PATIENCE)?;
        let ready = || {
            let table = node.ipvs()?;
            let servers: Vec<_> = table.iter().flat_map(|service| &service.servers).collect();
            Ok(servers.len() == 2 && servers.iter().all(|server| server.weight == 1))
        };
        wait_until(PATIENCE, &format!("both servers have weight 1 on {}", node.name()), ready)?;
        has_no_services(other)
    }

    fn connect(&self) -> Result<Conversation> {
        let words = ["timeout", "900", "perl", "-e", CLIENT];
        let conversation = Conversation { process: self.client.spawn(&words)? };
        conversation.goes_on()?;
        Ok(conversation)
    }
}

/// Its director has left, or was never there.
fn has_no_services(node: &Node) -> Result<()> {
    let what = format!("{} has no virtual service", node.name());
    wait_until(PATIENCE, &what, || Ok(node.ipvs()?.is_empty())).map(drop)
}

/// A connection that is in use.
struct Conversation {
    process: Process,
}

impl Conversation {
    /// More lines come.
    fn goes_on(&self) -> Result<()> {
        let before = self.process.lines().len();
        wait_until(PATIENCE, "the connection goes on", || {
            let lines = self.process.lines();
            match lines.last() {
                Some(last) if last.starts_with("ended") => {
                    fail(format!("after {} answers: {last}", lines.len()))
                }
                _ => Ok(lines.len() >= before + ENOUGH),
            }
        })
        .map(drop)
    }

    /// Every number was answered, in order, by the server that answered the first one.
    fn was_whole(self) -> Result<()> {
        let lines = self.process.lines();
        let server = lines.first().and_then(|line| line.split(' ').next()).unwrap_or_default().to_owned();
        check(server.starts_with("web"), || format!("{:?}", lines.first()))?;
        for (index, line) in lines.iter().enumerate() {
            let expected = format!("{server} {}", index + 1);
            check(*line == expected, || format!("{line:?} instead of {expected:?}"))?;
        }
        Ok(())
    }
}

/// What `ipvsadm` says about the sync daemons of a node: their roles.
fn roles(node: &Node) -> Result<Vec<&'static str>> {
    let text = node.sh("ipvsadm -L --daemon")?;
    Ok(["master", "backup"]
        .into_iter()
        .filter(|role| text.contains(&format!("{role} sync daemon")))
        .collect())
}

fn has_roles(node: &Node, wanted: &[&str]) -> Result<()> {
    wait_until(PATIENCE, &format!("{} is {}", node.name(), wanted.join(" and ")), || {
        Ok(roles(node)? == wanted)
    })
    .map(drop)
}

/// The connection of the client is in the node's table of connections.
fn knows_the_connection(node: &Node) -> Result<()> {
    let known = || {
        let text = node.sh("cat /proc/net/ip_vs_conn")?;
        Ok(text.lines().any(|line| line.contains(" C0000264 ") && line.contains("ESTABLISHED")))
    };
    wait_until(PATIENCE, &format!("{} knows the connection", node.name()), known).map(drop)
}

fn survives(forwarding: Forwarding) -> Result<()> {
    let pair = Pair::start(forwarding, "LVSSyncDaemonSwap::master")?;
    let (one, two) = (&pair.one, &pair.two);
    has_roles(one, &["master"])?;
    has_roles(two, &["backup"])?; // it has never had the group: it receives from its start on
    let conversation = pair.connect()?;
    knows_the_connection(two)?;

    pair::standby(one, "all")?;
    pair.balances(two, one)?;
    has_roles(two, &["master"])?;
    has_roles(one, &["backup"])?;
    conversation.goes_on()?;

    let second = pair.connect()?;
    wait_until(PATIENCE, "one knows both connections", || {
        let text = one.sh("cat /proc/net/ip_vs_conn")?;
        Ok(text.lines().filter(|line| line.contains(" C0000264 ") && line.contains("ESTABLISHED")).count()
            == 2)
    })?;
    two.power_off()?;
    pair.balances(one, two)?;
    has_roles(one, &["master"])?;
    conversation.goes_on()?;
    second.goes_on()?;
    conversation.was_whole()?;
    second.was_whole()?;
    pair::stop(one)?;
    has_no_services(one)
}

#[test]
fn a_connection_survives_two_moves_with_direct_routing() -> Result<()> {
    survives(Forwarding::Route)
}

#[test]
fn a_connection_survives_two_moves_with_nat() -> Result<()> {
    survives(Forwarding::Masquerade)
}

#[test]
fn both_daemons_run_on_the_holder_and_one_on_the_other() -> Result<()> {
    let pair = Pair::start(Forwarding::Route, "LVSSyncDaemon::7::eth1")?;
    let (one, two) = (&pair.one, &pair.two);
    has_roles(one, &["master", "backup"])?;
    has_roles(two, &["backup"])?;
    let text = two.sh("ipvsadm -L --daemon")?;
    check(text.contains("syncid=7") && text.contains("mcast=eth1"), || text)?;
    let conversation = pair.connect()?;
    knows_the_connection(two)?;
    pair::standby(one, "all")?;
    pair.balances(two, one)?;
    has_roles(two, &["master", "backup"])?;
    has_roles(one, &["backup"])?;
    conversation.goes_on()?;
    conversation.was_whole()?;
    pair::stop(two)?;
    pair::stop(one)?;
    // The receiver stays, for a heartbeat that is only being replaced.
    has_roles(two, &["backup"])
}

/// What the tests above would see if nothing were synchronised.
#[test]
fn without_synchronisation_a_connection_ends_with_its_director() -> Result<()> {
    let pair = Pair::start(Forwarding::Route, "")?;
    let conversation = pair.connect()?;
    check(roles(&pair.two)?.is_empty(), || "a sync daemon runs".to_owned())?;
    pair::standby(&pair.one, "all")?;
    pair.balances(&pair.two, &pair.one)?;
    let ended = || Ok(conversation.process.lines().last().is_some_and(|line| line.starts_with("ended")));
    wait_until(PATIENCE, "the connection ends", ended).map(drop)
}
