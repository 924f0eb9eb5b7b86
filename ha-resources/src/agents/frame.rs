//! The frames that tell and ask a network who has an address: pure.
//!
//! * IPv4: gratuitous ARP, as a request and as a reply, because some neighbours only heed the one and
//!   some only the other (RFC 5227 §3; heartbeat's `send_arp` alternates them too).
//! * IPv6: an unsolicited neighbour advertisement with the override flag (RFC 4861 §7.2.6).
//!
//! Both are asked for without telling anything: by an ARP probe, and by the solicitation with which a machine looks for
//! duplicates of an address before it uses it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// EtherType of ARP.
pub const ARP: u16 = 0x0806;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;

/// The two forms of a gratuitous ARP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// "Who has 192.0.2.10? Tell 192.0.2.10"; the target's MAC is zero.
    Request = 1,
    /// "192.0.2.10 is at …"; the target's MAC is the broadcast.
    Reply = 2,
}

/// A gratuitous ARP, broadcast: 42 bytes with its Ethernet header (RFC 826).
pub fn arp(form: Form, mac: [u8; 6], ip: Ipv4Addr) -> [u8; 42] {
    const BROADCAST: [u8; 6] = [0xff; 6];
    let target = if form == Form::Request { [0; 6] } else { BROADCAST };
    let mut frame = [0; 42];
    fill(
        &mut frame,
        &[
            &BROADCAST,
            &mac,
            &ARP.to_be_bytes(),
            &[0, 1, 8, 0, 6, 4, 0, form as u8], // Ethernet, IPv4, lengths, operation
            &mac,
            &ip.octets(),
            &target,
            &ip.octets(),
        ],
    );
    frame
}

/// Asks who else has an address, without telling anybody anything (RFC 5227 §2.1.1: the sender's address is zero):
/// every other machine that has it answers.
pub fn probe(mac: [u8; 6], ip: Ipv4Addr) -> [u8; 42] {
    let mut frame = arp(Form::Request, mac, ip);
    fill(frame.get_mut(28..32).unwrap_or_default(), &[&[0; 4]]);
    frame
}

/// Who says in a frame that which address is his.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The address.
    pub ip: IpAddr,
    /// The MAC address that it is said to be at.
    pub mac: [u8; 6],
}

/// What a frame claims: an ARP request or reply names its sender, a neighbour advertisement (RFC 4861 §4.4) its target, a
/// neighbour solicitation (§4.3) its source. Any bytes are allowed; other frames claim nothing.
pub fn claim(frame: &[u8]) -> Option<Claim> {
    let mac = |at: usize| frame.get(at..at + 6)?.try_into().ok();
    let ipv6 = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(frame.get(at..at + 16)?).ok()?));
    let claim = match frame.get(12..14)? {
        [8, 6] => {
            // Ethernet and IPv4, request or reply
            if frame.get(14..20)? != [0, 1, 8, 0, 6, 4] || !matches!(frame.get(20..22)?, [0, 1 | 2]) {
                return None;
            }
            let ip = <[u8; 4]>::try_from(frame.get(28..32)?).ok()?;
            Claim { ip: Ipv4Addr::from(ip).into(), mac: mac(22)? }
        }
        [0x86, 0xdd] => {
            // ICMPv6 that no router has forwarded
            if frame.get(20..22)? != [58, 255] {
                return None;
            }
            match frame.get(54)? {
                136 => Claim {
                    ip: ipv6(62)?.into(),
                    mac: if frame.get(78..80) == Some(&[2, 1]) { mac(80)? } else { mac(6)? },
                },
                135 => Claim { ip: ipv6(22)?.into(), mac: mac(6)? },
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(claim).filter(|claim| !claim.ip.is_unspecified())
}

/// An unsolicited neighbour advertisement to all nodes: 86 bytes with its Ethernet header.
/// `router`: this machine forwards on that interface; hosts drop a default router that says it is none.
pub fn advertisement(mac: [u8; 6], ip: Ipv6Addr, router: bool) -> [u8; 86] {
    const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
    const OVERRIDE: u8 = 0x20;
    const ROUTER: u8 = 0x80;
    let flags = if router { OVERRIDE | ROUTER } else { OVERRIDE };
    let mut message = [0; 32];
    // Type 136, code 0, checksum 0; the option: target's link-layer address, 1 × 8 bytes.
    fill(&mut message, &[&[136, 0, 0, 0, flags, 0, 0, 0], &ip.octets(), &[2, 1], &mac]);
    let mut frame = [0; 86];
    icmpv6(&mut frame, (ALL_NODES_MAC, mac), (ip, ALL_NODES), &mut message);
    frame
}

/// Asks who else has an address, without telling anybody anything (RFC 4862 §5.4.2: the source is unspecified): every
/// other machine that has it tells all nodes. 78 bytes with its Ethernet header.
pub fn solicitation(mac: [u8; 6], ip: Ipv6Addr) -> [u8; 78] {
    // each address has a group of listeners of its own, nearly (RFC 4291 §2.7.1)
    let [.., a, b, c] = ip.octets();
    let (group, group_mac) = (
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c])),
        [0x33, 0x33, 0xff, a, b, c],
    );
    let mut message = [0; 24];
    fill(&mut message, &[&[135, 0, 0, 0, 0, 0, 0, 0], &ip.octets()]);
    let mut frame = [0; 78];
    icmpv6(&mut frame, (group_mac, mac), (Ipv6Addr::UNSPECIFIED, group), &mut message);
    frame
}

