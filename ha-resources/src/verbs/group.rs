//! Taking, giving and announcing groups.

use super::{FAILED, Run, find, guard};
use crate::agents::Done;
use crate::cancel;
use crate::event::{Event, GroupResult, GroupVerb, milliseconds};
use crate::haresources::{Group, Haresources, Resource};
use crate::lock;
use crate::order::{self, Action, End, Order, Outcome, Step};
use crate::taken;
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// Between a stop that failed and the next try, as in heartbeat.
const PAUSE: Duration = Duration::from_secs(1);

/// Which resources of a group are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Every one; a script knows best what that means when it does not run.
    All,
    /// Those that say they run.
    Running,
}

impl Run {
    /// Takes or gives the group with a key.
    pub(super) async fn one(&mut self, file: &Haresources, key: &str, action: Action) -> u8 {
        match find(file, key) {
            Ok(group) => self.group(group, action, Which::All, &[group]).await,
            Err(message) => {
                error!("{message}");
                eprintln!("error: {message}");
                self.print(key, action, GroupResult::Failed, message, Instant::now());
                FAILED
            }
        }
    }

    /// Takes or gives all groups of a node; one that fails does not keep the others.
    pub(super) async fn node(&mut self, file: &Haresources, node: &str, action: Action, which: Which) -> u8 {
        let mut code = 0;
        let groups = order::groups(file, node, action);
        for group in &groups {
            code = code.max(self.group(group, action, which, &groups).await);
        }
        code
    }

    /// One group of several that are ordered.
    async fn group(&mut self, group: &Group, action: Action, which: Which, all: &[&Group]) -> u8 {
        let started = Instant::now();
        if action == Action::Start {
            cancel::listen();
        }
        let _lock = match lock::acquire(&self.settings.run_dir, group.key(), self.lock_wait) {
            Ok(lock) => lock,
            Err(error) => {
                error!("{}: {error}", group.key());
                self.print(group.key(), action, GroupResult::Failed, error.to_string(), started);
                return FAILED;
            }
        };
        taken::let_go(&self.settings.run_dir, group.key());
        if action == Action::Start {
            taken::remember(&self.settings.run_dir, group);
        }
        let mut order = match action {
            Action::Start => Order::take(group.size(), self.retries),
            _ => Order::give(group.size(), self.retries),
        };
        let mut failure = None;
        let end = loop {
            if cancel::wished() && !std::mem::replace(&mut self.abandoned, true) {
                self.unmark(all);
                self.let_go(all).await;
            }
            let (action, index) = match order.step() {
                Step::Do(action, index) => (action, index),
                Step::Again(index) => {
                    std::thread::sleep(PAUSE);
                    (Action::Stop, index)
                }
                Step::End(end) => break end,
            };
            let Some(resource) = group.resource(index) else { break order_lost(index) };
            let done = match which {
                Which::Running if !self.may_run(resource).await => Done::already("not running here"),
                _ if action == Action::Start && self.must_not_start() => {
                    Done { outcome: Outcome::Failed, detail: self.why_not().to_owned(), took: Duration::ZERO }
                }
                _ => self.agents.change(resource, action).await,
            };
            self.printer.print(&Event::resource(group.key(), &resource.text, action, &done));
            order.finish(done.outcome);
            let line =
                format!("{} {}", if action == Action::Start { "start" } else { "stop" }, resource.text);
            match (done.outcome, done.detail) {
                (Outcome::Done, detail) => info!("{line}: done{}", because(&detail)),
                (Outcome::Already, detail) => info!("{line}: nothing to do{}", because(&detail)),
                (Outcome::Failed | Outcome::TimedOut, detail) => {
                    error!("{line}: FAILED{}", because(&detail));
                    failure.get_or_insert(detail);
                }
            }
        };
        if nothing_left(&end) {
            taken::forget(&self.settings.run_dir, group);
        }
        if matches!(end, End::Held) {
            taken::hold(&self.settings.run_dir, group.key());
        }
        let (result, detail) = outcome(group, &end, failure.unwrap_or_default());
        if result == GroupResult::Failed {
            error!("group {}: {detail}", group.key());
        }
        self.print(group.key(), action, result, detail, started);
        u8::from(result == GroupResult::Failed)
    }

    /// Nothing of these groups is put back from now on.
    pub(super) fn unmark(&self, groups: &[&Group]) {
        groups.iter().for_each(|group| taken::let_go(&self.settings.run_dir, group.key()));
    }

