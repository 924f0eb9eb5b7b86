//! Messages about the whole table, and the one that finds the family.
use super::top;
use crate::codec::{Malformed, Table, Writer};
use crate::{Info, Invalid, Persistence, Timeouts, Version};

/// Reads the timeouts from the attributes of a SET_CONFIG message.
pub fn parse_timeouts(attributes: &[u8]) -> Result<Timeouts, Malformed> {
    let table = Table::parse(attributes)?;
    Ok(Timeouts {
        tcp: table.need(top::TIMEOUT_TCP, "TIMEOUT_TCP")?.u32()?,
        tcp_fin: table.need(top::TIMEOUT_TCP_FIN, "TIMEOUT_TCP_FIN")?.u32()?,
        // a kernel without UDP in IPVS has no timeout for it
        udp: table.get(top::TIMEOUT_UDP, "TIMEOUT_UDP").map_or(Ok(0), |value| value.u32())?,
    })
}

/// Reads the attributes of a SET_INFO message, which have numbers of their own.
pub fn parse_info(attributes: &[u8]) -> Result<Info, Malformed> {
    let table = Table::parse(attributes)?;
    Ok(Info {
        version: Version::from(table.need(1, "VERSION")?.u32()?),
        table_size: table.need(2, "CONN_TAB_SIZE")?.u32()?,
    })
}

/// Reads the family's number from the controller's answer (`CTRL_ATTR_FAMILY_ID`).
pub fn parse_family_id(attributes: &[u8]) -> Result<u16, Malformed> {
    Table::parse(attributes)?.need(1, "FAMILY_ID")?.u16()
}

/// Writes the timeouts; the kernel leaves those alone that are not there.
pub(super) fn write_timeouts(out: &mut Writer, timeouts: &Timeouts) {
    let all = [
        (top::TIMEOUT_TCP, timeouts.tcp),
        (top::TIMEOUT_TCP_FIN, timeouts.tcp_fin),
        (top::TIMEOUT_UDP, timeouts.udp),
    ];
    for (kind, seconds) in all.into_iter().filter(|(_, seconds)| *seconds != 0) {
        out.u32(kind, seconds);
    }
}

/// `ipvsadm`'s limit. The kernel counts in ticks and may have a lower one, which it says with EINVAL.
pub(super) fn check_timeouts(timeouts: &Timeouts) -> Result<(), Invalid> {
    let values = [timeouts.tcp, timeouts.tcp_fin, timeouts.udp];
    match values.into_iter().find(|&seconds| seconds > MAX_TIMEOUT) {
        Some(seconds) => Err(Invalid::Timeout(seconds)),
        None => Ok(()),
    }
}

const MAX_TIMEOUT: u32 = Persistence::MAX_TIMEOUT;
