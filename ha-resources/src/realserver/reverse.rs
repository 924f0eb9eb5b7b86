//! The kernel's filter by the way back (`rp_filter`, RFC 3704). Where it is strict, a packet is dropped unless its sender is
//! reached by the interface that it came in on. The director sends a client's packet with the client as its sender, so a
//! real server whose way to the clients is another interface hears nothing. (IPv6 has no such value.)

use super::{Address, Facts};
use std::net::{IpAddr, Ipv4Addr};

/// Strict; 2 asks only whether the sender is reached at all.
const STRICT: u32 = 1;

/// What drops the director's packets for certain: it sends on the network that the address is in.
pub(super) fn judge(facts: &Facts, ip: IpAddr, find: &mut impl FnMut(bool, String, String)) {
    let IpAddr::V4(vip) = ip else { return };
    for interface in facing(facts, vip).into_iter().filter(|interface| drops(facts, interface)) {
        find(
            false,
            format!(
                "clients' packets for {ip} that come in on {interface} are dropped: rp_filter is strict there (1), and the way back to \
                 clients is by {}",
                facts.ways_out.join(" and ")
            ),
            format!(
                "sysctl -w net.ipv4.conf.{interface}.rp_filter=2, and the same in a file of /etc/sysctl.d"
            ),
        );
    }
}

/// What drops them if the director sends there, which nobody knows who has no address in its network.
pub fn reverse_notes(facts: &Facts, ip: IpAddr) -> Vec<String> {
    let IpAddr::V4(vip) = ip else { return Vec::new() };
    if !facing(facts, vip).is_empty() {
        return Vec::new();
    }
    let strict = facts.reverse.keys().filter(|name| has_address(facts, name) && drops(facts, name));
    let note = |name: &String| {
        format!(
            "if the director reaches this machine by {name}, packets for {ip} are dropped: rp_filter is strict there (1), and the way \
             back to clients is by {}; sysctl -w net.ipv4.conf.{name}.rp_filter=2 helps",
            facts.ways_out.join(" and ")
        )
    };
    strict.map(note).collect()
}

/// The interfaces in whose network the address is.
fn facing(facts: &Facts, vip: Ipv4Addr) -> Vec<&str> {
    let has = |address: &&Address| match address.ip {
        IpAddr::V4(own) if address.interface != "lo" && own != vip => {
            let mask = u32::MAX.checked_shl(32 - u32::from(address.prefix.min(32))).unwrap_or(0);
            u32::from(own) & mask == u32::from(vip) & mask
        }
        _ => false,
    };
    let mut all: Vec<&str> =
        facts.addresses.iter().filter(has).map(|address| address.interface.as_str()).collect();
    all.dedup();
    all
}

fn has_address(facts: &Facts, interface: &str) -> bool {
    facts.addresses.iter().any(|address| address.ip.is_ipv4() && address.interface == interface)
}

/// Without a default route nobody knows where clients are.
fn drops(facts: &Facts, interface: &str) -> bool {
    facts.reverse.get(interface) == Some(&STRICT)
        && !facts.ways_out.is_empty()
        && !facts.ways_out.iter().any(|way| way == interface)
}
