//! A network namespace for each test, and `ipvsadm` in it.
use ipvs::{Client, Destination, DestinationKey, Error, Forwarding, ServiceKey, ipvsadm};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Held for reading by every test, and for writing by the one that unloads the module under all of them.
static MODULE: RwLock<()> = RwLock::new(());

/// Runs `test` on a thread in a namespace of its own, which is removed afterwards.
pub(crate) fn in_namespace(test: impl FnOnce(&mut Client) + Send) {
    let guard = MODULE.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    run(test);
    drop(guard);
}

/// The same while no other test runs.
pub(crate) fn alone_in_namespace(test: impl FnOnce(&mut Client) + Send) {
    let guard = MODULE.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    run(test);
    drop(guard);
}

/// For a second namespace inside a test, which holds the lock already.
pub(crate) fn run(test: impl FnOnce(&mut Client) + Send) {
    let namespace = Namespace::new();
    let result = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                namespace.enter();
                sh("ip link set lo up");
                test(&mut connect());
            })
            .join()
    });
    drop(namespace);
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// A test without IPVS must not pass.
pub(crate) fn connect() -> Client {
    match Client::connect() {
        Ok(client) => client,
        Err(error @ Error::NoIpvs) => panic!(
            "{error}. These tests edit a real IPVS table: run this binary in the User-Mode Linux guest of the lab"
        ),
        Err(error) => panic!("{error}"),
    }
}

struct Namespace {
    name: String,
}

impl Namespace {
    fn new() -> Namespace {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ipvs-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        sh(&format!("ip netns add {name}"));
        Namespace { name }
    }

    fn enter(&self) {
        let file = File::open(format!("/run/netns/{}", self.name)).unwrap();
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        sh(&format!("ip netns del {}", self.name));
    }
}

/// Runs a shell command in the thread's namespace. It has to succeed.
pub(crate) fn sh(command: &str) -> String {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "`{command}` failed: {text}");
    text
}

/// Runs ipvsadm. It has to succeed.
pub(crate) fn ipvsadm(arguments: &str) -> String {
    sh(&format!("ipvsadm {arguments}"))
}

/// What `ipvsadm -Sn` prints, sorted: the kernel's order is that of a hash table.
pub(crate) fn saved() -> Vec<String> {
    sorted(ipvsadm("-Sn").lines())
}

/// The table as the client reads it, in the words of `ipvsadm -Sn`, sorted.
pub(crate) fn read(client: &mut Client) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in client.services().unwrap() {
        lines.push(ipvsadm::service_line(&entry.service));
        for real in client.destinations(&entry.service.key).unwrap() {
            lines.push(ipvsadm::destination_line(&entry.service.key, &real.destination));
        }
    }
    sorted(lines.iter())
}

pub(crate) fn sorted<T: ToString>(lines: impl Iterator<Item = T>) -> Vec<String> {
    let mut lines: Vec<String> = lines.map(|line| line.to_string()).collect();
    lines.sort();
    lines
}

pub(crate) fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

pub(crate) fn real_key(text: &str) -> DestinationKey {
    text.parse::<std::net::SocketAddr>().unwrap().into()
}

pub(crate) fn real(text: &str, forwarding: Forwarding) -> Destination {
    Destination::new(real_key(text), forwarding)
}
