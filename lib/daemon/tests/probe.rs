//! Whole processes: starts in the background, and what only a process of its own can show of the log.
//!
//! The executable is both the tests and the daemon they start: with a first argument `serve...` it is
//! the daemon.

// The lints cannot see that all of this is a test: it has no `#[test]`. And the daemon leaves children alone.
#![allow(clippy::unwrap_used, clippy::panic, clippy::zombie_processes)]

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use daemon::background::{self, Role};
use daemon::log::{Format, Settings, Target};

type Test = (&'static str, fn(&Scratch));

macro_rules! tests {
    ($($name:ident,)*) => { &[$((stringify!($name), $name)),*] };
}

const TESTS: &[Test] = tests![
    the_caller_returns_when_the_daemon_is_ready,
    the_daemon_is_detached,
    the_daemon_has_the_callers_arguments_and_environment,
    a_failed_start_is_the_callers_failure,
    a_daemon_that_dies_is_reported,
    children_of_the_start_do_not_keep_the_caller,
    a_caller_that_is_killed_does_not_take_the_daemon_along,
    any_standard_input_is_left_alone,
    in_the_foreground_there_is_one_process,
    systemd_is_told,
    the_log_is_the_processs_only_one,
    the_journal_is_recognised,
    local_time_follows_the_zone,
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(verb) if verb.starts_with("serve") => serve(verb, Path::new(&arguments[1])),
        Some("--list") => {
            TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
            ExitCode::SUCCESS
        }
        _ => run_tests(arguments.iter().find(|argument| !argument.starts_with('-'))),
    }
}

fn run_tests(filter: Option<&String>) -> ExitCode {
    let mut failed = 0;
    for (name, test) in
        TESTS.iter().filter(|(name, _)| filter.is_none_or(|filter| name.contains(filter.as_str())))
    {
        let scratch = Scratch::new();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&scratch)));
        println!("test {name} ... {}", if result.is_ok() { "ok" } else { "FAILED" });
        failed += u8::from(result.is_err());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

// ---- the daemon ----

