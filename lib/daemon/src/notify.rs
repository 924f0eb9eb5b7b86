//! What systemd is told: readiness, reloads, status, and that the daemon is alive (`sd_notify(3)`).
//!
//! Every function does nothing when the program was not started by systemd with `Type=notify`
//! (no `NOTIFY_SOCKET` in the environment), and a failure to tell it is not an error of the daemon. None
//! waits: what a systemd that hangs has no room for is not sent. Only the end of the start is worth a second.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use sd_notify::NotifyState;

/// How long the end of the start is offered to a systemd that has no room for it.
const PATIENCE: Duration = Duration::from_secs(1);

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

/// The start, or a reload, takes so much longer than the unit allows, from now on (`EXTEND_TIMEOUT_USEC=...`).
pub fn extend_start(by: Duration) {
    tell(&[NotifyState::ExtendTimeoutUsec(u32::try_from(by.as_micros()).unwrap_or(u32::MAX))]);
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
    tell_patiently(&[NotifyState::MainPid(std::process::id()), NotifyState::Ready]);
}

/// The start is complete, in a process that systemd started itself.
pub(crate) fn ready_at_last() {
    tell_patiently(&[NotifyState::Ready]);
}

fn tell(what: &[NotifyState<'_>]) {
    if let Some(socket) = std::env::var_os("NOTIFY_SOCKET") {
        let _ = send(&socket, what);
    }
}

fn tell_patiently(what: &[NotifyState<'_>]) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let deadline = Instant::now() + PATIENCE;
    while send(&socket, what) == Err(Errno::AGAIN) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// One datagram to a path, or with `@` to an abstract name (`sd_notify(3)`), without waiting.
fn send(socket: &OsStr, what: &[NotifyState<'_>]) -> Result<(), Errno> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name)?,
        path => SocketAddrUnix::new(path)?,
    };
    let text: String = what.iter().map(|state| format!("{state}\n")).collect();
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let from = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    rustix::net::sendto(&from, text.as_bytes(), SendFlags::NOSIGNAL, &address)?;
    Ok(())
}

#[cfg(test)]
mod tests;
