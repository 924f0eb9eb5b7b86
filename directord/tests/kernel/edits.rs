//! How the table is edited: without another program, with one look at it for all edits of a pass, and with the names of what
//! the kernel refuses.

use crate::Test;
use crate::bed::*;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const TESTS: &[Test] = &[
    ("edits_need_no_program_and_one_look_at_the_table", edits_need_no_program_and_one_look),
    ("what_the_kernel_refuses_is_named", what_the_kernel_refuses_is_named),
    ("every_scheduler_is_accepted_that_the_kernel_has", every_scheduler),
];

const LIMIT: Duration = Duration::from_secs(30);
/// More services than are asked for one by one.
const SERVICES: u16 = 12;
const SERVERS: u16 = 4;

/// Services of these ports, whose servers are taken as alive.
fn many(ports: std::ops::Range<u16>, weight: u16) -> String {
    ports
        .map(|port| {
            let servers: String = (0..SERVERS)
                .map(|number| format!("\treal=192.0.2.11:{} masq {weight}\n", 9000 + number))
                .collect();
            format!("virtual=203.0.113.202:{port}\n\tchecktype=on\n{servers}")
        })
        .collect()
}

/// Destinations of this weight.
fn weighing(bed: &Bed, weight: u16) -> usize {
    bed.table().iter().filter(|line| line.ends_with(&format!(" -w {weight}"))).count()
}

fn edits_need_no_program_and_one_look() {
    let bed = Bed::new();
    bed.configure(&many(1000..1000 + SERVICES, 5));
    bed.ok("start");
    let all = usize::from(SERVICES * SERVERS);
    bed.until("the whole table", LIMIT, |bed| weighing(bed, 5) == all);
    let trace = Trace::of(&bed);
    // One service leaves, one comes, and every server of the others has another weight.
    bed.configure(&many(1001..1001 + SERVICES, 7));
    bed.must("kill", &format!("-HUP {}", bed.pid()));
    bed.until("the new table", LIMIT, |bed| weighing(bed, 7) == all && weighing(bed, 5) == 0);
    bed.must("ipvsadm", "-d -t 203.0.113.202:1005 -r 192.0.2.11:9000");
    bed.until("a repair", LIMIT, |bed| weighing(bed, 7) == all);
    let (calls, text) = trace.end(&bed);
    let programs: Vec<&str> = text.lines().filter(|line| is_program(line)).collect();
    assert!(programs.is_empty(), "{programs:#?}");
    assert!(text.contains("CLONE_THREAD"), "calls that could be one were seen:\n{text}");

    let count = |call: u8| calls.iter().filter(|seen| **seen == call).count();
    let servers = usize::from(SERVERS);
    assert_eq!((count(ADD_SERVICE), count(SET_SERVICE), count(DELETE_SERVICE)), (1, 0, 1), "{calls:?}");
    assert_eq!((count(ADD_SERVER), count(SET_SERVER)), (servers + 1, all - servers), "{calls:?}");
    assert_eq!(count(DELETE_SERVER), servers, "those of the service that leaves: {calls:?}");
    // All edits of the reload stand together; then comes the repair, with looks before it.
    let passes: Vec<&[u8]> = calls.split(|call| is_look(*call)).filter(|edits| !edits.is_empty()).collect();
    let edits: Vec<usize> = passes.iter().map(|edits| edits.len()).collect();
    assert_eq!(edits, [2 + servers + servers + (all - servers), 1], "{calls:?}");
    // One look is the list of services, and each service's servers once.
    let looks = calls.iter().filter(|call| is_look(**call)).copied().collect::<Vec<_>>();
    for look in looks.split(|call| *call == SERVICES_OF).skip(1) {
        assert!(look.len() <= usize::from(SERVICES) + 1, "{calls:?}");
    }
}

// Commands of the kernel's interface (linux/ip_vs.h, IPVS_CMD_*).
const ADD_SERVICE: u8 = 1;
const SET_SERVICE: u8 = 2;
const DELETE_SERVICE: u8 = 3;
const SERVICES_OF: u8 = 4;
const ADD_SERVER: u8 = 5;
const SET_SERVER: u8 = 6;
const DELETE_SERVER: u8 = 7;
const SERVERS_OF: u8 = 8;

fn is_look(call: u8) -> bool {
    matches!(call, SERVICES_OF | SERVERS_OF)
}

/// A call that makes a process or a program, and no thread.
fn is_program(line: &str) -> bool {
    let called = |name: &str| line.contains(&format!("{name}("));
    ["execve", "execveat", "fork", "vfork"].into_iter().any(called)
        || ((called("clone") || called("clone3")) && !line.contains("CLONE_THREAD"))
}

/// strace, on all threads of the daemon.
struct Trace {
    strace: Child,
    file: PathBuf,
}

impl Trace {
    /// All calls from now on.
    fn of(bed: &Bed) -> Trace {
        let file = bed.config().with_file_name("trace");
        let pid = bed.pid();
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-xx", "-s", "16", "-e", "trace=sendto,sendmsg,process", "-o"]);
        command.arg(&file).args(["-p", &pid]).stdin(Stdio::null());
        let strace = command.spawn().unwrap_or_else(|error| panic!("strace: {error}"));
        let trace = Trace { strace, file };
        bed.until("every thread is traced", LIMIT, |_| {
            let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
            threads.flatten().all(|thread| {
                let status = std::fs::read_to_string(thread.path().join("status"));
                status
                    .is_ok_and(|status| status.contains("TracerPid:") && !status.contains("TracerPid:\t0\n"))
            })
        });
        trace
    }

