//! `stonith` and `stonith_host`: nothing of a silent node is taken before a device says that it is cut off. The devices are
//! run by cluster-glue's `stonith`, the real one; the power switch behind them is the lab.

use std::time::Duration;

use lab::pair;
use lab::{Node, Result, check, hold_for, wait_until};

use crate::old::{start_old, stop_old};
use crate::world::{
    ADDRESSES, ALL_ON_ALPHA, ALL_ON_BETA, AT_HOME, LIMIT, Media, Options, Pair, SECOND, wait_logged,
};

/// A device of cluster-glue (`external/lab`): whoever works its switch writes what came of it into a file.
const PLUGIN: &str = "#!/bin/sh
case $1 in
gethosts) echo $hostlist;;
reset)
    echo $2 >>/var/log/requests
    echo $passwd >/var/log/password
    while [ ! -e /run/answer ]; do sleep 0.1; done
    answer=$(cat /run/answer)
    rm /run/answer
    exit $answer;;
on|off|status) ;;
getconfignames) echo hostlist;;
getinfo-devid|getinfo-devname|getinfo-devdescr) echo the switch of the lab;;
getinfo-devurl) echo https://www.example.org/;;
getinfo-xml) echo '<parameters></parameters>';;
*) exit 1;;
esac
";

/// A program as those of fence-agents are: options on standard input, the exit code is the answer.
const AGENT: &str = "#!/bin/sh
cat >/var/log/options
grep -qx action=monitor /var/log/options && exit 0
grep -qx action=reboot /var/log/options && grep -qx plug=beta /var/log/options && grep -qx ip=192.0.2.99 /var/log/options
";

pub(crate) fn boot(more: &'static str, failback: &'static str) -> Result<Pair> {
    let pair = Pair::new(Options { more, failback, media: Media::Ucast, ..Options::default() })?;
    for node in pair.nodes() {
        node.sh("mkdir -p /etc/ha.d/external /etc/ha.d/sbin")?;
        node.write_mode("/etc/ha.d/external/lab", PLUGIN, 0o755)?;
        node.write_mode("/etc/ha.d/sbin/fence_lab", AGENT, 0o755)?;
        lend(node)?;
    }
    Ok(pair)
}

/// Puts the devices where they are looked for, in this node alone.
fn lend(node: &Node) -> Result<()> {
    node.sh(
        "mount --bind /etc/ha.d/external /usr/lib/stonith/plugins/external && mount --bind /etc/ha.d/sbin /usr/local/sbin",
    )
    .map(drop)
}

pub(crate) fn start(pair: &Pair) -> Result<()> {
    pair::start(&pair.alpha)?;
    pair::start(&pair.beta)?;
    pair.wait_placed(AT_HOME).map(drop)
}

fn wait_said(pair: &Pair, node: &Node, words: &str) -> Result<()> {
    let what = format!("{} says: {words}", node.name());
    wait_until(LIMIT, &what, || Ok(pair.cl_status(node, &["status"])?.contains(words))).map(drop)
}

/// So many requests have come to the switch.
pub(crate) fn wait_requests(node: &Node, count: usize) -> Result<()> {
    let requests = || Ok(node.sh("cat /var/log/requests 2>/dev/null || true")?.lines().count() >= count);
    wait_until(LIMIT, "the switch is asked", requests).map(drop)
}

fn not_taken(pair: &Pair, time: Duration) -> Result<()> {
    hold_for(time, "alpha does not take what may run on beta", || {
        Ok(!pair.alpha.holds(ADDRESSES[1].into())?)
    })
}

