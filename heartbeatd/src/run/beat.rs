//! The beat thread: it owns the core and the sockets, and does nothing that could take time.
//!
//! ```text
//!  media ──packets──► decode ─► core ─► encode ──packets──► media
//!  orders (bounded, with an eventfd to wake) ──►  │  ──► reports (bounded, try_send)
//! ```
//!
//! It never waits for anything but packets, orders and its next deadline. A report that the rest of the program must
//! not miss waits until there is room; others are dropped and counted.

mod sockets;

use self::sockets::Readable;
use super::clock;
use super::guard::{self, Line};
use super::lateness::{self, Lateness, Scheduling};
use super::orders::{self, Incoming, Moving, Order, Orders, Packets};
use super::picture::{Counters, Picture, Report};
use super::pinging::{self, PingPlan, Pinging};
use super::refusals::Refusals;
use super::rehearsal;
use super::reporter::{self, Reporter};
use super::scripts;
use super::slot::Slot;
use super::watchdog::Watchdog;
use crate::cluster::{Action, Cluster, Event, Notice, Settings, Severity, Time};
use crate::media::{Medium, PingChange};
use crate::wire::Message;
use std::time::Duration;
use std::{io, thread};
use tokio::sync::mpsc;

/// The longest pause while somebody floods a medium.
const FLOOD_PAUSE: Duration = Duration::from_millis(2);
/// The most UDP carries.
const LARGEST_PACKET: usize = 65_536;
/// Pictures are at least this far apart.
const PICTURE_INTERVAL: Duration = Duration::from_millis(50);
/// The stack is locked in memory, so it is small.
const STACK: usize = 512 * 1024;
/// Being late by less is never worth a line.
const LATE: Duration = Duration::from_millis(20);
const LATE_INTERVAL: Duration = Duration::from_secs(60);

/// What the thread starts with.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) settings: Settings,
    pub(super) slots: Vec<Slot>,
    pub(super) pings: PingPlan,
    pub(super) packets: Packets,
    /// SCHED_RR with this priority.
    pub(super) realtime: Option<u8>,
    pub(super) reports: mpsc::Sender<Report>,
}

/// Starts the thread.
pub(super) fn start(start: Start) -> io::Result<(Orders, thread::JoinHandle<()>)> {
    let (orders, incoming) = orders::channel()?;
    let thread = thread::Builder::new().name("beat".into()).stack_size(STACK).spawn(move || {
        let scheduling = start.realtime.map(lateness::prefer).unwrap_or_default();
        if start.realtime.is_some() {
            drop(rehearsal::rehearse(&start.settings, &start.packets));
        }
        Beat::new(start, incoming, scheduling).run();
    })?;
    Ok((orders, thread))
}

struct Beat {
    cluster: Cluster,
    slots: Vec<Slot>,
    pinging: Pinging,
    packets: Packets,
    guard: Option<Line>,
    watchdog: Option<Watchdog>,
    /// [`guard::limit`] of the timers in use.
    silence: Duration,
    orders: Incoming,
    reports: Reporter,
    counters: Counters,
    /// Own beats sent.
    beats: u64,
    lateness: Lateness,
    scheduling: Scheduling,
    refusals: Refusals,
    buffer: Vec<u8>,
    keepalive: Duration,
    me: String,
    /// The last message sent for the first time, by generation and sequence number: an older one is sent again.
    newest: (u64, u64),
    pictured: Duration,
    dirty: bool,
    late_said: Duration,
    finished: bool,
}

impl Beat {
    fn new(start: Start, orders: Incoming, scheduling: Scheduling) -> Beat {
        let keepalive = start.settings.keepalive;
        let me = start.settings.me.clone();
        let silence = guard::limit(&start.settings);
        let now = clock::now();
        Beat {
            cluster: Cluster::new(start.settings, now),
            slots: start.slots,
            pinging: Pinging::new(start.pings),
            packets: start.packets,
            guard: None,
            watchdog: None,
            silence,
            orders,
            reports: Reporter::new(start.reports),
            counters: Counters::default(),
            beats: 0,
            lateness: Lateness::default(),
            scheduling,
            refusals: Refusals::default(),
            // any number but 0, of which the kernel has pages that are not yet there
            buffer: vec![0xff; LARGEST_PACKET],
            keepalive,
            me,
            newest: (0, 0),
            pictured: Duration::ZERO,
            dirty: true,
            late_said: Duration::ZERO,
            finished: false,
        }
    }

