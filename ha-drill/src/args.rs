//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Tests a fail-over by hand as one command: does something to a pair, measures what its clients see, and says whether it was
/// good enough.
///
/// Run it on a third machine that reaches the address as clients do, and say with --run how the nodes are reached; on a node
/// itself, leave --run out. The address is probed by ICMP and, on its own network, by asking who has it (ARP, or neighbour
/// discovery); with --tcp and --http by connections and pages, too.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "ha-drill",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 within the limits, 1 over a limit, 2 wrong usage, 3 it could not be done or is not known.

Examples:
  ha-drill standby 192.0.2.100 --run 'ssh root@alpha' --run 'ssh root@beta' --http 80 --max-outage 1s
  ha-drill kill 192.0.2.100 --run 'ssh root@alpha' --run 'ssh root@beta' --max-outage 15s
  ha-drill power-off 192.0.2.100 --run 'ssh root@alpha' --run 'ssh root@beta' --with 'virsh destroy alpha'
  ha-drill cut 192.0.2.100 --run 'ssh root@alpha' --run 'ssh root@beta' --link eth1 --for 20s
  ha-drill watch 192.0.2.100 --for 5m        measure while you do something by hand; ^C ends it"
)]
pub struct Args {
    /// What is done
    #[arg(value_enum)]
    pub action: Kind,
    /// The address that clients use
    pub vip: IpAddr,
    /// A command that runs a shell line on a node, which it gets as one more argument; once for each node
    #[arg(long = "run", value_name = "COMMAND")]
    pub run: Vec<String>,
    /// The node it is done to [default: the holder of the address; for takeover the other one]
    #[arg(long, value_name = "NODE")]
    pub on: Option<String>,
    /// Do it by this command, run on this machine, instead of the usual way; power-off needs it (one that fails because its
    /// connection went with the power has done it)
    #[arg(long, value_name = "COMMAND")]
    pub with: Option<String>,
    /// cut: the command, run on this machine, that ends what --with began
    #[arg(long, value_name = "COMMAND", requires = "with")]
    pub undo_with: Option<String>,
    /// standby and takeover: which groups
    #[arg(long, value_enum, default_value = "all", value_name = "GROUPS")]
    pub set: Set,
    /// cut: an interface through which nothing passes any more; once for each
    #[arg(long = "link", value_name = "INTERFACE", value_parser = interface)]
    pub links: Vec<String>,
    /// cut: for how long [default: 10s]; watch: how long at most [default: 10m]
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub span: Option<Duration>,
    /// The longest outage that any probe may see
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    pub max_outage: Duration,
    /// For how long two machines may answer for the address [default: it is told, but nothing depends on it]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub max_duplicate: Option<Duration>,
    /// Connect to this port
    #[arg(long, value_name = "PORT")]
    pub tcp: Vec<u16>,
    /// Ask for a page of this port, and path; any status below 400 is an answer
    #[arg(long, value_name = "PORT[/PATH]", value_parser = page)]
    pub http: Vec<Page>,
    /// The name of the web site that is asked for [default: the address]
    #[arg(long, value_name = "NAME", value_parser = host)]
    pub http_host: Option<String>,
    /// From one request to the next, each kind for itself
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = interval)]
    pub every: Duration,
    /// How long the pair may take to come to rest; a quarter of it, and 15 s at least, to answer at all
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = time)]
    pub patience: Duration,
    /// How long everything must have been quiet for the end
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time)]
    pub settle: Duration,
    /// Do not ask before it is done
    #[arg(long)]
    pub yes: bool,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Where the report is written: NAME.txt, NAME.json and NAME.svg [default: ha-drill-ACTION-DATE-TIME]
    #[arg(long, value_name = "NAME", conflicts_with = "no_save")]
    pub save: Option<PathBuf>,
    /// Write no files
    #[arg(long)]
    pub no_save: bool,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Nothing: measure while somebody does something by hand
    #[value(alias = "none")]
    Watch,
    /// hb_standby on the holder
    Standby,
    /// hb_takeover on the other node
    Takeover,
    /// Stop heartbeat as the system does
    Stop,
    /// SIGKILL to heartbeat
    Kill,
    /// Cut the power, by the command --with
    PowerOff,
    /// Let nothing pass through interfaces for a while (--link), then undo it
    Cut,
}

impl Kind {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Standby => "standby",
            Self::Takeover => "takeover",
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::PowerOff => "power-off",
            Self::Cut => "cut",
        }
    }
}

