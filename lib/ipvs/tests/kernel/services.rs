use crate::lab::{in_namespace, ipvsadm, key, read, saved, sorted};
use ipvs::{Netmask, Persistence, SchedulerFlags, Service, Stats};

/// Every kind of service, and the line `ipvsadm -Sn` has for it.
fn every_kind() -> Vec<(Service, &'static str)> {
    let flags = |flag1, flag2, flag3| SchedulerFlags { flag1, flag2, flag3 };
    let persistence = |timeout, netmask| Some(Persistence { timeout, netmask, engine: None });
    let v4 = |mask: &str| Netmask::V4(mask.parse().unwrap());
    vec![
        (Service::new(key("TCP 203.0.113.1:80"), "wlc"), "-A -t 203.0.113.1:80 -s wlc"),
        (Service::new(key("UDP 203.0.113.1:53"), "rr"), "-A -u 203.0.113.1:53 -s rr"),
        (Service::new(key("SCTP 203.0.113.1:99"), "wrr"), "-A --sctp-service 203.0.113.1:99 -s wrr"),
        (Service::new(key("TCP [2001:db8::1]:443"), "lc"), "-A -t [2001:db8::1]:443 -s lc"),
        (Service::new(key("UDP [2001:db8::1]:53"), "sed"), "-A -u [2001:db8::1]:53 -s sed"),
        (Service::new(key("SCTP [2001:db8::1]:99"), "nq"), "-A --sctp-service [2001:db8::1]:99 -s nq"),
        (Service::new(key("FWM 5"), "dh"), "-A -f 5 -s dh"),
        (Service::new(key("FWM 5 IPv6"), "rr"), "-A -f 5 -6 -s rr"),
        (Service::new(key("FWM 2147483647"), "rr"), "-A -f 2147483647 -s rr"),
        (
            Service {
                scheduler_flags: flags(true, true, false),
                ..Service::new(key("TCP 203.0.113.2:80"), "sh")
            },
            "-A -t 203.0.113.2:80 -s sh -b sh-fallback,sh-port",
        ),
        (
            Service {
                scheduler_flags: flags(false, true, false),
                ..Service::new(key("TCP 203.0.113.2:81"), "mh")
            },
            "-A -t 203.0.113.2:81 -s mh -b mh-port",
        ),
        (
            Service { scheduler_flags: flags(true, false, true), ..Service::new(key("FWM 6"), "rr") },
            "-A -f 6 -s rr -b flag-1,flag-3",
        ),
        (
            Service { one_packet: true, ..Service::new(key("UDP 203.0.113.2:53"), "rr") },
            "-A -u 203.0.113.2:53 -s rr -o",
        ),
        (
            Service {
                persistence: persistence(300, v4("255.255.255.255")),
                ..Service::new(key("TCP 203.0.113.3:80"), "wlc")
            },
            "-A -t 203.0.113.3:80 -s wlc -p 300",
        ),
        (
            Service {
                persistence: persistence(2_678_400, v4("255.255.254.0")),
                ..Service::new(key("TCP 203.0.113.3:0"), "rr")
            },
            "-A -t 203.0.113.3:0 -s rr -p 2678400 -M 255.255.254.0",
        ),
        (
            Service {
                persistence: persistence(1, Netmask::V6(64)),
                ..Service::new(key("TCP [2001:db8::3]:80"), "rr")
            },
            "-A -t [2001:db8::3]:80 -s rr -p 1 -M 64",
        ),
        (
            Service {
                persistence: persistence(60, Netmask::V6(128)),
                ..Service::new(key("FWM 7 IPv6"), "rr")
            },
            "-A -f 7 -6 -s rr -p 60",
        ),
        (
            Service { persistence: persistence(60, v4("255.0.255.0")), ..Service::new(key("FWM 8"), "rr") },
            "-A -f 8 -s rr -p 60 -M 255.0.255.0",
        ),
        (
            Service {
                one_packet: true,
                persistence: Some(Persistence {
                    engine: Some("sip".to_owned()),
                    ..Persistence::new(10, ipvs::Family::V4)
                }),
                ..Service::new(key("UDP 203.0.113.3:5060"), "wrr")
            },
            "-A -u 203.0.113.3:5060 -s wrr -p 10 --pe sip -o",
        ),
    ]
}

