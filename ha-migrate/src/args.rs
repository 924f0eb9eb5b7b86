//! The command line.

use crate::check::Places;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};

/// Says what becomes of the files of heartbeat 3.0.6 and ldirectord 4.12. It only reads.
#[derive(Debug, Parser)]
#[command(name = "ha-migrate", version, max_term_width = 100)]
pub struct Args {
    /// Print one JSON document
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Say what will behave the same, what differs, and what must change
    ///
    /// Exit code: 0 nothing must change, 1 something must, 2 wrong usage, 3 there is nothing to check.
    Check(Check),
}

/// `check`.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// The directory with ha.cf, authkeys, haresources and ldirectord.cf
    #[arg(default_value = "/etc/ha.d")]
    directory: PathBuf,
    /// The node whose files they are [default: nodeinfo or this machine's name if ha.cf has it, else ha.cf's first node]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Where the variables of the old start scripts are [default: ../default beside the directory]
    #[arg(long, value_name = "DIR")]
    default_dir: Option<PathBuf>,
    /// Do not look up the names of real servers: for a copy of the files on another machine
    #[arg(long)]
    offline: bool,
    /// Also list every line that means the same
    #[arg(long, short)]
    pub verbose: bool,
}

impl Check {
    /// Where everything is.
    pub fn places(&self) -> Places {
        let beside = || self.directory.parent().unwrap_or(Path::new("/")).join("default");
        Places {
            directory: self.directory.clone(),
            defaults: self.default_dir.clone().unwrap_or_else(beside),
            node: self.node.as_ref().map(|name| name.to_lowercase()),
            offline: self.offline,
        }
    }
}
