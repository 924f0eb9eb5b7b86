//! The wire against what real heartbeat 3.0.6 nodes sent: 130 chosen datagrams and all 4,583 of 43 scenarios.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test ends by panicking

mod captures;

use std::time::{Duration, Instant};

use captures::{Capture, golden, notation, transcripts};
use heartbeatd::wire::{
    Algorithm, DecodeError, Key, Keys, Message, Method, decode, encode, encode_compressed, encode_text,
};
use hmac::{Hmac, KeyInit, Mac};

fn decoded(capture: &Capture) -> Message {
    decode(&capture.bytes, &capture.keys).unwrap_or_else(|error| panic!("{}: {error}", capture.name))
}

/// Byte-identical where the encoding is a function of the message; compressed ones come back as the same message.
fn encodes_again(capture: &Capture, message: &Message) {
    let Capture { name, bytes, keys, .. } = capture;
    if capture.is_compressed() {
        for algorithm in [Algorithm::Zlib, Algorithm::Bz2] {
            let again = encode_compressed(message, keys, algorithm).unwrap();
            assert_eq!(&decode(&again, keys).unwrap(), message, "{name}");
        }
        return;
    }
    let again = if capture.is_text() {
        [encode_text(message, keys), vec![0]].concat()
    } else {
        encode(message, keys, capture.inner)
    };
    assert_eq!(again.escape_ascii().to_string(), bytes.escape_ascii().to_string(), "{name}");
}

#[test]
fn golden_vectors_decode_and_encode_again_to_the_same_bytes() {
    let vectors = golden();
    assert_eq!(vectors.len(), 130);
    for capture in &vectors {
        let message = decoded(capture);
        encodes_again(capture, &message);
        let fields = notation(&message);
        let noted = capture.fields.as_str();
        if capture.is_compressed() || capture.is_text() {
            assert!(fields.starts_with("t=bigmsg f1=xxxx"), "{}: {fields}", capture.name);
        } else if let Some((noted, _)) = noted.split_once(" auth='") {
            assert_eq!(fields, noted, "{}", capture.name);
        } else if noted.len() == 230 {
            assert!(format!("{fields} auth='").starts_with(noted), "{}: {fields}", capture.name);
        } else {
            assert_eq!(fields, noted, "{}", capture.name);
        }
    }
    let text = vectors.iter().find(|capture| capture.is_text()).unwrap();
    let expanded =
        |name: &str| decoded(vectors.iter().find(|capture| capture.name.starts_with(name)).unwrap());
    assert_eq!(decoded(text), expanded("zlib-01"));
    assert_eq!(expanded("bz2-01").text("f1"), expanded("zlib-01").text("f1"));
}

#[test]
fn every_recorded_datagram_authenticates_decodes_and_encodes_again() {
    let all = transcripts();
    assert_eq!(all.len(), 4_583);
    assert_eq!(all.iter().filter(|capture| capture.inner).count(), 4_374);
    let mut compressed = 0;
    for capture in &all {
        let message = decoded(capture);
        encodes_again(capture, &message);
        if capture.is_compressed() {
            compressed += 1;
            assert_eq!(message.kind(), "bigmsg", "{}", capture.name);
        } else {
            let noted =
                capture.fields.split_once(" auth='").map_or(capture.fields.as_str(), |(fields, _)| fields);
            assert_eq!(notation(&message), noted, "{}", capture.name);
        }
    }
    assert!(compressed >= 2);
}

#[test]
fn no_datagram_passes_with_another_key() {
    let secret = |method: &str| if method == "crc" { String::new() } else { "hbtest-secreT".to_owned() };
    for capture in golden() {
        let (number, method, _) = &capture.key;
        let kind = if method == "md5" { Method::Md5 } else { Method::Sha1 };
        let same_number = Keys::single(*number, Key::new(kind, secret("sha1")).unwrap()).unwrap();
        assert_eq!(
            decode(&capture.bytes, &same_number),
            Err(DecodeError::WrongMac(*number)),
            "{}",
            capture.name
        );
        let other_number = Keys::single(number + 1, Key::new(kind, "hbtest-secret").unwrap()).unwrap();
        assert_eq!(
            decode(&capture.bytes, &other_number),
            Err(DecodeError::UnknownKey(*number)),
            "{}",
            capture.name
        );
    }
}

