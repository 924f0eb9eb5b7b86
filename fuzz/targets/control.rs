//! The control socket: lines of JSON in whatever pieces they come, both ways.
//!
//! The first byte is the length of the pieces.
#![no_main]

use daemon::control::{LINE_LIMIT, LineError, Lines};
use heartbeatd::control::{Answer, Request};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

fuzz_target!(|data: &[u8]| {
    let [piece, data @ ..] = data else { return };
    let piece = usize::from(*piece).max(1);
    check::<Request>(data, piece);
    check::<Answer>(data, piece);
});

fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: &[u8], piece: usize) {
    let whole = read::<T>(data, data.len().max(1));
    assert_eq!(read::<T>(data, piece), whole, "in pieces of {piece}");
    for value in whole.into_iter().flatten() {
        let mut line = serde_json::to_vec(&value).expect("has a JSON form");
        assert!(!line.contains(&b'\n'));
        line.push(b'\n');
        assert_eq!(read::<T>(&line, piece), [Ok(value)]);
    }
}

/// Every value up to the end or to a line that is too long.
fn read<T: DeserializeOwned>(data: &[u8], piece: usize) -> Vec<Result<T, LineError>> {
    let (mut lines, mut values) = (Lines::default(), Vec::new());
    for bytes in data.chunks(piece) {
        lines.push(bytes);
        while let Some(value) = lines.next_value() {
            let useless = matches!(value, Err(LineError::TooLong));
            values.push(value);
            if useless {
                assert!(data.len() >= LINE_LIMIT);
                return values;
            }
        }
    }
    assert_eq!(lines.is_cut_off(), data.last().is_some_and(|byte| *byte != b'\n'));
    values
}
