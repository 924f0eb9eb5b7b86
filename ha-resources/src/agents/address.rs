//! `IPaddr`, `IPaddr2`, `IPv6addr`: addresses by netlink, announced to the neighbours.
//!
//! No file says what this machine holds: the kernel does, and is asked. Addresses that this agent adds
//! carry a mark in the kernel (IFA_PROTO, shown by `ip address` as `proto 84`), so that one that was
//! left on another interface by an edited haresources is known as ours.

mod failure;

pub use failure::Failure;

use super::announce::Announcer;
use super::netlink::{Held, Kernel, Link, New};
use crate::address::{Address, Agent, Broadcast, computed_broadcast, contains, kernel_label};
use crate::order::Outcome;
use std::net::{IpAddr, Ipv4Addr};
use tracing::{info, warn};

/// The kernel's constant index of `lo`.
const LOOPBACK: u32 = 1;
/// [`Held::maker`] of an address that was added here.
const OURS: u8 = 0x54;
/// The same, and a /32 copy of it on `lo` was taken away for it and is to be put back.
const OURS_INSTEAD_OF_LOOPBACK: u8 = 0x55;

/// Whether an address was added here, as far as the kernel remembers that (Linux 5.18 and later).
pub(crate) fn ours(held: &Held) -> bool {
    matches!(held.maker, OURS | OURS_INSTEAD_OF_LOOPBACK)
}

/// What was found or done, with a sentence about it.
pub type Answer = Result<(Outcome, String), Failure>;

/// Adds the address if it is not there, and announces it in any case.
pub async fn start(kernel: &mut Kernel, announcer: &mut Announcer, address: &Address) -> Answer {
    let wanted = match &address.interface {
        Some(name) => Some(named(kernel, name).await?),
        None => None,
    };
    let copies = copies(kernel, address.ip).await?;
    if let Some(held) = copies.iter().find(|held| in_place(held, address, wanted.as_ref())) {
        return already(kernel, announcer, held).await;
    }
    move_away(kernel, address, &copies, wanted.as_ref()).await?;
    let site = site(kernel, address, wanted).await?;
    if !site.link.up {
        warn!("{} is down: switching it on", site.link.name);
        kernel.set_up(site.link.index).await.map_err(|e| Failure::kernel("switch on", &site.link.name, e))?;
    }
    let on_loopback = copies.iter().find(|held| loopback_copy(held, address));
    let result = add(kernel, address, &site, on_loopback).await;
    if let (Err(_), Some(copy)) = (&result, on_loopback) {
        restore(kernel, copy.ip).await;
    }
    let held = result?;
    let link = Link { up: true, ..site.link };
    let mut detail = describe(&held, &link);
    announce(announcer, &link, held.ip, &mut detail);
    Ok((Outcome::Done, detail))
}

/// Removes the address, and nothing else.
pub async fn stop(kernel: &mut Kernel, address: &Address) -> Answer {
    let wanted = match &address.interface {
        Some(name) => kernel.link_named(name).await.map_err(|e| Failure::kernel("look for", name, e))?,
        None => None,
    };
    let named = address.interface.is_some();
    let all = copies(kernel, address.ip).await?;
    let doomed: Vec<_> = all
        .iter()
        .filter(|held| {
            ours(held) || if named { on(held, wanted.as_ref()) } else { in_place(held, address, None) }
        })
        .collect();
    if doomed.is_empty() {
        let elsewhere =
            if all.is_empty() { "" } else { "; another interface has it, and it was not added here" };
        return Ok((Outcome::Already, format!("{} is not there{elsewhere}", address.ip)));
    }
    for held in &doomed {
        remove(kernel, held).await?;
    }
    if doomed.iter().any(|held| held.maker == OURS_INSTEAD_OF_LOOPBACK) {
        restore(kernel, address.ip).await;
    }
    let still = copies(kernel, address.ip).await?;
    if still.iter().any(|held| doomed.iter().any(|old| old.interface == held.interface)) {
        return Err(Failure::Stays { ip: address.ip });
    }
    Ok((Outcome::Done, format!("{} removed", address.ip)))
}

