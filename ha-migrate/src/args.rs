//! The command line.

use crate::check::Places;
use crate::import::Settings;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};

/// Says what becomes of the files of heartbeat 3.0.6 and ldirectord 4.12, and makes such files of those of other programs.
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
    /// Make ha.cf, authkeys, haresources and ldirectord.cf of another program's files
    ///
    /// What has no equivalent is said, with its file and line. Exit code: 0 everything was taken over, 1 something has no
    /// equivalent, 2 wrong usage, 3 nothing was written.
    Import(Import),
}

/// `import`.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// Whose files they are
    #[arg(value_enum)]
    pub program: Program,
    /// The files; - is standard input
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Where the new files are written
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
    /// Where they will be on both nodes: scripts that they call are named by it
    #[arg(long, value_name = "DIR", default_value = "/etc/ha.d")]
    pub install_dir: PathBuf,
    /// Overwrite files that are there
    #[arg(long)]
    pub force: bool,
    /// The node that the files are of [default: this machine's name]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// The other node; without it only ldirectord.cf is written
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
    /// Also list what was taken over
    #[arg(long, short)]
    pub verbose: bool,
}

/// Whose files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// keepalived.conf; what it includes is read, too
    Keepalived,
    /// piranha's lvs.cf
    Piranha,
    /// A table saved by ipvsadm -S or ipvsadm -Sn
    Ipvsadm,
}

impl Import {
    /// For whom, and where to.
    ///
    /// # Errors
    /// A name cannot be one, or the system has no random numbers.
    pub fn settings(&self) -> Result<Settings, String> {
        let own =
            || heartbeatd::config::node_name(Path::new("/nonexistent")).map_err(|error| error.to_string());
        let node = self.node.clone().map_or_else(own, Ok)?.to_lowercase();
        let peer = self.peer.as_ref().map(|name| name.to_lowercase());
        for name in std::iter::once(&node).chain(&peer) {
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
                return Err(format!("{name:?} is no name of a node: write it as \"uname -n\" prints it"));
            }
        }
        if peer.as_ref() == Some(&node) {
            return Err(format!("{node} is both nodes: say with --node whose files they are"));
        }
        let absolute =
            |path: &Path| std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()));
        let (output, install) = (absolute(&self.output)?, absolute(&self.install_dir)?);
        let secret = crate::import::secret().map_err(|error| format!("/dev/urandom: {error}"))?;
        Ok(Settings { node, peer, output, install, secret })
    }
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
