//! What heartbeat 3.0.6 was seen to accept and to refuse when hand-made packets were put before it, case by case.

use super::*;

/// Length of `42:1 DIGEST,` with an SHA-1 digest.
const TRAILER: usize = 46;

fn sha1(secret: &str) -> Key {
    Key::new(Method::Sha1, secret).unwrap()
}

fn ring() -> Keys {
    Keys::single(1, sha1("hbtest-secret")).unwrap()
}

fn status() -> Message {
    let mut message = Message::new("status");
    message.push_text("st", "active").push_text("dt", "fa0").push_text("src", "beta");
    message
        .push_binary("srcuuid", [0x7f, 0, b',', b'\n', b'%', b'%', b'%', b'\n', 0xff, 9, 8, 7, 6, 5, 4, 3]);
    message
}

/// Signs a hand-made netstring body with the ring's default key.
fn signed(body: &[u8], keys: &Keys) -> Vec<u8> {
    let mac = keys.sign(body);
    [body, format!("{}:{mac},", mac.len()).as_bytes()].concat()
}

fn netstring(fields: &[u8]) -> Vec<u8> {
    signed(&[b"###\n", fields, b"%%%\n"].concat(), &ring())
}

fn replace(datagram: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = datagram.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    [&datagram[..at], to.as_bytes(), &datagram[at + from.len()..]].concat()
}

#[test]
fn a_ring_with_a_checksum_authenticates_nobody() {
    let sha1 = || (1, Key::new(Method::Sha1, "a secret").unwrap());
    assert!(Keys::new(1, [sha1()]).unwrap().authenticate());
    let crc = (2, Key::new(Method::Crc, "").unwrap());
    assert!(!Keys::new(1, [sha1(), crc]).unwrap().authenticate(), "whoever sends chooses the key");
}

