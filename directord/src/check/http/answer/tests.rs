use super::*;
use proptest::prelude::*;

/// Reads an answer that comes in pieces of `piece` bytes: its status and what came of its body, and whether that was all.
fn read(bytes: &[u8], piece: usize, asked: Asked) -> Result<Option<(u16, Vec<u8>, bool)>, String> {
    let mut ahead = Vec::new();
    let mut pieces = bytes.chunks(piece.max(1));
    let (mut found, length) = loop {
        let Some(piece) = pieces.next() else { return Ok(None) };
        let known = ahead.len();
        ahead.extend_from_slice(piece);
        if let Some(found) = head(&ahead, known, asked)? {
            break found;
        }
    };
    let mut ended = found.body.take(&ahead[length..]);
    while !ended {
        let Some(piece) = pieces.next() else { break };
        ended = found.body.take(piece);
    }
    Ok(Some((found.status.as_u16(), found.body.bytes, ended)))
}

fn page(bytes: &[u8]) -> (u16, Vec<u8>, bool) {
    let whole = read(bytes, usize::MAX, Asked::Page);
    for piece in 1..bytes.len().min(40) {
        assert_eq!(read(bytes, piece, Asked::Page), whole, "in pieces of {piece}");
    }
    whole.unwrap().unwrap()
}