/// Frames a message of neighbour discovery, whose checksum is still zero. MAC addresses are given as destination and
/// source, addresses as source and destination, as the headers have them.
fn icmpv6(frame: &mut [u8], macs: ([u8; 6], [u8; 6]), ips: (Ipv6Addr, Ipv6Addr), message: &mut [u8]) {
    let length = u8::try_from(message.len()).unwrap_or(u8::MAX); // neither is longer than 32
    let (source, destination) = (ips.0.octets(), ips.1.octets());
    let sum = checksum(&[&source, &destination, &[0, 0, 0, length, 0, 0, 0, 58], message]);
    fill(message.get_mut(2..4).unwrap_or_default(), &[&sum.to_be_bytes()]);
    fill(
        frame,
        &[
            &macs.0,
            &macs.1,
            &IPV6.to_be_bytes(),
            &[0x60, 0, 0, 0, 0, length, 58, 255], // version, length, ICMPv6, hop limit
            &source,
            &destination,
            message,
        ],
    );
}

/// Writes the parts one after the other.
fn fill(frame: &mut [u8], parts: &[&[u8]]) {
    for (byte, part) in frame.iter_mut().zip(parts.iter().copied().flatten()) {
        *byte = *part;
    }
}

/// The Internet checksum (RFC 1071) over parts of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks_exact(2)).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    #[test]
    fn the_two_arp_forms_are_those_of_send_arp() {
        let ip = Ipv4Addr::new(192, 0, 2, 10);
        let request = arp(Form::Request, MAC, ip);
        let expected = [
            255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1,
            192, 0, 2, 10, 0, 0, 0, 0, 0, 0, 192, 0, 2, 10,
        ];
        assert_eq!(request, expected);
        let reply = arp(Form::Reply, MAC, ip);
        assert_eq!(reply[21], 2);
        assert_eq!(reply[32..38], [255; 6]);
        assert_eq!(
            (&reply[..20], &reply[22..32], &reply[38..]),
            (&expected[..20], &expected[22..32], &expected[38..])
        );
    }

    #[test]
    fn claims_are_read_and_a_probe_makes_none() {
        let (v4, v6) = (Ipv4Addr::new(192, 0, 2, 10), "2001:db8::10".parse::<Ipv6Addr>().unwrap());
        for form in [Form::Request, Form::Reply] {
            assert_eq!(claim(&arp(form, MAC, v4)), Some(Claim { ip: v4.into(), mac: MAC }));
        }
        assert_eq!(claim(&advertisement(MAC, v6, true)), Some(Claim { ip: v6.into(), mac: MAC }));
        let asked = probe(MAC, v4);
        assert_eq!((claim(&asked), &asked[38..], asked[21]), (None, &v4.octets()[..], 1));
        let asked = solicitation(MAC, v6);
        assert_eq!((claim(&asked), &asked[62..], asked[54]), (None, &v6.octets()[..], 135));
        // one without the option: the frame's own sender
        assert_eq!(claim(&advertisement(MAC, v6, true)[..78]), Some(Claim { ip: v6.into(), mac: MAC }));
        let mut solicitation = advertisement(MAC, v6, false);
        solicitation[54] = 135;
        assert_eq!(claim(&solicitation), Some(Claim { ip: v6.into(), mac: MAC }));
        let mut routed = advertisement(MAC, v6, false);
        routed[21] = 254;
        assert_eq!(claim(&routed), None);
    }

    #[test]
    fn any_bytes_are_no_more_than_no_claim() {
        let whole = [
            arp(Form::Reply, MAC, Ipv4Addr::LOCALHOST).to_vec(),
            advertisement(MAC, Ipv6Addr::LOCALHOST, true).to_vec(),
        ];
        for frame in &whole {
            for length in 0..frame.len() {
                let _ = claim(&frame[..length]);
            }
        }
        assert_eq!(claim(&[0xff; 100]), None);
    }

    #[test]
    fn the_checksums_of_neighbour_discovery_are_right() {
        let ip: Ipv6Addr = "2001:db8::10".parse().unwrap();
        for router in [false, true] {
            let frame = advertisement(MAC, ip, router);
            // A receiver sums everything with the checksum in place and expects zero.
            let pseudo = [0, 0, 0, 32, 0, 0, 0, 58];
            assert_eq!(checksum(&[&frame[22..54], &pseudo, &frame[54..]]), 0);
            assert_eq!(frame[..6], [0x33, 0x33, 0, 0, 0, 1]);
            assert_eq!(frame[12..22], [0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255]);
            assert_eq!((frame[54], frame[58]), (136, if router { 0xa0 } else { 0x20 }));
            assert_eq!(frame[62..78], ip.octets());
            assert_eq!(frame[78..], [2, 1, 2, 0, 0, 0, 0, 1]);
        }
        let frame = solicitation(MAC, "2001:db8::12:3456".parse().unwrap());
        assert_eq!(checksum(&[&frame[22..54], &[0, 0, 0, 24, 0, 0, 0, 58], &frame[54..]]), 0);
        assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
        assert_eq!((frame[18..22].to_vec(), &frame[22..38]), (vec![0, 24, 58, 255], &[0; 16][..]));
        assert_eq!(frame[38..54], "ff02::1:ff12:3456".parse::<Ipv6Addr>().unwrap().octets());
    }
}
