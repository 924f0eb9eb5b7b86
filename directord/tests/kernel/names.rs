//! A name server that does not answer: neither checks nor the control socket wait for it.

use crate::Test;
use crate::bed::*;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[
    ("a_name_in_maintenance_holds_up_nothing", a_name_in_maintenance_holds_up_nothing),
    ("a_name_in_a_reload_holds_up_nothing", a_name_in_a_reload_holds_up_nothing),
];

/// Far less than a look-up takes here.
const LIMIT: Duration = Duration::from_secs(30);
const NAME_SERVER: &str = "192.0.2.53";
/// The C library asks so often, and waits so many seconds each time: more than a test takes.
const RESOLVER: &str = "nameserver 192.0.2.53\noptions timeout:30 attempts:5\n";
/// In this process's mount namespace. Where there is only a dangling link, its target is put on a file system of its own.
const MOUNT: &str = r#"
mount --make-rprivate /
file=$(readlink -m /etc/resolv.conf)
if [ -L /etc/resolv.conf ] && ! [ -e "$file" ]; then
  mkdir -p "${file%/*}"; mount -t tmpfs none "${file%/*}"; : >"$file"
fi
mount --bind "$1/resolv.conf" "$file"
if [ -e /etc/nsswitch.conf ]; then mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf; fi
"#;

/// Hears questions and answers none.
struct NameServer(Arc<Mutex<Vec<u8>>>);

impl NameServer {
    /// From now on this process and what it starts ask it alone.
    fn start(bed: &Bed) -> NameServer {
        bed.must("ip", &format!("addr add {NAME_SERVER}/32 dev lo"));
        let socket = UdpSocket::bind((NAME_SERVER, 53)).unwrap();
        let folder = bed.config().with_file_name("");
        std::fs::write(folder.join("resolv.conf"), RESOLVER).unwrap();
        std::fs::write(folder.join("nsswitch.conf"), "hosts: files dns\n").unwrap();
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
        std::fs::write(folder.join("mount"), MOUNT).unwrap();
        bed.must("sh", &format!("-e {} {}", folder.join("mount").display(), folder.display()));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok(length) = socket.recv(&mut question) {
                ears.lock().unwrap().extend_from_slice(&question[..length]);
            }
        });
        NameServer(heard)
    }

    /// Waits until somebody has asked for a name whose first label is this.
    fn is_asked_for(&self, bed: &Bed, label: &str) {
        bed.until(&format!("the name server is asked for {label}"), LIMIT, |_| {
            self.0.lock().unwrap().windows(label.len()).any(|part| part == label.as_bytes())
        });
    }
}

fn a_name_in_maintenance_holds_up_nothing() {
    let bed = Bed::new();
    let name_server = NameServer::start(&bed);
    let (a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    let folder = bed.config().with_file_name("maintenance");
    std::fs::create_dir(&folder).unwrap();
    let sections = section(VIP, "quiescent=yes", &["192.0.2.11", "192.0.2.12"]);
    bed.configure(&format!("maintenancedir={}\n{sections}", folder.display()));
    std::fs::write(folder.join("before.example.com"), "").unwrap();
    bed.ok("start");
    bed.until("both serve", LIMIT, |bed| bed.weight(VIP, A) == Some(5) && bed.weight(VIP, B) == Some(5));
    name_server.is_asked_for(&bed, "before");
    for number in 0..20 {
        std::fs::write(folder.join(format!("later{number}.example.com")), "").unwrap();
    }
    name_server.is_asked_for(&bed, "later");
    // Addresses are not behind names in a queue.
    std::fs::write(folder.join(B), "").unwrap();
    bed.until("it rests", LIMIT, |bed| bed.weight(VIP, B) == Some(0));
    std::fs::remove_file(folder.join(B)).unwrap();
    bed.until("it works again", LIMIT, |bed| bed.weight(VIP, B) == Some(5));
    a.stop();
    bed.until("a death is seen", LIMIT, |bed| bed.weight(VIP, A) == Some(0));
    assert_eq!(bed.code("status"), 0);
    assert_eq!(bed.code("check-now"), 1, "one is down");
    bed.ok("reload");
    let began = Instant::now();
    bed.ok("stop");
    assert!(began.elapsed() < 2 * LIMIT, "it waits for a look-up, which takes 150 s");
    assert_eq!(bed.table(), [""; 0]);
}

fn a_name_in_a_reload_holds_up_nothing() {
    let bed = Bed::new();
    let name_server = NameServer::start(&bed);
    let (a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    let good = section(VIP, "quiescent=yes", &["192.0.2.11", "192.0.2.12"]);
    bed.configure(&good);
    bed.ok("start");
    bed.until("both serve", LIMIT, |bed| bed.weight(VIP, A) == Some(5) && bed.weight(VIP, B) == Some(5));
    let before = bed.table();
    bed.configure(&good.replace("real=192.0.2.12:8080", "real=new.example.com:8080"));
    bed.must("kill", &format!("-HUP {}", bed.pid()));
    name_server.is_asked_for(&bed, "new");
    assert_eq!(bed.table(), before, "what runs stays as it is");
    a.stop();
    bed.until("a death is seen", LIMIT, |bed| bed.weight(VIP, A) == Some(0));
    let _a = Server::start("192.0.2.11");
    bed.until("a recovery is seen", LIMIT, |bed| bed.weight(VIP, A) == Some(5));
    assert_eq!((bed.code("status"), bed.code("check-now")), (0, 0));
    bed.must("ipvsadm", &format!("-d -t {VIP} -r {A}"));
    bed.until("a repair", LIMIT, |bed| bed.weight(VIP, A) == Some(5));
    let began = Instant::now();
    bed.ok("stop");
    assert!(began.elapsed() < 2 * LIMIT, "it waits for a look-up, which takes 150 s");
    assert_eq!(bed.table(), [""; 0]);
}
