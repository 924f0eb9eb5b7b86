//! `watch`: keeps an eye on the addresses of this machine for as long as the daemon runs.
//!
//! ```text
//!  heartbeatd ──"beat SENT LIMIT", "free NODE NODE"──► standard input (sequenced packets; its end is the end)
//!             ◄──{"event":"address",…}── standard output
//!  kernel ──addresses and interfaces come and go──►  judge (pure)  ──► put back, remove, announce
//!  other machines ──ARP, neighbour discovery──►  conflict (pure)  ──► tell, announce
//! ```
//!
//! What is held here is what the notes of the runs say that took and gave it ([`crate::taken`]). Nothing is put back or
//! announced without a beat of the daemon within its limit: a machine that stood still has lost its groups. A run that
//! lets go of an address first takes its mark away; after putting one back the mark is looked at again. So whoever of the
//! two is later, the address goes.

mod report;

use super::Run;
use super::guard::{Said, now, releasing, said};
use crate::agents::address;
use crate::agents::announce::Announcer;
use crate::agents::neighbours::Neighbours;
use crate::agents::netlink::{Changes, Held, Kernel, Link};
use crate::args::variable;
use crate::haresources::{self, Group};
use crate::order::Outcome;
use crate::watch::conflict::Conflicts;
use crate::watch::judge::{Judge, Verdict, Watched, Whose};
use crate::{lock, sys, taken};
use rustix::net::RecvFlags;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tracing::{error, warn};

/// The program's name for it.
pub const COMMAND: &str = "watch";

/// After the first news from the kernel: what a run does takes less, and it needs the processor more.
const SETTLING: Duration = Duration::from_millis(50);
/// A group that is being worked on is looked at again.
const BUSY: Duration = Duration::from_millis(250);
/// Without any news, in case the kernel had to drop some.
const LOOK_ANYWAY: Duration = Duration::from_secs(30);
/// How often addresses are announced that nothing has happened to, unless HA_ANNOUNCE_REFRESH says otherwise.
const REFRESH: Duration = Duration::from_secs(60);

/// Who had an address before lets go of it, and those who were told of the new holder have heard it.
const LET_GO: Duration = Duration::from_secs(2);

/// What this process knows.
struct Watch<'a> {
    run: &'a Run,
    kernel: Kernel,
    announcer: Announcer,
    judge: Judge,
    conflicts: Conflicts,
    /// The last beat, and how long after it this node may still be sure of itself.
    beat: Option<(Duration, Duration)>,
    /// Nodes of whose groups nothing may run here, as the daemon says.
    free: Vec<String>,
    watched: Vec<Watched>,
    links: Vec<Link>,
    look_at: Option<Duration>,
    refresh: Option<Duration>,
    refresh_at: Duration,
    /// Addresses that are held here, and for which the neighbours have been asked since they are.
    asked: BTreeSet<IpAddr>,
    /// When they are asked for the others.
    ask_at: Option<Duration>,
}

impl Run {
    /// Watches until the daemon has ended.
    pub(super) async fn watch(&mut self) -> u8 {
        let _ = rustix::process::setsid();
        let started = now();
        let refresh = refresh_interval();
        let mut watch = Watch {
            run: self,
            kernel: Kernel::new(),
            announcer: Announcer::default(),
            judge: Judge::default(),
            conflicts: Conflicts::default(),
            beat: None,
            free: Vec::new(),
            watched: Vec::new(),
            links: Vec::new(),
            look_at: Some(started),
            refresh,
            refresh_at: started + refresh.unwrap_or_default(),
            asked: BTreeSet::new(),
            ask_at: None,
        };
        match watch.run().await {
            Ok(()) => 0,
            Err(error) => {
                error!("the addresses of this machine cannot be watched: {error}");
                super::FAILED
            }
        }
    }
}

