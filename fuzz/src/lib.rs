//! What the fuzz targets share: packets that get past authentication, and what must be true of every answer.
//!
//! A target panics when a property does not hold. `tests/run --only fuzz` builds and runs them all; one alone runs with
//! `target/fuzz/TRIPLE/release/NAME [FILE]`, where FILE is an input that was found before.

pub mod server;

use config::Report;
use heartbeatd::wire::{DecodeError, Key, Keys, MAX_FIELDS, Message, Method};

/// How a packet in netstring form begins and ends before its authentication.
pub const START: &[u8] = b"###\n";
const END: &[u8] = b"%%%\n";

/// A ring that only checks a sum, which [`sealed`] knows.
///
/// # Panics
/// Never: the key is right.
pub fn checksum_ring() -> Keys {
    Key::new(Method::Crc, "").and_then(|key| Keys::single(1, key)).expect("a valid ring")
}

/// The ring of the recorded traffic, for what comes unsealed.
///
/// # Panics
/// Never: the key is right.
pub fn recorded_ring() -> Keys {
    Key::new(Method::Sha1, "hbtest-secret").and_then(|key| Keys::single(1, key)).expect("a valid ring")
}

/// `1 SUM` over these bytes, as [`checksum_ring`] expects it.
pub fn sum(bytes: &[u8]) -> String {
    let crc = bytes.iter().fold(0_u32, |mut crc, byte| {
        crc ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            crc = if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
        }
        crc
    });
    format!("1 {:x}", !crc)
}

/// A whole packet in netstring form, or the fields of one, up to its last end mark, with an authentication that
/// [`checksum_ring`] accepts.
pub fn sealed(data: &[u8]) -> Vec<u8> {
    let fields = data.strip_prefix(START).unwrap_or(data);
    match fields.windows(END.len()).rposition(|window| window == END) {
        Some(at) => packet(&fields[..at]),
        None => packet(fields),
    }
}

/// The packet of these fields.
pub fn packet(fields: &[u8]) -> Vec<u8> {
    let mut packet = [START, fields, END].concat();
    let authentication = sum(&packet);
    packet.extend_from_slice(format!("{}:{authentication},", authentication.len()).as_bytes());
    packet
}

/// One field of type 0 or 1 in netstring form.
pub fn field(kind: u8, name: &str, value: &[u8]) -> Vec<u8> {
    let content = [format!("({kind}){name}=").as_bytes(), value].concat();
    [format!("{}:", content.len()).as_bytes(), &content, b","].concat()
}

/// What is true of any message made of `most` bytes, and of any error.
///
/// # Panics
/// Something is not.
pub fn check_decoded(result: &Result<Message, DecodeError>, most: usize) {
    match result {
        Ok(message) => {
            assert!(message.fields().len() <= MAX_FIELDS, "too many fields");
            let bytes: usize = message.fields().map(|(name, value)| name.len() + value.bytes().len()).sum();
            assert!(bytes <= most, "{bytes} bytes of fields out of {most}");
            assert!(message.value("auth").is_none(), "the authentication is no field");
            assert!(!format!("{message:?}").contains('\n'), "one line for the log");
        }
        Err(error) => {
            if let DecodeError::Truncated { at, .. } | DecodeError::BadField { at, .. } = error {
                assert!(*at <= most, "an error at byte {at} of {most}");
            }
            assert!(error.to_string().len() < 200 && !error.reason().is_empty());
        }
    }
}

/// Every diagnostic stands inside its file and can be shown.
///
/// # Panics
/// One does not, or cannot.
pub fn check_report(report: &Report) {
    let text = report.source().text();
    for diagnostic in report.diagnostics() {
        if let Some(span) = diagnostic.span {
            assert!(
                span.start <= span.end && span.end <= text.len(),
                "{diagnostic:?} in {} bytes",
                text.len()
            );
            let on_borders = text.is_char_boundary(span.start) && text.is_char_boundary(span.end);
            assert!(on_borders, "{diagnostic:?} cuts a character");
            let place = report.source().position(span.start);
            assert!(place.line <= text.matches('\n').count() + 1, "{diagnostic:?} at {place:?}");
        }
        assert!(!diagnostic.message.is_empty());
    }
    assert_eq!(report.lines().count(), report.diagnostics().len());
    assert_eq!(report.render().is_empty(), report.diagnostics().is_empty());
}
