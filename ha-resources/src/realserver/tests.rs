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
        deprecated: ip.is_ipv6(),
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
            let deprecated = ip.is_ipv6();
            facts.addresses.push(Address { ip: *ip, prefix, interface: "lo".to_owned(), deprecated });
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
    let mut preferred = good.clone();
    preferred.addresses[0].deprecated = false;
    let found = judge(&preferred, vip6(), Mode::Loopback);
    assert!(
        found[0].what.contains("not deprecated") && found[0].help.contains("/128 dev lo preferred_lft 0")
    );
    let proxied = Facts { proxied: vec![vip6()], ..good };
    assert!(judge(&proxied, vip6(), Mode::Loopback)[0].what.contains("by proxy"));
}

#[test]
fn the_filter_by_the_way_back_matters_where_the_way_back_is_another() {
    let own =
        [([192, 0, 2, 11].into(), 24, "eth0"), ([198, 51, 100, 11].into(), 24, "eth1"), (VIP, 32, "lo")];
    let with = |filter: [u32; 2], way_out: &str| Facts {
        reverse: BTreeMap::from([("eth0".to_owned(), filter[0]), ("eth1".to_owned(), filter[1])]),
        ways_out: way_out.split_whitespace().map(str::to_owned).collect(),
        ..facts([1, 2], [0, 0], &own)
    };
    let strict = judge(&with([1, 1], "eth1"), VIP, Mode::Loopback);
    assert!(
        strict[0].what.contains("come in on eth0 are dropped") && strict[0].what.ends_with("by eth1"),
        "{strict:?}"
    );
    assert!(strict[0].help.contains("net.ipv4.conf.eth0.rp_filter=2"), "{strict:?}");
    for harmless in [
        with([1, 1], "eth0"),
        with([2, 1], "eth1"),
        with([0, 1], "eth1"),
        with([1, 1], ""),
        with([1, 1], "eth1 eth0"),
    ] {
        assert_eq!(judge(&harmless, VIP, Mode::Loopback), []);
    }
    // an address of no network of this machine: the director may come by either
    let far = IpAddr::from([203, 0, 113, 100]);
    let mut facts = with([1, 1], "eth1");
    facts.addresses.push(Address { ip: far, prefix: 32, interface: "lo".to_owned(), deprecated: false });
    assert_eq!(judge(&facts, far, Mode::Loopback), []);
    let notes = reverse_notes(&facts, far);
    assert!(
        notes.len() == 1 && notes[0].contains("by eth0, packets for 203.0.113.100 are dropped"),
        "{notes:?}"
    );
    assert_eq!(reverse_notes(&facts, VIP), [""; 0]);
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
