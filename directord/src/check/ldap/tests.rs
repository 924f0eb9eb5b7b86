//! Tests of ldap: its encoding, and servers that answer badly or not at all.

use super::*;
use crate::check::tests::dialogues::{PATIENT, SHORT, dialogue, fails_well, pattern, said, serve, within};
use crate::check::{Dialogue, Secret};
use crate::config::model::ServiceName;
use proptest::prelude::*;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn ask_for(base: &str, receive: Option<&str>, to: SocketAddr) -> Dialogue {
    Dialogue { request: base.into(), receive: receive.and_then(pattern), ..dialogue(ServiceName::Ldap, to) }
}

fn result(id: u8, tag: u8, code: u8, words: &str) -> Vec<u8> {
    let code = tagged(ber::ENUMERATED, &[code]);
    request(id, tag, &[code, tagged(ber::OCTETS, b""), tagged(ber::OCTETS, words.as_bytes())].concat())
}

pub(in crate::check) fn entry(name: &str) -> Vec<u8> {
    request(SEARCH, 0x64, &[tagged(ber::OCTETS, name.as_bytes()), tagged(ber::SEQUENCE, &[])].concat())
}

pub(in crate::check) fn bound() -> Vec<u8> {
    result(BIND, 0x61, 0, "")
}

/// The server says why it does not search.
pub(in crate::check) fn refused() -> Vec<u8> {
    result(SEARCH, 0x65, 52, "shutting down")
}

pub(in crate::check) fn done() -> Vec<u8> {
    result(SEARCH, 0x65, 0, "")
}

/// A server that answers the bind and the search with these bytes, and keeps the connection.
async fn server(bind: Vec<u8>, search: Vec<u8>) -> SocketAddr {
    serve(move |mut stream, _| {
        let answers = [bind.clone(), search.clone()];
        async move {
            for answer in answers {
                if read_request(&mut stream).await.is_err() || stream.write_all(&answer).await.is_err() {
                    return;
                }
            }
            while stream.read(&mut [0; 512]).await.is_ok_and(|read| read > 0) {}
        }
    })
    .await
}

/// Requests are as short as their tag, one byte of length and content.
async fn read_request(stream: &mut tokio::net::TcpStream) -> std::io::Result<Vec<u8>> {
    let mut request = vec![0; 2];
    stream.read_exact(&mut request).await?;
    let mut content = vec![0; request[1].into()];
    stream.read_exact(&mut content).await?;
    request.extend(content);
    Ok(request)
}