#[test]
fn addresses_are_taken_when_the_device_has_cut_off_the_node_and_not_before() -> Result<()> {
    let pair = boot("stonith_host alpha external/lab beta\nstonith_host beta external/lab alpha\n", "on")?;
    start(&pair)?;
    wait_logged(&pair.alpha, &["stonith device external/lab works, and can reset beta"])?;
    pair.beta.cut_all()?;
    wait_requests(&pair.alpha, 1)?;
    wait_said(&pair, &pair.alpha, "waiting for fencing of beta; external/lab is resetting it")?;
    not_taken(&pair, SECOND * 3)?;
    check(pair.beta.holds(ADDRESSES[1].into())?, || "beta has let go of its address".to_owned())?;

    pair.alpha.write("/run/answer", "1\n")?;
    wait_said(&pair, &pair.alpha, "waiting for fencing of beta (1 attempt failed: external/lab:")?;
    wait_requests(&pair.alpha, 2)?;
    not_taken(&pair, SECOND)?;
    check(pair::resources(&pair.alpha)? == "transition", || "alpha says that it is at rest".to_owned())?;

    pair.beta.power_off()?;
    pair.alpha.write("/run/answer", "0\n")?;
    pair.wait_placed(ALL_ON_ALPHA)?;
    wait_logged(&pair.alpha, &["node beta now reset."])?;

    pair.beta.power_on()?;
    lend(&pair.beta)?;
    pair.beta.heal_all()?;
    pair::start(&pair.beta)?;
    pair.wait_placed(AT_HOME)?;
    pair.never_two_holders()
}

#[test]
fn parameters_by_name_reach_the_device_and_no_process_list() -> Result<()> {
    let pair = boot("stonith_host * external/lab hostlist=beta passwd=ex4mple=word\n", "on")?;
    start(&pair)?;
    wait_logged(&pair.alpha, &["stonith device external/lab works, and can reset beta"])?;
    pair.beta.power_off()?;
    wait_requests(&pair.alpha, 1)?;
    // the device waits for its answer, and with it the program that was given the password
    let password = || Ok(pair.alpha.sh("cat /var/log/password")?.trim() == "ex4mple=word");
    wait_until(LIMIT, "the device has the password", password)?;
    let shown = pair.alpha.sh(
        "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -e 'ex4mple[=]' -e '^external/la[b]' || true",
    )?;
    let hidden = shown.contains("external/lab") && !shown.contains("ex4mple");
    check(hidden, || format!("in the list of processes: {shown}"))?;
    pair.alpha.write("/run/answer", "0\n")?;
    pair.wait_placed(ALL_ON_ALPHA)?;
    pair.never_two_holders()
}

#[test]
fn a_node_that_is_heard_again_is_not_waited_for_and_one_that_stops_is_not_reset() -> Result<()> {
    let pair = boot("stonith_host * external/lab alpha beta\n", "off")?;
    start(&pair)?;
    pair.beta.cut_all()?;
    wait_requests(&pair.alpha, 1)?;
    pair.beta.heal_all()?;
    pair.wait_status(&pair.alpha, "beta", "active")?;
    pair.wait_placed(AT_HOME)?;
    pair.stays_placed(AT_HOME, SECOND * 2)?;
    let requests = || pair.alpha.sh("wc -l </var/log/requests");
    let before = requests()?;
    pair::stop(&pair.beta)?;
    pair.wait_placed(ALL_ON_ALPHA)?;
    pair.wait_status(&pair.alpha, "beta", "dead")?;
    pair.stays_placed(ALL_ON_ALPHA, SECOND)?;
    check(requests()? == before, || "a node that had stopped was reset".to_owned())?;
    pair.never_two_holders()
}

#[test]
fn several_devices_are_tried_in_order_and_one_for_another_host_is_not_believed() -> Result<()> {
    // "null" says "done" for every host that it is asked to reset
    let more = "stonith_host alpha null gamma\nstonith_host alpha no-such-type x\nstonith_host * fence_lab ip=192.0.2.99\n";
    let pair = boot(more, "on")?;
    start(&pair)?;
    wait_logged(&pair.alpha, &["stonith device null cannot reset beta: it resets only these hosts: gamma"])?;
    wait_logged(&pair.alpha, &["stonith device no-such-type cannot reset beta:"])?;
    wait_logged(&pair.alpha, &["stonith device fence_lab works, and can reset beta"])?;
    pair.beta.power_off()?;
    pair.wait_placed(ALL_ON_ALPHA)?;
    wait_logged(&pair.alpha, &["Host beta not reset! [null]"])?;
    wait_logged(&pair.alpha, &["[fence_lab] has reset node beta"]).map(drop)
}

