//! The media lines of `ha.cf`.

use super::draft::Spanned;
use super::hacf::Parser;
use super::line::{Line, Word};
use super::plan::{Medium, MediumKind, PingNode};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest name of a network interface (IFNAMSIZ without its NUL, netdevice(7)).
const LONGEST_INTERFACE: usize = 15;

/// The longest path of a serial device: links have names of at most so many bytes (heartbeat 3.0.6).
const LONGEST_DEVICE: usize = 29;

/// The lower limit of both protocols; more is not a cluster on one segment (ha.cf(5)).
const MOST_HOPS: u64 = 4;

/// Applies a media line.
pub(super) fn apply(parser: &mut Parser<'_>, line: &Line<'_>) {
    parser.draft.media_lines += 1;
    match line.directive.text {
        "bcast" => broadcast(parser, line),
        "udp" => {
            parser.warning(line.directive.span, "udp is an old name of bcast", "write bcast");
            broadcast(parser, line);
        }
        "ucast" => unicast(parser, line, false),
        "ucast6" => unicast(parser, line, true),
        "mcast" => multicast(parser, line),
        "mcast6" => multicast6(parser, line),
        "ping_group" => ping_group(parser, line),
        "ping" | "ping6" => ping(parser, line),
        _ => serial(parser, line),
    }
}

/// `baud`: of all serial lines, wherever they are written.
pub(super) fn set_baud(parser: &mut Parser<'_>, baud: u32) {
    parser.draft.baud = baud;
    for medium in &mut parser.draft.media {
        if let MediumKind::Serial { baud: set } = &mut medium.kind {
            *set = baud;
        }
    }
}

/// `udpport`: media lines above it keep the port they had, as with heartbeat 3.0.6.
pub(super) fn set_port(parser: &mut Parser<'_>, directive: Word<'_>, port: u16) {
    let used = [parser.draft.bcast_port, parser.draft.ucast_port];
    if used.iter().flatten().any(|used| *used != port) {
        parser.warning(
            directive.span,
            "udpport setting must precede media statements",
            format!("the media above it use port {}; move this line up", parser.draft.port),
        );
    }
    parser.draft.port = port;
}

fn broadcast(parser: &mut Parser<'_>, line: &Line<'_>) {
    let port = *parser.draft.bcast_port.get_or_insert(parser.draft.port);
    for value in &line.values {
        if let Some(interface) = interface(parser, *value) {
            add(parser, *value, Medium { interface, kind: MediumKind::Broadcast { port } });
        }
    }
}

fn unicast(parser: &mut Parser<'_>, line: &Line<'_>, v6: bool) {
    let name = line.directive.text;
    let [interface_word, peer] = line.values.as_slice() else {
        return usage(parser, line, &format!("{name} INTERFACE PEER"), &format!("{name} eth0 192.0.2.2"));
    };
    let port = *parser.draft.ucast_port.get_or_insert(parser.draft.port);
    let interface = interface(parser, *interface_word);
    if !peer_is_valid(peer.text, v6) {
        let message = format!("{name}: \"{}\" is neither an address nor a host name", peer.text);
        return parser.error(peer.span, message, "the peer's address on this link, 192.0.2.2");
    }
    if let Some(interface) = interface {
        add(
            parser,
            *peer,
            Medium { interface, kind: MediumKind::Unicast { peer: peer.text.to_owned(), port, v6 } },
        );
    }
}

/// An address of the right family, or something that may be a host name (RFC 1123, and the underscore).
fn peer_is_valid(peer: &str, v6: bool) -> bool {
    match peer.parse::<IpAddr>() {
        Ok(address) => address.is_ipv6() == v6 && !address.is_unspecified() && !address.is_multicast(),
        Err(_) => {
            peer.len() <= 253
                && peer.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
                // Digits and dots only: a mistyped address, never a name.
                && !peer.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        }
    }
}

fn multicast(parser: &mut Parser<'_>, line: &Line<'_>) {
    let [interface_word, group, port, ttl, own_back] = line.values.as_slice() else {
        return usage(parser, line, "mcast INTERFACE GROUP PORT TTL LOOP", "mcast eth0 239.0.0.1 694 1 0");
    };
    let interface = interface(parser, *interface_word);
    let address = group.text.parse::<Ipv4Addr>().ok().filter(Ipv4Addr::is_multicast);
    if address.is_none() {
        let message = format!("mcast: \"{}\" is not a multicast group", group.text);
        parser.error(group.span, message, "an address from 224.0.0.0 to 239.255.255.255");
    }
    let rest = hops_and_loop(parser, line.directive, *port, *ttl, *own_back);
    if let (Some(interface), Some(group), Some((port, ttl, own_back))) = (interface, address, rest) {
        let kind = MediumKind::Multicast { group, port, ttl, own_back };
        add(parser, line.directive, Medium { interface, kind });
    }
}

fn multicast6(parser: &mut Parser<'_>, line: &Line<'_>) {
    let [interface_word, group, port, hops, own_back] = line.values.as_slice() else {
        return usage(parser, line, "mcast6 INTERFACE GROUP PORT HOPS LOOP", "mcast6 eth0 ff15::694 694 1 0");
    };
    let interface = interface(parser, *interface_word);
    let address = group.text.parse::<Ipv6Addr>().ok().filter(Ipv6Addr::is_multicast);
    if address.is_none() {
        let message = format!("mcast6: \"{}\" is not a multicast group", group.text);
        parser.error(group.span, message, "an address in ff00::/8");
    }
    let rest = hops_and_loop(parser, line.directive, *port, *hops, *own_back);
    if let (Some(interface), Some(group), Some((port, hops, own_back))) = (interface, address, rest) {
        let kind = MediumKind::Multicast6 { group, port, hops, own_back };
        add(parser, line.directive, Medium { interface, kind });
    }
}

