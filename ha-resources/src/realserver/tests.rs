use super::*;
use proptest::prelude::*;

const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 100));

fn vip6() -> IpAddr {
    "2001:db8::100".parse().unwrap()
}

fn facts(all: [u32; 2], eth0: [u32; 2], addresses: &[(IpAddr, u8, &str)]) -> Facts {
    let address = |(ip, prefix, interface): &(IpAddr, u8, &str)| Address {
        ip: *ip,
        prefix: *prefix,
        interface: (*interface).to_owned(),
    };
    Facts {
        addresses: addresses.iter().map(address).collect(),
        interfaces: BTreeMap::from([("eth0".to_owned(), eth0)]),
        all,
        nft: true,
        ..Facts::default()
    }
}

fn said(facts: &Facts, mode: Mode) -> String {
    judge(facts, VIP, mode).iter().map(|finding| format!("{}\n", finding.what)).collect()
}

/// What the kernel has after an edit.
fn apply(facts: &mut Facts, edit: &Edit) {
    match edit {
        Edit::Set(ARP_IGNORE, value) => facts.all[0] = *value,
        Edit::Set(_, value) => facts.all[1] = *value,
        Edit::Redirect(ip) => facts.redirected.push(*ip),
        Edit::Add(ip) => {
            let prefix = if ip.is_ipv4() { 32 } else { 128 };
            facts.addresses.push(Address { ip: *ip, prefix, interface: "lo".to_owned() });
        }
    }
}

#[test]
fn what_is_wrong_is_said_in_words() {
    let bare = facts([0, 0], [0, 0], &[]);
    assert!(said(&bare, Mode::Loopback).contains("does not take packets"));
    let talks = facts([0, 0], [0, 0], &[(VIP, 32, "lo")]);
    assert!(said(&talks, Mode::Loopback).contains("answers ARP for 192.0.2.100 on eth0"));
    assert!(said(&talks, Mode::Loopback).contains("may ask for others on eth0 as 192.0.2.100"));
    let director = facts([1, 2], [0, 0], &[(VIP, 24, "eth0")]);
    assert!(said(&director, Mode::Loopback).contains("is on eth0"));
    let wide = facts([1, 2], [0, 0], &[(VIP, 24, "lo")]);
    assert!(said(&wide, Mode::Loopback).contains("whole network is itself"));
    // 3 hides addresses of scope host only, and the larger value counts
    let scopes = facts([1, 2], [3, 0], &[(VIP, 32, "lo")]);
    let found = judge(&scopes, VIP, Mode::Loopback);
    assert!(found[0].help.contains("conf.eth0.arp_ignore=0") && !found[0].curable, "{found:?}");
    assert_eq!(said(&facts([0, 0], [1, 2], &[(VIP, 32, "lo")]), Mode::Loopback), "");
    assert_eq!(said(&facts([1, 2], [0, 0], &[(VIP, 32, "lo")]), Mode::Loopback), "");
}

#[test]
fn ipv6_needs_no_values() {
    let good = facts([0, 0], [0, 0], &[(vip6(), 128, "lo")]);
    assert_eq!(judge(&good, vip6(), Mode::Loopback), []);
    assert_eq!(edits(&facts([0, 0], [0, 0], &[]), vip6(), Mode::Loopback), [Edit::Add(vip6())]);
    let proxied = Facts { proxied: vec![vip6()], ..good };
    assert!(judge(&proxied, vip6(), Mode::Loopback)[0].what.contains("by proxy"));
}

#[test]
fn values_come_before_the_address() {
    let wanted = [Edit::Set(ARP_IGNORE, 1), Edit::Set(ARP_ANNOUNCE, 2), Edit::Add(VIP)];
    assert_eq!(edits(&facts([0, 0], [0, 0], &[]), VIP, Mode::Loopback), wanted);
    assert_eq!(edits(&facts([2, 2], [0, 0], &[]), VIP, Mode::Loopback), [Edit::Add(VIP)], "2 is stricter");
    assert_eq!(edits(&facts([0, 0], [0, 0], &[]), VIP, Mode::Redirect), [Edit::Redirect(VIP)]);
}

proptest! {
    /// Once set up, nothing that could be cured is wrong, and setting up again changes nothing.
    #[test]
    fn setting_up_cures_and_is_done_once(all in [0u32..9, 0u32..4], eth0 in [0u32..9, 0u32..4], lo in any::<bool>(), redirect in any::<bool>()) {
        let mut facts = facts(all, eth0, if lo { &[(VIP, 32, "lo")] } else { &[] });
        let mode = if redirect && !lo { Mode::Redirect } else { Mode::Loopback };
        for edit in edits(&facts, VIP, mode) {
            apply(&mut facts, &edit);
        }
        prop_assert_eq!(edits(&facts, VIP, mode), []);
        let left = judge(&facts, VIP, mode);
        prop_assert!(left.iter().all(|finding| !finding.curable), "{left:?}");
        prop_assert_eq!(facts.mode(VIP), Some(mode));
    }
}
