//! The resource manager: how a group of `haresources` is started, stopped, asked and announced.
//!
//! ```text
//!   haresources ──► groups ──► order (pure: what starts and stops when)
//!                                │ one step at a time
//!                                ▼
//!   args ──► verbs ─────────► agents ──┬─ address    rtnetlink: addresses; packet socket: ARP, NA
//!              │ lock                  │                └─► announce-burst, a copy in the background
//!              ▼                       ├─ director   the director on standby over its socket, or the sibling program
//!            events: one JSON          ├─ built_in   sync daemons, units, OCF agents, mail, held ports ...
//!            line each, on stdout      └─ script     resource.d, /etc/init.d, with a time limit
//!                                                       └─► drain-output, if something holds its output
//! ```
//!
//! The program runs for one verb and ends; `heartbeatd` starts it early, and it waits for its verb prepared
//! ([`verbs::prepared`]). It keeps no state of its own: the kernel and the scripts are asked. Two of them on the same group wait for each other ([`lock`]).
//!
//! | module | what it does |
//! |---|---|
//! | [`haresources`] | the file: groups, resources, and everything that is wrong with them |
//! | [`mod@address`] | the argument of `IPaddr` and its relatives |
//! | [`builtin`] | the arguments of the other agents that need no script |
//! | [`order`] | what starts and stops when |
//! | [`agents`] | what starts, stops and asks one resource |
//! | [`lock`] | one run at a time on each group |
//! | [`taken`] | what is to be given back, whatever the file says by then |
//! | [`realserver`] | what a real server by direct routing needs |
//! | [`watch`] | what is to be done about addresses that change by themselves, and that others claim |
//! | [`event`] | what is printed |
//! | [`by_hand`] | the program under the names of scripts |
//! | [`args`], [`verbs`] | the command line and what its verbs do |
#![deny(unsafe_code)]

pub mod address;
pub mod agents;
pub mod args;
pub mod builtin;
pub mod by_hand;
mod cancel;
pub mod event;
pub mod haresources;
pub mod lock;
pub mod order;
pub mod realserver;
pub mod sys;
pub mod taken;
pub mod verbs;
pub mod watch;

/// Where the configuration is, unless `--config-dir` or `HA_DIR` says otherwise.
pub const CONFIG_DIR: &str = "/etc/ha.d";
/// Where locks are, unless `--run-dir` or `HA_RUN_DIR` says otherwise.
pub const RUN_DIR: &str = "/run/heartbeat";
