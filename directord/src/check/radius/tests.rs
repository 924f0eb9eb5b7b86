//! Tests of radius: requests, authenticators, and servers that answer badly or not at all.

use super::*;
use crate::check::Secret;
use crate::check::tests::dialogues::{SHORT, answer_datagrams, dialogue, said, within};
use crate::config::model::ServiceName;
use futures_util::future::join_all;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

const SECRET: &str = "xyzzy5461";

pub(in crate::check) fn ask(to: SocketAddr) -> Dialogue {
    Dialogue {
        login: "nemo".into(),
        password: Secret::new("arctangent"),
        secret: Secret::new(SECRET),
        ..dialogue(ServiceName::Radius, to)
    }
}

fn nowhere() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 1812))
}

/// The answer of this code, with these attributes behind its Message-Authenticator if it has one.
fn answer(request: &[u8], code: u8, secret: &str, seal: bool, attributes: &[u8]) -> Vec<u8> {
    let mut packet = vec![code, request[1], 0, 0];
    packet.extend_from_slice(&request[4..HEADER]);
    if seal {
        packet.extend_from_slice(&[MESSAGE_AUTHENTICATOR, 18]);
        packet.extend_from_slice(&[0; DIGEST]);
    }
    packet.extend_from_slice(attributes);
    let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
    packet[2..4].copy_from_slice(&length);
    if seal {
        let digest = sealed(secret.as_bytes(), &[&packet]).unwrap().finalize().into_bytes();
        packet[HEADER + 2..HEADER + 18].copy_from_slice(&digest);
    }
    let digest = Md5::new().chain_update(&packet).chain_update(secret).finalize();
    packet[4..HEADER].copy_from_slice(&digest);
    packet
}

/// Accepts who knows the password of RFC 2865's example.
pub(in crate::check) fn accept(request: &[u8], seal: bool) -> Vec<u8> {
    let attributes = Reply::parse(request).unwrap();
    let find = |kind| attributes.all().flatten().find(|found| found.kind == kind).unwrap().value.to_vec();
    let hidden = hidden(b"arctangent", SECRET.as_bytes(), &request[4..HEADER]);
    let good = find(USER_NAME) == b"nemo" && find(USER_PASSWORD) == hidden;
    let words = b"\x12\x0blook here";
    if good { answer(request, 2, SECRET, seal, &[]) } else { answer(request, 3, SECRET, seal, words) }
}

/// Refuses everybody.
pub(in crate::check) fn reject(request: &[u8]) -> Vec<u8> {
    answer(request, 3, SECRET, true, &[])
}

#[test]
fn the_example_of_rfc_2865() {
    let authenticator =
        [0x0f, 0x40, 0x3f, 0x94, 0x73, 0x97, 0x80, 0x57, 0xbd, 0x83, 0xd5, 0xcb, 0x98, 0xf4, 0x22, 0x7a];
    let password =
        [0x0d, 0xbe, 0x70, 0x8d, 0x93, 0xd4, 0x13, 0xce, 0x31, 0x96, 0xe4, 0x3f, 0x78, 0x2a, 0x0a, 0xee];
    assert_eq!(hidden(b"arctangent", SECRET.as_bytes(), &authenticator), password);
    let mut bytes = vec![1, 0, 0, HEADER as u8];
    bytes.extend_from_slice(&authenticator);
    let request = Request { secret: SECRET.as_bytes(), bytes };
    let mut accept = vec![
        0x02, 0x00, 0x00, 0x26, 0x86, 0xfe, 0x22, 0x0e, 0x76, 0x24, 0xba, 0x2a, 0x10, 0x05, 0xf6, 0xbf, 0x9b,
        0x55, 0xe0, 0xb2, 0x06, 0x06, 0x00, 0x00, 0x00, 0x01, 0x0f, 0x06, 0x00, 0x00, 0x00, 0x00, 0x0e, 0x06,
        0xc0, 0xa8, 0x01, 0x03,
    ];
    assert_eq!(request.read(&accept), Heard::Answer(Outcome::Passed));
    accept[37] ^= 1;
    assert!(matches!(request.read(&accept), Heard::Other(_)));
}

#[test]
fn a_request_on_the_wire() {
    let dialogue = ask(nowhere());
    let mut random = [7; 17];
    random[0] = 99;
    let request = Request::new(&dialogue, Ipv4Addr::new(192, 0, 2, 5).into(), random).unwrap();
    let bytes = &request.bytes;
    assert_eq!(bytes[..4], [1, 99, 0, u8::try_from(bytes.len()).unwrap()]);
    assert_eq!(bytes[4..22], [[7; 16].as_slice(), &[MESSAGE_AUTHENTICATOR, 18]].concat());
    assert_eq!(bytes[38..44], *b"\x01\x06nemo");
    assert_eq!(bytes[44..46], [USER_PASSWORD, 18]);
    assert_eq!(bytes[62..], [NAS_IP_ADDRESS, 6, 192, 0, 2, 5]);
    let mut blank = bytes.clone();
    blank[22..38].fill(0);
    let seal = sealed(SECRET.as_bytes(), &[&blank]).unwrap();
    assert!(seal.verify_slice(&bytes[22..38]).is_ok());

    let v6 = Request::new(&dialogue, Ipv6Addr::LOCALHOST.into(), random).unwrap();
    assert_eq!(v6.bytes[62..64], [NAS_IPV6_ADDRESS, 18]);
    let long = Dialogue { password: Secret::new("x".repeat(129)), ..dialogue.clone() };
    assert!(matches!(Request::new(&long, nowhere().ip(), random), Err(Outcome::NotRun(_))));
    let nobody = Dialogue { login: String::new(), ..dialogue };
    let request = Request::new(&nobody, nowhere().ip(), random).unwrap();
    assert!(Reply::parse(&request.bytes).unwrap().all().flatten().all(|found| found.kind != USER_NAME));
    assert_eq!(hidden(b"", b"", &[0; 16]).len(), 16);
    assert_eq!(hidden(&[1; 16], b"", &[0; 16]).len(), 16);
    assert_eq!(hidden(&[1; 17], b"", &[0; 16]).len(), 32);
}