#[test]
fn a_body_ends_where_its_head_says() {
    assert_eq!(page(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore"), (200, b"ok".into(), true));
    assert_eq!(page(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), (200, b"ok".into(), false));
    assert_eq!(page(b"HTTP/1.0 404 Gone\r\n\r\nto the end"), (404, b"to the end".into(), false));
    let twice = b"HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\nCONTENT-LENGTH: 2\r\n\r\nok";
    assert_eq!(page(twice), (200, b"ok".into(), true));
    let bogus = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Length: -1\r\nContent-Length:\r\nContent-Length: 2\r\n\r\nok";
    assert_eq!(page(bogus), (200, b"ok".into(), true));
    assert_eq!(page(b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok"), (200, b"ok".into(), false));
    for none in ["204 No Content", "304 Not Modified", "100 Continue", "101 Switching Protocols"] {
        let answer = format!("HTTP/1.1 {none}\r\nContent-Length: 5\r\n\r\n");
        assert!(page(answer.as_bytes()).2, "{none}");
    }
    let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (asked, ended) in [(Asked::Head, true), (Asked::Tunnel, true), (Asked::Page, false)] {
        assert_eq!(read(bytes, 99, asked), Ok(Some((200, Vec::new(), ended))), "{asked:?}");
    }
}

#[test]
fn chunks_are_put_together() {
    let of = |chunks: &str| {
        page(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n{chunks}").as_bytes())
    };
    assert_eq!(of("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"), (200, b"onetwo".into(), true));
    assert_eq!(of("3;why=not\r\none\r\n00A \r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n").1, b"one0123456789");
    assert_eq!(of("3\none\n1\n2\n0\n"), (200, b"one2".into(), true), "line feeds alone");
    assert_eq!(of("5\r\nhalf"), (200, b"half".into(), false));
    for rest in ["x\r\n", "-1\r\n", "+1\r\n", "fffffffffffffffff\r\n", ";\r\n"] {
        assert_eq!(of(&format!("3\r\none\r\n{rest}two")), (200, b"one".into(), true), "{rest:?}");
    }
    let endless = format!("3\r\none\r\n1;{}", "a".repeat(CHUNK_LINE));
    assert_eq!(of(&endless), (200, b"one".into(), true), "a line that does not end");
    assert_eq!(of("ffffffffffffffff\r\nas far as it came"), (200, b"as far as it came".into(), false));
}

#[test]
fn what_follows_is_told_by_the_last_coding() {
    let of = |coding: &str| page(format!("HTTP/1.1 200 OK\r\n{coding}\r\n\r\n1\r\nx\r\n0\r\n").as_bytes());
    assert_eq!(of("Transfer-Encoding: chunked\r\nContent-Length: 2").1, b"x");
    assert_eq!(of("Transfer-Encoding: chunked, gzip").1, b"1\r\nx\r\n0\r\n");
    assert_eq!(of("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked").1, b"x");
}

#[test]
fn heads_are_read_as_leniently_as_before() {
    let lenient = [
        "HTTP/1.1 200\r\n",
        "HTTP/1.0  200  OK\r\n",
        "HTTP/1.1 200 \r\nno header\r\n",
        "HTTP/1.1 200 OK\nServer : some\n",
        "HTTP/1.1 200 OK\r\nX-Folded: one\r\n two\r\n",
        "HTTP/1.1 200 Gr\u{fc}n\r\nX-Odd: \u{1f600}\r\n",
    ];
    for head in lenient {
        let answer = format!("{head}Content-Length: 2\r\n\r\nok");
        assert_eq!(page(answer.as_bytes()), (200, b"ok".into(), true), "{head:?}");
    }
}

#[test]
fn what_is_no_head_is_known_with_its_first_bytes() {
    for garbage in [
        "\0\u{1}garbage",
        "SSH-2.0-x\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 2x0\r\n",
        "HTTP/1.1 099 x\r\n\r\n",
    ] {
        let why = read(garbage.as_bytes(), 99, Asked::Page).expect_err(garbage);
        assert!(why.starts_with("no HTTP"), "{why}");
    }
    let lines = format!("HTTP/1.1 200 OK\r\n{}", "X-A: b\r\n".repeat(LINES + 2));
    assert_eq!(read(lines.as_bytes(), 99, Asked::Page), Err("more than 128 lines of head".into()));
    let long = format!("HTTP/1.1 200 OK\r\nX-A: {}", "b".repeat(HEAD_LIMIT));
    assert_eq!(read(long.as_bytes(), 1400, Asked::Page), Err("a head of more than 262144 bytes".into()));
}

#[test]
fn a_long_head_is_found_wherever_its_pieces_end() {
    for end in ["\r\n\r\n", "\n\n", "\r\n\n", "\n\r\n"] {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-A: {}{end}x", "b".repeat(2 * EARLY));
        for piece in [1, 2, 3, 5, 1000, EARLY, EARLY + 1] {
            let found = read(answer.as_bytes(), piece, Asked::Page);
            assert_eq!(found, Ok(Some((200, b"x".into(), true))), "{end:?} in pieces of {piece}");
        }
    }
}

#[test]
fn a_body_is_kept_as_far_as_the_limit() {
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.resize(BODY_LIMIT + 1000, b'x');
    let (_, body, ended) = read(&answer, 1400, Asked::Page).unwrap().unwrap();
    assert!(ended);
    assert_eq!(body.len(), BODY_LIMIT);
}

proptest! {
    #[test]
    fn an_answer_is_the_same_in_any_pieces(
        length in prop::option::of(0_u64..30), chunked: bool, body: Vec<u8>, piece in 1_usize..50,
    ) {
        let length = length.map_or(String::new(), |length| format!("Content-Length: {length}\r\n"));
        let coding = if chunked { "Transfer-Encoding: chunked\r\n" } else { "" };
        let mut answer = format!("HTTP/1.1 200 OK\r\n{length}{coding}\r\n").into_bytes();
        answer.extend(body);
        prop_assert_eq!(read(&answer, piece, Asked::Page), read(&answer, usize::MAX, Asked::Page));
    }

    #[test]
    fn chunks_of_any_sizes_are_put_together(parts: Vec<Vec<u8>>, piece in 1_usize..50) {
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for part in parts.iter().filter(|part| !part.is_empty()) {
            answer.extend(format!("{:x}\r\n", part.len()).into_bytes());
            answer.extend_from_slice(part);
            answer.extend(b"\r\n");
        }
        answer.extend(b"0\r\n\r\n");
        prop_assert_eq!(read(&answer, piece, Asked::Page), Ok(Some((200, parts.concat(), true))));
    }
}
