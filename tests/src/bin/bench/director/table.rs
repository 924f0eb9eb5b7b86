//! The kernel's IPVS table for programs under measurement, on a kernel that has none: they reach it through
//! `tests/lab/ipvs-shim.c`. It keeps what is written, tells it as the kernel does, and remembers every edit of a real
//! server with its time.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use ipvs::codec;
use lab::{Context, Moment, Result};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

const FAMILY: u16 = 0x7e;
const CONTROLLER: u16 = 16;
/// As long as the kernel's parts of a list.
const PART: usize = 16 * 1024;

/// A change of a real server's entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edit {
    pub(crate) at: Moment,
    pub(crate) server: IpAddr,
    /// `None` when the entry was deleted.
    pub(crate) weight: Option<u32>,
}

/// The table, and who wrote what.
#[derive(Clone, Default)]
pub(crate) struct Table(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    services: BTreeMap<Vec<u8>, Service>,
    edits: Vec<Edit>,
    /// Of services.
    others: usize,
}

struct Service {
    nest: Vec<u8>,
    servers: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Table {
    /// Listens in the network namespace of the calling thread, until the process ends.
    pub(crate) fn listen(&self) -> Result<()> {
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new_abstract_name(b"ipvs")?)?;
        rustix::net::listen(&socket, 128)?;
        let table = self.clone();
        std::thread::spawn(move || {
            while let Ok(connection) = rustix::net::accept(&socket) {
                let table = table.clone();
                std::thread::spawn(move || table.serve(&connection));
            }
        });
        Ok(())
    }

    /// Edits of real servers since a moment.
    pub(crate) fn edits_since(&self, moment: Moment) -> Vec<Edit> {
        self.state().edits.iter().rev().take_while(|edit| edit.at >= moment).copied().collect()
    }

    /// When a server was first taken out of traffic after a moment: deleted, or weight 0.
    pub(crate) fn out_since(&self, server: Ipv4Addr, moment: Moment) -> Option<Moment> {
        self.first(server, moment, |weight| weight.unwrap_or(0) == 0)
    }

    /// When it was first given traffic after a moment.
    pub(crate) fn in_since(&self, server: Ipv4Addr, moment: Moment) -> Option<Moment> {
        self.first(server, moment, |weight| weight.is_some_and(|weight| weight > 0))
    }

    fn first(&self, server: Ipv4Addr, moment: Moment, seen: impl Fn(Option<u32>) -> bool) -> Option<Moment> {
        let edits = self.edits_since(moment);
        edits.iter().rev().find(|edit| edit.server == server && seen(edit.weight)).map(|edit| edit.at)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, connection: &OwnedFd) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok((length @ 1.., _)) = rustix::net::recv(connection, &mut buffer[..], RecvFlags::empty()) {
            let Some(parts) = self.state().answer(&buffer[..length]) else { return };
            for part in parts {
                if rustix::net::send(connection, &part, SendFlags::NOSIGNAL).is_err() {
                    return;
                }
            }
        }
    }
}

/// One request, as far as it matters here.
struct Request<'a> {
    header: [u8; 16],
    kind: u16,
    dump: bool,
    acknowledge: bool,
    command: u8,
    attributes: codec::Table<'a>,
}

impl<'a> Request<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header: [u8; 16] = *bytes.first_chunk()?;
        let flags = u16::from_ne_bytes([header[6], header[7]]);
        Some(Self {
            header,
            kind: u16::from_ne_bytes([header[4], header[5]]),
            dump: flags & 0x300 == 0x300,
            acknowledge: flags & 4 != 0,
            command: *bytes.get(16)?,
            attributes: codec::Table::parse(bytes.get(20..)?).ok()?,
        })
    }

    fn message(&self, command: u8, attributes: &[u8]) -> Vec<u8> {
        let kind = if self.kind == CONTROLLER { CONTROLLER } else { FAMILY };
        let mut body = vec![command, 1, 0, 0];
        body.extend_from_slice(attributes);
        self.frame(kind, if self.dump { 2 } else { 0 }, &body)
    }

    fn frame(&self, kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = (16 + body.len() as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&self.header[8..16]);
        bytes.extend_from_slice(body);
        bytes
    }

    /// NLMSG_DONE, or NLMSG_ERROR with the request.
    fn end(&self, errno: i32) -> Vec<u8> {
        let mut body = (-errno).to_ne_bytes().to_vec();
        if self.dump && errno == 0 {
            return self.frame(3, 2, &body);
        }
        body.extend_from_slice(&self.header);
        self.frame(2, 0, &body)
    }
}

