//! A laboratory for one test: two network namespaces joined by a pair of virtual Ethernet interfaces, a
//! configuration directory, and the program under test.
//!
//! The namespaces have no names. The test's thread lives in one of them (interface `va`, 192.0.2.1/24), a
//! thread that is started for it can visit the other (`vb`, 192.0.2.2/24). Both vanish with the last
//! process in them, however the test ends. Needs root.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a laboratory that cannot be built fails the test")]

pub mod wire;

use ha_resources::event::{Event, GroupResult, Result as EventResult, Verb};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub struct Lab {
    pub dir: PathBuf,
    peer: File,
}

/// What a run of the program printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
    pub events: Vec<Event>,
    pub took: Duration,
}

impl Lab {
    /// Enters a new pair of namespaces.
    pub fn new() -> Lab {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("ha-resources-{}-{number}", std::process::id()));
        fs::create_dir_all(dir.join("resource.d")).unwrap();
        fs::create_dir(dir.join("init.d")).unwrap();
        let (mut holder, peer) = namespace();
        let (mut own_holder, own) = namespace();
        enter(&own);
        finish(&mut own_holder);
        let lab = Lab { dir, peer };
        lab.ip("link set lo up");
        lab.ip(&format!("link add va type veth peer name vb netns {}", holder.id()));
        finish(&mut holder);
        lab.ip("link set va up");
        lab.ip("address add 192.0.2.1/24 broadcast + dev va");
        lab.peer_runs("ip link set lo up");
        lab.peer_runs("ip link set vb up");
        lab.peer_runs("ip address add 192.0.2.2/24 dev vb");
        lab
    }

    /// Writes haresources.
    pub fn haresources(&self, text: &str) {
        fs::write(self.dir.join("haresources"), text).unwrap();
    }

    /// Writes a shell script into resource.d; `$DIR` in it is the laboratory's directory.
    pub fn script(&self, name: &str, body: &str) -> PathBuf {
        self.write_script(&self.dir.join("resource.d").join(name), body)
    }

    /// Writes a script by another process: while this one has a file open for writing, a child that another
    /// test's thread starts at that moment has it open too, and the kernel executes no such file.
    pub fn write_script(&self, path: &Path, body: &str) -> PathBuf {
        let mut writer = Command::new("sh")
            .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
            .arg(path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let text = format!("#!/bin/sh\nDIR={}\n{body}\n", self.dir.display());
        writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
        path.to_owned()
    }

    /// A copy of the program under test in the laboratory's directory.
    pub fn program(&self) -> PathBuf {
        let copy = self.dir.join("ha-resources");
        succeed(&format!("cp {} {}", env!("CARGO_BIN_EXE_ha-resources"), copy.display()));
        copy
    }

    /// A script that is a service: it notes what it was asked in `$DIR/log` and keeps its state in a file.
    pub fn service(&self, name: &str) {
        self.script(
            name,
            &format!(
                "echo {name} \"$@\" >> $DIR/log
                for action; do :; done
                case $action in
                start) touch $DIR/{name}.up ;;
                stop) rm -f $DIR/{name}.up ;;
                status) if [ -f $DIR/{name}.up ]; then echo running; else echo stopped; fi ;;
                esac"
            ),
        );
    }

    /// What the services noted, without their status questions.
    pub fn log(&self) -> Vec<String> {
        let text = self.read("log");
        text.lines().filter(|line| !line.ends_with(" status")).map(str::to_owned).collect()
    }

    /// A file of the laboratory; empty if it is not there.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.join(name)).unwrap_or_default()
    }

    /// The program with this laboratory's directories, ready for its verb.
    pub fn command(&self) -> Command {
        self.command_at(Path::new(env!("CARGO_BIN_EXE_ha-resources")))
    }

    pub fn command_at(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in
            std::env::vars().filter(|(name, _)| name.starts_with("HA_") || name.starts_with("OCF_"))
        {
            command.env_remove(name);
        }
        command
            .env("HA_CURHOST", "alpha")
            .arg("--config-dir")
            .arg(&self.dir)
            .arg("--run-dir")
            .arg(self.dir.join("run"));
        command.arg("--init-dir").arg(self.dir.join("init.d")).stdin(Stdio::null());
        command
    }

    /// Runs it with `--json`. It returns when the program and everybody who has its output has ended.
    pub fn run(&self, arguments: &str) -> Ran {
        let mut command = self.command();
        command.arg("--json").args(arguments.split(' '));
        ran(&mut command)
    }

    /// Runs it for people.
    pub fn text(&self, arguments: &str) -> Ran {
        let mut command = self.command();
        command.args(arguments.split(' '));
        ran(&mut command)
    }

    /// Runs `ip` here.
    pub fn ip(&self, arguments: &str) -> String {
        succeed(&format!("ip {arguments}"))
    }

    /// Runs a command here.
    pub fn runs(&self, command: &str) -> String {
        succeed(command)
    }

    /// The addresses but for link-local and loopback ones, one a line, sorted, in the form
    /// `va 192.0.2.1/24 brd 192.0.2.255 va`, the last word being the label.
    pub fn addresses(&self) -> Vec<String> {
        let text = self.ip("-o address show");
        let mut all: Vec<String> = text.lines().filter_map(address).collect();
        all.sort();
        all
    }

    /// Whether this machine has the address.
    pub fn has(&self, address: &str) -> bool {
        self.addresses().iter().any(|line| line.contains(&format!(" {address}")))
    }

    /// Runs a command in the other namespace.
    pub fn peer_runs(&self, command: &str) -> String {
        self.in_peer(|| succeed(command))
    }

    /// Runs something on a thread of the other namespace.
    pub fn in_peer<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(&self.peer);
                work()
            });
            thread.join().unwrap()
        })
    }

    pub fn peer_namespace(&self) -> File {
        self.peer.try_clone().unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Ran {
    pub fn of(output: Output, took: Duration) -> Ran {
        let out = String::from_utf8(output.stdout).unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            events: out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            out,
            took,
        }
    }

    /// `resource action result` of each resource event.
    pub fn steps(&self) -> Vec<String> {
        let word = |action: &Verb, result: &EventResult| format!("{action:?} {result:?}").to_lowercase();
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Resource { resource, action, result, .. } => {
                    Some(format!("{resource} {}", word(action, result)))
                }
                Event::Group { .. } | Event::Address { .. } => None,
            })
            .collect()
    }

    /// The results of the groups, in order.
    pub fn groups(&self) -> Vec<GroupResult> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Group { result, .. } => Some(*result),
                Event::Resource { .. } | Event::Address { .. } => None,
            })
            .collect()
    }

    /// What was said about the first resource that failed or, without one, about the first.
    pub fn detail(&self) -> &str {
        let details = self.events.iter().filter_map(|event| match event {
            Event::Resource { detail, result, .. } => Some((detail, *result)),
            Event::Group { .. } | Event::Address { .. } => None,
        });
        let failed = |(_, result): &(&String, EventResult)| {
            matches!(result, EventResult::Failed | EventResult::Timeout)
        };
        details.clone().find(failed).or(details.clone().next()).map_or("", |(detail, _)| detail)
    }
}

