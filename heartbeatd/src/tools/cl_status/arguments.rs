//! The command line of `cl_status`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Show the status of the heartbeat daemon, its nodes, links and resources.
#[derive(Debug, Parser)]
#[command(
    name = "cl_status",
    version,
    after_help = "Exit codes: 0 yes, 1 no, 11 bad parameter, 12 no answer in time, 13 unknown."
)]
pub(super) struct Arguments {
    /// Run directory of the daemon [default: $HA_RUN_DIR or /run/heartbeat]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) run_dir: Option<PathBuf>,
    /// Answer with one JSON object; without a subcommand, with everything the daemon knows
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Answer with a sentence
    #[arg(short = 'm', global = true)]
    pub(super) sentence: bool,
    #[command(subcommand)]
    pub(super) query: Option<Query>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
#[command(rename_all = "lower")]
pub enum Query {
    /// Everything at a glance: nodes, links, who holds which group, what happened last
    Status,
    /// The same, kept up to date until q or ^C; written once per change where there is no terminal
    Watch,
    /// Whether the daemon runs on this machine
    Hbstatus {
        /// With its version and the nodes
        #[arg(short)]
        verbose: bool,
    },
    /// The nodes, last configured first
    Listnodes {
        /// Only members of the cluster
        #[arg(short)]
        normal: bool,
        /// Only ping nodes
        #[arg(short)]
        ping: bool,
        /// With status, type and links
        #[arg(short)]
        verbose: bool,
    },
    /// Status of a node: init, up, active, dead or ping
    Nodestatus {
        /// As in ha.cf
        node: String,
    },
    /// Type of a node: normal or ping
    Nodetype {
        /// As in ha.cf
        node: String,
    },
    /// Weight of a node: always 100
    Nodeweight {
        /// As in ha.cf
        node: String,
    },
    /// Site of a node: always empty
    Nodesite {
        /// As in ha.cf
        node: String,
    },
    /// The links to a node
    Listhblinks {
        /// As in ha.cf
        node: String,
        /// With their status
        #[arg(short)]
        verbose: bool,
    },
    /// Status of a link to a node: up or dead
    Hblinkstatus {
        /// As in ha.cf
        node: String,
        /// Interface
        link: String,
    },
    /// Status of a client program on a node: online, offline, join or leave
    Clientstatus {
        /// As in ha.cf
        node: String,
        /// Name of the program
        client: String,
        /// Accepted for old scripts; the daemon answers at once
        #[arg(value_name = "MILLISECONDS")]
        timeout: Option<String>,
    },
    /// The resource groups this node holds: none, local, foreign, all or transition
    Rscstatus,
    /// Value of a directive of ha.cf
    #[command(alias = "parameter")]
    Hbparameter {
        /// Name of the directive
        #[arg(short = 'p', value_name = "NAME")]
        name: String,
    },
}
