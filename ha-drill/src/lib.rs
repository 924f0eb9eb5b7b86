//! Failover drills: one command does something to a pair, measures what its clients see of it, and says whether that is good
//! enough.
//!
//! ```text
//!   args ──► run ──► node ──── sh, ssh … ────► alpha, beta: cl_status --json, ip address; the action
//!             │        └─ view: what a node says ─► ready: does it make sense, has it come to rest
//!             │
//!             ├────► record ─┬─ thread: probe::icmp  ──► the address
//!             │              ├─ thread: probe::tcp   ──►   every few milliseconds
//!             │              └─ thread: probe::owner ──►   (ARP, neighbour discovery)
//!             ▼
//!           tell ──► report: text, JSON, SVG ◄── outage, owner: samples → outages, owners, verdict
//! ```
//!
//! Everything is placed on the monotonic clock of the machine that probes: nodes tell how long ago something was, and when
//! they were asked and had answered is known here. Their own clocks are compared, told, and used for nothing.
//!
//! | module | what it does |
//! |---|---|
//! | [`outage`], [`owner`] | pure: what samples show, what they cannot show, the verdict |
//! | [`view`], [`ready`], [`action`], [`tell`], [`report`] | pure: what nodes say, whether a drill makes sense, what is done and undone, the report |
//! | [`probe`], [`record`] | the requests, and the threads they are made on |
//! | [`node`] | a shell on a node |
//! | [`moment`] | the clock |
//! | [`args`], [`run`] | the command line, and the drill from beginning to end |
#![forbid(unsafe_code)]

pub mod action;
pub mod args;
pub mod moment;
pub mod node;
pub mod outage;
pub mod owner;
pub mod probe;
pub mod ready;
pub mod record;
pub mod report;
pub mod run;
pub mod tell;
pub mod view;
