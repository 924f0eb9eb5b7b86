//! The beat thread: it owns the core and the sockets, and does nothing that could take time.
//!
//! ```text
//!  media ──packets──► decode ─► core ─► encode ──packets──► media
//!  orders (bounded, with an eventfd to wake) ──►  │  ──► reports (bounded, try_send)
//! ```
//!
//! It never waits for anything but packets, orders and its next deadline. A report that the rest of the program must
//! not miss waits here until there is room; others are dropped and counted.

use super::clock;
use super::guard::{self, Line};
use super::picture::{Counters, Picture, Report};
use super::pinging::{self, PingPlan, Pinging, Resolved};
use super::refusals::{self, Refusals};
use super::slot::Slot;
use crate::cluster::{Action, Cluster, Event, Notice, Settings, Severity, Time};
use crate::media::{Change, Medium, PingChange};
use crate::sys;
use crate::wire::{self, Keys, Message};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Duration;
use std::{io, thread};
use tokio::sync::{mpsc, oneshot};

/// Orders on their way to the thread.
const ORDERS: usize = 64;
/// Packets taken from one medium before the timers are looked at again, and the time they may cost.
const PACKETS_PER_TURN: usize = 64;
const TIME_PER_TURN: Duration = Duration::from_millis(1);
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

/// What the rest of the program tells the thread.
#[derive(Debug)]
pub(super) enum Order {
    /// An event for the core.
    Event(Event),
    /// An event that moves resources, and who wants to know at once why it would be refused (`None`: it was not).
    Move(Event, oneshot::Sender<Option<&'static str>>),
    /// A medium was opened or lost.
    Media(usize, Change),
    /// Other media on the same links.
    Replace(Vec<Slot>),
    /// Other ping nodes.
    Pings(Box<PingPlan>),
    /// A ping node's name has this address.
    PingName(Resolved),
    /// Another way to sign packets and to read them.
    Packets(Box<Packets>),
    /// The way to another guard.
    Guard(Line),
}

/// How packets are made and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packets {
    pub(super) keys: Keys,
    /// `msgfmt classic`.
    pub(super) inner_auth: bool,
    /// `log_badpack`.
    pub(super) log_bad: bool,
}

/// The way to the thread.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    channel: SyncSender<Order>,
    wake: Arc<OwnedFd>,
}

/// The order was not given.
#[derive(Debug)]
pub(super) enum NotGiven {
    /// The thread has too many; later there may be room.
    Full(Box<Order>),
    /// The thread has ended.
    Ended,
}

impl Orders {
    /// Gives an order without waiting.
    pub(super) fn give(&self, order: Order) -> Result<(), NotGiven> {
        self.channel.try_send(order).map_err(|error| match error {
            TrySendError::Full(order) => NotGiven::Full(Box::new(order)),
            TrySendError::Disconnected(_) => NotGiven::Ended,
        })?;
        // A counter that is full has woken the thread already.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        Ok(())
    }
}

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
    let (channel, orders) = sync_channel(ORDERS);
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let woken = Arc::clone(&wake);
    let thread = thread::Builder::new().name("beat".into()).stack_size(STACK).spawn(move || {
        if let Some(priority) = start.realtime {
            match sys::set_round_robin(0, priority) {
                Ok(()) => tracing::debug!("beats have real-time priority {priority}"),
                Err(error) => tracing::warn!(
                    "no real-time priority for the beats: {error}; under load they may be late"
                ),
            }
        }
        Beat::new(start, orders, woken).run();
    })?;
    Ok((Orders { channel, wake }, thread))
}

/// A socket with something to read.
#[derive(Clone, Copy)]
enum Readable {
    /// The number of a medium.
    Medium(usize),
    /// Answers to pings.
    Pings { v6: bool },
}

struct Beat {
    cluster: Cluster,
    slots: Vec<Slot>,
    pinging: Pinging,
    packets: Packets,
    guard: Option<Line>,
    /// [`guard::limit`] of the timers in use.
    silence: Duration,
    orders: Receiver<Order>,
    wake: Arc<OwnedFd>,
    reports: mpsc::Sender<Report>,
    /// Reports that must not be lost and found no room.
    waiting: VecDeque<Report>,
    counters: Counters,
    refusals: Refusals,
    buffer: Vec<u8>,
    keepalive: Duration,
    me: String,
    /// The highest sequence number sent: a message with a lower one is sent again.
    highest: u64,
    pictured: Duration,
    dirty: bool,
    late_said: Duration,
    finished: bool,
}