    /// Every address of some groups, at once and whatever else works on them. The groups are given afterwards.
    pub(super) async fn let_go(&mut self, groups: &[&Group]) {
        let all = || groups.iter().flat_map(|group| group.resources());
        // The kernel removes the default route together with the address that it names.
        for resource in all().filter(|resource| resource.is_source()) {
            self.agents.change(resource, Action::Stop).await;
        }
        for resource in all() {
            if resource.address().is_some() {
                let done = self.agents.change(resource, Action::Stop).await;
                warn!("removed before anything else: {}{}", resource.text, because(&done.detail));
            }
        }
    }

    /// Whether the guard releases, or has released, what this run would start, or nobody wants it any more.
    fn must_not_start(&mut self) -> bool {
        self.abandoned = self.abandoned || guard::releasing(&self.settings.run_dir);
        self.abandoned
    }

    /// Why nothing is started any more.
    fn why_not(&self) -> &'static str {
        match cancel::wished() {
            true => "it is no longer wanted here",
            false => "everything on this node is being released",
        }
    }

    /// Whether a resource says that it runs; one that cannot be asked may.
    async fn may_run(&mut self, resource: &Resource) -> bool {
        let (running, asked) = self.agents.status(resource).await;
        running || asked.outcome != Outcome::Done || self.agents.rests_otherwise(resource)
    }

    /// Announces the addresses of a node's groups that are here.
    pub(super) async fn announce(&mut self, file: &Haresources, node: &str) -> u8 {
        let mut code = 0;
        for group in file.of_node(node) {
            let started = Instant::now();
            let (mut here, mut addresses, mut problems) = (0, 0, Vec::new());
            for resource in group.resources() {
                match self.agents.announce(resource).await {
                    None => continue,
                    Some(Ok(held)) => here += usize::from(held),
                    Some(Err(why)) => problems.push(why),
                }
                addresses += 1;
            }
            let (result, detail) = match (here, addresses) {
                _ if !problems.is_empty() => (GroupResult::Failed, problems.join("; ")),
                (_, 0) => (GroupResult::Released, "the group has no address".to_owned()),
                (0, _) => (GroupResult::Released, "no address of the group is here".to_owned()),
                (here, all) if here == all => (GroupResult::Held, format!("{here} announced")),
                (here, all) => (GroupResult::Failed, format!("only {here} of {all} addresses are here")),
            };
            if result == GroupResult::Failed {
                warn!("group {}: {detail}", group.key());
                code = FAILED;
            }
            let ms = milliseconds(started.elapsed());
            let (group, action) = (group.key().to_owned(), GroupVerb::Announce);
            self.printer.print(&Event::Group { group, action, result, detail, ms });
        }
        code
    }

    fn print(&self, key: &str, action: Action, result: GroupResult, detail: String, started: Instant) {
        let action = if action == Action::Start { GroupVerb::Take } else { GroupVerb::Give };
        let ms = milliseconds(started.elapsed());
        self.printer.print(&Event::Group { group: key.to_owned(), action, result, detail, ms });
    }
}

fn because(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

/// Unreachable by construction; a group that is not known to be held is not held.
fn order_lost(index: usize) -> End {
    End::StillHeld { stuck: vec![index] }
}

fn nothing_left(end: &End) -> bool {
    match end {
        End::Released => true,
        End::StartFailed { stuck, .. } => stuck.is_empty(),
        End::Held | End::StillHeld { .. } => false,
    }
}

/// What became of the group, in words. `failure`: what the first failed resource said.
fn outcome(group: &Group, end: &End, failure: String) -> (GroupResult, String) {
    let name = |index: usize| group.resource(index).map_or("?", |resource| &resource.text);
    let names = |stuck: &[usize]| stuck.iter().map(|index| name(*index)).collect::<Vec<_>>().join(", ");
    match end {
        End::Held => (GroupResult::Held, String::new()),
        End::Released => (GroupResult::Released, String::new()),
        End::StartFailed { start, stuck } if stuck.is_empty() => (
            GroupResult::Failed,
            format!("{} did not start ({failure}); the group is released", name(*start)),
        ),
        End::StartFailed { start, stuck } => (
            GroupResult::Failed,
            format!(
                "{} did not start ({failure}); the group is not released: {} did not stop",
                name(*start),
                names(stuck)
            ),
        ),
        End::StillHeld { stuck } => {
            (GroupResult::Failed, format!("{} did not stop ({failure})", names(stuck)))
        }
    }
}