mod errno {
    pub(super) const ENOENT: i32 = 2;
    pub(super) const ESRCH: i32 = 3;
    pub(super) const EEXIST: i32 = 17;
    pub(super) const EINVAL: i32 = 22;
}

impl State {
    /// The datagrams that answer a request; `None` if it is none.
    fn answer(&mut self, bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
        let request = Request::parse(bytes)?;
        let (messages, errno) = match self.perform(&request) {
            Ok(messages) => (messages, 0),
            Err(errno) => (Vec::new(), errno),
        };
        let mut parts = vec![Vec::new()];
        for message in messages {
            if parts.last().is_some_and(|part: &Vec<u8>| part.len() + message.len() > PART) {
                parts.push(Vec::new());
            }
            parts.last_mut()?.extend_from_slice(&message);
        }
        parts.retain(|part| !part.is_empty());
        if request.dump || request.acknowledge || errno != 0 {
            parts.push(request.end(errno));
        }
        Some(parts)
    }

    fn perform(&mut self, request: &Request<'_>) -> std::result::Result<Vec<Vec<u8>>, i32> {
        if request.kind == CONTROLLER {
            let name = request.attributes.get(2, "name").ok_or(errno::EINVAL)?.text();
            return if name == "IPVS" { Ok(vec![request.message(1, &family())]) } else { Err(errno::ENOENT) };
        }
        let nest = |kind| request.attributes.get(kind, "nest").map(codec::Value::bytes);
        let key = nest(1).and_then(service_key);
        let service = || key.clone().ok_or(errno::EINVAL);
        match request.command {
            1 | 2 => self.write_service(service()?, nest(1).unwrap_or_default(), request.command == 1)?,
            3 => {
                self.services.remove(&service()?).ok_or(errno::ESRCH)?;
                self.others += 1;
            }
            4 if request.dump => {
                return Ok(self.services.values().map(|one| request.message(1, &one.told())).collect());
            }
            4 => {
                let one = self.services.get(&service()?).ok_or(errno::ESRCH)?;
                return Ok(vec![request.message(1, &one.told())]);
            }
            5..=7 => {
                let servers = &mut self.services.get_mut(&service()?).ok_or(errno::ESRCH)?.servers;
                let (edit, key) = server(nest(2).unwrap_or_default()).ok_or(errno::EINVAL)?;
                match (request.command, servers.contains_key(&key)) {
                    (5, true) => return Err(errno::EEXIST),
                    (6 | 7, false) => return Err(errno::ENOENT),
                    (7, true) => drop(servers.remove(&key)),
                    _ => drop(servers.insert(key, server_told(nest(2).unwrap_or_default()))),
                }
                let weight = if request.command == 7 { None } else { edit.weight };
                self.edits.push(Edit { weight, ..edit });
            }
            8 => {
                let servers = self.services.get(&service()?).into_iter().flat_map(|one| one.servers.values());
                return Ok(servers.map(|told| request.message(5, told)).collect());
            }
            13 => {
                let timeouts = [attribute(4, &[0; 4]), attribute(5, &[0; 4]), attribute(6, &[0; 4])].concat();
                return Ok(vec![request.message(12, &timeouts)]);
            }
            15 => {
                let info =
                    [attribute(1, &0x01_0201_u32.to_ne_bytes()), attribute(2, &4096_u32.to_ne_bytes())];
                return Ok(vec![request.message(14, &info.concat())]);
            }
            17 => self.services.clear(),
            _ => {}
        }
        Ok(Vec::new())
    }

