//! `checktype=ping`: ICMP echo requests. One raw socket per source address serves all checks. A thread reads from
//! it; a reply finds its check by sequence number and is believed only from the address that was asked.

use super::random::random;
use super::{Outcome, source};
use daemon::icmp;
use rustix::net::{RecvFlags, SendFlags};
use socket2::Socket;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// Bytes of an echo request after its 8 bytes of header, as in ping(8).
const PAYLOAD: usize = 56;
/// Bytes of replies that may wait for the reading thread: some thousands.
const RECEIVE_BUFFER: usize = 8 << 20;

/// The sockets of both families and of every source address, opened when they are first needed.
#[derive(Default)]
pub(super) struct Pinger {
    families: Mutex<HashMap<From, Arc<Family>>>,
}

/// IPv6 or not, and the source address.
type From = (bool, Option<IpAddr>);

struct Family {
    socket: Socket,
    v6: bool,
    /// Random, so that answers to another process's requests are not taken for ours.
    identifier: u16,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u16,
    checks: HashMap<u16, (IpAddr, oneshot::Sender<()>)>,
}

impl Pinger {
    /// Sends up to `attempts` requests, each with its own limit.
    pub(super) async fn check(&self, to: IpAddr, attempts: u32, limit: Duration) -> Outcome {
        let family = match self.family(to.is_ipv6(), source::towards(to)) {
            Ok(family) => family,
            Err(error) => return Outcome::NotRun(format!("raw ICMP socket: {error}")),
        };
        let attempts = attempts.max(1);
        for _ in 0..attempts {
            match timeout(limit, family.echo(to)).await {
                Ok(Ok(())) => return Outcome::Passed,
                Ok(Err(error)) => return Outcome::of_io(&error),
                Err(_) => {}
            }
        }
        Outcome::NoReply(attempts, limit)
    }

    fn family(&self, v6: bool, source: Option<IpAddr>) -> io::Result<Arc<Family>> {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(family) = families.get(&(v6, source)) {
            return Ok(Arc::clone(family));
        }
        let family = Family::open(v6, source)?;
        families.insert((v6, source), Arc::clone(&family));
        Ok(family)
    }
}

impl Family {
    /// Opens the socket and starts the thread that reads from it.
    fn open(v6: bool, source: Option<IpAddr>) -> io::Result<Arc<Family>> {
        let socket = source::icmp(v6, source)?;
        // Without CAP_NET_ADMIN it stays as it is, which is enough for a few hundred replies at once.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER);
        socket.set_read_timeout(Some(Duration::from_secs(1)))?; // to see that nobody needs the thread any more
        let family = Arc::new(Family {
            socket,
            v6,
            identifier: u16::from_be_bytes(random()?),
            waiting: Mutex::default(),
        });
        let reader = Arc::downgrade(&family);
        std::thread::Builder::new().name("ping".into()).stack_size(64 * 1024).spawn(move || read(&reader))?;
        Ok(family)
    }

    /// One request and its reply; waits for ever.
    async fn echo(&self, to: IpAddr) -> io::Result<()> {
        let (sender, answered) = oneshot::channel();
        let sequence = {
            let mut waiting = self.waiting();
            waiting.next = waiting.next.wrapping_add(1);
            let sequence = waiting.next;
            waiting.checks.insert(sequence, (to, sender));
            sequence
        };
        let _forget = Forget { family: self, sequence };
        let packet = icmp::request(self.v6, self.identifier, sequence, &[0; PAYLOAD]);
        let address = SocketAddr::new(to, 0);
        while let Err(error) = rustix::net::sendto(&self.socket, &packet, SendFlags::DONTWAIT, &address) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(error.into());
            }
            sleep(Duration::from_millis(5)).await; // a full queue of the interface
        }
        answered.await.map_err(|_| io::Error::other("the reading thread ended"))
    }

    /// Tells the check that a reply is for.
    fn received(&self, packet: &[u8], from: IpAddr) {
        let Some((identifier, sequence, _)) = icmp::reply(packet, self.v6) else { return };
        if identifier != self.identifier {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.checks.get(&sequence).is_some_and(|(to, _)| *to == from) {
            if let Some((_, sender)) = waiting.checks.remove(&sequence) {
                let _ = sender.send(());
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes a check that no longer waits, also when its future is dropped at the limit.
struct Forget<'a> {
    family: &'a Family,
    sequence: u16,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.family.waiting().checks.remove(&self.sequence);
    }
}

/// Until nobody holds the socket any more.
fn read(family: &Weak<Family>) {
    let mut buffer = [0u8; 2048];
    while let Some(family) = family.upgrade() {
        // An error is the read's time limit, or the network's about some other packet.
        let Ok((_, length, Some(from))) =
            rustix::net::recvfrom(&family.socket, &mut buffer, RecvFlags::empty())
        else {
            continue;
        };
        let from = SocketAddr::try_from(from).map(|socket| socket.ip());
        if let (Ok(from), Some(packet)) = (from, buffer.get(..length.min(2048))) {
            family.received(packet, from);
        }
    }
}
