//! What a request says about an object is what the kernel says about it in a dump, so that reading a
//! request gives the object back.
use super::*;
use proptest::prelude::*;

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|a| IpAddr::from(Ipv4Addr::from(a))),
        any::<[u8; 16]>().prop_map(|a| IpAddr::from(Ipv6Addr::from(a)))
    ]
}

fn service_key() -> impl Strategy<Value = ServiceKey> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)];
    let family = prop_oneof![Just(Family::V4), Just(Family::V6)];
    prop_oneof![
        (protocol, address(), any::<u16>()).prop_map(|(p, a, port)| ServiceKey::new(p, a, port)),
        (1u32.., family).prop_map(|(mark, family)| ServiceKey::fwmark(mark, family).unwrap())
    ]
}

fn persistence(family: Family) -> impl Strategy<Value = Persistence> {
    let netmask = match family {
        Family::V4 => any::<[u8; 4]>().prop_map(|mask| Netmask::V4(mask.into())).boxed(),
        Family::V6 => (1u8..=128).prop_map(Netmask::V6).boxed(),
    };
    (1..=Persistence::MAX_TIMEOUT, netmask, proptest::option::of("[a-z]{1,15}"))
        .prop_map(|(timeout, netmask, engine)| Persistence { timeout, netmask, engine })
}

fn service() -> impl Strategy<Value = Service> {
    service_key().prop_flat_map(|key| {
        let zero = matches!(key, ServiceKey::Address { port: 0, .. });
        let persistence = proptest::option::weighted(if zero { 1.0 } else { 0.5 }, persistence(key.family()));
        (Just(key), "[a-z0-9_-]{1,15}", any::<[bool; 4]>(), persistence).prop_map(
            |(key, scheduler, [flag1, flag2, flag3, one_packet], persistence)| Service {
                key,
                scheduler,
                scheduler_flags: SchedulerFlags { flag1, flag2, flag3 },
                one_packet,
                persistence,
            },
        )
    })
}

fn forwarding() -> impl Strategy<Value = Forwarding> {
    let checksum = prop_oneof![Just(Checksum::None), Just(Checksum::Full), Just(Checksum::Remote)];
    let gre = prop_oneof![Just(GreChecksum::None), Just(GreChecksum::Full)];
    let tunnel = prop_oneof![
        Just(Tunnel::Ipip),
        (any::<u16>(), checksum).prop_map(|(port, checksum)| Tunnel::Gue { port, checksum }),
        gre.prop_map(|checksum| Tunnel::Gre { checksum }),
        (3u8.., any::<u16>(), any::<u16>()).prop_map(|(kind, port, flags)| Tunnel::Other {
            kind,
            port,
            flags
        }),
    ];
    prop_oneof![
        Just(Forwarding::Masquerade),
        Just(Forwarding::Local),
        Just(Forwarding::DirectRoute),
        Just(Forwarding::Bypass),
        (5u32..=7).prop_map(Forwarding::Other),
        tunnel.prop_map(Forwarding::Tunnel),
    ]
}

fn destination() -> impl Strategy<Value = Destination> {
    (address(), any::<u16>(), any::<u32>(), forwarding(), any::<[u32; 2]>()).prop_map(
        |(address, port, weight, forwarding, [upper_threshold, lower_threshold])| Destination {
            key: DestinationKey::new(address, port),
            weight,
            forwarding,
            upper_threshold,
            lower_threshold,
        },
    )
}

fn daemon() -> impl Strategy<Value = SyncDaemon> {
    let group = proptest::option::of(prop_oneof![
        any::<[u8; 3]>().prop_map(|[a, b, c]| IpAddr::from([224 | a & 15, a, b, c])),
        any::<u16>().prop_map(|a| IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, a])),
    ]);
    let role = prop_oneof![Just(SyncRole::Master), Just(SyncRole::Backup)];
    (
        role,
        "[a-z0-9.]{1,15}",
        0u32..=255,
        any::<Option<u16>>(),
        group,
        any::<Option<u16>>(),
        any::<Option<u8>>(),
    )
        .prop_map(|(role, interface, id, max_length, group, port, ttl)| SyncDaemon {
            role,
            interface,
            id,
            max_length,
            group,
            port,
            ttl,
        })
}

