//! `bench [--quick]`: what a move costs a client, in milliseconds, and what the daemon costs an idle machine.
//!
//! A pair on one switch, one group homed on alpha, a client that pings its address every millisecond. An outage is the
//! time from the last answer before a ping was lost to the first answer after it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::time::Duration;

use lab::pair::{self, Files};
use lab::probe::{Prober, longest_outage};
use lab::{Context, Lab, Moment, Node, Result, Spec};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));
const LIMIT: Duration = Duration::from_secs(30);
const PROBE: Duration = Duration::from_millis(1);
/// Keepalive and deadtime of each pair that is measured, in milliseconds.
const TIMERS: [[u64; 2]; 3] = [[100, 1_000], [20, 100], [10, 30]];

fn main() -> ExitCode {
    let quick = std::env::args().skip(1).any(|word| word == "--quick");
    let runs = if quick { 3 } else { 20 };
    for timers in TIMERS {
        if let Err(failure) = measure(timers, runs) {
            eprintln!("bench: {failure}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn measure([keepalive, deadtime]: [u64; 2], runs: usize) -> Result<()> {
    let mut lab = Lab::new()?;
    lab.switch("lan0")?;
    let files = files(keepalive, deadtime);
    let mut node = |name: &str, number: u8| -> Result<Node> {
        let node = lab.boot(Spec::new(name).link("eth0", "lan0", &[&format!("192.0.2.{number}/24")]))?;
        files.install(&node)?;
        Ok(node)
    };
    let (alpha, beta, client) = (node("alpha", 1)?, node("beta", 2)?, node("client", 9)?);
    pair::start(&alpha)?;
    pair::start(&beta)?;
    pair::wait_holder(ADDRESS, &alpha, &beta, LIMIT)?;
    let rest = Duration::from_millis(deadtime * 2 + 500);
    std::thread::sleep(rest);
    let title = format!("keepalive {keepalive} ms, deadtime {deadtime} ms");
    println!("{title}: {}", cost(&beta)?);

    let mut moves = Vec::new();
    for _ in 0..runs {
        moves.push(outage(&client, || {
            pair::standby(&alpha, "local")?;
            pair::wait_holder(ADDRESS, &beta, &alpha, LIMIT).map(drop)
        })?);
        std::thread::sleep(rest);
        pair::takeover(&alpha, "local")?;
        pair::wait_holder(ADDRESS, &alpha, &beta, LIMIT)?;
        std::thread::sleep(rest);
    }
    report(&title, "planned move", moves);

    let mut crashes = Vec::new();
    for _ in 0..runs {
        crashes.push(outage(&client, || {
            alpha.power_off()?;
            pair::wait_holder(ADDRESS, &beta, &alpha, LIMIT).map(drop)
        })?);
        alpha.power_on()?;
        pair::start(&alpha)?;
        pair::wait_holder(ADDRESS, &alpha, &beta, LIMIT)?;
        std::thread::sleep(rest);
    }
    report(&title, "power-off", crashes);
    Ok(())
}

/// The longest time without an answer while something happens; zero if no ping was lost.
fn outage(client: &Node, happen: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let prober = Prober::icmp(client, ADDRESS, PROBE, Duration::from_secs(1))?;
    prober.wait_answer(Moment::now(), &["reply"], LIMIT)?;
    happen()?;
    prober.wait_answer(Moment::now(), &["reply"], LIMIT)?;
    // a ping that was lost is known to be so after its limit
    std::thread::sleep(Duration::from_millis(1_200));
    Ok(longest_outage(&prober.stop(), |_| true).map_or(Duration::ZERO, |outage| outage.span()))
}

fn report(title: &str, what: &str, mut spans: Vec<Duration>) {
    spans.sort_unstable();
    let at = |index: usize| spans.get(index).copied().map_or_else(|| "-".to_owned(), lab::millis);
    let n = spans.len();
    println!(
        "{title}: {what}: min {}, median {}, max {} (n = {n})",
        at(0),
        at(n / 2),
        at(n.saturating_sub(1))
    );
}

/// Memory of the daemon's processes, and their processor time in five idle seconds.
fn cost(node: &Node) -> Result<String> {
    let pids = node.pids_of("heartbeatd")?;
    let ticks = |pid: &i32| -> Result<u64> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        Ok(fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum())
    };
    let all = || pids.iter().map(ticks).sum::<Result<u64>>();
    let before = all()?;
    std::thread::sleep(Duration::from_secs(5));
    let used = all()?.saturating_sub(before);
    let mut resident = 0;
    for pid in &pids {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context(|| "no VmRSS")?;
        resident += line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0);
    }
    // a tick is 10 ms: five seconds are 500
    let (count, share) = (pids.len(), used as f64 / 5.0);
    Ok(format!("idle: {resident} kB resident in {count} process(es), {share:.1} % of a core"))
}

fn files(keepalive: u64, deadtime: u64) -> Files {
    Files {
        ha_cf: format!(
            "logfacility none\nlogfile /var/log/ha-log\nkeepalive {keepalive}ms\nwarntime {}ms\ndeadtime {deadtime}ms\n\
             initdead {}ms\nudpport 694\nmcast eth0 225.0.0.1 694 1 0\nauto_failback on\nnode alpha\nnode beta\n",
            deadtime / 2,
            (deadtime * 2).max(1_000),
        ),
        authkeys: "auth 1\n1 sha1 a-key-for-the-lab\n".to_owned(),
        haresources: format!("alpha {ADDRESS}/24/eth0\n"),
        others: Vec::new(),
    }
}
