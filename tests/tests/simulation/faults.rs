//! What goes wrong, and what administrators do.

use crate::daemon::Kind;
use crate::random::Random;
use crate::world::{Due, PING_NODES, World};
use heartbeatd::cluster::{Event, Failback, Set, Settings};
use std::time::Duration;

/// One thing that happens to the cluster. Nodes are 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Power-off: everything of the node is gone.
    PowerOff(usize),
    /// Power-on: the daemon starts.
    PowerOn(usize),
    /// The daemon dies and is started again; addresses stay.
    Restart(usize, Duration),
    /// The whole machine stands still (a paused VM).
    Pause(usize, Duration),
    /// The daemon is stopped and goes on (SIGSTOP, SIGCONT): addresses answer, scripts go on.
    Freeze(usize, Duration),
    /// No link works, in both directions.
    Partition(Duration),
    /// Only what this node sends is lost.
    Deaf { from: usize, time: Duration },
    /// One of two links is cut.
    CutLink(usize, Duration),
    /// So many percent of the datagrams are lost.
    Loss(u64, Duration),
    /// `hb_standby`.
    Standby(usize, Set),
    /// `hb_takeover`.
    Takeover(usize, Set),
    /// Graceful stop of the daemon.
    Stop(usize),
    /// Start of a stopped daemon.
    Start(usize),
    /// Power-off, and on again so soon that the other node may not have noticed.
    PowerCycle(usize, Duration),
    /// A daemon that is started and stopped again before or soon after it has joined.
    BriefVisit(usize, Duration),
    /// What one node sends on one link is lost.
    OneWay { from: usize, link: usize, time: Duration },
    /// The machine's wall clock is set, by so many seconds.
    WallClock(usize, i64),
    /// So many ping nodes answer a machine.
    Pings(usize, usize),
    /// Changed timers or fail-back: one of four configurations.
    Reload(usize, u64),
}

/// Draws the next fault that makes sense: nodes that are off are switched on some time.
pub(crate) fn draw(random: &mut Random, settings: &Settings) -> Fault {
    let (deadtime, links) = (settings.deadtime, settings.links.len());
    let node = random.between(0, 1) as usize;
    let long = |random: &mut Random| deadtime * random.between(1, 60) as u32 / 10;
    let set = |random: &mut Random| random.of(&[Set::ALL, Set::LOCAL, Set::FOREIGN]);
    if settings.ipfail && random.percent(25) {
        return Fault::Pings(node, random.between(0, PING_NODES as u64) as usize);
    }
    match random.between(0, 21) {
        0 | 1 => Fault::PowerOff(node),
        2 | 3 => Fault::PowerOn(node),
        4 => Fault::Restart(node, deadtime * random.between(1, 15) as u32 / 10),
        5 => Fault::Pause(node, long(random)),
        6 => Fault::Partition(long(random)),
        7 => Fault::Deaf { from: node, time: long(random) },
        8 if links > 1 => Fault::CutLink(random.between(0, 1) as usize, long(random)),
        8 | 9 => Fault::Loss(random.between(10, 60), long(random)),
        10 => Fault::Standby(node, set(random)),
        11 => Fault::Takeover(node, set(random)),
        12 => Fault::Stop(node),
        13 => Fault::PowerCycle(node, deadtime * random.between(1, 15) as u32 / 10),
        14 => Fault::BriefVisit(node, deadtime * random.between(0, 30) as u32 / 10),
        15 | 16 => Fault::Reload(node, random.between(0, 3)),
        17 => Fault::OneWay {
            from: node,
            link: random.between(0, links as u64 - 1) as usize,
            time: long(random),
        },
        18 => Fault::WallClock(node, random.of(&[-2_000_000_000, -86_400, -1, 3_600, 40_000_000])),
        19 => Fault::Freeze(node, long(random)),
        20 => Fault::Standby(node, set(random)),
        _ => Fault::Start(node),
    }
}

