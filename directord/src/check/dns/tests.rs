//! Tests of dns: names, records, and servers that answer badly or not at all.

use super::*;
use crate::check::tests::dialogues::{
    PATIENT, SHORT, answer_datagrams, dialogue, pattern, said, serve, within,
};
use crate::config::model::ServiceName;
use futures_util::future::join_all;
use proptest::prelude::*;
use simple_dns::ResourceRecord;
use simple_dns::rdata::{A, AAAA, CNAME, PTR};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

pub(in crate::check) fn ask_for(name: &str, receive: Option<&str>, to: SocketAddr) -> Dialogue {
    Dialogue {
        udp: true,
        request: name.into(),
        receive: receive.and_then(pattern),
        ..dialogue(ServiceName::Dns, to)
    }
}

/// The answer to a question: its code, and the records that this server has for that name and type.
pub(in crate::check) fn answer(question: &[u8], code: RCODE, truncated: bool) -> Vec<u8> {
    let query = Packet::parse(question).unwrap();
    assert!(query.has_flags(PacketFlag::RECURSION_DESIRED));
    let asked = query.questions[0].clone();
    let mut reply = query.into_reply();
    *reply.rcode_mut() = code;
    if truncated {
        reply.set_flags(PacketFlag::TRUNCATION);
    } else if code == RCODE::NoError {
        let name = asked.qname.to_string().to_lowercase();
        let record = |data| ResourceRecord::new(asked.qname.clone(), CLASS::IN, 60, data);
        let v4 = |last| RData::A(A::from(Ipv4Addr::new(192, 0, 2, last)));
        let v6 = RData::AAAA(AAAA::from("2001:db8::7".parse::<Ipv6Addr>().unwrap()));
        let pointer = RData::PTR(PTR(Name::new_unchecked("host.example.com")));
        match (name.as_str(), asked.qtype) {
            ("www.example.com", QTYPE::TYPE(TYPE::A)) => {
                reply.answers.extend([record(v4(7)), record(v4(8))]);
            }
            ("www.example.com" | "six.example.com", QTYPE::TYPE(TYPE::AAAA)) => {
                reply.answers.push(record(v6));
            }
            ("alias.example.com", QTYPE::TYPE(TYPE::A)) => {
                reply.answers.push(record(RData::CNAME(CNAME(Name::new_unchecked("other.example.com")))));
                let name = Name::new_unchecked("other.example.com");
                reply.answers.push(ResourceRecord::new(name, CLASS::IN, 60, v4(9)));
            }
            ("dangling.example.com", QTYPE::TYPE(TYPE::A)) => {
                reply.answers.push(record(RData::CNAME(CNAME(Name::new_unchecked("192.0.2.7")))));
            }
            (
                "7.2.0.192.in-addr.arpa"
                | "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
                QTYPE::TYPE(TYPE::PTR),
            ) => reply.answers.push(record(pointer)),
            _ => {}
        }
    }
    reply.build_bytes_vec_compressed().unwrap()
}

async fn good_server() -> SocketAddr {
    answer_datagrams(|question, _| vec![answer(question, RCODE::NoError, false)]).await
}

#[tokio::test]
async fn any_record_of_the_answer_may_match() {
    let server = good_server().await;
    for (name, receive) in [
        ("www.example.com", Some(r"^192\.0\.2\.8$")),
        ("www.example.com", Some("192.0.2.7")),
        ("WWW.example.com.", None),
        ("www.example.com", Some("^2001:db8::7$")),
        ("six.example.com", Some("2001:db8::7")),
        ("six.example.com", None),
        ("alias.example.com", Some(r"\.9$")),
        ("192.0.2.7", Some("^host.example.com$")),
        ("2001:db8::7", Some("host")),
    ] {
        assert_eq!(said(&ask_for(name, receive, server)).await, Outcome::Passed, "{name} {receive:?}");
    }
    assert_eq!(
        said(&ask_for("www.example.com", Some("192.0.2.70"), server)).await,
        Outcome::NoMatch("192.0.2.7\\n192.0.2.8".into())
    );
    assert_eq!(
        said(&ask_for("six.example.com", Some("a"), server)).await,
        Outcome::NoMatch("2001:db8::7".into())
    );
    for (name, receive) in
        [("none.example.com", None), ("", None), ("dangling.example.com", Some("192.0.2.7"))]
    {
        assert_eq!(
            said(&ask_for(name, receive, server)).await,
            Outcome::NoMatch(String::new()),
            "{name:?} {receive:?}"
        );
    }
    let long = "a".repeat(64);
    assert!(matches!(said(&ask_for(&long, None, server)).await, Outcome::NotRun(_)));
}

