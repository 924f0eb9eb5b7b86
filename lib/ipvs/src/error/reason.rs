//! What an error number means, per request: the kernel answers ENOENT for an unknown scheduler, an unknown
//! destination and an unknown netlink family, and EINVAL for nearly everything else. The meanings are from
//! `net/netfilter/ipvs/ip_vs_ctl.c` and `ip_vs_sync.c`, checked against a 6.1 kernel.
use crate::message::Request;
use crate::{Destination, DestinationKey, Family, Forwarding, ServiceKey, SyncRole, Tunnel};
use std::fmt;
use std::net::IpAddr;

/// The kernel's reason, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No CAP_NET_ADMIN in this network namespace.
    NotPermitted,
    /// There is such a service, destination or running sync daemon already.
    Exists,
    /// There is no such virtual service.
    NoService,
    /// The virtual service has no such real server.
    NoDestination,
    /// No such scheduler; or no such persistence engine, where one was asked for: the kernel does not say which.
    NoScheduler {
        /// The scheduler.
        scheduler: String,
        /// The persistence engine.
        engine: Option<String>,
    },
    /// No sync daemon of this role runs.
    NotRunning,
    /// No such interface.
    NoInterface(String),
    /// A sync daemon cannot start while a service has a real server of the other family.
    MixedFamilies {
        /// One of them, if the table was read to find it.
        found: Option<(ServiceKey, DestinationKey)>,
    },
    /// A real server of the other family cannot be added while a sync daemon runs.
    MixedWhileSyncing(SyncRole),
    /// A real server of the other family is only reached through a tunnel.
    MixedNeedsTunnel,
    /// The real server's address is no unicast address, or link-local.
    NotUnicast(IpAddr),
    /// A GUE tunnel needs a port.
    NoTunnelPort,
    /// The weight is above 2^31 - 1.
    Weight(u32),
    /// The lower threshold is above the upper one.
    Thresholds {
        /// Upper.
        upper: u32,
        /// Lower.
        lower: u32,
    },
    /// The kernel was built without this address family.
    NoFamily(Family),
    /// The kernel is out of memory.
    NoMemory,
    /// EINVAL without a cause that can be named.
    Rejected,
    /// Another error; the text is the C library's.
    Other(String),
}

impl Reason {
    /// The meaning of `errno` as the answer to `request`.
    pub fn of(request: &Request<'_>, errno: i32) -> Reason {
        match (errno, request) {
            (errno::EPERM | errno::EACCES, _) => Reason::NotPermitted,
            (errno::ENOMEM, _) => Reason::NoMemory,
            (errno::EEXIST, _) => Reason::Exists,
            (errno::ESRCH, Request::StopDaemon(_)) => Reason::NotRunning,
            (errno::ESRCH, _) => Reason::NoService,
            (errno::ENODEV, Request::StartDaemon(daemon)) => Reason::NoInterface(daemon.interface.clone()),
            (errno::ENOENT, Request::AddService(service) | Request::UpdateService(service)) => {
                Reason::NoScheduler {
                    scheduler: service.scheduler.clone(),
                    engine: service.persistence.as_ref().and_then(|p| p.engine.clone()),
                }
            }
            (errno::ENOENT, Request::UpdateDestination(..) | Request::DeleteDestination(..)) => {
                Reason::NoDestination
            }
            (errno::EAFNOSUPPORT, Request::AddDestination(_, destination)) => {
                Reason::NoFamily(destination.key.family())
            }
            (errno::EAFNOSUPPORT, Request::AddService(service)) => Reason::NoFamily(service.key.family()),
            (errno::ERANGE, Request::AddDestination(_, to) | Request::UpdateDestination(_, to)) => range(to),
            (
                errno::EINVAL,
                Request::AddDestination(service, to) | Request::UpdateDestination(service, to),
            ) => invalid_destination(service, to),
            (errno::EINVAL, _) => Reason::Rejected,
            _ => Reason::Other(std::io::Error::from_raw_os_error(errno).to_string()),
        }
    }