#[test]
fn netstring_form_byte_for_byte() {
    let mut message = Message::new("NS_ackmsg");
    message.push_text("ackseq", "a").push_binary("destuuid", b"\0,");
    let keys = Keys::single(3, Key::new(Method::Crc, "").unwrap()).unwrap();
    let body = b"###\n14:(0)t=NS_ackmsg,11:(0)ackseq=a,14:(1)destuuid=\0,,%%%\n";
    let mac = format!("3 {:x}", crc::crc(body));
    let expected = [&body[..], format!("{}:{mac},", mac.len()).as_bytes()].concat();
    assert_eq!(
        encode(&message, &keys, false).escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
}

#[test]
fn text_form_byte_for_byte() {
    let mut message = Message::new("status");
    message.push_text("info", "two\nlines").push_binary("srcuuid", [0xff, 0xfe, 0]).push_text("empty", "");
    let lines = b"t=status\ninfo=two\x13lines\n(1)srcuuid=//4A\nempty=\n";
    let expected = [b">>>\n", &lines[..], b"auth=", ring().sign(lines).as_bytes(), b"\n<<<\n"].concat();
    let datagram = encode_text(&message, &ring());
    assert_eq!(datagram.escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert_eq!(decode(&datagram, &ring()), Ok(message));
}

#[test]
fn outer_mac_alone_is_enough_and_a_wrong_inner_one_is_ignored() {
    assert_eq!(decode(&encode(&status(), &ring(), false), &ring()), Ok(status()));
    assert_eq!(decode(&encode(&status(), &ring(), true), &ring()), Ok(status()));
    let mut fields = encode(&status(), &ring(), false);
    fields.truncate(fields.len() - TRAILER - 4);
    let wrong = signed(&[&fields, &b"11:(0)auth=1 0,%%%\n"[..]].concat(), &ring());
    assert_eq!(decode(&wrong, &ring()), Ok(status()));
}

#[test]
fn missing_or_wrong_authentication_is_refused() {
    let datagram = encode(&status(), &ring(), true);
    let body = &datagram[..datagram.len() - TRAILER];
    assert!(body.ends_with(b"%%%\n"));
    assert_eq!(decode(body, &ring()), Err(DecodeError::NoAuthentication));
    assert_eq!(decode(b">>>\nt=status\n<<<\n", &ring()), Err(DecodeError::NoAuthentication));
    assert_eq!(decode(&replace(&datagram, "active", "inactv"), &ring()), Err(DecodeError::WrongMac(1)));
    for trailer in [
        &b"garbage"[..],
        b"1",
        b"1:",
        b"1:1",
        b"1:1,",
        b"3:1 a",
        b"4:x ab,",
        b"5:+1 ab,",
        b"6:999 ab,",
        b"3: ab,",
    ] {
        let refused = decode(&[body, trailer].concat(), &ring());
        assert_eq!(refused, Err(DecodeError::BadAuthentication), "{}", trailer.escape_ascii());
    }
}

#[test]
fn a_digest_counts_in_lower_case_and_whole() {
    let datagram = encode(&status(), &ring(), false);
    let start = datagram.len() - 41;
    let mut upper = datagram.clone();
    upper[start..].make_ascii_uppercase();
    assert_ne!(upper, datagram);
    assert_eq!(decode(&upper, &ring()), Err(DecodeError::WrongMac(1)));
    let body = &datagram[..datagram.len() - TRAILER];
    let short = [body, b"40:", &datagram[start - 2..datagram.len() - 3], b","].concat();
    assert_eq!(decode(&short, &ring()), Err(DecodeError::WrongMac(1)));
}

#[test]
fn crc_is_printed_without_leading_zeros_and_must_be_compared_so() {
    let keys = Keys::single(0, Key::new(Method::Crc, "").unwrap()).unwrap();
    // a body whose checksum begins with a zero digit
    let (body, digest) = (0..1000)
        .map(|n| format!("###\n{}:(0)t={n},%%%\n", 5 + n.to_string().len()))
        .map(|body| (body.clone(), format!("{:x}", crc::crc(body.as_bytes()))))
        .find(|(_, digest)| digest.len() == 7)
        .unwrap();
    assert!(decode(format!("{body}9:0 {digest},").as_bytes(), &keys).is_ok());
    assert_eq!(decode(format!("{body}10:0 0{digest},").as_bytes(), &keys), Err(DecodeError::WrongMac(0)));
}

#[test]
fn key_numbers() {
    let two = |default| Keys::new(default, [(1, sha1("first")), (2, sha1("second"))]).unwrap();
    // another listed key under its own number: a rolling change of keys
    assert_eq!(decode(&encode(&status(), &two(2), true), &two(1)), Ok(status()));
    assert_eq!(decode(&encode_text(&status(), &two(2)), &two(1)), Ok(status()));
    // 3.0.6 itself signs and checks with the secret of its default key, whatever the number says
    let mislabelled = encode(&status(), &Keys::single(2, sha1("first")).unwrap(), true);
    assert_eq!(decode(&mislabelled, &two(1)), Ok(status()));
    assert_eq!(decode(&mislabelled, &two(2)), Err(DecodeError::WrongMac(2)));
    // but never a number that is not listed, and never another method
    let unlisted = encode(&status(), &Keys::single(3, sha1("first")).unwrap(), true);
    assert_eq!(decode(&unlisted, &two(1)), Err(DecodeError::UnknownKey(3)));
    let mixed = Keys::new(1, [(1, sha1("first")), (2, Key::new(Method::Md5, "second").unwrap())]).unwrap();
    let md5_of_default = Keys::single(2, Key::new(Method::Md5, "first").unwrap()).unwrap();
    assert_eq!(decode(&encode(&status(), &md5_of_default, true), &mixed), Err(DecodeError::WrongMac(2)));
    let sha1_under_md5 = Keys::single(2, sha1("first")).unwrap();
    assert_eq!(decode(&encode(&status(), &sha1_under_md5, true), &mixed), Err(DecodeError::WrongMac(2)));
    let high = encode(&status(), &ring(), false);
    assert_eq!(decode(&replace(&high, ":1 ", ":9 "), &ring()), Err(DecodeError::UnknownKey(9)));
}

#[test]
fn key_rings_that_cannot_be() {
    assert_eq!(Key::new(Method::Crc, "x"), Err(KeyError::TakesNoSecret(Method::Crc)));
    assert_eq!(Key::new(Method::Md5, ""), Err(KeyError::NeedsSecret(Method::Md5)));
    assert_eq!(Keys::single(16, sha1("x")), Err(KeyError::BadNumber(16)));
    assert_eq!(Keys::new(2, [(1, sha1("x"))]), Err(KeyError::NoDefault(2)));
    assert_eq!(Keys::new(200, [(1, sha1("x"))]), Err(KeyError::NoDefault(200)));
    assert_eq!(Keys::new(1, [(1, sha1("x")), (1, sha1("y"))]), Err(KeyError::Duplicate(1)));
    assert!(!format!("{:?}", ring()).contains("hbtest"));
}

#[test]
fn a_secret_longer_than_a_block_is_hashed_first() {
    // RFC 2202, test case 6 of HMAC-SHA1 and of HMAC-MD5
    let data = b"Test Using Larger Than Block-Size Key - Hash Key First";
    let key = |method| Keys::single(1, Key::new(method, [0xaa; 80]).unwrap()).unwrap();
    assert_eq!(key(Method::Sha1).sign(data), "1 aa4ae5e15272d00e95705637ce8a3b55ed402112");
    assert_eq!(key(Method::Md5).sign(data), "1 6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
}

#[test]
fn empty_values_newlines_and_trailing_bytes_are_accepted() {
    let message = decode(&netstring(b"8:(0)t=foo,6:(0)ab=,8:(0)nl=\n,"), &ring());
    // a length that is one short of its field: found at the comma
    assert!(matches!(message, Err(DecodeError::BadField { .. })), "{message:?}");
    let message = decode(&netstring(b"8:(0)t=foo,6:(0)ab=,7:(0)nl=\n,"), &ring()).unwrap();
    assert_eq!((message.text("ab"), message.text("nl")), (Some(""), Some("\n")));
    for datagram in [encode(&status(), &ring(), true), encode_text(&status(), &ring())] {
        for junk in [&b"\0"[..], b"\n", b"%%%\n", b"###\n9:"] {
            assert_eq!(decode(&[&datagram, junk].concat(), &ring()), Ok(status()));
        }
    }
}

#[test]
fn malformed_netstring_fields_are_refused_before_authentication() {
    let problem = |fields: &[u8]| decode(&netstring(fields), &ring()).unwrap_err();
    let bad = |problem| DecodeError::BadField { at: 4, problem };
    assert_eq!(problem(b"3:t=x,"), bad("it does not start with \"(type)\", a digit from 0 to 5"));
    assert_eq!(problem(b"6:(6)t=x,"), bad("it does not start with \"(type)\", a digit from 0 to 5"));
    assert_eq!(problem(b"5:(0)tx,"), bad("no \"name=\" after its type"));
    assert_eq!(problem(b"5:(0)=x,"), bad("no \"name=\" after its type"));
    assert_eq!(problem(b":(0)t=x,"), bad("its length is not a number"));
    assert_eq!(problem(b"x:(0)t=x,"), bad("it does not start with a decimal length and \":\""));
    assert_eq!(problem(b"-1:(0)t=x,"), bad("it does not start with a decimal length and \":\""));
    assert_eq!(problem(b"6:(0)t=x;"), bad("no \",\" stands where its length says it ends"));
    assert_eq!(problem(b"99999999999999999999999:(0)t=x,"), bad("its length is not a number"));
    let cut = |missing| DecodeError::Truncated { at: 4, missing };
    assert_eq!(problem(format!("{}:(0)t=x,", usize::MAX).as_bytes()), cut("the end of the field"));
    assert_eq!(problem(b"9999:(0)t=x,"), cut("the end of the field"));
    assert_eq!(decode(b"###\n", &ring()), Err(cut("a field or the end mark \"%%%\"")));
    assert_eq!(decode(b"###\n6:(0)t=x", &ring()), Err(cut("the \",\" after the field")));
    assert_eq!(decode(b"###\n12", &ring()), Err(cut("a field or the end mark \"%%%\"")));
}

#[test]
fn malformed_text_fields_are_refused() {
    let bad = |at, problem| Err(DecodeError::BadField { at, problem });
    assert_eq!(decode(b">>>\nt\n<<<\n", &ring()), bad(4, "no \"name=\""));
    assert_eq!(decode(b">>>\nt=x\n=y\n<<<\n", &ring()), bad(8, "no \"name=\""));
    assert_eq!(
        decode(b">>>\n(9)t=x\n<<<\n", &ring()),
        bad(4, "its type is not \"(type)\", a digit from 0 to 5")
    );
    assert_eq!(decode(b">>>\n(1)t=*\n<<<\n", &ring()), bad(4, "its value is not base64"));
    let cut = Err(DecodeError::Truncated { at: 8, missing: "the end mark \"<<<\"" });
    assert_eq!(decode(b">>>\nt=x\n<<<", &ring()), cut);
    assert_eq!(decode(b">>>\nt=x\n", &ring()), cut);
}

#[test]
fn a_name_that_needs_a_type_before_it_keeps_it_in_the_text_form() {
    let keys = ring();
    for name in ["\0x", "\rx", "(1)x", "x"] {
        let mut message = Message::new("status");
        message.push_text(name, "v");
        assert_eq!(decode(&encode_text(&message, &keys), &keys), Ok(message), "{name:?}");
    }
}

#[test]
fn text_form_skips_line_ends_before_a_field_and_stops_at_nul() {
    let auth = ring().sign(b"t=x\na=b\n");
    for datagram in [
        format!(">>>\r\n\r\nt=x\n\n\ra=b\nauth={auth}\n<<<\n"),
        format!(">>>\n\nt=x\n\n\ra=b\nauth={auth}\n\0c=d\n"),
        format!(">>>\nt=x\nauth={auth}\na=b\n<<<\nc=d\n"),
    ] {
        let message = decode(datagram.as_bytes(), &ring());
        if datagram.starts_with(">>>\r") {
            assert_eq!(message, Err(DecodeError::NotHeartbeat));
        } else {
            assert_eq!(format!("{:?}", message.unwrap()), "t=\"x\" a=\"b\"", "{datagram:?}");
        }
    }
}

#[test]
fn neither_form() {
    for datagram in [&b""[..], b"#", b"###", b"####", b">>>", b"<<<\n", b"GET / HTTP/1.0\r\n"] {
        assert_eq!(decode(datagram, &ring()), Err(DecodeError::NotHeartbeat));
    }
    let long = vec![b'#'; MAX_DATAGRAM + 1];
    assert_eq!(decode(&long, &ring()), Err(DecodeError::TooLong { bytes: MAX_DATAGRAM + 1 }));
}

#[test]
fn fields_are_bounded() {
    let fields = |count| b"6:(0)a=x,".repeat(count);
    assert_eq!(decode(&netstring(&fields(MAX_FIELDS)), &ring()).unwrap().fields().len(), MAX_FIELDS);
    assert_eq!(decode(&netstring(&fields(MAX_FIELDS + 1)), &ring()), Err(DecodeError::TooManyFields));
    let text = [b">>>\n", &b"a=\n".repeat(MAX_FIELDS + 1)[..], b"<<<\n"].concat();
    assert_eq!(decode(&text, &ring()), Err(DecodeError::TooManyFields));
}

#[test]
fn a_sixty_kilobyte_packet_is_accepted() {
    let mut message = Message::new("bigmsg");
    message.push_text("f", "x".repeat(60_000));
    assert_eq!(decode(&encode(&message, &ring(), true), &ring()), Ok(message));
}

fn compressed(algorithm: &str, payload: &[u8]) -> Result<Message, DecodeError> {
    let mut packet = Message::empty();
    packet.push_binary("_compressed_payload", payload).push_text("_compression_algorithm", algorithm);
    decode(&encode(&packet, &ring(), false), &ring())
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, plain).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_messages_come_back_and_bombs_do_not() {
    for algorithm in [Algorithm::Zlib, Algorithm::Bz2] {
        let datagram = encode_compressed(&status(), &ring(), algorithm).unwrap();
        assert_eq!(decode(&datagram, &ring()), Ok(status()));
        // an expanded message needs no authentication of its own, but the packet does
        let other = Keys::single(1, sha1("other")).unwrap();
        assert_eq!(decode(&datagram, &other), Err(DecodeError::WrongMac(1)));
    }
    let bomb = zlib(&vec![b'x'; MAX_UNCOMPRESSED + 1]);
    assert!(bomb.len() < 4096);
    assert_eq!(compressed("zlib", &bomb), Err(DecodeError::TooLarge));
    let full = [b">>>\nt=", &vec![b'x'; MAX_UNCOMPRESSED - 12][..], b"\n<<<\n\0"].concat();
    assert_eq!(full.len(), MAX_UNCOMPRESSED);
    assert!(compressed("zlib", &zlib(&full)).is_ok());
    let bad = |problem| Err(DecodeError::BadCompression(problem));
    assert_eq!(compressed("bz2", b"BZh9 not really"), bad("damaged stream"));
    assert_eq!(compressed("zlib", &zlib(&full)[..100]), bad("damaged stream"));
    assert_eq!(compressed("lzma", b""), bad("unknown algorithm, known are zlib and bz2"));
    assert_eq!(compressed("zlib", &zlib(b"hello")), bad("no message in text form inside"));
    assert_eq!(
        compressed("zlib", &zlib(b">>>\n_compression_algorithm=zlib\n<<<\n\0")),
        bad("compressed twice")
    );
    let mut packet = Message::empty();
    packet.push_text("_compression_algorithm", "zlib");
    assert_eq!(decode(&encode(&packet, &ring(), false), &ring()), bad("the payload is missing"));
}

#[test]
fn look_up_by_name() {
    let mut message = Message::new("resource");
    message.push_text("seq", "1c").push_text("seq", "2").push_text("ttl", "31").push_binary("raw", b"\xff");
    message.push_text("latin", b"\xe9").push_text("sign", "+1").push_text("long", "fffffffffffffffff");
    assert_eq!(
        (message.hex("seq"), message.decimal("seq"), message.decimal("ttl")),
        (Some(0x1c), None, Some(31))
    );
    assert_eq!((message.text("raw"), message.binary("raw")), (None, Some(&b"\xff"[..])));
    assert_eq!((message.text("latin"), message.binary("seq"), message.text("none")), (None, None, None));
    assert_eq!((message.hex("sign"), message.hex("long"), Message::empty().kind()), (None, None, ""));
    message.remove("seq");
    assert_eq!(message.value("seq"), None);
    assert_eq!(
        format!("{message:?}"),
        "t=\"resource\" ttl=\"31\" raw=ff latin=\"\\xe9\" sign=\"+1\" long=\"fffffffffffffffff\""
    );
}

#[test]
fn nested_types_are_kept_as_they_came() {
    let message = decode(&netstring(b"8:(0)t=foo,9:(2)n=a\x14b\n,"), &ring()).unwrap();
    assert_eq!(message.value("n"), Some(&Value::Other { kind: 2, bytes: b"a\x14b\n".to_vec() }));
    assert_eq!(decode(&encode(&message, &ring(), false), &ring()), Ok(message));
}

#[test]
fn sha256_signs_as_rfc_4231_says() {
    // test case 2, and 6: a secret longer than a block
    let key = |secret: &[u8]| Keys::single(1, Key::new(Method::Sha256, secret).unwrap()).unwrap();
    assert_eq!(
        key(b"Jefe").sign(b"what do ya want for nothing?"),
        "1 5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    assert_eq!(
        key(&[0xaa; 131]).sign(b"Test Using Larger Than Block-Size Key - Hash Key First"),
        "1 60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
    for datagram in [encode(&status(), &key(b"Jefe"), true), encode_text(&status(), &key(b"Jefe"))] {
        assert_eq!(decode(&datagram, &key(b"Jefe")), Ok(status()));
        assert_eq!(decode(&datagram, &key(b"jefe")), Err(DecodeError::WrongMac(1)));
        assert_eq!(decode(&datagram, &Keys::single(1, sha1("Jefe")).unwrap()), Err(DecodeError::WrongMac(1)));
    }
}

#[test]
fn keys_are_changed_one_node_at_a_time_without_a_gap() {
    let (old, new) = (sha1("the-old-secret"), Key::new(Method::Sha256, "the-new-secret").unwrap());
    let both = |default| Keys::new(default, [(1, old.clone()), (2, new.clone())]).unwrap();
    // add the new key, sign with it, remove the old one: after each step on one node, then on the other
    let steps =
        [Keys::single(1, old.clone()).unwrap(), both(1), both(2), Keys::single(2, new.clone()).unwrap()];
    for step in steps.windows(2) {
        for (sender, receiver) in [(0, 1), (1, 0), (1, 1)] {
            let datagram = encode(&status(), &step[sender], true);
            assert_eq!(decode(&datagram, &step[receiver]), Ok(status()));
        }
    }
    // a step left out makes the gap
    let datagram = encode(&status(), &steps[2], true);
    assert_eq!(decode(&datagram, &steps[0]), Err(DecodeError::UnknownKey(2)));
}
