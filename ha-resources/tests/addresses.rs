//! Addresses in a real kernel: each form of the argument, and each thing that can be in the way.

mod lab;

use ha_resources::event::GroupResult;
use lab::Lab;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

const OWN: &str = "va 192.0.2.1/24 brd 192.0.2.255 va";

/// Takes a group of one address in a new laboratory, and returns that with the line of the kernel's list.
fn taken(argument: &str) -> (Lab, Vec<String>) {
    let lab = Lab::new();
    lab.ip("address add 2001:db8::1/64 dev va nodad");
    lab.haresources(&format!("alpha {argument}\n"));
    let before = lab.addresses();
    let ran = lab.run("takenode alpha");
    assert_eq!((ran.code, ran.groups()), (0, vec![GroupResult::Held]), "{ran:?}");
    let new = lab.addresses().into_iter().filter(|line| !before.contains(line)).collect();
    let again = lab.run("takenode alpha");
    assert_eq!(again.steps(), [format!("{argument} start already")], "{again:?}");
    let ran = lab.run("givenode alpha");
    assert_eq!((ran.code, ran.groups()), (0, vec![GroupResult::Released]), "{ran:?}");
    assert_eq!(lab.addresses(), before, "nothing but the address is removed");
    assert_eq!(lab.run("givenode alpha").steps(), [format!("{argument} stop already")]);
    (lab, new)
}

#[test]
fn every_form_of_the_argument_gives_the_address_of_the_old_agents() {
    for (argument, line) in [
        ("192.0.2.10", "va 192.0.2.10/24 brd 192.0.2.255 va:0"),
        ("IPaddr::192.0.2.10/24/va", "va 192.0.2.10/24 brd 192.0.2.255 va:0"),
        ("IPaddr2::192.0.2.10", "va 192.0.2.10/24 brd 192.0.2.255 va"),
        ("IPaddr2::192.0.2.10/32/va", "va 192.0.2.10/32 brd 192.0.2.255 va"),
        ("IPaddr2::192.0.2.10/32/va/-", "va 192.0.2.10/32 va"),
        ("IPaddr2::192.0.2.10/26/va/+", "va 192.0.2.10/26 brd 192.0.2.63 va"),
        ("IPaddr2::192.0.2.10/24/va:vip/192.0.2.127", "va 192.0.2.10/24 brd 192.0.2.127 va:vip"),
        ("IPaddr2::192.0.2.10/25/192.0.2.126", "va 192.0.2.10/25 brd 192.0.2.126 va"),
        ("IPaddr2::192.0.2.10/255.255.255.0/va", "va 192.0.2.10/24 brd 192.0.2.255 va"),
        ("192.0.2.10/32/va:0/192.0.2.10", "va 192.0.2.10/32 brd 192.0.2.10 va:0"),
        ("IPaddr2::192.0.2.10/24/va:a-label-beyond-15", "va 192.0.2.10/24 brd 192.0.2.255 va:a-label-beyo"),
        ("IPaddr2::198.51.100.10/28/va", "va 198.51.100.10/28 brd 198.51.100.15 va"),
        ("IPaddr2::198.51.100.10/32/va", "va 198.51.100.10/32 va"),
        ("IPv6addr::2001:db8:0:0:0:0:0:10", "va 2001:db8::10/64"),
        ("IPv6addr::2001:db8:0:0:0:0:0:10/128/va", "va 2001:db8::10/128"),
        ("IPaddr2::2001:db8:0:0:0:0:0:10/64/va", "va 2001:db8::10/64"),
    ] {
        assert_eq!(taken(argument).1, [line], "{argument}");
    }
}

#[test]
fn an_interface_needs_no_network_of_its_own() {
    let lab = Lab::new();
    lab.ip("link add vc type veth peer name vd");
    lab.haresources("alpha IPaddr2::203.0.113.10//vc\n");
    assert_eq!(lab.run("check").code, 6, "slashes are squeezed, so vc is no mask");
    lab.haresources("alpha IPaddr2::203.0.113.10/32/vc\n");
    assert_eq!(lab.run("takenode alpha").code, 0);
    assert!(lab.addresses().contains(&"vc 203.0.113.10/32 vc".to_owned()), "{:?}", lab.addresses());
    assert!(lab.ip("link show vc").contains(",UP"), "the interface is switched on");
}