    /// The commands that went to the kernel's table, in their order; and all that was seen.
    fn end(mut self, bed: &Bed) -> (Vec<u8>, String) {
        bed.must("kill", &format!("-INT {}", self.strace.id()));
        self.strace.wait().unwrap();
        let text = std::fs::read_to_string(&self.file).unwrap();
        (text.lines().filter_map(command_in).collect(), text)
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

/// `sendto(4, [{nlmsg_len=…, …}, "\x04\x01…"], …)` is command 4.
fn command_in(line: &str) -> Option<u8> {
    let (_, payload) = line.split_once("{nlmsg_len=")?.1.split_once(r#"\x"#)?;
    u8::from_str_radix(payload.get(..2)?, 16).ok()
}

/// The kernel takes no multicast address as a server. All else is placed.
fn what_the_kernel_refuses_is_named() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    let good = section(VIP, "", &["192.0.2.11"]);
    let bad =
        "virtual=203.0.113.203:81\n\tchecktype=on\n\treal=224.0.0.9:80 gate\n\treal=192.0.2.12:80 gate\n";
    bed.configure(&format!("{good}{bad}"));
    bed.run("start"); // whether it says so at once or only logs it
    bed.until("what can be placed", LIMIT, |bed| {
        let table = bed.table();
        table.len() == 4
            && table.iter().any(|line| line.contains("192.0.2.12:81"))
            && bed.weight(VIP, A) == Some(5)
    });
    let named = |log: &str| {
        let mut lines = log.lines().filter(|line| line.contains("224.0.0.9:80"));
        lines.any(|line| line.contains("203.0.113.203:81") && line.contains("Kernel table"))
    };
    bed.until("the log names service and server", LIMIT, |bed| named(&bed.log()));
    let text = String::from_utf8(bed.run("show").stdout).unwrap();
    assert!(text.contains("224.0.0.9"), "{text}");
    bed.ok("stop");
}

/// The kernel decides what it has, by `ipvsadm`.
fn every_scheduler() {
    let bed = Bed::new();
    let _a = Server::start("192.0.2.11");
    let all = ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos"];
    let (mut has, mut lacks) = (Vec::new(), Vec::new());
    for scheduler in all {
        let arguments = ["-A", "-t", VIP2, "-s", scheduler];
        let tried = Command::new("ipvsadm").args(arguments).stderr(Stdio::null()).status().unwrap();
        if tried.success() {
            bed.must("ipvsadm", &format!("-D -t {VIP2}"));
            has.push(scheduler);
        } else {
            lacks.push(scheduler);
        }
    }
    println!("  this kernel lacks {lacks:?}");
    assert!(has.len() >= 10, "{has:?}");
    let service = |(number, scheduler): (usize, &&str)| {
        section(
            &format!("203.0.113.202:{}", 1000 + number),
            &format!("scheduler={scheduler}"),
            &["192.0.2.11"],
        )
    };
    bed.configure(&has.iter().enumerate().map(service).collect::<String>());
    bed.ok("start");
    let placed = |bed: &Bed, scheduler: &str| {
        bed.table().iter().any(|line| line.starts_with("-A ") && line.ends_with(&format!(" -s {scheduler}")))
    };
    for scheduler in &has {
        assert!(placed(&bed, scheduler), "{scheduler}: {:#?}", bed.table());
    }
    bed.until("a server in each", LIMIT, |bed| weighing(bed, 5) == has.len());
    // From each to the next, in place.
    let next: Vec<&str> = has.iter().cycle().skip(1).take(has.len()).copied().collect();
    bed.configure(&next.iter().enumerate().map(service).collect::<String>());
    bed.ok("reload");
    for (number, scheduler) in next.iter().enumerate() {
        let line = format!("-A -t 203.0.113.202:{} -s {scheduler}", 1000 + number);
        bed.until(&line, LIMIT, |bed| bed.table().contains(&line));
    }
    assert!(!bed.log().contains("Purged"), "none was removed for it:\n{}", bed.log());
    // Those that it lacks are named, and the others stay.
    lacks.push("nosuchsched");
    let before = bed.table();
    for scheduler in lacks {
        let more = section(VIP2, &format!("scheduler={scheduler}"), &["192.0.2.11"]);
        bed.configure(&(next.iter().enumerate().map(service).collect::<String>() + &more));
        let output = bed.run("reload");
        let said = String::from_utf8_lossy(&output.stderr);
        let told = |text: &str| text.lines().any(|line| line.contains(VIP2) && line.contains(scheduler));
        bed.until(&format!("{scheduler} is named: {said}"), LIMIT, |bed| told(&said) || told(&bed.log()));
        assert_eq!(bed.table(), before, "{scheduler}");
    }
    bed.ok("stop");
    assert_eq!(bed.table(), [""; 0]);
}