/// Whether the address is there and can be used: on its interface, which is up.
pub async fn status(kernel: &mut Kernel, address: &Address) -> Result<(bool, String), Failure> {
    Ok(match present(kernel, address).await? {
        None => (false, format!("{} is not there", address.ip)),
        Some((held, link)) if held.duplicate => {
            (false, format!("{} is on {}, but another machine has it too", held.ip, link.name))
        }
        Some((held, link)) if !link.up => (false, format!("{} is on {}, which is down", held.ip, link.name)),
        Some((held, link)) => (true, describe(&held, &link)),
    })
}

/// Removes every address that was added here and that `which` names; returns them.
pub async fn remove_ours(
    kernel: &mut Kernel,
    which: impl Fn(IpAddr) -> bool,
) -> Result<Vec<IpAddr>, Failure> {
    let doomed: Vec<Held> =
        list(kernel).await?.iter().filter(|held| ours(held) && which(held.ip)).cloned().collect();
    for held in &doomed {
        remove(kernel, held).await?;
        if held.maker == OURS_INSTEAD_OF_LOOPBACK {
            restore(kernel, held.ip).await;
        }
    }
    Ok(doomed.into_iter().map(|held| held.ip).collect())
}

/// Repeats the announcement of an address that is there and can be used, and returns its interface.
pub async fn announce_again(
    kernel: &mut Kernel,
    announcer: &mut Announcer,
    address: &Address,
) -> Result<Option<Link>, Failure> {
    match present(kernel, address).await? {
        Some((held, link)) if link.up && !held.duplicate => {
            let ip = held.ip;
            announcer
                .announce(&link, ip)
                .map_err(|error| Failure::kernel("announce", &ip.to_string(), error))?;
            Ok(Some(link))
        }
        _ => Ok(None),
    }
}

/// The address in its place, with the interface it is on.
async fn present(kernel: &mut Kernel, address: &Address) -> Result<Option<(Held, Link)>, Failure> {
    let wanted = match &address.interface {
        Some(name) => Some(named(kernel, name).await?),
        None => None,
    };
    let copies = copies(kernel, address.ip).await?;
    match copies.into_iter().find(|held| in_place(held, address, wanted.as_ref())) {
        Some(held) => {
            let link = link(kernel, held.interface).await?;
            Ok(Some((held, link)))
        }
        None => Ok(None),
    }
}

/// Where an address is to be added.
struct Site {
    link: Link,
    prefix: u8,
    broadcast: Option<Ipv4Addr>,
}

/// Every entry of the address in the kernel's list.
async fn copies(kernel: &mut Kernel, ip: IpAddr) -> Result<Vec<Held>, Failure> {
    Ok(list(kernel).await?.iter().filter(|held| held.ip == ip).cloned().collect())
}

async fn list(kernel: &mut Kernel) -> Result<&[Held], Failure> {
    kernel.addresses().await.map_err(|e| Failure::kernel("list", "the addresses of this machine", e))
}

async fn named(kernel: &mut Kernel, name: &str) -> Result<Link, Failure> {
    match kernel.link_named(name).await.map_err(|e| Failure::kernel("look for", name, e))? {
        Some(link) => Ok(link),
        None => {
            let present = kernel.link_names().await.unwrap_or_default();
            Err(Failure::NoInterface { name: name.to_owned(), present })
        }
    }
}

async fn link(kernel: &mut Kernel, index: u32) -> Result<Link, Failure> {
    let found = kernel
        .link(index)
        .await
        .map_err(|e| Failure::kernel("look for", &format!("interface {index}"), e))?;
    found.ok_or_else(|| Failure::NoInterface { name: format!("number {index}"), present: Vec::new() })
}

fn on(held: &Held, link: Option<&Link>) -> bool {
    link.is_some_and(|link| link.index == held.interface)
}

/// Whether an entry is the address in its place; a copy on `lo` is not, it answers no neighbour.
pub(crate) fn in_place(held: &Held, address: &Address, wanted: Option<&Link>) -> bool {
    match wanted {
        Some(link) => held.interface == link.index,
        None => held.interface != LOOPBACK || address.ip.is_loopback(),
    }
}