    fn write_service(&mut self, key: Vec<u8>, nest: &[u8], new: bool) -> std::result::Result<(), i32> {
        let nest = service_told(nest).ok_or(errno::EINVAL)?;
        self.others += 1;
        match (self.services.get_mut(&key), new) {
            (Some(_), true) => Err(errno::EEXIST),
            (None, false) => Err(errno::ESRCH),
            (Some(service), false) => {
                service.nest = nest;
                Ok(())
            }
            (None, true) => {
                self.services.insert(key, Service { nest, servers: BTreeMap::new() });
                Ok(())
            }
        }
    }
}

impl Service {
    fn told(&self) -> Vec<u8> {
        attribute(1 | codec::NESTED, &self.nest)
    }
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn family() -> Vec<u8> {
    let number = |kind, value: u32| attribute(kind, &value.to_ne_bytes());
    [attribute(1, &FAMILY.to_ne_bytes()), attribute(2, b"IPVS\0"), number(3, 1), number(4, 0), number(5, 6)]
        .concat()
}

/// What identifies a service.
fn service_key(nest: &[u8]) -> Option<Vec<u8>> {
    let table = codec::Table::parse(nest).ok()?;
    let bytes = |kind| table.get(kind, "service").map(codec::Value::bytes);
    let mut key = bytes(1)?.to_vec();
    if let Some(mark) = bytes(5) {
        key.extend_from_slice(mark);
        return Some(key);
    }
    let length = if key.first() == Some(&2) { 4 } else { 16 };
    for part in [bytes(2)?, bytes(3)?.get(..length)?, bytes(4)?] {
        key.extend_from_slice(part);
    }
    Some(key)
}

/// The nest as the kernel tells it: with counters, and what the request left out.
fn service_told(nest: &[u8]) -> Option<Vec<u8>> {
    let table = codec::Table::parse(nest).ok()?;
    let mut told = nest.to_vec();
    told.resize(told.len().next_multiple_of(4), 0);
    for kind in [8, 9] {
        if table.get(kind, "service").is_none() {
            told.extend(attribute(kind, &[0; 4]));
        }
    }
    told.extend(counters());
    Some(told)
}

/// What an edit of a server does, and what identifies the server.
fn server(nest: &[u8]) -> Option<(Edit, Vec<u8>)> {
    let table = codec::Table::parse(nest).ok()?;
    let bytes = |kind| table.get(kind, "server").map(codec::Value::bytes);
    let address = bytes(1)?;
    let v6 = bytes(11).is_some_and(|family| family.first() == Some(&10));
    let server = if v6 {
        IpAddr::from(<[u8; 16]>::try_from(address).ok()?)
    } else {
        IpAddr::from(*address.first_chunk::<4>()?)
    };
    let weight = table.get(4, "weight").and_then(|weight| weight.u32().ok());
    let key = format!("{server} {:?}", bytes(2)?).into_bytes();
    Some((Edit { at: Moment::now(), server, weight }, key))
}

fn server_told(nest: &[u8]) -> Vec<u8> {
    let mut told = nest.to_vec();
    told.resize(told.len().next_multiple_of(4), 0);
    for kind in [7, 8, 9] {
        told.extend(attribute(kind, &[0; 4]));
    }
    told.extend(counters());
    attribute(2 | codec::NESTED, &told)
}

fn counters() -> Vec<u8> {
    let all: Vec<u8> = (1..=10)
        .flat_map(|kind| attribute(kind, if kind == 4 || kind == 5 { &[0; 8] } else { &[0; 4][..] }))
        .collect();
    attribute(10 | codec::NESTED, &all)
}

/// Enters a node's network for the rest of this thread's life.
pub(crate) fn enter_network(pid: u32) -> Result<()> {
    let namespace = std::fs::File::open(format!("/proc/{pid}/ns/net"))?;
    rustix::thread::move_into_link_name_space(
        std::os::fd::AsFd::as_fd(&namespace),
        Some(rustix::thread::LinkNameSpaceType::Network),
    )
    .context(|| "cannot enter a node's network")
}