#[test]
fn the_most_specific_connected_network_wins_and_interfaces_that_are_down_do_not_count() {
    let lab = Lab::new();
    lab.ip("link add vc type veth peer name vd");
    lab.ip("link set vc up");
    lab.ip("link set vd up");
    lab.ip("address add 192.0.2.65/26 broadcast + dev vc");
    lab.haresources("alpha IPaddr2::192.0.2.70 IPaddr2::192.0.2.10\n");
    assert_eq!(lab.run("takenode alpha").code, 0);
    assert!(
        lab.addresses().contains(&"vc 192.0.2.70/26 brd 192.0.2.127 vc".to_owned()),
        "{:?}",
        lab.addresses()
    );
    assert!(
        lab.addresses().contains(&"va 192.0.2.10/24 brd 192.0.2.255 va".to_owned()),
        "{:?}",
        lab.addresses()
    );
    assert_eq!(lab.run("givenode alpha").code, 0);
    lab.ip("link set vc down");
    assert_eq!(lab.run("takenode alpha").code, 0);
    assert!(
        lab.addresses().contains(&"va 192.0.2.70/24 brd 192.0.2.255 va".to_owned()),
        "{:?}",
        lab.addresses()
    );
}

#[test]
fn a_direct_route_names_the_interface_and_the_default_route_does_not() {
    let lab = Lab::new();
    lab.ip("route add 203.0.113.0/24 dev va");
    lab.ip("route add default dev va");
    lab.haresources("alpha IPaddr2::203.0.113.10\nbeta IPaddr2::198.51.100.10\n");
    assert_eq!(lab.run("takenode alpha").code, 0);
    assert!(lab.has("203.0.113.10/24"), "{:?}", lab.addresses());
    let ran = lab.run("takenode beta");
    assert_eq!(ran.code, 1);
    assert!(
        ran.detail().contains("name the interface and the mask: 198.51.100.10/24/eth0"),
        "{}",
        ran.detail()
    );
}

#[test]
fn ipaddr_numbers_its_labels() {
    let lab = Lab::new();
    lab.haresources("alpha 192.0.2.10 192.0.2.11/24/va 192.0.2.12/24/va:web\n");
    assert_eq!(lab.run("takenode alpha").code, 0);
    let labels: Vec<_> =
        lab.addresses().iter().filter_map(|l| l.split(' ').next_back().map(str::to_owned)).collect();
    assert_eq!(labels, ["va", "va:0", "va:1", "va:web"]);
}

#[test]
fn a_missing_interface_is_named_with_those_that_exist() {
    let lab = Lab::new();
    lab.haresources("alpha IPaddr2::192.0.2.10/24/vaa\n");
    let ran = lab.run("takenode alpha");
    assert_eq!((ran.code, ran.groups()), (1, vec![GroupResult::Failed]));
    assert!(
        ran.detail().contains("the interface vaa does not exist; did you mean va? this machine has"),
        "{}",
        ran.detail()
    );
    assert_eq!(lab.run("givenode alpha").code, 0, "what cannot be there is not there");
    assert_eq!(lab.run("status IPaddr2::192.0.2.10/24/vaa").code, 3);
}

#[test]
fn an_address_on_another_interface_is_a_conflict_unless_it_was_put_there_by_this_program() {
    let lab = Lab::new();
    lab.ip("link add vc type veth peer name vd");
    lab.ip("link set vc up");
    lab.ip("address add 192.0.2.10/24 dev vc");
    lab.haresources("alpha IPaddr2::192.0.2.10/24/va\n");
    let before = lab.addresses();
    let ran = lab.run("takenode alpha");
    assert_eq!(ran.code, 1);
    assert!(ran.detail().contains("ip address delete 192.0.2.10/24 dev vc"), "{}", ran.detail());
    assert_eq!(lab.addresses(), before, "what somebody else made is not touched");
    lab.ip("address delete 192.0.2.10/24 dev vc");
    lab.haresources("alpha IPaddr2::192.0.2.10/24/vc\n");
    assert_eq!(lab.run("takenode alpha").code, 0);
    lab.haresources("alpha IPaddr2::192.0.2.10/24/va\n");
    assert_eq!(lab.run("takenode alpha").steps(), ["IPaddr2::192.0.2.10/24/va start done"]);
    assert_eq!(
        lab.addresses(),
        ["va 192.0.2.1/24 brd 192.0.2.255 va", "va 192.0.2.10/24 brd 192.0.2.255 va"]
    );
    lab.haresources("alpha IPaddr2::192.0.2.10/24/vc\n");
    assert_eq!(
        lab.run("givenode alpha").steps(),
        ["IPaddr2::192.0.2.10/24/va stop done", "IPaddr2::192.0.2.10/24/vc stop already"],
        "what was taken is given first"
    );
    assert_eq!(lab.addresses(), [OWN], "given away wherever it was");
}

