//! Why an address could not be started, stopped or asked, with what to do about it.

use std::io;
use std::net::IpAddr;
use thiserror::Error;

/// One enum for the three actions: most reasons can meet each of them.
#[derive(Debug, Error)]
pub enum Failure {
    /// The interface that is written does not exist.
    #[error("the interface {name} does not exist; {}", choose(name, present))]
    NoInterface {
        /// As it is written.
        name: String,
        /// Those that exist.
        present: Vec<String>,
    },
    /// No interface is written, and none has a network with the address.
    #[error(
        "no interface that is up has a network that contains {ip}; name the interface and the mask: {ip}/{}/eth0",
        example(ip)
    )]
    NoNetwork {
        /// The address.
        ip: IpAddr,
    },
    /// Somebody put it on another interface.
    #[error(
        "{ip} is on {there}, where this program did not put it, and belongs on {wanted}; remove it there (ip address delete {ip}/{prefix} dev {there}) or write {there} in haresources"
    )]
    Elsewhere {
        /// The address.
        ip: IpAddr,
        /// Its prefix length there.
        prefix: u8,
        /// Where it is.
        there: String,
        /// Where it belongs.
        wanted: String,
    },
    /// IPv6's duplicate address detection found it on another machine.
    #[error(
        "another machine on the network of {on} has {ip} too, so the kernel does not use it; find that machine, then remove the address here (ip address delete {ip} dev {on}) and try again"
    )]
    Duplicate {
        /// The address.
        ip: IpAddr,
        /// The interface.
        on: String,
    },
    /// The kernel agreed, and yet it is not in the kernel's list.
    #[error(
        "the kernel added {ip} to {from}, but it is not there a moment later; another program (NetworkManager, systemd-networkd, dhclient) manages {from}: tell it to leave foreign addresses alone"
    )]
    Vanished {
        /// The address.
        ip: IpAddr,
        /// The interface.
        from: String,
    },
    /// The kernel agreed to remove it, and yet it is there.
    #[error(
        "the kernel removed {ip}, but it is there again a moment later; another program adds it: look for it in /etc/network/interfaces and in systemd-networkd's files"
    )]
    Stays {
        /// The address.
        ip: IpAddr,
    },
    /// The kernel refused.
    #[error("cannot {doing} {what}: {error}{}", advice(error))]
    Kernel {
        /// What was tried.
        doing: &'static str,
        /// With what.
        what: String,
        /// The kernel's answer.
        error: io::Error,
    },
}

impl Failure {
    pub(super) fn kernel(doing: &'static str, what: &str, error: io::Error) -> Failure {
        Failure::Kernel { doing, what: what.to_owned(), error }
    }
}

fn choose(name: &str, present: &[String]) -> String {
    if present.is_empty() {
        return "it was removed a moment ago".to_owned();
    }
    let nearest = config::nearest(name, present.iter().map(String::as_str));
    let meant = nearest.map(|nearest| format!("did you mean {nearest}? ")).unwrap_or_default();
    format!(
        "{meant}this machine has {}; correct haresources, or create the interface first",
        present.join(", ")
    )
}

fn example(ip: &IpAddr) -> u8 {
    if ip.is_ipv4() { 24 } else { 64 }
}

fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM) => "; run it as root or with CAP_NET_ADMIN",
        Some(libc::EACCES) => {
            "; IPv6 is switched off there (sysctl net.ipv6.conf.INTERFACE.disable_ipv6=0 switches it on)"
        }
        Some(libc::EEXIST) => {
            "; the same address or its route exists already: `ip address` and `ip route` show where"
        }
        Some(libc::ENODEV) => "; the interface was removed a moment ago",
        Some(libc::EADDRNOTAVAIL) => "; it is not there any more",
        Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT) => "; this kernel or interface does not have IPv6",
        Some(libc::ENOBUFS | libc::ENOMEM) => "; the kernel is short of memory",
        Some(libc::EINVAL) => {
            "; the kernel does not accept that combination of address, mask, label and broadcast address"
        }
        _ => "",
    }
}
