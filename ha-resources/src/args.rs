//! The command line.

use crate::agents::Settings;
use crate::agents::announce::target;
use crate::realserver::listen::Port;
use clap::{Parser, Subcommand, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Starts, stops, asks and announces the resource groups of haresources.
///
/// Exit code: 0 everything ended as asked, 1 something did not, 2 wrong usage, 6 haresources is wrong.
#[derive(Debug, Parser)]
#[command(name = "ha-resources", version, max_term_width = 100)]
pub struct Args {
    /// Where haresources and resource.d are [default: HA_DIR or /etc/ha.d]
    #[arg(long, value_name = "DIR", global = true)]
    config_dir: Option<PathBuf>,
    /// Where locks are kept [default: HA_RUN_DIR or /run/heartbeat]
    #[arg(long, value_name = "DIR", global = true)]
    run_dir: Option<PathBuf>,
    /// Where init scripts are
    #[arg(long, value_name = "DIR", default_value = "/etc/init.d", global = true)]
    init_dir: PathBuf,
    /// Print one JSON object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Log more
    #[arg(long, global = true)]
    pub debug: bool,
    /// Seconds that a script's start or stop may take
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds, global = true)]
    script_limit: Duration,
    /// Seconds that a script's status may take
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds, global = true)]
    status_limit: Duration,
    /// Seconds to wait for another run that works on the same group
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds, global = true)]
    pub lock_wait: Duration,
    /// How often a stop that failed is repeated, a second apart [default: HA_STOPRETRYMAX or 10]
    #[arg(long, value_name = "TIMES", global = true)]
    stop_retries: Option<u32>,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[command(rename_all = "lowercase")]
pub enum Verb {
    /// Start the group with this key
    TakeGroup {
        /// The first resource of its line
        key: String,
        /// Ignored: old scripts pass the whole line
        #[arg(hide = true, num_args = 0.., trailing_var_arg = true)]
        rest: Vec<String>,
    },
    /// Stop the group with this key
    GiveGroup {
        /// The first resource of its line
        key: String,
        /// Ignored: old scripts pass the whole line
        #[arg(hide = true, num_args = 0.., trailing_var_arg = true)]
        rest: Vec<String>,
    },
    /// Start all groups at home on a node, in the order of the file
    TakeNode {
        /// The node
        node: String,
    },
    /// Stop all groups at home on a node, in the reverse order of the file
    GiveNode {
        /// The node
        node: String,
    },
    /// Stop all groups at home on a node, first of all their addresses: another node has taken them already
    YieldNode {
        /// The node
        node: String,
    },
    /// Stop what runs here of the groups at home on a node, asking each resource first: what an earlier life left
    ClearNode {
        /// The node
        node: String,
    },
    /// Announce the addresses of a node's groups again, where they are held here
    Announce {
        /// The node
        node: String,
    },
    /// Ask whether one resource runs here: exit code 0 if it does, 3 if not
    Status {
        /// As it is written in haresources
        resource: String,
    },
    /// Print ALL, SOME or NONE: how much of a group runs here
    StatGroup {
        /// The first resource of its line
        key: String,
    },
    /// Print the keys of the groups at home on a node
    ListKeys {
        /// The node
        node: String,
    },
    /// Print the keys of all groups
    AllKeys,
    /// Print the groups at home on this node
    OurKeys,
    /// Print the groups at home on other nodes
    OtherKeys,
    /// Complain about groups that run here; the exit code is their number
    VerifyAllIdle,
    /// Print what would be done, in order, without doing it
    Plan {
        /// What would be done
        what: Planned,
        /// The key or the node
        name: String,
    },
    /// Check haresources
    Check,
    /// On a real server: take packets for virtual addresses that a director routes here, and never announce them
    RealServer(RealServer),
    /// The background copy that repeats announcements
    #[command(name = crate::agents::announce::COMMAND, hide = true)]
    AnnounceBurst {
        /// When the first announcement left: milliseconds of the monotonic clock
        since: u64,
        /// INTERFACE-INDEX/ADDRESS
        #[arg(value_parser = target)]
        targets: Vec<(u32, IpAddr)>,
    },
    /// The background copy that repeats the announcement of an address that something else holds
    #[command(name = crate::agents::send_arp::COMMAND, hide = true)]
    SendArp {
        /// Through which interface
        interface: String,
        /// Which address
        ip: IpAddr,
    },
    /// The background copy that hands a message to the local mail program
    #[command(name = crate::agents::mail::COMMAND, hide = true)]
    SendMail {
        /// What it says
        subject: String,
        /// To whom
        to: Vec<String>,
    },
    /// The background copy that reads what a script left running writes
    #[command(name = crate::agents::child::COMMAND, hide = true)]
    DrainOutput,
    /// The process that releases everything when the daemon's beats stay away
    #[command(name = crate::verbs::guard::COMMAND, hide = true)]
    Guard,
    /// The process that watches the addresses while the daemon runs
    #[command(name = crate::verbs::watch::COMMAND, hide = true)]
    Watch,
    /// Remove the addresses that an earlier life has left and that nothing names, or all of them if it is too long ago
    #[command(name = crate::verbs::sweep::COMMAND, hide = true)]
    Sweep {
        /// Seconds after its last beat in which another node cannot have taken anything
        #[arg(value_parser = seconds)]
        patience: Duration,
    },
    /// A run that is prepared and waits on its standard input for what it is to do
    #[command(name = crate::verbs::prepared::COMMAND, hide = true)]
    Await,
}

