use super::*;

fn parsed(text: &str) -> (Haresources, Vec<String>) {
    let (file, report) = parse(Source::new("haresources", text));
    (file, report.lines().collect())
}

/// The file in a form that is easy to compare: `node: resource resource`.
fn shape(text: &str) -> Vec<String> {
    let (file, lines) = parsed(text);
    assert!(lines.is_empty(), "{lines:?}");
    let words = |group: &Group| group.resources().map(|r| r.text.as_str()).collect::<Vec<_>>().join(" ");
    file.groups.iter().map(|group| format!("{}: {}", group.node, words(group))).collect()
}

fn only_error(text: &str) -> String {
    let (_, lines) = parsed(text);
    assert_eq!(lines.len(), 1, "{text:?}: {lines:?}");
    lines.into_iter().next().unwrap()
}

#[test]
fn a_fault_is_underlined_where_it_stands() {
    for (text, place) in [
        ("alpha IPaddr2::192.0.2.1/xy/eth0\n", "xy"),
        ("alpha IPaddr2::192.0.2.1/xy::\n", "xy"),
        ("alpha 192.0.2.1/\u{e9}\n", "\u{e9}"),
        ("alpha IPaddr2::192.0.2.1/\u{e9}\\\nyz ok\n", "IPaddr2::192.0.2.1/\u{e9}\\\nyz"),
        ("alpha IPaddr2::192.0\\\n.2.1/xy ok\n", "IPaddr2::192.0\\\n.2.1/xy"),
    ] {
        let (_, report) = parse(Source::new("haresources", text));
        let span = report.diagnostics().iter().find_map(|found| found.span).unwrap();
        assert_eq!(report.source().slice(span), place, "{text}");
    }
}

#[test]
fn comments_blanks_continuation_and_case() {
    let text = "# nothing\n\n   \t\n\tALPHA  192.0.2.10\tldirectord::a.cf # why\r\n beta.Example.org \\\n\t IPaddr2::192.0.2.11/24 \\\n httpd\n";
    assert_eq!(
        shape(text),
        ["alpha: 192.0.2.10 ldirectord::a.cf", "beta.example.org: IPaddr2::192.0.2.11/24 httpd"]
    );
    assert_eq!(shape(""), Vec::<String>::new());
}

#[test]
fn a_backslash_inside_a_word_joins_it_as_the_old_program_did() {
    assert_eq!(shape("alpha htt\\\npd::x\n"), ["alpha: httpd::x"]);
    assert_eq!(shape("alpha httpd \\"), ["alpha: httpd"]);
}

#[test]
fn resources_are_scripts_with_arguments_or_the_shorthand() {
    let (file, lines) =
        parsed("alpha 192.0.2.10/24/eth0 Filesystem::/dev/sdb1::/srv::ext4 httpd a::::b ldirectord\n");
    assert!(lines.is_empty(), "{lines:?}");
    let group = file.groups.first().unwrap();
    let all: Vec<_> = group.resources().map(|r| (r.script.as_str(), r.arguments.join(" "))).collect();
    assert_eq!(
        all,
        [
            ("IPaddr", "192.0.2.10/24/eth0".to_owned()),
            ("Filesystem", "/dev/sdb1 /srv ext4".to_owned()),
            ("httpd", String::new()),
            ("a", "b".to_owned()),
            ("ldirectord", String::new()),
        ]
    );
    let address = group.first.address().unwrap();
    assert_eq!((address.agent, address.prefix), (crate::address::Agent::IpAddr, Some(24)));
    assert_eq!(group.resource(4).map(|r| &r.kind), Some(&Kind::Director));
    assert_eq!((group.resource(5), group.size()), (None, 5));
}

#[test]
fn spans_point_at_the_words() {
    let text = "alpha 192.0.2.10 ht\\\ntpd\n";
    let source = Source::new("haresources", text);
    let (file, _) = parse(source.clone());
    let group = file.groups.first().unwrap();
    assert_eq!(source.slice(group.node_span), "alpha");
    assert_eq!(source.slice(group.first.span), "192.0.2.10");
    assert_eq!(source.slice(group.rest.first().unwrap().span), "ht\\\ntpd");
}

