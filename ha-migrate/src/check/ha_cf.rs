//! `ha.cf`: what heartbeatd does otherwise than heartbeat 3.0.6, by directive.

use super::gone;
use crate::finding::{FileFindings, Verdict};
use heartbeatd::config::{DIRECTIVES, Written, written};

/// Programs that ask heartbeat itself, over a socket that heartbeatd does not have.
const CLIENTS: [&str; 10] =
    ["dopd", "ccm", "cib", "crmd", "attrd", "lrmd", "stonithd", "mgmtd", "hbagent", "apphbd"];

/// Adds what differs, and what is the same.
pub(super) fn judge(file: &mut FileFindings) {
    for line in written(&file.source().clone()) {
        if !DIRECTIVES.contains(&line.directive.as_str()) {
            continue; // the parser has said so
        }
        match difference(&line) {
            Some((verdict, message, advice)) => {
                file.add(verdict, Some(line.span), Some(&line.directive), message, advice);
            }
            None => file.same(line.span, &line.directive),
        }
    }
}

type Difference = (Verdict, String, Option<&'static str>);

fn difference(line: &Written) -> Option<Difference> {
    let differs = |message: &str, advice| Some((Verdict::Differs, message.to_owned(), advice));
    let first = line.values.first().map_or("", String::as_str);
    match line.directive.as_str() {
        "apiauth" => differs(
            "changes nothing: members of the group haclient may ask, and only root may order anything",
            Some("put the accounts that run cl_status into the group haclient"),
        ),
        "respawn" | "failfast" => program(line),
        "use_logd" if config::parse_bool(first) != Some(false) => differs(
            "there is no ha_logd: the lines go to syslog, facility daemon, besides the files named here",
            Some("ha_logd.cf is not read; name logfile and logfacility in ha.cf"),
        ),
        "conn_logd_time" | "coredumps" | "coreroot" | "memreserve" | "syslogmsgfmt" | "use_apphbd" => {
            differs("has no effect", Some("the line may stay, so that the file works with both programs"))
        }
        // neither had any in a pair of haresources
        "quorum_server" | "cluster" | "normalpoll" => Some((
            Verdict::Look,
            "has no effect, as before".to_owned(),
            (line.directive == "quorum_server").then_some(
                "ping nodes with \"respawn hacluster ipfail\", or stonith, decide which node goes on",
            ),
        )),
        "enable_config_writes"
        | "record_config_changes"
        | "record_pengine_inputs"
        | "crmd_spawns_pengine"
        | "crm_daemon_dir" => differs("has no effect: it concerned Pacemaker", Some("remove the line")),
        "compression" | "compression_threshold" | "traditional_compression" => {
            differs("messages are never compressed when they are sent; compressed ones are understood", None)
        }
        "ping" | "ping6" | "ping_group" => differs(
            "a start does not wait for ping nodes",
            Some("which groups they move is as with ipfail: see respawn"),
        ),
        "stonith" | "stonith_host" => differs(
            "when only the links fail the holder resets first, the other node waits 3 s and a keepalive; several lines are tried in order",
            Some("read \"Fencing\" in the documentation, and test it by hand before the pair is trusted"),
        ),
        "serial" => {
            differs("a missing line does not keep the daemon from starting: it is opened when it comes", None)
        }
        "watchdog" => differs(
            "the device fires after the deadtime in whole seconds; before that the addresses are released",
            Some("let a supervisor start a heartbeatd that was killed: the device stays armed"),
        ),
        _ => None,
    }
}

fn program(line: &Written) -> Option<Difference> {
    let path = line.values.get(1)?;
    let name = path.rsplit('/').next().unwrap_or(path);
    if name == "ipfail" {
        let message = "ipfail is built in: no process is started, whatever the path, and an old ipfail on the other node is understood";
        return Some((Verdict::Differs, message.to_owned(), None));
    }
    if let Some(gone) = gone::program(name) {
        return Some((Verdict::Change, format!("{} {}", gone.name, gone.fate), Some(gone.instead)));
    }
    CLIENTS.contains(&name).then(|| {
        let message = format!("{name} asks heartbeat over its client socket, which heartbeatd does not have");
        (
            Verdict::Change,
            message,
            Some("remove the line; for DRBD, let its own fencing handlers or stonith do what dopd did"),
        )
    })
}
