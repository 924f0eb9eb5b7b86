//! Plain data: texts, defaults, and the optional serialization.
use crate::*;

#[test]
fn keys_are_written_and_read_as_ipvsadm_writes_them() {
    let texts = [
        "TCP 203.0.113.202:80",
        "UDP [2001:db8::1]:53",
        "SCTP 203.0.113.202:0",
        "TCP [2001:db8::1]:65535",
        "FWM 5",
        "FWM 5 IPv6",
        "FWM 4294967295",
    ];
    for text in texts {
        assert_eq!(text.parse::<ServiceKey>().unwrap().to_string(), text);
    }
    assert_eq!(" TCP   203.0.113.202:80 ".parse::<ServiceKey>().unwrap().to_string(), texts[0]);
    for wrong in [
        "",
        "TCP",
        "TCP 203.0.113.202",
        "tcp 203.0.113.202:80",
        "FWM",
        "FWM 0",
        "FWM -1",
        "FWM 5 IPv4",
        "ICMP 203.0.113.202:80",
        "TCP 203.0.113.202:80 x",
        "TCP 203.0.113.202:65536",
    ] {
        assert!(wrong.parse::<ServiceKey>().is_err(), "{wrong}");
    }
}

#[test]
fn scheduler_flags_by_every_name() {
    let all = SchedulerFlags { flag1: true, flag2: true, flag3: true };
    let none = SchedulerFlags::default();
    for (scheduler, list) in [
        ("sh", "sh-fallback,sh-port,flag-3"),
        ("mh", "mh-fallback,mh-port,flag-3"),
        ("rr", "flag-1,flag-2,flag-3"),
    ] {
        assert_eq!(SchedulerFlags::parse(scheduler, list), Ok(all));
        assert_eq!(all.list(scheduler), list);
        assert_eq!(SchedulerFlags::parse(scheduler, "flag-2, flag-1 ,flag-3"), Ok(all));
        assert_eq!(SchedulerFlags::parse(scheduler, ""), Ok(none));
        assert_eq!(none.list(scheduler), "");
    }
    let error = SchedulerFlags::parse("mh", "flag-1,sh-port").unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"sh-port\" is no flag of scheduler \"mh\"; valid: mh-fallback, mh-port, flag-1, flag-2, flag-3"
    );
}

#[test]
fn version_1_2_1() {
    let info = Info { version: Version::from(0x01_02_01), table_size: 4096 };
    assert_eq!(info.to_string(), "1.2.1 (size=4096)");
}

#[cfg(feature = "serde")]
#[test]
fn json_and_back() {
    let service = Service {
        persistence: Some(Persistence::new(60, Family::V6)),
        ..Service::new("FWM 5 IPv6".parse().unwrap(), "wlc")
    };
    let json = serde_json::to_string(&service).unwrap();
    assert!(json.starts_with(r#"{"key":{"fwmark":{"mark":5,"family":"V6"}},"scheduler":"wlc""#), "{json}");
    assert_eq!(serde_json::from_str::<Service>(&json).unwrap(), service);
    let key = DestinationKey::new("192.0.2.10".parse().unwrap(), 80);
    let tunnel = Tunnel::Gue { port: 6080, checksum: Checksum::Remote };
    let entry = DestinationEntry {
        destination: Destination::new(key, Forwarding::Tunnel(tunnel)),
        connections: Connections { active: 1, inactive: 2, persistent: 3 },
        stats: Stats { bytes_in: u64::MAX, ..Stats::default() },
    };
    let json = serde_json::to_string(&entry).unwrap();
    assert!(json.contains(r#""forwarding":{"tunnel":{"gue":{"port":6080,"checksum":"remote"}}}"#), "{json}");
    assert_eq!(serde_json::from_str::<DestinationEntry>(&json).unwrap(), entry);
}
