//! What clients get while the daemon starts and reloads, beside servers that are dead though their ports are open. Clients
//! connect all the time; every connection that reaches a server is counted there.

use crate::Test;
use crate::bed::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

pub const TESTS: &[Test] = &[
    ("no_client_meets_a_dead_server_with_weight_0", with_weight_0),
    ("no_client_meets_a_dead_server_that_is_removed", removed),
];

const LIMIT: Duration = Duration::from_secs(30);
/// Connections after each event, before and after which the dead are looked at.
const ENOUGH: u64 = 12;
/// Clients at the same time.
const CLIENTS: usize = 2;
/// A client gives up after this: the kernel says nothing to one whose service is purged while it talks, and if all of them waited
/// for that, nobody would be left to be served.
const PATIENCE: Duration = Duration::from_secs(1);
/// What a client says; checks say `GET`.
const WORD: &str = "client";

fn with_weight_0() {
    no_client_meets_the_dead("quiescent=yes");
}

fn removed() {
    no_client_meets_the_dead("quiescent=no");
}

fn no_client_meets_the_dead(quiescent: &str) {
    let bed = Bed::new();
    let good = Counting::start("192.0.2.11", Check::Passes);
    let dead = [Counting::start("192.0.2.12", Check::Fails), Counting::start("192.0.2.13", Check::Hangs)];
    let one = |options: &str| {
        section(VIP, &format!("{quiescent};{options}"), &["192.0.2.11", "192.0.2.12", "192.0.2.13"])
    };
    let two = section(VIP2, quiescent, &["192.0.2.12", "192.0.2.13", "192.0.2.11"]);
    let clients = Clients::start();
    let after = |what: &str| {
        let before = good.clients();
        bed.until(&format!("clients are served after {what}"), LIMIT, |_| good.clients() >= before + ENOUGH);
        for server in &dead {
            assert_eq!(
                server.clients(),
                0,
                "{} after {what}\n{:#?}\n{}",
                server.address,
                bed.table(),
                bed.log()
            );
        }
    };
    // The kernel's own counts are some seconds old.
    let the_kernel_agrees = || {
        bed.until("the kernel counts too", LIMIT, |bed| forwarded(bed, "192.0.2.11") > 0);
        for server in &dead {
            assert_eq!(forwarded(&bed, server.address), 0, "{}", server.address);
        }
    };
    let hangs = "negotiatetimeout=60"; // that verdict comes late, and until then nothing is known of the server

    bed.configure(&one(hangs));
    bed.ok("start");
    after("a cold start");
    bed.ok("reload");
    after("a reload of the same file");
    bed.configure(&format!("{}{two}", one(hangs)));
    bed.ok("reload");
    after("a reload with one more service of the same servers");
    bed.configure(&format!("{}{two}", one(hangs)).replace("masq 5", "masq 7"));
    bed.ok("reload");
    after("a reload with other weights");
    bed.configure(&one("negotiatetimeout=60; scheduler=lc; request=\"other\""));
    bed.ok("reload");
    after("a reload with another scheduler and other checks, without the second service");
    bed.ok("restart");
    after("a restart");
    bed.must("kill", &format!("-9 {}", bed.pid()));
    bed.until("the daemon is gone", LIMIT, |bed| bed.code("status") == 1);
    after("its death");
    bed.ok("start");
    after("a start on the table that was left");
    the_kernel_agrees();
    bed.ok("stop");
    bed.configure(&format!("{}{two}", one("failurecount=3; rise=2; negotiatetimeout=1")));
    bed.ok("start");
    after("one more cold start, where one failure is none");
    bed.says("Check failed: 192.0.2.13:8080");
    after("the verdict on the one that hangs");
    bed.ok("restart");
    after("a restart with that verdict");
    the_kernel_agrees();
    bed.ok("stop");
    clients.end();
}

/// Connections that the kernel has sent to this server since it is in the table.
fn forwarded(bed: &Bed, server: &str) -> u64 {
    let stats = bed.must("ipvsadm", "-Ln --stats --exact");
    let lines = stats.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let of = lines
        .filter(|words| words.first() == Some(&"->") && words.get(1) == Some(&&*format!("{server}:{PORT}")));
    of.map(|words| words.get(2).and_then(|count| count.parse::<u64>().ok()).expect(&stats)).sum()
}

/// What a server does with a check; a client is always answered.
#[derive(Clone, Copy)]
enum Check {
    Passes,
    Fails,
    Hangs,
}

/// A real server that counts its clients.
struct Counting {
    address: &'static str,
    clients: Arc<AtomicU64>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Counting {
    fn start(address: &'static str, check: Check) -> Counting {
        let listener = TcpListener::bind((address, PORT)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (clients, end) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, ended) = (Arc::clone(&clients), Arc::clone(&end));
        let serve = move || {
            while !ended.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let count = Arc::clone(&count);
                        drop(std::thread::spawn(move || answer(&stream, check, &count)));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(2)),
                }
            }
        };
        Counting { address, clients, end, thread: Some(std::thread::spawn(serve)) }
    }

    fn clients(&self) -> u64 {
        self.clients.load(Ordering::Relaxed)
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn answer(mut stream: &TcpStream, check: Check, clients: &AtomicU64) {
    let _ = stream.set_nonblocking(false);
    let mut line = String::new();
    let _ = BufReader::new(stream).read_line(&mut line);
    if line.starts_with("GET") {
        let page = match check {
            Check::Passes => "HTTP/1.0 200 OK\r\n\r\nok\n",
            Check::Fails => "HTTP/1.0 503 Service Unavailable\r\n\r\nok\n",
            Check::Hangs => {
                let _ = stream.read(&mut [0; 1024]); // until the check gives up
                return drop(stream.read_to_end(&mut Vec::new()));
            }
        };
        let _ = stream.write_all(page.as_bytes());
    } else {
        clients.fetch_add(1, Ordering::Relaxed); // whatever it says, and if it is only that it is there
        let _ = stream.write_all(b"hello\n");
    }
}

/// They connect to both services, again and again, whether they are served or refused.
struct Clients {
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    fn start() -> Clients {
        let end = Arc::new(AtomicBool::new(false));
        let run = |ended: Arc<AtomicBool>| {
            move || {
                let services: [SocketAddr; 2] = [VIP.parse().unwrap(), VIP2.parse().unwrap()];
                for service in services.iter().cycle() {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    if let Ok(mut stream) = TcpStream::connect_timeout(service, PATIENCE) {
                        let _ = stream.set_read_timeout(Some(PATIENCE));
                        let _ = writeln!(stream, "{WORD}");
                        let _ = stream.read_to_end(&mut Vec::new());
                    }
                    std::thread::sleep(Duration::from_millis(15));
                }
            }
        };
        let threads = (0..CLIENTS).map(|_| std::thread::spawn(run(Arc::clone(&end)))).collect();
        Clients { end, threads }
    }

    fn end(self) {
        self.end.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}