    fn run(mut self) {
        self.perform();
        while !self.finished {
            self.reports.deliver();
            self.picture(clock::mono());
            let deadline = self.cluster.next_deadline();
            let deadline = self.pinging.next_deadline().map_or(deadline, |pings| pings.min(deadline));
            let readable = self.wait(deadline);
            self.measure(deadline);
            self.turn(&readable);
        }
        // the guard goes on trying to stop what could not be stopped
        if let Some(guard) = self.guard.as_ref().filter(|_| !self.cluster.snapshot().is_stuck()) {
            guard.bye();
        }
        self.pictured = Duration::ZERO;
        self.dirty = true;
        self.picture(clock::mono());
        self.reports.end();
    }

    /// How late this thread is; it says so, because a late beat is what the other node takes for death.
    fn measure(&mut self, deadline: Duration) {
        let now = clock::mono();
        let late = now.saturating_sub(deadline);
        self.counters.latest = self.counters.latest.max(late);
        if late >= LATE.max(self.keepalive / 2) && now >= self.late_said + LATE_INTERVAL {
            self.late_said = now;
            let text = format!(
                "this node's beat was {} ms late: it was overloaded, paused or suspended",
                late.as_millis()
            );
            self.reports.log(Severity::Warning, text);
        }
    }

    /// Packets come before timers: what arrived while this process did not run may say that the peer is alive.
    fn turn(&mut self, readable: &[Readable]) {
        let (mut arrived, begun) = (Vec::new(), clock::mono());
        let mut flooded = false;
        for &readable in readable {
            match readable {
                Readable::Medium(number) => flooded |= self.receive(number, &mut arrived),
                Readable::Pings { v6 } => {
                    let now = clock::mono();
                    let changes = self.pinging.receive(v6, &mut self.buffer, &self.packets, now);
                    self.pings_changed(&changes);
                }
            }
        }
        // Those of others first: our own, from a broadcast, say nothing about the peer.
        arrived.sort_by_key(|(_, message): &(usize, Message)| message.text("src") == Some(self.me.as_str()));
        for (link, message) in arrived {
            self.handle(Event::Received { link, message });
        }
        self.take_orders();
        if self.now().mono >= self.cluster.next_deadline() {
            self.handle(Event::Timer);
            self.dirty = true;
        }
        self.perform();
        // after the timers: a request that was due shows whether this program had slept
        let silent = self.pinging.expire(clock::mono());
        self.pings_changed(&silent);
        if let Some(count) = self.pinging.news_of_count() {
            self.handle(Event::Pings(count));
        }
        self.say_refusals();
        if flooded {
            // At real-time priority this thread would keep everything else from running: half of one processor is
            // all that a flood gets.
            thread::sleep(clock::mono().saturating_sub(begun).min(FLOOD_PAUSE));
        }
    }

    fn take_orders(&mut self) {
        for order in self.orders.take() {
            match order {
                Order::Event(Event::Reload(settings)) => self.reload(settings),
                Order::Event(event) => self.handle(event),
                Order::Move(event, answer) => {
                    // what is due by now comes first: the answer is about the moment of the request
                    self.handle(Event::Timer);
                    let refusal = match event {
                        Event::Takeover(set) => self.cluster.takeover_refusal(set),
                        _ => self.cluster.standby_refusal(),
                    };
                    // of a node at rest, as one that may stand by is
                    let here = self.cluster.wants().with(self.cluster.may_run());
                    let shares = || self.cluster.snapshot().shares.into_iter();
                    let failed = || shares().any(|share| share.failed || share.partly);
                    let moving = match (refusal, &event) {
                        // whatever failed is tried again
                        (_, Event::Takeover(set)) if set.without(here).is_empty() && !failed() => {
                            Moving::AlreadyHere
                        }
                        (Some(why), _) => Moving::Refused(why),
                        (None, Event::Standby(set)) if set.both(here).is_empty() => Moving::NothingHere,
                        (None, _) => Moving::Begun,
                    };
                    if matches!(moving, Moving::Begun | Moving::NothingHere) {
                        self.handle(event);
                    }
                    let _ = answer.send(moving); // nobody waits any more
                }
                Order::Media(number, change) => {
                    let old = self.slots.get_mut(number).and_then(|slot| slot.change(change));
                    self.dirty = true;
                    self.close(old);
                }
                Order::Replace(slots, settings) => {
                    let old = std::mem::replace(&mut self.slots, slots);
                    self.close(old.into_iter().filter_map(|slot| slot.medium));
                    if let Some(settings) = settings {
                        self.reload(settings);
                    }
                }
                Order::Pings(plan) => {
                    self.pinging.replace(*plan);
                    self.dirty = true;
                }
                Order::PingName(name) => self.pinging.resolved(&name),
                Order::Packets(packets) => self.packets = *packets,
                Order::Guard(line) => self.guard = Some(line),
                Order::Watchdog(watchdog) => self.watchdog = watchdog,
            }
        }
    }

