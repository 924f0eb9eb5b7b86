//! `bench --director`: directord beside ldirectord 4.12 and keepalived's checker: how many checks a second at what cost, how soon a
//! death is in the table, and what a reload costs.
//!
//! ```text
//!   program under test ──checks──► Servers (a thread of this process, every address of 10.200.0.0/14)
//!         └──netlink── ipvs-shim.so ──► Table (another thread): what was edited, and when
//! ```
//!
//! All in the network of one node. The table costs each program the same: what is measured is the program.

mod programs;
mod servers;
mod sheet;
mod table;

use std::time::Duration;

use lab::{Context, Lab, Moment, Node, Result, Spec, wait_until};
use programs::{Farm, Program, VICTIM_PORTS, server};
use servers::{Kind, Servers};
use sheet::Sheet;
use table::Table;

use crate::cost;

pub(crate) const LIMIT: Duration = Duration::from_secs(120);
const SECOND: Duration = Duration::from_secs(1);
/// A check is on time if it comes within this after the one before; the interval is a second.
const ON_TIME: Duration = Duration::from_millis(1_100);
/// How long a steady state is measured.
const STEADY: Duration = Duration::from_secs(20);
const DROPPING: usize = 10;

/// Runs all cases whose name contains `only`.
pub(crate) fn run(runs: usize, only: Option<&str>) -> Result<()> {
    // as a daemon's unit has it; nodes inherit it
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)
        .context(|| "cannot raise the limit of descriptors")?;
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only));
    use Program::{Directord, Keepalived, Ldirectord};
    if wanted("baseline") {
        baseline(&[Directord, Ldirectord, Keepalived], runs)?;
    }
    for kind in [Kind::Tcp, Kind::Http] {
        for size in [200, 2_000, 10_000] {
            let name = format!("scale-{}-{size}", if kind == Kind::Tcp { "tcp" } else { "http" });
            if wanted(&name) {
                scale(&[Directord, Keepalived], Farm::new(kind, size, 10), runs, &name)?;
            }
        }
    }
    if wanted("log") {
        blocked_log(&[Directord, Keepalived], runs)?;
    }
    if wanted("reload") {
        reload(&[Directord, Keepalived], runs)?;
    }
    Ok(())
}

/// Measures each program so many times, by turns, so that a machine that is slower for a while is so for all; what one
/// cannot do is told, and keeps the others from nothing.
fn each(programs: &[Program], runs: usize, mut measure: impl FnMut(Program) -> Result<()>) {
    let mut left = programs.to_vec();
    for _ in 0..runs {
        left.retain(|&program| {
            let measured = measure(program);
            measured.inspect_err(|failure| eprintln!("bench: {}: {failure}", program.name())).is_ok()
        });
    }
}

/// One program at work on a farm.
struct Bed {
    program: Program,
    farm: Farm,
    table: Table,
    servers: Servers,
    victims: [Option<Servers>; 2],
    node: Node,
    started: Moment,
    /// The reading end of a pipe that nobody reads.
    _unread: std::fs::File,
    _lab: Lab,
}

impl Bed {
    fn start(program: Program, farm: Farm) -> Result<Self> {
        let mut lab = Lab::new()?;
        let ports = "sysctl -qw net.ipv4.ip_local_port_range='1024 65000' net.ipv4.tcp_max_syn_backlog=65535 net.core.somaxconn=65535 net.ipv4.ip_forward=1"; // it routes, as a director by NAT
        let node = lab.boot(
            Spec::new("director")
                .boot("ip route add local 10.200.0.0/14 dev lo")
                .boot(ports)
                .boot("mkfifo /run/full.fifo"),
        )?;
        let pid = node.pid().context(|| "the node is down")?;
        let unread = format!("/proc/{pid}/root/run/full.fifo");
        let unread = std::fs::File::options().read(true).write(true).open(&unread).context(|| unread)?;
        let table = Table::default();
        let listening = table.clone();
        std::thread::spawn(move || table::enter_network(pid).and_then(|()| listening.listen()))
            .join()
            .ok()
            .context(|| "no table")??;
        let victim = |port| Servers::start(pid, port, farm.kind).map(Some);
        let victims = [victim(VICTIM_PORTS[0])?, victim(VICTIM_PORTS[1])?];
        let servers = Servers::start(pid, 80, farm.kind)?;
        let started = Moment::now();
        program.start(&node, &farm)?;
        let bed = Self { program, farm, table, servers, victims, node, started, _unread: unread, _lab: lab };
        eprintln!("  {} started", program.name());
        wait_until(LIMIT, "all servers are in the table and asked", || Ok(bed.is_complete()))?;
        Ok(bed)
    }

