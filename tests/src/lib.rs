//! The lab: nodes, switches and clients on one machine, in which the suite's real programs run.
//!
//! ```text
//!   Lab ── Fabric (switches: bridges in a network of their own)
//!    │       ║ port ═════ eth0 ┌───────────────────────────────┐
//!    └─ Node ║                 │ namespaces: net mount uts ipc │
//!            ║ port ═════ eth1 │ pid; process 1 is `lab init`  │──── programs of the suite, nginx, probers
//!                              └───────────────────────────────┘
//! ```
//!
//! * [`world`] the lab as a whole, [`node`] power, cables, programs and files of a node, [`network`] the switches;
//!   [`machine`] and [`init`] are what a node is made of.
//! * [`probe`] the client's view and its outages, [`arp`] who announces an address, [`beats`] who was heard when, [`holding`] whether two nodes held it, [`kernel`] the IPVS table and the addresses as
//!   the kernel tells them, [`process`] helpers at work in a node, [`flood`] noise, [`serial`] a cable between nodes.
//! * [`web`] real servers, [`pair`] two heartbeat nodes, [`old`] heartbeat 3.0.6, [`story`] the demonstration.
//! * [`moment`] the clock and waiting, [`timeline`] what happened when, [`costs`] what it cost the clients, [`failure`] what went wrong, [`programs`] of this build.
//!
//! A lab ends with the value that made it. Its programs run as root in namespaces; nothing of the machine is changed.
#![forbid(unsafe_code)]

pub mod arp;
pub mod beats;
pub mod costs;
pub mod failure;
pub mod flood;
mod frames;
pub mod holding;
pub mod init;
pub mod kernel;
pub mod machine;
pub mod moment;
pub mod network;
pub mod node;
pub mod old;
pub mod pair;
pub mod probe;
pub mod process;
pub mod programs;
pub mod serial;
pub mod story;
pub mod timeline;
pub mod web;
pub mod world;

pub use failure::{Context, Failure, Result, check, fail};
pub use moment::{Moment, hold_for, millis, wait_for, wait_until};
pub use node::{Node, Spec};
pub use world::Lab;
