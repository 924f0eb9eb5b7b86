//! From text to plan: defaults, combinations, and mistakes with their places.

mod services;

use super::*;
use crate::check::{Kind, Route};
use ipvs::{Family, Forwarding, Netmask, Protocol, ServiceKey};
use proptest::prelude::*;
use std::net::IpAddr;
use std::time::Duration;

/// `web` and `vip` are known names.
struct Hosts;

impl Names for Hosts {
    fn host(&self, name: &str, family: Family) -> Option<IpAddr> {
        let address = match (name, family) {
            ("web", Family::V4) => "192.0.2.10",
            ("web", Family::V6) => "2001:db8::11",
            ("vip", Family::V4) => "192.0.2.1",
            _ => return None,
        };
        address.parse().ok()
    }
    fn port(&self, name: &str, _: Option<&str>) -> Option<u16> {
        (name == "http").then_some(80)
    }
}

fn plan(text: &str) -> Plan {
    match load_source(Source::new("t.cf", text), &Hosts) {
        Ok(loaded) => loaded.plan,
        Err(error) => panic!("{error}"),
    }
}

fn one(text: &str) -> VirtualService {
    plan(text).services.remove(0)
}

fn report(text: &str) -> Report {
    match load_source(Source::new("t.cf", text), &Hosts) {
        Ok(loaded) => loaded.report,
        Err(LoadError::Refused(report)) => *report,
        Err(error) => panic!("{error}"),
    }
}

/// The place and text of every error.
fn errors(text: &str) -> Vec<String> {
    report(text).lines().filter(|line| line.contains(": error: ")).collect()
}

fn probe(real: &RealServer) -> &crate::check::Probe {
    match &real.check {
        Check::Probe(probe) => probe,
        other => panic!("{other:?}"),
    }
}

