//! The real servers of a case: their addresses on the loopback interface, and what speaks on their ports.

use crate::case::{BEACON, BEACON_PORT, Case, Speaks, State};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv6Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// How each address is now.
type Now = Arc<Mutex<BTreeMap<IpAddr, State>>>;

/// The servers of one side. They end with the process.
pub struct Servers {
    now: Now,
    visits: Arc<AtomicUsize>,
}

impl Servers {
    /// Listens on all ports; no address exists yet.
    pub fn new(case: &Case) -> Servers {
        let (now, visits) = (Now::default(), Arc::new(AtomicUsize::new(0)));
        for (port, speaks) in &case.ports {
            listen(*port, speaks.clone(), Arc::clone(&now));
        }
        let listener = TcpListener::bind((BEACON_ADDRESS, BEACON_PORT)).unwrap();
        let seen = Arc::clone(&visits);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                drop(stream);
                seen.fetch_add(1, Ordering::SeqCst);
            }
        });
        address("add", BEACON.parse().unwrap());
        Servers { now, visits }
    }

    /// Makes every address what it is in this state of the case: 0 at the start, 1 after the change.
    pub fn set(&self, case: &Case, moment: usize) {
        for (server, states) in &case.servers {
            let state = states[moment];
            let before = self.now.lock().unwrap().insert(*server, state).unwrap_or(State::Gone);
            match (before == State::Gone, state == State::Gone) {
                (true, false) => address("add", *server),
                (false, true) => address("del", *server),
                _ => {}
            }
        }
    }

    /// How often the last real server of the file was checked.
    pub fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

const BEACON_ADDRESS: Ipv6Addr = Ipv6Addr::UNSPECIFIED; // IPv4 too

fn address(verb: &str, address: IpAddr) {
    let arguments = match address {
        IpAddr::V4(address) => format!("addr {verb} {address}/32 dev lo"),
        IpAddr::V6(address) if verb == "add" => format!("-6 addr add {address}/128 dev lo nodad"),
        IpAddr::V6(address) => format!("-6 addr {verb} {address}/128 dev lo"),
    };
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

fn listen(port: u16, speaks: Speaks, now: Now) {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
        .unwrap_or_else(|error| panic!("port {port}: {error}"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(local) = stream.local_addr() else { continue };
            let state = now.lock().unwrap().get(&local.ip().to_canonical()).copied();
            let speaks = speaks.clone();
            std::thread::spawn(move || answer(stream, &speaks, state.unwrap_or(State::Wrong)));
        }
    });
}

/// One conversation; whoever hangs up ends it.
fn answer(stream: TcpStream, speaks: &Speaks, state: State) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream).lines();
    match speaks {
        Speaks::Nothing => {}
        Speaks::Web(page) => {
            let asked = lines.next()?.ok()?;
            while lines.next()?.ok()?.trim() != "" {}
            let status = if state == State::Up { "200 OK" } else { "503 Service Unavailable" };
            let page = if asked.starts_with("HEAD") { "" } else { page };
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n{page}");
            writer.write_all(head.as_bytes()).ok()?;
        }
        Speaks::Mail if state == State::Up => {
            writer.write_all(b"220 ready\r\n").ok()?;
            loop {
                let line = lines.next()?.ok()?;
                let quit = line.to_uppercase().starts_with("QUIT");
                writer.write_all(if quit { b"221 bye\r\n" } else { b"250 ok\r\n" }).ok()?;
            }
        }
        Speaks::Mail => writer.write_all(b"554 no service\r\n").ok()?,
    }
    Some(())
}
