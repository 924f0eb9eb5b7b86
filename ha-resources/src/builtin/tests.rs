use super::*;
use ipvs::SyncRole;

fn parsed(text: &str) -> Result<BuiltIn, Wrong> {
    let mut words = text.split("::").map(str::to_owned);
    let script = words.next().unwrap();
    BuiltIn::parse(&script, &words.filter(|word| !word.is_empty()).collect::<Vec<_>>()).unwrap()
}

#[test]
fn the_sync_daemons_of_both_kinds() {
    let roles = |text: &str, here| {
        let Ok(BuiltIn::Sync(sync)) = parsed(text) else { panic!("{text}") };
        let daemons = sync.daemons(here, "eth9");
        assert!(daemons.iter().all(|daemon| daemon.interface == "eth9" && daemon.id == u32::from(sync.id)));
        daemons.iter().map(|daemon| daemon.role).collect::<Vec<_>>()
    };
    use SyncRole::{Backup, Master};
    assert_eq!(
        (roles("LVSSyncDaemonSwap::master", true), roles("LVSSyncDaemonSwap::master", false)),
        (vec![Master], vec![Backup])
    );
    assert_eq!(
        (roles("LVSSyncDaemonSwap::backup", true), roles("LVSSyncDaemonSwap::backup", false)),
        (vec![Backup], vec![Master])
    );
    assert_eq!(
        (roles("LVSSyncDaemon", true), roles("LVSSyncDaemon::7", false)),
        (vec![Master, Backup], vec![Backup])
    );
}

#[test]
fn the_sync_daemons_arguments_come_in_any_order() {
    for text in ["LVSSyncDaemon::7::bond0::ttl=3::maxlen=1400", "LVSSyncDaemon::ttl=3::bond0::maxlen=1400::7"]
    {
        let Ok(BuiltIn::Sync(sync)) = parsed(text) else { panic!("{text}") };
        assert_eq!(
            (sync.id, sync.interface.as_deref(), sync.ttl, sync.max_length),
            (7, Some("bond0"), Some(3), Some(1400))
        );
    }
    for (text, piece) in [
        ("LVSSyncDaemonSwap", ""),
        ("LVSSyncDaemonSwap::slave", "slave"),
        ("LVSSyncDaemonSwap::master::256", "256"),
        ("LVSSyncDaemonSwap::master::1::2", "2"),
        ("LVSSyncDaemonSwap::master::eth0::eth1", "eth1"),
        ("LVSSyncDaemonSwap::master::group=192.0.2.1", "group=192.0.2.1"),
        ("LVSSyncDaemonSwap::master::port=0", "port=0"),
    ] {
        assert_eq!(parsed(text).unwrap_err().piece, piece, "{text}");
    }
}

#[test]
fn small_agents() {
    let second = Duration::from_secs(1);
    assert_eq!(parsed("Delay"), Ok(BuiltIn::Delay(10 * second, 10 * second)));
    assert_eq!(parsed("Delay::2"), Ok(BuiltIn::Delay(2 * second, 2 * second)));
    assert_eq!(parsed("Delay::2::0"), Ok(BuiltIn::Delay(2 * second, Duration::ZERO)));
    assert_eq!(parsed("Delay::x").unwrap_err().piece, "x");
    assert_eq!(parsed("IPsrcaddr::192.0.2.10"), Ok(BuiltIn::Source([192, 0, 2, 10].into())));
    assert_eq!(parsed("IPsrcaddr::127.0.0.1").unwrap_err().piece, "127.0.0.1");
    let arp = |name: &str| Ok(BuiltIn::SendArp([192, 0, 2, 10].into(), name.to_owned()));
    assert_eq!(parsed("SendArp::192.0.2.10/eth0"), arp("eth0"));
    assert_eq!(parsed("SendArp::192.0.2.10/24/eth1:0"), arp("eth1"));
    assert_eq!(parsed("SendArp::192.0.2.10").unwrap_err().message, "SendArp needs an interface");
    assert!(parsed("SendArp::x/eth0").is_err());
    let (a, b) = ("a@example.org".to_owned(), "b@example.org".to_owned());
    assert_eq!(
        parsed("MailTo::a@example.org,b@example.org::Web"),
        Ok(BuiltIn::Mail(vec![a, b], Some("Web".into())))
    );
    assert_eq!(parsed("MailTo::-oQ/tmp").unwrap_err().piece, "-oQ/tmp");
    assert_eq!(parsed("systemd::nginx"), Ok(BuiltIn::Unit("nginx.service".into())));
    assert_eq!(parsed("systemd::srv-data.mount"), Ok(BuiltIn::Unit("srv-data.mount".into())));
    assert_eq!(parsed("systemd::php8.2-fpm"), Ok(BuiltIn::Unit("php8.2-fpm.service".into())));
    assert!(parsed("systemd").is_err() && parsed("systemd::-x").is_err() && parsed("systemd::a/b").is_err());
    assert!(BuiltIn::parse("httpd", &[]).is_none() && BuiltIn::parse("ocfs2", &[]).is_none());
}