pub fn ran(command: &mut Command) -> Ran {
    let started = Instant::now();
    let output = command.output().unwrap();
    Ran::of(output, started.elapsed())
}

/// Waits until something is so; false after half a minute.
pub fn soon(mut so: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        if so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

fn address(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split('\\').next()?.split_whitespace().collect();
    let (interface, ip) = (words.get(1)?, words.get(3)?);
    if ip.starts_with("127.") || ip.starts_with("fe80:") || ip.starts_with("::1/") {
        return None;
    }
    let broadcast = words.iter().position(|word| *word == "brd").and_then(|at| words.get(at + 1));
    let broadcast = broadcast.map(|ip| format!(" brd {ip}")).unwrap_or_default();
    let label = words.last().filter(|label| label.starts_with(interface)).map(|label| format!(" {label}"));
    Some(format!("{interface} {ip}{broadcast}{}", label.unwrap_or_default()))
}

fn succeed(command: &str) -> String {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A new network namespace, and a process that keeps it until `finish`.
fn namespace() -> (Child, File) {
    let mut holder = Command::new("unshare")
        .args(["--net", "sh", "-c", "echo ready; read line"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n", "network namespaces need root");
    let file = File::open(format!("/proc/{}/ns/net", holder.id())).unwrap();
    (holder, file)
}

fn finish(holder: &mut Child) {
    drop(holder.stdin.take());
    holder.wait().unwrap();
}

fn enter(namespace: &File) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

/// Enters the namespace for the rest of the thread's life.
pub fn enter_for_good(namespace: &File) {
    enter(namespace);
}
