use super::*;
use crate::wire::{Key, Method};

const IDENTIFIER: u16 = 0x0102;
const DEADPING: Duration = Duration::from_secs(3);

fn keys(secret: &str) -> Keys {
    Keys::single(1, Key::new(Method::Sha1, secret.as_bytes()).unwrap()).unwrap()
}

fn host(name: &str) -> PingNode {
    PingNode { name: name.to_owned(), hosts: vec![name.to_owned()], v6: name.contains(':'), group: false }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What the host of a request sends back.
fn echo(address: IpAddr, request: &[u8]) -> Vec<u8> {
    let mut reply = request.to_vec();
    reply[0] = if address.is_ipv6() { 129 } else { 0 };
    if address.is_ipv4() {
        let mut header = vec![0x45; 20];
        header.append(&mut reply);
        return header;
    }
    reply
}

struct World {
    pings: Pings,
    keys: Keys,
}

impl World {
    fn new(nodes: &[PingNode]) -> World {
        World { pings: Pings::new(nodes, DEADPING, IDENTIFIER), keys: keys("secret") }
    }

    fn ask(&mut self, now: u64) -> Vec<(IpAddr, Vec<u8>)> {
        self.pings.ask(seconds(now), 1_700_000_000 + now, &self.keys, false)
    }

    fn answer(&mut self, (address, request): &(IpAddr, Vec<u8>), now: u64) -> Option<PingChange> {
        let packet = echo(*address, request);
        self.pings.answer(&packet, address.is_ipv6(), &self.keys, seconds(now)).unwrap()
    }

    fn states(&self) -> Vec<PingState> {
        self.pings.view(seconds(0)).iter().map(|view| view.state).collect()
    }
}

fn change(name: &str, alive: bool) -> PingChange {
    PingChange { name: name.to_owned(), alive }
}

#[test]
fn a_host_that_answers_is_alive_until_it_is_silent_for_deadping() {
    for name in ["192.0.2.254", "2001:db8::1"] {
        let mut world = World::new(&[host(name)]);
        assert_eq!((world.states(), world.pings.next_deadline()), (vec![PingState::Init], None));
        assert_eq!(world.pings.alive(), None);
        let requests = world.ask(1);
        assert_eq!(requests.len(), 1);
        assert_eq!(world.answer(&requests[0], 1), Some(change(name, true)));
        assert_eq!(world.answer(&requests[0], 1), None, "no change");
        assert_eq!((world.pings.alive(), world.pings.next_deadline()), (Some(1), None));
        for now in 2..5 {
            world.ask(now);
            assert_eq!(world.pings.next_deadline(), Some(seconds(5)));
            assert_eq!(world.pings.expire(seconds(now)), []);
        }
        assert_eq!(world.pings.expire(seconds(5)), [change(name, false)]);
        assert_eq!((world.pings.expire(seconds(6)), world.pings.alive()), (vec![], Some(0)));
        let requests = world.ask(6);
        assert_eq!(world.answer(&requests[0], 6), Some(change(name, true)));
    }
}

#[test]
fn a_group_lives_while_any_member_answers() {
    let hosts = ["192.0.2.1", "192.0.2.129", "gateway"].map(str::to_owned).to_vec();
    let mut world = World::new(&[PingNode { name: "g1".to_owned(), hosts, v6: false, group: true }]);
    assert_eq!(world.ask(1).len(), 2, "the name has no address yet");
    world.pings.resolved("gateway", true, "2001:db8::1".parse().unwrap());
    world.pings.resolved("gateway", false, "192.0.2.7".parse().unwrap());
    let requests = world.ask(2);
    assert_eq!(requests[2].0, "192.0.2.7".parse::<IpAddr>().unwrap());
    assert_eq!(world.answer(&requests[1], 2), Some(change("g1", true)));
    for now in 3..9 {
        let requests = world.ask(now);
        assert_eq!(world.answer(&requests[2], now), None);
        assert_eq!(world.pings.expire(seconds(now)), []);
    }
}

#[test]
fn only_answers_to_own_recent_requests_count() {
    let mut world = World::new(&[host("192.0.2.254")]);
    let request = world.ask(1).remove(0);
    let packet = echo(request.0, &request.1);
    let now = seconds(1);
    let other = keys("another");
    world.pings.answer(&packet, false, &other, now).unwrap_err();
    let mut foreign = packet.clone();
    foreign[24] ^= 1; // the identifier
    assert_eq!(world.pings.answer(&foreign, false, &world.keys, now), Ok(None));
    let mut unasked = packet.clone();
    unasked[27] ^= 1; // the number
    assert_eq!(world.pings.answer(&unasked, false, &world.keys, now), Ok(None));
    for length in 0..packet.len() {
        assert!(!matches!(world.pings.answer(&packet[..length], false, &world.keys, now), Ok(Some(_))));
    }
    let mut request_itself = packet.clone();
    request_itself[20] = 8;
    assert_eq!(world.pings.answer(&request_itself, false, &world.keys, now), Ok(None));
    assert_eq!(world.states(), [PingState::Init]);
    world.ask(5);
    assert_eq!(world.answer(&request, 5), None, "older than deadping");
    assert_eq!(world.states(), [PingState::Init]);
}

#[test]
fn silence_does_not_count_while_nobody_asks() {
    let mut world = World::new(&[host("192.0.2.254")]);
    let request = world.ask(1).remove(0);
    world.answer(&request, 1);
    world.ask(2);
    // this node was suspended
    let request = world.ask(100).remove(0);
    assert_eq!(world.pings.expire(seconds(100)), []);
    assert_eq!(world.answer(&request, 101), None);
    assert_eq!(world.states(), [PingState::Alive]);
}

#[test]
fn what_stays_in_the_configuration_stays_known() {
    let mut world = World::new(&[host("192.0.2.1"), host("192.0.2.254")]);
    let requests = world.ask(1);
    world.answer(&requests[1], 1);
    world.pings.replace(&[host("192.0.2.254"), host("192.0.2.7")], seconds(9));
    assert_eq!(world.states(), [PingState::Alive, PingState::Init]);
    world.ask(2);
    assert_eq!(world.pings.next_deadline(), Some(seconds(11)));
    assert_eq!(world.answer(&requests[0], 2), None, "it is configured no more");
}

#[test]
fn the_data_of_a_request_is_a_signed_message() {
    let mut world = World::new(&[host("192.0.2.254")]);
    let (_, packet) = world.ask(1).remove(0);
    let message = wire::decode(&packet[8..], &world.keys).unwrap();
    let text = |name| message.text(name).unwrap();
    assert_eq!(
        (message.kind(), text("st"), text("info"), text("src")),
        ("NS_st", "ping", "ping", "192.0.2.254")
    );
    assert_eq!(message.hex("ts"), Some(1_700_000_001));
}
