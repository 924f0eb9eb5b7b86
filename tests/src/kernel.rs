//! What a kernel says in `/proc/PID/net`, without asking any program of the suite.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::failure::{Context, Result};

/// A virtual service of the kernel's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualService {
    /// `TCP`, `UDP`, `SCTP` or `FWM`.
    pub protocol: String,
    /// Address and port, or the hexadecimal mark of a firewall-mark service.
    pub address: String,
    /// Scheduler.
    pub scheduler: String,
    /// Its real servers in the kernel's order.
    pub servers: Vec<RealServer>,
}

/// A real server of a virtual service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// Address and port.
    pub address: SocketAddr,
    /// `Route`, `Masq`, `Tunnel`, `Local`.
    pub forward: String,
    /// Weight: 0 is quiescent.
    pub weight: u32,
    /// Connections that are established.
    pub active: u32,
}

/// Whether the local routing table (`fib_trie`) says that the machine holds an address.
pub fn holds_v4(fib_trie: &str, address: Ipv4Addr) -> bool {
    let wanted = format!("|-- {address}");
    let mut lines = fib_trie.lines().map(str::trim).skip_while(|line| *line != "Local:");
    while let Some(line) = lines.next() {
        if line == wanted {
            let leaf = lines.by_ref().take_while(|line| line.starts_with('/'));
            return leaf.into_iter().any(|line| line.ends_with("host LOCAL"));
        }
    }
    false
}

/// Whether the list of interface addresses (`if_inet6`) has an address.
pub fn holds_v6(if_inet6: &str, address: Ipv6Addr) -> bool {
    let wanted: String = address.octets().iter().map(|byte| format!("{byte:02x}")).collect();
    if_inet6.lines().any(|line| line.split_whitespace().next() == Some(wanted.as_str()))
}

/// Read the kernel's table (`ip_vs`).
pub fn parse_ipvs(text: &str) -> Result<Vec<VirtualService>> {
    let mut services: Vec<VirtualService> = Vec::new();
    for line in text.lines().skip(3) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["->", address, forward, weight, active, ..] => {
                let server = RealServer {
                    address: socket_address(address).context(|| line.to_owned())?,
                    forward: (*forward).to_owned(),
                    weight: weight.parse().context(|| line.to_owned())?,
                    active: active.parse().context(|| line.to_owned())?,
                };
                services.last_mut().context(|| line.to_owned())?.servers.push(server);
            }
            [protocol, address, scheduler, ..] => services.push(VirtualService {
                protocol: (*protocol).to_owned(),
                address: socket_address(address).map_or((*address).to_owned(), |address| address.to_string()),
                scheduler: (*scheduler).to_owned(),
                servers: Vec::new(),
            }),
            _ => {}
        }
    }
    Ok(services)
}

/// `CB0071CA:0050` or `[2001:db8::1]:0050`.
fn socket_address(word: &str) -> Option<SocketAddr> {
    let (address, port) = word.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let address = match address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(six) => IpAddr::V6(six.parse().ok()?),
        None => {
            IpAddr::V4(Ipv4Addr::from(u32::from_str_radix(address, 16).ok().filter(|_| address.len() == 8)?))
        }
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_as_the_kernel_prints_it() {
        let text = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  \
                    -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n\
                    TCP  CB0071CA:0050 rr  \n  -> C0A80002:0050      Route   0      0          3         \n\
                    FWM  00000007 wlc persistent 300 FFFFFFFF\n\
                    TCP  [2001:0db8:0000:0000:0000:0000:0000:0001]:01BB rr \n  \
                    -> [2001:0db8:0000:0000:0000:0000:0000:0002]:01BB      Masq    7      2          0\n";
        let table = parse_ipvs(text).unwrap();
        assert_eq!(table.len(), 3);
        assert_eq!(table[0].address, "203.0.113.202:80");
        assert_eq!(table[0].servers[0].address, "192.168.0.2:80".parse().unwrap());
        assert_eq!(table[0].servers[0].weight, 0);
        assert_eq!(table[1].address, "00000007");
        assert_eq!(table[2].servers[0].address, "[2001:db8::2]:443".parse().unwrap());
        assert_eq!(table[2].servers[0].weight, 7);
    }

    #[test]
    fn addresses_as_the_kernel_prints_them() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 192.0.2.7\n        /32 link UNICAST\nLocal:\n  +-- 0.0.0.0/0 3 0 5\n     \
                    |-- 192.0.2.1\n        /32 host LOCAL\n     |-- 192.0.2.255\n        /32 link BROADCAST\n";
        assert!(holds_v4(trie, Ipv4Addr::new(192, 0, 2, 1)));
        assert!(!holds_v4(trie, Ipv4Addr::new(192, 0, 2, 255)));
        assert!(!holds_v4(trie, Ipv4Addr::new(192, 0, 2, 7)));
        assert!(!holds_v4(trie, Ipv4Addr::new(192, 0, 2, 2)));
        let list = "20010db8000000000000000000000001 03 40 00 80     eth0\n";
        assert!(holds_v6(list, "2001:db8::1".parse().unwrap()));
        assert!(!holds_v6(list, "2001:db8::2".parse().unwrap()));
    }
}
