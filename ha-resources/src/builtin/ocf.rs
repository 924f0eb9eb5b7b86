//! OCF agents, by their own name or by the script that heartbeat had for them.

use super::Wrong;

/// An agent, and what its instance is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ocf {
    /// The folder in `resource.d`; `None`: `heartbeat`, or else the first that has the agent.
    pub provider: Option<String>,
    /// The agent's name there.
    pub agent: String,
    /// What its instance is given.
    pub parameters: Parameters,
    /// Written by the old script's name: a script of that name would be used, too.
    pub by_old_name: bool,
}

/// What an instance is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// These names and values.
    Given(Vec<(String, String)>),
    /// What the shell file `conf/OCF/AGENT/INSTANCE` sets.
    File(String),
}

/// The scripts that heartbeat 3.0.6 had for OCF agents, and the parameters for their arguments in order.
const OLD: [(&str, &[&str]); 13] = [
    ("AudibleAlarm", &["nodelist"]),
    ("Filesystem", &["device", "directory", "fstype", "options"]),
    ("ICP", &["driveid", "device"]),
    ("LVM", &["volgrpname"]),
    ("LinuxSCSI", &["scsi"]),
    ("Raid1", &["raidconf", "raiddev"]),
    ("ServeRAID", &["serveraid", "mergegroup"]),
    ("WAS", &["config"]),
    ("WinPopup", &["hostfile"]),
    ("Xinetd", &["service"]),
    ("apache", &["configfile"]),
    ("db2", &["instance"]),
    ("ids", &["informixdir", "informixserver", "onconfig"]),
];

const FORM: &str = "write ocf:heartbeat:Filesystem::device=/dev/vg/data::directory=/srv::fstype=ext4";

impl Ocf {
    /// `None` if no agent is named.
    pub(super) fn parse(script: &str, arguments: &[String]) -> Option<Result<Ocf, Wrong>> {
        if let Some((_, names)) = OLD.iter().find(|(name, _)| *name == script) {
            return Some(old(script, names, arguments));
        }
        if script == "OCF" {
            return Some(instance(arguments));
        }
        // `ocf:provider:agent` and `ocf::provider:agent`
        let (name, given) = match script.strip_prefix("ocf") {
            Some("") => match arguments.split_first() {
                Some((name, given)) => (name.as_str(), given),
                None => return Some(Err(Wrong::new("", "ocf needs an agent", FORM))),
            },
            Some(rest) => (rest.strip_prefix(':')?, arguments),
            None => return None,
        };
        Some(named(name, given))
    }
}

fn old(script: &str, names: &[&str], arguments: &[String]) -> Result<Ocf, Wrong> {
    if let Some(extra) = arguments.get(names.len()) {
        return Err(Wrong::new(
            extra,
            format!("{script} takes {} arguments: {}", names.len(), names.join(", ")),
            FORM,
        ));
    }
    let given = names.iter().zip(arguments).map(|(name, value)| ((*name).to_owned(), value.clone()));
    let mut given: Vec<_> = given.collect();
    // The old script took either a file or a port.
    match given.first_mut() {
        Some((name, value)) if script == "WAS" && value.bytes().all(|byte| byte.is_ascii_digit()) => {
            *name = "port".to_owned();
        }
        _ => {}
    }
    let parameters = Parameters::Given(given);
    Ok(Ocf { provider: None, agent: script.to_owned(), parameters, by_old_name: true })
}

fn instance(arguments: &[String]) -> Result<Ocf, Wrong> {
    let form = "write OCF::AGENT::INSTANCE; conf/OCF/AGENT/INSTANCE beside haresources sets its parameters";
    let [agent, instance] = arguments else {
        return Err(Wrong::new("", "OCF needs an agent and an instance", form));
    };
    for part in [agent, instance] {
        if !is_file_name(part) {
            return Err(Wrong::new(part, format!("{part:?} is not the name of a file"), form));
        }
    }
    let parameters = Parameters::File(instance.clone());
    Ok(Ocf { provider: None, agent: agent.clone(), parameters, by_old_name: true })
}

fn named(name: &str, given: &[String]) -> Result<Ocf, Wrong> {
    let (provider, agent) = match name.split_once(':') {
        Some((provider, agent)) => (Some(provider.to_owned()), agent),
        None => (None, name),
    };
    if !is_file_name(agent) || provider.as_deref().is_some_and(|provider| !is_file_name(provider)) {
        return Err(Wrong::new(name, format!("{name:?} does not name an OCF agent"), FORM));
    }
    let mut parameters = Vec::<(String, String)>::new();
    for argument in given {
        let name_and_value = argument.split_once('=');
        let valid =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let Some((name, value)) = name_and_value.filter(|(name, _)| valid(name)) else {
            let message = format!("{argument:?} is no parameter");
            return Err(Wrong::new(
                argument,
                message,
                "an OCF agent's parameters are given by name: NAME=VALUE",
            ));
        };
        if parameters.iter().any(|(known, _)| known == name) {
            return Err(Wrong::new(
                argument,
                format!("the parameter {name} is given twice"),
                "remove one of them",
            ));
        }
        parameters.push((name.to_owned(), value.to_owned()));
    }
    Ok(Ocf {
        provider,
        agent: agent.to_owned(),
        parameters: Parameters::Given(parameters),
        by_old_name: false,
    })
}

fn is_file_name(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_graphic() && c != '/' && c != ':';
    !name.is_empty() && !name.starts_with(['.', '-']) && name.chars().all(valid)
}
