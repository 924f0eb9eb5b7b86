//! The real servers of a case: their addresses on the loopback interface, and what listens on their ports.

use crate::case::{BEACON, BEACON_PORT, Case, MOMENTS, Speaks, State};
use crate::speak::{self, answer};
use crate::trust::Trust;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// For `external` checks: a file for every server that is up, named as these checks are told of it.
pub const UP: &str = "/run/differential/up";
/// For `maintenancedir`.
pub const MAINTENANCE: &str = "/run/differential/maintenance";

/// The servers of one side. They end with the process.
pub struct Servers {
    trust: Arc<Trust>,
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
    pub fn new(trust: Trust) -> Servers {
        std::fs::create_dir_all(UP).unwrap();
        std::fs::create_dir_all(MAINTENANCE).unwrap();
        let visits = Arc::new(AtomicUsize::new(0));
        address("add", BEACON.parse().unwrap());
        let (listener, seen) = (TcpListener::bind((BEACON, BEACON_PORT)).unwrap(), Arc::clone(&visits));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                drop(stream);
                seen.fetch_add(1, Ordering::SeqCst);
            }
        });
        Servers { trust: Arc::new(trust), visits, running: Mutex::default() }
    }

    /// Makes every server what it is at this moment of the case.
    pub fn set(&self, case: &Case, moment: usize) {
        assert!(moment < MOMENTS);
        let mut running = self.running.lock().unwrap();
        for (server, states) in &case.servers {
            become_state(&mut running, case, *server, states[moment], &self.trust);
        }
    }

    /// How often the last real server of the file was checked.
    pub fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

fn become_state(
    running: &mut BTreeMap<IpAddr, Running>,
    case: &Case,
    server: IpAddr,
    state: State,
    trust: &Arc<Trust>,
) {
    mark(format!("{UP}/{}", written(server)), state.is_well());
    mark(format!("{MAINTENANCE}/{}", kept_as(case, server)), state == State::Maintained);
    if state == State::Gone {
        if running.remove(&server).is_some() {
            wait_for_partings(server);
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
                let at = SocketAddr::new(server, *port);
                open(at, *udp, speaks.clone(), Arc::clone(&entry.state), Arc::clone(trust))
            })
            .collect();
    }
}

/// Waits until whoever talked with this server has heard that it hung up: when its address is gone nothing reaches them any
/// more, and ldirectord's MySQL client waits for ever for an answer.
fn wait_for_partings(server: IpAddr) {
    let server = written(server);
    let arguments = ["-Htn", "state", "established", "state", "fin-wait-1", "src", &server];
    for _ in 0..500 {
        let output = Command::new("ss").args(arguments).output().unwrap();
        assert!(output.status.success(), "ss: {}", String::from_utf8_lossy(&output.stderr));
        if output.stdout.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("connections of {server} do not end");
}

/// Makes a file, or takes it away.
fn mark(file: String, there: bool) {
    if there {
        std::fs::write(file, "").unwrap();
    } else {
        let _ = std::fs::remove_file(file); // it may not be there
    }
}

/// A server's name in the directory of those in maintenance: one of those that it may have there.
fn kept_as(case: &Case, server: IpAddr) -> String {
    let name = case.hosts.iter().find(|(address, _)| *address == server).map(|(_, name)| name.as_str());
    match (name, server) {
        (Some(name), IpAddr::V4(address)) if address.octets()[3] % 3 == 0 => name.to_owned(),
        (Some(name), IpAddr::V4(address)) if address.octets()[3] % 3 == 1 => {
            name.split('.').next().unwrap_or(name).to_owned()
        }
        _ => written(server),
    }
}

/// As ldirectord writes an address.
fn written(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
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

/// The connections of a port, numbered.
type Talks = Arc<Mutex<BTreeMap<u64, TcpStream>>>;

/// An open port; it is closed when this is dropped, and its connections with it.
enum Port {
    Tcp(Arc<TcpListener>, Talks, Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>),
    Udp(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>),
}

impl Drop for Port {
    fn drop(&mut self) {
        let (closing, thread) = match self {
            Port::Tcp(listener, _, closing, thread) => {
                closing.store(true, Ordering::SeqCst);
                let _ = rustix::net::shutdown(&**listener, rustix::net::Shutdown::Both); // wakes its thread
                (closing, thread)
            }
            Port::Udp(closing, thread) => (closing, thread),
        };
        closing.store(true, Ordering::SeqCst);
        // The port is closed when the thread has let go of it; then no connection is added any more.
        if let Some(thread) = thread.take() {
            thread.join().unwrap();
        }
        if let Port::Tcp(_, talks, ..) = self {
            for stream in talks.lock().unwrap().values() {
                let _ = stream.shutdown(Shutdown::Both); // it may have ended
            }
        }
    }
}

fn open(at: SocketAddr, udp: bool, speaks: Speaks, state: Arc<Mutex<State>>, trust: Arc<Trust>) -> Port {
    let closing = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&closing);
    if udp {
        let socket = UdpSocket::bind(at).unwrap_or_else(|error| panic!("{at}: {error}"));
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let thread = std::thread::spawn(move || datagrams(&socket, &speaks, &state, &seen));
        return Port::Udp(closing, Some(thread));
    }
    let listener = Arc::new(TcpListener::bind(at).unwrap_or_else(|error| panic!("{at}: {error}")));
    let (accepting, talks) = (Arc::clone(&listener), Talks::default());
    let open = Arc::clone(&talks);
    let thread = std::thread::spawn(move || {
        for number in 0.. {
            match accepting.accept() {
                _ if seen.load(Ordering::SeqCst) => return,
                Ok((stream, _)) => {
                    let (speaks, state, trust) = (speaks.clone(), *state.lock().unwrap(), Arc::clone(&trust));
                    let open = Arc::clone(&open);
                    open.lock().unwrap().insert(number, stream.try_clone().unwrap());
                    std::thread::spawn(move || {
                        answer(stream, &speaks, state, &trust);
                        open.lock().unwrap().remove(&number);
                    });
                }
                Err(_) => {}
            }
        }
    });
    Port::Tcp(listener, talks, closing, Some(thread))
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
