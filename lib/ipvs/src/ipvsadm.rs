//! Tables as text, in the words of `ipvsadm -Sn`, which `ipvsadm -R` reads back.
//!
//! Unlike `ipvsadm -S`, which forgets them, thresholds are written.
use crate::{Checksum, Destination, Forwarding, GreChecksum, Service, ServiceKey, Tunnel};
use crate::{Family, Protocol};
use std::fmt::Write;
use std::net::SocketAddr;

/// The options that name a service: `-t 203.0.113.202:80`, `-f 5 -6`.
pub fn service_options(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address { protocol, address, port } => {
            let option = match protocol {
                Protocol::Tcp => "-t",
                Protocol::Udp => "-u",
                Protocol::Sctp => "--sctp-service",
            };
            format!("{option} {}", SocketAddr::new(*address, *port))
        }
        ServiceKey::Fwmark { mark, family: Family::V4 } => format!("-f {mark}"),
        ServiceKey::Fwmark { mark, family: Family::V6 } => format!("-f {mark} -6"),
    }
}

/// The line that adds a service: `-A -t 203.0.113.202:80 -s wlc -p 300`.
pub fn service_line(service: &Service) -> String {
    let mut line = format!("-A {} -s {}", service_options(&service.key), service.scheduler);
    if let Some(persistence) = &service.persistence {
        append(&mut line, format_args!(" -p {}", persistence.timeout));
        if !persistence.netmask.is_host() {
            append(&mut line, format_args!(" -M {}", persistence.netmask));
        }
        if let Some(engine) = &persistence.engine {
            append(&mut line, format_args!(" --pe {engine}"));
        }
    }
    if service.one_packet {
        line.push_str(" -o");
    }
    let flags = service.scheduler_flags.list(&service.scheduler);
    if !flags.is_empty() {
        append(&mut line, format_args!(" -b {flags}"));
    }
    line
}

/// The line that adds a real server: `-a -t 203.0.113.202:80 -r 192.0.2.10:80 -g -w 1`.
///
/// The forwarding methods without an option (local, bypass and unknown ones) are left to `ipvsadm`'s
/// default; the kernel treats an address of its own as local in any case.
pub fn destination_line(service: &ServiceKey, destination: &Destination) -> String {
    let mut line = format!("-a {} -r {}", service_options(service), destination.key);
    match destination.forwarding {
        Forwarding::Masquerade => line.push_str(" -m"),
        Forwarding::Tunnel(_) => line.push_str(" -i"),
        Forwarding::DirectRoute => line.push_str(" -g"),
        Forwarding::Local | Forwarding::Bypass | Forwarding::Other(_) => {}
    }
    append(&mut line, format_args!(" -w {}", destination.weight));
    if destination.upper_threshold != 0 {
        append(&mut line, format_args!(" -x {}", destination.upper_threshold));
    }
    if destination.lower_threshold != 0 {
        append(&mut line, format_args!(" -y {}", destination.lower_threshold));
    }
    if let Forwarding::Tunnel(tunnel) = destination.forwarding {
        line.push_str(&tunnel_options(tunnel));
    }
    line
}

fn tunnel_options(tunnel: Tunnel) -> String {
    match tunnel {
        Tunnel::Ipip => " --tun-type ipip".to_owned(),
        Tunnel::Gue { port, checksum } => {
            let checksum = match checksum {
                Checksum::None => "nocsum",
                Checksum::Full => "csum",
                Checksum::Remote => "remcsum",
            };
            format!(" --tun-type gue --tun-port {port} --tun-{checksum}")
        }
        Tunnel::Gre { checksum: GreChecksum::None } => " --tun-type gre --tun-nocsum".to_owned(),
        Tunnel::Gre { checksum: GreChecksum::Full } => " --tun-type gre --tun-csum".to_owned(),
        Tunnel::Other { .. } => String::new(),
    }
}

fn append(line: &mut String, text: std::fmt::Arguments<'_>) {
    // writing to a String cannot fail
    let _ = line.write_fmt(text);
}
