//! Properties of the wire: any message comes back as it was, any bytes are answered without a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test ends by panicking

use heartbeatd::wire::{
    Algorithm, Key, Keys, Message, Method, decode, encode, encode_compressed, encode_text,
};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Field {
    Text(String, Vec<u8>),
    Binary(String, Vec<u8>),
}

fn message(fields: &[Field]) -> Message {
    let mut message = Message::empty();
    for field in fields {
        match field {
            Field::Text(name, value) => message.push_text(name, value),
            Field::Binary(name, value) => message.push_binary(name, value),
        };
    }
    message
}

fn name() -> impl Strategy<Value = String> {
    // repeated names are wanted; `auth` belongs to the encoding
    prop_oneof!["[a-d]", "[a-zA-Z_][a-zA-Z0-9_ .:(),#%<>-]{0,20}"]
        .prop_filter("auth", |name| name != "auth" && name != "_compression_algorithm")
}

fn fields(text: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<Field>> {
    let text = (name(), text).prop_map(|(name, value)| Field::Text(name, value));
    let binary = (name(), vec(any::<u8>(), 0..40)).prop_map(|(name, value)| Field::Binary(name, value));
    vec(prop_oneof![text, binary], 0..12)
}

/// What the text form can carry: no NUL, and no byte 0x13, which stands for a newline there.
fn text_value() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>().prop_map(|byte| if byte == 0 || byte == 0x13 { b'\n' } else { byte }), 0..60)
}

fn ring() -> impl Strategy<Value = Keys> {
    let keyed = (0_u8..16, vec(1_u8.., 1..100), any::<bool>()).prop_map(|(number, secret, md5)| {
        let method = if md5 { Method::Md5 } else { Method::Sha1 };
        Keys::single(number, Key::new(method, secret).unwrap()).unwrap()
    });
    let crc = (0_u8..16).prop_map(|number| Keys::single(number, Key::new(Method::Crc, "").unwrap()).unwrap());
    prop_oneof![keyed, crc]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn netstring_form_round_trip(fields in fields(vec(any::<u8>(), 0..60)), keys in ring(), inner: bool) {
        let message = message(&fields);
        prop_assert_eq!(decode(&encode(&message, &keys, inner), &keys), Ok(message));
    }

    #[test]
    fn text_form_round_trip(fields in fields(text_value()), keys in ring()) {
        let message = message(&fields);
        prop_assert_eq!(decode(&encode_text(&message, &keys), &keys), Ok(message));
    }

    #[test]
    fn compression_round_trip(fields in fields(text_value()), keys in ring(), bz2: bool) {
        let message = message(&fields);
        let algorithm = if bz2 { Algorithm::Bz2 } else { Algorithm::Zlib };
        let datagram = encode_compressed(&message, &keys, algorithm).unwrap();
        prop_assert_eq!(decode(&datagram, &keys), Ok(message));
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(start in 0_usize..4, rest in vec(any::<u8>(), 0..300), keys in ring()) {
        let start = [&b""[..], b"###\n", b">>>\n", b"###\n9:(0)"][start];
        let datagram = [start, &rest].concat();
        prop_assert!(decode(&datagram, &keys).is_err());
    }

    #[test]
    fn almost_fields_are_refused_without_a_panic(
        start in 0_usize..2,
        rest in "([0-9]{1,3}:)?[(]?[0-6]?[)]?[a-c=,:\n%<\\x00]{0,12}(%%%\n|<<<\n)?([0-9]{1,20}:[0-9]{1,4} [0-9a-f]{0,40},?)?",
        keys in ring(),
    ) {
        let datagram = [["###\n", ">>>\n"][start], &rest].concat();
        prop_assert!(decode(datagram.as_bytes(), &keys).is_err());
    }

    #[test]
    fn another_secret_is_refused(fields in fields(text_value()), one in "[a-z]{1,70}", two in "[a-z]{1,70}") {
        prop_assume!(one != two);
        let message = message(&fields);
        let ring = |secret: &str| Keys::single(1, Key::new(Method::Sha1, secret).unwrap()).unwrap();
        prop_assert!(decode(&encode(&message, &ring(&one), true), &ring(&two)).is_err());
        prop_assert!(decode(&encode_text(&message, &ring(&one)), &ring(&two)).is_err());
    }
}
