//! Two directors under Pacemaker instead of heartbeatd: the agent `ocf:tandem:directord`, and the old `ocf:heartbeat:ldirectord`
//! with directord as its program, started, monitored, recovered and moved by Debian's Pacemaker on corosync.

use std::net::Ipv4Addr;
use std::time::Duration;

use lab::{Lab, Node, Result, Spec, check, pair, programs, wait_until};
use rustix::process::Signal;

const AGENT: &str = include_str!("../../../etc/ocf/directord");
const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const CONFIG: &str = "checktimeout=5\ncheckinterval=1\nquiescent=yes\nvirtual=192.0.2.10:80\n\treal=192.0.2.11:80 gate\n\
                      \treal=192.0.2.12:80 gate 3\n\tscheduler=rr\n\tprotocol=tcp\n\tchecktype=on\n";
/// Beyond what any step takes in a slow kernel with one processor.
const PATIENCE: Duration = Duration::from_secs(180);

const COROSYNC: &str = "totem {\n version: 2\n cluster_name: directors\n transport: udpu\n token: 5000\n}\n\
    logging {\n to_stderr: no\n to_syslog: yes\n}\nquorum {\n provider: corosync_votequorum\n two_node: 1\n wait_for_all: 0\n}\n\
    nodelist {\n node {\n name: one\n nodeid: 1\n ring0_addr: 192.0.2.1\n }\n node {\n name: two\n nodeid: 2\n ring0_addr: 192.0.2.2\n }\n}\n";

/// What Pacemaker is to do: the address and the services, together, on `one` if it can be. There is no device to fence with.
fn cib(provider: &str, agent: &str, program: &str) -> String {
    format!(
        r#"<configuration>
 <crm_config><cluster_property_set id="options">
  <nvpair id="fencing" name="stonith-enabled" value="false"/>
  <nvpair id="quorum" name="no-quorum-policy" value="ignore"/>
 </cluster_property_set></crm_config>
 <nodes/>
 <resources><group id="farm">
  <primitive id="director" class="ocf" provider="{provider}" type="{agent}">
   <instance_attributes id="director-what">
    <nvpair id="director-file" name="configfile" value="/etc/ha.d/ldirectord.cf"/>
    <nvpair id="director-program" name="ldirectord" value="{program}"/>
   </instance_attributes>
   <operations><op id="director-monitor" name="monitor" interval="2s" timeout="60s"/></operations>
  </primitive>
  <primitive id="address" class="ocf" provider="heartbeat" type="IPaddr2">
   <instance_attributes id="address-what">
    <nvpair id="address-ip" name="ip" value="{VIRTUAL}"/><nvpair id="address-mask" name="cidr_netmask" value="24"/>
   </instance_attributes>
  </primitive>
 </group></resources>
 <constraints><rsc_location id="home" rsc="farm" node="one" score="100"/></constraints>
</configuration>"#
    )
}

fn start() -> Result<(Lab, Node, Node)> {
    let mut lab = Lab::new()?;
    lab.switch("lan")?;
    let mut director = |name: &str, last: u8| -> Result<Node> {
        let overlay = "mkdir /run/ocf /run/ocf-work && \
                       mount -t overlay -o lowerdir=/usr/lib/ocf,upperdir=/run/ocf,workdir=/run/ocf-work none /usr/lib/ocf";
        let spec = Spec::new(name).link("eth0", "lan", &[&format!("192.0.2.{last}/24")]).boot(overlay);
        let node = lab.boot(spec)?;
        node.write_mode("/usr/lib/ocf/resource.d/tandem/directord", AGENT, 0o755)?;
        node.write("/etc/ha.d/ldirectord.cf", CONFIG)?;
        node.write("/etc/corosync/corosync.conf", COROSYNC)?;
        Ok(node)
    };
    let (one, two) = (director("one", 1)?, director("two", 2)?);
    for node in [&one, &two] {
        node.sh("corosync && (pacemakerd </dev/null >/dev/null 2>&1 &)")?;
    }
    for node in [&one, &two] {
        wait_until(PATIENCE, &format!("{} sees both nodes", node.name()), || {
            let seen = node.output(&["crm_node", "--partition"])?;
            let active = node.output(&["crmadmin", "--nodes", "--quiet"])?;
            let seen = String::from_utf8_lossy(&seen.stdout).trim() == "one two";
            Ok(seen && active.status.success())
        })?;
    }
    Ok((lab, one, two))
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

fn serves_under_pacemaker(provider: &str, agent: &str) -> Result<()> {
    let (_lab, one, two) = start()?;
    let program = programs::directory()?.join("directord");
    one.write("/run/cib.xml", &cib(provider, agent, &program.display().to_string()))?;
    wait_until(PATIENCE, "the configuration is taken", || {
        let output =
            one.output(&["cibadmin", "--replace", "--scope", "configuration", "--xml-file", "/run/cib.xml"])?;
        Ok(output.status.success())
    })?;
    serves(&one, &two)?;

    one.run(&["crm_standby", "--node", "one", "--update", "on"])?;
    serves(&two, &one)?;
    check(one.pids_of("directord")?.is_empty(), || "its daemon has stopped".to_owned())?;

    // What its monitor finds is mended where it is.
    let before = two.pids_of("directord")?;
    two.signal("directord", Signal::KILL)?;
    wait_until(PATIENCE, "Pacemaker has started another daemon", || {
        let now = two.pids_of("directord")?;
        Ok(!now.is_empty() && now.iter().all(|pid| !before.contains(pid)))
    })?;
    serves(&two, &one)?;

    one.run(&["crm_standby", "--node", "one", "--delete"])?;
    serves(&one, &two)?;
    one.power_off()?;
    wait_until(PATIENCE, "two has taken over", || Ok(two.holds(VIRTUAL.into())? && two.ipvs()?.len() == 1))
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