#[test]
fn removing_a_primary_address_keeps_its_secondaries() {
    for promote in ["0", "1"] {
        let lab = Lab::new();
        std::fs::write("/proc/sys/net/ipv4/conf/va/promote_secondaries", promote).unwrap();
        lab.haresources(
            "alpha IPaddr2::198.51.100.10/24/va:one\nalpha IPaddr2::198.51.100.11/24/va:two/198.51.100.77\n",
        );
        assert_eq!(lab.run("takenode alpha").code, 0);
        lab.ip("address add 198.51.100.12/24 dev va");
        assert_eq!(lab.run("givegroup IPaddr2::198.51.100.10/24/va:one").code, 0);
        let left = [OWN, "va 198.51.100.11/24 brd 198.51.100.77 va:two", "va 198.51.100.12/24 va"];
        assert_eq!(lab.addresses(), left, "promote_secondaries={promote}");
        assert_eq!(lab.run("givenode alpha").code, 0);
        assert_eq!(lab.addresses(), [OWN, "va 198.51.100.12/24 va"]);
    }
}

#[test]
fn ipaddr2_replaces_the_copy_on_lo_and_puts_it_back() {
    let lab = Lab::new();
    lab.ip("address add 192.0.2.10/32 dev lo");
    lab.haresources("alpha IPaddr2::192.0.2.10/24/va\n");
    let copy = "lo 192.0.2.10/32 lo";
    assert_eq!(lab.addresses(), [copy, OWN]);
    assert_eq!(lab.run("status IPaddr2::192.0.2.10/24/va").code, 3, "a copy on lo serves nobody");
    assert_eq!(lab.run("takenode alpha").steps(), ["IPaddr2::192.0.2.10/24/va start done"]);
    assert_eq!(lab.addresses(), [OWN, "va 192.0.2.10/24 brd 192.0.2.255 va"]);
    assert_eq!(lab.run("takenode alpha").code, 0);
    assert_eq!(lab.run("givenode alpha").code, 0);
    assert_eq!(lab.addresses(), [copy, OWN]);
    assert_eq!(lab.run("givenode alpha").code, 0);
    assert_eq!(lab.addresses(), [copy, OWN], "giving what is not held leaves the copy alone");
    lab.haresources("alpha IPaddr::192.0.2.10/24/va\n");
    assert_eq!(lab.run("takenode alpha").code, 0);
    assert_eq!(lab.addresses(), [copy, OWN, "va 192.0.2.10/24 brd 192.0.2.255 va:0"], "IPaddr leaves it");
    // A start that fails leaves it too.
    lab.run("givenode alpha");
    lab.haresources("alpha IPaddr2::192.0.2.10/24/nowhere\n");
    assert_eq!(lab.run("takenode alpha").code, 1);
    assert_eq!(lab.addresses(), [copy, OWN]);
}

#[test]
fn an_interface_that_is_down_is_switched_on() {
    let lab = Lab::new();
    lab.haresources("alpha IPaddr2::192.0.2.10/24/va\n");
    assert_eq!(lab.run("takenode alpha").code, 0);
    lab.ip("link set va down");
    let ran = lab.text("status IPaddr2::192.0.2.10/24/va");
    assert_eq!(ran.code, 3);
    assert!(ran.out.contains("Resource is stopped") && ran.out.contains("va, which is down"), "{}", ran.out);
    assert_eq!(lab.run("takenode alpha").steps(), ["IPaddr2::192.0.2.10/24/va start already"]);
    assert_eq!(lab.run("status IPaddr2::192.0.2.10/24/va").code, 0);
}

