//! Whether the other node works by the same configuration: each beat of ours tells hashes of what the files mean
//! (`td_conf`), and a difference is said once for each change of it. An old peer tells none, and nothing is said.

use super::{Cluster, Notice};
use crate::wire::Message;

/// What `ha.cf` and `haresources` mean, in one number each: equal numbers, equal meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfigHash {
    /// Nodes, timers and failback of `ha.cf`.
    pub ha_cf: u32,
    /// The groups of `haresources`, in their order.
    pub haresources: u32,
}

impl ConfigHash {
    /// The files and their numbers.
    fn files(self) -> [(&'static str, u32); 2] {
        [("ha.cf", self.ha_cf), ("haresources", self.haresources)]
    }

    /// Writes `td_conf`.
    pub(super) fn push(self, message: &mut Message) {
        message.push_text("td_conf", format!("{:08x} {:08x}", self.ha_cf, self.haresources));
    }

    /// Reads `td_conf`; `None` if it is missing or no such field.
    pub(super) fn read(message: &Message) -> Option<ConfigHash> {
        let (ha_cf, haresources) = message.text("td_conf")?.split_once(' ')?;
        let number = |hex| u32::from_str_radix(hex, 16).ok();
        Some(ConfigHash { ha_cf: number(ha_cf)?, haresources: number(haresources)? })
    }
}

/// What is known of the other node's configuration, and what was said about it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Agreement {
    theirs: Option<ConfigHash>,
    /// For each file, the two different numbers (ours, theirs) that were reported last.
    said: [Option<(u32, u32)>; 2],
}

impl Agreement {
    /// The names of the files that differ from `ours`.
    pub(super) fn differing(&self, ours: ConfigHash) -> Vec<&'static str> {
        let Some(theirs) = self.theirs else { return Vec::new() };
        let pairs = ours.files().into_iter().zip(theirs.files());
        pairs.filter(|((_, ours), (_, theirs))| ours != theirs).map(|((file, _), _)| file).collect()
    }
}

impl Cluster {
    /// Takes what a status of the other node says of its configuration.
    pub(super) fn learn_configuration(&mut self, message: &Message) {
        if let Some(peer) = self.peer.as_mut() {
            peer.agreement.theirs = ConfigHash::read(message);
        }
        self.compare_configurations();
    }

    /// Says what has begun or ceased to differ.
    pub(super) fn compare_configurations(&mut self) {
        let Some(peer) = self.peer.as_mut() else { return };
        let Some(theirs) = peer.agreement.theirs else { return };
        let pairs = self.settings.configuration.files().into_iter().zip(theirs.files());
        for (said, ((file, ours), (_, theirs))) in peer.agreement.said.iter_mut().zip(pairs) {
            let differ = (ours != theirs).then_some((ours, theirs));
            if *said == differ {
                continue;
            }
            *said = differ;
            let node = peer.name.clone();
            let notice = match differ {
                Some(_) => Notice::ConfigurationDiffers { node, file },
                None => Notice::ConfigurationAgrees { node, file },
            };
            self.actions.push_back(super::Action::Notice(notice));
        }
    }
}
