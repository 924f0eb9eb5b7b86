//! Every directive: what it does to the plan, and values that are refused.

use super::*;
use crate::wire::Algorithm;
use std::collections::BTreeSet;

/// What a line does to a plan.
type Effect = fn(&Plan) -> bool;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn is_set(plan: &Plan, name: &str, value: &str) -> bool {
    plan.parameters.get(name).is_some_and(|set| set == value)
}

/// The directive, a line with what it does, and values that are refused.
const TABLE: &[(&str, &str, Effect, &[&str])] = &[
    ("node", "Beta,alpha", |p| p.nodes == ["alpha", "beta"], &["gamma"]),
    ("keepalive", "500ms", |p| p.timing.keepalive == ms(500), &["0", "2m", "x"]),
    ("keepalive", "2s", |p| p.timing.keepalive == ms(2_000), &[]),
    ("keepalive", "0.5sec", |p| p.timing.keepalive == ms(500), &["1 sec"]),
    ("keepalive", "250000us", |p| p.timing.keepalive == ms(250), &[]),
    ("keepalive", "2", |p| p.timing.keepalive == ms(2_000), &["-1"]),
    (
        "deadtime",
        "10sec",
        |p| p.timing.deadtime == ms(10_000) && p.timing.initdead == ms(20_000),
        &["2", "1500ms"],
    ),
    ("warntime", "700msec", |p| p.timing.warntime == ms(700), &["0"]),
    ("initdead", "120", |p| p.timing.initdead == ms(120_000), &["29"]),
    ("deadping", "20s", |p| p.timing.deadping == ms(20_000), &["2"]),
    ("max_rexmit_delay", "100", |p| p.timing.rexmit_delay == ms(100), &["0", "100ms"]),
    ("bcast", "eth1 eth2", |p| p.media.len() == 3, &["a-name-that-is-too-long"]),
    ("udp", "eth1", |p| matches!(p.media[1].kind, MediumKind::Broadcast { .. }), &[]),
    (
        "ucast",
        "eth0 192.0.2.2",
        |p| matches!(p.media[1].kind, MediumKind::Unicast { v6: false, .. }),
        &["eth0", "eth0 192.0.2"],
    ),
    (
        "ucast6",
        "eth0 2001:db8::2",
        |p| matches!(p.media[1].kind, MediumKind::Unicast { v6: true, .. }),
        &["eth0 192.0.2.2"],
    ),
    (
        "mcast",
        "eth0 239.0.0.1 1694 4 0",
        |p| matches!(p.media[1].kind, MediumKind::Multicast { port: 1694, ttl: 4, .. }),
        &["eth0 192.0.2.1 694 1 0", "eth0 239.0.0.1 694 5 0", "eth0 239.0.0.1 694 1"],
    ),
    (
        "mcast6",
        "eth0 ff15::694 694 1 1",
        |p| matches!(p.media[1].kind, MediumKind::Multicast6 { own_back: true, .. }),
        &["eth0 2001:db8::1 694 1 0"],
    ),
    (
        "serial",
        "/dev/ttyS0 /dev/ttyS1",
        |p| p.media.len() == 3 && p.media[2].kind == MediumKind::Serial { baud: 19_200 },
        &["ttyS0"],
    ),
    (
        "baud",
        "115200\nserial /dev/ttyS0",
        |p| p.media[1].kind == MediumKind::Serial { baud: 115_200 },
        &["110", "fast"],
    ),
    ("ping", "192.0.2.254 192.0.2.253", |p| p.pings.len() == 2 && p.hop_fudge == 1, &["2001:db8::1"]),
    ("ping6", "2001:db8::fe", |p| p.pings[0].v6, &["192.0.2.254"]),
    (
        "ping_group",
        "far 192.0.2.254 192.0.2.253",
        |p| p.pings[0].group && p.pings[0].hosts.len() == 2,
        &["far"],
    ),
    (
        "udpport",
        "1694\nucast eth1 192.0.2.2",
        |p| matches!(p.media[1].kind, MediumKind::Unicast { port: 1694, .. }),
        &["0", "65536"],
    ),
    ("auto_failback", "on", |p| p.failback == Failback::On, &["maybe"]),
    ("auto_failback", "legacy", |p| p.failback == Failback::Legacy, &[]),
    ("nice_failback", "on", |p| p.failback == Failback::Off, &["maybe"]),
    ("hopfudge", "3", |p| p.hop_fudge == 3, &["256"]),
    (
        "logfile",
        "/var/log/ha-log",
        |p| p.log.file == Some("/var/log/ha-log".into()) && p.log.facility.is_none(),
        &[],
    ),
    ("debugfile", "/var/log/ha-debug", |p| p.log.debug_file == Some("/var/log/ha-debug".into()), &[]),
    ("logfacility", "local0", |p| p.log.facility.as_deref() == Some("local0"), &["local8"]),
    ("logfacility", "none", |p| p.log.facility.is_none(), &[]),
    ("use_logd", "yes", |p| p.log.facility.as_deref() == Some("daemon"), &["perhaps"]),
    ("conn_logd_time", "30", |p| is_set(p, "conn_logd_time", "30"), &["soon"]),
    ("syslogmsgfmt", "false", |p| p.log.dated, &["perhaps"]),
    ("debug", "255", |p| p.debug == 255, &["256"]),
    ("log_badpack", "off", |p| !p.log_bad_packets, &["perhaps"]),
    ("crm", "off", |p| is_set(p, "pacemaker", "off"), &["yes", "respawn"]),
    ("pacemaker", "no", |p| is_set(p, "pacemaker", "no"), &["on"]),
    ("watchdog", "/dev/watchdog", |p| is_set(p, "watchdog", "/dev/watchdog"), &[]),
    (
        "respawn",
        "root /bin/true x",
        |p| p.respawns[0].command == "/bin/true x" && !p.respawns[0].failfast,
        &["root", "root true"],
    ),
    ("failfast", "root /bin/true", |p| p.respawns[0].failfast, &["root"]),
    ("apiauth", "ping gid=haclient", |p| p.respawns.is_empty(), &[]),
    ("realtime", "off", |p| p.realtime.is_none(), &["perhaps"]),
    ("rtprio", "99", |p| p.realtime == Some(99), &["0", "100"]),
    ("memreserve", "100", |p| is_set(p, "memreserve", "100"), &["much"]),
    ("hbgenmethod", "time", |p| p.generation == GenerationMethod::Time, &["clock"]),
    ("uuidfrom", "nodename", |p| p.uuid_from == UuidFrom::NodeName, &["clock"]),
    ("autojoin", "none", |p| is_set(p, "autojoin", "none"), &["any", "other"]),
    ("msgfmt", "netstring", |p| !p.inner_auth, &["xml"]),
    (
        "compression",
        "bz2\ntraditional_compression on",
        |p| p.compression == Some(Compression { algorithm: Algorithm::Bz2, threshold: 2_048 }),
        &["lzma"],
    ),
    (
        "compression_threshold",
        "8\ntraditional_compression yes",
        |p| p.compression == Some(Compression { algorithm: Algorithm::Zlib, threshold: 8_192 }),
        &["-1"],
    ),
    ("traditional_compression", "off", |p| p.compression.is_none(), &["perhaps"]),
    ("stonith", "external/ssh /etc/ha.d/stonith.cf", |p| p.stonith.len() == 1, &["external/ssh"]),
    ("stonith_host", "* external/ssh alpha beta", |p| p.stonith.len() == 1, &["*"]),
    ("coredumps", "off", |p| !p.core_dumps, &["perhaps"]),
    ("coreroot", "/var/lib/heartbeat/cores", |p| p.core_dumps, &[]),
    ("cluster", "blue", |p| is_set(p, "cluster", "blue"), &[]),
    ("quorum_server", "192.0.2.7", |p| is_set(p, "quorum_server", "192.0.2.7"), &[]),
    ("use_apphbd", "no", |p| is_set(p, "use_apphbd", "no"), &[]),
    ("env", "LANG=C A=b", |p| p.environment.len() == 2, &["LANG"]),
    ("normalpoll", "on", |p| is_set(p, "normalpoll", "on"), &[]),
    ("crm_daemon_dir", "/usr/lib/heartbeat", |p| is_set(p, "crm_daemon_dir", "/usr/lib/heartbeat"), &[]),
    ("crmd_spawns_pengine", "on", |p| is_set(p, "crmd_spawns_pengine", "on"), &[]),
    ("record_config_changes", "off", |p| is_set(p, "record_config_changes", "off"), &[]),
    ("record_pengine_inputs", "off", |p| is_set(p, "record_pengine_inputs", "off"), &[]),
    ("enable_config_writes", "off", |p| is_set(p, "enable_config_writes", "off"), &[]),
];