/// A daemon with its files in `folder`: it says in `facts` what it is, and ends when somebody connects to
/// `socket`, or after 20 seconds.
fn serve(verb: &str, folder: &Path) -> ExitCode {
    let starting = match verb {
        "serve-foreground" | "serve-foreground-fails" => background::foreground(),
        "serve-log" => return serve_log(folder),
        "serve-journal" => return serve_journal(),
        "serve-notify" => return serve_notify(),
        _ => match background::detach().unwrap() {
            Role::Caller(code) => return code,
            Role::Daemon(starting) => starting,
        },
    };
    let socket = UnixListener::bind(folder.join("socket")).unwrap();
    match verb {
        "serve-fails" | "serve-foreground-fails" => {
            return starting.failed("ha.cf:3:1: error: unknown directive \"deadtim\"", 6);
        }
        "serve-exits" => return ExitCode::from(3),
        "serve-exits-0" => return ExitCode::SUCCESS,
        "serve-panics" => panic!("for a test"),
        "serve-killed" => {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
        "serve-child-then-exits" => {
            Command::new("sleep").arg("2").spawn().unwrap();
            return ExitCode::from(3);
        }
        "serve-slowly" => std::thread::sleep(Duration::from_millis(700)),
        _ => {}
    }
    eprintln!("said before ready");
    starting.ready();
    println!("not to be seen");
    std::fs::write(folder.join("facts.new"), facts()).unwrap();
    std::fs::rename(folder.join("facts.new"), folder.join("facts")).unwrap();
    socket.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while socket.accept().is_err() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::fs::write(folder.join("ended"), "").unwrap();
    ExitCode::SUCCESS
}

/// `key=value` lines about this process.
fn facts() -> String {
    let link = |name: &str| {
        std::fs::read_link(format!("/proc/self/{name}")).unwrap_or_default().display().to_string()
    };
    let pid = std::process::id();
    // Not getsid(2) through a type that cannot be 0: in a pid namespace the session's leader may be outside.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let session = after_name.split_whitespace().nth(3).unwrap();
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let sockets = targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count();
    let command_line = std::fs::read_to_string("/proc/self/cmdline").unwrap().replace('\0', " ");
    let name = std::fs::read_to_string("/proc/self/comm").unwrap();
    let environment: String = std::env::vars_os()
        .filter(|(name, _)| name.to_string_lossy().to_lowercase().contains("tandem"))
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect();
    format!(
        "pid={pid}\nsession={session}\ncwd={}\nfd0={}\nfd1={}\nfd2={}\nsockets={sockets}\ncmdline={}\nname={}\nmarked={environment}\n\
         kept={}\n",
        link("cwd"),
        link("fd/0"),
        link("fd/1"),
        link("fd/2"),
        command_line.trim(),
        name.trim(),
        std::env::var("KEPT").unwrap_or_default(),
    )
}

fn log_settings(targets: Vec<Target>, format: Format) -> Settings {
    Settings { ident: "probe".to_string(), targets, format, level: tracing::Level::DEBUG }
}

fn serve_log(folder: &Path) -> ExitCode {
    let targets = vec![Target::File(folder.join("log")), Target::Stdout, Target::Stderr];
    let log = daemon::log::start(log_settings(targets, Format::Heartbeat)).unwrap();
    let second = daemon::log::start(log_settings(Vec::new(), Format::Plain));
    assert_eq!(second.err().map(|error| error.kind()), Some(std::io::ErrorKind::AlreadyExists));
    let missing =
        daemon::log::start(log_settings(vec![Target::File("/no/folder/log".into())], Format::Plain));
    assert!(missing.unwrap_err().to_string().contains("/no/folder/log"));
    tracing::info!(node = "beta", "up");
    tracing::trace!("not logged");
    drop(log);
    ExitCode::SUCCESS
}

fn serve_journal() -> ExitCode {
    let _log = daemon::log::start(log_settings(vec![Target::Stderr], Format::Plain)).unwrap();
    tracing::warn!("late");
    ExitCode::SUCCESS
}

fn serve_notify() -> ExitCode {
    use daemon::notify;
    notify::reloading();
    notify::ready();
    notify::status("alpha holds\nall");
    notify::watchdog();
    notify::stopping();
    println!("{:?}", notify::watchdog_interval());
    ExitCode::SUCCESS
}

// ---- the tests ----

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let nanoseconds =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        let path = std::env::temp_dir().join(format!("tandem-probe-{}-{nanoseconds}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(verb).arg(&self.0).env("KEPT", "yes");
        command
    }

    fn run(&self, verb: &str) -> Output {
        self.command(verb).output().unwrap()
    }

    /// What the daemon says about itself once it is ready.
    fn fact(&self, key: &str) -> String {
        assert!(wait_until(|| self.path("facts").exists()), "the daemon never got ready");
        let text = std::fs::read_to_string(self.path("facts")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {key} in {text}")).to_string()
    }
}

impl Drop for Scratch {
    /// Ends the daemon, if one is there.
    fn drop(&mut self) {
        if UnixStream::connect(self.path("socket")).is_ok() {
            wait_until(|| self.path("ended").exists());
        }
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn wait_until(condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    condition()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn the_caller_returns_when_the_daemon_is_ready(scratch: &Scratch) {
    let started = Instant::now();
    let output = scratch.run("serve-slowly");
    assert!(output.status.success(), "{output:?}");
    assert!(started.elapsed() >= Duration::from_millis(700), "not before");
    assert_eq!(stderr(&output), "said before ready\n");
    assert_eq!(output.stdout, b"", "standard output ends with the caller");
    assert!(UnixStream::connect(scratch.path("socket")).is_ok(), "the daemon is up");
    assert!(wait_until(|| scratch.path("ended").exists()));
}

fn the_daemon_is_detached(scratch: &Scratch) {
    assert!(scratch.run("serve").status.success());
    assert_eq!(scratch.fact("session"), scratch.fact("pid"), "it leads a session");
    assert_eq!(scratch.fact("cwd"), "/");
    for descriptor in ["fd0", "fd1", "fd2"] {
        assert_eq!(scratch.fact(descriptor), "/dev/null");
    }
    assert_eq!(scratch.fact("sockets"), "1", "its own, and none to the caller");
}

fn the_daemon_has_the_callers_arguments_and_environment(scratch: &Scratch) {
    // Called by a link with another name, by its file name alone, found in PATH; argv[0] something else.
    std::os::unix::fs::symlink(std::env::current_exe().unwrap(), scratch.path("ldirectord")).unwrap();
    let path = format!("/nonexistent:{}:/usr/bin", scratch.0.display());
    let output = Command::new("ldirectord")
        .arg("serve")
        .arg(&scratch.0)
        .arg("a b")
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(scratch.fact("cmdline"), format!("ldirectord serve {} a b", scratch.0.display()));
    assert_eq!(scratch.fact("name"), "ldirectord");
    assert_eq!(scratch.fact("marked"), "", "nothing for its children to inherit");

    let other = Scratch::new();
    let output = other.command("serve").arg0("/any/name").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(other.fact("cmdline").starts_with("/any/name serve "), "{}", other.fact("cmdline"));
    assert_eq!(other.fact("kept"), "yes");
}

fn a_failed_start_is_the_callers_failure(scratch: &Scratch) {
    let output = scratch.run("serve-fails");
    assert_eq!(output.status.code(), Some(6));
    assert_eq!(stderr(&output), "ha.cf:3:1: error: unknown directive \"deadtim\"\n");
}

fn a_daemon_that_dies_is_reported(_: &Scratch) {
    for (verb, code, word) in [
        ("serve-exits", 3, "exit code 3"),
        ("serve-exits-0", 1, "exit code 0"),
        ("serve-panics", 101, "exit code 101"),
        ("serve-killed", 1, "signal 9"),
    ] {
        let output = Scratch::new().run(verb);
        assert_eq!(output.status.code(), Some(code), "{verb}");
        assert!(
            stderr(&output).contains(word) && stderr(&output).contains("before it was ready"),
            "{output:?}"
        );
    }
}

fn children_of_the_start_do_not_keep_the_caller(scratch: &Scratch) {
    let started = Instant::now();
    // Without pipes: the child has inherited standard error.
    let status = scratch.command("serve-child-then-exits").stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(3));
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
}

fn a_caller_that_is_killed_does_not_take_the_daemon_along(scratch: &Scratch) {
    let mut caller = scratch.command("serve-slowly").stderr(Stdio::null()).spawn().unwrap();
    assert!(wait_until(|| scratch.path("socket").exists()), "the daemon has begun");
    caller.kill().unwrap();
    caller.wait().unwrap();
    assert_eq!(scratch.fact("session"), scratch.fact("pid"));
}

fn any_standard_input_is_left_alone(_: &Scratch) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (packets, other) = rustix::net::socketpair(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::SEQPACKET,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    rustix::net::send(&packets, b"something else", rustix::net::SendFlags::empty()).unwrap();
    let inputs = [theirs.as_fd().try_clone_to_owned().unwrap(), other.try_clone().unwrap()];
    for input in inputs.map(Stdio::from).into_iter().chain([Stdio::null(), Stdio::piped()]) {
        let scratch = Scratch::new();
        let status = scratch.command("serve").stdin(input).stderr(Stdio::null()).status().unwrap();
        assert!(status.success());
        assert_eq!(scratch.fact("fd0"), "/dev/null");
    }
    let mut packet = [0; 64];
    let (count, _) =
        rustix::net::recv(&other, packet.as_mut_slice(), rustix::net::RecvFlags::DONTWAIT).unwrap();
    assert_eq!(&packet[..count], b"something else", "and unread");
    drop(ours);
}

fn in_the_foreground_there_is_one_process(scratch: &Scratch) {
    let folder = scratch.0.canonicalize().unwrap();
    let mut child =
        scratch.command("serve-foreground").current_dir(&folder).stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(scratch.fact("pid"), child.id().to_string());
    assert_eq!(scratch.fact("cwd"), folder.display().to_string());
    drop(UnixStream::connect(scratch.path("socket")).unwrap());
    assert!(child.wait().unwrap().success());
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "not to be seen\n", "standard output stays what it was");

    let output = Scratch::new().run("serve-foreground-fails");
    assert_eq!(output.status.code(), Some(6));
    assert!(stderr(&output).contains("deadtim"), "{output:?}");
}

fn systemd_is_told(scratch: &Scratch) {
    let address = scratch.path("notify");
    let socket = UnixDatagram::bind(&address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let receive = || {
        let mut text = [0; 1024];
        let count = socket.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..count]).into_owned()
    };
    let mut child = scratch.command("serve-foreground").env("NOTIFY_SOCKET", &address).spawn().unwrap();
    assert_eq!(receive(), "READY=1\n");
    drop(UnixStream::connect(scratch.path("socket")).unwrap());
    child.wait().unwrap();

    let other = Scratch::new();
    assert!(other.command("serve").env("NOTIFY_SOCKET", &address).output().unwrap().status.success());
    assert_eq!(receive(), format!("MAINPID={}\nREADY=1\n", other.fact("pid")));

    let mut command = scratch.command("serve-notify");
    let output = command.env("NOTIFY_SOCKET", &address).env("WATCHDOG_USEC", "3000000").output().unwrap();
    let reloading = receive();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    let rest = [receive(), receive(), receive(), receive()];
    assert_eq!(rest, ["READY=1\n", "STATUS=alpha holds all\n", "WATCHDOG=1\n", "STOPPING=1\n"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Some(1.5s)\n");
    // A variable that was inherited from another unit's process.
    let mut command = scratch.command("serve-notify");
    let output = command.env("WATCHDOG_USEC", "3000000").env("WATCHDOG_PID", "1").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "None\n");
}

fn the_log_is_the_processs_only_one(scratch: &Scratch) {
    let output = scratch.run("serve-log");
    assert!(output.status.success(), "{output:?}");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let end = "]: info: up node=beta\n";
    for text in [std::fs::read(scratch.path("log")).unwrap(), output.stdout, output.stderr] {
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(&format!(" {} probe: [", host.trim())) && text.ends_with(end), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

fn the_journal_is_recognised(scratch: &Scratch) {
    let file = std::fs::File::create(scratch.path("stderr")).unwrap();
    let found = file.metadata().unwrap();
    let run = |stream: String| {
        file.set_len(0).unwrap();
        let error = std::fs::File::options().append(true).open(scratch.path("stderr")).unwrap();
        let status =
            scratch.command("serve-journal").env("JOURNAL_STREAM", stream).stderr(error).status().unwrap();
        assert!(status.success());
        std::fs::read_to_string(scratch.path("stderr")).unwrap()
    };
    assert_eq!(run(format!("{}:{}", found.dev(), found.ino())), "<4>late\n");
    assert_eq!(run(format!("{}:{}", found.dev(), found.ino() + 1)), "late\n", "another program's journal");
    assert_eq!(run("nonsense".to_string()), "late\n");
}

fn local_time_follows_the_zone(scratch: &Scratch) {
    let hour = |zone: &str| {
        let _ = std::fs::remove_file(scratch.path("log"));
        assert!(scratch.command("serve-log").env("TZ", zone).output().unwrap().status.success());
        let text = std::fs::read_to_string(scratch.path("log")).unwrap();
        let clock = text.split(' ').nth(2).unwrap();
        let mut parts = clock.split(':').map(|part| part.parse::<i32>().unwrap());
        parts.next().unwrap() * 60 + parts.next().unwrap()
    };
    // Two zones that are 14 hours apart all year, and a rule without a zone file.
    let apart = (hour("Pacific/Kiritimati") - hour("UTC")).rem_euclid(24 * 60);
    assert!((14 * 60 - 1..=14 * 60 + 1).contains(&apart), "{apart} minutes");
    let apart = (hour("XYZ-3:30") - hour("UTC")).rem_euclid(24 * 60);
    assert!((209..=211).contains(&apart), "{apart} minutes");
}
