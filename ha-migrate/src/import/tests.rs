//! What is imported passes the checks of the programs that read it, whatever it was made of.

mod routers;

use super::*;
use crate::names::AnyHost;
use directord::config::{Loaded, load_source};
use heartbeatd::config::MediumKind;
use ipvs::Forwarding;
use proptest::prelude::*;

fn settings() -> Settings {
    Settings {
        node: "alpha".to_owned(),
        peer: Some("beta".to_owned()),
        output: PathBuf::from("/tmp/imported"),
        install: PathBuf::from("/etc/ha.d"),
        secret: "0123456789abcdef0123456789abcdef".to_owned(),
    }
}

fn file<'a>(output: &'a Output, name: &str) -> &'a str {
    output
        .files
        .iter()
        .find(|file| file.name == name)
        .map(|file| file.text.as_str())
        .unwrap_or_else(|| panic!("no {name}"))
}

/// directord takes the file.
fn director(output: &Output) -> Loaded {
    let text = file(output, "ldirectord.cf");
    load_source(Source::new("ldirectord.cf", text), &AnyHost::load())
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// heartbeatd takes the files.
fn pair(output: &Output) -> heartbeatd::config::Plan {
    pair_of(output, "alpha")
}

/// As this node reads them.
fn pair_of(output: &Output, node: &str) -> heartbeatd::config::Plan {
    let source = |name: &str| Ok(Source::new(name, file(output, name)));
    let files = heartbeatd::config::Files {
        ha_cf: source("ha.cf"),
        ha_cf_mode: 0o644,
        authkeys: source("authkeys"),
        authkeys_mode: 0o600,
        haresources: source("haresources"),
        services: String::new(),
    };
    let reading = heartbeatd::config::parse(files, node);
    let (_, report) =
        ha_resources::haresources::parse(Source::new("haresources", file(output, "haresources")));
    assert!(!report.has_errors(), "{}", report.render());
    let said = reading.render();
    reading.plan.unwrap_or_else(|| panic!("{said}"))
}

/// The links of a node, as `INTERFACE ADDRESS`, that lead to an address of the other one.
fn links_to(output: &Output, node: &str, other: &[&str]) -> Vec<String> {
    let media = pair_of(output, node).media;
    let to = media.into_iter().filter_map(|medium| match medium.kind {
        MediumKind::Unicast { peer, .. } if other.contains(&peer.as_str()) => {
            Some(format!("{} {peer}", medium.interface))
        }
        _ => None,
    });
    to.collect()
}

/// `line verdict subject` of what is not taken over as it is.
fn told(output: &Output) -> Vec<String> {
    let findings = output.notes.files.iter().flat_map(|file| &file.findings);
    let findings = findings.filter(|finding| finding.verdict == Verdict::Lost);
    findings
        .map(|each| format!("{} {}", each.line.unwrap_or(0), each.subject.clone().unwrap_or_default()))
        .collect()
}

const KEEPALIVED: &str = r#"! example
global_defs {
    notification_email { admin@example.com }
    notification_email_from lvs@example.com
    smtp_server 192.0.2.25
    router_id LVS_A
    lvs_sync_daemon eth1 VI_1 id 7 maxlen 1400
    lvs_timeouts tcp 900
}
$NET=192.0.2
vrrp_script chk { script "/bin/true" }
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 0.5
    authentication {
        auth_type PASS
        auth_pass 1111
    }
    virtual_ipaddress {
        $NET.100/24 brd 192.0.2.255 dev eth0 label eth0:web
        2001:db8::100/64
    }
    notify_master "/usr/local/bin/up.sh a b"
    track_interface { eth1 }
}
vrrp_instance VI_2 {
    state BACKUP
    interface eth1
    virtual_router_id 52
    nopreempt
    virtual_ipaddress
    {
        198.51.100.100
    }
    unicast_src_ip 198.51.100.1
    unicast_peer { 198.51.100.2 }
}
virtual_server_group mail {
    192.0.2.100 25
    192.0.2.101-103 25
    fwmark 7
}
virtual_server 192.0.2.100 80 {
    delay_loop 6
    lb_algo wlc
    lb_kind DR
    persistence_timeout 50
    protocol TCP
    inhibit_on_failure
    quorum 2
    sorry_server 192.0.2.30 80
    real_server 192.0.2.11 80 {
        weight 10
        HTTP_GET {
            url {
                path /health
                status_code 200
                regex "OK|ready"
            }
            url {
                path /second
                digest 0123
            }
            connect_timeout 2.5
            nb_get_retry 2
            delay_before_retry 1
        }
    }
    real_server 192.0.2.12 80 {
        weight 20
        HTTP_GET {
            url {
                path /other
            }
        }
        TCP_CHECK
        {
        }
    }
}
virtual_server group mail {
    lvs_sched rr
    lvs_method NAT
    real_server 192.0.2.13 25 {
        SMTP_CHECK { helo_name x }
        notify_down /bin/mail
    }
}
virtual_server 192.0.2.100 443 {
    lvs_sched sh
    sh-port
    lvs_method TUN
    real_server 192.0.2.14 443 {
        SSL_GET { url { path / } enable_sni }
    }
}
virtual_server 192.0.2.100 53 {
    protocol UDP
    ops
    real_server 192.0.2.15 53 {
        DNS_CHECK { name www.example.com type A }
    }
}
virtual_server 192.0.2.100 8080 {
    real_server 192.0.2.16 8080 {
        MISC_CHECK {
            misc_path "/usr/local/bin/check 192.0.2.16 'a b'"
            misc_dynamic
            misc_timeout 4
        }
    }
    real_server 192.0.2.17 8080 {
        MISC_CHECK { misc_path /usr/local/bin/check2 }
    }
}
virtual_server 192.0.2.100 99 {
    protocol SCTP
}
virtual_server 192.0.2.100 81 {
    real_server 192.0.2.18 81 {
    }
}
"#;