fn hops_and_loop(
    parser: &mut Parser<'_>,
    directive: Word<'_>,
    port: Word<'_>,
    hops: Word<'_>,
    own_back: Word<'_>,
) -> Option<(u16, u8, bool)> {
    let name = |text| Word { text, span: directive.span };
    let (port_name, hops_name, loop_name) = ("multicast port", "multicast TTL", "multicast loop");
    let port = parser.number(name(port_name), port, 1, 65_535);
    let hops = parser.number(name(hops_name), hops, 0, MOST_HOPS);
    let own_back = parser.number(name(loop_name), own_back, 0, 1);
    Some((port? as u16, hops? as u8, own_back? == 1))
}

fn ping(parser: &mut Parser<'_>, line: &Line<'_>) {
    let v6 = line.directive.text == "ping6";
    for host in &line.values {
        if ping_host_is_valid(parser, line.directive, *host, v6) {
            let hosts = vec![host.text.to_owned()];
            add_ping_node(parser, *host, PingNode { name: host.text.to_owned(), hosts, v6, group: false });
        }
    }
    parser.draft.other_media += 1;
}

fn ping_group(parser: &mut Parser<'_>, line: &Line<'_>) {
    let [group, members @ ..] = line.values.as_slice() else { return };
    if members.is_empty() {
        parser.draft.other_media += 1;
        return usage(parser, line, "ping_group NAME HOST...", "ping_group routers 192.0.2.1 192.0.2.129");
    }
    let mut hosts: Vec<String> = Vec::new();
    for member in members {
        if hosts.iter().any(|known| known == member.text) {
            let message = format!("{} is in the group {} twice", member.text, group.text);
            parser.warning(member.span, message, "the second one is ignored");
        } else if ping_host_is_valid(parser, line.directive, *member, false) {
            hosts.push(member.text.to_owned());
        }
    }
    // Without a valid member the errors above refuse the file.
    if !hosts.is_empty() {
        add_ping_node(
            parser,
            *group,
            PingNode { name: group.text.to_owned(), hosts, v6: false, group: true },
        );
    }
    parser.draft.other_media += 1;
}

fn ping_host_is_valid(parser: &mut Parser<'_>, directive: Word<'_>, host: Word<'_>, v6: bool) -> bool {
    let valid = peer_is_valid(host.text, v6);
    if !valid {
        let message = format!("{}: \"{}\" is neither an address nor a host name", directive.text, host.text);
        let help = match (v6, host.text.parse::<IpAddr>()) {
            (true, _) => "an IPv6 address, 2001:db8::1, or a host name",
            (false, Ok(IpAddr::V6(_))) => "an IPv6 address is written with ping6",
            (false, _) => "an IPv4 address, 192.0.2.1, or a host name",
        };
        parser.error(host.span, message, help);
    }
    valid
}

fn add_ping_node(parser: &mut Parser<'_>, at: Word<'_>, node: PingNode) {
    match parser.draft.pings.iter().find(|known| known.value.name == node.name) {
        Some(known) if known.value == node => {
            let message = format!("ping node {} is configured twice", node.name);
            parser.warning(at.span, message, "the second one is ignored");
        }
        Some(_) => {
            let message = format!("there is another ping node {}", node.name);
            parser.error(at.span, message, "each ping node and each group has a name of its own");
        }
        None => parser.draft.pings.push(Spanned::new(node, at.span)),
    }
}

fn serial(parser: &mut Parser<'_>, line: &Line<'_>) {
    for device in &line.values {
        if device.text.starts_with('/') && device.text.len() <= LONGEST_DEVICE {
            let kind = MediumKind::Serial { baud: parser.draft.baud };
            add(parser, *device, Medium { interface: device.text.to_owned(), kind });
        } else {
            let message = format!("serial: \"{}\" is not the path of a device", device.text);
            parser.error(device.span, message, "a serial line, /dev/ttyS0");
        }
    }
}

fn interface(parser: &mut Parser<'_>, word: Word<'_>) -> Option<String> {
    let valid = word.text.len() <= LONGEST_INTERFACE && !word.text.contains('/');
    if !valid {
        let message = format!("\"{}\" cannot be the name of a network interface", word.text);
        parser.error(word.span, message, "at most 15 characters, as \"ip link\" lists them");
    }
    valid.then(|| word.text.to_owned())
}

fn add(parser: &mut Parser<'_>, at: Word<'_>, medium: Medium) {
    if parser.draft.media.contains(&medium) {
        parser.warning(at.span, format!("{medium} is configured twice"), "the second line is ignored");
    } else {
        parser.draft.media.push(medium);
    }
}

fn usage(parser: &mut Parser<'_>, line: &Line<'_>, form: &str, example: &str) {
    let span = line.directive.span.to(line.rest.span);
    let message = format!("{} has {} words", line.directive.text, line.values.len());
    parser.error(span, message, format!("write \"{form}\", for example \"{example}\""));
}
