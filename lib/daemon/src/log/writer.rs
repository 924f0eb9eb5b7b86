//! The log thread, and what it shares with those who log.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::collect::Collector;
use super::format::{Line, Place};
use super::sink::Sink;
use super::{Log, Settings};

/// So many lines at most go to the targets at once.
const BATCH: usize = 512;

/// What goes through the channel.
#[derive(Debug)]
enum Item {
    Line(Line),
    /// Look for pending orders.
    Wake,
}

/// What the log thread is to do besides writing; replaced by later orders, so it cannot pile up.
#[derive(Debug, Default)]
struct Pending {
    settings: Option<Settings>,
    reopen: bool,
    /// The channel was full: no wake-up is on its way.
    unannounced: bool,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.settings.is_none() && !self.reopen
    }
}

/// What those who log share with the log thread.
#[derive(Debug)]
pub(super) struct Shared {
    /// Its memory grows with what is in it; `submit` keeps that within `capacity`.
    channel: Sender<Item>,
    capacity: usize,
    queued: AtomicUsize,
    level: AtomicU8,
    dropped: AtomicU64,
    /// Items that went into the channel.
    accepted: AtomicU64,
    pending: Mutex<Pending>,
    /// Items that are dealt with; its changes are what `flush` waits for.
    done: Mutex<u64>,
    progress: Condvar,
}

/// Starts the thread; `syslog_socket` and `capacity` are other than usual in tests.
pub(super) fn start(
    settings: Settings,
    syslog_socket: PathBuf,
    capacity: usize,
) -> io::Result<(Log, Collector)> {
    let (channel, items) = channel();
    let shared = Arc::new(Shared {
        channel,
        capacity,
        queued: AtomicUsize::new(0),
        level: AtomicU8::new(number(settings.level)),
        dropped: AtomicU64::new(0),
        accepted: AtomicU64::new(0),
        pending: Mutex::default(),
        done: Mutex::new(0),
        progress: Condvar::new(),
    });
    let theirs = shared.clone();
    // the time zone's files are read on the new thread: a program that lives for 3 ms does not wait for them
    let write = move || Writer::new(theirs, settings, syslog_socket).run(&items);
    std::thread::Builder::new().name("log".to_string()).spawn(write)?;
    Ok((Log { shared: shared.clone() }, Collector(shared)))
}

