//! A client for the kernel's IP Virtual Server (IPVS) over generic netlink: everything that `ipvsadm`
//! can read or set, without starting a process.
//!
//! ```text
//!   Client ──► message::Request ──encode──► socket ──► kernel
//!     ▲                                                  │
//!     └── plain data ◄── message::parse_* ◄── Exchange ◄─┘
//! ```
//!
//! [`Client`] is the whole API; [`Service`], [`Destination`] and [`SyncDaemon`] are plain data.
//! [`codec`] and [`message`] turn bytes into types and back without a socket, and never panic, whatever
//! the bytes are. [`ipvsadm`] writes tables the way `ipvsadm -Sn` does, [`listing`] as `ipvsadm -Ln`.
//!
//! ```no_run
//! use ipvs::{Client, Destination, DestinationKey, Forwarding, Protocol, Service, ServiceKey};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut ipvs = Client::connect()?;
//! let web = ServiceKey::new(Protocol::Tcp, "203.0.113.202".parse()?, 80);
//! ipvs.add_service(&Service::new(web.clone(), "wlc"))?;
//! let real = DestinationKey::new("192.0.2.10".parse()?, 80);
//! ipvs.add_destination(&web, &Destination::new(real, Forwarding::DirectRoute))?;
//! for entry in ipvs.destinations(&web)? {
//!     println!("{} weight {}", entry.destination.key, entry.destination.weight);
//! }
//! # Ok(()) }
//! ```
//!
//! # Facts that surprise
//!
//! * The kernel answers one *errno* for many causes, and the same one for different causes in different
//!   requests; [`Reason`] tells them apart by the request it belongs to.
//! * A socket belongs to the network namespace it was opened in, and so does the table.
//! * Editing a destination replaces all of it: thresholds, forwarding method and tunnel included.
//! * Firewall mark 0 is accepted by the kernel and makes a service `TCP 0.0.0.0:0`; here the type of a
//!   mark cannot hold 0.
//! * A sync daemon that is stopped before its thread has run once is stopped, but the kernel sends no answer;
//!   [`Client::stop_daemon`] looks whether it is gone.
//! * Traffic counters are summed up every two seconds and lag behind; connection counts do not.
//! * All calls block, but the kernel works inside the `send`, so there is nothing to wait for afterwards.
//!   Programs with an event loop put the client on a thread of its own.
#![forbid(unsafe_code)]

mod client;
pub mod codec;
mod counters;
mod destination;
mod error;
pub mod ipvsadm;
pub mod listing;
pub mod message;
mod service;
mod settings;
mod socket;
mod sync;
#[cfg(test)]
mod tests;

pub use client::Client;
pub use counters::{Connections, Stats};
pub use destination::{
    Checksum, Destination, DestinationEntry, DestinationKey, Forwarding, GreChecksum, Tunnel,
};
pub use error::{Error, Invalid, Object, Operation, Reason, Refused};
pub use service::{
    Family, Netmask, ParseServiceKeyError, Persistence, Protocol, SchedulerFlags, Service, ServiceEntry,
    ServiceKey, UnknownSchedulerFlag,
};
pub use settings::{Info, Timeouts, Version};
pub use sync::{SyncDaemon, SyncRole};