#[tokio::test]
async fn a_server_that_declines() {
    for (code, word) in
        [(RCODE::NameError, "NXDOMAIN"), (RCODE::ServerFailure, "SERVFAIL"), (RCODE::Refused, "REFUSED")]
    {
        let server = answer_datagrams(move |question, _| vec![answer(question, code, false)]).await;
        let outcome = said(&ask_for("www.example.com", None, server)).await;
        assert!(matches!(&outcome, Outcome::Declined(words) if words.starts_with(word)), "{outcome}");
    }
    let header = |question: &[u8], _| vec![[&question[..2], &[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0]].concat()];
    let outcome = said(&ask_for("www.example.com", None, answer_datagrams(header).await)).await;
    assert!(matches!(&outcome, Outcome::Declined(words) if words.starts_with("FORMERR")), "{outcome}");
}

/// Datagrams that must not be taken for the answer.
fn foreign(question: &[u8]) -> Vec<Vec<u8>> {
    let good = answer(question, RCODE::NoError, false);
    let mut other_id = good.clone();
    other_id[1] ^= 1;
    let mut other_name = good.clone();
    other_name[13] ^= 1; // the first letter of the name in the question
    let mut no_response = good.clone();
    no_response[2] &= 0x7f;
    let mut claims = good.clone();
    claims[7] = 0xff;
    let without_question =
        [&good[..4], &[0, 0], &good[6..12], &good[12 + "www.example.com".len() + 2 + 4..]].concat();
    vec![
        other_id,
        other_name,
        no_response,
        claims,
        without_question,
        b"garbage".to_vec(),
        Vec::new(),
        good[..good.len() - 1].to_vec(),
        [good, vec![0; DATAGRAM_LIMIT]].concat(),
    ]
}

#[tokio::test]
async fn what_is_no_answer_is_ignored() {
    let server = answer_datagrams(|question, _| {
        [foreign(question), vec![answer(question, RCODE::NoError, false)]].concat()
    })
    .await;
    assert_eq!(said(&ask_for("www.example.com", Some("192.0.2.8"), server)).await, Outcome::Passed);
    let count = foreign(&Query::new("www.example.com", TYPE::A).unwrap().bytes).len();
    let outcomes = (0..count).map(|which| async move {
        let server = answer_datagrams(move |question, _| vec![foreign(question).remove(which)]).await;
        said(&within(SHORT, &ask_for("www.example.com", None, server))).await
    });
    for (which, outcome) in join_all(outcomes).await.into_iter().enumerate() {
        assert!(matches!(outcome, Outcome::Garbled(_)), "{which}: {outcome}");
    }
}

#[tokio::test]
async fn an_answer_from_another_address_is_ignored() {
    let (socket, other) =
        (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await);
    let to = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut buffer, other) = ([0; 512], other.unwrap());
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let _ = other.send_to(&answer(&buffer[..length], RCODE::NoError, false), from).await;
        }
    });
    let ask = within(SHORT, &ask_for("www.example.com", None, to));
    assert_eq!(said(&ask).await, Outcome::Silent(SHORT));
}

#[tokio::test]
async fn a_lost_question_is_repeated() {
    let limit = PATIENT / 3;
    let server = answer_datagrams(|question, number| match number {
        0 => Vec::new(),
        _ => vec![answer(question, RCODE::NoError, false)],
    })
    .await;
    let ask = within(limit, &ask_for("www.example.com", None, server));
    assert_eq!(said(&ask).await, Outcome::Passed);
}

