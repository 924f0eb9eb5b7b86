//! A run that is started before it is needed: it prepares, waits for its order, and then has nothing left to load.
//!
//! ```text
//!  heartbeatd ──"takenode alpha\n"──► standard input      (its end without an order: nothing is done)
//!             ◄──what happens, {"event":"end","code":0}── standard output
//! ```
//!
//! The last line comes when everything is done that was ordered; what follows (repeated announcements, the log)
//! keeps nobody waiting.

use super::{FAILED, Run};
use crate::args::Verb;
use crate::haresources;
use std::io::{self, BufRead, Read, Write};
use tracing::error;

/// The program's name for it.
pub const COMMAND: &str = "await";

/// A longer order is none.
const LONGEST: u64 = 4096;

impl Run {
    /// Waits for an order and obeys it.
    pub(super) async fn wait_for_order(&mut self) -> u8 {
        // What it will need stays in memory, as far as it was touched; without the privilege it works all the same.
        let flags = rustix::mm::MlockAllFlags::CURRENT | rustix::mm::MlockAllFlags::ONFAULT;
        let _ = rustix::mm::mlockall(flags);
        // Nothing of this is kept but open sockets and a warm program: the order is by the files of its time.
        let _ = haresources::read(&self.settings.config_dir.join("haresources"));
        self.agents.prepare().await;
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
            Some(verb) => Box::pin(self.verb(&verb)).await,
            None => {
                error!("{line:?} is no order: VERB NODE");
                FAILED
            }
        };
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{{\"event\":\"end\",\"code\":{code}}}").and_then(|()| out.flush());
        code
    }
}

/// What is ordered: a verb that works on all groups of a node.
fn verb(order: &str) -> Option<Verb> {
    let (verb, node) = order.split_once(' ')?;
    let node = node.to_owned();
    match verb {
        _ if node.is_empty() => None,
        "takenode" => Some(Verb::TakeNode { node }),
        "givenode" => Some(Verb::GiveNode { node }),
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
        assert!(matches!(verb("clearnode a"), Some(Verb::ClearNode { .. })));
        assert!(matches!(verb("announce a"), Some(Verb::Announce { .. })));
        for wrong in ["", "takenode", "takenode ", "guard x", "TAKENODE alpha"] {
            assert!(verb(wrong).is_none(), "{wrong}");
        }
    }
}
