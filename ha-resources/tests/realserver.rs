//! `realserver`: a neighbour on the wire asks for the address before and after, and sends to it as a director does.

#![allow(clippy::unwrap_used, reason = "a test")]

mod lab;

use lab::{Lab, Ran, soon};
use std::fs;

const VIP: &str = "192.0.2.100";
const VIP6: &str = "2001:db8::100";

/// With the files of a machine that has systemd.
fn real_server() -> Lab {
    let lab = Lab::new();
    fs::create_dir_all(lab.dir.join("root/etc/systemd/system")).unwrap();
    fs::create_dir_all(lab.dir.join("root/etc/sysctl.d")).unwrap();
    lab.ip("address add 2001:db8::1/64 dev va nodad");
    lab.peer_runs("ip address add 2001:db8::2/64 dev vb nodad");
    lab
}

fn run(lab: &Lab, words: &str) -> Ran {
    let mut command = lab.command();
    command.args(["--json", "realserver", "--root"]).arg(lab.dir.join("root")).args(words.split(' '));
    let ran = lab::ran(&mut command);
    assert!(serde_json::from_str::<serde_json::Value>(&ran.out).is_ok(), "{ran:?}");
    ran
}

fn good(lab: &Lab, words: &str) -> String {
    let ran = run(lab, words);
    assert_eq!(ran.code, 0, "{words}: {ran:?}");
    ran.out
}

/// Whether the neighbour, who knows nothing, finds the address on the wire.
fn found_on_the_wire(lab: &Lab, vip: &str) -> bool {
    lab.peer_runs("ip neigh flush all");
    answers(lab, vip)
}

/// Whether packets for the address that are sent to this machine's card are answered: what a director does.
fn takes_what_is_routed_here(lab: &Lab, vip: &str) -> bool {
    let mac: Vec<String> = lab.ip("-o link show dev va").split_whitespace().map(str::to_owned).collect();
    let mac = &mac[mac.iter().position(|word| word == "link/ether").unwrap() + 1];
    lab.peer_runs(&format!("ip neigh replace {vip} lladdr {mac} nud permanent dev vb"));
    let taken = answers(lab, vip);
    lab.peer_runs(&format!("ip neigh delete {vip} dev vb"));
    taken
}

fn answers(lab: &Lab, vip: &str) -> bool {
    lab.in_peer(|| {
        let ping =
            std::process::Command::new("ping").args(["-n", "-c", "1", "-W", "2", vip]).output().unwrap();
        ping.status.success()
    })
}

fn sysctl(name: &str) -> String {
    fs::read_to_string(format!("/proc/sys/net/ipv4/conf/all/{name}")).unwrap().trim().to_owned()
}

#[test]
fn before_it_is_announced_and_afterwards_it_is_not() {
    let lab = real_server();
    let check = run(&lab, &format!("{VIP} --check"));
    assert!(check.code == 1 && check.out.contains("does not take packets"), "{check:?}");
    assert!(!takes_what_is_routed_here(&lab, VIP));

    lab.ip(&format!("address add {VIP}/32 dev lo"));
    assert!(found_on_the_wire(&lab, VIP), "the kernel's default");
    let check = run(&lab, &format!("{VIP} --check"));
    assert!(check.code == 1 && check.out.contains("answers ARP for 192.0.2.100 on va"), "{check:?}");
    assert_eq!(sysctl("arp_ignore"), "0", "a check changes nothing");

    good(&lab, VIP);
    assert!(!found_on_the_wire(&lab, VIP));
    assert!(takes_what_is_routed_here(&lab, VIP));
    good(&lab, &format!("{VIP} --check"));

    // It was there before: it stays. The values go back.
    let out = good(&lab, &format!("{VIP} --remove"));
    assert!(out.contains("was not added by this program"), "{out}");
    assert!(lab.has(VIP));
    assert_eq!((sysctl("arp_ignore"), sysctl("arp_announce")), ("0".into(), "0".into()));
}

#[test]
fn it_is_set_up_once_and_undone_wholly() {
    let lab = real_server();
    let before = (lab.addresses(), sysctl("arp_ignore"), sysctl("arp_announce"));
    let first = good(&lab, &format!("{VIP} {VIP6}"));
    assert!(first.contains("arp_ignore is 1 (was 0)"), "{first}");
    let second = good(&lab, &format!("{VIP} {VIP6}"));
    assert!(second.contains("\"done\":[]"), "{second}");
    for vip in [VIP, VIP6] {
        assert!(!found_on_the_wire(&lab, vip), "{vip}");
        assert!(takes_what_is_routed_here(&lab, vip), "{vip}");
    }
    // the values stay as long as an address needs them
    good(&lab, &format!("{VIP6} --remove"));
    assert_eq!(sysctl("arp_ignore"), "1");
    good(&lab, &format!("{VIP} --remove"));
    assert_eq!((lab.addresses(), sysctl("arp_ignore"), sysctl("arp_announce")), before);
    let again = good(&lab, &format!("{VIP} {VIP6} --remove"));
    assert!(again.contains("\"done\":[]"), "{again}");
}

