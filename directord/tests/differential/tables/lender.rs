//! In the test: the kernel that has the tables, and the sides' way to it.

use super::{DATAGRAM, Frame, LIBRARY, READY, SOCKET};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// The scripts of the lab.
const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/lab");

/// The kernel that keeps the tables. It ends with this value, or with the test.
pub struct Lender {
    folder: PathBuf,
    kernel: Child,
    to_kernel: Arc<Mutex<ChildStdin>>,
    last: AtomicU32,
    ending: Arc<AtomicBool>,
}

/// Whom of a connection the answers go to.
type Connections = Arc<Mutex<HashMap<u32, Arc<OwnedFd>>>>;

impl Lender {
    /// Boots the kernel.
    pub fn start() -> Lender {
        let folder = std::env::temp_dir().join(format!("tandem-differential.{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let library = folder.join(LIBRARY);
        let source = format!("{LAB}/ipvs-shim.c");
        let compiled =
            Command::new("gcc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(library).arg(source).status();
        assert!(compiled.unwrap().success(), "gcc cannot compile ipvs-shim.c");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(format!("{LAB}/uml-run"));
        command.args(["--stream", "--mem", "512M", "--time-out", "0"]);
        command.arg(std::env::current_exe().unwrap()).arg("--keep-tables");
        let mut kernel = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let to_kernel = Arc::new(Mutex::new(kernel.stdin.take().unwrap()));
        let mut from_kernel = BufReader::new(kernel.stdout.take().unwrap());
        let mut said = Vec::new();
        while !said.ends_with(READY) {
            let mut byte = [0];
            from_kernel.read_exact(&mut byte).expect("the kernel with the tables boots");
            said.push(byte[0]);
        }
        let connections = Connections::default();
        let listener = listen(&folder);
        let (known, requests) = (Arc::clone(&connections), Arc::clone(&to_kernel));
        std::thread::spawn(move || lend(&listener, &requests, &known));
        let ending = Arc::new(AtomicBool::new(false));
        let expected = Arc::clone(&ending);
        std::thread::spawn(move || {
            answers(from_kernel, &connections);
            if !expected.load(Ordering::SeqCst) {
                eprintln!("the kernel with the tables has ended");
                std::process::exit(1); // and with this process all that waits for it
            }
        });
        Lender { folder, kernel, to_kernel, last: AtomicU32::new(0), ending }
    }

    /// A table that nobody has used.
    pub fn table(&self) -> u32 {
        self.last.fetch_add(1, Ordering::SeqCst)
    }

    /// What a side finds a table by.
    pub fn arguments(&self, table: u32) -> [String; 3] {
        ["--table".to_owned(), self.folder.display().to_string(), table.to_string()]
    }

    /// Nobody uses it any more.
    pub fn release(&self, table: u32) {
        let end = Frame { table, connection: 0, datagram: Vec::new() };
        end.write(&mut *self.to_kernel.lock().unwrap()).expect("the kernel with the tables");
    }

    /// What is loaded before the programs of a side.
    pub fn library(&self) -> PathBuf {
        self.folder.join(LIBRARY)
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Only told, it removes what it has made.
        let _ = Command::new("kill").arg(self.kernel.id().to_string()).status();
        let _ = self.kernel.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn listen(folder: &Path) -> OwnedFd {
    let socket = socket();
    rustix::net::bind(&socket, &SocketAddrUnix::new(folder.join(SOCKET)).unwrap()).unwrap();
    rustix::net::listen(&socket, 128).unwrap();
    socket
}

pub(super) fn socket() -> OwnedFd {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

/// Every connection names its table first.
fn lend(listener: &OwnedFd, to_kernel: &Arc<Mutex<ChildStdin>>, known: &Connections) {
    for number in 0.. {
        let connection = Arc::new(rustix::net::accept(listener).unwrap());
        let (to_kernel, known) = (Arc::clone(to_kernel), Arc::clone(known));
        known.lock().unwrap().insert(number, Arc::clone(&connection));
        std::thread::spawn(move || {
            let mut buffer = vec![0; DATAGRAM];
            let mut receive = || match rustix::net::recv(&connection, &mut buffer[..], RecvFlags::empty()) {
                Ok((length @ 1.., _)) => Some(buffer[..length].to_vec()),
                _ => None, // its program has ended
            };
            if let Some(table) = receive().map(|number| u32::from_be_bytes(number.try_into().unwrap())) {
                while let Some(datagram) = receive() {
                    let frame = Frame { table, connection: number, datagram };
                    frame.write(&mut *to_kernel.lock().unwrap()).expect("the kernel with the tables");
                }
            }
            known.lock().unwrap().remove(&number);
        });
    }
}

fn answers(mut from_kernel: impl Read, known: &Connections) {
    while let Ok(frame) = Frame::read(&mut from_kernel) {
        let connection = known.lock().unwrap().get(&frame.connection).map(Arc::clone);
        if let Some(connection) = connection {
            // Whoever asked may have ended.
            let _ = rustix::net::send(&connection, &frame.datagram, SendFlags::NOSIGNAL);
        }
    }
}