impl Watch<'_> {
    async fn run(&mut self) -> std::io::Result<()> {
        let line = sys::readable(rustix::io::dup(rustix::stdio::stdin())?)?;
        let mut changes = Changes::listen()?;
        let mut neighbours = Neighbours::listen().inspect_err(|error| {
            warn!("other machines that claim addresses held here will not be noticed: {error}");
        });
        loop {
            let pause = self.deadline().map_or(LOOK_ANYWAY, |at| at.saturating_sub(now()));
            tokio::select! {
                ready = line.readable() => {
                    let mut ready = ready?;
                    if !self.listen(line.get_ref()) {
                        return Ok(());
                    }
                    ready.clear_ready();
                }
                true = changes.next() => self.look_soon(SETTLING),
                claims = heard(&mut neighbours) => match claims {
                    Ok(claims) => self.claimed(&claims).await,
                    Err(error) => {
                        warn!("other machines that claim addresses held here are not noticed any more: {error}");
                        neighbours = Err(error);
                    }
                },
                () = tokio::time::sleep(pause) => {}
            }
            if self.is_sure() {
                self.act().await;
            }
        }
    }

    /// What the daemon says; false at its end.
    fn listen(&mut self, line: &OwnedFd) -> bool {
        let mut buffer = [0; 1024];
        loop {
            match rustix::net::recv(line, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => return false,
                Ok((length, _)) => match said(buffer.get(..length).unwrap_or_default()) {
                    Some(Said::Bye) => return false,
                    Some(Said::Beat { sent, limit }) => {
                        self.beat = Some((sent, limit));
                        taken::beaten(&self.run.settings.run_dir, sent);
                    }
                    Some(Said::Free(nodes)) => {
                        self.free = nodes;
                        self.look_soon(SETTLING);
                    }
                    None => {}
                },
                Err(rustix::io::Errno::AGAIN) => return true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// Whether the daemon has beaten lately, and nothing is being released: otherwise nothing here is sure.
    fn is_sure(&self) -> bool {
        let beaten = self.beat.is_some_and(|(sent, limit)| now() < sent + limit);
        beaten && !releasing(&self.run.settings.run_dir)
    }

    fn look_soon(&mut self, after: Duration) {
        let at = now() + after;
        self.look_at = Some(self.look_at.map_or(at, |before| before.min(at)));
    }

    fn deadline(&self) -> Option<Duration> {
        if self.beat.is_none_or(|(sent, limit)| now() >= sent + limit) {
            return None; // the next beat is heard
        }
        let refresh = self.refresh.map(|_| self.refresh_at);
        [self.look_at, self.judge.deadline(), refresh, self.ask_at].into_iter().flatten().min()
    }

    /// Everything that is due.
    async fn act(&mut self) {
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= now());
        if due(self.look_at) || due(self.judge.deadline()) {
            self.look_at = Some(now() + LOOK_ANYWAY);
            if let Err(error) = self.look().await {
                warn!("cannot look at the addresses of this machine: {error}");
            }
        }
        if due(self.ask_at) {
            self.ask_at = None;
            if let Err(error) = self.ask_neighbours().await {
                warn!("other machines cannot be asked for addresses held here: {error}");
            }
        }
        if let Some(interval) = self.refresh.filter(|_| self.refresh_at <= now()) {
            self.refresh_at = now() + interval;
            self.announce_all().await;
        }
    }

    async fn look(&mut self) -> std::io::Result<()> {
        self.watched = self.groups();
        self.kernel.forget();
        self.links = self.kernel.links().await?;
        let here: Vec<Held> = self.kernel.addresses().await?.to_vec();
        let verdicts = self.judge.look(now(), &self.watched, &here, &self.links);
        for verdict in verdicts {
            self.obey(&verdict).await;
        }
        let held: BTreeSet<IpAddr> = self.held().map(|one| one.address.ip).collect();
        self.asked.retain(|ip| held.contains(ip));
        if held.len() > self.asked.len() {
            self.ask_at = self.ask_at.or_else(|| Some(now() + LET_GO));
        }
        Ok(())
    }

    fn held(&self) -> impl Iterator<Item = &Watched> {
        self.watched.iter().filter(|one| one.whose == Whose::HeldHere)
    }

    /// Whether another machine has, too, what has come here lately.
    async fn ask_neighbours(&mut self) -> std::io::Result<()> {
        let new: BTreeSet<IpAddr> =
            self.held().map(|one| one.address.ip).filter(|ip| !self.asked.contains(ip)).collect();
        self.kernel.forget();
        let here = self.kernel.addresses().await?;
        for held in here.iter().filter(|held| new.contains(&held.ip)) {
            let link = self.links.iter().find(|link| link.index == held.interface && !link.loopback);
            if let Some(link) = link {
                let _ = self.announcer.probe(link, held.ip); // down: it is asked again when all are announced
            }
        }
        self.asked.extend(new);
        Ok(())
    }

    /// The addresses of all groups, as they were taken, and as haresources has them.
    fn groups(&self) -> Vec<Watched> {
        let run_dir = &self.run.settings.run_dir;
        let noted = taken::all(run_dir);
        // one that cannot be read is told of by whoever needs it
        let file = haresources::read(&self.run.settings.config_dir.join("haresources"));
        let file = file.map(|(file, _)| file.groups).unwrap_or_default();
        let others = file.into_iter().filter(|group| !noted.iter().any(|known| known.key() == group.key()));
        let whose = |group: &Group| match self.free.contains(&group.node.to_lowercase()) {
            true => Whose::NotHere,
            false => Whose::Undecided,
        };
        let others: Vec<_> = others.map(|group| (whose(&group), group)).collect();
        let noted = noted.into_iter().map(|group| match taken::is_held(run_dir, group.key()) {
            true => (Whose::HeldHere, group),
            false => (Whose::Undecided, group),
        });
        let all = noted.chain(others);
        all.flat_map(|(whose, group)| {
            let addresses = group.resources().filter_map(|resource| resource.address().cloned());
            let addresses: Vec<_> = addresses.collect();
            let key = group.key().to_owned();
            addresses.into_iter().map(move |address| Watched { group: key.clone(), address, whose })
        })
        .collect()
    }

    async fn obey(&mut self, verdict: &Verdict) {
        let (Verdict::PutBack { index, .. }
        | Verdict::CannotBe { index, .. }
        | Verdict::Remove { index }
        | Verdict::NotOurs { index, .. }
        | Verdict::Announce { index }) = verdict;
        let Some(one) = self.watched.get(*index).cloned() else { return };
        match verdict {
            Verdict::PutBack { tries, .. } => self.put_back(&one, *tries).await,
            Verdict::CannotBe { interface, .. } => self.tell_missing(&one, interface),
            Verdict::Remove { .. } => self.remove(&one).await,
            Verdict::NotOurs { interface, .. } => self.tell_foreign(&one, interface),
            Verdict::Announce { .. } => {
                self.announce(&one).await;
                let _ = self.announcer.repeat_in_task();
            }
        }
    }

    async fn put_back(&mut self, one: &Watched, tries: u32) {
        let run_dir = &self.run.settings.run_dir;
        let Ok(_lock) = lock::acquire(run_dir, &one.group, Duration::ZERO) else {
            return self.look_soon(BUSY);
        };
        let held = || taken::is_held(run_dir, &one.group) && self.is_sure();
        if !held() {
            return;
        }
        self.kernel.forget();
        let done = address::start(&mut self.kernel, &mut self.announcer, &one.address).await;
        let held = taken::is_held(run_dir, &one.group) && self.is_sure();
        if !held {
            self.announcer.once();
            let _ = address::stop(&mut self.kernel, &one.address).await; // a run that lets go does the same
            return;
        }
        let _ = self.announcer.repeat_in_task();
        match done {
            Ok((Outcome::Already, _)) => {}
            Ok((_, detail)) => self.tell_repaired(one, &detail, tries),
            Err(failure) => self.tell_unrepaired(one, &failure.to_string()),
        }
    }

    async fn remove(&mut self, one: &Watched) {
        let run_dir = &self.run.settings.run_dir;
        let Ok(_lock) = lock::acquire(run_dir, &one.group, Duration::ZERO) else {
            return self.look_soon(BUSY);
        };
        if taken::is_noted(run_dir, &one.group) {
            return; // it has just been taken
        }
        self.kernel.forget();
        match address::remove_ours(&mut self.kernel, |ip| ip == one.address.ip).await {
            Ok(removed) if removed.is_empty() => {}
            Ok(_) => self.tell_removed(one),
            Err(failure) => self.tell_unrepaired(one, &failure.to_string()),
        }
    }

    async fn announce_all(&mut self) {
        self.kernel.forget();
        for one in self.held().cloned().collect::<Vec<_>>() {
            if taken::is_held(&self.run.settings.run_dir, &one.group) && self.is_sure() {
                self.announce(&one).await;
            }
        }
        self.announcer.once();
    }

    /// The truth again, against somebody who says something else.
    async fn announce_one(&mut self, one: &Watched) {
        self.kernel.forget();
        self.announce(one).await;
        self.announcer.once();
    }

    /// Tells the neighbours, and asks whether another machine has it too.
    async fn announce(&mut self, one: &Watched) {
        match address::announce_again(&mut self.kernel, &mut self.announcer, &one.address).await {
            Ok(Some(link)) => drop(self.announcer.probe(&link, one.address.ip)),
            Ok(None) => self.look_soon(SETTLING),
            Err(failure) => warn!("{} is not announced again: {failure}", one.address.ip),
        }
    }
}

async fn heard(
    neighbours: &mut std::io::Result<Neighbours>,
) -> std::io::Result<Vec<(crate::agents::frame::Claim, u32)>> {
    match neighbours {
        Ok(neighbours) => neighbours.next().await,
        Err(_) => std::future::pending().await,
    }
}

/// `HA_ANNOUNCE_REFRESH`: seconds, 0 for never.
fn refresh_interval() -> Option<Duration> {
    let Some(text) = variable("HA_ANNOUNCE_REFRESH") else { return Some(REFRESH) };
    match text.trim().parse::<f64>() {
        Ok(0.0) => None,
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Some(Duration::from_secs_f64(seconds)),
        _ => {
            warn!(
                "ANNOUNCE_REFRESH={text:?} in ha.cf's env: seconds from 0.1 to 86400, or 0 for never; {} are used",
                REFRESH.as_secs()
            );
            Some(REFRESH)
        }
    }
}
