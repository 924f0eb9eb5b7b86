//! Literal bytes, and what is refused before the kernel sees it.
use super::*;

/// The frame of `struct nlmsghdr`, `struct genlmsghdr` and attributes, worked out by hand.
#[test]
fn a_destination_edit_byte_by_byte() {
    let destination = Destination {
        weight: 0,
        ..Destination::new(
            "192.0.2.10:80".parse::<std::net::SocketAddr>().unwrap().into(),
            Forwarding::DirectRoute,
        )
    };
    let bytes = Request::UpdateDestination(&web(), &destination).encode(0x1d, 7).unwrap();
    let mut expected: Vec<u8> = Vec::new();
    let mut words = |list: &[u16]| list.iter().for_each(|word| expected.extend(word.to_ne_bytes()));
    // header: length 128, type, REQUEST|ACK, sequence, port; SET_DEST (6) version 1
    words(&[128, 0, 0x1d, 5]);
    expected.extend(7u32.to_ne_bytes());
    expected.extend([0, 0, 0, 0, 6, 1, 0, 0]);
    let mut attribute = |length: u16, kind: u16, value: &[u8]| {
        expected.extend(length.to_ne_bytes());
        expected.extend(kind.to_ne_bytes());
        expected.extend(value);
    };
    attribute(36, 0x8001, &[]);
    attribute(6, 1, &[2u16.to_ne_bytes(), [0, 0]].concat());
    attribute(6, 2, &[6u16.to_ne_bytes(), [0, 0]].concat());
    attribute(8, 3, &[203, 0, 113, 202]);
    attribute(6, 4, &[0, 80, 0, 0]);
    attribute(60, 0x8002, &[]);
    attribute(6, 11, &[2u16.to_ne_bytes(), [0, 0]].concat());
    attribute(8, 1, &[192, 0, 2, 10]);
    attribute(6, 2, &[0, 80, 0, 0]);
    attribute(8, 3, &3u32.to_ne_bytes());
    attribute(8, 4, &0u32.to_ne_bytes());
    attribute(8, 5, &0u32.to_ne_bytes());
    attribute(8, 6, &0u32.to_ne_bytes());
    expected[..4].copy_from_slice(&u32::try_from(bytes.len()).unwrap().to_ne_bytes());
    assert_eq!(bytes, expected);
}

#[test]
fn lists_are_dumps_and_all_else_is_acknowledged() {
    let key = web();
    let flags = |request: Request<'_>| {
        let bytes = request.encode(30, 1).unwrap();
        u16::from_ne_bytes([bytes[6], bytes[7]])
    };
    for request in [Request::Services, Request::Destinations(&key), Request::Daemons] {
        assert_eq!(flags(request), 0x301, "{request:?}");
    }
    for request in
        [Request::Service(&key), Request::Flush, Request::Zero(None), Request::FamilyId, Request::Info]
    {
        assert_eq!(flags(request), 5, "{request:?}");
    }
}

#[test]
fn the_family_is_asked_of_the_controller() {
    let bytes = Request::FamilyId.encode(999, 1).unwrap();
    assert_eq!(u16::from_ne_bytes([bytes[4], bytes[5]]), 16);
    assert_eq!(&bytes[16..20], [3, 2, 0, 0]);
    assert!(bytes.ends_with(b"IPVS\0\0\0\0"));
}

#[test]
fn masks_and_ports_are_in_their_own_orders() {
    let mut service = Service::new(web(), "rr");
    let mask = Netmask::V4(Ipv4Addr::new(255, 255, 254, 0));
    service.persistence = Some(Persistence { netmask: mask, ..Persistence::new(60, Family::V4) });
    let bytes = Request::AddService(&service).encode(30, 1).unwrap();
    assert!(
        bytes.windows(8).any(|w| w == [8, 0, 9, 0, 255, 255, 254, 0] || w == [0, 8, 0, 9, 255, 255, 254, 0])
    );
    service.key = ServiceKey::new(Protocol::Udp, v6(), 443);
    service.persistence = Some(Persistence { netmask: Netmask::V6(64), ..Persistence::new(60, Family::V6) });
    let bytes = Request::AddService(&service).encode(30, 1).unwrap();
    let mut expected = [8u16.to_ne_bytes(), 9u16.to_ne_bytes()].concat();
    expected.extend(64u32.to_ne_bytes());
    assert!(bytes.windows(8).any(|w| w == expected));
    let mut daemon = SyncDaemon::new(SyncRole::Backup, "eth0", 5);
    daemon.port = Some(8848);
    let bytes = Request::StartDaemon(&daemon).encode(30, 1).unwrap();
    let mut expected = [6u16.to_ne_bytes(), 7u16.to_ne_bytes(), 8848u16.to_ne_bytes()].concat();
    expected.extend([0, 0]);
    assert!(bytes.windows(8).any(|w| w == expected), "MCAST_PORT is in host order");
}

