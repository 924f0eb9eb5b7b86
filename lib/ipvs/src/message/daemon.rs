//! The DAEMON nest.
use super::top;
use crate::codec::{Malformed, Table, Value, Writer};
use crate::{Invalid, SyncDaemon, SyncRole};
use std::net::IpAddr;

const STATE: u16 = 1;
const MCAST_IFN: u16 = 2;
const SYNC_ID: u16 = 3;
const SYNC_MAXLEN: u16 = 4;
const MCAST_GROUP: u16 = 5;
const MCAST_GROUP6: u16 = 6;
const MCAST_PORT: u16 = 7; // in host order, unlike every other port
const MCAST_TTL: u16 = 8;

/// Reads a sync daemon from the attributes of a NEW_DAEMON message.
pub fn parse_daemon(attributes: &[u8]) -> Result<SyncDaemon, Malformed> {
    let nest = Table::parse(attributes)?.need(top::DAEMON, "DAEMON")?;
    let table = Table::parse(nest.bytes())?;
    let state = table.need(STATE, "STATE")?;
    let role = match state.u32()? {
        1 => SyncRole::Master,
        2 => SyncRole::Backup,
        number => return Err(state.cannot_be(number)),
    };
    let group = match table.get(MCAST_GROUP6, "MCAST_GROUP6") {
        Some(group) => Some(group.ipv6()?),
        None => table.get(MCAST_GROUP, "MCAST_GROUP").map(Value::ipv4).transpose()?,
    };
    Ok(SyncDaemon {
        role,
        interface: table.need(MCAST_IFN, "MCAST_IFN")?.text(),
        id: table.need(SYNC_ID, "SYNC_ID")?.u32()?,
        max_length: table.get(SYNC_MAXLEN, "SYNC_MAXLEN").map(Value::u16).transpose()?,
        group,
        port: table.get(MCAST_PORT, "MCAST_PORT").map(Value::u16).transpose()?,
        ttl: table.get(MCAST_TTL, "MCAST_TTL").map(Value::u8).transpose()?,
    })
}

/// Writes the role, which is all that stopping needs.
pub(super) fn write_role(out: &mut Writer, role: SyncRole) {
    let state = match role {
        SyncRole::Master => 1,
        SyncRole::Backup => 2,
    };
    out.u32(STATE, state);
}

/// Writes a whole daemon.
pub(super) fn write(out: &mut Writer, daemon: &SyncDaemon) {
    write_role(out, daemon.role);
    out.text(MCAST_IFN, &daemon.interface);
    out.u32(SYNC_ID, daemon.id);
    if let Some(length) = daemon.max_length {
        out.u16(SYNC_MAXLEN, length);
    }
    match daemon.group {
        Some(group @ IpAddr::V4(_)) => out.address(MCAST_GROUP, group),
        Some(group @ IpAddr::V6(_)) => out.address(MCAST_GROUP6, group),
        None => {}
    }
    if let Some(port) = daemon.port {
        out.u16(MCAST_PORT, port);
    }
    if let Some(ttl) = daemon.ttl {
        out.u8(MCAST_TTL, ttl);
    }
}

/// What the kernel would take wrongly or refuse without words.
pub(super) fn check(daemon: &SyncDaemon) -> Result<(), Invalid> {
    let name = &daemon.interface;
    let length = (1..=15).contains(&name.len());
    let letters = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' || byte >= 0x80);
    if !length || !letters {
        return Err(Invalid::Interface(name.clone()));
    }
    if daemon.id > 255 {
        return Err(Invalid::SyncId(daemon.id));
    }
    match daemon.group {
        Some(group) if !group.is_multicast() => Err(Invalid::SyncGroup(group)),
        _ => Ok(()),
    }
}
