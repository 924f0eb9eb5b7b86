//! The way to the beat thread: bounded, and whoever gives an order need not wait.

use super::guard::Line;
use super::pinging::{PingPlan, Resolved};
use super::slot::Slot;
use super::watchdog::Watchdog;
use crate::cluster::{Event, Settings};
use crate::media::Change;
use crate::wire::Keys;
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// Orders on their way to the thread.
const ORDERS: usize = 64;
/// How long who waits for room sleeps; the thread takes all orders within its turn.
const ROOM: Duration = Duration::from_millis(2);

/// What becomes of an event that moves resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moving {
    /// It is obeyed.
    Begun,
    /// It is obeyed, but this node has nothing of what it is to give.
    NothingHere,
    /// There is nothing to obey: this node has all of what it is to take.
    AlreadyHere,
    /// It is not obeyed, and why.
    Refused(&'static str),
}

/// What the rest of the program tells the thread.
#[derive(Debug)]
pub(super) enum Order {
    /// An event for the core.
    Event(Event),
    /// An event that moves resources, and who wants to know at once what becomes of it.
    Move(Event, oneshot::Sender<Moving>),
    /// A medium was opened or lost.
    Media(usize, Change),
    /// Other media, and the settings that name their links if those have changed: both at once, since a packet is counted
    /// for the link with its medium's number.
    Replace(Vec<Slot>, Option<Box<Settings>>),
    /// Other ping nodes.
    Pings(Box<PingPlan>),
    /// A ping node's name has this address.
    PingName(Resolved),
    /// Another way to sign packets and to read them.
    Packets(Box<Packets>),
    /// The way to another guard.
    Guard(Line),
    /// Another watchdog device, or none.
    Watchdog(Option<Watchdog>),
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

/// The thread's end of the way.
#[derive(Debug)]
pub(super) struct Incoming {
    channel: Receiver<Order>,
    wake: Arc<OwnedFd>,
}

/// A way to the thread; the second one is for the thread itself.
pub(super) fn channel() -> io::Result<(Orders, Incoming)> {
    let (sender, channel) = sync_channel(ORDERS);
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let incoming = Incoming { channel, wake: Arc::clone(&wake) };
    Ok((Orders { channel: sender, wake }, incoming))
}

impl Orders {
    /// Gives an order, waiting for room. A thread that has ended needs none.
    pub(super) async fn give_surely(&self, mut order: Order) {
        while let Err(NotGiven::Full(back)) = self.give(order) {
            order = *back;
            tokio::time::sleep(ROOM).await;
        }
    }

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

impl Incoming {
    /// What can be read when there are orders.
    pub(super) fn readable(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// The orders that are there, so many at most that timers are not kept waiting.
    pub(super) fn take(&self) -> Vec<Order> {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.wake, &mut count); // empty when nobody has given any
        // Whoever gives orders keeps the way open for as long as the program runs.
        self.channel.try_iter().take(ORDERS).collect()
    }
}