#[test]
fn ipvsadm_shows_what_we_add() {
    in_namespace(|client| {
        let all = every_kind();
        for (service, _) in &all {
            client.add_service(service).unwrap();
        }
        let expected = sorted(all.iter().map(|(_, line)| line));
        assert_eq!(saved(), expected);
        assert_eq!(read(client), expected);
        for (service, _) in &all {
            let entry = client.service(&service.key).unwrap().unwrap();
            assert_eq!(entry.service, *service);
            assert_eq!(entry.stats, Stats::default());
        }
        for (service, _) in &all {
            client.delete_service(&service.key).unwrap();
            assert_eq!(client.service(&service.key).unwrap(), None);
        }
        assert_eq!(saved(), Vec::<String>::new());
    });
}

#[test]
fn we_read_what_ipvsadm_adds() {
    in_namespace(|client| {
        let all = every_kind();
        for (_, line) in &all {
            ipvsadm(line);
        }
        let expected = sorted(all.iter().map(|(_, line)| line));
        assert_eq!(saved(), expected);
        assert_eq!(read(client), expected);
        for entry in client.services().unwrap() {
            assert!(all.iter().any(|(service, _)| *service == entry.service), "{entry:?}");
        }
    });
}

/// ipvsadm 1.31 shows marks above 2^31 as negative numbers, and no third flag of the hashing schedulers.
#[test]
fn what_ipvsadm_does_not_show_rightly() {
    in_namespace(|client| {
        let service = Service {
            scheduler_flags: SchedulerFlags { flag1: false, flag2: true, flag3: true },
            ..Service::new(key("FWM 4294967295"), "mh")
        };
        client.add_service(&service).unwrap();
        assert_eq!(saved(), ["-A -f -1 -s mh -b mh-port"]);
        assert_eq!(client.services().unwrap()[0].service, service);
        client.flush().unwrap();
        ipvsadm(&ipvs::ipvsadm::service_line(&service));
        assert_eq!(client.services().unwrap()[0].service, service);
    });
}

/// An update changes everything but the key, both ways, and leaves no flag of the old values behind.
#[test]
fn updates_replace_every_value() {
    in_namespace(|client| {
        let plain = Service::new(key("UDP 203.0.113.1:5060"), "rr");
        let full = Service {
            scheduler: "wrr".to_owned(),
            scheduler_flags: SchedulerFlags { flag1: true, flag2: true, flag3: true },
            one_packet: true,
            persistence: Some(Persistence {
                timeout: 77,
                netmask: Netmask::V4("255.255.0.0".parse().unwrap()),
                engine: Some("sip".to_owned()),
            }),
            key: plain.key.clone(),
        };
        client.add_service(&plain).unwrap();
        for service in [&full, &plain, &full] {
            client.update_service(service).unwrap();
            assert_eq!(client.service(&plain.key).unwrap().unwrap().service, *service);
            assert_eq!(saved(), [ipvs::ipvsadm::service_line(service)]);
        }
    });
}

/// ipvsadm leaves a netmask in a service without persistence; it is no difference.
#[test]
fn leftovers_of_persistence_are_not_read() {
    in_namespace(|client| {
        ipvsadm("-A -t 203.0.113.1:80 -s rr -p 60 -M 255.255.255.0");
        ipvsadm("-E -t 203.0.113.1:80 -s rr");
        let expected = Service::new(key("TCP 203.0.113.1:80"), "rr");
        assert_eq!(client.service(&expected.key).unwrap().unwrap().service, expected);
    });
}
