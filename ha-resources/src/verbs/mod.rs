//! What the verbs of the command line do.

mod ask;
mod check;
mod group;
pub mod guard;
pub mod prepared;
mod realserver;
pub mod sweep;
pub mod watch;

use crate::agents::announce;
use crate::agents::{Agents, Settings, child, mail, send_arp};
use crate::args::{Args, Verb};
use crate::event::Printer;
use crate::haresources::{self, Group, Haresources};
use crate::order::Action;
use crate::taken;
use ask::List;
use config::Report;
use group::Which;
use std::process::ExitCode;
use std::time::Duration;
use tracing::{error, warn};

/// Something did not end as asked.
const FAILED: u8 = 1;
/// The resource does not run here (LSB).
const STOPPED: u8 = 3;
/// heartbeat's exit code for a bad configuration.
const BAD_CONFIGURATION: u8 = 6;

/// Does what the command line says.
pub async fn run(args: &Args) -> ExitCode {
    match &args.verb {
        Verb::AnnounceBurst { since, targets } => return repeat_announcements(*since, targets).await,
        Verb::DrainOutput => {
            let _ = rustix::process::setsid();
            child::drain();
            return ExitCode::SUCCESS;
        }
        Verb::SendMail { subject, to } => return exit(mail::deliver(subject, to)),
        Verb::SendArp { interface, ip } => return exit(send_arp::repeat(interface, *ip).await.is_ok()),
        Verb::RealServer(asked) => {
            let code = realserver::run(asked, &args.settings(), args.json, args.lock_wait).await;
            return ExitCode::from(code);
        }
        _ => {}
    }
    let settings = args.settings();
    let mut run = Run {
        agents: Agents::new(settings.clone()),
        settings,
        printer: Printer { json: args.json },
        lock_wait: args.lock_wait,
        retries: args.retries(),
        abandoned: false,
    };
    let code = run.verb(&args.verb).await;
    run.agents.repeat_announcements();
    ExitCode::from(code)
}

fn exit(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

/// One run of the program.
struct Run {
    settings: Settings,
    agents: Agents,
    printer: Printer,
    lock_wait: Duration,
    retries: u32,
    /// The node was being released during this run, or it was cancelled: nothing is started any more.
    abandoned: bool,
}

impl Run {
    async fn verb(&mut self, verb: &Verb) -> u8 {
        if let Verb::Status { resource } = verb {
            return self.status(resource).await;
        }
        match verb {
            Verb::Guard => return self.guard().await,
            Verb::Await => return self.wait_for_order().await,
            Verb::Watch => return self.watch().await,
            Verb::Sweep { patience } => return self.sweep(*patience).await,
            Verb::Check => return self.check().await,
            _ => {}
        }
        let file = match verb {
            Verb::GiveGroup { .. }
            | Verb::GiveNode { .. }
            | Verb::YieldNode { .. }
            | Verb::ClearNode { .. }
            // what runs is what was started
            | Verb::StatGroup { .. }
            | Verb::VerifyAllIdle => self.to_give(),
            _ => self.file(),
        };
        let file = match file {
            Ok(file) => file,
            Err(code) => return code,
        };
        let (json, here) = (self.printer.json, &self.settings.node);
        match verb {
            Verb::TakeGroup { key, .. } => self.one(&file, key, Action::Start).await,
            Verb::GiveGroup { key, .. } => self.one(&file, key, Action::Stop).await,
            Verb::TakeNode { node } => self.node(&file, node, Action::Start, Which::All).await,
            Verb::GiveNode { node } => self.node(&file, node, Action::Stop, Which::All).await,
            Verb::YieldNode { node } => {
                let groups = file.of_node(node);
                self.unmark(&groups);
                self.let_go(&groups).await;
                self.node(&file, node, Action::Stop, Which::All).await
            }
            Verb::ClearNode { node } => self.node(&file, node, Action::Stop, Which::Running).await,
            Verb::Announce { node } => self.announce(&file, node).await,
            Verb::StatGroup { key } => self.stat_group(&file, key).await,
            Verb::ListKeys { node } => ask::list(file.of_node(node), List::Keys, json),
            Verb::AllKeys => ask::list(&file.groups, List::Keys, json),
            Verb::OurKeys => {
                ask::list(file.groups.iter().filter(|group| group.node == *here), List::Whole, json)
            }
            Verb::OtherKeys => {
                ask::list(file.groups.iter().filter(|group| group.node != *here), List::Whole, json)
            }
            Verb::VerifyAllIdle => self.verify_all_idle(&file).await,
            Verb::Plan { what, name } => self.plan(&file, *what, name),
            Verb::Status { .. }
            | Verb::Check
            | Verb::RealServer(_)
            | Verb::Guard
            | Verb::Await
            | Verb::Watch
            | Verb::Sweep { .. }
            | Verb::AnnounceBurst { .. }
            | Verb::SendArp { .. }
            | Verb::SendMail { .. }
            | Verb::DrainOutput => 0, // done above
        }
    }

    /// What there is to give: what was taken, and what the file has besides.
    fn to_give(&self) -> Result<Haresources, u8> {
        let taken = taken::all(&self.settings.run_dir);
        match self.file() {
            Ok(file) => Ok(taken::merge(file, taken)),
            Err(code) if taken.is_empty() => Err(code),
            Err(_) => {
                warn!(
                    "haresources cannot be used: the groups that were taken here are given as they were then"
                );
                Ok(Haresources { groups: taken })
            }
        }
    }

    /// Reads haresources and says what is wrong with it.
    fn file(&self) -> Result<Haresources, u8> {
        let (file, report) = self.read()?;
        if report.has_errors() {
            eprint!("{}", report.render());
            report.lines().for_each(|line| error!("{line}"));
            return Err(BAD_CONFIGURATION);
        }
        if !report.diagnostics().is_empty() {
            eprint!("{}", report.render());
            report.lines().for_each(|line| warn!("{line}"));
        }
        Ok(file)
    }

    /// Reads haresources; nothing is said yet about what is in it.
    fn read(&self) -> Result<(Haresources, Report), u8> {
        let path = self.settings.config_dir.join("haresources");
        haresources::read(&path).map_err(|error| {
            eprintln!(
                "error: cannot read {}: {error}\n  = help: it has one line per group: `node 192.0.2.10/24/eth0 \
                 ldirectord::ldirectord.cf`; the same file on both nodes",
                path.display()
            );
            error!("cannot read {}: {error}", path.display());
            BAD_CONFIGURATION
        })
    }
}

/// The one group that a key names; otherwise a message about it.
fn find<'a>(file: &'a Haresources, key: &str) -> Result<&'a Group, String> {
    let found = file.find(key);
    match found.as_slice() {
        [group] => Ok(group),
        [] => {
            let hint = match file.nearest_key(key) {
                Some(nearest) => format!("did you mean {nearest:?}?"),
                None => {
                    "the key is the first resource of a line; `ha-resources allkeys` lists them".to_owned()
                }
            };
            Err(format!("no group of haresources has the key {key:?}; {hint}"))
        }
        several => {
            let keys: Vec<_> = several.iter().map(|group| group.key()).collect();
            Err(format!("the key {key:?} matches several groups: {}", keys.join(", ")))
        }
    }
}

/// The background copy: its standard input is the packet socket.
async fn repeat_announcements(since: u64, targets: &[(u32, std::net::IpAddr)]) -> ExitCode {
    let _ = rustix::process::setsid();
    let socket = rustix::io::dup(rustix::stdio::stdin()).map(socket2::Socket::from);
    match socket {
        Ok(socket) if announce::repeat(&socket, since, targets).await.is_ok() => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    }
}
