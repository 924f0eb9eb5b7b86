//! Requests to an address every few milliseconds, each with its own deadline, from one thread for each kind.
//!
//! | probe | asks | an answer is |
//! |---|---|---|
//! | [`icmp`] | ICMP or ICMPv6 echo | the reply |
//! | [`tcp`] | a connection, or an HTTP request on it | the connection, or the page |
//! | [`owner`] | ARP or neighbour discovery, to everybody | who replies, with the hardware address |

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::moment::Moment;

pub mod icmp;
pub mod owner;
pub mod tcp;

/// How often, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time from one request to the next.
    pub interval: Duration,
    /// A request without an answer by then has failed.
    pub limit: Duration,
}

impl Pace {
    /// When the request after the one that was due at `due` is due. After a pause of this machine there is nothing to catch
    /// up with.
    fn after(&self, due: Moment, now: Moment) -> Moment {
        if now.since(due) > self.interval { now.plus(self.interval) } else { due.plus(self.interval) }
    }
}

/// Wait until one of the descriptors is ready or the deadline is there. The answer says which are ready; `None`: `stop` has
/// ended, so should the probe.
fn wait<'a>(
    stop: BorrowedFd<'a>,
    others: impl IntoIterator<Item = PollFd<'a>>,
    deadline: Moment,
) -> io::Result<Option<Vec<bool>>> {
    let left = deadline.since(Moment::now());
    let left = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
    let mut all = vec![PollFd::from_borrowed_fd(stop, PollFlags::IN)];
    all.extend(others);
    match poll(&mut all, Some(&left)) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok(Some(vec![false; all.len().saturating_sub(1)])),
        Err(error) => return Err(error.into()),
    }
    let mut ready = all.iter().map(|each| !each.revents().is_empty());
    Ok(if ready.next() == Some(true) { None } else { Some(ready.collect()) })
}

/// What was being done, before the error's own text.
fn doing(what: &str) -> impl FnOnce(io::Error) -> io::Error + '_ {
    move |error| io::Error::new(error.kind(), format!("{what}: {error}"))
}