#[tokio::test]
async fn datagrams_without_end() {
    let endless = answer_datagrams(|_, _| vec![b"x".to_vec(); 3 * 1000]).await;
    let outcome = said(&within(SHORT, &ask_for("www.example.com", None, endless))).await;
    assert!(matches!(outcome, Outcome::Garbled(_)), "{outcome}");
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(said(&ask_for("www.example.com", None, closed)).await, Outcome::Refused);
}

/// Reads a question with its length, and answers in the same way.
async fn answer_on(stream: &mut tokio::net::TcpStream) -> std::io::Result<()> {
    let length = stream.read_u16().await?;
    let mut question = vec![0; length.into()];
    stream.read_exact(&mut question).await?;
    let answer = answer(&question, RCODE::NoError, false);
    stream.write_u16(answer.len().try_into().unwrap()).await?;
    stream.write_all(&answer).await
}

#[tokio::test]
async fn an_answer_without_room_in_a_datagram_is_fetched_over_a_connection() {
    // The same port for both; another program may have it for connections.
    let (socket, listener) = loop {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()).await {
            break (socket, listener);
        }
    };
    let to = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let whole = answer(&buffer[..length], RCODE::NoError, true);
            let _ = socket.send_to(&whole, from).await;
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = answer_on(&mut stream).await;
        }
    });
    let ask = ask_for("www.example.com", Some("192.0.2.8"), to);
    assert_eq!(said(&ask).await, Outcome::Passed);
    assert_eq!(said(&Dialogue { udp: false, ..ask }).await, Outcome::Passed);
}

#[tokio::test]
async fn connections_that_fail() {
    let ask = |to| Dialogue { udp: false, ..ask_for("www.example.com", None, to) };
    let silent_after_half = serve(|mut stream, _| async move {
        let _ = stream.write_all(&[0, 100, 1, 2, 3]).await;
        while stream.read(&mut [0; 512]).await.is_ok_and(|read| read > 0) {}
    })
    .await;
    assert_eq!(said(&within(SHORT, &ask(silent_after_half))).await, Outcome::Unfinished(SHORT));
    let endless =
        serve(|mut stream, _| async move { while stream.write_all(&[1; 65536]).await.is_ok() {} }).await;
    assert!(matches!(said(&ask(endless)).await, Outcome::Garbled(_)));
    let closing = serve(|mut stream, _| async move {
        let _ = stream.read(&mut [0; 512]).await;
    })
    .await;
    assert_eq!(said(&ask(closing)).await, Outcome::Closed);
    let slow = serve(|mut stream, _| async move {
        let length = stream.read_u16().await.unwrap();
        let mut question = vec![0; length.into()];
        stream.read_exact(&mut question).await.unwrap();
        let answer = answer(&question, RCODE::NoError, false);
        let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
        for byte in length.into_iter().chain(answer) {
            let _ = stream.write_all(&[byte]).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(said(&ask(slow)).await, Outcome::Passed);
}

#[test]
fn hostile_compression_is_read_quickly() {
    // Each name is a chain of pointers through the whole message.
    let query = Query::new("www.example.com", TYPE::A).unwrap();
    let mut bytes = [&query.id.to_be_bytes()[..], &[0x80, 0, 0, 0, 1, 0, 0, 0, 0, 0], &[0]].concat();
    while bytes.len() < 40_000 {
        let before = u16::try_from((bytes.len() - 2).min(0x3fff)).unwrap();
        bytes.extend_from_slice(&(0xc000 | before).to_be_bytes());
    }
    assert!(matches!(query.read(&bytes), Heard::Other(_)));
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(
        bytes in proptest::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), by in 1..=255_u8
    ) {
        let query = Query::new("www.example.com", TYPE::A).unwrap();
        let _ = query.read(&bytes);
        let mut answer = answer(&query.bytes, RCODE::NoError, false);
        let at = at.index(answer.len());
        answer[at] ^= by;
        let _ = query.read(&answer);
        let _ = query.read(&answer[..at]);
    }
}