fn keepalived() -> Output {
    keepalived::import(vec![Source::new("keepalived.conf", KEEPALIVED)], &settings())
}

#[test]
fn instances_of_keepalived_become_a_pair() {
    let output = keepalived();
    let plan = pair(&output);
    assert_eq!(plan.nodes, ["alpha", "beta"]);
    assert_eq!(plan.failback, heartbeatd::config::Failback::Off);
    assert_eq!(plan.timing.keepalive.as_millis(), 500);
    assert_eq!(plan.timing.deadtime.as_millis(), 3609, "three adverts and the skew of the slower instance");
    assert!(plan.keys.authenticate());
    let media: Vec<String> = plan.media.iter().map(ToString::to_string).collect();
    assert_eq!(
        media,
        [
            "mcast eth0 239.192.0.51 port 694 ttl 1",
            "ucast eth1 198.51.100.1 port 694",
            "ucast eth1 198.51.100.2 port 694"
        ]
    );
    assert_eq!(links_to(&output, "alpha", &["198.51.100.2"]), ["eth1 198.51.100.2"]);
    assert_eq!(links_to(&output, "beta", &["198.51.100.1"]), ["eth1 198.51.100.1"]);
    let groups: Vec<&str> =
        file(&output, "haresources").lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        groups,
        [
            "alpha ldirectord::ldirectord.cf LVSSyncDaemonSwap::master::7::eth1::maxlen=1400 \
             IPaddr2::192.0.2.100/24/eth0:web/192.0.2.255 IPv6addr::2001:db8:0:0:0:0:0:100/64/eth0",
            "beta IPaddr2::198.51.100.100/32/eth1",
        ]
    );
}

#[test]
fn a_link_that_only_one_node_would_use_is_said() {
    let import = |source: &str, peers: &str| {
        let text = format!(
            "vrrp_instance V {{\n interface eth0\n {source}\n unicast_peer {{\n{peers}\n}}\n virtual_ipaddress {{\n 192.0.2.100\n }}\n}}\n"
        );
        keepalived::import(vec![Source::new("k.conf", text)], &settings())
    };
    let both = import("mcast_src_ip 2001:db8::1", "2001:db8::2 min_ttl 254");
    assert_eq!(told(&both), [""; 0]);
    assert!(file(&both, "ha.cf").contains("ucast6 eth0 2001:db8::1\nucast6 eth0 2001:db8::2\n"));
    assert_eq!(told(&import("", "192.0.2.2")), ["4 unicast_peer"]);
    assert_eq!(told(&import("unicast_src_ip own", "192.0.2.2")), ["3 unicast_src_ip"]);
    let three = import("unicast_src_ip 192.0.2.1", "192.0.2.1\n192.0.2.2\n192.0.2.3");
    assert_eq!(told(&three), ["7 192.0.2.3"]);
    assert_eq!(links_to(&three, "beta", &["192.0.2.1"]), ["eth0 192.0.2.1"]);
}

