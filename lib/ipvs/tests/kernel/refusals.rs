//! Every error number with its meaning, provoked in the kernel.
use crate::lab::{connect, in_namespace, ipvsadm, key, real, real_key, saved};
use ipvs::{
    Checksum, Destination, Error, Family, Forwarding, Persistence, Reason, Service, SyncDaemon, SyncRole,
    Timeouts, Tunnel,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

const SERVICE: &str = "TCP 203.0.113.1:80";
const IPIP: Forwarding = Forwarding::Tunnel(Tunnel::Ipip);

fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> Reason {
    let error = result.unwrap_err();
    error.reason().cloned().unwrap_or_else(|| panic!("not from the kernel: {error}"))
}

#[test]
fn of_services() {
    in_namespace(|client| {
        let service = Service::new(key(SERVICE), "rr");
        assert_eq!(reason(client.update_service(&service)), Reason::NoService);
        assert_eq!(reason(client.delete_service(&service.key)), Reason::NoService);
        assert_eq!(reason(client.zero(Some(&service.key))), Reason::NoService);
        assert_eq!(reason(client.destinations(&service.key)), Reason::NoService);
        assert_eq!(client.service(&service.key).unwrap(), None);
        client.add_service(&service).unwrap();
        assert_eq!(reason(client.add_service(&service)), Reason::Exists);
        let unknown = Service::new(key("TCP 203.0.113.202:80"), "foo");
        let error = client.add_service(&unknown).unwrap_err();
        assert_eq!(
            error.to_string(),
            "virtual service TCP 203.0.113.202:80: scheduler \"foo\" is unknown to this kernel (ENOENT)"
        );
        assert_eq!(
            error.hint().as_deref(),
            Some("check the spelling, and that the module ip_vs_foo is installed")
        );
        let unknown = Service { scheduler: "foo".to_owned(), ..service.clone() };
        assert!(matches!(reason(client.update_service(&unknown)), Reason::NoScheduler { .. }));
        let persistence = Persistence { engine: Some("bar".to_owned()), ..Persistence::new(60, Family::V4) };
        let unknown = Service { persistence: Some(persistence), ..service };
        assert_eq!(
            reason(client.update_service(&unknown)),
            Reason::NoScheduler { scheduler: "rr".to_owned(), engine: Some("bar".to_owned()) }
        );
        assert_eq!(saved(), ["-A -t 203.0.113.1:80 -s rr"], "a refused edit changes nothing");
    });
}

#[test]
fn of_destinations() {
    in_namespace(|client| {
        let service = key(SERVICE);
        let web = real("192.0.2.1:80", Forwarding::DirectRoute);
        assert_eq!(reason(client.add_destination(&service, &web)), Reason::NoService);
        assert_eq!(reason(client.update_destination(&service, &web)), Reason::NoService);
        assert_eq!(reason(client.delete_destination(&service, &web.key)), Reason::NoService);
        client.add_service(&Service::new(service.clone(), "rr")).unwrap();
        assert_eq!(reason(client.update_destination(&service, &web)), Reason::NoDestination);
        assert_eq!(reason(client.delete_destination(&service, &web.key)), Reason::NoDestination);
        client.add_destination(&service, &web).unwrap();
        assert_eq!(reason(client.add_destination(&service, &web)), Reason::Exists);
        let heavy = Destination { weight: 1 << 31, ..web.clone() };
        assert_eq!(reason(client.update_destination(&service, &heavy)), Reason::Weight(1 << 31));
        let crossed = Destination { upper_threshold: 5, lower_threshold: 6, ..web.clone() };
        assert_eq!(
            reason(client.update_destination(&service, &crossed)),
            Reason::Thresholds { upper: 5, lower: 6 }
        );
        let no_port = Forwarding::Tunnel(Tunnel::Gue { port: 0, checksum: Checksum::None });
        assert_eq!(
            reason(client.add_destination(&service, &real("192.0.2.2:80", no_port))),
            Reason::NoTunnelPort
        );
        let group = real("224.0.0.1:80", Forwarding::DirectRoute);
        assert_eq!(reason(client.add_destination(&service, &group)), Reason::NotUnicast(group.key.address));
        let mixed = real("[2001:db8::9]:80", Forwarding::Masquerade);
        assert_eq!(reason(client.add_destination(&service, &mixed)), Reason::MixedNeedsTunnel);
        assert_eq!(saved(), ["-A -t 203.0.113.1:80 -s rr", "-a -t 203.0.113.1:80 -r 192.0.2.1:80 -g -w 1"]);
    });
}

#[test]
fn of_daemons() {
    in_namespace(|client| {
        assert_eq!(reason(client.stop_daemon(SyncRole::Master)), Reason::NotRunning);
        let missing = SyncDaemon::new(SyncRole::Master, "eth7", 1);
        assert_eq!(reason(client.start_daemon(&missing)), Reason::NoInterface("eth7".to_owned()));
        let master = SyncDaemon::new(SyncRole::Master, "lo", 1);
        client.start_daemon(&master).unwrap();
        assert_eq!(reason(client.start_daemon(&master)), Reason::Exists);
        assert_eq!(reason(client.stop_daemon(SyncRole::Backup)), Reason::NotRunning);
    });
}

/// Both ways round, the offender is named.
#[test]
fn of_mixed_families_and_sync() {
    in_namespace(|client| {
        let service = key(SERVICE);
        let mixed = real("[2001:db8::9]:80", IPIP);
        client.add_service(&Service::new(key("FWM 1"), "rr")).unwrap();
        client.add_service(&Service::new(service.clone(), "rr")).unwrap();
        client.add_destination(&service, &real("192.0.2.1:80", IPIP)).unwrap();
        client.add_destination(&service, &mixed).unwrap();
        let master = SyncDaemon::new(SyncRole::Master, "lo", 1);
        let error = client.start_daemon(&master).unwrap_err();
        assert_eq!(
            error.to_string(),
            "master sync daemon: cannot run while virtual service TCP 203.0.113.1:80 has real server \
             [2001:db8::9]:80 of the other family (EINVAL)"
        );
        client.delete_destination(&service, &mixed.key).unwrap();
        client.start_daemon(&master).unwrap();
        assert_eq!(
            reason(client.add_destination(&service, &mixed)),
            Reason::MixedWhileSyncing(SyncRole::Master)
        );
    });
}

/// What the kernel would have taken.
#[test]
fn before_the_kernel() {
    in_namespace(|client| {
        let daemon = SyncDaemon { id: 300, ..SyncDaemon::new(SyncRole::Master, "lo", 0) };
        assert!(matches!(client.start_daemon(&daemon), Err(Error::Invalid { .. })));
        assert_eq!(client.daemons().unwrap(), []);
        let every_port = Service::new(key("TCP 203.0.113.1:0"), "rr");
        let error = client.add_service(&every_port).unwrap_err();
        assert_eq!(
            error.to_string(),
            "virtual service TCP 203.0.113.1:0: port 0 (every port) needs persistence: without it no packet would match"
        );
        let timeouts = Timeouts { tcp: u32::MAX, tcp_fin: 0, udp: 0 };
        assert!(matches!(client.set_timeouts(&timeouts), Err(Error::Invalid { .. })));
        assert_eq!(saved(), Vec::<String>::new());
    });
}

/// The kernel answers EPERM, and the receive buffer is set without its privilege.
#[test]
fn without_the_capability() {
    in_namespace(|client| {
        ipvsadm("-A -t 203.0.113.1:80 -s rr");
        let none = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
            .unwrap();
        let mut weak = connect();
        let error = weak.services().unwrap_err();
        assert_eq!(error.to_string(), "IPVS table: not permitted without CAP_NET_ADMIN (EPERM)");
        assert_eq!(error.hint().as_deref(), Some("run it as root, or with CAP_NET_ADMIN"));
        assert_eq!(reason(weak.flush()), Reason::NotPermitted);
        assert_eq!(
            reason(weak.delete_destination(&key(SERVICE), &real_key("192.0.2.1:80"))),
            Reason::NotPermitted
        );
        // a socket keeps the privilege it was opened with only together with the caller's
        assert_eq!(reason(client.flush()), Reason::NotPermitted);
    });
}
