//! The resource manager: how a group of `haresources` is started, stopped, asked and announced.
//!
//! ```text
//!   haresources ──► groups ──► order (pure: what starts and stops when)
//!                                │ one step at a time
//!                                ▼
//!                  verbs ──► agents ──┬─ address    rtnetlink: addresses; packet socket: ARP, NA
//!                    │                │                └─► announce-burst, a copy in the background
//!    one JSON line   ▼                ├─ director   the sibling program directord
//!    per event    stdout              └─ script     resource.d, /etc/init.d, with a time limit
//! ```
//!
//! The program runs for one verb and ends. It keeps no state of its own: the kernel and the scripts are
//! asked. Two of them on the same group wait for each other.
#![deny(unsafe_code)]

pub mod address;
pub mod agents;
pub mod haresources;
pub mod order;
mod sys;