#[test]
fn ports_that_are_held() {
    let Ok(BuiltIn::Port(port)) = parsed("portblock::tcp::80,443,8000:8010::block") else { panic!() };
    assert_eq!((port.side, port.table().as_str()), (Side::Block, "ha_portblock_tcp_80_443_8000to8010"));
    assert!(port.rules().contains("    tcp dport { 80, 443, 8000-8010 } counter drop\n"), "{}", port.rules());
    let Ok(BuiltIn::Port(port)) = parsed("portblock::udp::53::unblock::192.0.2.10") else { panic!() };
    assert_eq!((port.side, port.table().as_str()), (Side::Unblock, "ha_portblock_udp_53_192x0x2x10"));
    assert!(port.rules().contains(" ip daddr 192.0.2.10 udp dport { 53 } counter drop\n"));
    for (text, piece) in [
        ("portblock::tcp::80", ""),
        ("portblock::sctp::80::block", "sctp"),
        ("portblock::tcp::0::block", "0"),
        ("portblock::tcp::http::block", "http"),
        ("portblock::tcp::80::hold", "hold"),
        ("portblock::tcp::80::block::}drop", "}drop"),
    ] {
        assert_eq!(parsed(text).unwrap_err().piece, piece, "{text}");
    }
}

#[test]
fn ocf_agents_by_every_name() {
    let ocf = |text: &str| match parsed(text) {
        Ok(BuiltIn::Ocf(ocf)) => ocf,
        other => panic!("{text}: {other:?}"),
    };
    let given = |pairs: &[(&str, &str)]| {
        Parameters::Given(
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        )
    };
    let named = ocf("ocf:heartbeat:Filesystem::device=/dev/a::directory=/srv::options=a=b");
    assert_eq!(
        (named.provider.as_deref(), named.agent.as_str(), named.by_old_name),
        (Some("heartbeat"), "Filesystem", false)
    );
    assert_eq!(named.parameters, given(&[("device", "/dev/a"), ("directory", "/srv"), ("options", "a=b")]));
    assert_eq!(ocf("ocf::heartbeat:Dummy"), ocf("ocf:heartbeat:Dummy"));
    assert_eq!(ocf("ocf:Dummy").provider, None);
    let old = ocf("Filesystem::/dev/a::/srv::ext4");
    assert_eq!(
        (old.by_old_name, old.parameters),
        (true, given(&[("device", "/dev/a"), ("directory", "/srv"), ("fstype", "ext4")]))
    );
    assert_eq!(ocf("WAS::8080").parameters, given(&[("port", "8080")]));
    assert_eq!(ocf("WAS::/etc/was").parameters, given(&[("config", "/etc/was")]));
    assert_eq!(ocf("OCF::Dummy::one").parameters, Parameters::File("one".into()));
    for (text, piece) in [
        ("OCF::Dummy", ""),
        ("OCF::../x::one", "../x"),
        ("ocf:heartbeat:../x", "heartbeat:../x"),
        ("ocf:heartbeat:Dummy::state", "state"),
        ("ocf:heartbeat:Dummy::state=1::state=2", "state=2"),
        ("Xinetd::a::b", "b"),
    ] {
        assert_eq!(parsed(text).unwrap_err().piece, piece, "{text}");
    }
}
