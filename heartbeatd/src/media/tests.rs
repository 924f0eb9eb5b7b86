//! Real sockets on the loopback interface, and pseudo-terminals as serial lines.

mod serial;

use super::*;
use crate::config::{Medium as Line, MediumKind};
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn target(interface: &str, kind: MediumKind) -> Target {
    let medium = Line { interface: interface.into(), kind };
    resolve(&[medium]).unwrap().remove(0)
}

fn received(medium: &mut Medium) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 65_536];
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        if let Some(bytes) = medium.receive(&mut buffer).unwrap() {
            return Some(buffer[..bytes].to_vec());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

#[test]
fn unicast_there_and_back() {
    for peer in ["127.0.0.1", "::1"] {
        let kind = MediumKind::Unicast { peer: peer.into(), port: free_port(), v6: peer.contains(':') };
        let mut medium = Medium::open(&target("lo", kind)).unwrap();
        assert_eq!(medium.receive(&mut [0; 10]).unwrap(), None, "it never blocks");
        medium.send(b"###\nhello").unwrap();
        assert_eq!(received(&mut medium).as_deref(), Some(&b"###\nhello"[..]), "{peer}");
        let large = vec![7; 60_000];
        medium.send(&large).unwrap();
        assert_eq!(received(&mut medium), Some(large), "{peer}");
    }
}

#[test]
fn two_lines_of_one_interface_share_the_port() {
    let port = free_port();
    let line = |peer: &str| target("lo", MediumKind::Unicast { peer: peer.into(), port, v6: false });
    let first = Medium::open(&line("127.0.0.1")).unwrap();
    let second = Medium::open(&line("127.0.0.2")).unwrap();
    let destination = |medium: &Medium| match &medium.way {
        Way::Datagrams { destination, .. } => destination.as_socket(),
        Way::Serial(_) => None,
    };
    assert_ne!(destination(&first), destination(&second));
}

#[test]
fn multicast_through_the_interface() {
    let group = Ipv4Addr::new(239, 255, 7, 9);
    let kind = MediumKind::Multicast { group, port: free_port(), ttl: 1, own_back: true };
    let mut medium = Medium::open(&target("lo", kind)).unwrap();
    medium.send(b"x").unwrap();
    assert_eq!(received(&mut medium).as_deref(), Some(&b"x"[..]));
}

#[test]
fn what_is_missing_is_named() {
    let missing = Medium::open(&target("no-such-if", MediumKind::Broadcast { port: 694 })).unwrap_err();
    assert_eq!(missing.to_string(), "there is no network interface no-such-if");
    let loopback = Medium::open(&target("lo", MediumKind::Broadcast { port: 694 })).unwrap_err();
    assert_eq!(loopback.to_string(), "network interface lo has no IPv4 address with a broadcast address");
    let kind = MediumKind::Unicast { peer: "name.invalid".into(), port: 694, v6: false };
    let unknown = resolve(&[Line { interface: "lo".into(), kind }]).unwrap_err();
    assert!(unknown.starts_with("ucast lo name.invalid port 694: "), "{unknown}");
}

#[test]
fn the_keeper_opens_what_was_missing_and_ends_when_dropped() {
    let kind = MediumKind::Unicast { peer: "127.0.0.1".into(), port: free_port(), v6: false };
    let (tell, told) = sync_channel(8);
    let targets = [target("no-such-if", kind.clone()), target("lo", kind)];
    let slots = targets.iter().map(|target| Watched::new(target, None)).collect();
    let keeper = Keeper::start(slots, move |slot, change| tell.send((slot, change)).is_ok()).unwrap();
    let (slot, change) = told.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(slot, 1);
    assert!(matches!(change, Change::Opened(_)));
    drop(keeper);
    assert!(
        told.recv_timeout(Duration::from_secs(5)).is_err(),
        "nothing else is reported, and nobody is left"
    );
}
