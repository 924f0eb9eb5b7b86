//! The routes that say which source address this machine's own packets have.

use super::{Kernel, family, to_io};
use futures_util::TryStreamExt;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType};
use rtnetlink::packet_core::NLM_F_REPLACE;
use std::io;
use std::net::IpAddr;

/// A route of the main table that has no gateway, or leads everywhere.
#[derive(Clone, Debug)]
pub struct Route {
    message: RouteMessage,
    /// The destination; `None`: everywhere.
    pub destination: Option<(IpAddr, u8)>,
    /// The index of its interface, if it has one.
    pub interface: Option<u32>,
    /// The preferred source address.
    pub source: Option<IpAddr>,
    /// The lower, the sooner it is used.
    pub metric: u32,
}

impl Kernel {
    /// The default routes and the connected networks of the main table, of the family of this address.
    pub async fn routes(&mut self, of: IpAddr) -> io::Result<Vec<Route>> {
        let mut question = RouteMessage::default();
        question.header.address_family = family(of);
        let messages: Vec<RouteMessage> =
            self.handle()?.route().get(question).execute().try_collect().await.map_err(to_io)?;
        Ok(messages.into_iter().filter_map(route).collect())
    }

    /// Gives a route another preferred source address, or none.
    pub async fn set_source(&mut self, route: &Route, source: Option<IpAddr>) -> io::Result<()> {
        let mut message = route.message.clone();
        message.attributes.retain(|attribute| {
            // What the kernel tells besides cannot be set, or is what is to change.
            !matches!(
                attribute,
                RouteAttribute::PrefSource(_) | RouteAttribute::CacheInfo(_) | RouteAttribute::Expires(_)
            )
        });
        message.attributes.extend(source.map(|ip| RouteAttribute::PrefSource(ip.into())));
        message.header.flags = Default::default();
        self.change(RouteNetlinkMessage::NewRoute(message), NLM_F_REPLACE).await.map(drop)
    }
}

fn route(message: RouteMessage) -> Option<Route> {
    let (mut table, mut destination) = (u32::from(message.header.table), None);
    let (mut source, mut metric, mut interface, mut gateway) = (None, 0, None, false);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(to) => destination = ip(to),
            RouteAttribute::PrefSource(from) => source = ip(from),
            RouteAttribute::Priority(number) => metric = *number,
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) | RouteAttribute::MultiPath(_) => {
                gateway = true
            }
            _ => {}
        }
    }
    let prefix = message.header.destination_prefix_length;
    let destination = if prefix == 0 { None } else { Some((destination?, prefix)) };
    let usable = table == u32::from(RouteHeader::RT_TABLE_MAIN) && message.header.kind == RouteType::Unicast;
    // A network behind a gateway is none of ours.
    (usable && (destination.is_none() || !gateway)).then_some(Route {
        message,
        destination,
        interface,
        source,
        metric,
    })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}
