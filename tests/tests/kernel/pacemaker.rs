//! Two directors under Pacemaker instead of heartbeatd: the agent `ocf:tandem:directord`, and the old `ocf:heartbeat:ldirectord`
//! with directord as its program, started, monitored, recovered and moved by Debian's Pacemaker on corosync; and the way
//! there from a running pair and back. Their configuration is that of the examples.

use std::io::Write;
use std::net::Ipv4Addr;
use std::time::Duration;

use lab::costs::Costs;
use lab::probe::Prober;
use lab::{Lab, Moment, Node, Result, Spec, check, pair, programs, wait_until, web};
use rustix::process::Signal;

const AGENT: &str = include_str!("../../../etc/ocf/directord");
const COROSYNC: &str = include_str!("../../../etc/examples/corosync.conf");
const CIB: &str = include_str!("../../../etc/examples/pacemaker.xml");
const HARESOURCES: &str = include_str!("../../../etc/examples/haresources");
const HA_CF: &str = "keepalive 500ms\ndeadtime 10\nwarntime 5\ninitdead 10\nmcast eth0 225.0.0.1 694 1 0\nauto_failback off\nnode alpha\nnode beta\n";
const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const CONFIG: &str = "checktimeout=5\ncheckinterval=1\nquiescent=yes\nvirtual=192.0.2.10:80\n\treal=192.0.2.21:80 gate\n\
                      \treal=192.0.2.22:80 gate 3\n\tscheduler=rr\n\tprotocol=tcp\n\tchecktype=on\n";
/// Beyond what any step takes in a slow kernel with one processor.
const PATIENCE: Duration = Duration::from_secs(180);

/// Both directors, with the files of heartbeatd, corosync and Pacemaker; nothing runs.
fn directors(lab: &mut Lab) -> Result<[Node; 2]> {
    lab.switch("lan")?;
    let mut director = |name: &str, last: u8| -> Result<Node> {
        let overlays = ["/usr/lib/ocf", "/usr/sbin"].map(|place| {
            let layers = format!("/run/layers{place}");
            format!(
                "mkdir -p {layers} {layers}-work && mount -t overlay -o lowerdir={place},upperdir={layers},workdir={layers}-work none {place}"
            )
        });
        let installed = format!(
            "{} && ln -sf {}/directord /usr/sbin/directord && ln -sf directord /usr/sbin/ldirectord",
            overlays.join(" && "),
            programs::directory()?.display()
        );
        let node =
            lab.boot(Spec::new(name).link("eth0", "lan", &[&format!("192.0.2.{last}/24")]).boot(installed))?;
        node.write_mode("/usr/lib/ocf/resource.d/tandem/directord", AGENT, 0o755)?;
        pair::Files {
            ha_cf: HA_CF.to_owned(),
            authkeys: "auth 1\n1 sha256 a key for the laboratory\n".to_owned(),
            haresources: HARESOURCES.to_owned(),
            others: vec![("ldirectord.cf".to_owned(), CONFIG.to_owned())],
        }
        .install(&node)?;
        node.write("/etc/corosync/corosync.conf", COROSYNC)?;
        Ok(node)
    };
    let (alpha, beta) = (director("alpha", 1)?, director("beta", 2)?);
    let key = alpha.sh("corosync-keygen >/dev/null && base64 -w 0 /etc/corosync/authkey")?;
    beta.sh(&format!("echo {key} | base64 -d >/etc/corosync/authkey && chmod 400 /etc/corosync/authkey"))?;
    Ok([alpha, beta])
}

/// What `systemctl start corosync pacemaker` does, on both; they see each other when this returns.
fn start_cluster(nodes: &[Node; 2]) -> Result<()> {
    for node in nodes {
        node.sh("corosync && (pacemakerd </dev/null >/dev/null 2>&1 &)")?;
    }
    for node in nodes {
        wait_until(PATIENCE, &format!("{} sees both nodes", node.name()), || {
            let seen = node.output(&["crm_node", "--partition"])?;
            let active = node.output(&["crmadmin", "--nodes", "--quiet"])?;
            let seen = String::from_utf8_lossy(&seen.stdout).trim() == "alpha beta";
            Ok(seen && active.status.success())
        })?;
    }
    Ok(())
}

/// What `systemctl stop pacemaker corosync` does.
fn stop_cluster(node: &Node) -> Result<()> {
    let ends = |program: &str| {
        wait_until(PATIENCE, &format!("{program} ends"), || Ok(node.pids_of(program)?.is_empty())).map(drop)
    };
    node.signal("pacemakerd", Signal::TERM)?;
    ends("pacemakerd")?;
    node.run(&["corosync-cfgtool", "-H", "--force"])?;
    ends("corosync")
}

/// Checks a configuration and gives it to the running cluster.
fn configure(node: &Node, cib: &str) -> Result<()> {
    node.write("/run/pair.xml", cib)?;
    node.run(&["crm_verify", "-V", "-x", "/run/pair.xml"])?;
    wait_until(PATIENCE, "the configuration is taken", || {
        Ok(node.output(&["cibadmin", "-R", "-o", "configuration", "-x", "/run/pair.xml"])?.status.success())
    })
    .map(drop)
}

/// `true`: nothing is started, stopped or mended any more.
fn maintenance(node: &Node, on: bool) -> Result<()> {
    node.run(&["crm_attribute", "-n", "maintenance-mode", "-v", &on.to_string()]).map(drop)
}