    /// All servers have traffic.
    fn is_complete(&self) -> bool {
        let edits = self.table.edits_since(self.started);
        let mut last = std::collections::HashMap::new();
        for edit in edits.iter().rev() {
            last.insert(edit.server, edit.weight);
        }
        last.len() == self.farm.servers && last.values().all(|weight| weight.is_some_and(|weight| weight > 0))
    }

    /// Measures for a while in which nothing happens.
    fn steady(&self, sheet: &mut Sheet) -> Result<()> {
        eprintln!("  {} is measured", self.program.name());
        std::thread::sleep(4 * SECOND); // what was at the start is over
        let all = || {
            self.servers
                .intervals()
                .into_iter()
                .chain(self.victims.iter().flatten().flat_map(Servers::intervals))
        };
        let _ = all().count();
        let accepted =
            || self.servers.accepted() + self.victims.iter().flatten().map(Servers::accepted).sum::<u64>();
        let (before, used, began) = (accepted(), cost::processor_time(&self.node)?, Moment::now());
        std::thread::sleep(STEADY);
        let (checks, used, took) =
            (accepted() - before, cost::processor_time(&self.node)? - used, began.elapsed());
        let mut intervals: Vec<Duration> = all().collect();
        intervals.sort();
        let wanted = self.farm.servers as f64 * took.as_secs_f64() / self.farm.interval as f64;
        let on_time = intervals.iter().filter(|interval| **interval <= ON_TIME).count();
        let median = intervals.get(intervals.len() / 2).copied().unwrap_or_default();
        let longest = intervals.last().copied().unwrap_or_default();
        let mut add = |figure, value| sheet.add(self.program, figure, value);
        add("checks a second", checks as f64 / took.as_secs_f64());
        add("checks on time, % of those wanted", (on_time as f64 / wanted * 100.0).min(100.0));
        add("time between checks of a server, median, s", median.as_secs_f64());
        add("the same, longest, s", longest.as_secs_f64());
        add("processor, % of a core", used as f64 / took.as_nanos() as f64 * 100.0);
        add("processor, us a check", used as f64 / 1e3 / checks.max(1) as f64);
        let (sum, largest) = cost::resident(&self.node)?;
        add("resident, largest process, MB", largest as f64 / 1e3);
        add("resident, all processes, MB", sum as f64 / 1e3);
        Ok(())
    }

    /// Closes a server's port, waits until the server is out, opens it again.
    fn death(&mut self, sheet: &mut Sheet) -> Result<()> {
        let pid = self.node.pid().context(|| "the node is down")?;
        // at any time between two checks
        std::thread::sleep(Duration::from_nanos(Moment::now().nanos() % 1_000_000_000));
        let closed = self.victims[0].take().context(|| "no victim")?.end();
        wait_until(LIMIT, "a dead server is out", || Ok(self.table.out_since(server(0), closed).is_some()))?;
        let out = self.table.out_since(server(0), closed).context(|| "out")?;
        self.victims[0] = Some(Servers::start(pid, VICTIM_PORTS[0], self.farm.kind)?);
        let opened = Moment::now();
        wait_until(LIMIT, "it is back", || Ok(self.table.in_since(server(0), opened).is_some()))?;
        sheet.add(self.program, "death to weight 0, s", out.since(closed).as_secs_f64());
        Ok(())
    }

    /// Has a server answer 503: how long after its answer it is out.
    fn refusal(&self, sheet: &mut Sheet) -> Result<()> {
        let victim = self.victims[1].as_ref().context(|| "no victim")?;
        let began = Moment::now();
        victim.refuse(true);
        wait_until(LIMIT, "a server that refuses is out", || {
            Ok(self.table.out_since(server(1), began).is_some())
        })?;
        let answered = victim.last_refusal();
        victim.refuse(false);
        let out = self.table.out_since(server(1), began).context(|| "out")?;
        wait_until(LIMIT, "it is back", || Ok(self.table.in_since(server(1), out).is_some()))?;
        sheet.add(self.program, "bad answer to edit, ms", out.since(answered).as_secs_f64() * 1e3);
        Ok(())
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = Program::end(&self.node);
    }
}