/// The copy that a real server of LVS-DR has on `lo`. IPaddr2 replaces it, as it always did.
fn loopback_copy(held: &Held, address: &Address) -> bool {
    address.agent == Agent::IpAddr2 && held.interface == LOOPBACK && held.ip.is_ipv4() && held.prefix == 32
}

/// An entry on another interface than the one that is named: ours is moved, anybody else's is a conflict.
async fn move_away(
    kernel: &mut Kernel,
    address: &Address,
    copies: &[Held],
    wanted: Option<&Link>,
) -> Result<(), Failure> {
    let Some(wanted) = wanted else { return Ok(()) };
    for held in copies.iter().filter(|held| held.interface != wanted.index && held.interface != LOOPBACK) {
        let there = link(kernel, held.interface).await?.name;
        if !ours(held) {
            return Err(Failure::Elsewhere {
                ip: address.ip,
                prefix: held.prefix,
                there,
                wanted: wanted.name.clone(),
            });
        }
        info!("{} moves from {there} to {}", address.ip, wanted.name);
        remove(kernel, held).await?;
    }
    Ok(())
}

/// The interface, mask and broadcast address: what is written, or else those of the connected network
/// that contains the address (the one with the longest prefix).
async fn site(kernel: &mut Kernel, address: &Address, wanted: Option<Link>) -> Result<Site, Failure> {
    let ip = address.ip;
    let mut networks: Vec<Held> = list(kernel)
        .await?
        .iter()
        .filter(|held| held.ip != ip && contains(held.network, held.prefix, ip))
        .filter(|held| held.interface != LOOPBACK || ip.is_loopback())
        .filter(|held| wanted.as_ref().is_none_or(|link| link.index == held.interface))
        .cloned()
        .collect();
    networks.sort_by_key(|held| std::cmp::Reverse(held.prefix));
    let (link, network, routed) = match wanted {
        Some(link) => (link, networks.into_iter().next(), None),
        None => find(kernel, ip, networks).await?,
    };
    let host = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = address.prefix.or(network.as_ref().map(|held| held.prefix)).or(routed).unwrap_or(host);
    let broadcast = match address.broadcast {
        Broadcast::Given(broadcast) => Some(broadcast),
        Broadcast::None => None,
        Broadcast::Computed => computed_broadcast(ip, prefix),
        Broadcast::Default => match network {
            Some(network) => network.broadcast,
            None => computed_broadcast(ip, prefix),
        },
    };
    Ok(Site { link, prefix, broadcast })
}

/// The interface of the first of these networks that is up, or of a route that leads there directly.
async fn find(
    kernel: &mut Kernel,
    ip: IpAddr,
    networks: Vec<Held>,
) -> Result<(Link, Option<Held>, Option<u8>), Failure> {
    for network in networks {
        let link = link(kernel, network.interface).await?;
        if link.up {
            return Ok((link, Some(network), None));
        }
    }
    let route = kernel
        .connected_route(ip)
        .await
        .map_err(|e| Failure::kernel("look for a route to", &ip.to_string(), e))?;
    match route {
        Some((index, prefix)) if index != LOOPBACK => Ok((link(kernel, index).await?, None, Some(prefix))),
        _ => Err(Failure::NoNetwork { ip }),
    }
}

async fn add(
    kernel: &mut Kernel,
    address: &Address,
    site: &Site,
    loopback: Option<&Held>,
) -> Result<Held, Failure> {
    let label = label(kernel, address, &site.link).await?;
    if let Some(copy) = loopback {
        info!("{} is on lo too: taken away there while {} has it", copy.ip, site.link.name);
        remove(kernel, copy).await?;
    }
    let new = New {
        ip: address.ip,
        prefix: site.prefix,
        interface: site.link.index,
        label,
        broadcast: site.broadcast,
        maker: if loopback.is_some() { OURS_INSTEAD_OF_LOOPBACK } else { OURS },
        deprecated: false,
    };
    let added = kernel.add(&new).await;
    // Whether it was there already (EEXIST) or the kernel agreed: what counts is that it is there now.
    let there = copies(kernel, address.ip).await?.into_iter().find(|held| held.interface == site.link.index);
    match (added, there) {
        (Ok(()), Some(held)) if held.duplicate => {
            Err(Failure::Duplicate { ip: held.ip, on: site.link.name.clone() })
        }
        (_, Some(held)) => Ok(held),
        (Ok(()), None) => Err(Failure::Vanished { ip: address.ip, from: site.link.name.clone() }),
        (Err(error), None) => Err(Failure::kernel(
            "add",
            &format!("{}/{} on {}", address.ip, site.prefix, site.link.name),
            error,
        )),
    }
}