/// Which groups, as the node sees them that is told to move them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the words of hb_standby")]
pub enum Set {
    All,
    Local,
    Foreign,
}

impl Set {
    /// The word of `hb_standby`.
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Local => "local",
            Self::Foreign => "foreign",
        }
    }
}

/// A page of a web server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The port.
    pub port: u16,
    /// The path, with its first slash.
    pub path: String,
}

impl Args {
    /// What is wrong with words that are right one by one.
    pub fn problem(&self) -> Option<String> {
        match self.action {
            Kind::PowerOff if self.with.is_none() => Some(
                "power-off needs --with COMMAND: nobody but you knows what cuts the power of that machine, and nothing else\n\
                 Examples: --with 'ipmitool -H alpha-bmc -U admin -f FILE power off', --with 'virsh destroy alpha',\n\
                 --with 'ssh root@alpha systemctl poweroff -ff', --with 'ssh root@alpha \"echo o >/proc/sysrq-trigger\"' (the last\n\
                 one does not sync disks)"
                    .to_owned(),
            ),
            Kind::Cut if self.with.is_none() && self.links.is_empty() => Some(
                "cut needs an interface: --link eth1 (once for each), or a command that pulls the cable: --with COMMAND".to_owned(),
            ),
            Kind::Cut if self.with.is_some() && self.undo_with.is_none() => {
                Some("a cut by --with needs --undo-with: the command that ends it".to_owned())
            }
            Kind::Cut => None,
            _ if self.undo_with.is_some() => Some("--undo-with is for cut alone".to_owned()),
            _ if !self.links.is_empty() => Some("--link is for cut alone".to_owned()),
            Kind::Watch if self.with.is_some() => Some("watch does nothing: --with has no meaning".to_owned()),
            _ if self.run.len() > 2 => Some("a pair has two nodes: --run is given three times".to_owned()),
            _ => None,
        }
    }
}

/// `200ms`, `2s`, `1.5`, `5m`: a number alone is seconds.
fn time(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        _ => f64::NAN,
    };
    let seconds = number.parse::<f64>().unwrap_or(f64::NAN) * factor;
    if (0.0..=86_400.0).contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err("a time up to a day, such as 200ms, 2s or 5m".to_owned())
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = time(text)?;
    match (Duration::from_millis(1)..=Duration::from_secs(1)).contains(&interval) {
        true => Ok(interval),
        false => Err("from 1ms to 1s".to_owned()),
    }
}

fn page(text: &str) -> Result<Page, String> {
    let (port, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    let port = port.parse().map_err(|_| format!("{port:?} is no port: write 80 or 8080/health"))?;
    if path.chars().any(|c| !c.is_ascii_graphic()) {
        return Err("a path has no blanks and no characters but ASCII".to_owned());
    }
    Ok(Page { port, path: if path.is_empty() { "/".to_owned() } else { path.to_owned() } })
}

fn host(text: &str) -> Result<String, String> {
    let good = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    if good { Ok(text.to_owned()) } else { Err("a name, such as www.example.com".to_owned()) }
}

fn interface(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-@:".contains(c);
    match !text.is_empty() && text.len() <= 15 && text.chars().all(good) {
        true => Ok(text.to_owned()),
        false => Err("the name of an interface, such as eth1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_words() {
        Args::command().debug_assert();
        assert_eq!(time("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(time("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(time("5m"), Ok(Duration::from_secs(300)));
        for bad in ["", "x", "5 s", "-1", "1e9", "99999999", "."] {
            assert!(time(bad).is_err(), "{bad}");
        }
        assert_eq!(page("80"), Ok(Page { port: 80, path: "/".into() }));
        assert_eq!(page("8080/a?b"), Ok(Page { port: 8080, path: "/a?b".into() }));
        assert!(page("/x").is_err() && page("80/a b").is_err() && page("80/\r\n").is_err());
        assert!(interface("eth0;reboot").is_err() && interface("eth0.100").is_ok());
    }

    #[test]
    fn what_is_needed_together() {
        let problem = |line: &str| Args::try_parse_from(line.split(' ')).unwrap().problem();
        assert!(problem("ha-drill power-off 192.0.2.1").is_some());
        assert!(problem("ha-drill cut 192.0.2.1").is_some());
        assert!(problem("ha-drill standby 192.0.2.1 --link eth0").is_some());
        assert_eq!(problem("ha-drill cut 192.0.2.1 --link eth0"), None);
        assert_eq!(problem("ha-drill none 2001:db8::1"), None);
    }
}
