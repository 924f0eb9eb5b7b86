//! What the daemons of the suite share, so that each of them is only its own subject.
//!
//! | module | what it does |
//! |---|---|
//! | [`background`] | start in the background and answer the caller when ready |
//! | [`control`] | the control socket: one JSON value per line, daemon and client side |
//! | [`icmp`] | echo requests and replies as bytes |
//! | [`log`] | log lines to syslog, files, standard output; never blocks who logs |
//! | [`notify`] | systemd's readiness, status and watchdog messages |
//! | [`pidfile`] | a pid file that is locked while its daemon lives |
//! | [`process`] | child processes with a time limit |
//! | [`screen`] | what tools show on a terminal until somebody ends them |
//! | [`sibling`] | where the other programs of the suite are |
//!
//! ```text
//!  tracing events ──try_send──► bounded channel ──► log thread ──► /dev/log, files, stderr
//!  tool ──one line of JSON──► RUN/NAME.sock ──► control::Connection (a task of the daemon)
//!  caller ◄──ready / failed── socket pair on fd 0 ──◄ background::Starting (the daemon)
//! ```
#![forbid(unsafe_code)]

pub mod background;
pub mod control;
pub mod icmp;
pub mod log;
pub mod notify;
pub mod pidfile;
pub mod process;
pub mod screen;
pub mod sibling;

#[cfg(test)]
mod scratch;
