//! The SERVICE nest.
use super::{stats::parse_stats, top};
use crate::codec::{Malformed, Table, Value, Writer};
use crate::{
    Family, Invalid, Netmask, Persistence, Protocol, SchedulerFlags, Service, ServiceEntry, ServiceKey,
};
use std::net::Ipv4Addr;

const AF: u16 = 1;
const PROTOCOL: u16 = 2;
const ADDR: u16 = 3;
const PORT: u16 = 4;
const FWMARK: u16 = 5;
const SCHED_NAME: u16 = 6;
const FLAGS: u16 = 7;
const TIMEOUT: u16 = 8;
const NETMASK: u16 = 9;
const PE_NAME: u16 = 11;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

const PERSISTENT: u32 = 0x01; // 0x02 is HASHED: set by the kernel, of no meaning to anybody else
const ONE_PACKET: u32 = 0x04;
const SCHED1: u32 = 0x08;
const SCHED2: u32 = 0x10;
const SCHED3: u32 = 0x20;

/// Reads a service from the attributes of a NEW_SERVICE message.
pub fn parse_service(attributes: &[u8]) -> Result<ServiceEntry, Malformed> {
    let nest = Table::parse(attributes)?.need(top::SERVICE, "SERVICE")?;
    let table = Table::parse(nest.bytes())?;
    let key = parse_key(&table)?;
    let flags = parse_flags(table.need(FLAGS, "service FLAGS")?)?;
    let has = |bit| flags & bit != 0;
    let persistence = if has(PERSISTENT) { Some(parse_persistence(&table, key.family())?) } else { None };
    let service = Service {
        key,
        scheduler: table.need(SCHED_NAME, "SCHED_NAME")?.text(),
        scheduler_flags: SchedulerFlags { flag1: has(SCHED1), flag2: has(SCHED2), flag3: has(SCHED3) },
        one_packet: has(ONE_PACKET),
        persistence,
    };
    Ok(ServiceEntry { service, stats: parse_stats(&table)? })
}

fn parse_key(table: &Table<'_>) -> Result<ServiceKey, Malformed> {
    let family = parse_family(table.need(AF, "service AF")?)?;
    if let Some(mark) = table.get(FWMARK, "FWMARK") {
        let number = mark.u32()?;
        return ServiceKey::fwmark(number, family).ok_or_else(|| mark.cannot_be(number));
    }
    let protocol = table.need(PROTOCOL, "PROTOCOL")?;
    let number = protocol.u16()?;
    let protocol = Protocol::from_number(number).ok_or_else(|| protocol.cannot_be(number))?;
    let address = table.need(ADDR, "service ADDR")?;
    let address = match family {
        Family::V4 => address.ipv4()?,
        Family::V6 => address.ipv6()?,
    };
    Ok(ServiceKey::new(protocol, address, table.need(PORT, "service PORT")?.be16()?))
}

pub(super) fn parse_family(value: Value<'_>) -> Result<Family, Malformed> {
    match value.u16()? {
        AF_INET => Ok(Family::V4),
        AF_INET6 => Ok(Family::V6),
        number => Err(value.cannot_be(number)),
    }
}

pub(super) fn family_number(family: Family) -> u16 {
    match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    }
}

/// `struct ip_vs_flags`: flags, then a mask that only requests need.
fn parse_flags(value: Value<'_>) -> Result<u32, Malformed> {
    let [a, b, c, d, ..] = value.array::<8>()?;
    Ok(u32::from_ne_bytes([a, b, c, d]))
}

/// The mask of an IPv4 service is an address, and lies in memory as one; that of an IPv6 service is a number.
fn parse_persistence(table: &Table<'_>, family: Family) -> Result<Persistence, Malformed> {
    let mask = table.need(NETMASK, "NETMASK")?;
    let netmask = match family {
        Family::V4 => Netmask::V4(Ipv4Addr::from(mask.array::<4>()?)),
        Family::V6 => {
            let length = mask.u32()?;
            Netmask::V6(u8::try_from(length).map_err(|_| mask.cannot_be(length))?)
        }
    };
    Ok(Persistence {
        timeout: table.need(TIMEOUT, "service TIMEOUT")?.u32()?,
        netmask,
        engine: table.get(PE_NAME, "PE_NAME").map(Value::text).filter(|name| !name.is_empty()),
    })
}

/// Writes the attributes that identify a service.
pub(super) fn write_key(out: &mut Writer, key: &ServiceKey) {
    out.u16(AF, family_number(key.family()));
    match key {
        ServiceKey::Fwmark { mark, .. } => out.u32(FWMARK, mark.get()),
        ServiceKey::Address { protocol, address, port } => {
            out.u16(PROTOCOL, protocol.number());
            out.address(ADDR, *address);
            out.be16(PORT, *port);
        }
    }
}

/// Writes a whole service. The kernel wants scheduler, flags, timeout and netmask together.
pub(super) fn write(out: &mut Writer, service: &Service) {
    write_key(out, &service.key);
    out.text(SCHED_NAME, &service.scheduler);
    if let Some(engine) = service.persistence.as_ref().and_then(|p| p.engine.as_deref()) {
        out.text(PE_NAME, engine);
    }
    let flags: u32 = [
        (service.persistence.is_some(), PERSISTENT),
        (service.one_packet, ONE_PACKET),
        (service.scheduler_flags.flag1, SCHED1),
        (service.scheduler_flags.flag2, SCHED2),
        (service.scheduler_flags.flag3, SCHED3),
    ]
    .into_iter()
    .filter(|(set, _)| *set)
    .fold(0, |flags, (_, bit)| flags | bit);
    let mut value = flags.to_ne_bytes().to_vec();
    value.extend_from_slice(&u32::MAX.to_ne_bytes());
    out.value(FLAGS, &value);
    out.u32(TIMEOUT, service.persistence.as_ref().map_or(0, |p| p.timeout));
    let netmask = service.persistence.as_ref().map_or(Netmask::host(service.key.family()), |p| p.netmask);
    match netmask {
        Netmask::V4(mask) => out.value(NETMASK, &mask.octets()),
        Netmask::V6(length) => out.u32(NETMASK, length.into()),
    }
}

/// What the kernel would take wrongly or refuse without words.
pub(super) fn check(service: &Service) -> Result<(), Invalid> {
    if !is_name(&service.scheduler) {
        return Err(Invalid::Scheduler(service.scheduler.clone()));
    }
    let Some(persistence) = &service.persistence else {
        return match service.key {
            ServiceKey::Address { port: 0, .. } => Err(Invalid::EveryPortWithoutPersistence),
            _ => Ok(()),
        };
    };
    if !(1..=Persistence::MAX_TIMEOUT).contains(&persistence.timeout) {
        return Err(Invalid::PersistenceTimeout(persistence.timeout));
    }
    let family = service.key.family();
    match persistence.netmask {
        mask if mask.family() != family => return Err(Invalid::NetmaskFamily(mask, family)),
        Netmask::V6(length) if !(1..=128).contains(&length) => return Err(Invalid::PrefixLength(length)),
        _ => {}
    }
    match &persistence.engine {
        Some(engine) if !is_name(engine) => Err(Invalid::Engine(engine.clone())),
        _ => Ok(()),
    }
}

/// Names become part of the name of a kernel module to load, so nothing but a word gets through.
fn is_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}