impl Shared {
    pub(super) fn level(&self) -> LevelFilter {
        match self.level.load(Ordering::Relaxed) {
            0 => LevelFilter::ERROR,
            1 => LevelFilter::WARN,
            2 => LevelFilter::INFO,
            3 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Hands a line to the log thread, or counts it as dropped; never waits.
    pub(super) fn submit(&self, line: Line) {
        // Counted first: `flush` must never see more done than accepted.
        self.accepted.fetch_add(1, Ordering::SeqCst);
        if !self.enqueue(Item::Line(line)) {
            self.accepted.fetch_sub(1, Ordering::SeqCst);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn reconfigure(&self, settings: Settings) {
        self.level.store(number(settings.level), Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
        self.order(|pending| pending.settings = Some(settings));
    }

    pub(super) fn reopen(&self) {
        self.order(|pending| pending.reopen = true);
    }

    /// Waits until what is in the channel now and all orders are dealt with, or `patience` is over.
    pub(super) fn flush(&self, patience: Duration) {
        let goal = self.accepted.load(Ordering::SeqCst);
        let deadline = Instant::now() + patience;
        let mut done = locked(&self.done);
        // A line that is dropped in the end counts as accepted for an instant: the goal may go down.
        while *done < goal.min(self.accepted.load(Ordering::SeqCst)) || !locked(&self.pending).is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let slice = left.min(Duration::from_millis(20));
            let (guard, _) = self.progress.wait_timeout(done, slice).unwrap_or_else(PoisonError::into_inner);
            done = guard;
        }
    }

    fn order(&self, change: impl FnOnce(&mut Pending)) {
        let mut pending = locked(&self.pending);
        change(&mut pending);
        self.accepted.fetch_add(1, Ordering::SeqCst);
        if !self.enqueue(Item::Wake) {
            self.accepted.fetch_sub(1, Ordering::SeqCst);
            pending.unannounced = true; // the thread is awake: it looks after each batch
        }
    }

    /// Puts an item into the channel if there is room.
    fn enqueue(&self, item: Item) -> bool {
        let room = self.queued.fetch_add(1, Ordering::SeqCst) < self.capacity;
        let sent = room && self.channel.send(item).is_ok();
        if !sent {
            self.queued.fetch_sub(1, Ordering::SeqCst);
        }
        sent
    }

    fn dealt_with(&self, count: u64) {
        *locked(&self.done) += count;
        self.progress.notify_all();
    }
}

/// The thread.
#[derive(Debug)]
struct Writer {
    shared: Arc<Shared>,
    settings: Settings,
    sinks: Vec<Sink>,
    place: Place,
    syslog_socket: PathBuf,
    /// The dropped lines that the log has admitted.
    reported: u64,
}

impl Writer {
    fn new(shared: Arc<Shared>, settings: Settings, syslog_socket: PathBuf) -> Writer {
        let sinks = settings.targets.iter().map(|target| Sink::new(target, &syslog_socket)).collect();
        Writer { shared, settings, sinks, place: Place::here(), syslog_socket, reported: 0 }
    }

    fn run(mut self, items: &Receiver<Item>) {
        let mut batch = Vec::new();
        while let Ok(first) = items.recv() {
            // What was dropped by now came after the lines that fill the channel: those are written first.
            let dropped = self.shared.dropped();
            let mut count = 0;
            let mut next = Some(first);
            while let Some(item) = next.take() {
                self.shared.queued.fetch_sub(1, Ordering::SeqCst);
                count += 1;
                match item {
                    Item::Line(line) => batch.push(line),
                    Item::Wake => {
                        self.write(&mut batch); // what was logged before an order belongs before it
                        self.obey();
                    }
                }
                next = if count < BATCH { items.try_recv().ok() } else { None };
            }
            self.write(&mut batch);
            self.admit_drops(dropped);
            if locked(&self.shared.pending).unannounced {
                self.obey();
            }
            self.shared.dealt_with(count as u64);
        }
        self.admit_drops(self.shared.dropped());
    }

    fn write(&mut self, batch: &mut Vec<Line>) {
        if !batch.is_empty() {
            for sink in &mut self.sinks {
                sink.write(batch, &self.settings, &self.place);
            }
            batch.clear();
        }
    }

    fn obey(&mut self) {
        let Pending { settings, reopen, .. } = std::mem::take(&mut *locked(&self.shared.pending));
        if settings.is_none() && !reopen {
            return;
        }
        if let Some(settings) = settings {
            self.sinks =
                settings.targets.iter().map(|target| Sink::new(target, &self.syslog_socket)).collect();
            self.settings = settings;
        }
        self.place = Place::here(); // host name and time zone may have changed
        let mut failures: Vec<Line> = self
            .sinks
            .iter_mut()
            .filter_map(|sink| sink.reopen(&self.syslog_socket).err())
            .map(|error| own_line(Level::ERROR, error.to_string()))
            .collect();
        self.write(&mut failures);
    }

    fn admit_drops(&mut self, dropped: u64) {
        if dropped > self.reported {
            let text = format!("{} lines were dropped: the log could not keep up", dropped - self.reported);
            self.reported = dropped;
            self.write(&mut vec![own_line(Level::WARN, text)]);
        }
    }
}

fn own_line(level: Level, text: String) -> Line {
    Line { time: Timestamp::now(), level, text }
}

fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 0,
        Level::WARN => 1,
        Level::INFO => 2,
        Level::DEBUG => 3,
        Level::TRACE => 4,
    }
}

/// A thread that panicked while it held the lock leaves plain numbers: they are as good as ever.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