#[test]
fn ipv6_addresses_may_be_shortened_where_the_agent_is_named() {
    for text in ["IPv6addr::2001:db8::10/64/eth0", "IPaddr2::2001:db8:0:0:0:0:0:10/64/eth0"] {
        let (file, lines) = parsed(&format!("alpha {text}"));
        assert!(lines.is_empty(), "{lines:?}");
        let address = file.groups.first().unwrap().first.address().unwrap().clone();
        let wanted: std::net::IpAddr = "2001:db8::10".parse().unwrap();
        assert_eq!(
            (address.ip, address.prefix, address.interface.as_deref()),
            (wanted, Some(64), Some("eth0"))
        );
    }
    for text in ["IPv6addr::2001:db8::", "IPv6addr::fe80::1/64/eth0", "IPv6addr::::1/128"] {
        assert_eq!(shape(&format!("alpha {text}")).len(), 1, "{text}");
    }
    assert!(only_error("alpha IPaddr::2001:db8::10/64").contains("write IPv6addr::2001:db8:0:0:0:0:0:10/64"));
    assert!(only_error("alpha 2001:db8::10/64").contains("write IPv6addr::2001:db8:0:0:0:0:0:10/64"));
    assert!(only_error("alpha 2001:db8:0:0:0:0:0:10").contains("no shorthand for IPv6"));
    assert!(only_error("alpha IPv6addr::192.0.2.10").contains("write IPaddr2::192.0.2.10"));
    assert!(only_error("alpha IPv6addr::2001:db8::10::20").contains("IPv6addr takes one argument"));
}

#[test]
fn what_is_wrong_with_an_agents_argument_is_underlined() {
    for (text, expected) in [
        (
            "alpha LVSSyncDaemonSwap::slave\n",
            "haresources:1:26: error: \"slave\" is no role: master or backup; write LVSSyncDaemonSwap::master",
        ),
        ("alpha systemd\n", "haresources:1:7: error: systemd needs a unit; write systemd::nginx"),
        ("alpha 192.0.2.1 ocf:heartbeat:Dummy::x\n", "haresources:1:38: error: \"x\" is no parameter; "),
    ] {
        let found = only_error(text);
        assert!(found.starts_with(expected), "{text:?}:\n{found}\n{expected}");
    }
}

#[test]
fn errors_have_line_column_and_hint() {
    for (text, expected) in [
        (
            "alpha IPaddr2::192.0.2.10/99/eth0\n",
            "haresources:1:27: error: \"99\" is not a network mask; a number of bits from 1 to 32: 192.0.2.10/24",
        ),
        (
            "alpha 192.0.2.10.1\n",
            "haresources:1:7: error: \"192.0.2.10.1\" is not an IP address; four numbers",
        ),
        (
            "alpha IPaddr\n",
            "haresources:1:7: error: IPaddr needs an address; write IPaddr::192.0.2.10/24/eth0",
        ),
        ("alpha IPaddr::192.0.2.1::eth0\n", "haresources:1:7: error: IPaddr takes one argument"),
        ("alpha ::x\n", "haresources:1:7: error: there is no script before `::`"),
        ("alpha /etc/init.d/httpd\n", "haresources:1:7: error: \"/etc/init.d/httpd\" is a path"),
        ("alpha ../x\n", "haresources:1:7: error: \"../x\" is a path"),
        (
            "alpha httpd \\  \nbeta ftpd\n",
            "haresources:1:13: error: this backslash is not the last character of its line; remove the blanks",
        ),
        ("alpha httpd # \\\nbeta ftpd\n", "haresources:1:15: warning: this backslash is part of the comment"),
        ("alpha httpd \\ # x\n", "haresources:1:13: error: this backslash is not the last"),
        ("alpha\n", "haresources:1:1: warning: node \"alpha\" has no resources"),
        ("alpha a\u{a0}b\n", "haresources:1:7: error: the character U+00A0 is inside this word"),
        (
            "alpha httpd\nbeta ftpd\nbeta httpd\n",
            "haresources:3:6: error: the key \"httpd\" names a second group",
        ),
    ] {
        let found = only_error(text);
        assert!(found.starts_with(expected), "{text:?}:\n{found}\n{expected}");
    }
}