#[tokio::test]
async fn accepted_or_rejected() {
    for seal in [true, false] {
        let server = answer_datagrams(move |request, _| vec![accept(request, seal)]).await;
        assert_eq!(said(&ask(server)).await, Outcome::Passed);
        let wrong = Dialogue { password: Secret::new("arctan"), ..ask(server) };
        assert_eq!(said(&wrong).await, Outcome::Declined("Access-Reject: look here".into()));
    }
    let challenge = answer_datagrams(|request, _| vec![answer(request, 11, SECRET, true, &[])]).await;
    assert_eq!(said(&ask(challenge)).await, Outcome::Declined("Access-Challenge".into()));
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(said(&ask(closed)).await, Outcome::Refused);
}

/// Datagrams that must not be taken for the answer.
fn foreign(request: &[u8]) -> Vec<Vec<u8>> {
    let good = accept(request, true);
    let mut other_id = request.to_vec();
    other_id[1] ^= 1;
    let mut other_authenticator = request.to_vec();
    other_authenticator[19] ^= 1;
    let mut broken_seal = vec![2, request[1], 0, 38];
    broken_seal.extend_from_slice(&request[4..HEADER]);
    broken_seal.extend_from_slice(&[MESSAGE_AUTHENTICATOR, 18]);
    broken_seal.extend_from_slice(&[9; DIGEST]);
    let digest = Md5::new().chain_update(&broken_seal).chain_update(SECRET).finalize();
    broken_seal[4..HEADER].copy_from_slice(&digest);
    let short_seal = answer(request, 2, SECRET, false, &[MESSAGE_AUTHENTICATOR, 4, 0, 0]);
    vec![
        answer(request, 2, "another", true, &[]),
        answer(&other_id, 2, SECRET, true, &[]),
        answer(&other_authenticator, 2, SECRET, true, &[]),
        answer(request, 5, SECRET, true, &[]),
        answer(request, 2, SECRET, true, &[18]),
        answer(request, 2, SECRET, true, &[18, 1]),
        answer(request, 2, SECRET, true, &[18, 9, 0]),
        broken_seal,
        short_seal,
        request.to_vec(),
        good[..good.len() - 1].to_vec(),
        b"garbage".to_vec(),
        Vec::new(),
    ]
}

#[tokio::test]
async fn what_is_no_answer_is_ignored() {
    let server =
        answer_datagrams(|request, _| [foreign(request), vec![accept(request, true)]].concat()).await;
    assert_eq!(said(&ask(server)).await, Outcome::Passed);
    let padded = answer_datagrams(|request, _| vec![[accept(request, true), vec![0; 9]].concat()]).await;
    assert_eq!(said(&ask(padded)).await, Outcome::Passed);
    let dialogue = ask(nowhere());
    let request = Request::new(&dialogue, nowhere().ip(), [1; 17]).unwrap();
    let outcomes = (0..foreign(&request.bytes).len()).map(|which| async move {
        let server = answer_datagrams(move |request, _| vec![foreign(request).remove(which)]).await;
        said(&within(SHORT, &ask(server))).await
    });
    for (which, outcome) in join_all(outcomes).await.into_iter().enumerate() {
        assert!(matches!(outcome, Outcome::Garbled(_)), "{which}: {outcome}");
    }
    let endless = answer_datagrams(|_, _| vec![vec![2; 30]; 3000]).await;
    assert!(matches!(said(&within(SHORT, &ask(endless))).await, Outcome::Garbled(_)));
    let silent = answer_datagrams(|_, _| Vec::new()).await;
    assert_eq!(said(&within(SHORT, &ask(silent))).await, Outcome::Silent(SHORT));
    let late = answer_datagrams(|request, number| match number {
        0 => Vec::new(),
        _ => vec![accept(request, true)],
    });
    assert_eq!(said(&ask(late.await)).await, Outcome::Passed);
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(
        bytes in proptest::collection::vec(any::<u8>(), 0..100), at in any::<prop::sample::Index>(), by in 1..=255_u8
    ) {
        let dialogue = ask(nowhere());
        let request = Request::new(&dialogue, nowhere().ip(), [3; 17]).unwrap();
        prop_assert!(matches!(request.read(&bytes), Heard::Other(_)));
        let mut bent = accept(&request.bytes, true);
        let at = at.index(bent.len());
        bent[at] ^= by;
        prop_assert!(matches!(request.read(&bent), Heard::Other(_)));
    }
}
