//! Datagrams as they come from the network, and the same with a digest that fits.
#![no_main]

use fuzz::{check_decoded, checksum_ring, recorded_ring, sealed};
use heartbeatd::wire::{MAX_UNCOMPRESSED, decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check_decoded(&decode(data, &recorded_ring()), data.len().max(MAX_UNCOMPRESSED));
    let keys = checksum_ring();
    let packet = sealed(data);
    let result = decode(&packet, &keys);
    check_decoded(&result, packet.len().max(MAX_UNCOMPRESSED));
    let Ok(message) = result else { return };
    for inner in [false, true] {
        assert_eq!(decode(&encode(&message, &keys, inner), &keys), Ok(message.clone()));
    }
});
