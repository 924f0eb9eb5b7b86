//! Tests of sip: requests, first lines, and servers that answer badly or not at all.

use super::*;
use crate::check::tests::dialogues::{SHORT, answer_datagrams, dialogue, fails_badly, said, serve, within};
use crate::config::model::ServiceName;
use proptest::prelude::*;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UdpSocket;

pub(in crate::check) fn ask(to: SocketAddr, udp: bool) -> Dialogue {
    Dialogue { udp, login: "ldirectord@director".into(), ..dialogue(ServiceName::Sip, to) }
}

/// An answer with this status to a request, as RFC 3261 wants it made from the request.
pub(in crate::check) fn answer(request: &str, status: &str, body: &str) -> String {
    let copied = |name: &str| {
        request.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {request}"))
    };
    let (via, from, call) = (copied("Via: "), copied("From: "), copied("Call-ID: "));
    format!(
        "SIP/2.0 {status}\r\n{via}\r\n{from}\r\n{};tag=1\r\n{call}\r\n{}\r\nContent-Length: {}\r\n\r\n{body}",
        copied("To: "),
        copied("CSeq: "),
        body.len()
    )
}

async fn udp(answers: fn(&str) -> Vec<String>) -> SocketAddr {
    answer_datagrams(move |request, _| {
        let answers = answers(std::str::from_utf8(request).unwrap());
        answers.into_iter().map(String::into_bytes).collect()
    })
    .await
}

