//! What the neighbours hear when an address is taken: the frames themselves, on a wire.

mod lab;

use ha_resources::agents::frame::{Form, advertisement, arp};
use ha_resources::event::GroupResult;
use lab::wire::Wire;
use lab::{Lab, soon};
use std::time::Duration;

/// The burst ends a second after its beginning.
const BURST: Duration = Duration::from_millis(1300);

#[test]
fn arp_requests_and_replies_alternate_at_0_10_100_and_1000_ms() {
    let lab = Lab::new();
    lab.haresources("alpha IPaddr2::192.0.2.10/24/va\n");
    let mut wire = Wire::listen(&lab);
    let mac = wire.mac();
    let ran = lab.run("takegroup IPaddr2::192.0.2.10/24/va");
    assert_eq!((ran.code, ran.groups()), (0, vec![GroupResult::Held]), "{ran:?}");
    assert!(ran.took < Duration::from_millis(800), "the program waited for the burst: {:?}", ran.took);
    assert!(!wire.seen().is_empty() || soon(|| !wire.seen().is_empty()), "nothing was announced");
    let frames = wire.wait(BURST);
    let ip = "192.0.2.10".parse().unwrap();
    assert_eq!(frames.len(), 8, "two frames at each of four times");
    for (number, (_, frame)) in frames.iter().enumerate() {
        let form = if number % 2 == 0 { Form::Request } else { Form::Reply };
        assert_eq!(frame[..], arp(form, mac, ip), "frame {number}");
    }
    let first = frames[0].0;
    for (pair, after) in frames.chunks(2).zip([0u64, 10, 100, 1000]) {
        let at = u64::try_from((pair[0].0 - first).as_millis()).unwrap();
        // A busy machine sends or stamps any of them late, the first one too: the four times must be told apart, no more.
        assert!(at >= after / 2 && at <= after + 400, "{at} ms instead of {after} ms");
    }
}

#[test]
fn a_neighbour_that_knew_another_machine_learns_the_new_one_at_once() {
    let lab = Lab::new();
    lab.haresources("alpha IPaddr2::192.0.2.10/24/va IPv6addr::2001:db8:0:0:0:0:0:10/64/va\n");
    lab.peer_runs("ip address add 2001:db8::2/64 dev vb nodad");
    for ip in ["192.0.2.10", "2001:db8::10"] {
        lab.peer_runs(&format!("ip neighbour replace {ip} lladdr 02:00:00:00:00:99 nud reachable dev vb"));
    }
    let mac = lab.ip("-o link show dev va").split("link/ether ").nth(1).unwrap()[..17].to_owned();
    assert_eq!(lab.run("takenode alpha").code, 0);
    for ip in ["192.0.2.10", "2001:db8::10"] {
        let knows = || lab.peer_runs(&format!("ip neighbour show {ip} dev vb")).contains(&mac);
        assert!(soon(knows), "{}", lab.peer_runs("ip neighbour show"));
    }
}

#[test]
fn ipv6_is_announced_by_advertisements() {
    let lab = Lab::new();
    lab.haresources("alpha IPv6addr::2001:db8:0:0:0:0:0:10/64/va\n");
    let mut wire = Wire::listen(&lab);
    let mac = wire.mac();
    assert_eq!(lab.run("takenode alpha").code, 0);
    let ip = "2001:db8::10".parse().unwrap();
    let frames = wire.wait(BURST);
    let ours: Vec<_> =
        frames.iter().filter(|(_, frame)| frame[..] == advertisement(mac, ip, false)).collect();
    assert_eq!(ours.len(), 4);
    std::fs::write("/proc/sys/net/ipv6/conf/va/forwarding", "1").unwrap();
    assert_eq!(lab.run("announce alpha").code, 0);
    assert!(
        soon(|| wire.seen().iter().any(|(_, frame)| frame[..] == advertisement(mac, ip, true))),
        "not as a router"
    );
}

#[test]
fn giving_the_address_away_ends_its_announcements() {
    let lab = Lab::new();
    lab.haresources("alpha 192.0.2.10/24/va\nalpha 192.0.2.11/24/va\n");
    let mut wire = Wire::listen(&lab);
    assert_eq!(lab.run("takenode alpha").code, 0);
    assert_eq!(lab.run("givegroup 192.0.2.10/24/va").code, 0);
    std::thread::sleep(Duration::from_millis(20));
    let before = wire.seen().len();
    let given = [192, 0, 2, 10];
    let late: Vec<_> =
        wire.wait(BURST)[before..].iter().filter(|(_, frame)| frame[28..32] == given).collect();
    assert!(late.is_empty(), "announced after it was given away: {} frames", late.len());
    let kept = wire.seen()[before..].iter().filter(|(_, frame)| frame[28..32] == [192, 0, 2, 11]).count();
    assert!(kept >= 2, "the other address is announced on");
}

#[test]
fn what_is_held_is_announced_again() {
    let lab = Lab::new();
    lab.haresources(
        "alpha 192.0.2.10/24/va\nalpha httpd::x\nbeta 192.0.2.20/24/va\nalpha 192.0.2.30 192.0.2.31\n",
    );
    assert_eq!(lab.run("takegroup 192.0.2.10/24/va").code, 0);
    lab.ip("address add 192.0.2.31/24 dev va");
    std::thread::sleep(BURST);
    let mut wire = Wire::listen(&lab);
    let ran = lab.run("announce alpha");
    assert_eq!(ran.groups(), [GroupResult::Held, GroupResult::Released, GroupResult::Failed], "{ran:?}");
    assert_eq!(ran.code, 1, "half a group is not as asked");
    let ips = |wire: &mut Wire| {
        let mut ips: Vec<_> = wire.seen().iter().map(|(_, frame)| frame[31]).collect();
        ips.dedup();
        ips
    };
    // the first repetition follows 10 ms later
    assert!(soon(|| ips(&mut wire).starts_with(&[10, 31])), "{:?}", ips(&mut wire));
    assert!(ips(&mut wire).iter().all(|ip| [10, 31].contains(ip)), "{:?}", ips(&mut wire));
    let ran = lab.run("takegroup 192.0.2.10/24/va");
    assert_eq!(ran.steps(), ["192.0.2.10/24/va start already"]);
    assert!(soon(|| wire.seen().iter().filter(|(_, frame)| frame[31] == 10).count() > 8));
    assert_eq!(lab.run("announce beta").groups(), [GroupResult::Released]);
}
