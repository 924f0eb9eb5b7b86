//! Tables as `ipvsadm -Ln` shows them, byte for byte: its columns, its sorting.

use crate::{Client, DestinationKey};
use crate::{
    DestinationEntry, Error, Family, Info, Reason, SchedulerFlags, Service, ServiceEntry, ServiceKey,
};
use std::fmt::Write;
use std::net::IpAddr;

/// A service of the table with its destinations.
pub type Entry = (ServiceEntry, Vec<DestinationEntry>);

impl Client {
    /// The whole table of the kernel.
    pub fn table(&mut self) -> Result<Vec<Entry>, Error> {
        self.table_of(|_| true)
    }

    /// The services for which the function says so, with their destinations.
    pub fn table_of(&mut self, wanted: impl Fn(&ServiceKey) -> bool) -> Result<Vec<Entry>, Error> {
        let mut table = Vec::new();
        self.each(wanted, |entry| table.push(entry))?;
        Ok(table)
    }

    /// The same one after the other, for whoever keeps less of them than all.
    pub fn each(
        &mut self,
        wanted: impl Fn(&ServiceKey) -> bool,
        mut take: impl FnMut(Entry),
    ) -> Result<(), Error> {
        let services = self.services()?.into_iter().filter(|entry| wanted(&entry.service.key));
        services.into_iter().try_for_each(|entry| self.destinations_of(entry, &mut take))
    }