impl World {
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.trace(|| format!("FAULT {fault:?}"));
        self.checker.fault(self.now, &fault, &self.nodes, &self.first_settings[0]);
        match fault {
            Fault::PowerOff(node) => self.power_off(node),
            Fault::PowerOn(node) => {
                if !self.nodes[node].powered {
                    self.nodes[node].powered = true;
                    self.nodes[node].enabled = true;
                    let life = self.nodes[node].life;
                    self.at(Duration::from_millis(10), Due::Boot { node, life });
                }
            }
            Fault::Restart(node, after) => {
                if self.nodes[node].daemon.take().is_some() {
                    let machine = &mut self.nodes[node];
                    if machine.kind == Kind::Old {
                        machine.stale = machine.runs;
                    }
                    machine.life += 1;
                    let life = self.nodes[node].life;
                    self.at(after, Due::Boot { node, life });
                }
            }
            Fault::Pause(node, time) | Fault::Freeze(node, time) => {
                if self.nodes[node].powered && self.nodes[node].paused_until.is_none() {
                    self.nodes[node].paused_until = Some(self.now + time);
                    self.nodes[node].only_daemon = matches!(fault, Fault::Freeze(..));
                    self.at(time, Due::Wake { node });
                }
            }
            Fault::Partition(time) => {
                if !std::mem::replace(&mut self.partition, true) {
                    self.at(time, Due::EndPartition);
                }
            }
            Fault::Deaf { from, time } => {
                if !std::mem::replace(&mut self.deaf[from], true) {
                    self.at(time, Due::EndDeaf(from));
                }
            }
            Fault::CutLink(link, time) => {
                if !std::mem::replace(&mut self.cut[link], true) {
                    self.at(time, Due::EndCut(link));
                }
            }
            Fault::OneWay { from, link, time } => {
                if !std::mem::replace(&mut self.one_way[from][link], true) {
                    self.at(time, Due::EndOneWay(from, link));
                }
            }
            Fault::Pings(node, count) => self.count_pings(node, count),
            Fault::WallClock(node, seconds) => self.wall[node] = seconds,
            Fault::Loss(percent, time) => {
                if self.loss == self.base_loss {
                    self.loss = percent;
                    self.at(time, Due::EndLoss);
                }
            }
            Fault::Standby(node, set) => self.command(node, Event::Standby(set)),
            Fault::Takeover(node, set) => self.command(node, Event::Takeover(set)),
            Fault::Stop(node) => {
                self.nodes[node].enabled = false;
                self.command(node, Event::Stop);
            }
            Fault::PowerCycle(node, after) => {
                self.power_off(node);
                self.at(after, Due::Fault(Fault::PowerOn(node)));
            }
            Fault::BriefVisit(node, after) => {
                self.fault(Fault::Start(node));
                self.at(after, Due::Fault(Fault::Stop(node)));
            }
            Fault::Reload(node, kind) => {
                let first = self.first_settings[node].clone();
                let (keepalive, deadtime) = (first.keepalive, first.deadtime);
                self.settings[node] = match kind {
                    0 => first,
                    1 => Settings { keepalive: keepalive / 2, ..first },
                    2 => Settings { keepalive: keepalive / 2, deadtime: deadtime / 2, ..first },
                    _ => Settings { auto_failback: Failback::Off, ..first },
                };
                self.command(node, Event::Reload(Box::new(self.settings[node].clone())));
            }
            Fault::Start(node) => {
                self.nodes[node].enabled = true;
                let life = self.nodes[node].life;
                self.at(Duration::ZERO, Due::Boot { node, life });
            }
        }
    }

    pub(crate) fn count_pings(&mut self, node: usize, count: usize) {
        self.pings[node] = count;
        if self.first_settings[node].ipfail {
            self.command(node, Event::Pings(Some(count)));
        }
    }

    fn command(&mut self, node: usize, event: Event) {
        if self.nodes[node].paused_until.is_none() && self.nodes[node].daemon.is_some() {
            self.event(node, event);
        }
    }

    pub(crate) fn power_off(&mut self, node: usize) {
        let machine = &mut self.nodes[node];
        machine.life += 1;
        machine.power += 1;
        (machine.locked, machine.failed_stops) = ([None; 2], [0; 2]);
        machine.powered = false;
        machine.daemon = None;
        machine.kept = None;
        (machine.stale, machine.pretended) = ([false; 2], [false; 2]);
        machine.runs = [false; 2];
        machine.serves = [false; 2];
    }
}
