//! What a test stands on: ports, folders, servers, and checks from the text of a configuration.

use directord::check::{Checker, Memory, Outcome};
use directord::config::{Source, SystemNames, load_source, plan::Check};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// A port that is free at both loopback addresses, for a server that cannot choose one itself. It is below those that
/// the kernel gives to clients, and no other test of this program gets it.
pub fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 100) as u16 * 100;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        let free = |address: IpAddr| TcpListener::bind((address, port)).is_ok();
        if free(Ipv4Addr::LOCALHOST.into()) && free(Ipv6Addr::LOCALHOST.into()) {
            return port;
        }
    }
}

/// A folder that everybody may enter, as servers give up their rights. Removed when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        let base = std::env::temp_dir().join(format!("directord-servers-{}", std::process::id()));
        // In another process namespace another program may have the same number.
        for number in 0_u32.. {
            let path = base.with_extension(number.to_string());
            match std::fs::create_dir(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                made => made.unwrap(),
            }
            must("chmod", &["755", path.to_str().unwrap()]);
            return Folder(path);
        }
        panic!("no folder in {}", base.display());
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file; its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Makes a folder in it that belongs to this account; its path.
    pub fn folder(&self, name: &str, owner: &str) -> String {
        let path = self.0.join(name).to_str().unwrap().to_owned();
        std::fs::create_dir(&path).unwrap();
        must("chown", &[owner, &path]);
        path
    }

    /// A key and a certificate of its own for `www.example.com`: their paths.
    pub fn certificate(&self) -> (String, String) {
        let (key, certificate) = (self.write("key.pem", ""), self.write("cert.pem", ""));
        let request = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=www.example.com";
        let arguments = request.split(' ').chain(["-keyout", &key, "-out", &certificate]);
        must("openssl", &arguments.collect::<Vec<_>>());
        (key, certificate)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a program that must succeed.
pub fn must(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A server in the foreground, which ends with this value, or with the thread that started it.
pub struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it and waits until it listens at these ports of 127.0.0.1, or of `::1`.
    pub fn start(folder: &Folder, command: &[&str], ports: &[u16]) -> Server {
        let log = folder.path().join("output");
        let output = std::fs::File::create(&log).unwrap();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .args(command)
            .stdin(std::process::Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut server = Server { child, log };
        for port in ports {
            server.wait_for(*port);
        }
        server
    }

    fn wait_for(&mut self, port: u16) {
        let open = |address: IpAddr| TcpStream::connect((address, port)).is_ok();
        for _ in 0..600 {
            if open(Ipv4Addr::LOCALHOST.into()) || open(Ipv6Addr::LOCALHOST.into()) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("nobody listens at port {port}\n{}", self.said());
    }

    /// Waits until somebody has this port of 127.0.0.1 for datagrams.
    pub fn wait_for_datagrams(&mut self, port: u16) {
        let socket = format!(" 0100007F:{port:04X} "); // proc(5): the address as the processor holds it
        for _ in 0..600 {
            if std::fs::read_to_string("/proc/self/net/udp").unwrap().contains(&socket) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("nobody receives datagrams at port {port}\n{}", self.said());
    }

    /// What it wrote to its outputs.
    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it, and waits until nobody listens at this port: a server's children may do so a little longer.
    pub fn stop(self, port: u16) {
        drop(self);
        for _ in 0..600 {
            let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
            if connected.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("somebody still listens at port {port}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let process = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the check that a service's section describes, for a server at this port of 127.0.0.1.
pub async fn check(service: &str, port: u16, directives: &[&str]) -> Outcome {
    let mut text = format!("virtual=192.0.2.1:{port}\n\treal=127.0.0.1:{port} gate\n\tservice={service}\n");
    for directive in directives {
        text += &format!("\t{directive}\n");
    }
    check_of(&text).await
}

/// Runs the check of the first real server in a configuration's first section.
pub async fn check_of(text: &str) -> Outcome {
    let text = format!("checktimeout=60\nnegotiatetimeout=60\n{text}");
    let loaded = load_source(Source::new("test.cf", &text), &SystemNames::load());
    let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
    match &loaded.plan.services[0].reals[0].check {
        Check::Probe(probe) => Checker::new().run(&probe.kind, &mut Memory::default()).await.outcome,
        other => panic!("{other:?}\n{text}"),
    }
}