#[test]
fn all_errors_of_a_file_are_said_at_once() {
    let (file, lines) =
        parsed("alpha $VIP \\\n IPaddr2::192.0.2.1/x\nbeta 192.0.2.2/24/eth0/q ok::1\nbeta ok::2\n");
    let places: Vec<_> = lines.iter().map(|l| l.split(' ').next().unwrap()).collect();
    assert_eq!(places, ["haresources:2:21:", "haresources:3:24:"], "{lines:?}");
    assert_eq!(file.groups.len(), 3);
}

#[test]
fn a_key_is_found_by_its_text_and_only_then_as_the_old_expression() {
    let (file, lines) = parsed("alpha 192.0.2.10 a\nbeta 192x0y2z10 b\nbeta web::1 web::2\n");
    assert!(lines.is_empty(), "{lines:?}");
    let keys = |key: &str| file.find(key).iter().map(|g| g.key().to_owned()).collect::<Vec<_>>();
    assert_eq!(keys("192.0.2.10"), ["192.0.2.10"]);
    assert_eq!(keys("192x0.2z10"), ["192x0y2z10"]);
    assert_eq!(keys("192.0.2z10"), ["192x0y2z10"]);
    assert_eq!(keys("19..0.2.10"), ["192.0.2.10", "192x0y2z10"]);
    assert_eq!(keys("web::2"), Vec::<String>::new(), "only the first resource is a key");
    assert_eq!(keys("192.0.2.1"), Vec::<String>::new(), "the whole key, not its beginning");
    assert_eq!(file.nearest_key("web::l"), Some("web::1"));
}

#[test]
fn nodes_are_found_in_any_case_and_checked_against_the_cluster() {
    let (file, _) = parsed("Alpha a::1\nbeta.example.org b::1\nALPHA c::1\n");
    let keys = |node: &str| file.of_node(node).iter().map(|g| g.key().to_owned()).collect::<Vec<_>>();
    assert_eq!(keys("alphA"), ["a::1", "c::1"]);
    assert_eq!(keys("beta-example.org"), Vec::<String>::new());
    assert_eq!(keys("b.ta.example.org"), ["b::1"]);
    let mut report =
        Report::new(Source::new("haresources", "Alpha a::1\nbeta.example.org b::1\nALPHA c::1\n"));
    file.check_nodes(&["alpha", "beta.exampel.org"], &mut report);
    assert_eq!(
        report.lines().collect::<Vec<_>>(),
        [
            "haresources:2:1: error: \"beta.example.org\" is not a node of the cluster; did you mean \"beta.exampel.org\"?"
        ]
    );
}

proptest::proptest! {
    #[test]
    fn any_text_parses_and_every_diagnostic_renders(
        text in "(\\PC|[ \t\r\n#\\\\:/.]){0,120}|([a-z0-9:./#\\\\ \n$]{0,12}|IPaddr2?::|IPv6addr::|192\\.0\\.2\\.|\u{a0}){0,20}"
    ) {
        let source = Source::new("haresources", text.clone());
        let (file, report) = parse(source.clone());
        assert!(report.render().len() >= report.lines().count());
        for group in &file.groups {
            let plain = |span| source.slice(span).replace("\\\n", "").replace("\\\r\n", "");
            assert_eq!(plain(group.node_span).to_lowercase(), group.node.clone());
            for resource in group.resources() {
                assert_eq!(plain(resource.span), resource.text.clone());
            }
            assert_eq!(file.find(group.key()).first().map(|g| g.key()), Some(group.key()));
        }
    }
}

#[test]
fn a_byte_order_mark_is_named_and_ignored() {
    let (file, report) = parse(Source::new("haresources", "\u{feff}alpha 192.0.2.10\n"));
    assert_eq!(file.groups[0].node, "alpha");
    let lines: Vec<String> = report.lines().collect();
    assert!(
        lines[0].starts_with("haresources:1:1: warning: the file begins with a byte order mark"),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 1);
}
