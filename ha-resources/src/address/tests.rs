use super::*;

fn ok(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|e| panic!("{text}: {e:?}"))
}

#[test]
fn every_form_of_the_old_agents() {
    let a = ok("192.0.2.10");
    assert_eq!(
        (a.ip.to_string().as_str(), a.prefix, &a.interface, a.broadcast),
        ("192.0.2.10", None, &None, Broadcast::Default)
    );
    assert_eq!(ok("192.0.2.10/24").prefix, Some(24));
    let a = ok("192.0.2.10/24/eth0");
    assert_eq!((a.interface.as_deref(), a.label), (Some("eth0"), None));
    let a = ok("192.0.2.10/24/eth0:vip/192.0.2.255");
    assert_eq!((a.interface.as_deref(), a.label.as_deref()), (Some("eth0"), Some("vip")));
    assert_eq!(a.broadcast, Broadcast::Given(Ipv4Addr::new(192, 0, 2, 255)));
    let a = ok("192.0.2.10/24/192.0.2.255");
    assert_eq!((a.interface, a.broadcast), (None, Broadcast::Given(Ipv4Addr::new(192, 0, 2, 255))));
    assert_eq!(ok("192.0.2.10/32/eth0/+").broadcast, Broadcast::Computed);
    assert_eq!(ok("192.0.2.10/32/eth0/-").broadcast, Broadcast::None);
    assert_eq!(ok("192.0.2.10/255.255.255.0").prefix, Some(24));
    assert_eq!(ok("192.0.2.10//24//bond0.100/").interface.as_deref(), Some("bond0.100"));
    let a = ok("2001:db8:0:0:0:0:0:10/64/eth0");
    assert_eq!((a.prefix, a.interface.as_deref(), a.ip.is_ipv6()), (Some(64), Some("eth0"), true));
    assert_eq!(ok("fe80:0:0:0:0:0:0:10/64/eth0").interface.as_deref(), Some("eth0"));
}

#[test]
fn each_mistake_has_its_place_and_a_hint() {
    for (text, part, words) in [
        ("", 0..0, "missing"),
        ("192.0.2.300/24", 0..11, "not an IP address"),
        ("www.example.org/24", 0..15, "not an IP address"),
        ("$VIP", 0..4, "not an IP address"),
        ("224.0.0.1", 0..9, "cannot be the address of a machine"),
        ("0.0.0.0", 0..7, "cannot be the address of a machine"),
        ("255.255.255.255", 0..15, "cannot be the address of a machine"),
        ("192.0.2.10/33", 11..13, "not a network mask"),
        ("192.0.2.10/0", 11..12, "not a network mask"),
        ("192.0.2.10/+8", 11..13, "not a network mask"),
        ("192.0.2.10/255.0.255.0", 11..22, "not a network mask"),
        ("192.0.2.10/eth0", 11..15, "not a network mask"),
        ("2001:db8:0:0:0:0:0:1/129", 21..24, "not a network mask"),
        ("192.0.2.10/24/an-interface-name-too-long", 14..40, "cannot be the name"),
        ("192.0.2.10/24/:vip", 14..18, "cannot be the name"),
        ("192.0.2.10/24/192.0.2", 14..21, "not a broadcast"),
        ("192.0.2.10/24/eth0/x", 19..20, "not a broadcast"),
        ("192.0.2.10/24/eth0/192.0.2.255/x", 31..32, "nothing may follow"),
        ("192.0.2.10/24/192.0.2.255/x", 26..27, "nothing may follow"),
        ("2001:db8:0:0:0:0:0:1/64/eth0/192.0.2.255", 29..40, "no broadcast"),
        ("fe80:0:0:0:0:0:0:1/64", 0..18, "needs its interface"),
    ] {
        let error = Address::parse(text).expect_err(text);
        assert_eq!(error.part, part, "{text}");
        assert!(error.message.contains(words), "{text}: {}", error.message);
        assert!(!error.help.is_empty(), "{text}");
    }
}

#[test]
fn labels_stay_within_the_kernels_fifteen_characters() {
    assert_eq!(kernel_label("eth0", "0").as_deref(), Some("eth0:0"));
    assert_eq!(kernel_label("eth0", "a-very-long-label").as_deref(), Some("eth0:a-very-lon"));
    assert_eq!(kernel_label("enp0s31f6.1234", "0"), None);
    assert_eq!(kernel_label("interface-of-15", "0"), None);
    assert_eq!(kernel_label("eth0", ""), None);
}

#[test]
fn networks() {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert!(contains(ip("192.0.2.1"), 24, ip("192.0.2.200")));
    assert!(!contains(ip("192.0.2.1"), 25, ip("192.0.2.200")));
    assert!(contains(ip("192.0.2.1"), 0, ip("198.51.100.1")));
    assert!(!contains(ip("192.0.2.1"), 32, ip("192.0.2.2")));
    assert!(contains(ip("2001:db8::1"), 64, ip("2001:db8::ffff")));
    assert!(!contains(ip("2001:db8::1"), 128, ip("2001:db8::2")));
    assert!(!contains(ip("192.0.2.1"), 0, ip("2001:db8::2")));
    assert_eq!(computed_broadcast(ip("192.0.2.10"), 24), Some(Ipv4Addr::new(192, 0, 2, 255)));
    assert_eq!(computed_broadcast(ip("192.0.2.10"), 31), None);
    assert_eq!(computed_broadcast(ip("192.0.2.10"), 32), None);
    assert_eq!(computed_broadcast(ip("2001:db8::1"), 24), None);
}

proptest::proptest! {
    #[test]
    fn any_text_is_an_address_or_an_error_with_a_place_in_it(text in "\\PC{0,40}|[0-9a-f.:/+-]{0,40}") {
        if let Err(error) = Address::parse(&text) {
            assert!(text.get(error.part.clone()).is_some(), "{text:?}: {:?}", error.part);
        }
    }
}
