//! The lab itself: what the scenarios rely on.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use lab::arp::ArpWatcher;
use lab::probe::{self, Prober};
use lab::{Lab, Moment, Result, Spec, check, wait_until, web};

const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(5);

fn two_nodes() -> Result<(Lab, lab::Node, lab::Node)> {
    let mut lab = Lab::new()?;
    lab.switch("lan")?;
    let one = lab.boot(Spec::new("one").link("eth0", "lan", &["192.0.2.1/24", "2001:db8::1/64"]))?;
    let two = lab.boot(Spec::new("two").link("eth0", "lan", &["192.0.2.2/24", "2001:db8::2/64"]))?;
    Ok((lab, one, two))
}

#[test]
fn a_node_is_a_machine_of_its_own_and_leaves_nothing() -> Result<()> {
    let (lab, one, two) = two_nodes()?;
    assert_eq!(one.sh("uname -n; cat /proc/1/comm")?, "one\nlab\n");
    one.write("/etc/ha.d/kept", "1")?;
    one.write("/etc/lost", "1")?;
    one.write("/run/lost", "1")?;
    assert!(two.read("/etc/ha.d/kept").is_err() && two.read("/etc/lost").is_err());
    one.sh("logger -t test hello; sleep 30 >/dev/null 2>&1 &")?;
    wait_until(5 * SECOND, "syslog has a message", || {
        Ok(one.read("/var/log/syslog")?.contains("test: hello"))
    })?;
    assert_eq!(one.pids_of("sleep")?.len(), 1);
    let pid = one.pid();
    one.power_off()?;
    one.power_on()?;
    assert_ne!(one.pid(), pid);
    assert_eq!(one.read("/etc/ha.d/kept")?, "1");
    assert!(one.read("/etc/lost").is_err() && one.read("/run/lost").is_err());
    assert!(one.pids_of("sleep")?.is_empty());

    let (directory, pids) = (lab.directory().to_owned(), [one.pid(), two.pid()]);
    drop(lab);
    assert!(!directory.exists());
    for pid in pids.into_iter().flatten() {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "process {pid} is left");
    }
    Ok(())
}

#[test]
fn an_address_is_gone_with_the_power() -> Result<()> {
    let (_lab, one, two) = two_nodes()?;
    let address: IpAddr = Ipv4Addr::new(192, 0, 2, 2).into();
    let six: IpAddr = "2001:db8::2".parse().map_err(|_| lab::Failure::new("address"))?;
    assert!(two.holds(address)? && two.holds(six)? && !one.holds(address)? && !one.holds(six)?);
    let prober = Prober::icmp(&one, address, STEP, SECOND / 10)?;
    let prober6 = Prober::icmp(&one, six, STEP, SECOND / 10)?;
    let cut = two.power_off()?;
    assert!(!two.holds(address)?);
    wait_until(5 * SECOND, "a ping fails", || {
        Ok(prober.since(cut).iter().any(|sample| sample.answer.is_err()))
    })?;
    let answered = prober.since(cut).iter().filter(|sample| sample.answer.is_ok()).count();
    check(answered == 0, || format!("{answered} answers from a node without power"))?;
    two.power_on()?;
    prober.wait_answer(Moment::now(), &["reply"], 10 * SECOND)?;
    prober6.wait_answer(Moment::now(), &["reply"], 10 * SECOND)?;
    let outage =
        probe::longest_outage(&prober.stop(), |_| true).map(|outage| outage.from < cut && outage.to > cut);
    assert_eq!(outage, Some(true));
    Ok(())
}