#[test]
fn each_does_what_it_says_and_refuses_what_it_cannot_mean() {
    for (directive, values, effect, wrong) in TABLE {
        let nodes = if *directive == "node" { "" } else { "node alpha beta\n" };
        let file = |values: &str| format!("{nodes}bcast eth0\nauto_failback off\n{directive} {values}\n");
        // "udpport" and the like say where, and media that precede them keep what they had
        let plan = plan(&file(values).replace("Beta,alpha", "alpha Beta"));
        assert!(effect(&plan), "{directive} {values}: {plan:#?}");
        for values in *wrong {
            refused(&file(values));
        }
    }
}

#[test]
fn the_table_is_whole() {
    let known: BTreeSet<&str> = hacf::DIRECTIVES.iter().copied().collect();
    let tested: BTreeSet<&str> = TABLE.iter().map(|(name, ..)| *name).collect();
    assert_eq!(tested, known);
}

#[test]
fn a_serial_line_that_is_too_slow_for_the_beats_is_told() {
    let said = |lines: &str| Files::new(&format!("{GOOD}serial /dev/ttyS0\n{lines}\n")).read().render();
    assert!(
        said("keepalive 100ms\nbaud 9600")
            .contains("serial /dev/ttyS0 9600 baud carries 96 bytes in a keepalive")
    );
    assert!(!said("keepalive 1").contains("too slow"));
}
