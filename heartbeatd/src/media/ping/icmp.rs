//! ICMP echo requests and replies (RFC 792, RFC 4443).

const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;
/// The type of a reply, by family.
pub(super) const REPLIES: [u8; 2] = [ECHO_REPLY, ECHO_REPLY_V6];

/// A request. ICMPv6's checksum covers addresses too and is the kernel's work (RFC 3542).
pub(super) fn request(v6: bool, identifier: u16, number: u16, data: &[u8]) -> Vec<u8> {
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

/// Identifier, number and data of a reply. A raw IPv4 socket delivers the IP header too.
pub(super) fn reply(packet: &[u8], v6: bool) -> Option<(u16, u16, &[u8])> {
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

/// RFC 1071.
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| pair.iter().fold(0, |word, byte| (word << 8) | u32::from(*byte)));
    // an odd last byte is the high half of its word
    let odd = if bytes.len() % 2 == 1 { bytes.last().map_or(0, |byte| u32::from(*byte) * 255) } else { 0 };
    let mut sum: u32 = words.sum::<u32>() + odd;
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}