/// Every byte in turn, every bit of it: the netstring form has no byte that may change; the text form's end mark is
/// not covered, and a NUL in its place ends the message too.
#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let names =
        ["sha1-01-", "md5-03-", "crc-05-", "crc-08-", "msgfmt-netstring-02", "zlib-01", "bz2-01", "plain-"];
    let vectors = golden();
    let chosen = vectors.iter().filter(|capture| names.iter().any(|name| capture.name.starts_with(name)));
    let mut flips = 0;
    for capture in chosen {
        let message = decoded(capture);
        let uncovered = if capture.is_text() { capture.bytes.len() - 5 } else { usize::MAX };
        for at in 0..capture.bytes.len() {
            for mask in [1, 2, 4, 8, 16, 32, 64, 128, 0xff, b'<'] {
                let mut tampered = capture.bytes.clone();
                tampered[at] ^= mask;
                match decode(&tampered, &capture.keys) {
                    Err(_) => {}
                    Ok(same) => {
                        assert!(at >= uncovered && same == message, "{} byte {at} ^ {mask:#x}", capture.name)
                    }
                }
                flips += 1;
            }
        }
    }
    assert!(flips > 20_000, "{flips}");
}

#[test]
fn a_cut_datagram_is_refused_and_trailing_bytes_are_ignored() {
    for capture in golden() {
        let message = decoded(&capture);
        // the text form ends with its mark; the recorded NUL after it is not needed
        let needed = capture.bytes.len() - usize::from(capture.is_text());
        for length in 0..needed {
            assert!(
                decode(&capture.bytes[..length], &capture.keys).is_err(),
                "{} cut to {length}",
                capture.name
            );
        }
        let longer = [&capture.bytes[..], b"\0%%%\n###\njunk"].concat();
        assert_eq!(decode(&longer, &capture.keys).as_ref(), Ok(&message), "{}", capture.name);
    }
}

/// xorshift64*, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bound = u64::try_from(bound.max(1)).unwrap();
        usize::try_from((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % bound).unwrap()
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let byte = b":,=()\n%#<>\0\x1301259af \xff-"[self.below(22)];
            match self.below(7) {
                0 if !bytes.is_empty() => bytes[at] = byte,
                1 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                2 => bytes.insert(at, byte),
                3 if !bytes.is_empty() => drop(bytes.remove(at)),
                4 => bytes.truncate(at),
                5 => {
                    let from = self.below(other.len());
                    let to = from + self.below(other.len() - from);
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
                _ => {
                    let to = at + self.below(bytes.len() - at);
                    bytes.drain(at..to);
                }
            }
        }
    }
}

/// Signs mutated bytes as an owner of the key could, with code of its own, so that mutations get past the MAC.
fn sign(body: &[u8], text: bool) -> Vec<u8> {
    let mut mac = <Hmac<sha1::Sha1> as KeyInit>::new_from_slice(b"hbtest-secret").unwrap();
    mac.update(body);
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    if text {
        [b">>>\n", body, format!("auth=1 {digest}\n<<<\n").as_bytes()].concat()
    } else {
        [body, format!("42:1 {digest},").as_bytes()].concat()
    }
}

/// Two seconds of mutations: unsigned ones must not pass as another message; signed ones may, and then must survive
/// being encoded again. Nothing may panic.
#[test]
fn mutated_datagrams_never_panic_and_never_pass_as_another_message() {
    let vectors: Vec<Capture> = golden().into_iter().filter(|capture| capture.key.1 == "sha1").collect();
    let mut random = Random(0x7a6e_d301);
    let started = Instant::now();
    let (mut rounds, mut passed) = (0_u32, 0_u32);
    while started.elapsed() < Duration::from_secs(2) {
        let capture = &vectors[random.below(vectors.len())];
        let other = &vectors[random.below(vectors.len())].bytes;
        let mut unsigned = capture.bytes.clone();
        random.mutate(&mut unsigned, other);
        if let Ok(message) = decode(&unsigned, &capture.keys) {
            let genuine = [&decoded(capture), &decode(other, &capture.keys).unwrap()];
            assert!(genuine.contains(&&message), "{}: {}", capture.name, unsigned.escape_ascii());
        }
        let trailer = if capture.is_text() { 53 } else { 46 };
        let start = if capture.is_text() { 4 } else { 0 };
        let mut body = capture.bytes[start..capture.bytes.len() - trailer].to_vec();
        random.mutate(&mut body, other);
        if let Ok(message) = decode(&sign(&body, capture.is_text()), &capture.keys) {
            passed += 1;
            assert_eq!(decode(&encode(&message, &capture.keys, true), &capture.keys), Ok(message));
        }
        rounds += 1;
    }
    assert!(rounds > 100 && passed > 10, "{rounds} rounds, {passed} passed");
}
