//! Where checks are sent from: servers on 127.0.0.1 say who asked them.

use super::*;

const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 7));
/// Of a documentation network: no machine has it.
const NOT_OURS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 77));

async fn outcome_from(source: IpAddr, kind: &Kind) -> Outcome {
    Checker::new().run_from(Some(source), kind, &mut Memory::default()).await.outcome
}

/// Answers over HTTP and to simpletcp with the address of the client.
async fn telling() -> SocketAddr {
    serve(|mut stream, _| async move {
        let peer = stream.peer_addr().unwrap().ip();
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(format!("HTTP/1.0 200 OK\r\n\r\nfrom {peer}\n").as_bytes()).await;
    })
    .await
}

#[tokio::test]
async fn tcp_checks_come_from_it() {
    let to = telling().await;
    for kind in [http(to, Some("^from 127.0.0.7$")), simple(to, Some("^from 127.0.0.7$"))] {
        assert_eq!(outcome_from(SOURCE, &kind).await, Outcome::Passed);
        assert!(matches!(outcome(kind).await, Outcome::NoMatch(_)), "without it the kernel chooses");
    }
}

#[tokio::test]
async fn a_connect_comes_from_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kind = Kind::Connect { to: listener.local_addr().unwrap(), timeout: 10 * LIMIT };
    let (outcome, accepted) = tokio::join!(outcome_from(SOURCE, &kind), listener.accept());
    assert_eq!((outcome, accepted.unwrap().1.ip()), (Outcome::Passed, SOURCE));
}

#[tokio::test]
async fn dialogues_connect_from_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let progress = link::Progress::default();
    let open = source::from(Some(SOURCE), link::Link::open(to, &progress));
    let (link, accepted) = tokio::join!(open, listener.accept());
    assert!(link.is_ok());
    assert_eq!(accepted.unwrap().1.ip(), SOURCE);
}

#[tokio::test]
async fn datagrams_come_from_it() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let Kind::SimpleTcp(simple) = simple(socket.local_addr().unwrap(), None) else { panic!() };
    let kind = Kind::SimpleTcp(SimpleTcp { udp: true, timeout: 10 * LIMIT, ..*simple }.into());
    let server = async {
        let (_, from) = socket.recv_from(&mut [0; 64]).await.unwrap();
        socket.send_to(b"ok", from).await.unwrap();
        from.ip()
    };
    let (outcome, from) = tokio::join!(outcome_from(SOURCE, &kind), server);
    assert_eq!((outcome, from), (Outcome::Passed, SOURCE));
}

#[tokio::test]
async fn pings_with_and_without_one_do_not_mix() {
    let checker = Checker::new();
    let ping = Kind::Ping { to: [127, 0, 0, 1].into(), attempts: 1, timeout: 10 * LIMIT };
    for source in [Some(SOURCE), None, Some(SOURCE)] {
        let checked = checker.run_from(source, &ping, &mut Memory::default()).await;
        assert_eq!(checked.outcome, Outcome::Passed, "{source:?}");
    }
}

#[tokio::test]
async fn an_address_that_this_machine_does_not_have_says_nothing_of_the_server() {
    let to = telling().await;
    let ping = Kind::Ping { to: to.ip(), attempts: 1, timeout: LIMIT };
    let Kind::SimpleTcp(stream) = simple(to, None) else { panic!() };
    let datagram = Kind::SimpleTcp(SimpleTcp { udp: true, ..*stream }.into());
    for kind in [Kind::Connect { to, timeout: LIMIT }, simple(to, None), http(to, None), datagram, ping] {
        let outcome = outcome_from(NOT_OURS, &kind).await;
        assert!(matches!(outcome, Outcome::NotRun(_)), "{kind:?}: {outcome:?}");
    }
    let Outcome::NotRun(why) = outcome_from(NOT_OURS, &Kind::Connect { to, timeout: LIMIT }).await else {
        panic!()
    };
    assert_eq!(why, "source address 192.0.2.77: Cannot assign requested address");
}

#[tokio::test]
async fn a_source_of_the_other_family_is_left_aside() {
    let to = telling().await;
    let v6: IpAddr = "::1".parse().unwrap();
    assert_eq!(outcome_from(v6, &Kind::Connect { to, timeout: LIMIT }).await, Outcome::Passed);
}
