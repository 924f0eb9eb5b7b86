//! The guard: when the daemon's beats stay away, it releases what was taken here before the other node takes it.
//!
//! ```text
//!  heartbeatd ──"beat SENT LIMIT", "bye"──► standard input (sequenced packets)
//!             ◄──{"event":"abandoned"}, then what is stopped── standard output
//! ```
//!
//! A daemon that was killed or stands still cannot let go of an address; this process can. The addresses go first, by
//! netlink from memory: no program is started for them and no disk is read. Then the groups are given in their order.
//! While it releases it holds `release.lock`: nothing is started on this node meanwhile ([`releasing`]).

use super::group::Which;
use super::{FAILED, Run};
use crate::haresources::{Group, Haresources};
use crate::order::Action;
use crate::taken;
use daemon::pidfile;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::net::RecvFlags;
use rustix::time::{ClockId, clock_gettime};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;
use tracing::{error, warn};

/// The program's name for it.
pub const COMMAND: &str = "guard";

/// The longest that a daemon gets which may only have stood still together with this process.
const GRACE: Duration = Duration::from_millis(500);

/// Whether everything on this node is being released.
pub(super) fn releasing(run_dir: &Path) -> bool {
    let Ok(file) = File::open(run_dir.join("release.lock")) else { return false };
    matches!(
        flock(&file, FlockOperation::NonBlockingLockShared),
        Err(rustix::io::Errno::WOULDBLOCK) // the lock, if we have it now, goes with the file
    )
}

impl Run {
    /// Watches until the daemon says goodbye or its beats stay away.
    pub(super) async fn guard(&mut self) -> u8 {
        let _ = rustix::process::setsid();
        // Of no use if it is paged out; without the privilege it works all the same.
        self.stay_in_memory().await;
        let run_dir = self.settings.run_dir.clone();
        let _ = std::fs::create_dir_all(&run_dir); // what is wrong with it, the next line says
        let pid_file = match pidfile::create(&run_dir.join("guard.pid")) {
            Ok(pid_file) => pid_file,
            Err(error) => {
                error!("guard: {error}");
                return FAILED;
            }
        };
        let Some(silence) = watch() else { return 0 };
        let lock = hold(&run_dir.join("release.lock"));
        drop(pid_file);
        let line = format!("{{\"event\":\"abandoned\",\"at_ns\":{}}}\n", now().as_nanos());
        let mut out = io::stdout();
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        let taken = taken::all(&self.settings.run_dir);
        self.let_go(&taken.iter().collect::<Vec<_>>()).await;
        error!(
            "heartbeatd has not beaten for {} ms: its addresses are removed, everything is being released",
            silence.as_millis()
        );
        let code = self.give_all().await;
        drop(lock);
        code
    }

    /// What was taken is given; of everything else what says that it runs.
    async fn give_all(&mut self) -> u8 {
        let taken = taken::all(&self.settings.run_dir);
        let mut code = self.give(&taken, Which::All).await;
        if let Ok(mut file) = self.file() {
            file.groups.retain(|group| !taken.iter().any(|known| known.key() == group.key()));
            code = code.max(self.give(&file.groups, Which::Running).await);
        }
        code
    }

    async fn give(&mut self, groups: &[Group], which: Which) -> u8 {
        let file = Haresources { groups: groups.to_vec() };
        let mut nodes: Vec<&str> = groups.iter().map(|group| group.node.as_str()).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let mut code = 0;
        for node in nodes {
            code = code.max(self.node(&file, node, Action::Stop, which).await);
        }
        code
    }
}

/// Waits for the end: `None` if the daemon has said goodbye, else for how long it has been silent.
fn watch() -> Option<Duration> {
    let mut judge = Judge::default();
    let mut open = true;
    loop {
        let pause = judge.due.map(|due| due.saturating_sub(now()));
        let limit = pause
            .map(|pause| Timespec { tv_sec: pause.as_secs() as i64, tv_nsec: pause.subsec_nanos().into() });
        let stdin = rustix::stdio::stdin();
        let mut fds = [PollFd::from_borrowed_fd(stdin, PollFlags::IN)];
        let fds = if open { &mut fds[..] } else { &mut [] };
        let _ = poll(fds, limit.as_ref()); // what interrupts it changes nothing
        let mut buffer = [0; 128];
        while open {
            match rustix::net::recv(stdin, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => open = false,
                Ok((length, _)) => match said(buffer.get(..length).unwrap_or_default()) {
                    Some(Said::Bye) => return None,
                    Some(Said::Beat { sent, limit }) => judge.beat(sent, limit),
                    Some(Said::Free(_)) | None => {}
                },
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => break,
                Err(_) => open = false,
            }
        }
        if !open && judge.due.is_none() {
            return None; // it has ended before its first beat
        }
        let now = now();
        if judge.is_dead(now) {
            return Some(now.saturating_sub(judge.sent));
        }
    }
}

