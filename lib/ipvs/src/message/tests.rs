//! Round trips, garbage, literal messages, and the ways an exchange can go.
use super::*;
use crate::codec::{Malformed, Writer};
use crate::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

mod exchange;
mod requests;
mod round_trips;

/// Behind the netlink and the generic header.
fn attributes(message: &[u8]) -> &[u8] {
    &message[20..]
}

fn web() -> ServiceKey {
    ServiceKey::new(Protocol::Tcp, Ipv4Addr::new(203, 0, 113, 202).into(), 80)
}

fn v6() -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()
}
