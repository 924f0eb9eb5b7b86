//! The network between the two machines.

use crate::old::Old;
use crate::world::{Due, NAMES, World};
use heartbeatd::wire::Message;
use std::time::Duration;

impl World {
    /// Something is wrong right now that may make two holders for a while.
    pub(crate) fn troubled(&self) -> bool {
        let links = self.settings[0].links.len();
        let mute = |from: usize| (0..links).all(|link| self.cut[link] || self.one_way[from][link]);
        self.partition
            || self.deaf.contains(&true)
            || mute(0)
            || mute(1)
            || self.loss > self.base_loss
            || self.nodes.iter().any(|node| {
                let restarts = node.old().is_some_and(Old::restarting);
                let down = node.enabled && node.daemon.is_none();
                node.powered && (node.paused_until.is_some() || down || restarts)
            })
    }

    pub(crate) fn transmit(&mut self, from: usize, message: Message) {
        if self.verbose && message.kind() != "status" {
            self.trace(|| {
                let word = |name| message.text(name).unwrap_or("-").to_owned();
                let fields = ["seq", "rsc_hold", "isstable", "info", "td_want", "td_have"]
                    .map(|n| format!("{n}={}", word(n)));
                format!("{} sends {} {}", NAMES[from], message.kind(), fields.join(" "))
            });
        }
        for link in 0..self.settings[0].links.len() {
            let copies = if self.random.percent(1) { 2 } else { 1 };
            for _ in 0..copies {
                if self.partition
                    || self.deaf[from]
                    || self.cut[link]
                    || self.one_way[from][link]
                    || self.random.percent(self.loss)
                {
                    continue;
                }
                let delay = Duration::from_micros(self.random.between(20, self.max_delay));
                self.at(delay, Due::Deliver { to: 1 - from, link, message: message.clone() });
            }
        }
    }
}
