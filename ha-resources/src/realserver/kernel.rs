//! What the kernel has, and changes of it: addresses over rtnetlink, values in `/proc/sys`, the table through nft.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::listen::{self, Listener, Port, Protocol};
use super::{Address, Facts, MAKER, TABLE};
use crate::agents::netlink::{Held, Kernel, New};

/// The kernel's constant index of `lo`.
const LOOPBACK: u32 = 1;
/// A connection of this machine to itself takes no time.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
const CONF: &str = "/proc/sys/net/ipv4/conf";

/// Asks for everything that matters.
pub async fn facts(kernel: &mut Kernel) -> io::Result<Facts> {
    kernel.forget();
    let held = kernel.addresses().await?.to_vec();
    let mut names = BTreeMap::new();
    let mut addresses = Vec::new();
    for each in held {
        if let std::collections::btree_map::Entry::Vacant(entry) = names.entry(each.interface) {
            entry.insert(kernel.link(each.interface).await?.map(|link| link.name).unwrap_or_default());
        }
        let interface = names.get(&each.interface).cloned().unwrap_or_default();
        let Held { ip, prefix, deprecated, .. } = each;
        addresses.push(Address { ip, prefix, interface, deprecated });
    }
    let mut facts = Facts { addresses, ..Facts::default() };
    for entry in fs::read_dir(CONF)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        match name.as_str() {
            "lo" | "default" => {}
            "all" => facts.all = values(&entry.path())?,
            // one that goes away meanwhile has nothing to say
            _ => {
                if let Ok(filter) = number(&entry.path().join("rp_filter")) {
                    facts.reverse.insert(name.clone(), filter);
                }
                drop(values(&entry.path()).map(|values| facts.interfaces.insert(name, values)));
            }
        }
    }
    // the kernel takes the larger one
    let all = number(&Path::new(CONF).join("all/rp_filter"))?;
    facts.reverse.values_mut().for_each(|own| *own = all.max(*own));
    facts.ways_out = ways_out(&fs::read_to_string("/proc/thread-self/net/route").unwrap_or_default());
    (facts.nft, facts.redirected) = redirected()?;
    facts.proxied = proxied();
    Ok(facts)
}

fn values(folder: &Path) -> io::Result<[u32; 2]> {
    Ok([number(&folder.join("arp_ignore"))?, number(&folder.join("arp_announce"))?])
}

fn number(path: &Path) -> io::Result<u32> {
    let text = fs::read_to_string(path).map_err(|error| naming(path, &error))?;
    text.trim().parse().map_err(|_| naming(path, &io::Error::other(format!("{text:?} is no number"))))
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The interfaces of the default routes of IPv4.
fn ways_out(routes: &str) -> Vec<String> {
    let lines = routes.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let nothing = "00000000";
    let all = lines.filter(|words| words.get(1) == Some(&nothing) && words.get(7) == Some(&nothing));
    all.filter_map(|words| words.first().map(|name| (*name).to_owned())).collect()
}

/// What waits for packets on this machine.
pub fn listeners(ports: &[Port]) -> io::Result<Vec<Listener>> {
    let mut all = Vec::new();
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        for (file, version) in [("", 4), ("6", 6)] {
            let path = PathBuf::from(format!("/proc/thread-self/net/{protocol}{file}"));
            match fs::read_to_string(&path) {
                Ok(text) => all.extend(listen::parse(&text, protocol, version)),
                // a machine without IPv6
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(naming(&path, &error)),
            }
        }
    }
    for listener in all.iter_mut().filter(|listener| ports.contains(&listener.port)) {
        listener.both &= takes_ipv4(listener.port);
    }
    Ok(all)
}

/// Whether a socket of IPv6 takes IPv4, too: the list does not say so. Nobody listens for IPv4 alone, or that is in the
/// list itself.
fn takes_ipv4(port: Port) -> bool {
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number));
    port.protocol == Protocol::Udp || TcpStream::connect_timeout(&here, CONNECT_LIMIT).is_ok()
}

