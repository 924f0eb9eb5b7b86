//! The text form: as a datagram with a digest that fits, and, because that one covers the fields written out again, as
//! the content of a compressed packet, where nothing but the grammar decides.
#![no_main]

use flate2::Compression;
use flate2::write::ZlibEncoder;
use fuzz::{check_decoded, checksum_ring, field, packet, recorded_ring, sum};
use heartbeatd::wire::{Algorithm, decode, encode, encode_compressed, encode_text};
use libfuzzer_sys::fuzz_target;
use std::io::Write;

fuzz_target!(|data: &[u8]| {
    let keys = checksum_ring();
    let lines = data.strip_prefix(b">>>\n").unwrap_or(data);
    check_decoded(&decode(&[b">>>\n", lines].concat(), &recorded_ring()), data.len() + 4);
    let auth = format!("auth={}\n<<<\n", sum(lines));
    let datagram = [b">>>\n", lines, auth.as_bytes()].concat();
    let direct = decode(&datagram, &keys);
    check_decoded(&direct, datagram.len());

    let text = [b">>>\n", lines, b"<<<\n\0"].concat();
    let packet = wrapped(&text);
    let inside = decode(&packet, &keys);
    check_decoded(&inside, packet.len());
    for message in [direct, inside].into_iter().flatten() {
        assert_eq!(decode(&encode_text(&message, &keys), &keys), Ok(message.clone()), "text");
        assert_eq!(decode(&encode(&message, &keys, true), &keys), Ok(message.clone()), "netstring");
        let packet = encode_compressed(&message, &keys, Algorithm::Zlib).expect("into memory");
        assert_eq!(decode(&packet, &keys), Ok(message), "compressed");
    }
});

fn wrapped(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(text).expect("into memory");
    let payload = encoder.finish().expect("into memory");
    packet(&[field(1, "_compressed_payload", &payload), field(0, "_compression_algorithm", b"zlib")].concat())
}
