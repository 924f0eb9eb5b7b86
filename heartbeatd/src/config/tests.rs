//! What is accepted, what is refused, and what is said about it.

use super::*;
use crate::wire::{Key, Keys, Method};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A directory with the three files, removed at the end.
struct Files(PathBuf);

impl Files {
    fn new(ha_cf: &str) -> Files {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("heartbeatd-config-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let files = Files(path);
        files.write("ha.cf", ha_cf, 0o644);
        files.write("authkeys", "auth 1\n1 sha1 topsecret\n", 0o600);
        files.write("haresources", "alpha 192.0.2.100\n", 0o644);
        files
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.0.join(name), text).unwrap();
        fs::set_permissions(self.0.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn read(&self) -> Reading {
        read(&self.0, "alpha")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const GOOD: &str = "node alpha beta\nbcast eth0\nauto_failback off\n";

fn plan(ha_cf: &str) -> Plan {
    let reading = Files::new(ha_cf).read();
    let shown = reading.render();
    reading.plan.unwrap_or_else(|| panic!("refused:\n{shown}"))
}

fn refused(ha_cf: &str) -> String {
    let reading = Files::new(ha_cf).read();
    assert!(reading.plan.is_none(), "accepted: {ha_cf:?}");
    assert_eq!(reading.exit_code(), 6);
    reading.lines().map(|(_, line)| line + "\n").collect()
}

#[test]
fn defaults_are_those_of_heartbeat() {
    let plan = plan(GOOD);
    let seconds = Duration::from_secs;
    assert_eq!(plan.nodes, ["alpha", "beta"]);
    let timing = plan.timing;
    assert_eq!((timing.keepalive, timing.deadtime), (seconds(1), seconds(30)));
    assert_eq!((timing.warntime, timing.initdead), (seconds(15), seconds(30)));
    assert_eq!((timing.deadping, timing.rexmit_delay), (seconds(30), Duration::from_millis(250)));
    assert_eq!(plan.failback, Failback::Off);
    assert_eq!(plan.hop_fudge, 1);
    assert!(plan.inner_auth && plan.log_bad_packets && plan.realtime == Some(1));
    assert_eq!(plan.log, Log { facility: Some("daemon".into()), ..Log::default() });
    let keys = Keys::single(1, Key::new(Method::Sha1, "topsecret").unwrap()).unwrap();
    assert_eq!(plan.keys, keys);
}

#[test]
fn initdead_follows_deadtime() {
    for (deadtime, initdead) in [("3", 12), ("5.9", 12), ("6", 12), ("8", 16), ("10", 20), ("11", 11)] {
        let plan = plan(&format!("{GOOD}keepalive 1\ndeadtime {deadtime}\n"));
        assert_eq!(plan.timing.initdead, Duration::from_secs(initdead), "{deadtime}");
    }
}

#[test]
fn every_error_of_a_file_is_reported_in_one_run_with_its_place() {
    let said =
        refused("node alpha beta\nkeepalive 2m\ndeadtim 10\nbcast eth0\nudpport 0\nautojoin any\ncrm yes\n");
    for part in [
        "ha.cf:2:11: error: \"2m\" is not a time",
        "ha.cf:3:1: error: Illegal directive [deadtim]; did you mean \"deadtime\"?",
        "ha.cf:5:9: error: udpport \"0\" is not valid; a whole number from 1 to 65535",
        "ha.cf:6:10: error: autojoin any",
        "ha.cf:7:5: error: crm yes",
    ] {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}");
    }
}

#[test]
fn the_limits_of_the_timers() {
    let dead = refused("node alpha beta\nbcast eth0\nkeepalive 2\ndeadtime 4\n");
    assert!(dead.contains(
        "Dead time [4s] is too small compared to keepalive [2s]; deadtime must be more than twice"
    ));
    let init = refused("node alpha beta\nbcast eth0\ndeadtime 20\ninitdead 19\n");
    assert!(init.contains("initdead [19s] is smaller than deadtime [20s]"));
    assert!(refused(&format!("{GOOD}warntime 0\n")).contains("more than 0"));
    assert!(refused(&format!("{GOOD}deadping 1\n")).contains("Ping dead time [1s]"));
    plan(&format!("{GOOD}keepalive 10ms\ndeadtime 21ms\n"));
}

#[test]
fn an_error_has_no_followers() {
    // With the default deadtime of 30 s in place of the mistyped one, initdead would look too small.
    let said = refused(&format!("{GOOD}deadtim 1\ninitdead 12\nkeepalive 3m\n"));
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn media_lines() {
    let plan = plan(
        "node alpha beta\nudpport 1694\nbcast eth0,eth1\nucast eth0 192.0.2.2\nucast eth0 beta.example\n\
         ucast6 eth1 2001:db8::2\nmcast eth0 239.0.0.1 694 1 0\nmcast6 eth1 ff15::694 1694 0 1\nbcast eth1\n",
    );
    let shown: Vec<String> = plan.media.iter().map(Medium::to_string).collect();
    assert_eq!(
        shown,
        [
            "bcast eth0 port 1694",
            "bcast eth1 port 1694",
            "ucast eth0 192.0.2.2 port 1694",
            "ucast eth0 beta.example port 1694",
            "ucast6 eth1 2001:db8::2 port 1694",
            "mcast eth0 239.0.0.1 port 694 ttl 1",
            "mcast6 eth1 ff15::694 port 1694 hops 0",
        ]
    );
}

#[test]
fn wrong_media_lines() {
    for (line, said) in [
        ("mcast eth0 239.0.0.1 694 1", "mcast has 4 words"),
        ("mcast eth0 192.0.2.1 694 1 0", "is not a multicast group"),
        ("mcast eth0 239.0.0.1 694 5 0", "multicast TTL \"5\" is not valid"),
        ("mcast eth0 239.0.0.1 694 1 2", "multicast loop \"2\" is not valid"),
        ("mcast eth0 239.0.0.1 0 1 0", "multicast port \"0\" is not valid"),
        ("mcast6 eth0 2001:db8::1 694 1 0", "is not a multicast group"),
        ("ucast eth0", "ucast has 1 words"),
        ("ucast eth0 192.0.2.300", "neither an address nor a host name"),
        ("ucast eth0 $PEER", "neither an address nor a host name"),
        ("ucast6 eth0 192.0.2.2", "neither an address nor a host name"),
        ("bcast interface-with-a-long-name", "cannot be the name"),
        ("bcast", "bcast has no value"),
        ("ping_group routers", "ping_group has 1 words"),
        ("ping 192.0.2.300", "ping: \"192.0.2.300\" is neither an address nor a host name"),
        ("ping 2001:db8::1", "an IPv6 address is written with ping6"),
        ("ping6 192.0.2.1", "ping6: \"192.0.2.1\" is neither an address nor a host name"),
        ("ping_group routers 192.0.2.1 $GATEWAY", "neither an address nor a host name"),
        ("ping 192.0.2.1 Beta", "ping node Beta has the name of a node of the cluster"),
        ("ping_group alpha 192.0.2.1", "give the group another name"),
        ("ping_group a 192.0.2.1\nping_group a 192.0.2.2", "there is another ping node a"),
        ("ping 192.0.2.1\nping_group 192.0.2.1 192.0.2.1", "there is another ping node 192.0.2.1"),
    ] {
        let shown = refused(&format!("{GOOD}{line}\n"));
        assert!(shown.contains(said), "{line}: {said:?} is missing in:\n{shown}");
    }
    assert!(refused("node alpha beta\n").contains("No heartbeat media defined"));
    assert!(refused("node alpha beta\nping 192.0.2.1\n").contains("ping nodes carry no heartbeats"));
}

#[test]
fn the_port_of_a_medium_is_the_one_above_it() {
    let reading = Files::new("node alpha beta\nbcast eth0\nudpport 1694\nucast eth0 192.0.2.2\n").read();
    let said: String = reading.lines().map(|(_, line)| line + "\n").collect();
    assert!(said.contains("udpport setting must precede media statements"), "{said}");
    let media = reading.plan.unwrap().media;
    assert_eq!(media[0].kind, MediumKind::Broadcast { port: 694 });
    assert!(matches!(media[1].kind, MediumKind::Unicast { port: 1694, .. }));
}

#[test]
fn the_service_name_gives_the_default_port() {
    assert_eq!(service_port("ssh 22/tcp\nha-cluster 695/tcp\nha-cluster 695/udp # x\n"), Some(695));
    assert_eq!(service_port("other 700/udp ha-cluster\n"), Some(700));
    assert_eq!(service_port("# ha-cluster 695/udp\n"), None);
}

#[test]
fn nodes() {
    assert!(refused("node beta gamma\nbcast eth0\n").contains("Current node [alpha] not in configuration!"));
    assert!(refused("node alpha beta gamma\nbcast eth0\n").contains("3 nodes"));
    let upper = plan("node ALPHA\nnode Beta # the other\nbcast eth0\n");
    assert_eq!(upper.nodes, ["alpha", "beta"]);
}

#[test]
fn failback_words() {
    for (lines, failback) in [
        ("", Failback::Legacy),
        ("auto_failback legacy", Failback::Legacy),
        ("auto_failback On", Failback::On),
        ("auto_failback off", Failback::Off),
        ("auto_failback on\nnice_failback on", Failback::Off),
        ("nice_failback on", Failback::Legacy),
        ("nice_failback off\nauto_failback on", Failback::On),
    ] {
        assert_eq!(plan(&format!("node alpha beta\nbcast eth0\n{lines}\n")).failback, failback, "{lines}");
    }
    assert!(refused("node alpha beta\nbcast eth0\nauto_failback maybe\n").contains("on, off or legacy"));
}

#[test]
fn every_directive_is_known_and_each_is_read_by_somebody() {
    for directive in hacf::DIRECTIVES {
        let reading = Files::new(&format!("{GOOD}{directive} 1 2 3 4 5\n")).read();
        assert!(!reading.lines().any(|(_, line)| line.contains("Illegal directive")), "{directive}");
    }
}

#[test]
fn what_old_files_say_is_accepted_without_a_word() {
    let text = format!(
        "{GOOD}respawn hacluster /usr/lib/heartbeat/ipfail\napiauth ipfail gid=haclient uid=hacluster\n\
         stonith_host * external foo\nping 192.0.2.254\ncluster blue\ncoredumps true\n\
         compression bz2\nbaud 19200\nserial /dev/ttyS0\nenv LANG=C\n"
    );
    let reading = Files::new(&text).read();
    let warned: Vec<&str> = reading.reports[0].diagnostics().iter().map(|d| d.message.as_str()).collect();
    assert!(warned.is_empty(), "{warned:?}");
    let plan = reading.plan.unwrap();
    assert_eq!(plan.pings.iter().map(|ping| ping.name.as_str()).collect::<Vec<_>>(), ["192.0.2.254"]);
    assert!(plan.ipfail);
    assert_eq!(plan.environment.get("LANG").map(String::as_str), Some("C"));
    assert_eq!(plan.parameters.get("cluster").map(String::as_str), Some("blue"));
    assert_eq!(plan.parameters.get("keepalive").map(String::as_str), Some("1000ms"));
}

#[test]
fn one_watchdog() {
    let device = plan(&format!("{GOOD}watchdog /dev/watchdog1\n")).watchdog;
    assert_eq!(device.as_deref(), Some(Path::new("/dev/watchdog1")));
    let text = refused(&format!("{GOOD}watchdog /dev/watchdog\nwatchdog /dev/watchdog1\n"));
    assert!(text.contains("ha.cf:5:10: error: watchdog /dev/watchdog1: there is one already"), "{text}");
}

#[test]
fn programs_that_live_with_the_daemon() {
    let plan = plan(&format!("{GOOD}respawn root /bin/sh -c 'a, b'  # c\nfailfast root\t/bin/true\n"));
    let program =
        |command: &str, failfast| Respawn { user: "root".into(), command: command.into(), failfast };
    assert_eq!(plan.respawns, [program("/bin/sh -c 'a, b'", false), program("/bin/true", true)]);
    for (line, said) in [
        ("respawn root", "ha.cf:4:9: error: respawn names no program"),
        ("failfast root bin/true", "ha.cf:4:15: error: \"bin/true\" is not a full path"),
    ] {
        let said_of = refused(&format!("{GOOD}{line}\n"));
        assert!(said_of.contains(said), "{line}: {said_of}");
    }
    let reading = Files::new(&format!("{GOOD}respawn no-such-user /no/such/program\n")).read();
    let warned: Vec<String> = reading.lines().map(|(_, line)| line).collect();
    assert!(warned[0].contains("ha.cf:4:22: warning: /no/such/program is no program"), "{warned:?}");
    assert!(warned[1].contains("ha.cf:4:9: warning: there is no user no-such-user"), "{warned:?}");
    assert!(reading.plan.is_some());
}

#[test]
fn devices_that_fence() {
    let text = format!(
        "{GOOD}stonith_host * external/ipmi beta 192.0.2.9, admin  secret # rack 7\nstonith_host beta meatware alpha\n\
         stonith_host Alpha meatware beta\nstonith null /etc/hostname\nstonith_host * fence_ipmilan ip=192.0.2.9\n"
    );
    let reading = Files::new(&text).read();
    let warned: Vec<String> = reading.lines().map(|(_, line)| line).collect();
    assert!(warned.len() == 1 && warned[0].contains("every user of this machine can read"), "{warned:?}");
    let plan = reading.plan.unwrap();
    let device = |kind: &str, line: &str| StonithDevice {
        kind: kind.to_owned(),
        parameters: StonithParameters::Line(line.to_owned()),
    };
    let file = StonithParameters::File("/etc/hostname".into());
    assert_eq!(
        plan.stonith,
        [
            device("external/ipmi", "beta 192.0.2.9, admin  secret"),
            device("meatware", "beta"),
            StonithDevice { kind: "null".to_owned(), parameters: file },
            device("fence_ipmilan", "ip=192.0.2.9"),
        ]
    );
    assert!(plan.parameters.values().all(|value| !value.contains("secret")), "{:?}", plan.parameters);
    for (line, said) in [
        ("stonith null", "ha.cf:4:9: error: stonith needs the type of a device and a file"),
        ("stonith_host alpha", "ha.cf:4:14: error: stonith_host needs a node and the type"),
        ("stonith_host alpah null beta", "did you mean \"alpha\"?"),
        ("stonith_host * ../sh x", "\"../sh\" is not the type of a stonith device"),
        ("stonith_host * fence_apc 192.0.2.9", "has its parameters as NAME=VALUE"),
    ] {
        let said_of = refused(&format!("{GOOD}{line}\n"));
        assert!(said_of.contains(said), "{line}: {said_of}");
    }
    let elsewhere = Files::new(&format!("{GOOD}stonith_host beta meatware alpha\n")).read();
    assert!(elsewhere.lines().any(|(_, line)| line.contains("no stonith device is for this node")));
    assert!(elsewhere.plan.unwrap().stonith.is_empty());
}

#[test]
fn who_may_use_the_api() {
    let good = "apiauth ipfail gid=haclient uid=hacluster\napiauth default uid=root,hacluster gid=haclient\n";
    let reading = Files::new(&format!("{GOOD}{good}")).read();
    assert!(reading.plan.is_some() && reading.lines().next().is_none(), "{}", reading.render());
    for (line, said) in [
        ("apiauth ipfail", "apiauth names neither a user nor a group"),
        ("apiauth ipfail user=root", "ha.cf:4:16: warning: apiauth \"user=root\" is not valid"),
        ("apiauth ipfail uid=", "apiauth \"uid=\" is not valid"),
        ("apiauth ipfail root uid=root", "apiauth \"root\" is not valid"),
    ] {
        let reading = Files::new(&format!("{GOOD}{line}\n")).read();
        assert!(reading.plan.is_some(), "{line}: {}", reading.render());
        let shown: String = reading.lines().map(|(_, line)| line + "\n").collect();
        assert!(shown.contains(said), "{line}: {said:?} is missing in:\n{shown}");
    }
}

#[test]
fn keys() {
    let files = Files::new(GOOD);
    for (text, said) in [
        ("", "Missing auth directive in keyfile"),
        ("1 sha1 x\n", "Missing auth directive in keyfile"),
        ("auth 2\n1 sha1 x\n", "Auth Key [2] not found in keyfile"),
        ("1 sha1 x\nauth 1\n", "Auth Key [1] not found in keyfile"),
        ("auth 1\n1 sha1\n", "Auth method [sha1] requires a key"),
        ("auth 1\n1 crc x\n", "Auth method [crc] doesn't use a key"),
        ("auth 1\n1 sha9 x\n", "Invalid authtype [sha9]"),
        ("auth 16\n16 sha1 x\n", "Invalid authnum [16]"),
        ("auth\n1 sha1 x\n", "auth without a number"),
        ("auth 1\n1\n", "key 1 has no method"),
    ] {
        files.write("authkeys", text, 0o600);
        let reading = files.read();
        assert!(reading.plan.is_none(), "accepted: {text:?}");
        assert!(
            reading.lines().any(|(_, line)| line.contains(said)),
            "{said:?} is missing in {}",
            reading.render()
        );
    }
    files.write("authkeys", "# keys\n  auth 3 # this one\n3 md5 a,b rest is ignored\n 2 crc\n", 0o620);
    let md5 = Key::new(Method::Md5, "a,b").unwrap();
    let crc = Key::new(Method::Crc, "").unwrap();
    assert_eq!(files.read().plan.unwrap().keys, Keys::new(3, [(3, md5), (2, crc)]).unwrap());
}

#[test]
fn a_readable_key_file_is_refused_and_no_key_is_ever_printed() {
    let files = Files::new(GOOD);
    for mode in [0o640, 0o604, 0o644] {
        files.write("authkeys", "auth 1\n1 sha1 topsecret\n", mode);
        let reading = files.read();
        assert!(reading.plan.is_none());
        assert!(reading.lines().any(|(_, line)| line.contains("Bad permissions on keyfile")));
    }
    files.write("authkeys", "auth 1\n1 sha1 topsecret\n", 0o600);
    let plan = files.read().plan.unwrap();
    assert!(!format!("{plan:?}").contains("topsecret"));
}

#[test]
fn nodes_of_haresources() {
    let files = Files::new(GOOD);
    let good = "# groups\nALPHA 192.0.2.100 \\\n   ldirectord::ldirectord.cf\n\n \\\nbeta 192.0.2.101 # x\n";
    files.write("haresources", good, 0o644);
    assert!(files.read().plan.is_some(), "{}", files.read().render());
    let group = |home: &str, resources: &[&str]| Group {
        home: home.into(),
        resources: resources.iter().map(|resource| (*resource).to_owned()).collect(),
    };
    let groups = groups(&files.0).unwrap();
    let expected =
        [group("alpha", &["192.0.2.100", "ldirectord::ldirectord.cf"]), group("beta", &["192.0.2.101"])];
    assert_eq!(groups, expected);
    files.write("haresources", "alpha 192.0.2.100\n\tbetta 192.0.2.101\n", 0o644);
    let reading = files.read();
    assert!(reading.plan.is_none());
    let said: String = reading.lines().map(|(_, line)| line).collect();
    assert!(said.contains("haresources:2:2: error: Bad nodename in "), "{said}");
    assert!(said.contains("[betta]; did you mean \"beta\"?"), "{said}");
    fs::remove_file(files.0.join("haresources")).unwrap();
    assert!(files.read().plan.is_none());
}

#[test]
fn plans_compare_by_what_they_say() {
    assert_eq!(
        plan("node alpha beta\nbcast eth0\nkeepalive 1\n").timing,
        plan("node alpha beta\nbcast eth0\nkeepalive 1000ms\n").timing
    );
    assert_eq!(plan(GOOD), plan(GOOD));
    assert_ne!(plan(GOOD), plan(&format!("{GOOD}deadtime 20\n")));
}

#[test]
fn generations_only_grow() {
    let files = Files::new(GOOD);
    let next = |method, now| {
        let next = next_generation(&files.0, method, now).unwrap();
        assert!(next.unsaved.is_none(), "{next:?}");
        next.value
    };
    let text = || fs::read_to_string(files.0.join("hb_generation")).unwrap();
    assert_eq!(next(GenerationMethod::File, 1000), 1001);
    assert_eq!(text(), "           1001\n");
    assert_eq!(next(GenerationMethod::File, 5), 1002);
    assert_eq!(next(GenerationMethod::Time, 5000), 5000);
    assert_eq!(next(GenerationMethod::Time, 10), 5001);
    save_generation(&files.0, 6000).unwrap();
    assert_eq!(next(GenerationMethod::File, 0), 6001);
    fs::write(files.0.join("hb_generation"), "nonsense").unwrap();
    let error = next_generation(&files.0, GenerationMethod::File, 1).unwrap_err().to_string();
    assert!(error.contains("hb_generation: does not hold a decimal number"), "{error}");
    fs::write(files.0.join("hb_generation"), "").unwrap();
    assert_eq!(next(GenerationMethod::File, 8000), 8001);
}

#[test]
fn where_nothing_can_be_written_generations_grow_with_the_time() {
    let files = Files::new(GOOD);
    fs::create_dir(files.0.join("hb_generation.new")).unwrap(); // so no new file can be made
    let next = |method, now| {
        let next = next_generation(&files.0, method, now).unwrap();
        let why = next.unsaved.expect("it cannot be saved").to_string();
        assert!(why.contains("hb_generation: "), "{why}");
        next.value
    };
    assert_eq!(next(GenerationMethod::File, 1000), 1001);
    assert_eq!(next(GenerationMethod::File, 1001), 1002, "more than what was said and not written");
    fs::write(files.0.join("hb_generation"), "900\n").unwrap();
    assert_eq!(next(GenerationMethod::File, 1002), 1003);
    assert_eq!(next(GenerationMethod::Time, 1003), 1004);
    fs::write(files.0.join("hb_generation"), "5000\n").unwrap();
    assert_eq!(next(GenerationMethod::File, 1004), 5001);
}

#[test]
fn what_was_heard_of_the_other_node_is_kept() {
    let files = Files::new(GOOD);
    let path = files.0.join("hb_peer_generation");
    assert_eq!(peer_generation(&files.0, "beta").unwrap(), 0);
    for generation in [7, u64::MAX] {
        save_peer_generation(&files.0, "beta", generation).unwrap();
        assert_eq!(peer_generation(&files.0, "beta").unwrap(), generation);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("beta {}\n", u64::MAX));
    assert_eq!(peer_generation(&files.0, "gamma").unwrap(), 0, "another node");
    for nonsense in ["", "beta", "beta -1", "gamma x", "beta 7 8", "beta 18446744073709551616", "\0\u{fffd}"]
    {
        fs::write(&path, nonsense).unwrap();
        let error = peer_generation(&files.0, "beta").unwrap_err().to_string();
        assert!(error.contains("hb_peer_generation: does not hold a node's name"), "{nonsense}: {error}");
    }
    fs::write(&path, [0xff; 100_000]).unwrap();
    assert!(peer_generation(&files.0, "beta").is_err());
}

#[test]
fn an_identity_is_made_once_and_kept() {
    let files = Files::new(GOOD);
    let known = |from, node| {
        let known = uuid(&files.0, from, node).unwrap();
        assert!(known.unsaved.is_none(), "{known:?}");
        known.value
    };
    let first = known(UuidFrom::File, "alpha");
    assert_eq!(known(UuidFrom::File, "alpha"), first);
    assert_eq!(fs::read(files.0.join("hb_uuid")).unwrap(), first);
    let named = known(UuidFrom::NodeName, "alpha");
    assert_ne!(named, known(UuidFrom::NodeName, "beta"));
    fs::write(files.0.join("hb_uuid"), "short").unwrap();
    assert!(uuid(&files.0, UuidFrom::File, "alpha").is_err());

    fs::remove_file(files.0.join("hb_uuid")).unwrap();
    fs::create_dir(files.0.join("hb_uuid.new")).unwrap(); // so no new file can be made
    for _ in 0..2 {
        let unsaved = uuid(&files.0, UuidFrom::File, "alpha").unwrap();
        assert_eq!(unsaved.value, named, "the same at every start");
        assert!(unsaved.unsaved.unwrap().to_string().contains("hb_uuid: "));
    }
    fs::remove_dir(files.0.join("hb_uuid.new")).unwrap();
    save_uuid(&files.0, named).unwrap();
    assert_eq!(known(UuidFrom::File, "alpha"), named);
}

#[test]
fn nodeinfo_names_the_node() {
    let files = Files::new(GOOD);
    let system = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    assert_eq!(node_name(&files.0).unwrap(), system);
    files.write("nodeinfo", "Alpha.Example\nrest\n", 0o644);
    assert_eq!(node_name(&files.0).unwrap(), "alpha.example");
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(ha_cf in ".{0,400}", keys in ".{0,200}", resources in ".{0,200}") {
        let mut report = Report::new(Source::new("ha.cf", ha_cf));
        let draft = hacf::parse(&mut report, None);
        complete(&mut report, draft, "alpha");
        report.render();
        let mut report = Report::new(Source::new("authkeys", keys));
        authkeys::parse(&mut report, 0o600);
        report.render();
        let mut report = Report::new(Source::new("haresources", resources));
        haresources::check(&mut report, &["alpha".to_owned()]);
        report.render();
    }

    #[test]
    fn any_values_of_any_directive(
        directive in proptest::sample::select(hacf::DIRECTIVES),
        values in "[ -~]{0,60}",
    ) {
        let mut report = Report::new(Source::new("ha.cf", format!("{directive} {values}\n")));
        let draft = hacf::parse(&mut report, None);
        complete(&mut report, draft, "alpha");
        report.render();
    }
}

#[test]
fn ping_nodes_are_named_as_written() {
    let text = format!(
        "{GOOD}ping 192.0.2.254, Gateway\nping6 2001:db8::1\nping_group g1 192.0.2.1 192.0.2.129 192.0.2.1\nping Gateway\n"
    );
    let reading = Files::new(&text).read();
    let shown = reading.render();
    assert!(shown.contains("ping node Gateway is configured twice"), "{shown}");
    assert!(shown.contains("192.0.2.1 is in the group g1 twice"), "{shown}");
    let node = |name: &str, hosts: &[&str], v6, group| PingNode {
        name: name.to_owned(),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        v6,
        group,
    };
    let wanted = [
        node("192.0.2.254", &["192.0.2.254"], false, false),
        node("Gateway", &["Gateway"], false, false),
        node("2001:db8::1", &["2001:db8::1"], true, false),
        node("g1", &["192.0.2.1", "192.0.2.129"], false, true),
    ];
    assert_eq!(reading.plan.unwrap().pings, wanted);
}

#[test]
fn sha256_keys_and_secrets_that_are_short() {
    let read = |text: &str| {
        let mut report = Report::new(Source::new("authkeys", text));
        let keys = authkeys::parse(&mut report, 0o600);
        (keys, report.lines().collect::<Vec<_>>().join("\n"))
    };
    let (keys, said) = read("auth 2\n1 sha1 a-long-enough-secret\n2 sha256 another-long-secret\n");
    let keys = keys.expect("a good file");
    assert_eq!(keys.get(2).map(crate::wire::Key::method), Some(crate::wire::Method::Sha256));
    assert_eq!((keys.default_number(), said.as_str()), (2, ""));
    let (keys, said) = read("auth 1\n1 sha256 hunter2\n");
    assert!(keys.is_some() && said.contains("only 7 characters"), "{said}");
    let (keys, said) = read("auth 1\n1 sha256\n");
    assert!(keys.is_none() && said.contains("Auth method [sha256] requires a key"), "{said}");
}

/// What is said about a configuration that is accepted.
fn warnings(files: &Files) -> String {
    let reading = files.read();
    assert!(reading.plan.is_some(), "refused:\n{}", reading.render());
    reading.lines().map(|(_, line)| line + "\n").collect()
}

#[test]
fn of_several_values_the_last_one_counts_and_that_is_said() {
    let files = Files::new(&format!("{GOOD}keepalive 1,5\ndeadtime 30 40\nudpport 694\n"));
    assert_eq!(files.read().plan.unwrap().timing.keepalive, Duration::from_secs(5));
    let said = warnings(&files);
    for part in [
        "ha.cf:4:11: warning: keepalive has 2 values, and only the last one, 5, counts; a comma separates values; a \
         fraction has a point: 1.5",
        "ha.cf:5:10: warning: deadtime has 2 values, and only the last one, 40, counts; write \"deadtime 40\"",
    ] {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}");
    }
    assert_eq!(said.matches(" values, and ").count(), 2, "{said}");
}

#[test]
fn a_secret_of_two_words_is_only_the_first() {
    let files = Files::new(GOOD);
    files.write("authkeys", "auth 2\n2 sha256 onlythisone words are # no secret\n", 0o600);
    let keys = Keys::single(2, Key::new(Method::Sha256, "onlythisone").unwrap()).unwrap();
    assert_eq!(files.read().plan.unwrap().keys, keys);
    let said = warnings(&files);
    assert!(said.contains("authkeys:2:22: warning: key 2: the rest of the line is ignored"), "{said}");
}

#[test]
fn a_byte_order_mark_is_named_and_ignored() {
    let files = Files::new(&format!("\u{feff}{GOOD}"));
    files.write("authkeys", "\u{feff}auth 1\n1 sha1 topsecret\n", 0o600);
    files.write("haresources", "\u{feff}alpha 192.0.2.100\n", 0o644);
    let said = warnings(&files);
    for file in ["ha.cf", "authkeys", "haresources"] {
        let part = format!("{file}:1:1: warning: the file begins with a byte order mark (U+FEFF)");
        assert!(said.contains(&part), "{part:?} is missing in:\n{said}");
    }
    assert_eq!(groups(&files.0).unwrap()[0].home, "alpha");
}

#[test]
fn what_a_failed_stop_leads_to() {
    let reading = |more: &str| Files::new(&format!("{GOOD}{more}")).read();
    for (more, fence) in
        [("", false), ("env STOP_FAILURE=alarm\n", false), ("env A=b STOP_FAILURE=fence\n", true)]
    {
        assert_eq!(reading(more).plan.map(|plan| plan.fence_stuck), Some(fence), "{more}");
    }
    let warned = |reading: &Reading| {
        let words = "ha.cf:4:5: warning: STOP_FAILURE=fence without a stonith device";
        reading.lines().any(|(_, line)| line.contains(words))
    };
    assert!(warned(&reading("env STOP_FAILURE=fence\n")));
    let device = "env STOP_FAILURE=fence\nstonith_host * external/ipmi beta 192.0.2.9 admin secret\n";
    assert!(!warned(&reading(device)));
    let files = Files::new(&format!("{GOOD}{device}"));
    files.write("authkeys", "auth 1\n1 crc\n", 0o600);
    let forgeable = files.read();
    assert_eq!(forgeable.plan.as_ref().map(|plan| plan.fence_stuck), Some(false));
    assert!(forgeable.lines().any(|(_, line)| line.contains("STOP_FAILURE=fence with crc")));
    let said = refused(&format!("{GOOD}env STOP_FAILURE=reboot\n"));
    assert!(said.contains("ha.cf:4:5: error: STOP_FAILURE \"reboot\" is not valid"), "{said}");
}