#[test]
fn requests_on_the_wire() {
    // ldapsearch -x -H ldap://192.0.2.1 -s base -a find -b dc=example 1.1
    assert_eq!(bind("", ""), b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00");
    assert_eq!(
        search("dc=example"),
        b"\x30\x34\x02\x01\x02\x63\x2f\x04\x0adc=example\x0a\x01\x00\x0a\x01\x02\x02\x01\x00\x02\x01\x00\x01\x01\x00\
          \x87\x0bobjectClass\x30\x05\x04\x031.1"
            .as_slice()
    );
    assert_eq!(unbind(), b"\x30\x05\x02\x01\x03\x42\x00");
    let long = "o=".to_owned() + &"x".repeat(300);
    let bytes = search(&long);
    let mut reader = Reader(&bytes).take(ber::SEQUENCE).map(Reader).unwrap();
    assert_eq!(reader.integer(), Some(SEARCH.into()));
    let mut fields = reader.take(0x63).map(Reader).unwrap();
    assert_eq!(fields.take(ber::OCTETS), Some(long.as_bytes()));
}

#[tokio::test]
async fn one_entry_whose_name_matches() {
    let good = server(bound(), [entry("dc=example,dc=com"), done()].concat()).await;
    for receive in [None, Some("^dc=example,dc=com$"), Some("example")] {
        assert_eq!(said(&ask_for("dc=example,dc=com", receive, good)).await, Outcome::Passed);
    }
    assert_eq!(
        said(&ask_for("dc=example,dc=com", Some("^example"), good)).await,
        Outcome::NoMatch("dc=example,dc=com".into())
    );
    // What else may come between: a reference, an intermediate answer, something for another request.
    let reference = request(SEARCH, 0x73, &tagged(ber::OCTETS, b"ldap://192.0.2.9/"));
    let intermediate = request(SEARCH, 0x79, &[]);
    let other = result(77, 0x65, 1, "");
    let bind = [request(BIND, 0x79, &[]), other.clone(), bound()].concat();
    let search = [reference, intermediate, other, entry(""), done()].concat();
    assert_eq!(said(&ask_for("", None, server(bind, search).await)).await, Outcome::Passed);
}

#[tokio::test]
async fn a_bind_with_name_and_password_or_none() {
    let check = |login: &'static str, password: &'static str, expected: Vec<u8>| async move {
        let server = serve(move |mut stream, _| {
            let expected = expected.clone();
            async move {
                let request = read_request(&mut stream).await.unwrap();
                let code = if request == expected { 0 } else { 49 };
                let _ = stream.write_all(&result(BIND, 0x61, code, "wrong")).await;
                let _ = read_request(&mut stream).await;
                let _ = stream.write_all(&[entry(""), done()].concat()).await;
                let _ = stream.read(&mut [0; 512]).await;
            }
        })
        .await;
        let password = Secret::new(password);
        said(&Dialogue { login: login.into(), password, ..ask_for("", None, server) }).await
    };
    let full = bind("cn=check", "open");
    assert_eq!(check("cn=check", "open", full.clone()).await, Outcome::Passed);
    assert_eq!(check("cn=check", "", bind("", "")).await, Outcome::Passed);
    assert_eq!(check("", "open", bind("", "")).await, Outcome::Passed);
    assert_eq!(
        check("cn=check", "shut", full).await,
        Outcome::Declined("invalidCredentials (49): wrong".into())
    );
}

#[tokio::test]
async fn a_server_that_declines() {
    let missing = server(bound(), result(SEARCH, 0x65, 32, "")).await;
    assert_eq!(said(&ask_for("o=x", None, missing)).await, Outcome::Declined("noSuchObject (32)".into()));
    let none = server(bound(), done()).await;
    assert_eq!(said(&ask_for("o=x", None, none)).await, Outcome::Declined("no such entry".into()));
    let two = server(bound(), [entry("o=x"), entry("o=y"), done()].concat()).await;
    assert_eq!(said(&ask_for("o=x", None, two)).await, Outcome::Garbled("more than one entry".into()));
    for (bind, search) in
        [(result(0, 0x78, 52, "shutting down"), Vec::new()), (bound(), result(0, 0x78, 52, "shutting down"))]
    {
        let outcome = said(&ask_for("o=x", None, server(bind, search).await)).await;
        assert_eq!(outcome, Outcome::Declined("unavailable (52): shutting down".into()));
    }
    let wrong_order = server(result(BIND, 0x65, 0, ""), Vec::new()).await;
    let only_id = tagged(ber::SEQUENCE, &ber::integer(1));
    for to in [
        wrong_order,
        server([request(BIND, 0x65, &[]), done()].concat(), vec![]).await,
        server(only_id, vec![]).await,
    ] {
        let outcome = said(&within(PATIENT, &ask_for("o=x", None, to))).await;
        assert!(matches!(outcome, Outcome::Garbled(_)), "{outcome}");
    }
    let unfinished = server(bound(), entry("o=x")).await;
    assert_eq!(said(&within(SHORT, &ask_for("o=x", None, unfinished))).await, Outcome::Unfinished(SHORT));
}

#[tokio::test]
async fn servers_that_fail() {
    let good = [bound(), entry("o=x"), done()].concat().leak();
    fails_well(&ask_for("o=x", None, SocketAddr::from(([127, 0, 0, 1], 9))), good).await;
}

#[test]
fn numbers_and_lengths() {
    for (content, value) in [
        (&b""[..], None),
        (b"\x00", Some(0)),
        (b"\x7f", Some(127)),
        (b"\x00\xff\xff\xff\xff", Some(u32::MAX)),
        (b"\x01\x00\x00\x00\x00", None),
        (b"\xff", None),
    ] {
        assert_eq!(ber::number(content), value, "{content:x?}");
    }
    for bytes in
        [&b""[..], b"\x30", b"\x30\x80", b"\x30\x85\0\0\0\0\0", b"\x30\x01", b"\x3f\x00", b"\x30\x82\x01"]
    {
        assert_eq!(Reader(bytes).next(), None, "{bytes:x?}");
    }
    let mut both = Reader(b"\x04\x81\x01a\x02\x01\x05");
    assert_eq!((both.take(ber::OCTETS), both.integer(), both.next()), (Some(&b"a"[..]), Some(5), None));
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(
        bytes in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), by in 1..=255_u8
    ) {
        let _ = read(&bytes);
        for good in [bound(), entry("dc=example"), done(), result(0, 0x78, 52, "words")] {
            let mut bent = good.clone();
            let at = at.index(bent.len());
            bent[at] ^= by;
            let _ = read(&bent);
            prop_assert!(read(&good[..at]).is_err());
        }
    }

    #[test]
    fn what_is_written_is_read(tag in 0..=0xff_u8, content in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assume!(tag & 0x1f != 0x1f);
        let bytes = tagged(tag, &content);
        prop_assert_eq!(Reader(&bytes).next(), Some((tag, content.as_slice())));
    }
}
