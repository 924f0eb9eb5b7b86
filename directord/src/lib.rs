//! directord: which real servers can take traffic? Checks them, and keeps the kernel's IPVS table accordingly.
//! A replacement for ldirectord: its configuration, verbs, exit codes and log lines.
//!
//! ```text
//!   ldirectord.cf ──config──► Plan ───────────────┐
//!                                                 ▼           wanted           ipvs thread
//!   probe tasks ──check──► Outcome ──────► ┌─────────────┐   ────────►   ┌──────────────────────┐
//!   (one each, own beat)                   │  director   │               │ read the table once  │
//!   maintenance directory ───────────────► │  + verdict  │   ◄────────   │ reconcile: the edits │
//!   kernel's table at the start ─────────► │    (pure)   │  what it did  │ do them              │
//!                                          └─────────────┘               └──────────────────────┘
//!   signals, control socket, file watch ──► run: the loop that performs all this, on one thread
//! ```
//!
//! * [`config`] the file: lexer, directives, every mistake with its place, the validated [`config::Plan`].
//! * [`check`] one file per protocol, one [`check::Outcome`] for each way a check can end.
//! * [`checks`] the probe tasks: spread over the interval, never two runs of one probe at a time.
//! * [`verdict`], [`director`], [`reconcile`] the pure core: counting, what is wanted, which edits lead there.
//! * [`alerts`] which mails are due; `mail` sends them, `monitor` writes results to `monitorfile`s.
//! * [`kernel`] the thread that reads and edits the table; [`claim`] the file that says what of it is ours.
//! * [`control`] questions and answers of the control socket.
//! * `resource` what whoever holds the addresses asks for: activation and release, whatever runs at that moment.
//! * `memory` what the allocator keeps, and what it gives back.
//! * [`sysctls`] which values of the kernel defeat a configuration.
//! * `prepare`, `privileges` what a daemon needs that does not run as root, and what it gives up.
//! * `run`, `start`, `verbs`, `operate` the shell around it: loop, start-up, command line.
#![deny(unsafe_code)]
// but for `memory`
// A probe is a key, and its compiled expression keeps scratch space for matching; only its text is hashed.
#![allow(clippy::mutable_key_type)]

pub mod alerts;
pub mod check;
pub mod checks;
pub mod claim;
pub mod cli;
pub mod config;
pub mod control;
pub mod director;
pub mod instance;
pub mod kernel;
mod log_settings;
mod mail;
mod maintenance;
mod memory;
pub mod metrics;
mod monitor;
mod operate;
mod prepare;
mod privileges;
pub mod reconcile;
mod replace;
mod resource;
mod run;
mod schedulers;
mod show;
mod start;
pub mod sysctls;
mod thread;
mod verbs;
pub mod verdict;
mod watch;

pub use verbs::main;