#[test]
fn an_ipv6_address_is_no_source_of_what_this_machine_asks() {
    let lab = Lab::new();
    fs::create_dir_all(lab.dir.join("root")).unwrap();
    // nothing else that could be a source
    lab.ip("link set lo up");
    lab.ip("-6 route add 2001:db8:1::/64 dev va");
    let source = || lab.runs("ip -6 route get 2001:db8:1::9");
    lab.ip(&format!("address add {VIP6}/128 dev lo nodad"));
    assert!(source().contains(&format!("src {VIP6}")), "the kernel's default: {}", source());
    let check = run(&lab, &format!("{VIP6} --check"));
    assert!(check.code == 1 && check.out.contains("is not deprecated"), "{check:?}");
    let json: serde_json::Value = serde_json::from_str(&check.out).unwrap();
    lab.runs(json["wrong"][0]["help"].as_str().unwrap());
    good(&lab, &format!("{VIP6} --check"));
    lab.ip(&format!("address delete {VIP6}/128 dev lo"));

    lab.ip("address add 2001:db8::1/64 dev va nodad");
    good(&lab, VIP6);
    assert!(lab.ip(&format!("-6 address show dev lo to {VIP6}")).contains("deprecated"));
    assert!(source().contains("src 2001:db8::1 "), "{}", source());
}

/// A socket of the lab's network that waits until it is dropped.
fn listens(at: &str) -> std::net::TcpListener {
    std::net::TcpListener::bind(at).unwrap()
}

#[test]
fn something_takes_what_comes_in_or_it_is_said_who_listens_elsewhere() {
    let lab = real_server();
    lab.ip("link set lo up");
    good(&lab, VIP);
    let check = format!("{VIP} --check --port");
    let wrong = |port: &str, words: &str| {
        let ran = run(&lab, &format!("{check} {port}"));
        assert!(ran.code == 1 && ran.out.contains(words), "{ran:?}");
    };
    wrong("80", "nothing listens on port 80");
    let elsewhere = listens("127.0.0.1:80");
    wrong("80", "does so on 127.0.0.1 only");
    let here = listens(&format!("{VIP}:80"));
    good(&lab, &format!("{check} 80"));
    drop((elsewhere, here));
    let all = listens("0.0.0.0:80");
    good(&lab, &format!("{check} 80"));
    drop(all);
    let both = listens("[::]:80");
    good(&lab, &format!("{check} 80"));
    drop(both);
    fs::write("/proc/sys/net/ipv6/bindv6only", "1").unwrap();
    let six = listens("[::]:80");
    wrong("80", "does so on :: only");
    drop(six);
    wrong("53/udp", "nothing listens on port 53/udp");
    let _udp = std::net::UdpSocket::bind("0.0.0.0:53").unwrap();
    good(&lab, &format!("{check} 53/udp"));
    assert_eq!(lab::ran(lab.command().args(["realserver", VIP, "--check", "--port", "http"])).code, 2);
}

#[test]
fn a_strict_filter_by_the_way_back_is_told_of() {
    let lab = real_server();
    good(&lab, VIP);
    // clients are reached by another interface than the one that the director sends on
    lab.ip("link add out type veth peer name outside");
    lab.ip("link set outside up");
    lab.ip("address add 198.51.100.1/24 dev out");
    lab.ip("link set out up");
    lab.ip("route add default via 198.51.100.254");
    lab.peer_runs("ip address add 203.0.113.7/32 dev vb");
    let dropped = || -> u64 {
        let text = fs::read_to_string("/proc/thread-self/net/netstat").unwrap();
        let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:")).map(str::split_whitespace);
        let (mut names, mut values) = (lines.next().unwrap(), lines.next().unwrap());
        let at = names.position(|name| name == "IPReversePathFilter").unwrap();
        values.nth(at).unwrap().parse().unwrap()
    };
    let client_asks = || {
        lab.in_peer(|| {
            let mut ping = std::process::Command::new("ping");
            ping.args(["-n", "-c", "1", "-W", "1", "-I", "203.0.113.7", VIP]).output().unwrap();
        });
        dropped()
    };
    let mac: Vec<String> = lab.ip("-o link show dev va").split_whitespace().map(str::to_owned).collect();
    let mac = &mac[mac.iter().position(|word| word == "link/ether").unwrap() + 1];
    lab.peer_runs(&format!("ip neigh replace {VIP} lladdr {mac} nud permanent dev vb"));
    fs::write("/proc/sys/net/ipv4/conf/va/rp_filter", "1").unwrap();
    let before = dropped();
    assert!(client_asks() > before, "the kernel drops it");
    let check = run(&lab, &format!("{VIP} --check"));
    assert!(check.code == 1 && check.out.contains("that come in on va are dropped"), "{check:?}");
    fs::write("/proc/sys/net/ipv4/conf/va/rp_filter", "2").unwrap();
    let before = dropped();
    assert_eq!(client_asks(), before, "the kernel takes it");
    good(&lab, &format!("{VIP} --check"));
}

