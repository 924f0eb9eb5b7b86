//! `IPsrcaddr`: what this machine sends by itself carries the virtual address.
//!
//! Two routes have a preferred source address for it, as with Debian's agent: the default route, and that of the
//! connected network which contains the address.

use super::built_in::Ended;
use super::netlink::{Kernel, Route};
use crate::address::contains;
use crate::order::Outcome;
use std::io;
use std::net::IpAddr;

/// Sets the source address, or lets the kernel choose again.
pub(super) async fn change(kernel: &mut Kernel, ip: IpAddr, start: bool) -> Ended {
    let result = if start { set(kernel, ip).await } else { unset(kernel, ip).await };
    result.unwrap_or_else(|error| (Outcome::Failed, format!("cannot change the routes: {error}")))
}

/// Whether the default route has this source address.
pub(super) async fn status(kernel: &mut Kernel, ip: IpAddr) -> (bool, Outcome, String) {
    match kernel.routes(ip).await {
        Ok(routes) => match default(&routes) {
            Some(Route { source: Some(source), .. }) if *source == ip => {
                (true, Outcome::Done, format!("{ip} is the source address of the default route"))
            }
            Some(Route { source: Some(other), .. }) => {
                (false, Outcome::Done, format!("the source address of the default route is {other}"))
            }
            Some(_) => (false, Outcome::Done, "the default route has no preferred source address".to_owned()),
            None => (false, Outcome::Done, "there is no default route".to_owned()),
        },
        Err(error) => (false, Outcome::Failed, format!("cannot list the routes: {error}")),
    }
}

async fn set(kernel: &mut Kernel, ip: IpAddr) -> io::Result<Ended> {
    kernel.forget();
    if kernel.addresses().await?.iter().all(|held| held.ip != ip) {
        let why = format!("{ip} is not here: in haresources it has to stand before IPsrcaddr::{ip}");
        return Ok((Outcome::Failed, why));
    }
    let routes = kernel.routes(ip).await?;
    let Some(default) = default(&routes) else {
        return Ok((Outcome::Failed, "there is no default route".to_owned()));
    };
    let mut changed = false;
    for route in network(&routes, ip).into_iter().chain([default]).filter(|route| route.source != Some(ip)) {
        kernel.set_source(route, Some(ip)).await?;
        changed = true;
    }
    Ok((if changed { Outcome::Done } else { Outcome::Already }, String::new()))
}

async fn unset(kernel: &mut Kernel, ip: IpAddr) -> io::Result<Ended> {
    let routes = kernel.routes(ip).await?;
    let mut changed = false;
    for route in routes.iter().filter(|route| route.source == Some(ip)) {
        let source = match route.destination {
            // As the kernel made it when the network's first address came.
            Some((network, prefix)) => {
                kernel.forget();
                let held = kernel.addresses().await?.iter().find(|held| {
                    Some(held.interface) == route.interface
                        && held.ip != ip
                        && contains(network, prefix, held.ip)
                });
                let own = held.map(|held| held.ip);
                if own.is_none() {
                    continue; // it goes with the address
                }
                own
            }
            None => None,
        };
        kernel.set_source(route, source).await?;
        changed = true;
    }
    Ok((if changed { Outcome::Done } else { Outcome::Already }, String::new()))
}

/// The default route that is used.
fn default(routes: &[Route]) -> Option<&Route> {
    routes.iter().filter(|route| route.destination.is_none()).min_by_key(|route| route.metric)
}

/// The smallest connected network that contains the address.
fn network(routes: &[Route], ip: IpAddr) -> Option<&Route> {
    let inside = routes.iter().filter_map(|route| {
        let (network, prefix) = route.destination?;
        (contains(network, prefix, ip) && prefix < if ip.is_ipv4() { 32 } else { 128 })
            .then_some((prefix, route))
    });
    inside.max_by_key(|(prefix, _)| *prefix).map(|(_, route)| route)
}
