//! `hb_addnode` and `hb_delnode`: in a cluster managed by haresources they are refused.
//!
//! heartbeat 3.0.6 accepted them there: an added node was declared dead after deadtime, and then both real nodes
//! claimed every group.

use super::Output;
use clap::{CommandFactory, Parser};
use std::ffi::OsString;

/// Exit code of both tools for everything but help.
const REFUSED: u8 = 1;

const WHY: &str = "the nodes of a pair with haresources are those of ha.cf, and are not changed while it runs.\n\
                   To replace a node, write the new name into \"node\" of ha.cf and into haresources on both nodes, then restart heartbeat on each.";

#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The nodes that were to be added or removed
    #[arg(value_name = "NODE")]
    _nodes: Vec<String>,
}

/// What the tool called `program` (`hb_addnode`, `hb_delnode`) says: its help, or a refusal. `arguments` begins with
/// the program's name.
pub fn run(program: &'static str, arguments: impl IntoIterator<Item = OsString>) -> Output {
    let command = Arguments::command()
        .name(program)
        .about("Refuses to change the nodes of a running pair, and says how to do it.")
        .after_help(format!("Always refused: {WHY}"));
    match command.try_get_matches_from(arguments) {
        Ok(_) => Output::failure(REFUSED, format!("{program}: refused: {WHY}\n")),
        Err(error) => Output::usage(&error, REFUSED),
    }
}