#[test]
fn a_cut_cable_loses_packets_and_an_unplugged_one_its_carrier() -> Result<()> {
    let (_lab, one, two) = two_nodes()?;
    let prober = Prober::icmp(&one, Ipv4Addr::new(192, 0, 2, 2).into(), STEP, SECOND / 10)?;
    let carrier = || two.read("/sys/class/net/eth0/carrier");
    for unplug in [false, true] {
        prober.wait_answer(Moment::now(), &["reply"], 10 * SECOND)?;
        if unplug {
            two.unplug("eth0")?
        } else {
            two.cut("eth0").map(drop)?
        }
        let cut = Moment::now();
        let lost = || Ok(prober.since(cut).iter().any(|sample| sample.answer.is_err()));
        wait_until(5 * SECOND, "a ping fails", lost)?;
        assert_eq!(carrier()?.trim(), if unplug { "0" } else { "1" });
        if unplug { two.plug("eth0")? } else { two.heal("eth0").map(drop)? }
    }
    prober.wait_answer(Moment::now(), &["reply"], 10 * SECOND).map(drop)
}

#[test]
fn a_web_server_says_its_name_and_its_end_is_seen() -> Result<()> {
    let (_lab, one, two) = two_nodes()?;
    web::start(&two, "web2", "192.0.2.2:80")?;
    let target = (Ipv4Addr::new(192, 0, 2, 2), 80).into();
    let prober = Prober::http(&one, target, STEP, SECOND / 2)?;
    prober.wait_answer(Moment::now(), &["web2"], 5 * SECOND)?;
    web::stop(&two)?;
    let stopped = Moment::now();
    let refused =
        || Ok(prober.since(stopped).iter().any(|sample| sample.answer == Err("refused".to_owned())));
    wait_until(5 * SECOND, "a request is refused", refused)?;
    web::start(&two, "web2", "192.0.2.2:80")?;
    prober.wait_answer(Moment::now(), &["web2"], 5 * SECOND)?;
    let samples = prober.stop();
    let again = samples.iter().filter(|sample| sample.start > stopped && sample.answer.is_ok()).count();
    check(again > 0, || "no answer after the restart".to_owned())
}

#[test]
fn announcements_are_seen_with_their_sender() -> Result<()> {
    let (_lab, one, two) = two_nodes()?;
    let watcher = ArpWatcher::start(&one)?;
    let before = Moment::now();
    // With arp_notify the kernel itself announces an interface's address when its hardware address changes.
    let mac = "02:00:5e:00:00:77";
    two.sh(&format!("sysctl -qw net.ipv4.conf.eth0.arp_notify=1; ip link set eth0 address {mac}"))?;
    let claim = watcher.wait_announcement(Ipv4Addr::new(192, 0, 2, 2), mac, before, 5 * SECOND)?;
    check(claim.gratuitous, || format!("{claim:?}"))
}

#[test]
fn a_frozen_node_answers_for_its_addresses_but_runs_nothing() -> Result<()> {
    let (_lab, one, two) = two_nodes()?;
    web::start(&two, "web2", "192.0.2.2:80")?;
    let prober = Prober::http(&one, (Ipv4Addr::new(192, 0, 2, 2), 80).into(), STEP, SECOND / 5)?;
    prober.wait_answer(Moment::now(), &["web2"], 5 * SECOND)?;
    assert!(two.freeze()? >= 2);
    let frozen = Moment::now();
    wait_until(5 * SECOND, "a request fails", || {
        Ok(prober.since(frozen).iter().any(|sample| sample.answer.is_err()))
    })?;
    two.thaw()?;
    prober.wait_answer(Moment::now(), &["web2"], 5 * SECOND).map(drop)
}

#[test]
fn a_kept_lab_runs_on_and_can_be_opened_and_ended() -> Result<()> {
    let (mut lab, one, two) = two_nodes()?;
    let directory = lab.directory().to_owned();
    lab.keep()?;
    let pid = one.pid();
    drop((lab, one, two));
    let lab = Lab::open(&directory)?;
    let one = lab.find("one")?;
    assert_eq!(one.pid(), pid);
    assert_eq!(one.sh("uname -n")?, "one\n");
    lab.end()?;
    assert!(!directory.exists() && Lab::open(&directory).is_err());
    Ok(())
}
