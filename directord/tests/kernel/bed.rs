//! What a test stands on: addresses, real servers, a configuration, the program, the table.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The virtual addresses.
pub const VIP: &str = "203.0.113.202:80";
pub const VIP2: &str = "203.0.113.203:80";
/// The port of all real servers.
pub const PORT: u16 = 8080;

/// Removed with everything that still runs when it is dropped.
pub struct Bed {
    folder: PathBuf,
}

/// The longest that anything is waited for.
const LIMIT: Duration = Duration::from_secs(30);

impl Bed {
    /// Addresses on the loopback interface, an empty table, a folder.
    pub fn new() -> Bed {
        let folder = std::env::temp_dir().join(format!("directord-kernel-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let bed = Bed { folder };
        bed.must("ip", "link set lo up");
        for address in
            ["203.0.113.202", "203.0.113.203", "192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.99"]
        {
            bed.must("ip", &format!("addr add {address}/32 dev lo"));
        }
        assert_eq!(bed.must("ipvsadm", "-Sn"), "", "the table of a new namespace is empty");
        bed
    }

    /// Runs a command that must succeed; its output.
    pub fn must(&self, program: &str, arguments: &str) -> String {
        let output = Command::new(program).args(arguments.split_whitespace()).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(
            output.status.success(),
            "{program} {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Writes the configuration: fast globals, then this.
    pub fn configure(&self, sections: &str) {
        let log = self.folder.join("log");
        let text = format!(
            "checkinterval=1\nchecktimeout=5\nnegotiatetimeout=5\nlogfile=\"{}\"\n{sections}\n",
            log.display()
        );
        std::fs::write(self.config(), text).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.folder.join("test.cf")
    }

    pub fn pid_file(&self) -> PathBuf {
        self.folder.join("ldirectord.test.cf.pid")
    }

    /// Runs the program with a verb.
    pub fn run(&self, verb: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
        command.arg("--run-dir").arg(&self.folder).arg(self.config()).args(verb.split(' '));
        command.output().unwrap()
    }

    /// Runs the program with a verb that must succeed.
    pub fn ok(&self, verb: &str) {
        let output = self.run(verb);
        assert!(
            output.status.success(),
            "{verb}: {}\n{}",
            String::from_utf8_lossy(&output.stderr),
            self.log()
        );
    }

    pub fn code(&self, verb: &str) -> i32 {
        self.run(verb).status.code().unwrap()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until the log says this: it is written a little later than what it tells.
    pub fn says(&self, words: &str) {
        self.until(&format!("the log says: {words}"), LIMIT, |bed| bed.log().contains(words));
    }

    /// Empties the log, when nothing more comes; the daemon opens it anew for every batch of lines.
    pub fn forget_log(&self) {
        self.until("nothing is logged any more", LIMIT, |bed| {
            let log = bed.log();
            std::thread::sleep(Duration::from_millis(200));
            bed.log() == log
        });
        std::fs::write(self.folder.join("log"), "").unwrap();
    }

    pub fn pid(&self) -> String {
        std::fs::read_to_string(self.pid_file()).unwrap().trim().to_owned()
    }

    /// The table as `ipvsadm -Sn` writes it.
    pub fn table(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.must("ipvsadm", "-Sn").lines().map(|line| line.trim().to_owned()).collect();
        lines.sort();
        lines
    }

    /// A destination's weight in a service of `-t`.
    pub fn weight(&self, service: &str, server: &str) -> Option<u32> {
        let start = format!("-a -t {service} -r {server} ");
        let line = self.table().into_iter().find(|line| line.starts_with(&start))?;
        line.rsplit("-w ").next()?.split(' ').next()?.parse().ok()
    }

    /// Waits for something to become true.
    pub fn until(&self, what: &str, limit: Duration, condition: impl Fn(&Bed) -> bool) -> Duration {
        let (began, limit) = (Instant::now(), limit.max(LIMIT)); // how busy the machine is, is no part of a test
        while !condition(self) {
            assert!(
                began.elapsed() < limit,
                "{what}: not within {limit:?}\n{:#?}\n{}",
                self.table(),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        began.elapsed()
    }

    /// No fallback stood in for servers that answer; but on a busy machine the first verdicts may come late, which is told.
    pub fn no_flash_of_the_fallback(&self) {
        let log = self.log();
        assert!(!log.contains("fallback") || log.contains("have no verdict after"), "{log}");
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if let Ok(pid) = std::fs::read_to_string(self.pid_file()) {
            let _ =
                Command::new("kill").args(["-9", pid.trim()]).stderr(std::process::Stdio::null()).status();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A real server: `GET` is answered with a page, every other line with itself.
pub struct Server {
    closed: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Listens on this address and [`PORT`].
    pub fn start(address: &str) -> Server {
        let listener = TcpListener::bind((address, PORT)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let closed = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&closed);
        let serve = move || {
            while !stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => drop(std::thread::spawn(move || answer(stream))),
                    Err(_) => std::thread::sleep(Duration::from_millis(2)),
                }
            }
        };
        Server { closed, thread: Some(std::thread::spawn(serve)) }
    }

    /// Refuses connections from now on; those it has stay.
    pub fn stop(mut self) {
        self.closed.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn answer(stream: TcpStream) {
    let _ = stream.set_nonblocking(false);
    let Ok(mut writer) = stream.try_clone() else { return };
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let page = line.starts_with("GET");
        let text = if page { "HTTP/1.0 200 OK\r\n\r\nok\n".to_owned() } else { line + "\n" };
        if writer.write_all(text.as_bytes()).is_err() || page {
            let _ = writer.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

/// A client's connection through the virtual service, to see that it lives.
pub struct Client(TcpStream);

impl Client {
    /// A daemon that has just started may still lack the first verdicts: its service refuses until then.
    pub fn connect(service: &str) -> Client {
        let (address, began): (SocketAddr, _) = (service.parse().unwrap(), Instant::now());
        let stream = loop {
            match TcpStream::connect_timeout(&address, LIMIT) {
                Ok(stream) => break stream,
                Err(error) => assert!(began.elapsed() < LIMIT, "a connection through IPVS: {error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut client = Client(stream);
        client.lives("begin");
        client
    }

    /// Sends a line and gets it back.
    pub fn lives(&mut self, when: &str) {
        self.0.write_all(b"hello\n").unwrap_or_else(|error| panic!("{when}: {error}"));
        let mut answer = [0; 6];
        self.0.read_exact(&mut answer).unwrap_or_else(|error| panic!("{when}: {error}"));
        assert_eq!(&answer, b"hello\n", "{when}");
    }
}

/// A section with real servers of these addresses, checked over HTTP.
pub fn section(service: &str, options: &str, servers: &[&str]) -> String {
    let mut text = format!("virtual={service}\n\tservice=http\n\treceive=\"ok\"\n");
    for option in options.split(';').map(str::trim).filter(|option| !option.is_empty()) {
        text += &format!("\t{option}\n");
    }
    for server in servers {
        text += &format!("\treal={server}:{PORT} masq 5\n");
    }
    text
}

pub const A: &str = "192.0.2.11:8080";
pub const B: &str = "192.0.2.12:8080";
pub const C: &str = "192.0.2.13:8080";
pub const LAST: &str = "192.0.2.99:8080";

pub const SECOND: Duration = Duration::from_secs(1);