/// `node` has the address and both servers with their weights, the other one nothing.
fn serves(node: &Node, other: &Node) -> Result<()> {
    pair::wait_holder(VIRTUAL.into(), node, other, PATIENCE)?;
    wait_until(PATIENCE, &format!("{} balances alone", node.name()), || {
        let table = node.ipvs()?;
        let servers = table.iter().flat_map(|service| &service.servers);
        let mut weights: Vec<u32> = servers.map(|server| server.weight).collect();
        weights.sort_unstable();
        Ok(weights == [1, 3] && other.ipvs()?.is_empty())
    })
    .map(drop)
}

/// The agent has the name under which it calls the program.
fn serves_under_pacemaker(provider: &str, name: &str) -> Result<()> {
    let mut lab = Lab::new()?;
    let nodes = directors(&mut lab)?;
    start_cluster(&nodes)?;
    let [alpha, beta] = &nodes;
    let agent = format!("provider=\"{provider}\" type=\"{name}\"");
    // Back at home when it can be, which is `auto_failback on`.
    configure(
        alpha,
        &CIB.replace(r#"provider="tandem" type="directord""#, &agent).replace("\"200\"", "\"0\""),
    )?;
    maintenance(alpha, false)?;
    serves(alpha, beta)?;

    alpha.run(&["crm_standby", "--node", "alpha", "--update", "on"])?;
    serves(beta, alpha)?;
    check(alpha.pids_of(name)?.is_empty(), || "its daemon has stopped".to_owned())?;

    // What its monitor finds is mended where it is; a start that fails, because the daemon is killed in it, is not.
    beta.run(&["crm_resource", "--wait"])?;
    let before = beta.pids_of(name)?;
    check(beta.signal(name, Signal::KILL)? > 0, || "there was a daemon".to_owned())?;
    wait_until(PATIENCE, "Pacemaker has started another daemon", || {
        let now = beta.pids_of(name)?;
        Ok(!now.is_empty() && now.iter().all(|pid| !before.contains(pid)))
    })?;
    serves(beta, alpha)?;

    alpha.run(&["crm_standby", "--node", "alpha", "--delete"])?;
    serves(alpha, beta)?;
    alpha.power_off()?;
    wait_until(PATIENCE, "beta has taken over", || Ok(beta.holds(VIRTUAL.into())? && beta.ipvs()?.len() == 1))
        .map(drop)
}

#[test]
fn pacemaker_runs_the_agent_of_directord() -> Result<()> {
    serves_under_pacemaker("tandem", "directord")
}

#[test]
fn pacemaker_runs_the_old_agent_with_directord() -> Result<()> {
    serves_under_pacemaker("heartbeat", "ldirectord")
}

/// The steps of docs/migration.md, "To Pacemaker", in their order, and what they cost a client.
#[test]
fn a_running_pair_goes_to_pacemaker_and_back() -> Result<()> {
    let mut lab = Lab::new()?;
    let nodes = directors(&mut lab)?;
    let [alpha, beta] = &nodes;
    for (name, last) in [("web1", 21), ("web2", 22)] {
        let server = Spec::new(name).link("eth0", "lan", &[&format!("192.0.2.{last}/24")]);
        let server = lab.boot(server.boot(web::direct_routing(&VIRTUAL.to_string())))?;
        web::start(&server, name, "80")?;
    }
    let client = lab.boot(Spec::new("client").link("eth0", "lan", &["192.0.2.100/24"]))?;
    for node in &nodes {
        node.sh("directord ldirectord.cf start --standby </dev/null")?;
        pair::start(node)?;
    }
    serves(alpha, beta)?;
    let clients =
        [Prober::http(&client, (VIRTUAL, 80).into(), Duration::from_millis(50), Duration::from_secs(1))?];
    let mut costs = Costs::new("From heartbeatd to Pacemaker and back", &["no answer"], PATIENCE);
    let mut step = |what: &str, act: &dyn Fn() -> Result<()>| -> Result<()> {
        let begin = Moment::now();
        act()?;
        serves(alpha, beta)?;
        clients[0].wait_answer(Moment::now(), &["web1", "web2"], PATIENCE)?;
        costs.step(what, begin, &clients)
    };
    // Pacemaker has seen it: without maintenance it would act on it.
    let known = || {
        wait_until(PATIENCE, "Pacemaker sees the director of alpha", || {
            let place = alpha.run(&["crm_resource", "--resource", "director", "--locate"])?;
            Ok(place.contains("alpha"))
        })
        .map(drop)
    };

    step("corosync and Pacemaker are started", &|| start_cluster(&nodes))?;
    step("the configuration, in maintenance", &|| configure(alpha, CIB).and_then(|()| known()))?;
    step("hb_standby, heartbeatd is stopped on beta", &|| {
        pair::standby(beta, "all")?;
        pair::stop(beta)
    })?;
    step("heartbeatd is stopped on alpha, maintenance ends", &|| {
        pair::stop(alpha)?;
        alpha.run(&["crm_resource", "--refresh"])?;
        maintenance(alpha, false)
    })?;
    known()?;

    step("maintenance", &|| maintenance(alpha, true))?;
    step("heartbeatd is started", &|| {
        nodes.iter().try_for_each(pair::start)?;
        nodes.iter().try_for_each(|node| {
            wait_until(PATIENCE, "heartbeatd has what is there", || {
                Ok(node.run(&["cl_status", "status"])?.contains("held by alpha"))
            })
            .map(drop)
        })
    })?;
    step("Pacemaker and corosync are stopped", &|| nodes.iter().try_for_each(stop_cluster))?;
    let _ = writeln!(std::io::stderr(), "{costs}");

    // It is heartbeatd's again, to the last address.
    pair::standby(alpha, "all")?;
    serves(beta, alpha)
}
