//! One number, many meanings.
use super::*;
use crate::message::Request;
use crate::*;

fn web() -> ServiceKey {
    "TCP 203.0.113.202:80".parse().unwrap()
}

fn real(address: &str) -> Destination {
    Destination::new(address.parse::<std::net::SocketAddr>().unwrap().into(), Forwarding::DirectRoute)
}

/// The refusal as an administrator reads it.
fn words(request: Request<'_>, errno: i32) -> String {
    let refused = Refused {
        operation: request.operation(),
        object: request.object(),
        reason: Reason::of(&request, errno),
        errno,
        detail: None,
    };
    Error::Refused(Box::new(refused)).to_string()
}

#[test]
fn enoent() {
    let mut service = Service::new(web(), "foo");
    assert_eq!(
        words(Request::AddService(&service), 2),
        "virtual service TCP 203.0.113.202:80: scheduler \"foo\" is unknown to this kernel (ENOENT)"
    );
    service.persistence =
        Some(Persistence { engine: Some("bar".into()), ..Persistence::new(60, Family::V4) });
    assert_eq!(
        words(Request::UpdateService(&service), 2),
        "virtual service TCP 203.0.113.202:80: scheduler \"foo\" or persistence engine \"bar\" is unknown to this kernel (ENOENT)"
    );
    let hint = Reason::of(&Request::AddService(&service), 2).hint().unwrap();
    assert!(hint.contains("ip_vs_foo and ip_vs_pe_bar"), "{hint}");
    assert_eq!(
        words(Request::DeleteDestination(&web(), &real("192.0.2.10:80").key), 2),
        "real server 192.0.2.10:80 of virtual service TCP 203.0.113.202:80: the virtual service has no such real server (ENOENT)"
    );
}

#[test]
fn esrch_eexist_enodev() {
    assert_eq!(
        words(Request::AddDestination(&web(), &real("192.0.2.10:80")), 3),
        "real server 192.0.2.10:80 of virtual service TCP 203.0.113.202:80: there is no such virtual service (ESRCH)"
    );
    assert_eq!(words(Request::StopDaemon(SyncRole::Backup), 3), "backup sync daemon: is not running (ESRCH)");
    let key = ServiceKey::fwmark(5, Family::V6).unwrap();
    assert_eq!(
        words(Request::AddService(&Service::new(key, "rr")), 17),
        "virtual service FWM 5 IPv6: exists already (EEXIST)"
    );
    let daemon = SyncDaemon::new(SyncRole::Master, "eth7", 1);
    assert_eq!(
        words(Request::StartDaemon(&daemon), 19),
        "master sync daemon: there is no interface \"eth7\" (ENODEV)"
    );
}

#[test]
fn erange_and_einval_of_a_real_server() {
    let reason = |to: Destination, errno| Reason::of(&Request::AddDestination(&web(), &to), errno);
    let heavy = Destination { weight: 1 << 31, ..real("192.0.2.10:80") };
    assert_eq!(reason(heavy.clone(), 34), Reason::Weight(1 << 31));
    assert_eq!(reason(heavy, 34).to_string(), "weight 2147483648 is out of range: 0 to 2147483647");
    let crossed = Destination { upper_threshold: 5, lower_threshold: 6, ..real("192.0.2.10:80") };
    assert_eq!(reason(crossed, 34), Reason::Thresholds { upper: 5, lower: 6 });
    assert_eq!(reason(real("[2001:db8::1]:80"), 22), Reason::MixedNeedsTunnel);
    let tunnel = |tunnel| Destination { forwarding: Forwarding::Tunnel(tunnel), ..real("[2001:db8::1]:80") };
    assert_eq!(reason(tunnel(Tunnel::Ipip), 22), Reason::Rejected);
    let port0 = Tunnel::Gue { port: 0, checksum: Checksum::None };
    assert_eq!(reason(tunnel(port0), 22), Reason::NoTunnelPort);
    for address in ["224.0.0.1:80", "255.255.255.255:80", "0.0.0.0:80"] {
        let to = real(address);
        assert_eq!(reason(to.clone(), 22), Reason::NotUnicast(to.key.address));
    }
    assert_eq!(reason(real("192.0.2.10:80"), 22), Reason::Rejected);
}

#[test]
fn numbers_without_a_meaning_of_their_own() {
    assert_eq!(words(Request::Flush, 1), "IPVS table: not permitted without CAP_NET_ADMIN (EPERM)");
    assert_eq!(words(Request::Flush, 71), "IPVS table: Protocol error (os error 71) (errno 71)");
    let detail = Some("bad".to_owned());
    let refused = Refused {
        operation: Operation::Flush,
        object: Object::Table,
        reason: Reason::Rejected,
        errno: 22,
        detail,
    };
    assert_eq!(refused.to_string(), "IPVS table: the kernel rejects it as invalid (EINVAL): \"bad\"");
}

#[test]
fn problems_before_the_kernel() {
    let error = Error::Invalid {
        operation: Operation::Add,
        object: Object::Service(web()),
        problem: Invalid::PersistenceTimeout(0),
    };
    assert_eq!(
        error.to_string(),
        "virtual service TCP 203.0.113.202:80: persistence timeout 0 s is out of range: 1 to 2678400 s (31 days)"
    );
    assert!(error.reason().is_none());
}
