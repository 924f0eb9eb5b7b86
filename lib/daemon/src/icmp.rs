//! ICMP echo requests and replies as bytes (RFC 792, RFC 4443), for raw sockets of either family. Never panics on what
//! a network supplied.

const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;
/// The type of a reply: of ICMP, and of ICMPv6.
pub const REPLIES: [u8; 2] = [ECHO_REPLY, ECHO_REPLY_V6];

/// A request. ICMPv6's checksum covers addresses too and is the kernel's work (RFC 3542).
pub fn request(v6: bool, identifier: u16, number: u16, data: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(8 + data.len());
    packet.extend([if v6 { ECHO_REQUEST_V6 } else { ECHO_REQUEST }, 0, 0, 0]);
    packet.extend(identifier.to_be_bytes());
    packet.extend(number.to_be_bytes());
    packet.extend(data);
    if !v6 {
        let sum = checksum(&packet).to_be_bytes();
        packet.splice(2..4, sum);
    }
    packet
}

/// Identifier, number and data of a reply; `None` if it is something else. A raw IPv4 socket delivers the IP header, too.
pub fn reply(packet: &[u8], v6: bool) -> Option<(u16, u16, &[u8])> {
    let message = match v6 {
        true => packet,
        false => packet.get(usize::from(packet.first()? & 0x0f) * 4..)?,
    };
    let (header, data) = message.split_first_chunk::<8>()?;
    let [kind, 0, _, _, id_high, id_low, number_high, number_low] = *header else { return None };
    let (identifier, number) =
        (u16::from_be_bytes([id_high, id_low]), u16::from_be_bytes([number_high, number_low]));
    (kind == REPLIES[usize::from(v6)]).then_some((identifier, number, data))
}

/// RFC 1071. No packet is so long that the sum of its words overflows.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        // an odd last byte is the high half of its word
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.fold(0, u32::wrapping_add);
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[]), 0xffff);
        assert_eq!(checksum(&[0xff]), 0x00ff);
    }

    #[test]
    fn a_request_has_its_numbers_and_the_right_sum() {
        for data in [&b""[..], b"odd", b"even", &[0xff; 1400]] {
            let packet = request(false, 0x0102, 0x0304, data);
            assert_eq!(checksum(&packet), 0, "over the whole packet the sum is zero");
            assert_eq!(
                (packet[..2].to_vec(), &packet[4..8], &packet[8..]),
                (vec![8, 0], &[1, 2, 3, 4][..], data)
            );
        }
        assert_eq!(
            request(true, 0x0102, 0x0304, b"x"),
            [128, 0, 0, 0, 1, 2, 3, 4, b'x'],
            "the sum is the kernel's"
        );
    }

    #[test]
    fn replies_of_both_families_and_nothing_else() {
        let mut v4 = vec![0x45; 20];
        v4.extend([0, 0, 9, 9, 1, 2, 3, 4, 5]);
        assert_eq!(reply(&v4, false), Some((0x0102, 0x0304, &[5][..])));
        assert_eq!(reply(&[129, 0, 9, 9, 1, 2, 3, 4], true), Some((0x0102, 0x0304, &[][..])));
        for length in 0..28 {
            assert_eq!(reply(&v4[..length], false), None);
        }
        for length in 0..8 {
            assert_eq!(reply(&[129, 0, 9, 9, 1, 2, 3, 4][..length], true), None);
        }
        assert_eq!(reply(&[129, 1, 9, 9, 1, 2, 3, 4], true), None, "another code");
        assert_eq!(reply(&[128, 0, 9, 9, 1, 2, 3, 4], true), None, "a request");
        v4[20] = ECHO_REQUEST;
        assert_eq!(reply(&v4, false), None, "a request");
        assert_eq!(reply(&[0x4f; 59], false), None, "a header longer than the packet");
    }
}
