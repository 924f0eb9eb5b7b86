//! `checktype=ping`: ICMP echo requests. One raw socket per family serves all checks. A thread reads from it; a
//! reply finds its check by sequence number and is believed only from the address that was asked.

use super::Outcome;
use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// Bytes of an echo request after its 8 bytes of header, as in ping(8).
const PAYLOAD: usize = 56;
/// Bytes of replies that may wait for the reading thread: some thousands.
const RECEIVE_BUFFER: usize = 8 << 20;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;

/// Both sockets, opened when they are first needed.
#[derive(Default)]
pub(super) struct Pinger {
    v4: OnceLock<Result<Arc<Family>, String>>,
    v6: OnceLock<Result<Arc<Family>, String>>,
}

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
        let cell = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        let family = match cell.get_or_init(|| Family::open(to.is_ipv6()).map_err(|error| error.to_string()))
        {
            Ok(family) => family,
            Err(why) => return Outcome::NotRun(format!("raw ICMP socket: {why}")),
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
}

impl Family {
    /// Opens the socket and starts the thread that reads from it.
    fn open(v6: bool) -> io::Result<Arc<Family>> {
        let (domain, protocol) =
            if v6 { (Domain::IPV6, Protocol::ICMPV6) } else { (Domain::IPV4, Protocol::ICMPV4) };
        let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
        // Without CAP_NET_ADMIN it stays as it is, which is enough for a few hundred replies at once.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER);
        socket.set_read_timeout(Some(Duration::from_secs(1)))?; // to see that nobody needs the thread any more
        let mut identifier = [0; 2];
        random(&mut identifier);
        let family = Arc::new(Family {
            socket,
            v6,
            identifier: u16::from_be_bytes(identifier),
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
        let packet = self.request(sequence);
        let address = SocketAddr::new(to, 0);
        while let Err(error) = rustix::net::sendto(&self.socket, &packet, SendFlags::DONTWAIT, &address) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(error.into());
            }
            sleep(Duration::from_millis(5)).await; // a full queue of the interface
        }
        answered.await.map_err(|_| io::Error::other("the reading thread ended"))
    }

    fn request(&self, sequence: u16) -> Vec<u8> {
        let mut packet = vec![0; 8 + PAYLOAD];
        let [id_high, id_low] = self.identifier.to_be_bytes();
        let [seq_high, seq_low] = sequence.to_be_bytes();
        let kind = if self.v6 { ECHO_REQUEST_V6 } else { ECHO_REQUEST };
        for (byte, value) in packet.iter_mut().zip([kind, 0, 0, 0, id_high, id_low, seq_high, seq_low]) {
            *byte = value;
        }
        if !self.v6 {
            // ICMPv6's checksum covers addresses too and is the kernel's work (RFC 3542).
            let sum = checksum(&packet).to_be_bytes();
            for (byte, value) in packet.iter_mut().skip(2).zip(sum) {
                *byte = value;
            }
        }
        packet
    }

    /// Tells the check that a reply is for.
    fn received(&self, packet: &[u8], from: IpAddr) {
        let Some((identifier, sequence)) = reply(packet, self.v6) else { return };
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

/// Identifier and sequence number of an echo reply. IPv4 raw sockets deliver the IP header, too.
fn reply(packet: &[u8], v6: bool) -> Option<(u16, u16)> {
    let (message, expected) = if v6 {
        (packet, ECHO_REPLY_V6)
    } else {
        let header = usize::from(packet.first()? & 0x0f) * 4;
        (packet.get(header..)?, ECHO_REPLY)
    };
    let [kind, 0, _, _, id_high, id_low, seq_high, seq_low] = *message.first_chunk::<8>()? else {
        return None;
    };
    let numbers = (u16::from_be_bytes([id_high, id_low]), u16::from_be_bytes([seq_high, seq_low]));
    (kind == expected).then_some(numbers)
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.fold(0, u32::wrapping_add);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// Bytes that nobody guesses; the process id if the kernel gives none.
fn random(bytes: &mut [u8; 2]) {
    use std::io::Read;
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(bytes));
    if read.is_err() {
        let id = std::process::id().to_be_bytes();
        *bytes = [id[2], id[3]];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[]), 0xffff);
        assert_eq!(checksum(&[0xff]), 0x00ff);
    }

    #[test]
    fn replies_of_both_families_and_nothing_else() {
        let mut v4 = vec![0x45; 20];
        v4.extend([0, 0, 9, 9, 1, 2, 3, 4, 5]);
        assert_eq!(reply(&v4, false), Some((0x0102, 0x0304)));
        assert_eq!(reply(&[129, 0, 9, 9, 1, 2, 3, 4], true), Some((0x0102, 0x0304)));
        v4[20] = ECHO_REQUEST;
        assert_eq!(reply(&v4, false), None);
        for length in 0..28 {
            assert_eq!(reply(&v4[..length], false), None);
        }
        assert_eq!(reply(&[0x4f; 59], false), None, "a header longer than the packet");
    }
}
