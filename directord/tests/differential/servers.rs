//! The real servers of a case: their addresses on the loopback interface, and what listens on their ports.

use crate::case::{BEACON, BEACON_PORT, Case, MOMENTS, Speaks, State};
use crate::speak::{self, answer};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// For `external` checks: a file for every server that is up.
pub const UP: &str = "/run/differential/up";

/// The servers of one side. They end with the process.
pub struct Servers {
    visits: Arc<AtomicUsize>,
    running: Mutex<BTreeMap<IpAddr, Running>>,
}

/// A server whose address exists.
struct Running {
    state: Arc<Mutex<State>>,
    ports: Vec<Port>,
}

impl Servers {
    /// Only the one that counts its visits; no other address exists yet.
    pub fn new() -> Servers {
        std::fs::create_dir_all(UP).unwrap();
        let visits = Arc::new(AtomicUsize::new(0));
        address("add", BEACON.parse().unwrap());
        let (listener, seen) = (TcpListener::bind((BEACON, BEACON_PORT)).unwrap(), Arc::clone(&visits));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                drop(stream);
                seen.fetch_add(1, Ordering::SeqCst);
            }
        });
        Servers { visits, running: Mutex::default() }
    }

    /// Makes every server what it is at this moment of the case.
    pub fn set(&self, case: &Case, moment: usize) {
        assert!(moment < MOMENTS);
        let mut running = self.running.lock().unwrap();
        for (server, states) in &case.servers {
            become_state(&mut running, case, *server, states[moment]);
        }
    }

    /// How often the last real server of the file was checked.
    pub fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

fn become_state(running: &mut BTreeMap<IpAddr, Running>, case: &Case, server: IpAddr, state: State) {
    let mark = format!("{UP}/{server}");
    if state == State::Up {
        std::fs::write(mark, "").unwrap();
    } else {
        let _ = std::fs::remove_file(mark); // it may not be there
    }
    if state == State::Gone {
        if running.remove(&server).is_some() {
            address("del", server);
        }
        return;
    }
    let entry = running.entry(server).or_insert_with(|| {
        address("add", server);
        Running { state: Arc::new(Mutex::new(state)), ports: Vec::new() }
    });
    *entry.state.lock().unwrap() = state;
    if state == State::Refuses {
        entry.ports.clear();
    } else if entry.ports.is_empty() {
        let ports = case.ports.iter();
        entry.ports = ports
            .map(|((port, udp), speaks)| {
                open(SocketAddr::new(server, *port), *udp, speaks.clone(), Arc::clone(&entry.state))
            })
            .collect();
    }
}

fn address(verb: &str, address: IpAddr) {
    let arguments = match address {
        IpAddr::V4(address) => format!("addr {verb} {address}/32 dev lo"),
        IpAddr::V6(address) if verb == "add" => format!("-6 addr add {address}/128 dev lo nodad"),
        IpAddr::V6(address) => format!("-6 addr {verb} {address}/128 dev lo"),
    };
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An open port; it is closed when this is dropped.
enum Port {
    Tcp(Arc<TcpListener>, Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>),
    Udp(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>),
}

impl Drop for Port {
    fn drop(&mut self) {
        let (closing, thread) = match self {
            Port::Tcp(listener, closing, thread) => {
                closing.store(true, Ordering::SeqCst);
                let _ = rustix::net::shutdown(&**listener, rustix::net::Shutdown::Both); // wakes its thread
                (closing, thread)
            }
            Port::Udp(closing, thread) => (closing, thread),
        };
        closing.store(true, Ordering::SeqCst);
        // The port is closed when the thread has let go of it.
        if let Some(thread) = thread.take() {
            thread.join().unwrap();
        }
    }
}

fn open(at: SocketAddr, udp: bool, speaks: Speaks, state: Arc<Mutex<State>>) -> Port {
    let closing = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&closing);
    if udp {
        let socket = UdpSocket::bind(at).unwrap_or_else(|error| panic!("{at}: {error}"));
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let thread = std::thread::spawn(move || datagrams(&socket, &speaks, &state, &seen));
        return Port::Udp(closing, Some(thread));
    }
    let listener = Arc::new(TcpListener::bind(at).unwrap_or_else(|error| panic!("{at}: {error}")));
    let accepting = Arc::clone(&listener);
    let thread = std::thread::spawn(move || {
        loop {
            match accepting.accept() {
                _ if seen.load(Ordering::SeqCst) => return,
                Ok((stream, _)) => {
                    let (speaks, state) = (speaks.clone(), *state.lock().unwrap());
                    std::thread::spawn(move || answer(stream, &speaks, state));
                }
                Err(_) => {}
            }
        }
    });
    Port::Tcp(listener, closing, Some(thread))
}

fn datagrams(socket: &UdpSocket, speaks: &Speaks, state: &Mutex<State>, closing: &AtomicBool) {
    let mut buffer = [0; 2048];
    while !closing.load(Ordering::SeqCst) {
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                let answer = speak::datagram(speaks, *state.lock().unwrap(), &buffer[..length]);
                if let Some(answer) = answer {
                    let _ = socket.send_to(&answer, from); // who asked may have gone
                }
            }
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused
                ),
                "{error}"
            ),
        }
    }
}
