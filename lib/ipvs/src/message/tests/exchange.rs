//! Datagrams put together by hand.
use super::*;

const FAMILY: u16 = 30;

/// One message: type, flags, sequence, payload.
fn frame(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(16 + payload.len()).unwrap().to_ne_bytes().to_vec();
    out.extend(kind.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
    out.extend(sequence.to_ne_bytes());
    out.extend([0; 4]);
    out.extend(payload);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn generic(value: u8) -> Vec<u8> {
    vec![1, 1, 0, 0, value]
}

fn feed(exchange: &mut Exchange, datagram: &[u8]) -> (Result<Progress, Malformed>, Vec<Vec<u8>>) {
    let mut messages = Vec::new();
    let progress = exchange.feed(datagram, |message| messages.push(message.to_vec()));
    (progress, messages)
}

#[test]
fn a_dump_in_parts() {
    let mut exchange = Exchange::new(5);
    let first = [frame(FAMILY, 2, 5, &generic(1)), frame(FAMILY, 2, 5, &generic(2))].concat();
    assert_eq!(feed(&mut exchange, &first), (Ok(Progress::More), vec![vec![1], vec![2]]));
    assert_eq!(feed(&mut exchange, &frame(FAMILY, 2, 5, &generic(3))), (Ok(Progress::More), vec![vec![3]]));
    assert_eq!(feed(&mut exchange, &frame(3, 2, 5, &[0; 4])), (Ok(Progress::Done), vec![]));
}

#[test]
fn a_table_that_changed_during_the_dump() {
    let mut exchange = Exchange::new(5);
    feed(&mut exchange, &frame(FAMILY, 2 | 0x10, 5, &generic(1))).0.unwrap();
    assert_eq!(feed(&mut exchange, &frame(3, 2, 5, &[0; 4])).0, Ok(Progress::Interrupted));
}

#[test]
fn answers_to_older_requests_pass_by() {
    let mut exchange = Exchange::new(5);
    let refused = frame(2, 0, 4, &(-3i32).to_ne_bytes());
    let stale = [frame(FAMILY, 2, 4, &generic(9)), refused].concat();
    assert_eq!(feed(&mut exchange, &stale), (Ok(Progress::More), vec![]));
    assert_eq!(feed(&mut exchange, &frame(2, 0, 5, &[0; 20])).0, Ok(Progress::Done));
}

#[test]
fn a_refusal_with_the_kernels_words() {
    let mut words = Writer::default();
    words.text(1, "attribute type 7 has an invalid length");
    let words = words.into_bytes();
    let mut capped = (-22i32).to_ne_bytes().to_vec();
    capped.extend(frame(FAMILY, 5, 5, &[0; 100]).get(..16).unwrap()); // its header alone
    capped.extend(&words);
    let mut whole = (-22i32).to_ne_bytes().to_vec();
    whole.extend(frame(FAMILY, 5, 5, &[0; 100]));
    whole.extend(&words);
    let expected =
        Progress::Refused { errno: 22, detail: Some("attribute type 7 has an invalid length".to_owned()) };
    for (flags, payload) in [(0x300, capped), (0x200, whole)] {
        assert_eq!(feed(&mut Exchange::new(5), &frame(2, flags, 5, &payload)).0, Ok(expected.clone()));
    }
    let bare = frame(2, 0x200, 5, &(-22i32).to_ne_bytes());
    assert_eq!(feed(&mut Exchange::new(5), &bare).0, Ok(Progress::Refused { errno: 22, detail: None }));
}

#[test]
fn a_dump_that_ends_with_an_error() {
    let done = frame(3, 2, 5, &(-1i32).to_ne_bytes());
    assert_eq!(feed(&mut Exchange::new(5), &done).0, Ok(Progress::Refused { errno: 1, detail: None }));
    assert_eq!(feed(&mut Exchange::new(5), &frame(3, 2, 5, &[])).0, Ok(Progress::Done));
}

#[test]
fn an_overrun_and_a_noop() {
    let datagram = [frame(1, 0, 5, &[]), frame(4, 0, 5, &[])].concat();
    assert_eq!(feed(&mut Exchange::new(5), &datagram).0, Ok(Progress::Lost));
}

#[test]
fn lengths_that_lie() {
    for says in [0u32, 15, 21, u32::MAX] {
        let mut datagram = frame(FAMILY, 0, 5, &generic(0)[..4]);
        datagram[..4].copy_from_slice(&says.to_ne_bytes());
        assert!(matches!(feed(&mut Exchange::new(5), &datagram).0, Err(Malformed::Length { .. })), "{says}");
    }
    for short in 1..16 {
        assert!(feed(&mut Exchange::new(5), &[0; 16][..short]).0.is_err());
    }
    assert!(feed(&mut Exchange::new(5), &frame(FAMILY, 0, 5, &[1, 1])).0.is_err(), "no generic header");
    assert!(feed(&mut Exchange::new(5), &frame(2, 0, 5, &[1, 1])).0.is_err(), "no error number");
    assert_eq!(feed(&mut Exchange::new(5), &[]).0, Ok(Progress::More));
}

proptest::proptest! {
    #[test]
    fn any_datagram_can_be_fed(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let _ = Exchange::new(0).feed(&bytes, |_| {});
    }

    /// An error of i32::MIN has no positive counterpart.
    #[test]
    fn any_error_number_is_positive(number in proptest::prelude::any::<i32>()) {
        match feed(&mut Exchange::new(5), &frame(2, 0x200, 5, &number.to_ne_bytes())).0 {
            Ok(Progress::Refused { errno, .. }) => proptest::prop_assert!(errno > 0),
            other => proptest::prop_assert_eq!((other, number), (Ok(Progress::Done), 0)),
        }
    }
}