#[test]
fn what_others_did_stays() {
    let lab = real_server();
    lab.ip("address add 192.0.2.99/32 dev lo");
    good(&lab, VIP);
    let mut by_hand = std::process::Command::new("sysctl");
    assert!(by_hand.args(["-qw", "net.ipv4.conf.all.arp_ignore=2"]).status().unwrap().success());
    let out = good(&lab, &format!("{VIP} --remove"));
    assert!(out.contains("arp_ignore stays 2"), "{out}");
    assert_eq!((sysctl("arp_ignore"), sysctl("arp_announce")), ("2".into(), "0".into()));
    assert!(lab.has("192.0.2.99") && !lab.has(VIP));
}

#[test]
fn redirected_by_nftables() {
    let lab = real_server();
    lab.ip("link set lo up");
    let nft = |words: &str| lab::ran(std::process::Command::new("nft").args(words.split(' '))).out;
    nft("add table inet mine");
    good(&lab, &format!("{VIP} {VIP6} --redirect"));
    assert!(!lab.has(VIP) && !lab.has(VIP6));
    assert!(!found_on_the_wire(&lab, VIP));
    for vip in [VIP, VIP6] {
        assert!(takes_what_is_routed_here(&lab, vip), "{vip}");
    }
    good(&lab, &format!("{VIP} --check"));
    assert_eq!(sysctl("arp_ignore"), "0");
    // to the other way, and back to nothing
    good(&lab, VIP);
    assert!(lab.has(VIP) && takes_what_is_routed_here(&lab, VIP) && !found_on_the_wire(&lab, VIP));
    good(&lab, &format!("{VIP} {VIP6} --remove"));
    assert_eq!(nft("list tables").trim(), "table inet mine");
    assert!(soon(|| !takes_what_is_routed_here(&lab, VIP)));
}

#[test]
fn the_next_start_of_the_machine() {
    let lab = real_server();
    let root = lab.dir.join("root/etc");
    let unit = root.join("systemd/system/ha-realserver.service");
    let values = root.join("sysctl.d/60-ha-realserver.conf");
    let wanted = root.join("systemd/system/multi-user.target.wants/ha-realserver.service");
    let out = good(&lab, VIP);
    assert!(out.contains("after the next start"), "{out}");
    let out = good(&lab, &format!("{VIP} --persist"));
    for file in [&unit, &values, &wanted] {
        assert!(out.contains(&*file.to_string_lossy()), "{out}");
    }
    good(&lab, &format!("{VIP6} --persist"));
    let text = fs::read_to_string(&unit).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert!(line.ends_with(&format!(" realserver {VIP} {VIP6}")), "{line}");
    assert!(good(&lab, &format!("{VIP} --persist")).contains("\"files\":[]"), "written once");

    // a machine that has just started: the unit's command sets everything up
    lab.ip(&format!("address delete {VIP}/32 dev lo"));
    lab.ip(&format!("address delete {VIP6}/128 dev lo"));
    fs::remove_file(lab.dir.join("run/realserver.json")).unwrap();
    assert!(run(&lab, &format!("{VIP} --check")).code == 1);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", line]).env("HA_RUN_DIR", lab.dir.join("run"));
    assert_eq!(lab::ran(&mut command).code, 0);
    good(&lab, &format!("{VIP} {VIP6} --check"));

    good(&lab, &format!("{VIP} --remove"));
    assert!(fs::read_to_string(&unit).unwrap().contains(VIP6) && !values.exists());
    good(&lab, &format!("{VIP6} --remove"));
    assert!(!unit.exists() && fs::symlink_metadata(&wanted).is_err());
}

#[test]
fn files_of_others_are_left_alone() {
    let lab = real_server();
    let unit = lab.dir.join("root/etc/systemd/system/ha-realserver.service");
    fs::write(&unit, "[Unit]\n").unwrap();
    let ran = run(&lab, &format!("{VIP} --persist"));
    assert!(ran.code == 1 && ran.out.contains("not written by this program"), "{ran:?}");
    assert_eq!(fs::read_to_string(&unit).unwrap(), "[Unit]\n");
    fs::remove_dir_all(lab.dir.join("root/etc/systemd")).unwrap();
    let ran = run(&lab, &format!("{VIP} --persist"));
    assert!(ran.code == 1 && ran.out.contains("has no systemd"), "{ran:?}");
    assert_eq!(lab::ran(lab.command().args(["realserver", VIP, "--check", "--remove"])).code, 2);
    assert_eq!(lab::ran(lab.command().args(["realserver", "web1"])).code, 2);
}