    /// A service with its destinations, unless somebody has deleted it between the two questions.
    pub fn destinations_of(
        &mut self,
        service: ServiceEntry,
        mut take: impl FnMut(Entry),
    ) -> Result<(), Error> {
        match self.destinations(&service.service.key) {
            Ok(destinations) => take((service, destinations)),
            Err(error) if error.reason() == Some(&Reason::NoService) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The table, sorted, as `ipvsadm -Ln` prints it.
pub fn sorted(info: &Info, table: Vec<Entry>) -> String {
    let table = sort(table, &|a: &Entry, b: &Entry| service_order(&a.0.service.key, &b.0.service.key));
    let in_order = |(service, destinations): Entry| {
        let order = |a: &DestinationEntry, b: &DestinationEntry| {
            destination_order(&a.destination.key, &b.destination.key)
        };
        (service, sort(destinations, &order))
    };
    unsorted(info, &table.into_iter().map(in_order).collect::<Vec<_>>())
}

/// The table in its own order, as `ipvsadm -Ln --nosort` prints it.
pub fn unsorted(info: &Info, table: &[Entry]) -> String {
    let mut text = format!("IP Virtual Server version {info}\n");
    text += "Prot LocalAddress:Port Scheduler Flags\n";
    text += "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n";
    for (entry, destinations) in table {
        service_row(&mut text, &entry.service);
        destinations.iter().for_each(|entry| destination_row(&mut text, entry));
    }
    text
}

fn service_row(text: &mut String, service: &Service) {
    let key = service.key.to_string();
    let (kind, rest) = key.split_once(' ').unwrap_or((&key, ""));
    append(text, format_args!("{kind:<4} {rest} {}", service.scheduler));
    let flags = service.scheduler_flags;
    if flags != SchedulerFlags::default() {
        // For schedulers whose flags have names, `ipvsadm` has no word for the third.
        let named = matches!(service.scheduler.as_str(), "sh" | "mh");
        let shown = SchedulerFlags { flag3: flags.flag3 && !named, ..flags };
        append(text, format_args!(" ({})", shown.list(&service.scheduler)));
    }
    if let Some(persistence) = &service.persistence {
        append(text, format_args!(" persistent {}", persistence.timeout));
        if !persistence.netmask.is_host() {
            append(text, format_args!(" mask {}", persistence.netmask));
        }
        if let Some(engine) = &persistence.engine {
            append(text, format_args!(" pe {engine}"));
        }
    }
    if service.one_packet {
        text.push_str(" ops");
    }
    text.push('\n');
}

fn destination_row(text: &mut String, entry: &DestinationEntry) {
    let (real, connections) = (&entry.destination, &entry.connections);
    append(
        text,
        format_args!(
            "  -> {:<28} {:<7} {:<6} {:<10} {:<10}\n",
            real.key.to_string(),
            real.forwarding,
            real.weight,
            connections.active,
            connections.inactive
        ),
    );
}

/// `ipvsadm`'s order: marks (0 for a service with an address), family, protocol, address, port.
fn service_order(a: &ServiceKey, b: &ServiceKey) -> i64 {
    let parts = |key: &ServiceKey| match key {
        ServiceKey::Address { protocol, address, port } => {
            (0, family(Family::of(*address)), protocol.number(), words(*address), *port)
        }
        ServiceKey::Fwmark { mark, family: of } => (mark.get(), family(*of), 0, [0; 4], 0),
    };
    let ((mark, family, protocol, address, port), b) = (parts(a), parts(b));
    first([
        difference(mark, b.0),
        family - b.1,
        i64::from(protocol) - i64::from(b.2),
        first(each(address, b.3)),
        i64::from(port) - i64::from(b.4),
    ])
}

fn destination_order(a: &DestinationKey, b: &DestinationKey) -> i64 {
    first([
        family(a.family()) - family(b.family()),
        first(each(words(a.address), words(b.address))),
        i64::from(a.port) - i64::from(b.port),
    ])
}

/// `AF_INET` is smaller than `AF_INET6`.
fn family(family: Family) -> i64 {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(address) => [u32::from(address), 0, 0, 0],
        IpAddr::V6(address) => {
            let bits = u128::from(address);
            [96, 64, 32, 0].map(|shift| u32::try_from((bits >> shift) & u128::from(u32::MAX)).unwrap_or(0))
        }
    }
}

fn each(a: [u32; 4], b: [u32; 4]) -> [i64; 4] {
    let mut differences = [0; 4];
    for (difference, (a, b)) in differences.iter_mut().zip(a.into_iter().zip(b)) {
        *difference = self::difference(a, b);
    }
    differences
}

/// `ipvsadm` subtracts unsigned numbers and takes the result for a signed one: 10.0.0.1 comes after 203.0.113.1.
fn difference(a: u32, b: u32) -> i64 {
    i64::from(a.wrapping_sub(b) as i32)
}

fn first<const N: usize>(differences: [i64; N]) -> i64 {
    differences.into_iter().find(|difference| *difference != 0).unwrap_or(0)
}

/// The C library's merge sort. What `ipvsadm` compares with is no order (a < b < c < a is possible), so the result depends
/// on the way of sorting, and Rust's own may panic.
fn sort<T>(mut items: Vec<T>, order: &impl Fn(&T, &T) -> i64) -> Vec<T> {
    if items.len() < 2 {
        return items;
    }
    let right = items.split_off(items.len() / 2);
    let mut right = sort(right, order).into_iter().peekable();
    let mut left = sort(items, order).into_iter().peekable();
    let mut merged = Vec::new();
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if order(a, b) <= 0 { left.next() } else { right.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

fn append(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // writing to a String cannot fail
    let _ = text.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorting_is_stable_and_survives_what_is_no_order() {
        let numbers: Vec<u32> = vec![0xCB00_7101, 0x0A00_0001, 0x7F00_0001, 0x0A00_0001, 0xFFFF_FFFF, 0];
        let sorted = sort(numbers.clone().into_iter().enumerate().collect(), &|a, b| difference(a.1, b.1));
        assert_eq!(sorted.len(), numbers.len());
        let twins: Vec<usize> =
            sorted.iter().filter(|(_, number)| *number == 0x0A00_0001).map(|(at, _)| *at).collect();
        assert_eq!(twins, [1, 3]);
        assert!(difference(0x0A00_0001, 0xCB00_7101) > 0, "10.0.0.1 comes after 203.0.113.1");
        assert!(difference(0x0A00_0002, 0x0A00_0001) > 0);
    }

    #[test]
    fn services_by_mark_family_protocol_address_port() {
        let order = [
            "TCP 192.0.2.1:80",
            "TCP 192.0.2.1:443",
            "TCP 192.0.2.2:80",
            "UDP 192.0.2.1:53",
            "TCP [2001:db8::1]:80",
            "TCP [2001:db8::2]:80",
            "FWM 1",
            "FWM 1 IPv6",
            "FWM 2",
        ];
        let keys: Vec<ServiceKey> = order.iter().map(|text| text.parse().unwrap()).collect();
        let backwards: Vec<ServiceKey> = keys.iter().rev().cloned().collect();
        assert_eq!(sort(backwards, &service_order), keys);
    }
}
