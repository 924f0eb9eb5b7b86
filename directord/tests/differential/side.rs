//! One side of a case, in a network, a mount table and a process tree of its own: a program with its file and its servers.
//! It is told a step at a time on standard input and answers with the table.

use crate::case::Case;
use crate::servers::{Servers, UP};
use crate::tables::lent;
use crate::trust::{self, Trust};
use std::io::{BufRead, Write};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// The longest that anything is waited for; a busy machine needs some of it.
const LIMIT: Duration = Duration::from_secs(240);
/// For every server of every service beside that: the old program starts dozens of processes until it is in the table.
const LIMIT_OF_SERVER: Duration = Duration::from_secs(5);
/// What ends an answer.
pub const END: &str = ".";
/// What an answer begins with that tells of a failure.
pub const FAILED: &str = "! ";

/// What belongs to the case is here, for the side alone.
pub const FOLDER: &str = "/run/differential";

/// Plays a side, `old` or `new`, until standard input ends. The tables are in a kernel of the test if it says which table.
pub fn play(side: &str, case: &Case, table_at: Option<&(PathBuf, u32)>) {
    prepare(case);
    if let Some((folder, table)) = table_at {
        lent::borrow(folder, *table);
    }
    let program = if side == "old" { "/usr/sbin/ldirectord" } else { env!("CARGO_BIN_EXE_directord") };
    let addresses: Vec<IpAddr> = case.servers.keys().copied().collect();
    let servers = Servers::new(Trust::new(&addresses, &certificate()));
    let running =
        Running { program: program.into(), servers, rounds: rounds(case), limit: limit(case), case };
    for step in std::io::stdin().lock().lines() {
        let (step, began) = (step.unwrap(), Instant::now());
        let result = running.perform(&step);
        if step != "table" && std::env::var_os("DIFFERENTIAL_TIMES").is_some() {
            eprintln!("{}: {side}: {step}: {:.1} s", case.name, began.elapsed().as_secs_f64());
        }
        let answer = match result {
            Ok(()) => table() + &thresholds(),
            Err(words) => format!("{FAILED}{}\n", words.replace('\n', &format!("\n{FAILED}"))),
        };
        let mut out = std::io::stdout();
        writeln!(out, "{answer}{END}").unwrap();
        out.flush().unwrap();
    }
}

struct Running<'a> {
    program: PathBuf,
    servers: Servers,
    rounds: usize,
    limit: Duration,
    case: &'a Case,
}

