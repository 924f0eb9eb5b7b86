//! What the beat thread and the children tell the main thread.

use super::Shell;
use crate::cluster::{Event, Job, JobId, NodeState, Severity};
use crate::run::addresses::Pulse;
use crate::run::clock;
use crate::run::jobs::UnderWay;
use crate::run::listing;
use crate::run::orders::Order;
use crate::run::picture::{Picture, Report};
use crate::run::progress::News;
use daemon::notify;
use std::sync::Arc;
use tokio::sync::Notify;

impl Shell {
    pub(super) fn report(&mut self, report: Report) {
        match report {
            Report::Start(job) => self.start(job),
            Report::Cancel(id) => self.cancel(id),
            Report::Fence(node) => self.fencer.begin(&self.plan.stonith, node),
            Report::SaveGeneration(generation) => self.kept.generation(generation),
            // whoever may sign with a checksum could raise it, and mute the other node for ever
            Report::SavePeerGeneration(..) if !self.plan.keys.authenticate() => {}
            Report::SavePeerGeneration(node, generation) => self.kept.peer_generation(node, generation),
            Report::Picture(picture) => self.see(*picture),
            Report::Script(message, own) => {
                let environment = &self.runner.environment;
                self.scripts.run(&message, own, &self.arguments.config_dir, environment);
            }
            Report::Said(severity, text) => self.memory.event(clock::mono(), severity, text),
            Report::Close(media) => drop(tokio::task::spawn_blocking(move || drop(media))),
            Report::Exit => {}
        }
    }

    pub(super) fn see(&mut self, picture: Picture) {
        let cluster = &picture.cluster;
        let before = self.picture.as_ref().map(|before| (before.cluster.phase, before.cluster.wants));
        if before != Some((cluster.phase, cluster.wants)) {
            notify::status(&format!("{}, holds {} resources", cluster.phase, cluster.wants));
        }
        let active = picture.cluster.state == NodeState::Active;
        let began =
            active && self.picture.as_ref().is_none_or(|before| before.cluster.state != NodeState::Active);
        if let (Some(watch), Some(pulse)) = (&self.watch, Pulse::of(&picture, &self.settings)) {
            watch.beat(pulse);
        }
        if picture.cluster.fencing.is_none() {
            self.fencer.not_needed();
        }
        self.picture = Some(picture);
        self.look();
        if began {
            self.run_programs();
        }
    }

    /// Remembers where the groups are.
    pub(super) fn look(&mut self) {
        if let Some(picture) = &self.picture {
            let managed = !self.arguments.no_resources;
            let groups = listing::listed(&self.haresources.borrow().groups, &self.taken.borrow());
            self.memory.look(clock::mono(), &self.plan.node, managed, picture, &groups);
        }
    }

    fn start(&mut self, job: Job) {
        let (id, cancel) = (job.id, Arc::new(Notify::new()));
        let task = tokio::spawn(self.runner.clone().run(job, Arc::clone(&cancel)));
        self.running.insert(id, UnderWay { task, cancel });
        self.scripts.moving(true);
    }

    fn cancel(&self, id: JobId) {
        if let Some(under_way) = self.running.get(&id) {
            under_way.cancel.notify_one();
        }
    }

    pub(super) async fn take_news(&mut self, news: News) {
        match news {
            News::Progress(progress) => {
                let now = clock::mono();
                self.memory.progress(now, &progress);
                self.look();
                if let Some((failed, text)) = progress.sentence() {
                    let severity = if failed { Severity::Error } else { Severity::Info };
                    match failed {
                        true => tracing::error!("{text}"),
                        false => tracing::info!("{text}"),
                    }
                    self.memory.event(now, severity, text);
                }
            }
            News::Done(job, outcome) => {
                self.running.remove(&job.id);
                self.scripts.moving(!self.running.is_empty());
                self.give(Order::Event(Event::JobDone { id: job.id, outcome })).await;
                if self.running.is_empty() {
                    self.runner.refill();
                }
            }
            News::Fenced { number, node, result } => {
                if self.fencer.ended(number, &result) {
                    self.give(Order::Event(Event::Fenced { node, done: result.is_ok() })).await;
                }
            }
            News::Said(severity, text) => self.memory.event(clock::mono(), severity, text),
        }
    }
}
