//! Who holds an address, and whether two nodes ever did at once: every change of every node, in the kernel's own order.
//!
//! One socket hears the changes of all nodes, so that a release before a take is never seen the other way round, however late
//! this program runs. Only the length of an overlap is measured by when it was read.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::failure::Result;
use crate::machine::Machine;
use crate::moment::Moment;
use crate::process::Process;

/// ip-monitor(8) ends with its standard input.
const MONITOR: &str = "ip -o monitor address nsid all-nsid & pid=$!; echo listening; read -r _; kill $pid";

/// A listener at work.
#[derive(Debug)]
pub struct HoldingWatcher(Process);

/// A time in which several networks of nodes held an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The address.
    pub address: Ipv4Addr,
    /// When the second one took it.
    pub from: Moment,
    /// How long it lasted, until now if it still does.
    pub length: Duration,
}

impl HoldingWatcher {
    pub(crate) fn start(fabric: &Machine) -> Result<Self> {
        let mut command = fabric.command("/bin/sh")?;
        command.args(["-c", MONITOR]).stdin(std::process::Stdio::piped());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let process = Process::start(command, "the watcher of addresses".to_owned())?;
        process.wait_started()?;
        Ok(Self(process))
    }

    /// The longest time in which two nodes held one of these addresses; `None` if none ever did.
    pub fn longest_overlap(&self, addresses: &[Ipv4Addr]) -> Option<Overlap> {
        longest(&self.0.stamped_lines(), addresses, Moment::now())
    }
}

fn longest(lines: &[(Moment, String)], addresses: &[Ipv4Addr], now: Moment) -> Option<Overlap> {
    let mut holders: BTreeMap<Ipv4Addr, Vec<&str>> = BTreeMap::new();
    let mut since: BTreeMap<Ipv4Addr, Moment> = BTreeMap::new();
    let mut found: Vec<Overlap> = Vec::new();
    for (at, line) in lines {
        for address in change(line, addresses, &mut holders) {
            match (holders.get(&address).map_or(0, Vec::len) > 1, since.get(&address).copied()) {
                (true, None) => drop(since.insert(address, *at)),
                (false, Some(from)) => {
                    since.remove(&address);
                    found.push(Overlap { address, from, length: at.since(from) });
                }
                _ => {}
            }
        }
    }
    found.extend(since.into_iter().map(|(address, from)| Overlap { address, from, length: now.since(from) }));
    found.into_iter().max_by_key(|overlap| overlap.length)
}

/// Applies a line of ip-monitor(8); answers the addresses whose holders it changed.
fn change<'a>(
    line: &'a str,
    addresses: &[Ipv4Addr],
    holders: &mut BTreeMap<Ipv4Addr, Vec<&'a str>>,
) -> Vec<Ipv4Addr> {
    let Some((network, rest)) = line.strip_prefix("[nsid ").and_then(|text| text.split_once(']')) else {
        return Vec::new();
    };
    let words: Vec<&str> = rest.split_whitespace().collect();
    if let ["Deleted", "nsid", gone, ..] = words.as_slice() {
        // A node lost its power: its network is gone, and everything in it.
        holders.values_mut().for_each(|nodes| nodes.retain(|node| node != gone));
        return holders.keys().copied().collect();
    }
    let Some(place) = words.iter().position(|word| *word == "inet") else { return Vec::new() };
    let address =
        words.get(place + 1).and_then(|word| word.split('/').next()).and_then(|word| word.parse().ok());
    let Some(address) = address.filter(|address| addresses.contains(address)) else { return Vec::new() };
    // A real server's own copy, which answers nobody's question for it.
    if place.checked_sub(1).and_then(|before| words.get(before)) == Some(&"lo") {
        return Vec::new();
    }
    let nodes = holders.entry(address).or_default();
    nodes.retain(|node| *node != network);
    if words.first() != Some(&"Deleted") {
        nodes.push(network);
    }
    vec![address]
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);

    fn overlap(lines: &[&str]) -> Option<u64> {
        let lines: Vec<(Moment, String)> =
            (1u64..).zip(lines).map(|(at, line)| (Moment::from_nanos(at), (*line).to_owned())).collect();
        longest(&lines, &[VIP], Moment::from_nanos(10)).map(|overlap| overlap.length.as_nanos() as u64)
    }

    #[test]
    fn only_two_networks_with_the_address_are_an_overlap() {
        let (one, two) =
            ("[nsid 1]2: eth0 inet 192.0.2.100/24 scope global", "[nsid 2]2: eth0 inet 192.0.2.100/24");
        let (gone, off) = ("[nsid 1]Deleted 2: eth0 inet 192.0.2.100/24", "[nsid current]Deleted nsid 1 ");
        assert_eq!(overlap(&["listening", one, one, gone, two]), None);
        assert_eq!(overlap(&[one, off, two]), None);
        assert_eq!(overlap(&[one, "[nsid 2]1: lo inet 192.0.2.100/32 scope global lo"]), None);
        assert_eq!(overlap(&[one, two, "[nsid 2]2: eth0 inet 192.0.2.2/24", gone]), Some(2));
        assert_eq!(overlap(&[one, two]), Some(8));
    }
}
