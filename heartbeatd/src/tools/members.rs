//! `hb_addnode` and `hb_delnode`: in a cluster managed by haresources they are refused.
//!
//! heartbeat 3.0.6 accepted them there: an added node was declared dead after deadtime, and then both real nodes
//! claimed every group.

use super::Output;

/// Exit code of both tools.
const REFUSED: u8 = 1;

/// What the tool called `program` (`hb_addnode`, `hb_delnode`) says: always a refusal.
pub fn run(program: &str) -> Output {
    Output::failure(
        REFUSED,
        format!(
            "{program}: refused: the nodes of a pair with haresources are those of ha.cf, and are not changed while it runs.\n\
             To replace a node, write the new name into \"node\" of ha.cf and into haresources on both nodes, then restart heartbeat on each.\n"
        ),
    )
}
