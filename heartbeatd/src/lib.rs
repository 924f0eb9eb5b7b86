//! heartbeatd: who is alive, and who holds which resource group.
//!
//! ```text
//!  media (udp sockets)          beat thread: SCHED_RR, locked memory                    tokio thread
//!  ┌────────────┐  datagrams  ┌──────────────────────────────────────┐   bounded   ┌─────────────────────┐
//!  │ mcast      │ ──────────► │ wire: bytes ⇄ message, authenticated │   queues    │ control socket      │
//!  │ ucast      │             │ cluster: the pure core               │ ──────────► │ ha-resources (child)│
//!  │ bcast      │ ◄────────── │   handle(event, now) → actions       │ ◄────────── │ signals, log        │
//!  └────────────┘             └──────────────────────────────────────┘             └─────────────────────┘
//! ```
//!
//! * [`wire`] the format of heartbeat 3.0.6: netstring and text form, MACs, compression.
//! * [`cluster`] membership, sequence numbers and retransmission, join, ownership, standby: pure, no clock, no socket.
//! * [`config`] `ha.cf`, `authkeys`, the node names of `haresources`.
//! * [`media`] the sockets.
//! * [`control`] what the tools ask and what the daemon answers.
//! * [`tools`] cl_status, hb_standby, hb_takeover.
//! * [`run`] the thin shell: performs what the core decides.
#![deny(unsafe_code)]

pub mod cluster;
pub mod config;
pub mod control;
pub mod media;
pub mod run;
mod sys;
pub mod tools;
pub mod wire;