#[test]
fn an_ipv6_address_can_be_used_at_once() {
    let lab = Lab::new();
    lab.haresources("alpha IPv6addr::2001:db8:0:0:0:0:0:10/64/va\n");
    assert_eq!(lab.run("takenode alpha").code, 0);
    assert!(!lab.ip("-6 address show dev va").contains("2001:db8::10/64 scope global tentative"));
    std::net::TcpListener::bind("[2001:db8::10]:0").unwrap();
}

#[test]
fn ipv6_that_is_switched_off_is_said_with_the_switch() {
    let lab = Lab::new();
    std::fs::write("/proc/sys/net/ipv6/conf/va/disable_ipv6", "1").unwrap();
    lab.haresources("alpha IPv6addr::2001:db8:0:0:0:0:0:10/64/va\n");
    let ran = lab.run("takenode alpha");
    assert_eq!(ran.code, 1);
    assert!(ran.detail().contains("disable_ipv6=0"), "{}", ran.detail());
}

#[test]
fn without_root_the_error_says_what_is_missing() {
    let lab = Lab::new();
    lab.haresources("alpha IPaddr2::192.0.2.10/24/va\n");
    let program = lab.program();
    std::fs::create_dir(lab.dir.join("run")).unwrap();
    std::fs::set_permissions(lab.dir.join("run"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let ran = lab::ran(lab.command_at(&program).args(["--json", "takenode", "alpha"]).uid(65534).gid(65534));
    assert_eq!((ran.code, ran.groups()), (1, vec![GroupResult::Failed]), "{ran:?}");
    assert!(ran.detail().contains("run it as root or with CAP_NET_ADMIN"), "{}", ran.detail());
    assert_eq!(lab.addresses(), [OWN]);
    std::fs::remove_dir_all(lab.dir.join("run/groups")).unwrap();
    std::fs::set_permissions(lab.dir.join("run"), std::fs::Permissions::from_mode(0o755)).unwrap();
    lab.haresources("alpha IPaddr2::192.0.2.11/24/va\n");
    let ran = lab::ran(lab.command_at(&program).args(["--json", "takenode", "alpha"]).uid(65534).gid(65534));
    assert_eq!(ran.groups(), [GroupResult::Failed]);
    assert!(ran.out.contains("which root must be able to write"), "{}", ran.out);
}

#[test]
fn what_an_operator_did_by_hand_is_seen() {
    let lab = Lab::new();
    lab.haresources("alpha IPaddr2::192.0.2.10/24/va\n");
    assert_eq!(lab.run("takenode alpha").code, 0);
    lab.ip("address delete 192.0.2.10/24 dev va");
    assert_eq!(lab.run("status IPaddr2::192.0.2.10/24/va").code, 3);
    assert_eq!(lab.run("givenode alpha").steps(), ["IPaddr2::192.0.2.10/24/va stop already"]);
    lab.ip("address add 192.0.2.10/32 dev va");
    let ran = lab.run("takenode alpha");
    assert_eq!(ran.steps(), ["IPaddr2::192.0.2.10/24/va start already"]);
    assert_eq!(ran.detail(), "192.0.2.10/32 on va", "the truth, not the configuration");
    assert_eq!(lab.run("givenode alpha").steps(), ["IPaddr2::192.0.2.10/24/va stop done"]);
    assert_eq!(lab.addresses(), [OWN], "a cluster address is ours, whoever added it");
}

#[test]
fn many_addresses_do_not_take_the_square_of_their_number() {
    let lab = Lab::new();
    let line = |n: u32| format!("alpha IPaddr2::198.18.{}.{}/32/va\n", n / 250, n % 250 + 1);
    lab.haresources(&(0..400).map(line).collect::<String>());
    let ran = lab.run("takenode alpha");
    assert_eq!((ran.code, ran.groups().len()), (0, 400));
    assert_eq!(lab.addresses().len(), 401);
    let ran = lab.run("givenode alpha");
    assert_eq!((ran.code, ran.groups().len()), (0, 400));
    assert_eq!(lab.addresses(), [OWN]);
}