#[test]
fn a_timeout_of_zero_is_not_sent() {
    let timeouts = Timeouts { tcp: 0, tcp_fin: 60, udp: 0 };
    let bytes = Request::SetTimeouts(&timeouts).encode(30, 1).unwrap();
    assert_eq!(bytes.len(), 20 + 8);
}

#[test]
fn what_the_kernel_would_take_wrongly_is_refused() {
    let persistent = |timeout, netmask| Service {
        persistence: Some(Persistence { timeout, netmask, engine: None }),
        ..Service::new(web(), "rr")
    };
    let host = Netmask::host(Family::V4);
    let engine = Persistence { engine: Some("../sip".to_owned()), ..Persistence::new(9, Family::V4) };
    let v6 = ServiceKey::new(Protocol::Tcp, v6(), 80);
    let long = Persistence { netmask: Netmask::V6(129), ..Persistence::new(9, Family::V6) };
    let services = [
        (Service::new(web(), ""), Invalid::Scheduler(String::new())),
        (Service::new(web(), "a\0b"), Invalid::Scheduler("a\0b".to_owned())),
        (Service::new(web(), "sixteen_letters_"), Invalid::Scheduler("sixteen_letters_".to_owned())),
        (persistent(0, host), Invalid::PersistenceTimeout(0)),
        (persistent(2_678_401, host), Invalid::PersistenceTimeout(2_678_401)),
        (persistent(1, Netmask::V6(64)), Invalid::NetmaskFamily(Netmask::V6(64), Family::V4)),
        (
            Service { persistence: Some(engine), ..Service::new(web(), "rr") },
            Invalid::Engine("../sip".to_owned()),
        ),
        (Service { persistence: Some(long), ..Service::new(v6, "rr") }, Invalid::PrefixLength(129)),
        (
            Service::new(ServiceKey::new(Protocol::Tcp, Ipv4Addr::LOCALHOST.into(), 0), "rr"),
            Invalid::EveryPortWithoutPersistence,
        ),
    ];
    for (service, problem) in services {
        assert_eq!(Request::AddService(&service).encode(30, 1), Err(problem.clone()));
        assert_eq!(Request::UpdateService(&service).encode(30, 1), Err(problem));
    }
    let daemon = |change: fn(&mut SyncDaemon)| {
        let mut daemon = SyncDaemon::new(SyncRole::Master, "eth0", 1);
        change(&mut daemon);
        Request::StartDaemon(&daemon).encode(30, 1).unwrap_err()
    };
    assert_eq!(daemon(|d| d.id = 300), Invalid::SyncId(300));
    assert_eq!(daemon(|d| d.interface = "a/b".into()), Invalid::Interface("a/b".into()));
    assert_eq!(daemon(|d| d.interface = String::new()), Invalid::Interface(String::new()));
    assert_eq!(daemon(|d| d.group = Some([192, 0, 2, 1].into())), Invalid::SyncGroup([192, 0, 2, 1].into()));
    let timeouts = Timeouts { tcp: u32::MAX, tcp_fin: 0, udp: 0 };
    assert_eq!(Request::SetTimeouts(&timeouts).encode(30, 1), Err(Invalid::Timeout(u32::MAX)));
}

#[test]
fn mark_0_cannot_be_said_nor_read() {
    assert_eq!(ServiceKey::fwmark(0, Family::V4), None);
    assert!("FWM 0".parse::<ServiceKey>().is_err());
    let mut out = Writer::default();
    out.nest(top::SERVICE, |nest| {
        nest.u16(1, 2);
        nest.u32(5, 0);
    });
    assert_eq!(parse_service(&out.into_bytes()), Err(Malformed::Value { what: "FWMARK", found: 0 }));
}