#[test]
fn defaults_are_ldirectords() {
    let service = one("virtual=192.0.2.1:80\n\treal=192.0.2.10:80 gate\n");
    assert_eq!(service.service.key, ServiceKey::new(Protocol::Tcp, [192, 0, 2, 1].into(), 80));
    assert_eq!(
        (service.service.scheduler.as_str(), service.quiescent, service.clean_stop),
        ("wrr", false, true)
    );
    assert_eq!((service.failure_count, service.reals[0].destination.weight), (1, 1));
    let probe = probe(&service.reals[0]);
    assert_eq!((probe.interval, probe.kind.limit()), (Duration::from_secs(10), Duration::from_secs(30)));
    match &probe.kind {
        Kind::Http(http) => {
            assert_eq!(
                (http.url.as_str(), http.head, &http.receive),
                ("http://192.0.2.10:80/", false, &None)
            );
            assert_eq!(http.host.as_deref(), Some("192.0.2.10"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn timeouts_fall_back_in_ldirectords_order() {
    let limits = |globals: &str, own: &str| {
        let real = "\treal=192.0.2.10:80 gate\n";
        let text = format!(
            "{globals}\nvirtual=192.0.2.1:80\n{own}\n{real}virtual=192.0.2.2:80\n\tchecktype=connect\n{own}\n{real}"
        );
        let plan = plan(&text);
        let limit = |at: usize| probe(&plan.services[at].reals[0]).kind.limit().as_secs();
        (limit(1), limit(0)) // check, negotiate
    };
    assert_eq!(limits("", ""), (5, 30));
    assert_eq!(limits("checktimeout=3", ""), (3, 3));
    assert_eq!(limits("negotiatetimeout=4", ""), (4, 4));
    assert_eq!(limits("checktimeout=3\nnegotiatetimeout=4", ""), (3, 4));
    assert_eq!(limits("checktimeout=3\nnegotiatetimeout=4", "\tnegotiatetimeout=7"), (7, 7));
    assert_eq!(limits("checktimeout=3", "\tchecktimeout=6\n\tnegotiatetimeout=7"), (6, 7));
}

#[test]
fn globals_count_wherever_they_stand_and_sections_override_them() {
    let plan =
        plan("virtual=192.0.2.1:80\n\tquiescent=no\nvirtual=192.0.2.2:80\n\nquiescent=yes\nfailurecount=3\n");
    let values: Vec<_> =
        plan.services.iter().map(|service| (service.quiescent, service.failure_count)).collect();
    assert_eq!(values, [(false, 3), (true, 3)]);
}

#[test]
fn identical_checks_of_several_services_are_one_probe() {
    let section =
        |vip: u8, extra: &str| format!("virtual=192.0.2.{vip}:80\n{extra}\treal=192.0.2.10:80 gate {vip}\n");
    let plan = plan(&(section(1, "") + &section(2, "") + &section(3, "\tvirtualhost=www.example.com\n")));
    let probes: Vec<_> = plan.services.iter().map(|service| probe(&service.reals[0])).collect();
    assert_eq!(probes[0], probes[1]);
    assert_ne!(probes[0], probes[2]);
}

#[test]
fn ports_of_gate_and_ipip_are_the_services_in_the_table_but_not_in_the_check() {
    let service = one(
        "virtual=192.0.2.1:80\n\tchecktype=connect\n\treal=192.0.2.10:8080 gate\n\treal=192.0.2.11:8080 masq\n\treal=192.0.2.12 ipip\n",
    );
    let ports: Vec<u16> = service.reals.iter().map(|real| real.destination.key.port).collect();
    assert_eq!(ports, [80, 8080, 80]);
    let targets = service.reals.iter().map(|real| match &probe(real).kind {
        Kind::Connect { to, .. } => to.port(),
        other => panic!("{other:?}"),
    });
    assert_eq!(targets.collect::<Vec<_>>(), [8080, 8080, 80]);
}

#[test]
fn firewall_marks_of_both_families() {
    let plan = plan(
        "fallback=127.0.0.1\nvirtual=7\n\tservice=http\n\treal=192.0.2.10 gate\nvirtual6=7\n\tchecktype=ping\n\treal6=[2001:db8::5] gate\n",
    );
    let mark = &plan.services[0];
    assert_eq!((mark.id(), mark.shown()), ("fwm:7".into(), "7".into()));
    assert_eq!(mark.reals[0].destination.key.port, 0);
    assert!(matches!(&probe(&mark.reals[0]).kind, Kind::Http(http) if http.url == "http://192.0.2.10:80/"));
    assert_eq!(mark.fallback.as_ref().unwrap().key.to_string(), "127.0.0.1:0");
    assert_eq!(plan.services[1].id(), "fwm6:7");
    assert_eq!(plan.services[1].fallback, None, "IPv6 has its own global fallback");
}

#[test]
fn ipv6_services() {
    let service = one(
        "fallback6=[::1]:81\nvirtual6=[2001:db8::1]:80\n\tpersistent=60\n\tnetmask=64\n\treal6=[2001:db8::10]:80 masq 2\n\treal6=web:80 gate\n",
    );
    assert_eq!(service.id(), "tcp:[2001:db8::1]:80");
    let persistence = service.service.persistence.as_ref().unwrap();
    assert_eq!((persistence.timeout, persistence.netmask), (60, Netmask::V6(64)));
    assert_eq!(service.reals[1].name.as_deref(), Some("web"));
    assert!(
        matches!(&probe(&service.reals[0]).kind, Kind::Http(http) if http.url == "http://[2001:db8::10]:80/")
    );
    assert_eq!(service.fallback.unwrap().key.to_string(), "[::1]:80", "gate: the port is the service's");
}

#[test]
fn udp_by_port_53_and_what_it_means() {
    let service = one("virtual=192.0.2.1:53\n\tchecktype=connect\n\tops=yes\n\treal=192.0.2.10:53 gate\n");
    assert_eq!(service.id(), "udp:192.0.2.1:53");
    assert!(service.service.one_packet);
    assert!(matches!(&probe(&service.reals[0]).kind, Kind::Ping { attempts: 1, .. }));
}

#[test]
fn fallbacks_global_and_own() {
    let text = "fallback=127.0.0.1:8080 masq\nvirtual=192.0.2.1:80\nvirtual=192.0.2.2:80\n\tfallback=web\n";
    let plan = plan(text);
    let shown: Vec<_> = plan
        .services
        .iter()
        .map(|s| s.fallback.as_ref().map(|f| (f.key.to_string(), f.forwarding)))
        .collect();
    assert_eq!(
        shown,
        [
            Some(("127.0.0.1:8080".into(), Forwarding::Masquerade)),
            Some(("192.0.2.10:80".into(), Forwarding::DirectRoute))
        ]
    );
}

#[test]
fn external_checks_get_ldirectords_arguments() {
    let command = |text: &str| match &probe(&one(text).reals[0]).kind {
        Kind::External { command, .. } => command.join(" "),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        command(
            "virtual=192.0.2.1:80\n\tchecktype=external\n\tcheckcommand=\"/bin/sh\"\n\treal=192.0.2.10:8080 masq\n"
        ),
        "/bin/sh 192.0.2.1 80 192.0.2.10 8080"
    );
    assert_eq!(
        command(
            "virtual=3\n\tchecktype=external-perl\n\tcheckcommand=/no/such one\n\treal=192.0.2.10 gate\n"
        ),
        "perl /no/such one 3 0 192.0.2.10 0"
    );
}

#[test]
fn http_addresses_in_every_form() {
    let http = |options: &str, real: &str| {
        let service = one(&format!("virtual=192.0.2.1:443\n{options}\treal=192.0.2.10:443 gate {real}\n"));
        match &probe(&service.reals[0]).kind {
            Kind::Http(http) => http.clone(),
            other => panic!("{other:?}"),
        }
    };
    let named = http("\tvirtualhost=www.example.com\n\trequest=\"a/b?c=d\"\n", "");
    assert_eq!(named.url, "https://www.example.com:443/a/b?c=d");
    assert_eq!(
        (named.host.as_deref(), named.route),
        (Some("www.example.com"), Route::To("192.0.2.10:443".parse().unwrap()))
    );
    let plain = http("\tservice=http\n\tcheckport=81\n\tvirtualhost=www.example.com\n", "");
    assert_eq!((plain.url.as_str(), plain.route), ("http://192.0.2.10:81/", Route::Resolved));
    let own = http("\trequest=\"x\"\n", "5 \"http://192.0.2.77:99/y\", \"z\"");
    assert_eq!((own.url.as_str(), own.host), ("http://192.0.2.77:99/y", None));
    let section_url = http("\tservice=http\n\trequest=\"http://192.0.2.77/y\"\n", "");
    assert_eq!(section_url.url, "http://192.0.2.10:443/http://192.0.2.77/y");
    let odd_name = http("\tvirtualhost=\"bad_name..\"\n", "");
    assert!(!odd_name.url.is_empty());
}

#[test]
fn combined_on_off_and_none() {
    let check = |options: &str| {
        one(&format!("virtual=192.0.2.1:80\n{options}\treal=192.0.2.10:80 gate\n")).reals.remove(0).check
    };
    assert!(
        matches!(check("\tchecktype=3\n"), Check::Probe(p) if matches!(p.kind, Kind::Combined { connects: 3, .. }))
    );
    assert_eq!(check("\tchecktype=on\n"), Check::On);
    assert_eq!(check("\tchecktype=off\n"), Check::Off);
    assert_eq!(check("\tservice=none\n"), Check::On);
    assert!(
        matches!(check("\tchecktype=2\n\tservice=none\n"), Check::Probe(p) if matches!(p.kind, Kind::Connect { .. }))
    );
}

#[test]
fn every_service_has_a_check() {
    let services = "dns ftp http https http_proxy imap imaps ldap ldaps mysql nntp oracle pgsql pop pops radius \
                    simpletcp sip smtp submission";
    for service in services.split(' ') {
        let text = format!(
            "virtual=192.0.2.1:9\n\treal=192.0.2.10:9 gate\n\tservice={service}\n\tlogin=\"check\"\n\
             \trequest=\"http://192.0.2.1/\"\n"
        );
        assert_eq!(errors(&text), [""; 0], "{service}");
    }
}

#[test]
fn every_mistake_of_a_file_is_told_in_one_run() {
    let text = "checkintervall=5\nquiescent=maybe\nvirtual=192.0.2.1\n\treal=nosuch:80 gate\n\
                virtual=192.0.2.1:80\n\treceive=\"a(b\"\n\treal=192.0.2.10:80 gat\n\tschedular=wlc\n";
    let places: Vec<String> =
        errors(text).iter().map(|line| line.splitn(4, ':').take(3).collect::<Vec<_>>().join(":")).collect();
    assert_eq!(
        places,
        ["t.cf:1:1", "t.cf:2:11", "t.cf:3:9", "t.cf:4:7", "t.cf:6:13", "t.cf:7:21", "t.cf:8:2"]
    );
    let all = report(text).render();
    for hint in ["did you mean \"checkinterval\"?", "did you mean \"gate\"?", "did you mean \"scheduler\"?"] {
        assert!(all.contains(hint), "{hint} is missing:\n{all}");
    }
}

#[test]
fn contradictions() {
    for (text, place, part) in [
        ("virtual=192.0.2.1:80\nvirtual=vip:http\n", "t.cf:2:9", "tcp:192.0.2.1:80 is written twice"),
        ("virtual=5\n\tprotocol=tcp\n", "t.cf:2:11", "firewall mark"),
        ("virtual=192.0.2.1:80\n\tprotocol=fwm\n", "t.cf:2:11", "only for firewall marks"),
        ("virtual=192.0.2.1:0\n", "t.cf:1:9", "persistent"),
        ("virtual=192.0.2.1:80\n\treal=192.0.2.9->192.0.2.1:80 gate\n", "t.cf:2:7", "backwards"),
        ("virtual=192.0.2.1:80\n\treal=10.0.0.1->10.9.0.1:80 gate\n", "t.cf:2:7", "more than"),
        ("virtual=3\n\tchecktype=connect\n\treal=192.0.2.9 gate\n", "t.cf:3:7", "no port at which to check"),
    ] {
        let found = errors(text);
        assert!(
            found.len() == 1 && found[0].starts_with(place) && found[0].contains(part),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn warnings_do_not_refuse() {
    for (text, part) in [
        ("smtp=mail.example.com:2525\n", "mail goes to port 2525"),
        ("checktimeout=3x\n", "read as 3"),
        ("virtual=192.0.2.1:80\n\tcheckinterval=3\n", "ignored when fork=no"),
        ("virtual=192.0.2.1:80\n\tscheduler=wlcc\n", "did you mean \"wlc\"?"),
        (
            "virtual=192.0.2.1:80\n\treal=192.0.2.9:80 gate\n\treal=192.0.2.9:80 gate 3\n",
            "written twice; this line counts",
        ),
        ("virtual=192.0.2.1:80\n\treal=192.0.2.9 masq\n", "connections go to port 0"),
        ("logfile=\"nosuchfacility\"\n", "not a syslog facility"),
        ("checkinterval=5\n", "there is no virtual service in this file"),
        ("virtual=192.0.2.1:80\n", "this virtual service has no real server"),
        ("virtual=192.0.2.1:80\n\tchecktype=external\n", "without checkcommand every server is up"),
        (
            "virtual=192.0.2.1:80\n\tchecktype=external\n\tcheckcommand=/no/such\n",
            "checkcommand /no/such does not exist, so every server is down",
        ),
        (
            "virtual=192.0.2.1:80\n\tchecktype=external\n\tcheckcommand=/etc/passwd -x\n",
            "checkcommand /etc/passwd is not executable",
        ),
        (
            "virtual=192.0.2.1:80\n\tchecktype=external\n\tcheckcommand=check.sh\n",
            "checkcommand check.sh is not an absolute path",
        ),
    ] {
        let report = report(text);
        assert!(!report.has_errors(), "{}", report.render());
        assert!(report.render().contains(part), "{part}:\n{}", report.render());
    }
    let twice = one("virtual=192.0.2.1:80\n\treal=192.0.2.9:80 gate\n\treal=192.0.2.9:80 gate 3\n");
    assert_eq!((twice.reals.len(), twice.reals[0].destination.weight), (1, 3));
}

#[test]
fn ranges_and_per_server_intervals() {
    let service = one(
        "fork=yes\ncheckinterval=5\nvirtual=192.0.2.1:80\n\tcheckinterval=2\n\treal=192.0.2.10->192.0.2.12:80 gate 4\n",
    );
    let shown: Vec<String> = service.reals.iter().map(|real| real.shown().to_string()).collect();
    assert_eq!(shown, ["192.0.2.10:80", "192.0.2.11:80", "192.0.2.12:80"]);
    assert_eq!(probe(&service.reals[0]).interval, Duration::from_secs(2));
}

#[test]
fn times_with_units() {
    let millis = |text: &str| {
        let service = one(&format!("{text}\treal=192.0.2.10:80 gate\n"));
        let probe = probe(&service.reals[0]);
        (
            probe.interval.as_millis(),
            probe.kind.limit().as_millis(),
            probe.recheck.map(|time| time.as_millis()),
        )
    };
    assert_eq!(
        millis("checkinterval=200ms\nnegotiatetimeout=0.5\nrecheckinterval=50ms\nvirtual=192.0.2.1:80\n"),
        (200, 500, Some(50))
    );
    assert_eq!(millis("virtual=192.0.2.1:80\n\tnegotiatetimeout=1min\n"), (10_000, 60_000, None));
    // A section's own interval counted only with fork=yes; one with a unit was never written for ldirectord.
    for (own, interval) in [("3", 10_000), ("3s", 3_000), ("3.0", 3_000), ("-3", 10_000)] {
        let text = format!("virtual=192.0.2.1:80\n\tcheckinterval={own}\n");
        assert_eq!(millis(&text).0, interval, "{own}");
        let warned = report(&text).render().contains("ignored when fork=no");
        assert_eq!(warned, interval == 10_000, "{own}");
    }
    assert_eq!(millis("recheckinterval=1\nvirtual=192.0.2.1:80\n\trecheckinterval=2\n").2, Some(2_000));
    let persistent = one("virtual=192.0.2.1:80\n\tpersistent=10min\n");
    assert_eq!(persistent.service.persistence.map(|persistence| persistence.timeout), Some(600));
    assert_eq!(
        errors("checkinterval=1ms\nchecktimeout=0.0\nvirtual=192.0.2.1:80\n\tpersistent=0.5\n\trise=0\n")
            .len(),
        4
    );
}

#[test]
fn what_ldirectord_does_not_have_is_off_unless_it_is_written() {
    let text = |own: &str| {
        format!(
            "virtual=192.0.2.1:80\n\tchecktype=external\n\tcheckcommand=/bin/true\n{own}\treal=192.0.2.10->192.0.2.11:80 gate 20\n"
        )
    };
    let plain = one(&text(""));
    assert_eq!(
        (plain.slow_start, plain.keep_last, probe(&plain.reals[0]).kind.weighs()),
        (Duration::ZERO, false, false)
    );
    let all = "slowstart=30s\nkeeplast=yes\nweightfromcheck=yes\n";
    let global = one(&format!("{all}{}", text("")));
    assert_eq!(
        (global.slow_start.as_secs(), global.keep_last, probe(&global.reals[0]).kind.weighs()),
        (30, true, true)
    );
    let own = one(&format!("{all}{}", text("\tslowstart=0\n\tkeeplast=no\n\tweightfromcheck=no\n")));
    assert_eq!(
        (own.slow_start, own.keep_last, probe(&own.reals[0]).kind.weighs()),
        (Duration::ZERO, false, false)
    );
    assert_eq!(report(&format!("{all}{}", text(""))).lines().count(), 0);
    for (own, part) in [
        ("\tweightfromcheck=yes\n", "only a program says a weight"),
        ("\tslowstart=3\n", "a weight of 1 cannot grow"),
        ("\tkeeplast=yes\n", "there is only one real server"),
    ] {
        let report = report(&format!("virtual=192.0.2.1:80\n{own}\treal=192.0.2.10:80 gate\n"));
        assert!(report.render().contains(part) && !report.has_errors(), "{}", report.render());
    }
}

#[test]
fn source_addresses_global_and_own() {
    let text = "sourceaddress=192.0.2.5\nsourceaddress6=[2001:db8::5]\n\
                virtual=192.0.2.1:80\n\treal=192.0.2.10:80 gate\n\
                virtual=192.0.2.2:80\n\tsourceaddress=vip\n\treal=192.0.2.10:80 gate\n\
                virtual6=[2001:db8::1]:80\n\treal6=[2001:db8::10]:80 gate\n\
                virtual6=[2001:db8::2]:80\n\tsourceaddress=2001:db8::6\n\treal6=[2001:db8::10]:80 gate\n";
    let sources: Vec<_> = plan(text)
        .services
        .iter()
        .map(|service| probe(&service.reals[0]).source.map(|ip| ip.to_string()))
        .collect();
    let expected = ["192.0.2.5", "192.0.2.1", "2001:db8::5", "2001:db8::6"];
    assert_eq!(sources, expected.map(|text| Some(text.to_owned())));
    assert_eq!(probe(&one("virtual=192.0.2.1:80\n\treal=192.0.2.10:80 gate\n").reals[0]).source, None);
    let wrong = errors("sourceaddress=2001:db8::5\nsourceaddress6=nobody\n");
    assert!(wrong.len() == 2 && wrong[0].starts_with("t.cf:1:15"), "{wrong:?}");
}

#[test]
fn rise_is_one_unless_it_is_written() {
    let rise = |text: &str| one(text).rise;
    assert_eq!(rise("virtual=192.0.2.1:80\n"), 1);
    assert_eq!(rise("rise=2\nvirtual=192.0.2.1:80\n"), 2);
    assert_eq!(rise("rise=2\nvirtual=192.0.2.1:80\n\trise=3\n"), 3);
}

proptest! {
    /// Files can be anything: a report, never a panic.
    #[test]
    fn any_text_is_read(text in "(\\PC|\n|\t|\r)*") {
        let _ = report(&text).render();
    }

    /// Lines that look like directives.
    #[test]
    fn any_value_of_any_directive_is_read(
        lines in proptest::collection::vec((0..directive::DIRECTIVES.len(), "[ \"a-z0-9.:>\\[\\]()*#,=-]{0,24}", any::<bool>()), 0..12)
    ) {
        let mut text = String::from("virtual=192.0.2.1:80\n");
        for (number, value, indented) in lines {
            let name = directive::DIRECTIVES[number].name;
            text += &format!("{}{name}={value}\n", if indented { "\t" } else { "" });
        }
        let report = report(&text);
        let _ = report.render();
        prop_assert!(report.lines().all(|line| line.starts_with("t.cf")));
    }
}

#[test]
fn monitor_files_name_checks_as_ldirectord_did() {
    let names = |lines: &str| {
        let text = format!("virtual=192.0.2.1:80\n\tmonitorfile=\"/tmp/checks\"\n{lines}");
        one(&text).reals.into_iter().map(|real| real.monitor_name.into_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        names(
            "\treal=192.0.2.10:9000 masq 16 \"multi\", \"a\\.b\"\n\treal=192.0.2.11:80 gate\n\tvirtualhost=www.example.com\n\tcheckport=81\n"
        ),
        [
            "negotiate http tcp 192.0.2.10 9000 www.example.com 81 16 masq /multi a.b",
            "negotiate http tcp 192.0.2.11 80 www.example.com 81 1 gate / "
        ]
    );
    assert_eq!(
        names("\tchecktype=external\n\tcheckcommand=/bin/check\n\treal=192.0.2.10:80 ipip\n"),
        ["external /bin/check tcp 192.0.2.10 80 1 ipip / "]
    );
    assert_eq!(
        names("\tchecktype=3\n\treal=192.0.2.10:80 gate\n"),
        ["combined http tcp 192.0.2.10 80 1 gate / "]
    );
    let without = one("virtual=192.0.2.1:80\n\treal=192.0.2.10:80 gate\n");
    assert_eq!((without.monitor_file, without.reals[0].monitor_name.as_ref()), (None, ""));
}
