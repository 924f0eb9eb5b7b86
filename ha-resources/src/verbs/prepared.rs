//! A run that is started before it is needed: it prepares, waits for its order, and then has nothing left to load.
//!
//! ```text
//!  heartbeatd ──"takenode alpha\n"──► standard input      (its end without an order: nothing is done)
//!             ◄──{"event":"begun"}── standard output        (at once: one that stands still is replaced)
//!             ◄──what happens, {"event":"end","code":0}── standard output
//! ```
//!
//! The last line comes when everything is done that was ordered; what follows (repeated announcements, the log)
//! keeps nobody waiting.

use super::{FAILED, Run};
use crate::args::Verb;
use crate::{haresources, taken};
use rustix::mm::{MlockAllFlags, mlockall};
use std::io::{self, BufRead, Read, Write};
use tracing::error;

/// The program's name for it.
pub const COMMAND: &str = "await";

/// A longer order is none.
const LONGEST: u64 = 4096;

impl Run {
    /// Has what this run will need loaded, and kept in memory. Nothing else of it lasts: what is done later is by the
    /// files, interfaces and addresses of that time.
    pub(super) async fn stay_in_memory(&mut self) {
        let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
        let _ = mlockall(flags); // without the privilege it works all the same
        let _ = haresources::read(&self.settings.config_dir.join("haresources"));
        let _ = taken::all(&self.settings.run_dir);
        self.agents.prepare().await;
    }

    /// Waits for an order and obeys it.
    pub(super) async fn wait_for_order(&mut self) -> u8 {
        self.stay_in_memory().await;
        let mut line = String::new();
        match io::stdin().lock().take(LONGEST).read_line(&mut line) {
            Ok(0) => return 0,
            Ok(_) => {}
            Err(error) => {
                error!("cannot read the order: {error}");
                return FAILED;
            }
        }
        let code = match verb(line.trim_end_matches('\n')) {
            Some(verb) => {
                say("{\"event\":\"begun\"}");
                Box::pin(self.verb(&verb)).await
            }
            None => {
                error!("{line:?} is no order: VERB NODE");
                FAILED
            }
        };
        say(&format!("{{\"event\":\"end\",\"code\":{code}}}"));
        code
    }
}

/// A line for whoever gave the order; if nobody reads any more, the work is done all the same.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// What is ordered: a verb that works on all groups of a node.
fn verb(order: &str) -> Option<Verb> {
    let (verb, node) = order.split_once(' ')?;
    let node = node.to_owned();
    match verb {
        _ if node.is_empty() => None,
        "takenode" => Some(Verb::TakeNode { node }),
        "givenode" => Some(Verb::GiveNode { node }),
        "yieldnode" => Some(Verb::YieldNode { node }),
        "clearnode" => Some(Verb::ClearNode { node }),
        "announce" => Some(Verb::Announce { node }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        assert!(matches!(verb("takenode alpha"), Some(Verb::TakeNode { node }) if node == "alpha"));
        assert!(matches!(verb("givenode beta"), Some(Verb::GiveNode { node }) if node == "beta"));
        assert!(matches!(verb("yieldnode beta"), Some(Verb::YieldNode { node }) if node == "beta"));
        assert!(matches!(verb("clearnode a"), Some(Verb::ClearNode { .. })));
        assert!(matches!(verb("announce a"), Some(Verb::Announce { .. })));
        for wrong in ["", "takenode", "takenode ", "guard x", "TAKENODE alpha"] {
            assert!(verb(wrong).is_none(), "{wrong}");
        }
    }
}