/// `realserver`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Exit code: 0 the machine is as it was asked to be, 1 it is not; what is wrong is said in words.

The address goes on lo (/32; /128 and deprecated), with net.ipv4.conf.all.arp_ignore=1 and arp_announce=2; with --redirect
nftables redirects packets for it, and the machine has it nowhere. What is there already stays as it is."
)]
pub struct RealServer {
    /// The virtual addresses
    #[arg(required = true)]
    pub vips: Vec<IpAddr>,
    /// Change nothing: say what is wrong
    #[arg(long, conflicts_with_all = ["persist", "remove"])]
    pub check: bool,
    /// Write, too, what sets it up after the next start of the machine
    #[arg(long, conflicts_with = "remove")]
    pub persist: bool,
    /// Undo it: what this program did, and nothing else
    #[arg(long, conflicts_with = "redirect")]
    pub remove: bool,
    /// By nftables instead of an address on lo; servers then see an own address of the machine
    #[arg(long)]
    pub redirect: bool,
    /// Say, too, whether something on this machine takes what comes in for the addresses on this port: 80, 53/udp
    #[arg(long = "port", value_name = "PORT", conflicts_with = "remove")]
    pub ports: Vec<Port>,
    /// Write files below this folder
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// What `plan` plans.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "lowercase")]
#[allow(missing_docs, reason = "verbs of their own")]
pub enum Planned {
    TakeGroup,
    GiveGroup,
    TakeNode,
    GiveNode,
}

impl Args {
    /// What the agents need to know.
    pub fn settings(&self) -> Settings {
        let from = |name, usual: &str| PathBuf::from(variable(name).unwrap_or_else(|| usual.to_owned()));
        Settings {
            config_dir: self.config_dir.clone().unwrap_or_else(|| from("HA_DIR", crate::CONFIG_DIR)),
            run_dir: self.run_dir.clone().unwrap_or_else(|| from("HA_RUN_DIR", crate::RUN_DIR)),
            init_dir: self.init_dir.clone(),
            script_limit: self.script_limit,
            status_limit: self.status_limit,
            node: variable("HA_CURHOST").unwrap_or_else(host).to_lowercase(),
        }
    }

    /// How often a stop that failed is repeated.
    pub fn retries(&self) -> u32 {
        let set = || variable("HA_STOPRETRYMAX").and_then(|text| text.trim().parse().ok());
        self.stop_retries.or_else(set).unwrap_or(10)
    }
}

/// A variable that is set and not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse::<f64>().ok().filter(|seconds| *seconds >= 0.0 && *seconds <= 86_400.0);
    number
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "a number of seconds up to 86400, such as 60 or 0.5".to_owned())
}
