//! Connection synchronisation.

use super::{Wrong, is_interface};
use ipvs::{SyncDaemon, SyncRole};

/// Which daemons run while the group is here, and while it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// `LVSSyncDaemonSwap`: this role while it is here, the other one while it is not.
    To(SyncRole),
    /// `LVSSyncDaemon`: both while it is here, and while it is not the backup alone. Without a moment in which
    /// nothing is received.
    Both,
}

/// The resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// Which daemons.
    pub swap: Swap,
    /// The multicast's interface; `None`: `eth0` as with ipvsadm, or without one that of the heartbeats.
    pub interface: Option<String>,
    /// Sync id: both nodes have the same, and other pairs on the same network another one.
    pub id: u8,
    /// Longest message, in bytes.
    pub max_length: Option<u16>,
    /// Multicast group.
    pub group: Option<std::net::IpAddr>,
    /// UDP port.
    pub port: Option<u16>,
    /// Time to live.
    pub ttl: Option<u8>,
}

const FORM: &str = "write LVSSyncDaemonSwap::master, then ::SYNCID and ::INTERFACE where needed";
const OPTIONS: &str = "options are maxlen=BYTES, group=224.0.0.81, port=8848 and ttl=1";

impl Sync {
    pub(super) fn parse(script: &str, arguments: &[String]) -> Result<Sync, Wrong> {
        let (swap, rest) = match (script, arguments) {
            ("LVSSyncDaemon", rest) => (Swap::Both, rest),
            (_, [role, rest @ ..]) => match role.as_str() {
                "master" => (Swap::To(SyncRole::Master), rest),
                "backup" => (Swap::To(SyncRole::Backup), rest),
                _ => return Err(Wrong::new(role, format!("{role:?} is no role: master or backup"), FORM)),
            },
            (_, []) => return Err(Wrong::new("", "LVSSyncDaemonSwap needs a role", FORM)),
        };
        let mut sync =
            Sync { swap, interface: None, id: 0, max_length: None, group: None, port: None, ttl: None };
        let mut id = None;
        for argument in rest {
            if let Some((name, value)) = argument.split_once('=') {
                sync.option(argument, name, value)?;
            } else if argument.bytes().all(|byte| byte.is_ascii_digit()) {
                let number = argument.parse().ok().filter(|_| id.is_none());
                id = Some(number.ok_or_else(|| {
                    Wrong::new(argument, format!("{argument:?} is no sync id"), "one number from 0 to 255")
                })?);
            } else if sync.interface.is_none() && is_interface(argument) {
                sync.interface = Some(argument.clone());
            } else {
                return Err(Wrong::new(
                    argument,
                    format!("{argument:?} is neither a sync id nor an interface"),
                    FORM,
                ));
            }
        }
        sync.id = id.unwrap_or(0);
        Ok(sync)
    }

    fn option(&mut self, argument: &str, name: &str, value: &str) -> Result<(), Wrong> {
        let wrong = || Wrong::new(argument, format!("{argument:?} is not understood"), OPTIONS);
        match name {
            "maxlen" => self.max_length = Some(value.parse().map_err(|_| wrong())?),
            "group" => {
                let group: std::net::IpAddr = value.parse().map_err(|_| wrong())?;
                self.group = Some(group).filter(std::net::IpAddr::is_multicast);
                self.group.ok_or_else(wrong)?;
            }
            "port" => self.port = Some(value.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?),
            "ttl" => self.ttl = Some(value.parse().ok().filter(|ttl| *ttl != 0).ok_or_else(wrong)?),
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// What is to run on an interface, here or elsewhere.
    pub fn daemons(&self, here: bool, interface: &str) -> Vec<SyncDaemon> {
        use SyncRole::{Backup, Master};
        let roles: &[SyncRole] = match (self.swap, here) {
            (Swap::Both, true) => &[Master, Backup],
            (Swap::To(Master), true) | (Swap::To(Backup), false) => &[Master],
            (Swap::Both | Swap::To(Master), false) | (Swap::To(Backup), true) => &[Backup],
        };
        let daemon = |role: &SyncRole| SyncDaemon {
            max_length: self.max_length,
            group: self.group,
            port: self.port,
            ttl: self.ttl,
            ..SyncDaemon::new(*role, interface, self.id)
        };
        roles.iter().map(daemon).collect()
    }

    /// The daemon by which one sees that the resource is here.
    pub fn sign(&self) -> SyncRole {
        match self.swap {
            Swap::To(role) => role,
            Swap::Both => SyncRole::Master,
        }
    }
}
