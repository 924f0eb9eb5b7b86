use super::*;
use proptest::prelude::*;

#[test]
fn a_nest_is_laid_out_as_in_the_header_file() {
    let mut out = Writer::default();
    out.nest(1, |nest| {
        nest.u16(1, 2);
        nest.be16(4, 80);
        nest.text(6, "rr");
        nest.address(3, "192.0.2.1".parse().unwrap());
    });
    let (two, len) = (2u16.to_ne_bytes(), |n: u16| n.to_ne_bytes());
    let mut expected = Vec::new();
    expected.extend(len(36));
    expected.extend((1u16 | NESTED).to_ne_bytes());
    expected.extend(len(6));
    expected.extend(1u16.to_ne_bytes());
    expected.extend(two);
    expected.extend([0, 0]);
    expected.extend(len(6));
    expected.extend(4u16.to_ne_bytes());
    expected.extend([0, 80, 0, 0]);
    expected.extend(len(7));
    expected.extend(6u16.to_ne_bytes());
    expected.extend(*b"rr\0\0");
    expected.extend(len(8));
    expected.extend(3u16.to_ne_bytes());
    expected.extend([192, 0, 2, 1]);
    assert_eq!(out.into_bytes(), expected);
}

#[test]
fn a_length_that_lies_ends_the_iteration() {
    for says in [0u16, 3, 9, u16::MAX] {
        let mut bytes = says.to_ne_bytes().to_vec();
        bytes.extend([1, 0, 0, 0, 0, 0]);
        let mut attributes = Attributes::new(&bytes);
        let error = Malformed::Length { what: "an attribute", says: says.into(), available: 8 };
        assert_eq!(attributes.next(), Some(Err(error)), "{says}");
        assert_eq!(attributes.next(), None);
    }
}

#[test]
fn padding_at_the_end_is_no_attribute() {
    let bytes = [5u16.to_ne_bytes(), 7u16.to_ne_bytes(), [9, 0], [0, 0], [0, 0]].concat();
    let mut attributes = Attributes::new(&bytes);
    assert_eq!(attributes.next(), Some(Ok(Attribute { kind: 7, value: &[9] })));
    assert_eq!(attributes.next(), None);
}

#[test]
fn the_last_of_a_type_wins_and_unknown_types_pass() {
    let mut out = Writer::default();
    out.u32(3, 1);
    out.u32(9999, 5);
    out.u32(3 | NESTED, 2);
    let bytes = out.into_bytes();
    let table = Table::parse(&bytes).unwrap();
    assert_eq!(table.need(3, "A").unwrap().u32(), Ok(2));
    assert!(table.get(9999, "B").is_none());
    assert_eq!(table.need(4, "C").unwrap_err(), Malformed::Missing("C"));
}

#[test]
fn a_value_of_the_wrong_size_is_said_by_name() {
    let mut out = Writer::default();
    out.value(1, &[1, 2, 3]);
    let bytes = out.into_bytes();
    let value = Table::parse(&bytes).unwrap().need(1, "WEIGHT").unwrap();
    assert_eq!(value.u32().unwrap_err().to_string(), "WEIGHT has 3 bytes instead of 4");
    assert_eq!(value.ipv4().unwrap_err().to_string(), "WEIGHT has 3 bytes instead of 4");
    assert!(value.u8().is_err() && value.u16().is_err() && value.be16().is_err());
    assert!(value.u64().is_err() && value.ipv6().is_err());
}

#[test]
fn a_text_ends_at_its_first_nul_or_at_its_end() {
    let texts: [(&[u8], &str); 5] =
        [(b"rr\0", "rr"), (b"rr", "rr"), (b"\0rr", ""), (b"", ""), (b"a\xffb\0", "a\u{fffd}b")];
    for (bytes, expected) in texts {
        assert_eq!(Value { what: "T", bytes }.text(), expected);
    }
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let read: usize = Attributes::new(&bytes).filter_map(Result::ok).map(|a| a.value.len() + 4).sum();
        prop_assert!(read <= bytes.len());
        if let Ok(table) = Table::parse(&bytes) {
            for kind in 0..30 {
                if let Some(value) = table.get(kind, "X") {
                    let _ = (value.u8(), value.u16(), value.be16(), value.u32(), value.u64(), value.text());
                    let _ = (value.ipv4(), value.ipv6());
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_read(values in proptest::collection::vec((0u16..20, proptest::collection::vec(any::<u8>(), 0..40)), 0..20)) {
        let mut out = Writer::default();
        for (kind, value) in &values {
            out.value(*kind, value);
        }
        let bytes = out.into_bytes();
        prop_assert_eq!(bytes.len() % 4, 0);
        let read: Vec<(u16, Vec<u8>)> =
            Attributes::new(&bytes).map(|a| a.map(|a| (a.kind, a.value.to_vec())).unwrap()).collect();
        prop_assert_eq!(read, values);
    }
}
