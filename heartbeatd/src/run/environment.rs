//! The environment of resource scripts: what heartbeat 3.0.6 gives them, so that old ones find what they look for.

use crate::config::{Failback, Plan};
use crate::wire::{Message, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Names and values.
pub(super) type Variables = BTreeMap<String, String>;

/// Variables by which systemd knows this daemon; they are not for its children.
pub(super) const PRIVATE: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// What the shell functions of heartbeat and of resource agents (`ocf-directories`, `ocf-shellfuncs`) and the scripts
/// delivered with both take programs, files and settings from: no message may set it.
const RESERVED: [&str; 40] = [
    "APIGID",
    "APIGROUP",
    "BIN",
    "CCMUID",
    "CCMUSER",
    "CF",
    "COMPRESSION",
    "CONFDIR",
    "COREDIR",
    "CURHOST",
    "DATEFMT",
    "DEBUG",
    "DEBUGLOG",
    "DIR",
    "DOCDIR",
    "DONTASK",
    "FIFO",
    "FUNCS",
    "HBCONF_DIR",
    "LOGD",
    "LOGFACILITY",
    "LOGFILE",
    "LOGTAG",
    "NICEFAILBACK",
    "NOARCHBIN",
    "RCDIR",
    "RC_DIR",
    "RESOURCEDIR",
    "RSCTMP",
    "RSCTMP_OLD",
    "SBIN_DIR",
    "STATD_PIDFILE",
    "STATD_PIDFILE_PREV",
    "STOPRETRYMAX",
    "VARLIB",
    "VARLIBDIR",
    "VARLOCK",
    "VARRUN",
    "VARRUNDIR",
    "use_logd",
];

/// The variables for a script that is run for a message: its strings, and this node's status.
pub(super) fn of_message(base: &Variables, message: &Message, own_status: &str) -> Variables {
    let mut variables = base.clone();
    for (name, value) in message.fields() {
        let (Ok(name), Value::Text(value)) = (std::str::from_utf8(name), value) else { continue };
        let Ok(value) = std::str::from_utf8(value) else { continue };
        // what begins with td is between two of our nodes
        let ours = name == "td" || name.starts_with("td_");
        let passed = !ours && !RESERVED.contains(&name) && !name.contains(['=', '\0']);
        if passed && !value.contains('\0') {
            variables.insert(format!("HA_{name}"), value.to_owned());
        }
    }
    variables.insert("HA_OSTATUS".to_owned(), own_status.to_owned());
    variables
}

/// The variables for a plan.
pub(super) fn variables(plan: &Plan, config_dir: &Path, state_dir: &Path) -> Variables {
    let path =
        |path: &Option<std::path::PathBuf>| path.as_ref().map_or(String::new(), |p| p.display().to_string());
    let under = |name: &str| config_dir.join(name).display().to_string();
    // Directives under their own name first; a fixed variable of the same name wins.
    let mut variables: Variables =
        plan.parameters.iter().map(|(name, value)| (format!("HA_{name}"), value.clone())).collect();
    variables.extend(plan.environment.iter().map(|(name, value)| (format!("HA_{name}"), value.clone())));
    let fixed = [
        ("HA_CURHOST", plan.node.clone()),
        ("HA_DIR", config_dir.display().to_string()),
        ("HA_BIN", "/usr/libexec/heartbeat".to_owned()),
        ("HA_COMPRESSION", plan.parameters.get("compression").cloned().unwrap_or_default()),
        ("HA_DOCDIR", "/usr/share/doc/heartbeat".to_owned()),
        ("HA_RCDIR", under("rc.d")),
        ("HA_RESOURCEDIR", under("resource.d")),
        ("HA_FUNCS", under("shellfuncs")),
        ("HA_FIFO", state_dir.join("fifo").display().to_string()),
        ("HA_LOGFILE", path(&plan.log.file)),
        ("HA_DEBUGLOG", path(&plan.log.debug_file)),
        ("HA_LOGFACILITY", plan.log.facility.clone().unwrap_or_default()),
        ("HA_LOGD", "no".to_owned()),
        ("HA_debug", plan.debug.to_string()),
        ("HA_DATEFMT", "%Y/%m/%d_%T\t".to_owned()),
        ("OCF_ROOT", "/usr/lib/ocf".to_owned()),
    ];
    variables.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
    if plan.failback != Failback::Legacy {
        variables.insert("HA_NICEFAILBACK".to_owned(), "yes".to_owned());
    }
    // Neither end of a name or value may be cut by a NUL, nor a name by "=": such a one cannot be passed at all.
    variables.retain(|name, value| !name.contains(['=', '\0']) && !value.contains('\0'));
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_sets_nothing_that_scripts_take_files_from() {
        let mut message = Message::new("backup-done");
        message.push_text("volume", "one").push_text("td_want", "all").push_text("OSTATUS", "dead");
        for name in RESERVED {
            message.push_text(name, "/tmp");
        }
        let base = Variables::from([("HA_DIR".to_owned(), "/etc/ha.d".to_owned())]);
        let expected = [
            ("HA_DIR", "/etc/ha.d"),
            ("HA_OSTATUS", "active"),
            ("HA_t", "backup-done"),
            ("HA_volume", "one"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(of_message(&base, &message, "active"), Variables::from(expected));
    }
}
