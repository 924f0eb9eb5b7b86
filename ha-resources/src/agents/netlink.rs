//! The kernel's interfaces and addresses: everything that depends on the rtnetlink crates.
//!
//! One socket, opened at first use. The list of addresses is asked for once and kept until something
//! slow or foreign may have changed it ([`Kernel::forget`]). What a change of ours did to it is what the
//! kernel says that it did: requests carry NLM_F_ECHO, by which the kernel sends back each address that
//! came or went. Where it does not (IPv6), the list is asked for again. So what is reported is what the
//! kernel has, not what it was told, and a thousand addresses do not need a thousand lists.

mod routes;

pub use routes::Route;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkFlags, LinkLayerType, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteFlags, RouteMessage, RouteType};
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, MulticastGroup};
use std::io;
use std::net::{IpAddr, Ipv4Addr};

/// The kernel's word for a lifetime without end.
const FOR_EVER: u32 = u32::MAX;

/// An address of this machine, as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The address.
    pub ip: IpAddr,
    /// Length of its network's prefix.
    pub prefix: u8,
    /// An address of that network; for a point-to-point address the peer.
    pub network: IpAddr,
    /// Index of its interface.
    pub interface: u32,
    /// Its label; IPv4 only, the interface's name where none was given.
    pub label: Option<String>,
    /// Its broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// Who made it (IFA_PROTO, Linux 5.18 and later; 0: nobody said).
    pub maker: u8,
    /// IPv6 found the address on another machine and does not use it.
    pub duplicate: bool,
    /// It is no source address of anything new.
    pub deprecated: bool,
}

/// An address to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// The address.
    pub ip: IpAddr,
    /// Length of its network's prefix.
    pub prefix: u8,
    /// Index of its interface.
    pub interface: u32,
    /// Its label (IPv4).
    pub label: Option<String>,
    /// Its broadcast address (IPv4).
    pub broadcast: Option<Ipv4Addr>,
    /// What [`Held::maker`] will say.
    pub maker: u8,
    /// What [`Held::deprecated`] will say.
    pub deprecated: bool,
}

impl New {
    /// An address as its whole network, with nothing said about it.
    pub fn alone(ip: IpAddr, interface: u32) -> New {
        let prefix = if ip.is_ipv4() { 32 } else { 128 };
        New { ip, prefix, interface, label: None, broadcast: None, maker: 0, deprecated: false }
    }
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether it has a carrier.
    pub running: bool,
    /// Whether it is the loopback.
    pub loopback: bool,
    /// Its MAC address, where neighbours are found by ARP or neighbour discovery on Ethernet.
    pub ethernet: Option<[u8; 6]>,
}

/// The connection to the kernel of this network namespace.
#[derive(Default)]
pub struct Kernel {
    handle: Option<Handle>,
    addresses: Option<Vec<Held>>,
}

impl Kernel {
    /// Nothing is opened before the first question.
    pub fn new() -> Kernel {
        Kernel::default()
    }

    /// The addresses of this machine may have changed: ask again.
    pub fn forget(&mut self) {
        self.addresses = None;
    }

    /// The addresses of this machine.
    pub async fn addresses(&mut self) -> io::Result<&[Held]> {
        if self.addresses.is_none() {
            let messages: Vec<AddressMessage> =
                self.handle()?.address().get().execute().try_collect().await.map_err(to_io)?;
            self.addresses = Some(messages.iter().filter_map(held).collect());
        }
        Ok(self.addresses.as_deref().unwrap_or_default())
    }

    /// An interface by its name; `None` if there is none.
    pub async fn link_named(&mut self, name: &str) -> io::Result<Option<Link>> {
        let request = self.handle()?.link().get().match_name(name);
        one_link(request).await
    }

    /// An interface by its index; `None` if there is none.
    pub async fn link(&mut self, index: u32) -> io::Result<Option<Link>> {
        let request = self.handle()?.link().get().match_index(index);
        one_link(request).await
    }

    /// All interfaces.
    pub async fn links(&mut self) -> io::Result<Vec<Link>> {
        let request = skip_statistics(self.handle()?.link().get());
        let messages: Vec<LinkMessage> = request.execute().try_collect().await.map_err(to_io)?;
        Ok(messages.iter().filter_map(link).collect())
    }

