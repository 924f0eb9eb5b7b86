//! The thread that keeps media open while interfaces come and go.
//!
//! An address bound to an interface that was removed hears nothing any more, even when an interface of the same
//! name returns. Looking names up may make the kernel load a module, so it never happens on the beat thread.

use super::open::{Basis, basis};
use super::{Medium, Target};
use crate::sys;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use std::{io, thread};

/// How often interfaces are looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// How soon a medium that could not be opened is tried again, at first and at most.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(4);

/// It is small because it is locked in memory.
const STACK: usize = 256 * 1024;

/// What happened to a medium.
#[derive(Debug)]
pub enum Change {
    /// It is open.
    Opened(Medium),
    /// Its interface has gone or changed.
    Lost(String),
    /// Its interface can or cannot reach anybody now; at first it is thought to.
    Wire(Wire),
}

/// Whether an interface has a connection to anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wire {
    /// It has; or nobody knows, as with a serial line.
    #[default]
    There,
    /// It is switched on, and has no carrier.
    NoCarrier,
    /// It is switched off.
    Off,
}

impl Wire {
    fn of(flags: u32) -> Wire {
        let has = |flag: libc::c_int| flags & flag.unsigned_abs() != 0;
        match (has(libc::IFF_UP), has(libc::IFF_RUNNING)) {
            (true, true) => Wire::There,
            (true, false) => Wire::NoCarrier,
            (false, _) => Wire::Off,
        }
    }
}

/// The handle of the thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Keeper {
    stop: Option<SyncSender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// `report` is told the number of what is watched and what happened to it; if it returns false, there is nobody
    /// left to tell.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(
        watched: Vec<Watched>,
        report: impl FnMut(usize, Change) -> bool + Send + 'static,
    ) -> io::Result<Keeper> {
        let (stop, stopped) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("media".into())
            .stack_size(STACK)
            .spawn(move || watch(watched, &stopped, report))?;
        Ok(Keeper { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Keeper {
    /// Ends the thread; nothing is reported after this.
    pub fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It panics nowhere; if it did, there is nothing to save here.
            let _ = thread.join();
        }
    }
}

/// A medium to keep open.
#[derive(Debug)]
pub struct Watched {
    target: Target,
    /// The interface as it was when the medium was opened, and whether the medium says that it is lost; `None` while it
    /// is not open.
    open: Option<(Basis, Arc<AtomicBool>)>,
    wire: Wire,
    retry_after: Duration,
    retry_at: Instant,
}

fn watch(mut slots: Vec<Watched>, stopped: &Receiver<()>, mut report: impl FnMut(usize, Change) -> bool) {
    loop {
        let closed = slots.iter().any(|slot| slot.open.is_none());
        let pause = if closed { FIRST_RETRY } else { INTERVAL };
        match stopped.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
        let flags = sys::interface_flags().unwrap_or_default(); // without them nothing is known, as of no interface
        for (number, slot) in slots.iter_mut().enumerate() {
            let flags = flags.get(&slot.target.medium.interface).copied();
            for change in slot.look().into_iter().chain(slot.look_at_wire(flags)) {
                if !report(number, change) {
                    return;
                }
            }
        }
    }
}

impl Watched {
    /// A target with the medium opened for it, if it could be.
    pub fn new(target: &Target, medium: Option<&Medium>) -> Watched {
        Watched {
            target: target.clone(),
            open: medium.map(Medium::state),
            wire: Wire::default(),
            retry_after: FIRST_RETRY,
            retry_at: Instant::now(),
        }
    }

    /// An interface that is not there is told of as a medium that is lost.
    fn look_at_wire(&mut self, flags: Option<u32>) -> Option<Change> {
        let wire = flags.map(Wire::of).unwrap_or_default();
        (std::mem::replace(&mut self.wire, wire) != wire).then_some(Change::Wire(wire))
    }

    fn look(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        if let Some((before, gone)) = &self.open {
            match basis(&self.target) {
                _ if gone.load(Ordering::Relaxed) => changes.push(Change::Lost("hung up".to_owned())),
                Ok(now) if now == *before => return changes,
                Ok(Basis::Device(..)) => changes.push(Change::Lost("it is another device now".to_owned())),
                Ok(_) => changes.push(Change::Lost("its addresses have changed".to_owned())),
                Err(error) => changes.push(Change::Lost(error.to_string())),
            }
            self.open = None;
            self.retry_after = FIRST_RETRY;
            self.retry_at = Instant::now();
        }
        if Instant::now() < self.retry_at {
            return changes;
        }
        match Medium::open(&self.target) {
            Ok(medium) => {
                self.open = Some(medium.state());
                changes.push(Change::Opened(medium));
            }
            Err(_) => {
                self.retry_at = Instant::now() + self.retry_after;
                self.retry_after = (self.retry_after * 2).min(LAST_RETRY);
            }
        }
        changes
    }
}
