//! Counters: ten values, of 64 bits in STATS64; in the older STATS all but the bytes have 32.
use crate::Stats;
use crate::codec::{Malformed, Table};

/// Counters of a service or destination whose nest is `table`, with STATS64 at 12 and STATS at 10 in both.
pub(super) fn parse_stats(table: &Table<'_>) -> Result<Stats, Malformed> {
    if let Some(nest) = table.get(12, "STATS64") {
        let stats = Table::parse(nest.bytes())?;
        return read(|kind, what| stats.need(kind, what)?.u64());
    }
    let Some(nest) = table.get(10, "STATS") else { return Ok(Stats::default()) };
    let stats = Table::parse(nest.bytes())?;
    read(|kind, what| {
        let value = stats.need(kind, what)?;
        if matches!(kind, 4 | 5) { value.u64() } else { value.u32().map(u64::from) }
    })
}

fn read(mut value: impl FnMut(u16, &'static str) -> Result<u64, Malformed>) -> Result<Stats, Malformed> {
    Ok(Stats {
        connections: value(1, "CONNS")?,
        packets_in: value(2, "INPKTS")?,
        packets_out: value(3, "OUTPKTS")?,
        bytes_in: value(4, "INBYTES")?,
        bytes_out: value(5, "OUTBYTES")?,
        connection_rate: value(6, "CPS")?,
        packet_rate_in: value(7, "INPPS")?,
        packet_rate_out: value(8, "OUTPPS")?,
        byte_rate_in: value(9, "INBPS")?,
        byte_rate_out: value(10, "OUTBPS")?,
    })
}