    /// The names of all interfaces.
    pub async fn link_names(&mut self) -> io::Result<Vec<String>> {
        Ok(self.links().await?.into_iter().map(|link| link.name).collect())
    }

    /// The interface and prefix length of the route without a gateway that leads to an address.
    pub async fn connected_route(&mut self, ip: IpAddr) -> io::Result<Option<(u32, u8)>> {
        let mut question = RouteMessage::default();
        question.header.address_family = family(ip);
        question.header.destination_prefix_length = if ip.is_ipv4() { 32 } else { 128 };
        question.header.flags = RouteFlags::FibMatch;
        question.attributes.push(RouteAttribute::Destination(ip.into()));
        let answers: Result<Vec<RouteMessage>, _> =
            self.handle()?.route().get(question).execute().try_collect().await;
        // No route at all is an error of the kernel's, and an answer to this question.
        Ok(answers.unwrap_or_default().iter().find_map(connected))
    }

    /// Adds an address.
    pub async fn add(&mut self, new: &New) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = family(new.ip);
        message.header.prefix_len = new.prefix;
        message.header.index = new.interface;
        message.attributes.push(AddressAttribute::Local(new.ip));
        message.attributes.push(AddressAttribute::Address(new.ip));
        message.attributes.extend(new.broadcast.map(AddressAttribute::Broadcast));
        message.attributes.extend(new.label.clone().map(AddressAttribute::Label));
        message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(new.maker)));
        if new.ip.is_ipv6() {
            // A tentative address can neither be announced nor answered for. The other node has let go of it.
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        if new.deprecated {
            let mut lifetimes = CacheInfo::default();
            (lifetimes.ifa_preferred, lifetimes.ifa_valid) = (0, FOR_EVER);
            message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
        }
        if new.ip.is_loopback() {
            message.header.scope = AddressScope::Host;
        }
        self.change(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL).await.map(drop)
    }

    /// Removes this address. What the kernel removed with it is returned: the secondary addresses of a
    /// primary one, unless `promote_secondaries` is set.
    pub async fn remove(&mut self, old: &Held) -> io::Result<Vec<Held>> {
        let mut message = AddressMessage::default();
        message.header.family = family(old.ip);
        message.header.prefix_len = old.prefix;
        message.header.index = old.interface;
        message.attributes.push(AddressAttribute::Local(old.ip));
        message.attributes.push(AddressAttribute::Address(old.network));
        let echoes = self.change(RouteNetlinkMessage::DelAddress(message), 0).await?;
        let gone = echoes.iter().filter_map(|echo| match echo {
            RouteNetlinkMessage::DelAddress(message) => held(message),
            _ => None,
        });
        Ok(gone.filter(|gone| !same(gone, old)).collect())
    }

    /// Adds and removes an address of no interface: the kernel refuses, and what that takes has been in memory once.
    pub async fn rehearse(&mut self) {
        let nothing = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let new = New::alone(nothing, 0);
        let _ = self.add(&new).await;
        let old = Held {
            ip: nothing,
            prefix: 32,
            network: nothing,
            interface: 0,
            label: None,
            broadcast: None,
            maker: 0,
            duplicate: false,
            deprecated: false,
        };
        let _ = self.remove(&old).await;
        self.forget();
    }

    /// Sends a change, and brings the list up to what the kernel says that it changed.
    async fn change(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        let known = self.addresses.take();
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_ECHO | flags;
        let mut answers = self.handle()?.request(request).map_err(to_io)?;
        let mut echoes = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer.payload {
                NetlinkPayload::InnerMessage(echo) => echoes.push(echo),
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                _ => {}
            }
        }
        self.addresses = known.filter(|_| !echoes.is_empty()).map(|known| apply(known, &echoes));
        Ok(echoes)
    }

    /// Switches an interface on.
    pub async fn set_up(&mut self, index: u32) -> io::Result<()> {
        let message = LinkMessageBuilder::<LinkUnspec>::default().index(index).up().build();
        self.handle()?.link().set(message).execute().await.map_err(to_io)
    }

    fn handle(&mut self) -> io::Result<Handle> {
        if let Some(handle) = &self.handle {
            return Ok(handle.clone());
        }
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        self.handle = Some(handle.clone());
        Ok(handle)
    }
}

/// News of the kernel: an address or an interface has come, gone or changed.
pub struct Changes {
    messages: BoxStream<'static, ()>,
}

