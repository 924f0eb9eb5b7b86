//! A port that is not answered while the group moves.

use super::Wrong;
use std::net::IpAddr;

/// Which half of the pair of resources it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// At the beginning of the line: a start drops, a stop (the last one) lets through again.
    Block,
    /// At the end: a start lets through, a stop (the first one) drops.
    Unblock,
}

/// `portblock::tcp::80,443::block`, as the OCF agent of that name has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortBlock {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// One or more ports or ranges.
    pub ports: Vec<(u16, u16)>,
    /// Which half.
    pub side: Side,
    /// Only for this address.
    pub ip: Option<IpAddr>,
}

const FORM: &str = "write portblock::tcp::80::block at the beginning of the group and portblock::tcp::80::unblock at its end";

impl PortBlock {
    pub(super) fn parse(arguments: &[String]) -> Result<PortBlock, Wrong> {
        let [protocol, ports, side, ip @ ..] = arguments else {
            return Err(Wrong::new("", "portblock needs a protocol, ports and an action", FORM));
        };
        let protocol = match protocol.as_str() {
            "tcp" => "tcp",
            "udp" => "udp",
            _ => return Err(Wrong::new(protocol, format!("{protocol:?} is no protocol: tcp or udp"), FORM)),
        };
        let side = match side.as_str() {
            "block" => Side::Block,
            "unblock" => Side::Unblock,
            _ => return Err(Wrong::new(side, format!("{side:?} is no action: block or unblock"), FORM)),
        };
        let whole = ip.join("::");
        let ip = match whole.as_str() {
            "" | "0.0.0.0/0" => None,
            text => Some(text.parse().map_err(|_| {
                Wrong::new(
                    text,
                    format!("{text:?} is not an IP address"),
                    "after block or unblock stands at most an address",
                )
            })?),
        };
        let range = |text: &str| {
            let (low, high) = text.split_once(['-', ':']).unwrap_or((text, text));
            let (low, high) = (low.parse::<u16>().ok()?, high.parse::<u16>().ok()?);
            (low > 0 && low <= high).then_some((low, high))
        };
        let bad = || {
            Wrong::new(
                ports,
                format!("{ports:?} is no list of ports"),
                "numbers from 1 to 65535: 80,443 or 8000:8010",
            )
        };
        let ports: Vec<_> = ports.split(',').map(range).collect::<Option<_>>().ok_or_else(bad)?;
        Ok(PortBlock { protocol, ports, side, ip })
    }

    /// The nftables table that drops; both halves have the same.
    pub fn table(&self) -> String {
        let ports = self
            .ports
            .iter()
            .map(|(low, high)| if low == high { format!("_{low}") } else { format!("_{low}to{high}") });
        let ip =
            self.ip.map(|ip| format!("_{}", ip.to_string().replace(['.', ':'], "x"))).unwrap_or_default();
        format!("ha_portblock_{}{}{ip}", self.protocol, ports.collect::<String>())
    }

    /// What makes nft drop, in one transaction. Before IPVS takes the packet (its hooks are behind the filter's).
    pub fn rules(&self) -> String {
        let table = self.table();
        let ports: Vec<_> = self
            .ports
            .iter()
            .map(|(low, high)| if low == high { low.to_string() } else { format!("{low}-{high}") })
            .collect();
        let ports = ports.join(", ");
        let to = match self.ip {
            Some(IpAddr::V4(ip)) => format!("ip daddr {ip} "),
            Some(IpAddr::V6(ip)) => format!("ip6 daddr {ip} "),
            None => String::new(),
        };
        format!(
            "table inet {table} {{\n  chain input {{\n    type filter hook input priority filter; policy accept;\n    {to}{} dport {{ {ports} }} counter drop\n  }}\n}}\n",
            self.protocol
        )
    }
}