    pub(super) fn hint(&self) -> Option<String> {
        Some(match self {
            Reason::NotPermitted => "run it as root, or with CAP_NET_ADMIN".to_owned(),
            Reason::NoScheduler { scheduler, engine: None } => {
                format!("check the spelling, and that the module ip_vs_{scheduler} is installed")
            }
            Reason::NoScheduler { scheduler, engine: Some(engine) } => format!(
                "check the spelling, and that the modules ip_vs_{scheduler} and ip_vs_pe_{engine} are installed"
            ),
            Reason::MixedFamilies { .. } => "the sync protocol carries no mixed families".to_owned(),
            Reason::MixedWhileSyncing(_) => {
                "stop the sync daemon, or use a real server of the same family".to_owned()
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NotPermitted => f.write_str("not permitted without CAP_NET_ADMIN"),
            Reason::Exists => f.write_str("exists already"),
            Reason::NoService => f.write_str("there is no such virtual service"),
            Reason::NoDestination => f.write_str("the virtual service has no such real server"),
            Reason::NoScheduler { scheduler, engine: None } => {
                write!(f, "scheduler \"{scheduler}\" is unknown to this kernel")
            }
            Reason::NoScheduler { scheduler, engine: Some(engine) } => write!(
                f,
                "scheduler \"{scheduler}\" or persistence engine \"{engine}\" is unknown to this kernel"
            ),
            Reason::NotRunning => f.write_str("is not running"),
            Reason::NoInterface(name) => write!(f, "there is no interface \"{name}\""),
            Reason::MixedFamilies { found: Some((service, destination)) } => write!(
                f,
                "cannot run while virtual service {service} has real server {destination} of the other family"
            ),
            Reason::MixedFamilies { found: None } => {
                f.write_str("cannot run while a virtual service has a real server of the other family")
            }
            Reason::MixedWhileSyncing(role) => {
                write!(
                    f,
                    "is of the other family than its service, which the running {role} sync daemon cannot carry"
                )
            }
            Reason::MixedNeedsTunnel => f.write_str(
                "is of the other family than its service, and such a real server is only reached by tunnel",
            ),
            Reason::NotUnicast(address) => {
                write!(
                    f,
                    "{address} is no address of a machine (multicast, broadcast, unspecified or link-local)"
                )
            }
            Reason::NoTunnelPort => f.write_str("a GUE tunnel needs a port other than 0"),
            Reason::Weight(weight) => write!(f, "weight {weight} is out of range: 0 to {}", i32::MAX),
            Reason::Thresholds { upper, lower } => {
                write!(f, "lower threshold {lower} is above the upper threshold {upper}")
            }
            Reason::NoFamily(family) => write!(f, "this kernel's IPVS was built without {family}"),
            Reason::NoMemory => f.write_str("the kernel has no memory for it"),
            Reason::Rejected => f.write_str("the kernel rejects it as invalid"),
            Reason::Other(text) => f.write_str(text),
        }
    }
}

/// ERANGE: the kernel checks the sign of the weight first, then the thresholds (unsigned).
fn range(destination: &Destination) -> Reason {
    if i32::try_from(destination.weight).is_err() {
        return Reason::Weight(destination.weight);
    }
    Reason::Thresholds { upper: destination.upper_threshold, lower: destination.lower_threshold }
}

/// EINVAL for a destination, in the order of the kernel's checks. A running sync daemon cannot be seen
/// from here: the client looks for one when [`Reason::Rejected`] is left over.
fn invalid_destination(service: &ServiceKey, destination: &Destination) -> Reason {
    let mixed = service.family() != destination.key.family();
    match destination.forwarding {
        Forwarding::Tunnel(Tunnel::Gue { port: 0, .. }) => return Reason::NoTunnelPort,
        Forwarding::Tunnel(_) => {}
        _ if mixed => return Reason::MixedNeedsTunnel,
        _ => {}
    }
    let not_unicast = match destination.key.address {
        IpAddr::V4(address) => address.is_unspecified() || address.is_multicast() || address.is_broadcast(),
        IpAddr::V6(address) => {
            address.is_unspecified() || address.is_multicast() || address.is_unicast_link_local()
        }
    };
    if not_unicast { Reason::NotUnicast(destination.key.address) } else { Reason::Rejected }
}

/// Error numbers of Linux that have a meaning here (`asm-generic/errno-base.h` and `errno.h`; the same on
/// every architecture but MIPS, SPARC, Alpha and PA-RISC, hence from the C library's own table).
pub(crate) mod errno {
    use rustix::io::Errno;

    pub(crate) const EPERM: i32 = Errno::PERM.raw_os_error();
    pub(crate) const EACCES: i32 = Errno::ACCESS.raw_os_error();
    pub(crate) const ENOENT: i32 = Errno::NOENT.raw_os_error();
    pub(crate) const ESRCH: i32 = Errno::SRCH.raw_os_error();
    pub(crate) const EINVAL: i32 = Errno::INVAL.raw_os_error();
    pub(crate) const ENOMEM: i32 = Errno::NOMEM.raw_os_error();
    pub(crate) const EEXIST: i32 = Errno::EXIST.raw_os_error();
    pub(crate) const ENODEV: i32 = Errno::NODEV.raw_os_error();
    pub(crate) const ERANGE: i32 = Errno::RANGE.raw_os_error();
    pub(crate) const EAFNOSUPPORT: i32 = Errno::AFNOSUPPORT.raw_os_error();
    pub(crate) const EBUSY: i32 = Errno::BUSY.raw_os_error();
    pub(crate) const EOPNOTSUPP: i32 = Errno::OPNOTSUPP.raw_os_error();
    pub(crate) const EPROTONOSUPPORT: i32 = Errno::PROTONOSUPPORT.raw_os_error();
    pub(crate) const EADDRNOTAVAIL: i32 = Errno::ADDRNOTAVAIL.raw_os_error();
}

/// `ENOENT` and so on, or `errno 71` for one without a name here.
pub(crate) fn errno_name(number: i32) -> String {
    let name = match number {
        errno::EPERM => "EPERM",
        errno::EACCES => "EACCES",
        errno::ENOENT => "ENOENT",
        errno::ESRCH => "ESRCH",
        errno::EINVAL => "EINVAL",
        errno::ENOMEM => "ENOMEM",
        errno::EEXIST => "EEXIST",
        errno::ENODEV => "ENODEV",
        errno::ERANGE => "ERANGE",
        errno::EAFNOSUPPORT => "EAFNOSUPPORT",
        errno::EBUSY => "EBUSY",
        errno::EOPNOTSUPP => "EOPNOTSUPP",
        errno::EPROTONOSUPPORT => "EPROTONOSUPPORT",
        errno::EADDRNOTAVAIL => "EADDRNOTAVAIL",
        _ => return format!("errno {number}"),
    };
    name.to_owned()
}
