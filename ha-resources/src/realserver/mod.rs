//! A real server behind a director that routes directly: it takes packets for a virtual address, and never says that it has
//! it. Pure: of what the kernel has ([`Facts`]) come what is wrong ([`judge`]) and what is to be changed ([`edits`]).
//!
//! Two ways to take such packets:
//!
//! * the address on `lo`, as /32 or /128. IPv4 then answers ARP for it on every interface, unless `arp_ignore` says not to, and
//!   asks for others with it as the sender, unless `arp_announce` does (kernel: `ip-sysctl`). IPv6 answers a neighbour
//!   solicitation only for addresses of the interface it came in on, so there `lo` alone is enough, and no other machine is
//!   asked whether it has the address (no DAD). The address is deprecated (`preferred_lft 0`): the machine answers with
//!   it, and asks for nothing with it.
//! * a redirection by nftables of packets for the address to the machine itself: it has the address nowhere.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub mod kernel;
pub mod listen;
pub mod persist;
mod reverse;

pub use reverse::reverse_notes;

/// Answers ARP only for addresses of the interface that was asked.
pub const ARP_IGNORE: &str = "net/ipv4/conf/all/arp_ignore";
/// Asks with an address of the interface that is asked on.
pub const ARP_ANNOUNCE: &str = "net/ipv4/conf/all/arp_announce";
/// The nftables table that is this program's own.
pub const TABLE: &str = "ha_realserver";
/// [`Held::maker`](crate::agents::netlink::Held::maker) of an address that was added here: the agents have 0x54 and 0x55.
pub const MAKER: u8 = 0x56;

/// How packets for the address are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is on `lo`.
    Loopback,
    /// nftables redirects.
    Redirect,
}

/// An address of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Length of its network's prefix.
    pub prefix: u8,
    /// Name of its interface.
    pub interface: String,
    /// It is no source address of anything new (IPv6).
    pub deprecated: bool,
}

/// What the kernel has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// All addresses.
    pub addresses: Vec<Address>,
    /// Interfaces but `lo`, and their own values of `arp_ignore` and `arp_announce`.
    pub interfaces: BTreeMap<String, [u32; 2]>,
    /// The values of `all`.
    pub all: [u32; 2],
    /// Interfaces but `lo`, and the value of `rp_filter` that is in force there.
    pub reverse: BTreeMap<String, u32>,
    /// Interfaces that default routes of IPv4 leave by.
    pub ways_out: Vec<String>,
    /// Addresses that this program's table redirects.
    pub redirected: Vec<IpAddr>,
    /// Whether the program nft is there.
    pub nft: bool,
    /// Addresses for which neighbour solicitations are answered by proxy.
    pub proxied: Vec<IpAddr>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The address it is about.
    pub address: IpAddr,
    /// What is wrong, and what comes of it.
    pub what: String,
    /// What helps.
    pub help: String,
    /// Whether setting up changes it.
    pub curable: bool,
}

/// A change of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Set a value.
    Set(&'static str, u32),
    /// Add the address to `lo`.
    Add(IpAddr),
    /// Redirect packets for it.
    Redirect(IpAddr),
}

/// What was changed, to be undone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// By name: the value before, and the one that was set.
    pub values: BTreeMap<String, (u32, u32)>,
    /// Addresses that were added to `lo`.
    pub added: Vec<IpAddr>,
    /// Addresses that are redirected.
    pub redirected: Vec<IpAddr>,
    /// Addresses that were on `lo` already, and use the values.
    pub found: Vec<IpAddr>,
}

impl Record {
    /// Whether an address needs the values that were set.
    pub fn needs_values(&self) -> bool {
        self.added.iter().chain(&self.found).any(IpAddr::is_ipv4)
    }

    /// Nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.added.is_empty() && self.redirected.is_empty() && self.found.is_empty()
    }
}

impl Facts {
    fn on_loopback(&self, ip: IpAddr) -> Option<&Address> {
        self.addresses.iter().find(|address| address.ip == ip && address.interface == "lo")
    }

    fn elsewhere(&self, ip: IpAddr) -> Option<&Address> {
        self.addresses.iter().find(|address| address.ip == ip && address.interface != "lo")
    }

    /// How an address is taken now, if it is.
    pub fn mode(&self, ip: IpAddr) -> Option<Mode> {
        match (self.redirected.contains(&ip), self.on_loopback(ip)) {
            (true, _) => Some(Mode::Redirect),
            (false, Some(_)) => Some(Mode::Loopback),
            (false, None) => None,
        }
    }
}