/// Its id is the instance's router id unless it is said.
#[test]
fn synchronisation_goes_with_its_group() {
    let import = |global: &str, own: &str| {
        let instance = |name: &str, last: u8, own: &str| {
            format!(
                "vrrp_instance {name} {{\n virtual_router_id {last}\n {own}\n virtual_ipaddress {{\n 192.0.2.{last}\n }}\n}}\n"
            )
        };
        let text = format!("global_defs {{\n{global}\n}}\n{}{}", instance("A", 7, own), instance("B", 8, ""));
        keepalived::import(vec![Source::new("k.conf", text)], &settings())
    };
    let of_b = import("lvs_sync_daemon eth1 inst B ttl 2", "");
    assert!(
        file(&of_b, "haresources")
            .contains("beta LVSSyncDaemonSwap::master::8::eth1::ttl=2 IPaddr2::192.0.2.8/")
    );
    let own = import("", "lvs_sync_daemon_interface eth2");
    assert!(
        file(&own, "haresources").contains("beta LVSSyncDaemonSwap::master::7::eth2 IPaddr2::192.0.2.7/")
    );
    assert_eq!(told(&import("lvs_sync_daemon eth1 C", "")), ["2 lvs_sync_daemon"]);
    assert_eq!(told(&import("lvs_sync_daemon eth1", "")), ["2 lvs_sync_daemon"]);
    for output in [of_b, own] {
        assert!(told(&output).is_empty(), "{:?}", told(&output));
        pair(&output);
    }
}

#[test]
fn virtual_servers_of_keepalived_become_services() {
    let output = keepalived();
    let plan = director(&output).plan;
    let ids: Vec<String> = plan.services.iter().map(directord::config::VirtualService::id).collect();
    assert_eq!(
        ids,
        [
            "tcp:192.0.2.100:80",
            "tcp:192.0.2.100:25",
            "tcp:192.0.2.101:25",
            "tcp:192.0.2.102:25",
            "tcp:192.0.2.103:25",
            "fwm:7",
            "tcp:192.0.2.100:443",
            "udp:192.0.2.100:53",
            "tcp:192.0.2.100:8080",
            "tcp:192.0.2.100:81"
        ]
    );
    let web = &plan.services[0];
    assert!(web.quiescent);
    assert_eq!((web.failure_count, web.reals.len(), web.reals[1].destination.weight), (3, 2, 20));
    assert_eq!(web.service.persistence.as_ref().unwrap().timeout, 50);
    assert!(web.fallback.as_ref().is_some_and(|fallback| fallback.forwarding == Forwarding::DirectRoute));
    let probe = format!("{:?}", web.reals[0].check);
    for part in ["/health", "OK|ready", "6s"] {
        assert!(probe.contains(part), "{part}: {probe}");
    }
    let script = &output.files.iter().find(|file| file.name == "checks/tcp-192.0.2.100-8080").unwrap();
    assert_eq!(script.mode, 0o755);
    assert!(
        script.text.contains("192.0.2.16)\n  /usr/local/bin/check 192.0.2.16 'a b'\n"),
        "{}",
        script.text
    );
    assert!(script.text.contains("weight $((code - 2))"), "{}", script.text);
    let text = file(&output, "ldirectord.cf");
    assert!(text.contains("checkcommand=/etc/ha.d/checks/tcp-192.0.2.100-8080\n"), "{text}");
}

