//! One group, one interface, and everything that may happen to its address.

use super::*;

const HERE: Duration = Duration::from_secs(1000);

fn watched(whose: Whose) -> Vec<Watched> {
    let address = Address::parse("192.0.2.10/24/eth0").unwrap();
    vec![Watched { group: "192.0.2.10/24/eth0".to_owned(), address, whose }]
}

fn eth0(up: bool, running: bool) -> Vec<Link> {
    let ethernet = Some([2, 0, 0, 0, 0, 1]);
    vec![Link { index: 2, name: "eth0".to_owned(), up, running, loopback: false, ethernet }]
}

fn held(maker: u8, interface: u32) -> Vec<Held> {
    let ip: IpAddr = "192.0.2.10".parse().unwrap();
    let (label, broadcast) = (None, None);
    vec![Held {
        ip,
        prefix: 24,
        network: ip,
        interface,
        label,
        broadcast,
        maker,
        duplicate: false,
        deprecated: false,
    }]
}

const OURS: u8 = 0x54;

#[test]
fn a_missing_address_is_put_back_at_once_and_then_with_growing_pauses() {
    let (mut judge, group, links) = (Judge::default(), watched(Whose::HeldHere), eth0(true, true));
    assert_eq!(judge.look(HERE, &group, &held(OURS, 2), &links), []);
    assert_eq!(judge.deadline(), None);
    let mut now = HERE;
    for (tries, pause) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 60), (7, 60)] {
        assert_eq!(judge.look(now, &group, &[], &links), [Verdict::PutBack { index: 0, tries }]);
        assert_eq!(judge.look(now, &group, &[], &links), [], "not twice at the same time");
        let next = now + Duration::from_secs(pause);
        assert_eq!(judge.deadline(), Some(next));
        assert_eq!(judge.look(now, &group, &held(OURS, 2), &links), []);
        assert_eq!(judge.deadline(), None, "nothing is waited for while it is there");
        now = next;
    }
    assert_eq!(judge.look(now + CALM, &group, &held(OURS, 2), &links), []);
    let again = judge.look(now + CALM, &group, &[], &links);
    assert_eq!(again, [Verdict::PutBack { index: 0, tries: 0 }], "after a calm time it begins anew");
}

#[test]
fn an_interface_that_is_down_is_not_switched_on_by_this() {
    let (mut judge, group) = (Judge::default(), watched(Whose::HeldHere));
    let cannot = Verdict::CannotBe { index: 0, interface: "eth0".to_owned() };
    assert_eq!(judge.look(HERE, &group, &[], &eth0(false, false)), std::slice::from_ref(&cannot));
    assert_eq!(judge.look(HERE, &group, &[], &[]), [], "said once");
    assert_eq!(judge.deadline(), None);
    let back = judge.look(HERE, &group, &[], &eth0(true, true));
    assert_eq!(back, [Verdict::PutBack { index: 0, tries: 0 }]);
    assert_eq!(judge.look(HERE, &group, &held(OURS, 2), &eth0(true, true)), []);
    assert_eq!(judge.look(HERE, &group, &[], &[]), [cannot], "another time");
}

#[test]
fn a_copy_on_the_loopback_or_elsewhere_is_not_the_address() {
    let (mut judge, group, links) = (Judge::default(), watched(Whose::HeldHere), eth0(true, true));
    for interface in [1, 3] {
        let now = HERE * interface;
        let verdicts = judge.look(now, &group, &held(0, interface), &links);
        assert!(matches!(verdicts[..], [Verdict::PutBack { .. }]), "{interface}: {verdicts:?}");
    }
}

#[test]
fn of_a_group_that_is_not_here_only_what_is_ours_is_removed() {
    let (mut judge, group, links) = (Judge::default(), watched(Whose::NotHere), eth0(true, true));
    assert_eq!(judge.look(HERE, &group, &[], &links), []);
    assert_eq!(judge.look(HERE, &group, &held(OURS, 2), &links), [Verdict::Remove { index: 0 }]);
    assert_eq!(judge.look(HERE, &group, &[], &links), []);
    let not_ours = Verdict::NotOurs { index: 0, interface: "eth0".to_owned() };
    for maker in [0, 3, 0x53, 0x56] {
        assert_eq!(judge.look(HERE, &group, &held(maker, 2), &links), std::slice::from_ref(&not_ours));
        assert_eq!(judge.look(HERE, &group, &held(maker, 2), &links), [], "said once");
        assert_eq!(judge.look(HERE, &group, &[], &links), [], "and again when it has gone and come");
    }
    let on_loopback = judge.look(HERE, &group, &held(0, 1), &links);
    assert_eq!(on_loopback, [], "a real server of direct routing has it there");
}

#[test]
fn of_a_group_that_is_being_moved_nothing_is_decided() {
    let (mut judge, group, links) = (Judge::default(), watched(Whose::Undecided), eth0(true, true));
    for here in [vec![], held(OURS, 2), held(0, 2)] {
        assert_eq!(judge.look(HERE, &group, &here, &links), []);
    }
    assert_eq!(judge.deadline(), None);
}

#[test]
fn who_plugs_a_cable_in_is_told_who_is_there() {
    let (mut judge, group) = (Judge::default(), watched(Whose::HeldHere));
    let here = held(OURS, 2);
    assert_eq!(judge.look(HERE, &group, &here, &eth0(true, true)), []);
    assert_eq!(judge.look(HERE, &group, &here, &eth0(true, false)), []);
    assert_eq!(judge.look(HERE, &group, &here, &eth0(true, true)), [Verdict::Announce { index: 0 }]);
    assert_eq!(judge.look(HERE, &group, &here, &eth0(true, true)), []);
}