/// What is to be changed so that an address is taken this way; nothing: it is all there.
pub fn edits(facts: &Facts, ip: IpAddr, mode: Mode) -> Vec<Edit> {
    let mut all = Vec::new();
    match mode {
        Mode::Redirect if facts.redirected.contains(&ip) => {}
        Mode::Redirect => all.push(Edit::Redirect(ip)),
        Mode::Loopback => {
            if ip.is_ipv4() {
                // first, so that not one question is answered
                let [ignore, announce] = facts.all;
                all.extend((!hides(ignore)).then_some(Edit::Set(ARP_IGNORE, 1)));
                all.extend((announce < 2).then_some(Edit::Set(ARP_ANNOUNCE, 2)));
            }
            if facts.on_loopback(ip).is_none() {
                all.push(Edit::Add(ip));
            }
        }
    }
    all
}

/// Whether a value of `arp_ignore` keeps an address of `lo` from being answered for. 3 is about scopes, 4 to 7 are reserved.
fn hides(ignore: u32) -> bool {
    matches!(ignore, 1 | 2 | 8)
}

/// What is wrong with an address that is to be taken this way.
pub fn judge(facts: &Facts, ip: IpAddr, mode: Mode) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut find =
        |curable, what: String, help: String| all.push(Finding { address: ip, what, help, curable });
    let setup =
        format!("ha-resources realserver {ip}{}", if mode == Mode::Redirect { " --redirect" } else { "" });
    if let Some(Address { interface, prefix, .. }) = facts.elsewhere(ip) {
        find(
            false,
            format!(
                "{ip} is on {interface}: this machine answers for it and takes the clients' packets from the director"
            ),
            format!(
                "on a real server: ip address delete {ip}/{prefix} dev {interface}; on the director that holds the address this is as it should be"
            ),
        );
    }
    match (mode, facts.mode(ip)) {
        (_, None) => find(
            true,
            format!(
                "this machine does not take packets for {ip}: those that the director sends here are dropped, and clients wait in vain"
            ),
            setup.clone(),
        ),
        (Mode::Redirect, Some(Mode::Loopback)) => {
            find(true, format!("packets for {ip} are not redirected: it is on lo"), setup.clone())
        }
        (Mode::Loopback, Some(Mode::Redirect)) if facts.on_loopback(ip).is_none() => {
            find(true, format!("{ip} is not on lo: packets for it are redirected"), setup.clone());
        }
        _ => {}
    }
    if mode == Mode::Redirect && !facts.nft {
        find(false, "the program nft is not there".to_owned(), "apt install nftables".to_owned());
    }
    if let Some(address) = facts.on_loopback(ip) {
        on_loopback(facts, address, mode, &setup, &mut find);
    }
    reverse::judge(facts, ip, &mut find);
    if facts.proxied.contains(&ip) {
        find(
            false,
            format!(
                "neighbour solicitations for {ip} are answered by proxy: clients may send to this machine instead of the director"
            ),
            "ip -6 neigh show proxy lists the entry; remove it with ip -6 neigh del proxy".to_owned(),
        );
    }
    all
}

fn on_loopback(
    facts: &Facts,
    address: &Address,
    mode: Mode,
    setup: &str,
    find: &mut impl FnMut(bool, String, String),
) {
    let Address { ip, prefix, .. } = address;
    let whole = if ip.is_ipv4() { 32 } else { 128 };
    if *prefix != whole {
        find(
            false,
            format!(
                "{ip} is on lo with the prefix /{prefix}: this machine believes that the whole network is itself, and reaches nobody in it"
            ),
            format!("ip address delete {ip}/{prefix} dev lo, then: {setup}"),
        );
    }
    if ip.is_ipv6() {
        if !address.deprecated {
            find(
                false,
                format!(
                    "{ip} on lo is not deprecated: this machine may ask others with it as its source address, and the answers go to the director"
                ),
                format!("ip address change {ip}/{prefix} dev lo preferred_lft 0"),
            );
        }
        return;
    }
    let curable = mode == Mode::Loopback;
    for (interface, [ignore, announce]) in &facts.interfaces {
        let [all_ignore, all_announce] = facts.all;
        // the kernel takes the larger one of `all` and of the interface
        let effective = all_ignore.max(*ignore);
        if !hides(effective) {
            find(
                curable && (*ignore <= 1),
                format!(
                    "this machine answers ARP for {ip} on {interface}: clients may send to it instead of the director (arp_ignore is {effective}: all {all_ignore}, {interface} {ignore})"
                ),
                if *ignore > 1 {
                    format!("sysctl -w net.ipv4.conf.{interface}.arp_ignore=0, then: {setup}")
                } else {
                    setup.to_owned()
                },
            );
        }
        if all_announce.max(*announce) < 2 {
            find(
                curable,
                format!(
                    "when this machine answers a client, it may ask for others on {interface} as {ip}, and who hears it sends to it instead of the director (arp_announce is {}: all {all_announce}, {interface} {announce})",
                    all_announce.max(*announce)
                ),
                setup.to_owned(),
            );
        }
    }
}

#[cfg(test)]
mod tests;