/// The label that is written, cut to the kernel's length, or for `IPaddr` the first free number.
async fn label(kernel: &mut Kernel, address: &Address, link: &Link) -> Result<Option<String>, Failure> {
    if address.ip.is_ipv6() {
        return Ok(None);
    }
    if let Some(label) = &address.label {
        let kept = kernel_label(&link.name, label);
        let whole = format!("{}:{label}", link.name);
        if kept.as_ref() != Some(&whole) {
            let used = kept.as_deref().unwrap_or(&link.name);
            warn!("the label {whole:?} is longer than the kernel's 15 characters: {used:?} is used");
        }
        return Ok(kept);
    }
    if address.agent != Agent::IpAddr {
        return Ok(None);
    }
    let used: Vec<_> = list(kernel).await?.iter().filter_map(|held| held.label.as_deref()).collect();
    let free = (0..512).filter_map(|n| kernel_label(&link.name, &n.to_string()));
    Ok(free.into_iter().find(|label| !used.contains(&label.as_str())))
}

/// Removes one entry. What the kernel removes with it is put back at once.
async fn remove(kernel: &mut Kernel, held: &Held) -> Result<(), Failure> {
    let lost = match kernel.remove(held).await {
        // Somebody else was faster.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::ENODEV)) => Vec::new(),
        other => other.map_err(|e| Failure::kernel("remove", &format!("{}/{}", held.ip, held.prefix), e))?,
    };
    for lost in lost {
        warn!("the kernel removed {} together with {}: adding it again", lost.ip, held.ip);
        let again = New {
            ip: lost.ip,
            prefix: lost.prefix,
            interface: lost.interface,
            label: lost.label,
            broadcast: lost.broadcast,
            maker: lost.maker,
            deprecated: lost.deprecated,
        };
        if let Err(error) = kernel.add(&again).await {
            warn!("{}", Failure::kernel("add again", &lost.ip.to_string(), error));
        }
    }
    Ok(())
}

/// Puts the copy on `lo` back. If that fails the address is still where it has to be, so it is only said.
async fn restore(kernel: &mut Kernel, ip: IpAddr) {
    let copy = New::alone(ip, LOOPBACK);
    match kernel.add(&copy).await {
        Ok(()) => info!("{ip}/32 is on lo again"),
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {}
        Err(error) => warn!("{}", Failure::kernel("put back", &format!("{ip}/32 on lo"), error)),
    }
}

/// An address that is there already: its interface is switched on if need be, and it is announced.
async fn already(kernel: &mut Kernel, announcer: &mut Announcer, held: &Held) -> Answer {
    let link = link(kernel, held.interface).await?;
    if held.duplicate {
        return Err(Failure::Duplicate { ip: held.ip, on: link.name });
    }
    if !link.up {
        kernel.set_up(link.index).await.map_err(|e| Failure::kernel("switch on", &link.name, e))?;
    }
    let mut detail = describe(held, &link);
    announce(announcer, &link, held.ip, &mut detail);
    Ok((Outcome::Already, detail))
}

/// An address that cannot be announced is held all the same, so this is no failure, but it is said.
fn announce(announcer: &mut Announcer, link: &Link, ip: IpAddr, detail: &mut String) {
    match announcer.announce(link, ip) {
        Ok(true) if !link.running => detail.push_str("; the interface has no carrier"),
        Ok(_) => {}
        Err(error) => detail.push_str(&format!("; not announced: {error}")),
    }
}

fn describe(held: &Held, link: &Link) -> String {
    let label = held.label.as_ref().filter(|label| **label != link.name);
    let label = label.map(|label| format!(", label {label}")).unwrap_or_default();
    format!("{}/{} on {}{label}", held.ip, held.prefix, link.name)
}
