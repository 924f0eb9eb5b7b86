//! The DEST nest.
use super::service::{family_number, parse_family};
use super::{stats::parse_stats, top};
use crate::codec::{Malformed, Table, Writer};
use crate::{
    Checksum, Connections, Destination, DestinationEntry, DestinationKey, Family, Forwarding, GreChecksum,
    Tunnel,
};

const ADDR: u16 = 1;
const PORT: u16 = 2;
const FWD_METHOD: u16 = 3;
const WEIGHT: u16 = 4;
const U_THRESH: u16 = 5;
const L_THRESH: u16 = 6;
const ACTIVE_CONNS: u16 = 7;
const INACT_CONNS: u16 = 8;
const PERSIST_CONNS: u16 = 9;
const ADDR_FAMILY: u16 = 11;
const TUN_TYPE: u16 = 13;
const TUN_PORT: u16 = 14;
const TUN_FLAGS: u16 = 15;

const FORWARDING_MASK: u32 = 0x7;

const TUNNEL_IPIP: u8 = 0;
const TUNNEL_GUE: u8 = 1;
const TUNNEL_GRE: u8 = 2;
const CHECKSUM: u16 = 1;
const REMOTE_CHECKSUM: u16 = 2;

/// Reads a destination from the attributes of a NEW_DEST message. `service` is the family of the service
/// it was asked of, which kernels before 3.18 mean when they say none.
pub fn parse_destination(attributes: &[u8], service: Family) -> Result<DestinationEntry, Malformed> {
    let nest = Table::parse(attributes)?.need(top::DEST, "DEST")?;
    let table = Table::parse(nest.bytes())?;
    let family = table.get(ADDR_FAMILY, "ADDR_FAMILY").map_or(Ok(service), parse_family)?;
    let address = table.need(ADDR, "destination ADDR")?;
    let address = match family {
        Family::V4 => address.ipv4()?,
        Family::V6 => address.ipv6()?,
    };
    let number = |kind, what| table.need(kind, what)?.u32();
    let destination = Destination {
        key: DestinationKey::new(address, table.need(PORT, "destination PORT")?.be16()?),
        weight: number(WEIGHT, "WEIGHT")?,
        forwarding: parse_forwarding(&table)?,
        upper_threshold: number(U_THRESH, "U_THRESH")?,
        lower_threshold: number(L_THRESH, "L_THRESH")?,
    };
    let optional = |kind, what| table.get(kind, what).map_or(Ok(0), |value| value.u32());
    let connections = Connections {
        active: optional(ACTIVE_CONNS, "ACTIVE_CONNS")?,
        inactive: optional(INACT_CONNS, "INACT_CONNS")?,
        persistent: optional(PERSIST_CONNS, "PERSIST_CONNS")?,
    };
    Ok(DestinationEntry { destination, connections, stats: parse_stats(&table)? })
}

fn parse_forwarding(table: &Table<'_>) -> Result<Forwarding, Malformed> {
    Ok(match table.need(FWD_METHOD, "FWD_METHOD")?.u32()? & FORWARDING_MASK {
        0 => Forwarding::Masquerade,
        1 => Forwarding::Local,
        2 => Forwarding::Tunnel(parse_tunnel(table)?),
        3 => Forwarding::DirectRoute,
        4 => Forwarding::Bypass,
        number => Forwarding::Other(number),
    })
}

/// Kernels before 5.3 have only IP in IP and say nothing.
fn parse_tunnel(table: &Table<'_>) -> Result<Tunnel, Malformed> {
    let kind = table.get(TUN_TYPE, "TUN_TYPE").map_or(Ok(TUNNEL_IPIP), |value| value.u8())?;
    let port = table.get(TUN_PORT, "TUN_PORT").map_or(Ok(0), |value| value.be16())?;
    let flags = table.get(TUN_FLAGS, "TUN_FLAGS").map_or(Ok(0), |value| value.u16())?;
    Ok(match (kind, flags) {
        (TUNNEL_IPIP, _) => Tunnel::Ipip,
        (TUNNEL_GUE, 0) => Tunnel::Gue { port, checksum: Checksum::None },
        (TUNNEL_GUE, CHECKSUM) => Tunnel::Gue { port, checksum: Checksum::Full },
        (TUNNEL_GUE, REMOTE_CHECKSUM) => Tunnel::Gue { port, checksum: Checksum::Remote },
        (TUNNEL_GRE, 0) => Tunnel::Gre { checksum: GreChecksum::None },
        (TUNNEL_GRE, CHECKSUM) => Tunnel::Gre { checksum: GreChecksum::Full },
        _ => Tunnel::Other { kind, port, flags },
    })
}

/// Writes the attributes that identify a destination.
pub(super) fn write_key(out: &mut Writer, key: &DestinationKey) {
    out.u16(ADDR_FAMILY, family_number(key.family()));
    out.address(ADDR, key.address);
    out.be16(PORT, key.port);
}

/// Writes a whole destination. Thresholds are required even if 0, and what is left out of an edit is lost.
pub(super) fn write(out: &mut Writer, destination: &Destination) {
    write_key(out, &destination.key);
    let method = match destination.forwarding {
        Forwarding::Masquerade => 0,
        Forwarding::Local => 1,
        Forwarding::Tunnel(_) => 2,
        Forwarding::DirectRoute => 3,
        Forwarding::Bypass => 4,
        Forwarding::Other(number) => number,
    };
    out.u32(FWD_METHOD, method);
    out.u32(WEIGHT, destination.weight);
    out.u32(U_THRESH, destination.upper_threshold);
    out.u32(L_THRESH, destination.lower_threshold);
    if let Forwarding::Tunnel(tunnel) = destination.forwarding {
        write_tunnel(out, tunnel);
    }
}

fn write_tunnel(out: &mut Writer, tunnel: Tunnel) {
    let (kind, port, flags) = match tunnel {
        Tunnel::Ipip => (TUNNEL_IPIP, 0, 0),
        Tunnel::Gue { port, checksum: Checksum::None } => (TUNNEL_GUE, port, 0),
        Tunnel::Gue { port, checksum: Checksum::Full } => (TUNNEL_GUE, port, CHECKSUM),
        Tunnel::Gue { port, checksum: Checksum::Remote } => (TUNNEL_GUE, port, REMOTE_CHECKSUM),
        Tunnel::Gre { checksum: GreChecksum::None } => (TUNNEL_GRE, 0, 0),
        Tunnel::Gre { checksum: GreChecksum::Full } => (TUNNEL_GRE, 0, CHECKSUM),
        Tunnel::Other { kind, port, flags } => (kind, port, flags),
    };
    out.u8(TUN_TYPE, kind);
    out.be16(TUN_PORT, port);
    out.u16(TUN_FLAGS, flags);
}
