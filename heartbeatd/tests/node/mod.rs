//! A node whose daemon runs on the loopback interface, without resources (`-M`), with directories of its own.

#![allow(dead_code)] // each test program uses some of it

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// For machines that are busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Its daemon ends with it.
pub(crate) struct Node {
    pub(crate) name: &'static str,
    pub(crate) directory: PathBuf,
}

impl Node {
    /// The node `alpha` of a test.
    pub(crate) fn new(test: &str) -> Node {
        Node::named(test, "alpha")
    }

    pub(crate) fn named(test: &str, name: &'static str) -> Node {
        let directory = std::env::temp_dir().join(format!("heartbeatd-{}-{test}-{name}", std::process::id()));
        for (part, mode) in [("etc", 0o755), ("bin", 0o755), ("out", 0o777)] {
            fs::create_dir_all(directory.join(part)).unwrap();
            fs::set_permissions(directory.join(part), fs::Permissions::from_mode(mode)).unwrap();
        }
        let node = Node { name, directory };
        node.write("etc/nodeinfo", 0o600, name);
        node.write("etc/authkeys", 0o600, "auth 1\n1 sha1 secret\n");
        node.write("etc/haresources", 0o600, "alpha 192.0.2.1\n");
        node
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, mode: u32, text: &str) {
        fs::write(self.directory.join(name), text).unwrap();
        fs::set_permissions(self.directory.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A program of the node, and its path.
    pub(crate) fn program(&self, name: &str, script: &str) -> String {
        let script = format!("#!/bin/sh\nout={}\n{script}\n", self.path("out"));
        self.write(&format!("bin/{name}"), 0o755, &script);
        self.path(&format!("bin/{name}"))
    }

    /// `nodes` are the words of the directive.
    pub(crate) fn configure(&self, nodes: &str, port: u16, lines: &str) {
        let log = self.path("log");
        let text = format!(
            "keepalive 100ms\ndeadtime 400ms\ninitdead 500ms\nauto_failback off\nlogfacility none\nlogfile {log}\n\
             node {nodes}\nmcast lo 239.255.9.1 {port} 0 1\n{lines}"
        );
        self.write("etc/ha.cf", 0o600, &text);
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heartbeatd"));
        for (option, part) in [("--config-dir", "etc"), ("--state-dir", "state"), ("--run-dir", "run")] {
            command.arg(option).arg(self.directory.join(part));
        }
        // What is in `bin` comes first: a failfast program of a test must not reboot the machine of the test.
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin")));
        command.args(["-M", "-l"]).args(arguments).output().unwrap()
    }

    pub(crate) fn succeeds(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}\n{}", self.read("log"));
    }

    pub(crate) fn start(&self) {
        self.succeeds(&[]);
    }

    pub(crate) fn pid(&self) -> Option<Pid> {
        let pid = daemon::pidfile::running(&self.directory.join("run.pid"))?;
        Pid::from_raw(i32::try_from(pid).unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid().unwrap(), signal).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap_or_default()
    }

    pub(crate) fn until(&self, wanted: &str, is: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is() {
            assert!(begun.elapsed() < PATIENCE, "not {wanted}:\n{}", self.read("log"));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until its log, which is written a little later than what it tells, says this so often, and not oftener.
    pub(crate) fn says(&self, words: &str, times: usize) {
        self.until(&format!("said {times} times: {words}"), || self.logs(words) >= times);
        assert_eq!(self.logs(words), times, "{words}:\n{}", self.read("log"));
    }

    pub(crate) fn logs(&self, words: &str) -> usize {
        self.read("log").matches(words).count()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// One that nobody uses now.
pub(crate) fn port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
