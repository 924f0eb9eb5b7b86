//! Real servers: one thread answers for every address at a port, and notes when each address was asked.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lab::{Context, Moment, Result};
use rustix::event::epoll;
use rustix::net::{Shutdown, SocketFlags};

use super::table::enter_network;

/// What a check asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A connection.
    Tcp,
    /// A page.
    Http,
}

const GOOD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nOK\n";
const BAD: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbad\n";

/// Servers at one port. They close when this is dropped.
pub(crate) struct Servers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    accepted: AtomicU64,
    bad: AtomicBool,
    ended: AtomicBool,
    closed: AtomicBool,
    /// When the last bad answer was sent.
    answered_bad: AtomicU64,
    /// Of each address: when it was asked last, and the longest and summed times between two questions.
    asked: Mutex<HashMap<Ipv4Addr, (Moment, Vec<Duration>)>>,
}

impl Servers {
    /// Opens the port in the network of the process `pid`.
    pub(crate) fn start(pid: u32, port: u16, kind: Kind) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let (to, opened) = std::sync::mpsc::channel();
        let inner = Arc::clone(&shared);
        std::thread::spawn(move || {
            let open = enter_network(pid).and_then(|()| listen(port));
            match open {
                Ok(listener) => {
                    let _ = to.send(Ok(()));
                    let _ = serve(&listener, kind, &inner);
                    drop(listener);
                    inner.closed.store(true, Ordering::Release);
                }
                Err(failure) => drop(to.send(Err(failure))),
            }
        });
        opened.recv().context(|| "a server ended")??;
        Ok(Self(shared))
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.0.accepted.load(Ordering::Relaxed)
    }

    /// Whether pages are refused with 503.
    pub(crate) fn refuse(&self, bad: bool) {
        self.0.bad.store(bad, Ordering::Relaxed);
    }

    /// When the last 503 was sent.
    pub(crate) fn last_refusal(&self) -> Moment {
        Moment::from_nanos(self.0.answered_bad.load(Ordering::Acquire))
    }

    /// The times between two questions at one address, since the last call.
    pub(crate) fn intervals(&self) -> Vec<Duration> {
        let mut asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.values_mut().flat_map(|(_, intervals)| std::mem::take(intervals)).collect()
    }

    /// Closes the port: from the moment returned on, connections are refused.
    pub(crate) fn end(self) -> Moment {
        self.0.ended.store(true, Ordering::Release);
        while !self.0.closed.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_micros(200));
        }
        Moment::now()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
    }
}

fn listen(port: u16) -> Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).context(|| format!("port {port}"))?;
    rustix::net::listen(&listener, 65_535)?; // longer than what the library asks for
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn serve(listener: &TcpListener, kind: Kind, shared: &Shared) -> Result<()> {
    const LISTENER: u64 = u64::MAX;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
    let mut connections: HashMap<u64, OwnedFd> = HashMap::new();
    let mut next = 0;
    let mut events = Vec::with_capacity(256);
    let mut request = [0; 2048];
    while !shared.ended.load(Ordering::Acquire) {
        events.clear();
        let patience = rustix::fs::Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&patience)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let token = event.data.u64();
            if token == LISTENER {
                while let Ok(connection) =
                    rustix::net::accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
                {
                    shared.accept(&connection);
                    next += 1;
                    let flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
                    epoll::add(&epoll, connection.as_fd(), epoll::EventData::new_u64(next), flags)?;
                    connections.insert(next, connection);
                }
                continue;
            }
            let Some(connection) = connections.get(&token) else { continue };
            match rustix::io::read(connection, &mut request) {
                Ok(1..) if kind == Kind::Http => shared.answer(connection),
                Ok(1..) | Err(rustix::io::Errno::AGAIN) => {}
                Ok(0) | Err(_) => drop(connections.remove(&token)),
            }
        }
    }
    Ok(())
}

impl Shared {
    fn accept(&self, connection: &OwnedFd) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let Ok(name) = rustix::net::getsockname(connection) else { return };
        let Ok(SocketAddr::V4(name)) = SocketAddr::try_from(name) else { return };
        let now = Moment::now();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, intervals) = asked.entry(*name.ip()).or_insert((now, Vec::new()));
        if *last != now {
            intervals.push(now.since(*last));
        }
        *last = now;
    }

    fn answer(&self, connection: &OwnedFd) {
        let bad = self.bad.load(Ordering::Relaxed);
        if bad {
            self.answered_bad.store(Moment::now().nanos(), Ordering::Release);
        }
        let _ = rustix::io::write(connection, if bad { BAD } else { GOOD });
        let _ = rustix::net::shutdown(connection, Shutdown::Write);
    }
}