#[test]
fn what_keepalived_has_alone_is_said_with_its_line() {
    let output = keepalived();
    let told = told(&output);
    let line = |text: &str| KEEPALIVED.lines().position(|line| line.contains(text)).unwrap() + 1;
    for (text, subject) in [
        ("lvs_timeouts", "lvs_timeouts"),
        ("vrrp_script", "vrrp_script chk"),
        ("notify_master", "notify_master"),
        ("track_interface", "track_interface"),
        ("quorum 2", "quorum"),
        ("digest 0123", "url"),
        ("path /other", "HTTP_GET"),
        ("TCP_CHECK", "TCP_CHECK"),
        ("notify_down", "notify_down"),
        ("100 99", "virtual_server 192.0.2.100"),
    ] {
        let close = |told: &String| {
            told.split_once(' ').is_some_and(|(number, about)| {
                about == subject && number.parse::<usize>().unwrap().abs_diff(line(text)) <= 2
            })
        };
        assert!(told.iter().any(close), "{text} {}: {told:#?}", line(text));
    }
    assert!(
        told.iter().any(|told| told.ends_with(" 192.0.2.101:25")),
        "of another group's address: {told:#?}"
    );
}

#[test]
fn files_are_included_and_found_by_pattern() {
    let folder = std::env::temp_dir().join(format!("ha-migrate-include-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("conf.d")).unwrap();
    for name in ["a.conf", "b.conf", "c.other"] {
        let text = format!(
            "virtual_server 192.0.2.{} 80 {{\n real_server 192.0.2.9 80 {{\n TCP_CHECK {{\n }}\n }}\n}}\n",
            name.as_bytes()[0]
        );
        std::fs::write(folder.join("conf.d").join(name), text).unwrap();
    }
    let text = "include conf.d/*.conf\ninclude nothing.conf\ninclude main.conf\n";
    std::fs::write(folder.join("main.conf"), text).unwrap();
    let output = keepalived::import(vec![Source::new(folder.join("main.conf"), text)], &settings());
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(director(&output).plan.services.len(), 2);
    assert!(told(&output).iter().any(|told| told == "2 include"), "{:#?}", told(&output));
}

#[test]
fn a_table_of_ipvsadm_becomes_services() {
    let table = "-A -t 192.0.2.1:80 -s wlc -p 300 -M 255.255.255.0\n-a -t 192.0.2.1:80 -r 192.0.2.11:80 -g -w 5 -x 20 -y 10\n\
                 -a -t 192.0.2.1:80 -r 192.0.2.12:80 -g -w 0\n-A -u 192.0.2.1:53 -s rr -o\n-a -u 192.0.2.1:53 -r 192.0.2.13:53 -m -w 1\n\
                 -A -f 5 -6 -s sh -b sh-port\n-a -f 5 -6 -r [2001:db8::11]:0 -i -w 1\n-A -t [2001:db8::1]:443 -s rr\n\
                 --start-daemon master --mcast-interface eth0\nnonsense\n";
    let output = ipvsadm::import(&Source::new("table", table));
    let plan = director(&output).plan;
    let ids: Vec<String> = plan.services.iter().map(directord::config::VirtualService::id).collect();
    assert_eq!(ids, ["tcp:192.0.2.1:80", "udp:192.0.2.1:53", "fwm6:5", "tcp:[2001:db8::1]:443"]);
    let first = &plan.services[0].reals[0].destination;
    assert_eq!((first.weight, first.upper_threshold, first.lower_threshold), (5, 20, 10));
    assert_eq!(told(&output), ["9 --start-daemon", "10 nonsense"]);
}

#[test]
fn nothing_is_overwritten_unless_told() {
    let folder = std::env::temp_dir().join(format!("ha-migrate-write-{}", std::process::id()));
    let output = keepalived();
    output.write(&folder, false).unwrap();
    assert!(matches!(output.write(&folder, false), Err(WriteError::Exists(_))));
    output.write(&folder, true).unwrap();
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(folder.join("authkeys")).unwrap().permissions().mode();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(secret().unwrap().len(), 32);
    assert_ne!(secret().unwrap(), secret().unwrap());
}

/// A statement that keepalived might have, or might not.
fn statement() -> impl Strategy<Value = String> {
    let words = [
        "virtual_server 192.0.2.1 80 {",
        "virtual_server fwmark 3 {",
        "virtual_server group g {",
        "virtual_server_group g {",
        "real_server 192.0.2.9 80 {",
        "real_server 2001:db8::9 80 {",
        "virtual_server 2001:db8::1 80 {",
        "HTTP_GET {",
        "SSL_GET {",
        "TCP_CHECK {",
        "MISC_CHECK {",
        "SMTP_CHECK {",
        "DNS_CHECK {",
        "url {",
        "path /a#b",
        "path \"a b\"",
        "regex \"(\"",
        "regex [a-z]+",
        "misc_path \"/bin/x 'y\"",
        "misc_dynamic",
        "name example.com",
        "name .",
        "connect_port 0",
        "connect_port 99999",
        "connect_timeout 0",
        "connect_timeout 1.5",
        "delay_loop x",
        "delay_loop 3",
        "retry 5",
        "weight -1",
        "weight 70000",
        "lb_algo wlc",
        "lb_algo nosuch",
        "lvs_method DR",
        "persistence_timeout",
        "persistence_timeout x",
        "persistence_granularity 255.255.0.0",
        "sorry_server 192.0.2.3 80",
        "sorry_server x y z",
        "inhibit_on_failure",
        "quorum 3",
        "uthreshold 5",
        "bindto 192.0.2.7",
        "protocol UDP",
        "ops",
        "virtualhost a b",
        "snmp_name \"x\"",
        "vrrp_instance V {",
        "vrrp_sync_group G {",
        "group { V }",
        "state MASTER",
        "interface eth0",
        "interface verylonginterfacename",
        "virtual_ipaddress {",
        "192.0.2.100/24 dev eth0 label eth0:x",
        "192.0.2.100/99",
        "2001:db8::5",
        "192.0.2.1 80",
        "192.0.2.1-300 80",
        "advert_int 0.01",
        "advert_int 9999",
        "priority 300",
        "unicast_peer {",
        "192.0.2.2",
        "virtual_router_id 999",
        "$X=1 \\",
        "${X} $Y",
        "@a b",
        "}",
        "}",
        "}",
        "}",
    ];
    prop_oneof![8 => prop::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,20}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whatever_is_imported_passes_the_checks(lines in prop::collection::vec(statement(), 0..60)) {
        let output = keepalived::import(vec![Source::new("k.conf", lines.join("\n"))], &settings());
        if output.files.iter().any(|file| file.name == "ldirectord.cf") {
            director(&output);
        }
        if output.files.iter().any(|file| file.name == "ha.cf") {
            pair(&output);
        }
    }

    #[test]
    fn any_table_passes_the_checks(lines in prop::collection::vec("(-A|-a) (-t|-u|-f) (192\\.0\\.2\\.1:80|\\[2001:db8::1\\]:80|www:http|7)( -6)?( -r (192\\.0\\.2\\.9:80|x))?( -s [a-z]{2,4})?( -p( [0-9]{1,3})?)?( -w -?[0-9]{1,6})?( -[gmi])?", 0..12)) {
        let output = ipvsadm::import(&Source::new("table", lines.join("\n")));
        director(&output);
    }

    #[test]
    fn any_lvs_cf_passes_the_checks(lines in prop::collection::vec("(virtual v \\{|server s \\{|\\}|address = 192\\.0\\.2\\.[0-9]{1,3}( eth0:1)?|port = [0-9]{1,5}|active = [01]|send = \"[ -~]{0,9}\"|expect = \"[ -~]{0,9}\"|fwmark = [0-9]|weight = [0-9]{1,6}|scheduler = [a-z]{2,3}|keepalive = [0-9]{1,4}|deadtime = [0-9]{1,4}|nat_router = 192\\.0\\.2\\.1 eth1:1|persistent = [0-9]{1,4}|sorry_server = 192\\.0\\.2\\.3)", 0..40)) {
        let output = piranha::import(Source::new("lvs.cf", lines.join("\n")), &settings());
        pair(&output);
        if output.files.iter().any(|file| file.name == "ldirectord.cf") {
            director(&output);
        }
    }
}
