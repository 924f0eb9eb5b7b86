//! One error type: what was asked, of which object, and why it was not done.
use crate::codec::Malformed;
use crate::{DestinationKey, Family, Netmask, Persistence, ServiceKey, SyncRole};
use std::{fmt, io};

mod reason;
#[cfg(test)]
mod tests;

pub use reason::Reason;
pub(crate) use reason::{errno, errno_name};

/// Why a request failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// No netlink socket, or it failed.
    Socket(io::Error),
    /// The kernel has no IPVS and could not load it.
    NoIpvs,
    /// The request was not sent, since the kernel would refuse it or, worse, take it wrongly.
    Invalid {
        /// What was asked.
        operation: Operation,
        /// Of what.
        object: Object,
        /// What is wrong with it.
        problem: Invalid,
    },
    /// The kernel refused.
    Refused(Box<Refused>),
    /// The kernel's answer was lost (receive buffer overrun), or it gave none. An edit may have
    /// been done: read the table again.
    AnswerLost {
        /// What was asked.
        operation: Operation,
        /// Of what.
        object: Object,
    },
    /// The table changed during each of several attempts to read it.
    Unsteady {
        /// What was being read.
        object: Object,
    },
    /// An answer that this version does not understand.
    Garbled {
        /// What was asked.
        operation: Operation,
        /// What is wrong with the answer.
        problem: Malformed,
    },
}

impl Error {
    /// Why the kernel refused, if it was the kernel.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Error::Refused(refused) => Some(&refused.reason),
            _ => None,
        }
    }

    /// What an administrator can do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::NoIpvs => {
                Some("load the module ip_vs, or boot a kernel that has it (CONFIG_IP_VS)".to_owned())
            }
            Error::Refused(refused) => refused.reason.hint(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Socket(error) => write!(f, "netlink socket to the kernel's IPVS: {error}"),
            Error::NoIpvs => {
                f.write_str("this kernel has no IPVS, and the module ip_vs could not be loaded (ENOENT)")
            }
            Error::Invalid { object, problem, .. } => write!(f, "{object}: {problem}"),
            Error::Refused(refused) => refused.fmt(f),
            Error::AnswerLost { operation, object } => {
                write!(f, "{object}: cannot tell whether the kernel did {operation}: its answer was lost")
            }
            Error::Unsteady { object } => {
                write!(f, "{object}: the table changed during every attempt to read it")
            }
            Error::Garbled { operation, problem } => {
                write!(f, "the kernel's answer to {operation} is not understood: {problem}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Socket(error) => Some(error),
            Error::Invalid { problem, .. } => Some(problem),
            Error::Garbled { problem, .. } => Some(problem),
            _ => None,
        }
    }
}

/// The kernel's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What was asked.
    pub operation: Operation,
    /// Of what.
    pub object: Object,
    /// What the number means there.
    pub reason: Reason,
    /// The kernel's error number, positive.
    pub errno: i32,
    /// The kernel's own words, where it has some (extended acknowledgement).
    pub detail: Option<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.object, self.reason, errno_name(self.errno))?;
        match &self.detail {
            Some(detail) => write!(f, ": \"{detail}\""),
            None => Ok(()),
        }
    }
}

/// What was asked of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Finding IPVS itself.
    Connect,
    /// Reading.
    Read,
    /// Adding a service or a destination.
    Add,
    /// Changing one.
    Update,
    /// Deleting one.
    Delete,
    /// Starting a sync daemon.
    Start,
    /// Stopping one.
    Stop,
    /// Setting the timeouts.
    Set,
    /// Zeroing counters.
    Zero,
    /// Deleting everything.
    Flush,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Connect => "connect",
            Operation::Read => "read",
            Operation::Add => "add",
            Operation::Update => "update",
            Operation::Delete => "delete",
            Operation::Start => "start",
            Operation::Stop => "stop",
            Operation::Set => "set",
            Operation::Zero => "zero",
            Operation::Flush => "flush",
        })
    }
}

/// What a request was about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Object {
    /// A virtual service.
    Service(ServiceKey),
    /// A real server of a virtual service.
    Destination(ServiceKey, DestinationKey),
    /// All real servers of a virtual service.
    Destinations(ServiceKey),
    /// A sync daemon.
    Daemon(SyncRole),
    /// All sync daemons.
    Daemons,
    /// The timeouts of the connection table.
    Timeouts,
    /// The whole table.
    Table,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Service(key) => write!(f, "virtual service {key}"),
            Object::Destination(service, key) => write!(f, "real server {key} of virtual service {service}"),
            Object::Destinations(service) => write!(f, "real servers of virtual service {service}"),
            Object::Daemon(role) => write!(f, "{role} sync daemon"),
            Object::Daemons => f.write_str("sync daemons"),
            Object::Timeouts => f.write_str("IPVS timeouts"),
            Object::Table => f.write_str("IPVS table"),
        }
    }
}

/// A request that is wrong before the kernel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// No name that a scheduler can have.
    Scheduler(String),
    /// No name that a persistence engine can have.
    Engine(String),
    /// No name that an interface can have.
    Interface(String),
    /// Timeout 0, or above [`Persistence::MAX_TIMEOUT`].
    PersistenceTimeout(u32),
    /// A mask of the other family.
    NetmaskFamily(Netmask, Family),
    /// A prefix length outside 1–128.
    PrefixLength(u8),
    /// Port 0 without persistence: such a service never matches a packet.
    EveryPortWithoutPersistence,
    /// A sync id above 255.
    SyncId(u32),
    /// A group that is no multicast address.
    SyncGroup(std::net::IpAddr),
    /// A timeout whose clock ticks would overflow.
    Timeout(u32),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::Scheduler(name) => write!(
                f,
                "\"{name}\" cannot be the name of a scheduler: 1 to 15 letters, digits, \"_\" or \"-\""
            ),
            Invalid::Engine(name) => write!(
                f,
                "\"{name}\" cannot be the name of a persistence engine: 1 to 15 letters, digits, \"_\" or \"-\""
            ),
            Invalid::Interface(name) => write!(
                f,
                "\"{name}\" cannot be the name of an interface: 1 to 15 bytes without blanks, \"/\" or control characters"
            ),
            Invalid::PersistenceTimeout(seconds) => write!(
                f,
                "persistence timeout {seconds} s is out of range: 1 to {} s (31 days)",
                Persistence::MAX_TIMEOUT
            ),
            Invalid::NetmaskFamily(mask, family) => {
                write!(f, "persistence netmask {mask} is {}, but the service is {family}", mask.family())
            }
            Invalid::PrefixLength(length) => {
                write!(f, "persistence prefix length {length} is out of range: 1 to 128")
            }
            Invalid::EveryPortWithoutPersistence => {
                f.write_str("port 0 (every port) needs persistence: without it no packet would match")
            }
            Invalid::SyncId(id) => write!(f, "sync id {id} is out of range: 0 to 255"),
            Invalid::SyncGroup(group) => write!(f, "group {group} is no multicast address"),
            Invalid::Timeout(seconds) => write!(
                f,
                "timeout {seconds} s is out of range: 1 to {} s (31 days), or 0 to leave it as it is",
                Persistence::MAX_TIMEOUT
            ),
        }
    }
}

impl std::error::Error for Invalid {}
