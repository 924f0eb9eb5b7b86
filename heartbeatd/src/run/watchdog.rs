//! The watchdog device: a machine whose beats stop is rebooted by its kernel or its hardware.
//!
//! ```text
//!  beat thread ──each own beat──► eventfd ──► watchdog thread ──write──► /dev/watchdog
//! ```
//!
//! Some devices take their time (an IPMI controller is another computer), so a thread of its own opens and writes, and
//! no beat waits for it. It writes only when there was a beat. After an orderly stop it writes `V`, the magic close of
//! the kernel's watchdog API, and the machine runs on. However else this process ends, a reboot follows unless a daemon
//! is started that opens the device again and beats. A driver that is loaded with `nowayout=1` ignores the `V`: there an
//! orderly stop ends in a reboot, too.

use crate::sys;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// The thread does not much.
const STACK: usize = 256 * 1024;
/// How long a device may take to close.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(5);

/// What `ha.cf` wants of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// `watchdog`.
    pub(super) device: PathBuf,
    /// Silence after which the machine reboots, in seconds.
    pub(super) timeout: u32,
    /// A device that waits no longer than this, in milliseconds, would reboot a machine that is well.
    pub(super) least: u32,
}

impl Wanted {
    /// As heartbeat 3.0.6 does it: deadtime and 10 ms, in whole seconds; then the other node has taken over already.
    pub(super) fn new(device: &Path, keepalive: Duration, deadtime: Duration) -> Wanted {
        let number = |number: u128| u32::try_from(number).unwrap_or(u32::MAX);
        let timeout = deadtime + Duration::from_millis(10);
        Wanted {
            device: device.to_owned(),
            timeout: number(timeout.as_millis().div_ceil(1000)),
            least: number((keepalive * 2).as_millis()),
        }
    }
}

/// One device and the thread that writes to it. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Watchdog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    device: PathBuf,
    /// Counts beats.
    wake: OwnedFd,
    /// In seconds.
    wanted: AtomicU32,
    /// In milliseconds.
    least: AtomicU32,
    /// In seconds, as the device says; 0: it is not open.
    granted: AtomicU32,
    /// The machine is to run on without this device.
    released: AtomicBool,
    /// The thread has ended.
    ended: AtomicBool,
}

impl Watchdog {
    /// Starts the thread, which opens the device and says in the log what became of it: a pair must come up without it,
    /// too.
    pub(super) fn start(wanted: &Wanted, realtime: Option<u8>) -> io::Result<Watchdog> {
        let shared = Arc::new(Shared {
            device: wanted.device.clone(),
            wake: eventfd(0, EventfdFlags::CLOEXEC)?,
            wanted: AtomicU32::new(wanted.timeout),
            least: AtomicU32::new(wanted.least),
            granted: AtomicU32::new(0),
            released: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("watchdog".into()).stack_size(STACK).spawn(move || {
            if let Some(priority) = realtime {
                // The beat thread has said it if that is not permitted.
                let _ = sys::set_round_robin(0, priority);
            }
            theirs.run();
            theirs.ended.store(true, Ordering::Release);
        })?;
        Ok(Watchdog(shared))
    }

    /// This node has beaten. Never waits.
    pub(super) fn beat(&self) {
        self.0.wake();
    }

    /// Other times from the next beat on.
    pub(super) fn change(&self, wanted: &Wanted) {
        self.0.wanted.store(wanted.timeout, Ordering::Relaxed);
        self.0.least.store(wanted.least, Ordering::Relaxed);
    }

    /// The device's file.
    pub(super) fn device(&self) -> &Path {
        &self.0.device
    }

    /// Whether the thread has given up.
    pub(super) fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::Acquire)
    }

    /// After how many seconds of silence the machine reboots; `None`: the device is not open.
    pub(super) fn timeout(&self) -> Option<u32> {
        Some(self.0.granted.load(Ordering::Relaxed)).filter(|seconds| *seconds != 0)
    }