async fn tcp(answers: fn(&str) -> Vec<String>) -> SocketAddr {
    serve(move |stream, _| async move {
        let mut stream = BufReader::new(stream);
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            if stream.read_line(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let _ = stream.write_all(answers(&request).concat().as_bytes()).await;
        let _ = stream.read_line(&mut request).await;
    })
    .await
}

#[test]
fn a_request_on_the_wire() {
    let to = SocketAddr::from(([192, 0, 2, 1], 5060));
    let from = SocketAddr::from(([192, 0, 2, 9], 4321));
    for (over_udp, transport) in [(true, "UDP"), (false, "TCP")] {
        let request = Request::new(&ask(to, over_udp), from).unwrap();
        let lines: Vec<&str> = request.text.split("\r\n").collect();
        assert_eq!(lines[0], "OPTIONS sip:ldirectord@director SIP/2.0");
        let via = format!("Via: SIP/2.0/{transport} 192.0.2.9:4321;branch=z9hG4bK");
        assert!(lines[1].starts_with(&via), "{}", lines[1]);
        assert!(
            request.text.ends_with("\r\n\r\n") && !request.text.contains(' '.to_string().repeat(2).as_str())
        );
        assert!(request.text.lines().skip(1).all(|line| line.is_empty() || line.contains(": ")));
    }
    let nameless = Dialogue { login: String::new(), ..ask(to, true) };
    let requests = [Request::new(&nameless, from).unwrap(), Request::new(&nameless, from).unwrap()];
    assert!(requests[0].text.starts_with("OPTIONS sip:192.0.2.1:5060 SIP/2.0\r\n"));
    assert_ne!((&requests[0].call, &requests[0].branch), (&requests[1].call, &requests[1].branch));
}

#[tokio::test]
async fn the_final_answer_decides() {
    type Answers = fn(&str) -> Vec<String>;
    let cases: [(Answers, Outcome); 6] = [
        (|request| vec![answer(request, "200 OK", "")], Outcome::Passed),
        (|request| vec![answer(request, "200", "v=0\r\n")], Outcome::Passed),
        (
            |request| vec![answer(request, "100 Trying", "a body"), answer(request, "200 Fine", "")],
            Outcome::Passed,
        ),
        (
            |request| {
                let short = answer(request, "200 OK", "").replace("Via:", "v:").replace("Call-ID:", "I :");
                vec![short]
            },
            Outcome::Passed,
        ),
        (|request| vec![answer(request, "404 Not Found", "")], Outcome::Declined("404 Not Found".into())),
        (|request| vec![answer(request, "2000 OK", "")], Outcome::Declined("2000 OK".into())),
    ];
    for (answers, expected) in cases {
        assert_eq!(said(&ask(udp(answers).await, true)).await, expected);
        assert_eq!(said(&ask(tcp(answers).await, false)).await, expected);
    }
    let provisional: Answers = |request| vec![answer(request, "180 Ringing", "")];
    for (to, over_udp) in [(udp(provisional).await, true), (tcp(provisional).await, false)] {
        assert_eq!(said(&within(SHORT, &ask(to, over_udp))).await, Outcome::Unfinished(SHORT));
    }
}

#[tokio::test]
async fn what_is_no_answer_is_ignored() {
    fn foreign(request: &str) -> Vec<String> {
        vec![
            answer(&request.replace("Call-ID: ", "Call-ID: x"), "200 OK", ""),
            answer(&request.replace("z9hG4bK", "z9hG4bKx"), "200 OK", ""),
            answer(&request.replace(";branch=", ";other="), "200 OK", ""),
        ]
    }
    let server = udp(|request| {
        let mut answers = foreign(request);
        answers.extend(["garbage".to_owned(), String::new(), request.to_owned()]);
        answers.push(answer(request, "200 OK", ""));
        answers
    });
    assert_eq!(said(&ask(server.await, true)).await, Outcome::Passed);
    let server = tcp(|request| [foreign(request), vec![answer(request, "200 OK", "")]].concat());
    assert_eq!(said(&ask(server.await, false)).await, Outcome::Passed);
    let outcome = said(&within(SHORT, &ask(udp(foreign).await, true))).await;
    assert!(matches!(outcome, Outcome::Garbled(_)), "{outcome}");
    let garbage = udp(|_| vec!["\0\0\0\0".into(), "SIP/2.0 200 OK\r\n".into()]).await;
    assert!(matches!(said(&within(SHORT, &ask(garbage, true))).await, Outcome::Garbled(_)));
    let endless = udp(|_| vec!["SIP/2.0 200 OK\r\n\r\n".into(); 3000]).await;
    assert!(matches!(said(&within(SHORT, &ask(endless, true))).await, Outcome::Garbled(_)));
}

#[tokio::test]
async fn datagrams_that_do_not_come() {
    let silent = udp(|_| Vec::new()).await;
    assert_eq!(said(&within(SHORT, &ask(silent, true))).await, Outcome::Silent(SHORT));
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(said(&ask(closed, true)).await, Outcome::Refused);
}

#[tokio::test]
async fn connections_that_fail() {
    // An answer knows the request's identifiers, so a good one by itself is not to be had.
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    fails_badly(&ask(nowhere, false), b"SIP/2.0 200 OK\r\nVia: x\r\n").await;
    let slow = serve(|stream, _| async move {
        let mut stream = BufReader::new(stream);
        let _ = stream.get_ref().set_nodelay(true);
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            if stream.read_line(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
        }
        for byte in answer(&request, "200 OK", "").bytes() {
            let _ = stream.write_all(&[byte]).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let _ = stream.read_line(&mut request).await;
    })
    .await;
    assert_eq!(said(&ask(slow, false)).await, Outcome::Passed);
    let long_body =
        tcp(|request| vec![answer(request, "100 Trying", "").replace("Length: 0", "Length: 99999")]);
    assert!(matches!(said(&ask(long_body.await, false)).await, Outcome::Garbled(_)));
    let many_lines = tcp(|request| {
        vec![answer(request, "200 OK", "").replace("\r\nVia", &("\r\nX: y".repeat(300) + "\r\nVia"))]
    });
    assert!(matches!(said(&ask(many_lines.await, false)).await, Outcome::Garbled(_)));
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(
        bytes in proptest::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), by in 1..=255_u8
    ) {
        let from = SocketAddr::from(([192, 0, 2, 9], 4321));
        let request = Request::new(&ask(from, true), from).unwrap();
        let _ = request.read(lines(&bytes));
        let _ = body_length(lines(&bytes));
        let mut bent = answer(&request.text, "200 OK", "").into_bytes();
        prop_assert_eq!(request.read(lines(&bent)), Heard::Answer(Outcome::Passed));
        let at = at.index(bent.len());
        bent[at] ^= by;
        let _ = request.read(lines(&bent));
        let _ = body_length(lines(&bent));
    }
}
