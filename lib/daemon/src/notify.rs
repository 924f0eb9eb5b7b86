//! What systemd is told: readiness, reloads, status, and that the daemon is alive (`sd_notify(3)`).
//!
//! Every function does nothing when the program was not started by systemd with `Type=notify`
//! (no `NOTIFY_SOCKET` in the environment), and a failure to tell it is not an error of the daemon. Each
//! sends one datagram, which waits if systemd itself hangs: not for a thread that must be on time.

use std::time::Duration;

use sd_notify::NotifyState;

/// The start, or a reload, is complete (`READY=1`).
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload has begun (`RELOADING=1` with the time, as `Type=notify-reload` wants it); [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The daemon has begun to end (`STOPPING=1`).
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// One line for `systemctl status` (`STATUS=...`); a line feed in it becomes a blank.
pub fn status(text: &str) {
    let line = text.replace('\n', " ");
    tell(&[NotifyState::Status(&line)]);
}

/// How often [`watchdog`] must be called: half of the unit's `WatchdogSec`; `None` if it has none.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|interval| !interval.is_zero())
}

/// The daemon is alive (`WATCHDOG=1`).
pub fn watchdog() {
    tell(&[NotifyState::Watchdog]);
}

/// Readiness of a process that systemd did not start itself, with its process id.
pub(crate) fn ready_as_main_process() {
    tell(&[NotifyState::MainPid(std::process::id()), NotifyState::Ready]);
}

fn tell(what: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(what);
}

#[cfg(test)]
mod tests;