    /// Disarms the device: the machine may run on without this program. Waits until that is done, within reason.
    pub(super) async fn release(self) {
        self.0.released.store(true, Ordering::Release);
        self.0.wake();
        let done = async {
            while !self.has_ended() {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(CLOSE_LIMIT, done).await.is_err() {
            tracing::error!(
                "watchdog {}: it does not close; this machine may reboot",
                self.0.device.display()
            );
        }
    }
}

impl Shared {
    fn wake(&self) {
        // A counter that is full has not been read for 2^64 beats.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    fn run(&self) {
        let device = self.device.display();
        let mut file = match OpenOptions::new().write(true).open(&self.device) {
            Ok(file) => file,
            Err(error) => {
                let hint = match error.raw_os_error().map(Errno::from_raw_os_error) {
                    Some(Errno::BUSY) => " (another program has it: RuntimeWatchdogSec= of systemd?)",
                    Some(Errno::NOENT | Errno::NODEV) => {
                        " (no driver is loaded: modprobe softdog, or the machine's own)"
                    }
                    _ => "",
                };
                tracing::error!(
                    "Cannot open watchdog device {device}: {error}{hint}; a node that stalls is not rebooted"
                );
                return;
            }
        };
        let mut known = self.agree(&file);
        let mut failed = false;
        while self.wait() {
            if known.0 != self.wanted.load(Ordering::Relaxed) {
                known = self.agree(&file);
            }
            if known.1.saturating_mul(1000) <= self.least.load(Ordering::Relaxed) {
                tracing::error!(
                    "watchdog {device}: it waits for {} s only, which would reboot a node that is well; it is not used",
                    known.1
                );
                break;
            }
            self.granted.store(known.1, Ordering::Relaxed);
            // Anything but a V.
            let petted = file.write_all(b"\0");
            if let (Err(error), false) = (&petted, failed) {
                tracing::error!("watchdog {device}: {error}; this machine may reboot");
            }
            failed = petted.is_err();
        }
        self.granted.store(0, Ordering::Relaxed);
        match file.write_all(b"V") {
            Ok(()) => tracing::info!("watchdog {device}: closed"),
            Err(error) => tracing::error!("watchdog {device}: {error}; this machine may reboot"),
        }
    }

    /// Waits for a beat; `false`: the device is to be closed.
    fn wait(&self) -> bool {
        let mut count = [0; 8];
        while let Err(Errno::INTR) = rustix::io::read(&self.wake, &mut count) {}
        !self.released.load(Ordering::Acquire)
    }

    /// Sets the timeout: what is wanted, and what the device makes of it, in seconds.
    fn agree(&self, file: &File) -> (u32, u32) {
        let (device, wanted) = (self.device.display(), self.wanted.load(Ordering::Relaxed));
        let granted = sys::set_watchdog_timeout(file.as_fd(), wanted)
            .inspect_err(|error| tracing::warn!("watchdog {device}: a timeout of {wanted} s: {error}"))
            .or_else(|_| sys::watchdog_timeout(file.as_fd()));
        match granted {
            Ok(granted) if granted == wanted => {
                tracing::info!("watchdog {device}: without a beat for {granted} s this machine reboots");
                (wanted, granted)
            }
            Ok(granted) => {
                tracing::warn!(
                    "watchdog {device}: without a beat for {granted} s this machine reboots, not after the {wanted} s that deadtime asks for"
                );
                (wanted, granted)
            }
            Err(error) => {
                tracing::warn!("watchdog {device}: it does not say when it reboots this machine: {error}");
                (wanted, u32::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_follows_deadtime() {
        let ms = Duration::from_millis;
        for (keepalive, deadtime, timeout, least) in [
            (100, 500, 1, 200),
            (100, 990, 1, 200),
            (100, 991, 2, 200),
            (1000, 10_000, 11, 2000),
            (2000, 30_000, 31, 4000),
        ] {
            let wanted = Wanted::new(Path::new("/dev/watchdog"), ms(keepalive), ms(deadtime));
            assert_eq!((wanted.timeout, wanted.least), (timeout, least), "{keepalive} {deadtime}");
        }
    }
}
