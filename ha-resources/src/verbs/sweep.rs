//! `sweep`: the daemon starts, and an earlier life of it may have left addresses here.
//!
//! Those that a group names are found by whoever takes or clears the group: a daemon that was restarted at once finds its
//! resources as they were. Two kinds are removed before the first beat:
//!
//! * what carries this suite's mark and no group names, neither in haresources nor as it was taken;
//! * everything that was taken or carries the mark, if the last beat was so long ago that the other node has taken it.

use super::Run;
use super::guard::now;
use crate::agents::address::remove_ours;
use crate::haresources::{self, Group};
use crate::order::Action;
use crate::{lock, taken};
use std::net::IpAddr;
use std::time::Duration;
use tracing::{error, warn};

/// The program's name for it.
pub const COMMAND: &str = "sweep";

impl Run {
    /// Removes what is left. `patience`: so long after the last beat no other node has taken anything.
    pub(super) async fn sweep(&mut self, patience: Duration) -> u8 {
        let run_dir = self.settings.run_dir.clone();
        let noted = taken::all(&run_dir);
        let silence = taken::last_beat(&run_dir).map(|at| now().checked_sub(at));
        let late = matches!(silence, Some(Some(silence)) if silence > patience);
        if late {
            let groups: Vec<&Group> = noted.iter().collect();
            self.unmark(&groups);
            self.release_addresses(&groups).await;
        }
        let file = haresources::read(&self.settings.config_dir.join("haresources"));
        let Ok((file, _)) = file else { return 0 }; // it is refused elsewhere, and nothing is known to be nobody's
        let named = |ip: IpAddr| {
            let groups = noted.iter().chain(&file.groups);
            groups.flat_map(Group::resources).any(|known| known.address().is_some_and(|known| known.ip == ip))
        };
        match remove_ours(self.agents.kernel(), |ip| late || !named(ip)).await {
            Ok(removed) => {
                for ip in removed {
                    let why = if named(ip) {
                        "the other node may have taken it since"
                    } else {
                        "no group names it"
                    };
                    warn!("{ip} was left here by an earlier life of this node: removed, for {why}");
                }
                0
            }
            Err(failure) => {
                error!("what an earlier life of this node has left is not removed: {failure}");
                super::FAILED
            }
        }
    }

    async fn release_addresses(&mut self, groups: &[&Group]) {
        for group in groups {
            // whoever works on it now does what is right
            let Ok(_lock) = lock::acquire(&self.settings.run_dir, group.key(), Duration::ZERO) else {
                continue;
            };
            for resource in group.resources().filter(|resource| resource.address().is_some()) {
                let done = self.agents.change(resource, Action::Stop).await;
                warn!("left here by an earlier life of this node: {}: {}", resource.text, done.detail);
            }
        }
    }
}
