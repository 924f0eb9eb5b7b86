//! Compressed messages: damaged streams, and such that expand without end. How much memory that takes is limited by
//! the runner (`-rss_limit_mb`), how long by its time limit.
//!
//! A packet (`###`) is used as it is; else the first byte says what the rest is: a stream, or the content of one.
#![no_main]

use flate2::Compression;
use flate2::write::ZlibEncoder;
use fuzz::{START, check_decoded, checksum_ring, field, packet, sealed};
use heartbeatd::wire::{MAX_UNCOMPRESSED, decode};
use libfuzzer_sys::fuzz_target;
use std::io::Write;

/// Expands to more than a message may.
const BOMB: usize = MAX_UNCOMPRESSED + MAX_UNCOMPRESSED / 2;

fuzz_target!(|data: &[u8]| {
    let datagram = match data {
        _ if data.starts_with(START) => sealed(data),
        [kind @ 0..=127, rest @ ..] => packed(algorithm(*kind), rest),
        [128..=159, rest @ ..] => packed("bz2", &bzip2(rest)),
        [160, rest @ ..] if !rest.is_empty() => {
            packed("zlib", &zlib(&rest.iter().copied().cycle().take(BOMB).collect::<Vec<u8>>()))
        }
        [times, rest @ ..] => packed("zlib", &zlib(&rest.repeat(usize::from(times % 64)))),
        [] => return,
    };
    let result = decode(&datagram, &checksum_ring());
    check_decoded(&result, datagram.len().max(MAX_UNCOMPRESSED));
    if data.first() == Some(&160) && data.len() > 1 {
        assert!(result.is_err(), "more than 2 MiB");
    }
});

fn algorithm(kind: u8) -> &'static str {
    if kind % 2 == 0 { "zlib" } else { "bz2" }
}

fn packed(algorithm: &str, payload: &[u8]) -> Vec<u8> {
    let name = field(0, "_compression_algorithm", algorithm.as_bytes());
    packet(&[field(1, "_compressed_payload", payload), name].concat())
}

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("into memory");
    encoder.finish().expect("into memory")
}

fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(content).expect("into memory");
    encoder.finish().expect("into memory")
}
