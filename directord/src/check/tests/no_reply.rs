//! Pings that nobody answers, or somebody else: in a network of the test's own, whose kernel keeps silent.

use super::*;
use daemon::icmp;
use socket2::{Domain, Protocol, Socket, Type};
use std::process::Command;

/// Says that a process is the one in the network of its own.
const INSIDE: &str = "DIRECTORD_SILENT_NETWORK";
const SERVER: &str = "192.0.2.10";
const SERVER_V6: &str = "2001:db8::10";
const OTHER: &str = "192.0.2.11";

/// Runs this test again in a new network, and is true there.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut command = Command::new("unshare");
    command.arg("-n").arg(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("check::tests::no_reply::{test}")]);
    let output = command.env(INSIDE, "yes").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
    false
}

/// Addresses on which the kernel answers no echo request.
fn be_silent() {
    for arguments in [
        "link set lo up",
        "addr add 192.0.2.10/32 dev lo",
        "addr add 192.0.2.11/32 dev lo",
        "addr add 2001:db8::10/128 dev lo nodad",
    ] {
        let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
        assert!(status.success(), "ip {arguments}");
    }
    std::fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1").unwrap();
    std::fs::write("/proc/sys/net/ipv6/icmp/echo_ignore_all", "1").unwrap();
}

/// Hears everything of ICMP that arrives in this network.
fn listening(v6: bool) -> Socket {
    let (domain, protocol) =
        if v6 { (Domain::IPV6, Protocol::ICMPV6) } else { (Domain::IPV4, Protocol::ICMPV4) };
    let socket = Socket::new(domain, Type::RAW, Some(protocol)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket
}

/// The identifier and number of the next echo request, without its IP header.
fn request(socket: &mut Socket, v6: bool) -> (u16, u16) {
    let mut buffer = [0; 2048];
    loop {
        let length = std::io::Read::read(socket, &mut buffer).expect("a request");
        let message = if v6 { &buffer[..length] } else { &buffer[20..length] };
        if message[0] == if v6 { 128 } else { 8 } {
            let number = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
            return (number(4), number(6));
        }
    }
}

/// Whether no further request has arrived.
fn no_more(socket: &Socket) -> bool {
    socket.set_nonblocking(true).unwrap();
    let mut requests = 0;
    let mut buffer = [0; 2048];
    while let Ok(length) = std::io::Read::read(&mut &*socket, &mut buffer) {
        requests += usize::from(buffer[..length].get(20) == Some(&8) || buffer[0] == 128);
    }
    requests == 0
}

/// A reply, made of a request with another type.
fn reply(identifier: u16, number: u16) -> Vec<u8> {
    let mut packet = icmp::request(false, identifier, number, &[0; 56]);
    // The type is the high byte of the sum's first word: 8 less there is 8 more in the complement.
    packet[0] = 0;
    let sum = u32::from(u16::from_be_bytes([packet[2], packet[3]])) + 0x0800;
    let sum = (sum & 0xffff) as u16 + (sum >> 16) as u16;
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn send(packet: &[u8], from: &str) {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
    let address = |text: &str| SocketAddr::new(text.parse().unwrap(), 0).into();
    socket.bind(&address(from)).unwrap();
    socket.send_to(packet, &address(SERVER)).unwrap();
}

fn ping(to: &str, attempts: u32, timeout: Duration) -> Kind {
    Kind::Ping { to: to.parse().unwrap(), attempts, timeout }
}

/// As many requests as are asked for, each with its own number and its own limit, over both families.
#[tokio::test]
async fn silence_is_told_after_the_last_attempt() {
    if !inside("silence_is_told_after_the_last_attempt") {
        return;
    }
    be_silent();
    let limit = Duration::from_millis(300);
    for (to, v6) in [(SERVER, false), (SERVER_V6, true)] {
        for attempts in [1, 3] {
            let mut ear = listening(v6);
            let checked = Checker::new().run(&ping(to, attempts, limit), &mut Memory::default()).await;
            assert_eq!(checked.outcome, Outcome::NoReply(attempts, limit), "{to}");
            assert!(checked.took >= limit * attempts, "{:?}", checked.took);
            let mut numbers: Vec<_> = (0..attempts).map(|_| request(&mut ear, v6)).collect();
            assert!(no_more(&ear), "more than {attempts} requests to {to}");
            numbers.dedup();
            assert_eq!(numbers.len(), attempts as usize, "each has a number of its own: {numbers:?}");
        }
    }
}

/// Only the reply to our own request, from the server itself, counts: whatever arrives before it.
#[tokio::test]
async fn replies_of_and_for_others_do_not_count() {
    if !inside("replies_of_and_for_others_do_not_count") {
        return;
    }
    be_silent();
    let run = async |attempts, limit| {
        Checker::new().run(&ping(SERVER, attempts, limit), &mut Memory::default()).await.outcome
    };
    let answering = |last: bool| {
        let mut ear = listening(false);
        std::thread::spawn(move || {
            let (identifier, number) = request(&mut ear, false);
            send(&reply(identifier.wrapping_add(1), number), SERVER);
            send(&reply(identifier, number.wrapping_add(1)), SERVER);
            send(&reply(identifier, number.wrapping_sub(1)), SERVER);
            send(&reply(identifier, number), OTHER);
            send(&reply(identifier, number)[..6], SERVER);
            if last {
                let (identifier, number) = request(&mut ear, false);
                send(&reply(identifier, number), SERVER);
            }
        })
    };
    let foreign = answering(false);
    assert_eq!(run(1, LIMIT).await, Outcome::NoReply(1, LIMIT));
    foreign.join().unwrap();
    let second = answering(true);
    // On a busy machine the answer to one attempt may come after its limit: the next one is answered by nobody.
    let patient = Duration::from_secs(5);
    assert_eq!(run(2, patient).await, Outcome::Passed, "the second attempt is answered");
    second.join().unwrap();
}
