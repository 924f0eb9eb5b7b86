//! Programs that live with a real daemon: `respawn` and `failfast` of ha.cf.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test says what went wrong by failing

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// For machines that are busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node alone; its daemon ends with it.
struct Node(PathBuf);

impl Node {
    fn new(name: &str) -> Node {
        let directory = std::env::temp_dir().join(format!("heartbeatd-{}-{name}", std::process::id()));
        for (part, mode) in [("etc", 0o755), ("bin", 0o755), ("out", 0o777)] {
            fs::create_dir_all(directory.join(part)).unwrap();
            fs::set_permissions(directory.join(part), fs::Permissions::from_mode(mode)).unwrap();
        }
        let node = Node(directory);
        node.write("etc/nodeinfo", 0o600, "alpha");
        node.write("etc/authkeys", 0o600, "auth 1\n1 sha1 secret\n");
        node.write("etc/haresources", 0o600, "alpha 192.0.2.1\n");
        node
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, mode: u32, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
        fs::set_permissions(self.0.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A program of the node, and its path.
    fn program(&self, name: &str, script: &str) -> String {
        let script = format!("#!/bin/sh\nout={}\n{script}\n", self.path("out"));
        self.write(&format!("bin/{name}"), 0o755, &script);
        self.path(&format!("bin/{name}"))
    }

    fn configure(&self, port: u16, lines: &str) {
        let log = self.path("log");
        let text = format!(
            "keepalive 100ms\ndeadtime 400ms\ninitdead 500ms\nauto_failback off\nlogfacility none\nlogfile {log}\n\
             node alpha\nmcast lo 239.255.9.1 {port} 0 1\n{lines}"
        );
        self.write("etc/ha.cf", 0o600, &text);
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heartbeatd"));
        for (option, part) in [("--config-dir", "etc"), ("--state-dir", "state"), ("--run-dir", "run")] {
            command.arg(option).arg(self.0.join(part));
        }
        // What is in `bin` comes first: a failfast program of a test must not reboot the machine of the test.
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin")));
        command.args(["-M", "-l"]).args(arguments).output().unwrap()
    }

    fn succeeds(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}\n{}", self.read("log"));
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    fn until(&self, wanted: &str, is: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is() {
            assert!(begun.elapsed() < PATIENCE, "not {wanted}:\n{}", self.read("log"));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn logs(&self, words: &str) -> usize {
        self.read("log").matches(words).count()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(pid) = daemon::pidfile::running(&self.0.join("run.pid")) {
            let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap());
            let _ = rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::KILL);
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn said(command: &str) -> String {
    let output = Command::new("/bin/sh").args(["-c", command]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Without privilege a program can only run as who runs the daemon.
fn user() -> String {
    if rustix::process::geteuid().is_root() { "nobody".to_owned() } else { said("id -un") }
}

fn runs(pid: &str) -> bool {
    Path::new("/proc").join(pid.trim()).exists()
}

#[test]
fn programs_live_with_the_daemon_as_their_user() {
    let (node, user, port) = (Node::new("respawn"), user(), port());
    let who = "id -u; id -g; id -G; echo $HA_CURHOST; ps -o pgid= -p $$ | tr -d ' '; echo $$";
    let thrice = node.program(
        "thrice",
        &format!(
            "{{ {who}; echo \"$1\"; }} >>$out/thrice\necho said something >&2\n\
             echo x >>$out/lives\n[ $(wc -l <$out/lives) -lt 3 ] || exit 100\nexit 1"
        ),
    );
    let stays = node.program(
        "stays",
        "trap 'echo ended >>$out/end; exit' TERM\necho $$ >$out/stays\nwhile :; do sleep 0.1; done",
    );
    let deaf = node.program("deaf", "trap '' TERM\necho $$ >$out/deaf\nwhile :; do sleep 0.1; done");
    let line = |program: &str| format!("respawn {user} {program}\n");
    let more = line(&format!("{thrice} 'one  argument' # of a shell")) + &line(&stays);
    node.configure(port, &(line(&deaf) + &more));
    node.succeeds(&[]);

    node.until("left alone after 100", || node.logs("it wants that (exit code 100)") == 1);
    let told = node.read("out/thrice");
    let lives: Vec<Vec<&str>> = told.lines().collect::<Vec<_>>().chunks(7).map(<[&str]>::to_vec).collect();
    assert_eq!(lives.len(), 3, "{told}");
    for life in lives {
        let ids = ["u", "g", "G"].map(|what| said(&format!("id -{what} {user}")));
        assert_eq!(life[..3], ids, "the user with its groups");
        assert_eq!((life[3], life[6]), ("alpha", "one  argument"));
        assert_eq!(life[4], life[5], "a process group of its own");
    }
    assert_eq!(node.logs("thrice: said something"), 3);

    // a line that goes ends its program, even one that does not want to; the others go on
    let known = |name: &str| node.read(&format!("out/{name}"));
    node.until("running", || !known("stays").is_empty() && !known("deaf").is_empty());
    let (first, second) = (known("stays"), known("deaf"));
    node.configure(port, &more);
    node.succeeds(&["-r"]);
    node.until("without the removed program", || !runs(&second));
    assert!(runs(&first) && known("end").is_empty() && known("stays") == first);

    // killed by somebody, it is started again; a daemon that ends ends it
    said(&format!("kill -9 {}", first.trim()));
    node.until("started again", || known("stays") != first && !known("stays").is_empty());
    node.succeeds(&["-k"]);
    assert_eq!(known("end"), "ended\n");
    assert!(!runs(&known("stays")));
}

#[test]
fn a_program_that_cannot_live_is_given_up() {
    let (node, user) = (Node::new("giveup"), user());
    let dies = node.program("dies", "echo x >>$out/deaths\nexit 3");
    node.configure(port(), &format!("respawn {user} {dies}\nrespawn no-such-user-here /bin/true\n"));
    node.succeeds(&[]);
    node.until("given up", || node.logs("respawning too fast") == 1);
    assert_eq!(node.read("out/deaths").lines().count(), 11);
    assert_eq!(node.logs("/bin/true: not started: there is no user no-such-user-here"), 1);
}

#[test]
fn a_killed_daemon_leaves_no_program_behind() {
    let (node, user) = (Node::new("orphan"), user());
    let stays = node.program("stays", "echo $$ >$out/stays\nwhile :; do sleep 0.1; done");
    node.configure(port(), &format!("respawn {user} {stays}\n"));
    node.succeeds(&[]);
    node.until("running", || !node.read("out/stays").is_empty());
    let pid = daemon::pidfile::running(&node.0.join("run.pid")).unwrap();
    said(&format!("kill -9 {pid}"));
    node.until("without the program", || !runs(&node.read("out/stays")));
}

#[test]
fn a_failfast_program_that_fails_reboots_the_machine() {
    let (node, user) = (Node::new("failfast"), user());
    let reboot = node.program("reboot", "echo \"$@\" >>$out/reboot");
    assert_eq!(fs::metadata(reboot).unwrap().permissions().mode() & 0o111, 0o111);
    // twice an end that is none: 0 is as it should be
    let fails =
        node.program("fails", "echo x >>$out/lives\n[ $(wc -l <$out/lives) -lt 3 ] && exit 0\nkill -SEGV $$");
    node.configure(port(), &format!("failfast {user} {fails}\n"));
    node.succeeds(&[]);
    node.until("rebooted", || !node.read("out/reboot").is_empty());
    assert_eq!(node.logs("rebooting this machine"), 1);
    assert_eq!((node.read("out/reboot").as_str(), node.read("out/lives").as_str()), ("-f\n", "x\nx\nx\n"));
}
