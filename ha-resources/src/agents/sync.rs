//! IPVS connection synchronisation, over netlink.
//!
//! The kernel runs one sender (`master`) and one receiver (`backup`). A receiver keeps every connection of the other
//! director, so that packets of an established connection go on to the same real server after a take-over.

use super::built_in::Ended;
use crate::args::variable;
use crate::builtin::Sync;
use crate::order::Outcome;
use ipvs::{Client, Error, Reason, SyncDaemon, SyncRole};
use tracing::{info, warn};

/// What ipvsadm takes, and with it the scripts of old nodes.
const USUAL_INTERFACE: &str = "eth0";

/// Has the daemons run that belong to a group which is here, or elsewhere. What is to run starts before what is not
/// to run stops: meanwhile nothing is lost.
pub(super) fn change(sync: &Sync, interfaces: &[String], here: bool) -> Ended {
    let mut client = match Client::connect() {
        Ok(client) => client,
        Err(Error::NoIpvs) if !here => {
            return (Outcome::Already, "this kernel has no IPVS".to_owned());
        }
        Err(error) => return (Outcome::Failed, said(&error)),
    };
    let interface = match interface(sync, interfaces) {
        Ok(interface) => interface,
        Err(why) if here => return (Outcome::Failed, why),
        Err(why) => {
            // What is not to run has to stop all the same.
            warn!("nothing is received: {why}");
            return or_failed(stop(&mut client, sync.sign()).map(|stopped| told(stopped, "stopped")));
        }
    };
    let wanted = sync.daemons(here, &interface);
    let mut changed = Vec::new();
    for daemon in &wanted {
        match start(&mut client, daemon) {
            Ok(true) => changed.push(format!("{daemon} started")),
            Ok(false) => {}
            Err(error) if here => return (Outcome::Failed, said(&error)),
            // Without it connections are lost at the next move, but this group has to be released now.
            Err(error) => warn!("nothing is received: {}", said(&error)),
        }
    }
    for role in [SyncRole::Master, SyncRole::Backup] {
        if wanted.iter().any(|daemon| daemon.role == role) {
            continue;
        }
        match stop(&mut client, role) {
            Ok(true) => changed.push(format!("{role} sync daemon stopped")),
            Ok(false) => {}
            Err(error) => return (Outcome::Failed, said(&error)),
        }
    }
    told(!changed.is_empty(), &changed.join(", "))
}

/// Whether the daemon runs by which one sees that the group is here.
pub(super) fn status(sync: &Sync) -> (bool, Outcome, String) {
    let daemons = match Client::connect().and_then(|mut client| client.daemons()) {
        Ok(daemons) => daemons,
        Err(Error::NoIpvs) => return (false, Outcome::Done, "this kernel has no IPVS".to_owned()),
        Err(error) => return (false, Outcome::Failed, said(&error)),
    };
    let words: Vec<_> = daemons.iter().map(SyncDaemon::to_string).collect();
    let detail = if words.is_empty() { "no sync daemon runs".to_owned() } else { words.join(", ") };
    (daemons.iter().any(|daemon| daemon.role == sync.sign()), Outcome::Done, detail)
}

/// Whether a daemon that belongs to a group elsewhere does not run.
pub(super) fn rests_otherwise(sync: &Sync) -> bool {
    let Ok(running) = Client::connect().and_then(|mut client| client.daemons()) else { return false };
    let missing = |daemon: &SyncDaemon| running.iter().all(|other| other.role != daemon.role);
    sync.daemons(false, USUAL_INTERFACE).iter().any(missing)
}

/// Starts a daemon; false if it runs already. One with another interface or sync id is replaced.
fn start(client: &mut Client, wanted: &SyncDaemon) -> Result<bool, Error> {
    let running = client.daemons()?.into_iter().find(|daemon| daemon.role == wanted.role);
    if let Some(running) = running {
        if same(&running, wanted) {
            return Ok(false);
        }
        info!("{running} runs: it is replaced by {wanted}");
        stop(client, wanted.role)?;
    }
    client.start_daemon(wanted).map(|()| true)
}

fn same(running: &SyncDaemon, wanted: &SyncDaemon) -> bool {
    fn fits<T: PartialEq>(running: &Option<T>, wanted: &Option<T>) -> bool {
        wanted.is_none() || running == wanted
    }
    (running.interface == wanted.interface && running.id == wanted.id)
        // The kernel rounds it.
        && fits(&running.group, &wanted.group)
        && fits(&running.port, &wanted.port)
        && fits(&running.ttl, &wanted.ttl)
}

/// Stops a daemon; false if none runs.
fn stop(client: &mut Client, role: SyncRole) -> Result<bool, Error> {
    match client.stop_daemon(role) {
        Ok(()) => Ok(true),
        Err(error) if error.reason() == Some(&Reason::NotRunning) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The interface that is named; or ipvsadm's; or the first of the heartbeats' that this machine has.
fn interface(sync: &Sync, present: &[String]) -> Result<String, String> {
    let here = |name: &str| present.iter().any(|known| known == name);
    match &sync.interface {
        Some(name) if here(name) => return Ok(name.clone()),
        Some(name) => {
            return Err(format!("there is no interface {name}; this machine has {}", present.join(", ")));
        }
        None if here(USUAL_INTERFACE) => return Ok(USUAL_INTERFACE.to_owned()),
        None => {}
    }
    let media = ["HA_bcast", "HA_ucast", "HA_mcast"].into_iter().filter_map(variable);
    let words: Vec<String> =
        media.flat_map(|value| value.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    words.into_iter().find(|word| here(word) && word != "lo").ok_or_else(|| {
        format!(
            "there is no {USUAL_INTERFACE}: name the interface, LVSSyncDaemonSwap::master::{}",
            present.iter().find(|name| *name != "lo").map_or("eth1", String::as_str)
        )
    })
}

fn told(changed: bool, what: &str) -> Ended {
    if changed { (Outcome::Done, what.to_owned()) } else { (Outcome::Already, String::new()) }
}

fn or_failed(result: Result<Ended, Error>) -> Ended {
    result.unwrap_or_else(|error| (Outcome::Failed, said(&error)))
}

fn said(error: &Error) -> String {
    error.hint().map_or_else(|| error.to_string(), |hint| format!("{error}; {hint}"))
}