proptest! {
    #[test]
    fn services(service in service()) {
        let bytes = Request::AddService(&service).encode(30, 1).unwrap();
        prop_assert_eq!(parse_service(attributes(&bytes)).unwrap(), ServiceEntry { service, stats: Stats::default() });
    }

    #[test]
    fn service_keys_as_text(key in service_key()) {
        // the scope of a link-local address and an IPv4-mapped one are texts of their own, but parse back
        prop_assert_eq!(key.to_string().parse::<ServiceKey>(), Ok(key));
    }

    #[test]
    fn destinations(key in service_key(), destination in destination()) {
        let bytes = Request::UpdateDestination(&key, &destination).encode(30, 1).unwrap();
        let entry = parse_destination(attributes(&bytes), key.family()).unwrap();
        prop_assert_eq!(entry.destination, destination);
    }

    #[test]
    fn daemons(daemon in daemon()) {
        let bytes = Request::StartDaemon(&daemon).encode(30, 1).unwrap();
        prop_assert_eq!(parse_daemon(attributes(&bytes)).unwrap(), daemon);
    }

    #[test]
    fn timeouts(tcp in 1..=Persistence::MAX_TIMEOUT, tcp_fin in 1..=Persistence::MAX_TIMEOUT, udp in 0..=Persistence::MAX_TIMEOUT) {
        let timeouts = Timeouts { tcp, tcp_fin, udp };
        let bytes = Request::SetTimeouts(&timeouts).encode(30, 1).unwrap();
        prop_assert_eq!(parse_timeouts(attributes(&bytes)).unwrap(), timeouts);
    }

    #[test]
    fn garbage_is_an_error_or_a_value(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read_all(&bytes);
    }

    /// Damaged real messages get further into the parsers than noise does.
    #[test]
    fn damaged_messages_are_an_error_or_a_value(
        service in service(),
        destination in destination(),
        daemon in daemon(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<proptest::sample::Index>(),
    ) {
        let requests = [
            Request::AddService(&service),
            Request::AddDestination(&service.key, &destination),
            Request::StartDaemon(&daemon),
        ];
        for request in requests {
            let mut bytes = request.encode(30, 1).unwrap();
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            read_all(attributes(&bytes));
            bytes.truncate(cut.index(bytes.len()));
            read_all(bytes.get(20..).unwrap_or_default());
            let _ = Exchange::new(1).feed(&bytes, |_| {});
        }
    }
}

fn read_all(bytes: &[u8]) {
    let _ = parse_service(bytes);
    let _ = parse_destination(bytes, Family::V4);
    let _ = parse_destination(bytes, Family::V6);
    let _ = parse_daemon(bytes);
    let _ = parse_timeouts(bytes);
    let _ = parse_info(bytes);
    let _ = parse_family_id(bytes);
}

/// The names and numbers of every counter, and the fall-back to the older nest.
#[test]
fn statistics_of_64_bits_are_preferred_to_those_of_32() {
    let service = Service::new(web(), "rr");
    let wide: Vec<u64> = (1..=10).map(|n| n << 33).collect();
    let narrow = |out: &mut Writer| {
        for kind in 1u16..=10 {
            match kind {
                4 | 5 => out.value(kind, &(u64::from(kind) << 40).to_ne_bytes()),
                _ => out.u32(kind, kind.into()),
            }
        }
    };
    let message = |with_wide: bool| {
        let mut out = Writer::default();
        out.nest(top::SERVICE, |nest| {
            super::super::service::write(nest, &service);
            nest.nest(10, narrow);
            if with_wide {
                nest.nest(12, |stats| {
                    for (kind, value) in (1u16..).zip(&wide) {
                        stats.value(kind, &value.to_ne_bytes());
                    }
                    stats.value(11, &[]); // padding
                });
            }
        });
        out.into_bytes()
    };
    let stats = parse_service(&message(true)).unwrap().stats;
    assert_eq!(stats.connections, 1 << 33);
    assert_eq!((stats.packets_in, stats.packets_out), (2 << 33, 3 << 33));
    assert_eq!((stats.bytes_in, stats.bytes_out), (4 << 33, 5 << 33));
    assert_eq!(
        (stats.connection_rate, stats.packet_rate_in, stats.packet_rate_out),
        (6 << 33, 7 << 33, 8 << 33)
    );
    assert_eq!((stats.byte_rate_in, stats.byte_rate_out), (9 << 33, 10 << 33));
    let stats = parse_service(&message(false)).unwrap().stats;
    assert_eq!((stats.connections, stats.bytes_in, stats.bytes_out), (1, 4 << 40, 5 << 40));
    assert_eq!((stats.packets_out, stats.byte_rate_out), (3, 10));
}