impl Running<'_> {
    fn perform(&self, step: &str) -> Result<(), String> {
        match step {
            "start" => {
                self.write(0);
                self.servers.set(self.case, 0);
                let mut command = Command::new(&self.program);
                command
                    .arg(config())
                    .arg("start")
                    .env("PERLIO", "perlio")
                    .env(trust::VARIABLE, certificate());
                let output = command.output().unwrap();
                if !output.status.success() {
                    return Err(format!("start: {}\n{}", output.status, said(&output)));
                }
                self.settle()
            }
            "servers" => {
                self.servers.set(self.case, 1);
                self.settle()
            }
            "again" => {
                self.servers.set(self.case, 2);
                self.settle()
            }
            "reload" => {
                self.write(1);
                signal("-HUP", &self.daemon()?);
                self.settle()
            }
            "stop" => {
                let daemon = self.daemon()?;
                // The old program sleeps now: a signal in the middle of a check may end that as failed.
                self.visited(1)?;
                signal("-TERM", &daemon);
                self.until(|| !alive(&daemon), || "it does not stop".to_owned())
            }
            "another round" => self.visited(1),
            _ => Err(format!("no such step: {step}")),
        }
    }

    fn write(&self, version: usize) {
        std::fs::write(config(), &self.case.files[version]).unwrap();
    }

    /// Waits until the daemon has seen everything as it is now.
    fn settle(&self) -> Result<(), String> {
        self.until(|| self.daemon().is_ok(), || "there is no daemon".to_owned())?;
        self.visited(self.rounds)
    }

    /// Waits for so many rounds.
    fn visited(&self, rounds: usize) -> Result<(), String> {
        let (daemon, from) = (self.daemon()?, self.servers.visits());
        let alive = || alive(&daemon);
        self.until(|| self.servers.visits() >= from + rounds || !alive(), || "it does not check".to_owned())?;
        if alive() { Ok(()) } else { Err(format!("the daemon has ended\n{}", log())) }
    }

    fn until(&self, condition: impl Fn() -> bool, what: impl Fn() -> String) -> Result<(), String> {
        let began = Instant::now();
        while !condition() {
            if began.elapsed() > self.limit {
                return Err(format!("{} ({:?})\n{}", what(), self.limit, log()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn daemon(&self) -> Result<String, String> {
        let text = std::fs::read_to_string("/run/ldirectord.case.cf.pid").unwrap_or_default();
        if text.trim().is_empty() {
            Err(format!("no pid file\n{}", log()))
        } else {
            Ok(text.trim().to_owned())
        }
    }
}

/// After so many visits of the last server everything before it has been checked and acted upon: the first visit may end a round
/// that began before the change, the second one that saw it. One more for every failure that does not count.
fn rounds(case: &Case) -> usize {
    let plans = (0..2).filter_map(|version| case.plan(version).ok());
    let counts = plans.flat_map(|plan| plan.services).map(|service| service.failure_count as usize);
    1 + counts.max().unwrap_or(1)
}

/// How long anything of the case may take.
fn limit(case: &Case) -> Duration {
    let plans = (0..2).filter_map(|version| case.plan(version).ok());
    let servers = plans.map(|plan| plan.services.iter().map(|service| service.reals.len() as u32).sum());
    LIMIT + LIMIT_OF_SERVER * servers.max().unwrap_or(0)
}

/// A fresh `/run` and `/var/log`, the names of the case, the loopback interface.
fn prepare(case: &Case) {
    must("ip", "link set lo up");
    must("mount", "-t tmpfs tmpfs /run");
    must("mount", "-t tmpfs tmpfs /var/log");
    std::fs::create_dir_all(FOLDER).unwrap();
    let mut hosts = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
    for (address, name) in &case.hosts {
        let short = name.split('.').next().unwrap_or(name); // as an alias, as is usual
        hosts += &format!("{address} {name} {short}\n");
    }
    std::fs::write(format!("{FOLDER}/hosts"), hosts).unwrap();
    must("mount", &format!("--bind {FOLDER}/hosts /etc/hosts"));
    script("is-up", &format!("#!/bin/sh\n[ $# = 4 ] && [ -e {UP}/\"$3\" ]\n"));
    script("is-down", &format!("#!/bin/sh\n[ $# = 4 ] && [ ! -e {UP}/\"$3\" ]\n"));
    script("is-up.pl", &format!("exit(-e \"{UP}/$ARGV[2]\" ? 0 : 1);\n"));
}

/// For checks of the kind `external`.
fn script(name: &str, text: &str) {
    let file = Path::new(FOLDER).join(name);
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn certificate() -> PathBuf {
    Path::new(FOLDER).join("certificate.pem")
}

fn config() -> PathBuf {
    Path::new(FOLDER).join("case.cf")
}

fn table() -> String {
    must("ipvsadm", "-Sn")
}

/// The thresholds of those servers that have any, which `ipvsadm -S` does not write. Not of quiescent ones: ldirectord
/// forgets theirs.
fn thresholds() -> String {
    let (text, table) = (must("ipvsadm", "-Ln --thresholds"), table());
    let (mut lines, mut service) = (String::new(), String::new());
    for line in text.lines().skip(3) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["->", server, upper, lower, ..] => {
                let start = format!("-a {service} -r {server} ");
                let quiescent =
                    |line: &str| line.starts_with(&start) && format!("{line} ").contains(" -w 0 ");
                if (*upper, *lower) != ("0", "0") && !table.lines().any(quiescent) {
                    lines += &format!("{start}-x {upper} -y {lower}\n");
                }
            }
            ["TCP", address, ..] => service = format!("-t {address}"),
            ["UDP", address, ..] => service = format!("-u {address}"),
            ["FWM", mark, "IPv6", ..] => service = format!("-f {mark} -6"),
            ["FWM", mark, ..] => service = format!("-f {mark}"),
            _ => panic!("what is this line of ipvsadm? {line}"),
        }
    }
    lines
}

fn log() -> String {
    let text = std::fs::read_to_string("/var/log/differential.log").unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// A process that has ended and that nobody waits for has no command line any more.
fn alive(pid: &str) -> bool {
    std::fs::read(Path::new("/proc").join(pid).join("cmdline")).is_ok_and(|words| !words.is_empty())
}

fn signal(name: &str, pid: &str) {
    must("kill", &format!("{name} {pid}"));
}

fn must(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{program} {arguments}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).trim().to_owned()
}