    fn reload(&mut self, settings: Box<Settings>) {
        self.keepalive = settings.keepalive;
        self.silence = guard::limit(&settings);
        self.handle(Event::Reload(settings));
    }

    /// Closing the socket of a multicast group waits for whoever changes interfaces, so others do it.
    fn close(&mut self, media: impl IntoIterator<Item = Medium>) {
        self.dirty = true;
        let media: Vec<Medium> = media.into_iter().collect();
        if !media.is_empty() {
            self.reports.must_tell(Report::Close(media));
        }
    }

    fn now(&self) -> Time {
        clock::now()
    }

    fn handle(&mut self, event: Event) {
        let (now, due, before) = (self.now(), self.cluster.next_deadline(), self.beats);
        self.cluster.handle(event, now);
        self.perform();
        if self.beats > before && now.mono >= due {
            let now = clock::mono();
            self.lateness.record(due, now);
            self.counters.latest = self.counters.latest.max(now.saturating_sub(due));
        }
        self.dirty = true;
    }

    fn perform(&mut self) {
        while let Some(action) = self.cluster.poll_action() {
            match action {
                Action::Send(message) => self.send(&message),
                Action::Start(job) => self.reports.must_tell(Report::Start(job)),
                Action::Cancel(id) => self.reports.must_tell(Report::Cancel(id)),
                Action::Fence { node } => self.reports.must_tell(Report::Fence(node)),
                Action::SavePeerGeneration { node, generation } => {
                    self.reports.must_tell(Report::SavePeerGeneration(node, generation));
                }
                Action::SaveGeneration(generation) => {
                    self.reports.must_tell(Report::SaveGeneration(generation))
                }
                Action::Notice(notice) => self.say(&notice),
                Action::Script(message) => self.run_script(message),
                Action::Exit => self.finished = true,
            }
        }
    }

    fn say(&mut self, notice: &Notice) {
        if let Notice::LostMessages { count, .. } = notice {
            self.counters.lost = self.counters.lost.saturating_add(*count);
        }
        match notice {
            // what is repeated is for the log: it would push out of the status what happened before
            Notice::NotHeard { again: true, .. } => {
                reporter::write_line(notice.severity(), &notice.to_string())
            }
            _ => self.reports.log(notice.severity(), notice.to_string()),
        }
    }

    fn run_script(&mut self, message: Message) {
        if scripts::is_too_large(&message) {
            let kind = message.kind().escape_debug();
            let text = format!("a message of type \"{kind}\" is too large for a script of rc.d: none is run");
            return self.reports.log(Severity::Warning, text);
        }
        let own = self.cluster.my_state();
        self.reports.tell(Report::Script(message, own));
    }

    fn pings_changed(&mut self, changes: &[PingChange]) {
        for (severity, text) in changes.iter().flat_map(pinging::sentences) {
            self.reports.log(severity, text);
        }
        for change in changes {
            self.run_script(pinging::status(change, self.now().epoch));
        }
        self.dirty |= !changes.is_empty();
    }

    fn picture(&mut self, now: Duration) {
        if !self.dirty || now < self.pictured + PICTURE_INTERVAL {
            return;
        }
        self.pictured = now;
        let media = self.slots.iter().map(|slot| (slot.link, slot.state())).collect();
        let mut counters = self.counters.clone();
        counters.refused.clone_from(self.refusals.counts());
        counters.reports_dropped = self.reports.dropped();
        let (beats, scheduling) = (self.lateness.samples(), self.scheduling);
        let picture = Picture {
            at: now,
            cluster: self.cluster.snapshot(),
            media,
            pings: self.pinging.view(now),
            counters,
            beats,
            scheduling,
        };
        // One that finds no room is taken again.
        self.dirty = !self.reports.try_tell(Report::Picture(Box::new(picture)));
    }
}
