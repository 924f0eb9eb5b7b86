//! The device that cuts off nodes: it takes its time, fails now and then, and switches the node on again.

use crate::world::{Due, NAMES, RAIN, World};
use heartbeatd::cluster::Event;
use std::time::Duration;

/// One request to the device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    by: usize,
    /// The life of the daemon that asked, and of the machine that it runs on.
    life: u64,
    power: u64,
}

impl World {
    pub(crate) fn ask_device(&mut self, by: usize, node: &str) {
        assert_eq!(node, NAMES[1 - by]);
        self.trace(|| format!("{} has {node} reset", NAMES[by]));
        let (life, power) = (self.nodes[by].life, self.nodes[by].power);
        let took = Duration::from_millis(self.random.of(&[5, 100, 2_000]));
        self.at(took, Due::Reset(Request { by, life, power }));
    }

    pub(crate) fn reset(&mut self, request: Request) {
        let Request { by, life, power } = request;
        if self.nodes[by].power != power {
            return;
        }
        if let Some(until) = self.nodes[by].paused_until {
            return self.at(until.saturating_sub(self.now), Due::Reset(request));
        }
        let done = self.now >= RAIN || !self.random.percent(30);
        if done {
            self.switch_off_and_on(1 - by);
        }
        if self.nodes[by].life == life {
            self.event(by, Event::Fenced { node: NAMES[1 - by].to_owned(), done });
        }
    }

    fn switch_off_and_on(&mut self, node: usize) {
        self.trace(|| format!("{} is reset", NAMES[node]));
        self.power_off(node);
        self.nodes[node].paused_until = None;
        let after = Duration::from_millis(self.random.of(&[50, 500, 3_000]));
        let power = self.nodes[node].power;
        self.at(after, Due::On { node, power });
    }

    pub(crate) fn on_again(&mut self, node: usize, power: u64) {
        let machine = &mut self.nodes[node];
        if machine.power == power && !machine.powered {
            machine.powered = true;
            if machine.enabled {
                let life = machine.life;
                self.at(Duration::from_millis(10), Due::Boot { node, life });
            }
        }
    }
}