#[test]
fn a_person_confirms_with_meatclient() -> Result<()> {
    let pair = boot("stonith_host alpha meatware beta\nstonith_host beta meatware alpha\n", "on")?;
    start(&pair)?;
    pair.beta.power_off()?;
    wait_said(&pair, &pair.alpha, "confirm that with \"meatclient -c beta\"")?;
    not_taken(&pair, SECOND * 2)?;
    let confirmed = || Ok(pair.alpha.sh("yes | meatclient -c beta").is_ok());
    wait_until(LIMIT, "meatclient finds who waits for it", confirmed)?;
    pair.wait_placed(ALL_ON_ALPHA).map(drop)
}

/// Ours and a heartbeat 3.0.6, each with a device: each resets the other one.
#[test]
fn beside_an_old_node_both_reset_each_other() -> Result<()> {
    let more = "stonith_host * null alpha beta\n";
    let deadtime = SECOND * 3;
    let pair =
        Pair::new(Options { more, failback: "on", media: Media::Ucast, deadtime, ..Options::default() })?;
    start_old(&pair.beta)?;
    pair::start(&pair.alpha)?;
    pair.wait_placed(AT_HOME)?;
    pair.beta.power_off()?;
    pair.wait_placed(ALL_ON_ALPHA)?;
    wait_logged(&pair.alpha, &["node beta now reset."])?;
    pair.beta.power_on()?;
    start_old(&pair.beta)?;
    pair.wait_placed(AT_HOME)?;
    pair.alpha.power_off()?;
    pair.wait_placed(ALL_ON_BETA)?;
    wait_logged(&pair.beta, &["node alpha now reset."])?;
    pair.alpha.power_on()?;
    pair::start(&pair.alpha)?;
    pair.wait_placed(AT_HOME)?;
    stop_old(&pair.beta)?;
    pair.wait_placed(ALL_ON_ALPHA)?;
    pair.never_two_holders()
}

/// A resource that does not stop: `clinging stop`.
const CLINGING: &str = "#!/bin/sh
case $1 in
start) touch /run/clinging;;
stop) [ -e /etc/ha.d/let-go ] || exit 1; rm -f /run/clinging;;
status) if [ -e /run/clinging ]; then echo running; else echo stopped; exit 3; fi;;
esac
";

/// Its address stays until the switch has cut the node off: neither a move nor a stop says that it is free.
#[test]
fn what_cannot_be_stopped_is_not_taken_before_its_node_is_cut_off() -> Result<()> {
    let pair = boot("stonith_host * external/lab alpha beta\n", "off")?;
    let [one, two] = ADDRESSES;
    let groups = format!("alpha {one}/24/eth0\nbeta {two}/24/eth0 clinging\n");
    for node in pair.nodes() {
        node.sh("mkdir -p /etc/ha.d/resource.d")?;
        node.write_mode("/etc/ha.d/resource.d/clinging", CLINGING, 0o755)?;
        node.write("/etc/ha.d/haresources", &groups)?;
    }
    start(&pair)?;
    pair.beta.run(&["hb_standby", "local"])?;
    wait_logged(&pair.beta, &["standby cancelled: groups could not be stopped here"])?;
    pair.wait_placed(AT_HOME)?;

    pair.beta.run(&["heartbeatd", "-k"])?;
    wait_logged(&pair.beta, &["this node stops although some of its groups could not be stopped"])?;
    pair.wait_gone(&pair.beta)?;
    wait_requests(&pair.alpha, 1)?;
    not_taken(&pair, SECOND)?;
    pair.beta.power_off()?;
    pair.alpha.write("/run/answer", "0\n")?;
    pair.wait_placed(ALL_ON_ALPHA)?;
    pair.never_two_holders()
}
