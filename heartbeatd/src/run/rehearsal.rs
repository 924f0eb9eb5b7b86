//! What a beat, a take-over and a planned move will run, run once beforehand with a pair that exists only here.
//!
//! Memory is locked as it is touched, so that a daemon does not keep megabytes of programs that it never runs. What the
//! beat thread needs must therefore have been touched before it is needed: a page that has to be read when the other
//! node has died may be on a disk that does not answer.

use super::orders::Packets;
use crate::cluster::{Action, Cluster, Event, JobId, JobKind, JobOutcome, Set, Settings, Time};
use crate::wire;
use std::collections::VecDeque;
use std::time::Duration;

const KEEPALIVE: Duration = Duration::from_millis(100);
const DEADTIME: Duration = Duration::from_secs(1);
/// A core that never came to rest would be a bug; it must not keep the daemon from starting.
const STEPS: usize = 2_000;

/// Plays a start, a move, the death of the other node and its return. Call it on the thread that will do it in earnest:
/// its stack is touched, too. Answers the jobs that it came to, in order, and whose they were.
pub(super) fn rehearse(settings: &Settings, packets: &Packets) -> Vec<(usize, JobKind)> {
    let Some(other) = settings.nodes.iter().find(|node| **node != settings.me) else { return Vec::new() };
    let settings = Settings {
        keepalive: KEEPALIVE,
        deadtime: DEADTIME,
        initdead: DEADTIME,
        generation: 1,
        peer_generation: 0,
        fencing: false, // nobody is shot here
        ..settings.clone()
    };
    let theirs = Settings { me: other.clone(), uuid: [1; 16], ..settings.clone() };
    let mut stage =
        Stage { packets, now: Duration::from_secs(1), actors: Vec::new(), steps: STEPS, jobs: Vec::new() };
    for settings in [settings, theirs.clone()] {
        let cluster = Cluster::new(settings, stage.time());
        stage.actors.push(Actor { cluster, inbox: VecDeque::new() });
    }
    stage.play(DEADTIME * 2);
    for me in 0..stage.actors.len() {
        stage.tell(me, Event::Standby(Set::ALL));
        stage.play(DEADTIME);
    }
    stage.actors.truncate(1);
    stage.play(DEADTIME * 2);
    let theirs = Settings { generation: theirs.generation + 1, ..theirs };
    let cluster = Cluster::new(theirs, stage.time());
    stage.actors.push(Actor { cluster, inbox: VecDeque::new() });
    stage.play(DEADTIME * 2);
    stage.jobs
}

struct Actor {
    cluster: Cluster,
    inbox: VecDeque<Event>,
}

struct Stage<'a> {
    packets: &'a Packets,
    now: Duration,
    /// This node, and the other one while it lives.
    actors: Vec<Actor>,
    steps: usize,
    jobs: Vec<(usize, JobKind)>,
}

impl Stage<'_> {
    fn time(&self) -> Time {
        Time { mono: self.now, epoch: 1 }
    }

    /// Lets so much time pass.
    fn play(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end && self.steps > 0 {
            self.steps -= 1;
            for me in 0..self.actors.len() {
                self.perform(me);
            }
            let next =
                (0..self.actors.len()).find_map(|me| Some((me, self.actors.get_mut(me)?.inbox.pop_front()?)));
            match next {
                Some((me, event)) => self.tell(me, event),
                None => {
                    let first = self.actors.iter().map(|actor| actor.cluster.next_deadline()).min();
                    self.now = first.unwrap_or(end).clamp(self.now + Duration::from_millis(1), end);
                    (0..self.actors.len()).for_each(|me| self.tell(me, Event::Timer));
                }
            }
        }
        self.actors.iter().for_each(|actor| drop(actor.cluster.snapshot()));
    }

    fn tell(&mut self, me: usize, event: Event) {
        let time = self.time();
        if let Some(actor) = self.actors.get_mut(me) {
            actor.cluster.handle(event, time);
        }
    }

    fn perform(&mut self, me: usize) {
        while let Some(action) = self.actors.get_mut(me).and_then(|actor| actor.cluster.poll_action()) {
            match action {
                Action::Send(message) => {
                    let packet = wire::encode(&message, &self.packets.keys, self.packets.inner_auth);
                    let arrived = wire::decode(&packet, &self.packets.keys);
                    let other = self.actors.get_mut(1 - me.min(1));
                    if let (Ok(message), Some(other)) = (arrived, other) {
                        other.inbox.push_back(Event::Received { link: 0, message });
                    }
                }
                Action::Start(job) => {
                    self.jobs.push((me, job.kind));
                    self.done(me, job.id);
                }
                Action::Notice(notice) => drop(notice.to_string()),
                _ => {}
            }
        }
    }

    fn done(&mut self, me: usize, id: JobId) {
        if let Some(actor) = self.actors.get_mut(me) {
            actor
                .inbox
                .push_back(Event::JobDone { id, outcome: JobOutcome { done: 1, failed: 0, began: true } });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{ConfigHash, Failback};
    use crate::wire::{Key, Keys, Method};

    #[test]
    fn a_move_there_and_back_a_death_and_a_return_are_played() {
        let second = Duration::from_secs(1);
        for auto_failback in [Failback::On, Failback::Off, Failback::Legacy] {
            let settings = Settings {
                me: "beta".to_owned(),
                nodes: vec!["alpha".to_owned(), "beta".to_owned()],
                links: vec!["eth0".to_owned(), "eth1".to_owned()],
                uuid: [9; 16],
                generation: 700,
                peer_generation: 800,
                keepalive: second,
                deadtime: second * 30,
                warntime: second * 10,
                initdead: second * 120,
                auto_failback,
                configuration: ConfigHash::default(),
                group_keys: Vec::new(),
                ipfail: false,
                fencing: true,
                fence_stuck: false,
                rexmit_delay: second,
                ttl: 3,
                seed: 5,
            };
            let key = Key::new(Method::Sha1, "a-key-for-the-test").unwrap();
            let packets = Packets { keys: Keys::single(1, key).unwrap(), inner_auth: false, log_bad: true };
            let jobs = rehearse(&settings, &packets);
            let mut played = jobs.iter();
            let mut follows = |job| assert!(played.any(|next| *next == job), "{auto_failback:?}: {jobs:?}");
            // given and taken, and back
            follows((0, JobKind::Give));
            follows((1, JobKind::Take));
            follows((1, JobKind::Give));
            follows((0, JobKind::Take));
            // the other one has died, and returns
            follows((1, JobKind::Clear));
        }
    }
}