/// A value now; `name` as in `net/ipv4/conf/all/arp_ignore`.
pub fn value(name: &str) -> io::Result<u32> {
    number(&Path::new("/proc/sys").join(name))
}

/// Sets a value.
pub fn set(name: &str, value: u32) -> io::Result<()> {
    let path = Path::new("/proc/sys").join(name);
    fs::write(&path, value.to_string()).map_err(|error| naming(&path, &error))
}

/// Adds an address to `lo`, which is switched on.
pub async fn add(kernel: &mut Kernel, ip: IpAddr) -> io::Result<()> {
    let new = New { maker: MAKER, deprecated: ip.is_ipv6(), ..New::alone(ip, LOOPBACK) };
    kernel.set_up(LOOPBACK).await?;
    kernel.add(&new).await
}

/// Removes an address from `lo`; whether it was there.
pub async fn remove(kernel: &mut Kernel, ip: IpAddr) -> io::Result<bool> {
    kernel.forget();
    let is = |held: &&Held| held.ip == ip && held.interface == LOOPBACK && held.prefix == whole(ip);
    let Some(held) = kernel.addresses().await?.iter().find(is).cloned() else { return Ok(false) };
    kernel.remove(&held).await.map(|_| true)
}

/// Whether an address on `lo` says that it was added by this program.
pub async fn ours(kernel: &mut Kernel, ip: IpAddr) -> io::Result<bool> {
    let all = kernel.addresses().await?;
    Ok(all.iter().any(|held| held.ip == ip && held.interface == LOOPBACK && held.maker == MAKER))
}

fn whole(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// Whether nft is there, and what its table redirects.
fn redirected() -> io::Result<(bool, Vec<IpAddr>)> {
    let output = match nft(&["-j", "list", "table", "inet", TABLE], "") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((false, Vec::new())),
        other => other?,
    };
    if !output.status.success() {
        return Ok((true, Vec::new())); // no such table
    }
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let objects = value.get("nftables").and_then(|all| all.as_array()).cloned().unwrap_or_default();
    // sets that no rule uses redirect nothing
    let rules = objects.iter().filter(|object| object.get("rule").is_some()).count();
    let sets = objects.iter().filter_map(|object| object.get("set")?.get("elem")?.as_array());
    let elements = sets.flatten().filter_map(|element| element.as_str()?.parse().ok());
    Ok((true, if rules >= 2 { elements.collect() } else { Vec::new() }))
}

/// Makes the table redirect these, and no others, in one step; without any it is gone.
pub fn redirect(all: &[IpAddr]) -> io::Result<()> {
    let output = nft(&["-f", "-"], &table(all))?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("nft: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

fn table(all: &[IpAddr]) -> String {
    let mut text = format!("table inet {TABLE} {{ }}\ndelete table inet {TABLE}\n");
    if all.is_empty() {
        return text;
    }
    let set = |name: &str, kind: &str, v4: bool| {
        let list: Vec<String> = all.iter().filter(|ip| ip.is_ipv4() == v4).map(IpAddr::to_string).collect();
        let elements =
            if list.is_empty() { String::new() } else { format!("elements = {{ {} }}; ", list.join(", ")) };
        format!("set {name} {{ type {kind}; {elements}}}\n")
    };
    text += &format!(
        "table inet {TABLE} {{\n{}{}chain prerouting {{ type nat hook prerouting priority dstnat; policy accept;\n\
         ip daddr @vip4 redirect\nip6 daddr @vip6 redirect\n}}\n}}\n",
        set("vip4", "ipv4_addr", true),
        set("vip6", "ipv6_addr", false)
    );
    text
}

fn nft(words: &[&str], input: &str) -> io::Result<Output> {
    let mut child = Command::new("nft")
        .args(words)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    child.wait_with_output()
}

/// Addresses that are answered for by proxy. Without the program ip nobody can say; the rest matters more.
fn proxied() -> Vec<IpAddr> {
    let output = Command::new("ip").args(["-6", "neigh", "show", "proxy"]).stderr(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}