/// 200 servers of one service, as ldirectord was measured: all answer, then ten drop every packet.
fn baseline(programs: &[Program], runs: usize) -> Result<()> {
    let (mut up, mut dropping) = (Sheet::new(programs), Sheet::new(programs));
    each(programs, runs, |program| {
        let mut bed = Bed::start(program, Farm::new(Kind::Http, 200, 200))?;
        let start = bed
            .table
            .edits_since(bed.started)
            .first()
            .map_or(f64::NAN, |last| last.at.since(bed.started).as_secs_f64());
        up.add(program, "start to complete table, s", start);
        bed.steady(&mut up)?;
        bed.death(&mut up)?;
        let list: Vec<String> = (100..100 + DROPPING).map(|number| server(number).to_string()).collect();
        bed.node.sh(&format!(
            "nft 'add table inet bench; add chain inet bench in {{ type filter hook input priority 0; }}; \
                 add rule inet bench in ip daddr {{ {} }} drop'",
            list.join(", ")
        ))?;
        wait_until(LIMIT, "servers that drop packets are out", || {
            Ok((100..100 + DROPPING).all(|number| bed.table.out_since(server(number), bed.started).is_some()))
        })?;
        bed.steady(&mut dropping)?;
        bed.death(&mut dropping)?;
        Ok(())
    });
    println!("\n200 servers, HTTP, every second, timeout 3 s, all answer");
    up.print();
    println!("\nthe same, ten of them drop every packet");
    dropping.print();
    Ok(())
}

/// Many servers in services of ten.
fn scale(programs: &[Program], farm: Farm, runs: usize, name: &str) -> Result<()> {
    let mut sheet = Sheet::new(programs);
    each(programs, runs, |program| {
        let mut bed = Bed::start(program, farm.clone())?;
        bed.steady(&mut sheet)?;
        for _ in 0..3 {
            bed.death(&mut sheet)?;
            if farm.kind == Kind::Http {
                bed.refusal(&mut sheet)?;
            }
        }
        Ok(())
    });
    println!("\n{name}: {} servers, {:?}, every second", farm.servers, farm.kind);
    sheet.print();
    Ok(())
}

/// Everything goes up and down, and nobody reads the log.
fn blocked_log(programs: &[Program], runs: usize) -> Result<()> {
    let mut sheet = Sheet::new(programs);
    each(programs, runs, |program| {
        let farm = Farm { log: "/run/full.fifo".into(), ..Farm::new(Kind::Http, 2_000, 10) };
        let bed = Bed::start(program, farm)?;
        let mut rate = |figure: &str| {
            let (before, began) = (bed.servers.accepted(), Moment::now());
            std::thread::sleep(STEADY / 2);
            let checks = bed.servers.accepted() - before;
            sheet.add(program, figure, checks as f64 / began.elapsed().as_secs_f64());
        };
        rate("checks a second, nothing to log");
        for turn in 0..10 {
            bed.servers.refuse(turn % 2 == 0);
            std::thread::sleep(2 * SECOND);
        }
        rate("after 20,000 changes that nobody read of");
        Ok(())
    });
    println!("\nlog: 2,000 servers, HTTP, all of them up and down ten times, the log's pipe is full");
    sheet.print();
    Ok(())
}

/// 37,000 servers, of which one gets another weight.
fn reload(programs: &[Program], runs: usize) -> Result<()> {
    let mut sheet = Sheet::new(programs);
    each(programs, 1, |program| {
        let mut bed = Bed::start(program, Farm { interval: 60, ..Farm::new(Kind::Tcp, 37_000, 19) })?;
        sheet.add(program, "start to complete table, s", {
            let edits = bed.table.edits_since(bed.started);
            edits.first().map_or(f64::NAN, |last| last.at.since(bed.started).as_secs_f64())
        });
        for run in 0..runs.max(3) {
            std::thread::sleep(3 * SECOND);
            bed.farm.last_weight = 2 + run as u32;
            program.configure(&bed.node, &bed.farm)?;
            let changed = server(bed.farm.servers - 1);
            let told = Moment::now();
            program.reload(&bed.node)?;
            let returned = told.elapsed();
            wait_until(LIMIT, "the change is in the table", || Ok(!bed.table.edits_since(told).is_empty()))?;
            std::thread::sleep(5 * SECOND);
            let edits = bed.table.edits_since(told);
            let edit = edits.iter().find(|edit| edit.server == changed).context(|| "another was edited")?;
            sheet.add(program, "reload to edit, s", edit.at.since(told).as_secs_f64());
            if program == Program::Directord {
                sheet.add(program, "reload to the command's return, s", returned.as_secs_f64());
            }
            sheet.add(program, "edits", edits.len() as f64);
            let took = edit.at.since(told).as_secs_f64();
            eprintln!(
                "  {} edits after {took:.3} s, back after {:.3} s",
                edits.len(),
                returned.as_secs_f64()
            );
        }
        let (_, largest) = cost::resident(&bed.node)?;
        sheet.add(program, "resident, largest process, MB", largest as f64 / 1e3);
        Ok(())
    });
    println!("\nreload: 1,948 services with 37,000 servers, TCP, every 60 s; the weight of one is changed");
    sheet.print();
    Ok(())
}