impl Beat {
    fn new(start: Start, orders: Receiver<Order>, wake: Arc<OwnedFd>) -> Beat {
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
            silence,
            orders,
            wake,
            reports: start.reports,
            waiting: VecDeque::new(),
            counters: Counters::default(),
            refusals: Refusals::default(),
            buffer: vec![0; LARGEST_PACKET],
            keepalive,
            me,
            highest: 0,
            pictured: Duration::ZERO,
            dirty: true,
            late_said: Duration::ZERO,
            finished: false,
        }
    }

    fn run(mut self) {
        self.perform();
        while !self.finished {
            self.deliver();
            self.picture(clock::mono());
            let deadline = self.cluster.next_deadline();
            let deadline = self.pinging.next_deadline().map_or(deadline, |pings| pings.min(deadline));
            let readable = self.wait(deadline);
            self.measure(deadline);
            self.turn(&readable);
        }
        if let Some(guard) = &self.guard {
            guard.bye();
        }
        self.pictured = Duration::ZERO;
        self.dirty = true;
        self.picture(clock::mono());
        self.waiting.push_back(Report::Exit);
        while !self.waiting.is_empty() && !self.reports.is_closed() {
            self.deliver();
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for a packet, an order or the deadline; returns who has packets.
    fn wait(&self, deadline: Duration) -> Vec<Readable> {
        let mut until = deadline;
        if self.dirty {
            until = until.min(self.pictured + PICTURE_INTERVAL);
        }
        if !self.waiting.is_empty() {
            until = until.min(clock::mono() + Duration::from_millis(1));
        }
        let mut numbers = Vec::with_capacity(self.slots.len());
        let mut fds = vec![PollFd::new(&*self.wake, PollFlags::IN)];
        for (number, slot) in self.slots.iter().enumerate() {
            if let Some(medium) = &slot.medium {
                fds.push(PollFd::from_borrowed_fd(medium.receiver(), PollFlags::IN));
                numbers.push(Readable::Medium(number));
            }
        }
        for (v6, socket) in self.pinging.receivers() {
            fds.push(PollFd::from_borrowed_fd(socket, PollFlags::IN));
            numbers.push(Readable::Pings { v6 });
        }
        let pause = until.saturating_sub(clock::mono());
        let limit = Timespec { tv_sec: pause.as_secs() as i64, tv_nsec: pause.subsec_nanos().into() };
        if poll(&mut fds, Some(&limit)).is_err() {
            return Vec::new(); // interrupted: what is there will still be there
        }
        let sockets = fds.iter().skip(1).zip(numbers);
        sockets.filter(|(fd, _)| !fd.revents().is_empty()).map(|(_, number)| number).collect()
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
            tracing::warn!("{text}");
            self.tell(Report::Said(Severity::Warning, text));
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

    /// Takes packets of a medium; answers whether there may be more than there was time for.
    fn receive(&mut self, number: usize, arrived: &mut Vec<(usize, Message)>) -> bool {
        let until = clock::mono() + TIME_PER_TURN;
        for _ in 0..PACKETS_PER_TURN {
            let Some(slot) = self.slots.get(number) else { return false };
            let Some(medium) = &slot.medium else { return false };
            // An error here is one that an earlier packet met; sending reports those.
            let Ok(Some(bytes)) = medium.receive(&mut self.buffer) else { return false };
            let packet = self.buffer.get(..bytes).unwrap_or_default();
            match wire::decode(packet, &self.packets.keys) {
                Ok(message) => {
                    self.counters.received += 1;
                    arrived.push((slot.link, message));
                }
                Err(error) => {
                    self.cluster.refused(slot.link, refusals::seen_by_core(&error, &self.packets.keys));
                    let text = self.refusals.count(number, bytes, &error, clock::mono());
                    if let Some(text) = text.filter(|_| self.packets.log_bad) {
                        tracing::warn!("{}: {text}", slot.name);
                    }
                }
            }
            if clock::mono() >= until {
                return true;
            }
        }
        true
    }

    /// What a flood has brought, in a line.
    fn say_refusals(&mut self) {
        for (number, text) in self.refusals.due(clock::mono()) {
            if let Some(slot) = self.slots.get(number).filter(|_| self.packets.log_bad) {
                tracing::warn!("{}: {text}", slot.name);
            }
        }
    }

    fn take_orders(&mut self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.wake, &mut count); // empty when nobody has given any
        for _ in 0..ORDERS {
            match self.orders.try_recv() {
                Ok(Order::Event(event)) => {
                    if let Event::Reload(settings) = &event {
                        self.keepalive = settings.keepalive;
                        self.silence = guard::limit(settings);
                    }
                    self.handle(event);
                }
                Ok(Order::Move(event, answer)) => {
                    // what is due by now comes first: the answer is about the moment of the request
                    self.handle(Event::Timer);
                    let refusal = self.cluster.standby_refusal();
                    if refusal.is_none() {
                        self.handle(event);
                    }
                    let _ = answer.send(refusal); // nobody waits any more
                }
                Ok(Order::Media(number, change)) => {
                    let old = self.slots.get_mut(number).and_then(|slot| slot.change(change));
                    self.close(old);
                }
                Ok(Order::Replace(slots)) => {
                    let old = std::mem::replace(&mut self.slots, slots);
                    self.close(old.into_iter().filter_map(|slot| slot.medium));
                }
                Ok(Order::Pings(plan)) => {
                    self.pinging.replace(*plan);
                    self.dirty = true;
                }
                Ok(Order::PingName(name)) => self.pinging.resolved(&name),
                Ok(Order::Packets(packets)) => self.packets = *packets,
                Ok(Order::Guard(line)) => self.guard = Some(line),
                // Whoever gives orders keeps the way open for as long as the program runs.
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    /// Closing the socket of a multicast group waits for whoever changes interfaces, so others do it.
    fn close(&mut self, media: impl IntoIterator<Item = Medium>) {
        self.dirty = true;
        let media: Vec<Medium> = media.into_iter().collect();
        if !media.is_empty() {
            self.must_tell(Report::Close(media));
        }
    }

    fn now(&self) -> Time {
        clock::now()
    }

    fn handle(&mut self, event: Event) {
        let now = self.now();
        self.cluster.handle(event, now);
        self.perform();
        self.dirty = true;
    }

    fn perform(&mut self) {
        while let Some(action) = self.cluster.poll_action() {
            match action {
                Action::Send(message) => self.send(&message),
                Action::Start(job) => self.must_tell(Report::Start(job)),
                Action::SavePeerGeneration { node, generation } => {
                    self.must_tell(Report::SavePeerGeneration(node, generation));
                }
                Action::SaveGeneration(generation) => self.must_tell(Report::SaveGeneration(generation)),
                Action::Notice(notice) => self.say(&notice),
                Action::Exit => self.finished = true,
            }
        }
    }

    fn send(&mut self, message: &Message) {
        let packet = wire::encode(message, &self.packets.keys, self.packets.inner_auth);
        for slot in &mut self.slots {
            if !slot.send(&packet) {
                self.counters.send_errors += 1;
            }
        }
        if let Some(guard) = &self.guard {
            guard.beat(clock::mono(), self.silence);
        }
        self.counters.sent += 1;
        match message.hex("seq") {
            Some(seq) if seq > self.highest => {
                self.highest = seq;
                if message.kind() == "status" {
                    self.pinging.ask(clock::now(), &self.packets);
                }
            }
            Some(_) => self.counters.resent += 1,
            None => {}
        }
    }

    fn say(&mut self, notice: &Notice) {
        if let Notice::LostMessages { count, .. } = notice {
            self.counters.lost = self.counters.lost.saturating_add(*count);
        }
        match notice {
            // what is repeated is for the log: it would push out of the status what happened before
            Notice::NotHeard { again: true, .. } => write_line(notice.severity(), &notice.to_string()),
            _ => self.log(notice.severity(), notice.to_string()),
        }
    }

    fn pings_changed(&mut self, changes: &[PingChange]) {
        for (severity, text) in changes.iter().flat_map(pinging::sentences) {
            self.log(severity, text);
        }
        self.dirty |= !changes.is_empty();
    }

    fn log(&mut self, severity: Severity, text: String) {
        write_line(severity, &text);
        self.tell(Report::Said(severity, text));
    }

    /// A report that may be dropped.
    fn tell(&mut self, report: Report) {
        if self.reports.try_send(report).is_err() {
            self.counters.reports_dropped += 1;
        }
    }

    /// A report that must arrive, in order with the others of its kind.
    fn must_tell(&mut self, report: Report) {
        self.waiting.push_back(report);
        self.deliver();
    }

    fn deliver(&mut self) {
        while let Some(report) = self.waiting.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(report)) = self.reports.try_send(report) {
                self.waiting.push_front(report);
                return;
            }
        }
    }

    fn picture(&mut self, now: Duration) {
        if !self.dirty || now < self.pictured + PICTURE_INTERVAL {
            return;
        }
        self.pictured = now;
        let media = self.slots.iter().map(|slot| (slot.link, slot.works())).collect();
        let mut counters = self.counters.clone();
        counters.refused.clone_from(self.refusals.counts());
        let picture = Picture {
            at: now,
            cluster: self.cluster.snapshot(),
            media,
            pings: self.pinging.view(now),
            counters,
        };
        // One that finds no room is taken again.
        self.dirty = self.reports.try_send(Report::Picture(Box::new(picture))).is_err();
    }
}

fn write_line(severity: Severity, text: &str) {
    match severity {
        Severity::Info => tracing::info!("{text}"),
        Severity::Warning => tracing::warn!("{text}"),
        Severity::Error => tracing::error!("{text}"),
    }
}