impl Changes {
    /// What happens from now on.
    pub fn listen() -> io::Result<Changes> {
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
        let (connection, _, messages) = rtnetlink::new_multicast_connection(&groups)?;
        tokio::spawn(connection);
        Ok(Changes { messages: messages.map(drop).boxed() })
    }

    /// Waits until something has changed; whoever hears of it asks what. False if nothing will be heard any more.
    pub async fn next(&mut self) -> bool {
        let some = self.messages.next().await.is_some();
        while let Some(Some(())) = self.messages.next().now_or_never() {}
        some
    }
}

/// The list after the kernel has added and removed these.
fn apply(mut known: Vec<Held>, echoes: &[RouteNetlinkMessage]) -> Vec<Held> {
    for echo in echoes {
        let (message, there) = match echo {
            RouteNetlinkMessage::NewAddress(message) => (message, true),
            RouteNetlinkMessage::DelAddress(message) => (message, false),
            _ => continue,
        };
        if let Some(changed) = held(message) {
            known.retain(|old| !same(old, &changed));
            known.extend(there.then_some(changed));
        }
    }
    known
}

/// Whether two entries are one address for the kernel.
fn same(a: &Held, b: &Held) -> bool {
    (a.ip, a.prefix, a.interface) == (b.ip, b.prefix, b.interface)
}

fn family(ip: IpAddr) -> AddressFamily {
    if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

/// Virtual functions and statistics are most of an answer and nobody here reads them.
fn skip_statistics(request: rtnetlink::LinkGetRequest) -> rtnetlink::LinkGetRequest {
    request.set_filter_mask(AddressFamily::Unspec, vec![LinkExtentMask::SkipStats])
}

async fn one_link(request: rtnetlink::LinkGetRequest) -> io::Result<Option<Link>> {
    let found: Result<Vec<LinkMessage>, _> = skip_statistics(request).execute().try_collect().await;
    match found {
        Ok(messages) => Ok(messages.iter().find_map(link)),
        Err(error) => match to_io(error) {
            error if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            error => Err(error),
        },
    }
}

fn held(message: &AddressMessage) -> Option<Held> {
    let (mut local, mut network, mut flags) = (None, None, u32::from(message.header.flags.bits()));
    let (mut label, mut broadcast, mut maker) = (None, None, 0);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => network = Some(*ip),
            AddressAttribute::Label(text) => label = Some(text.clone()),
            AddressAttribute::Broadcast(ip) => broadcast = Some(*ip),
            AddressAttribute::Protocol(protocol) => maker = u8::from(*protocol),
            AddressAttribute::Flags(more) => flags |= more.bits(),
            _ => {}
        }
    }
    let ip = local.or(network)?;
    Some(Held {
        ip,
        prefix: message.header.prefix_len,
        network: network.unwrap_or(ip),
        interface: message.header.index,
        label,
        broadcast,
        maker,
        duplicate: flags & AddressFlags::Dadfailed.bits() != 0,
        deprecated: flags & AddressFlags::Deprecated.bits() != 0,
    })
}

fn link(message: &LinkMessage) -> Option<Link> {
    let flags = message.header.flags;
    let (mut name, mut address) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text.clone()),
            LinkAttribute::Address(bytes) => address = <[u8; 6]>::try_from(bytes.as_slice()).ok(),
            _ => {}
        }
    }
    let quiet = flags.intersects(LinkFlags::Loopback | LinkFlags::Noarp)
        || message.header.link_layer_type != LinkLayerType::Ether;
    Some(Link {
        index: message.header.index,
        name: name?,
        up: flags.contains(LinkFlags::Up),
        running: flags.contains(LinkFlags::Running),
        loopback: flags.contains(LinkFlags::Loopback),
        ethernet: address.filter(|_| !quiet),
    })
}

/// The default route is no connected network, even where it has no gateway.
fn connected(route: &RouteMessage) -> Option<(u32, u8)> {
    let gateway =
        route.attributes.iter().any(|a| matches!(a, RouteAttribute::Gateway(_) | RouteAttribute::Via(_)));
    let prefix = route.header.destination_prefix_length;
    if gateway || prefix == 0 || route.header.kind != RouteType::Unicast {
        return None;
    }
    let interface = route.attributes.iter().find_map(|a| match a {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    })?;
    Some((interface, prefix))
}

fn to_io(error: rtnetlink::Error) -> io::Error {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other.to_string()),
    }
}