/// What the daemon says to the guard and to the watch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It has beaten at this time, and is taken for dead when it is silent for so long.
    Beat { sent: Duration, limit: Duration },
    /// Of the groups of these nodes nothing is wanted here and nothing may run.
    Free(Vec<String>),
    /// It has released everything and ends.
    Bye,
}

pub(super) fn said(packet: &[u8]) -> Option<Said> {
    let text = std::str::from_utf8(packet).ok()?;
    if let Some(nodes) = text.strip_prefix("free") {
        return Some(Said::Free(nodes.split_whitespace().map(str::to_owned).collect()));
    }
    let mut words = text.split(' ');
    match (words.next()?, words.next(), words.next()) {
        ("bye", None, None) => Some(Said::Bye),
        ("beat", Some(sent), Some(limit)) => {
            let nanos = |word: &str| word.parse().ok().map(Duration::from_nanos);
            Some(Said::Beat { sent: nanos(sent)?, limit: nanos(limit)? })
        }
        _ => None,
    }
}

/// Whether the daemon is dead: no clock, no socket.
#[derive(Debug, Default)]
struct Judge {
    sent: Duration,
    limit: Duration,
    due: Option<Duration>,
}

impl Judge {
    fn beat(&mut self, sent: Duration, limit: Duration) {
        (self.sent, self.limit, self.due) = (sent, limit, Some(sent + limit));
    }

    /// At `now`, after everything that was said until then. One who judges late may have stood still with the whole
    /// machine: then the daemon gets a moment to beat again.
    fn is_dead(&mut self, now: Duration) -> bool {
        let Some(due) = self.due.filter(|due| *due <= now) else { return false };
        let grace = GRACE.min(self.limit / 2);
        if now - due < grace {
            return true;
        }
        self.due = Some(now + grace);
        false
    }
}

/// Takes the lock; without it releasing is still better than keeping.
fn hold(path: &Path) -> Option<File> {
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let locked = open.and_then(|file| {
        flock(&file, FlockOperation::LockExclusive)?; // others hold it for an instant only
        Ok(file)
    });
    locked.inspect_err(|error| warn!("guard: {}: {error}", path.display())).ok()
}

/// The clock that the daemon uses, too: it goes on while the machine is suspended.
pub(super) fn now() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn words_of_the_daemon() {
        let beat = Said::Beat { sent: Duration::from_nanos(5), limit: Duration::from_nanos(7) };
        assert_eq!(said(b"beat 5 7"), Some(beat));
        assert_eq!(said(b"bye"), Some(Said::Bye));
        assert_eq!(said(b"free"), Some(Said::Free(Vec::new())));
        assert_eq!(said(b"free alpha beta"), Some(Said::Free(vec!["alpha".to_owned(), "beta".to_owned()])));
        for wrong in [&b""[..], b"beat", b"beat 5", b"beat 5 x", b"beat 5 7 9 1x bye ", b"\xff", b"bye 1"] {
            let taken = said(wrong);
            assert!(taken.is_none() || wrong.starts_with(b"beat 5 7"), "{wrong:?}: {taken:?}");
        }
    }

    #[test]
    fn dead_at_the_limit_unless_the_judge_slept() {
        let mut judge = Judge::default();
        assert!(!judge.is_dead(ms(99_000)), "before the first beat nothing can stay away");
        judge.beat(ms(1_000), ms(600));
        assert!(!judge.is_dead(ms(1_599)));
        assert!(judge.is_dead(ms(1_600)) && judge.is_dead(ms(1_700)));
        // It comes back itself a second later: the daemon gets 300 ms, and no more.
        assert!(!judge.is_dead(ms(2_700)));
        assert!(!judge.is_dead(ms(2_999)));
        assert!(judge.is_dead(ms(3_000)));
        judge.beat(ms(2_990), ms(600));
        assert!(!judge.is_dead(ms(3_000)));
    }
}
