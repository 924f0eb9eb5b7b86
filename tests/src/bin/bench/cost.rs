//! Memory and processor time of an idle daemon with all the processes that belong to it.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::peers::{ADDRESS, Pair, Program, Timers};
use crate::{LIMIT, millis, outage, prober};
use lab::{Context, Node, Result, wait_until};

/// keepalived's interval is one second, too.
pub(crate) const TIMERS: Timers = Timers::new(1_000, 3_000);
const IDLE: Duration = Duration::from_secs(20);
/// More moves with a hundred groups tell nothing more.
const MOST_MOVES: usize = 5;

/// Measures both nodes of a pair: the one that holds everything, and the other.
pub(crate) fn measure(program: Program, groups: u8, runs: usize) -> Result<()> {
    let pair = Pair::start(program, TIMERS, groups)?;
    let (holder, other) = pair.at_rest()?;
    for (node, what) in [(holder, "holder"), (other, "other node")] {
        let before = processor_time(node)?;
        std::thread::sleep(IDLE);
        let used = processor_time(node)?.saturating_sub(before);
        let share = used as f64 / IDLE.as_nanos() as f64 * 100.0;
        println!("  {:<12} {what:<11} {share:.3} % of a core; {}", program.name(), memory(node)?);
    }
    if groups > 1 && program != Program::Keepalived {
        let mut moves = Vec::new();
        for _ in 0..runs.min(MOST_MOVES) {
            let (giver, taker) = pair.at_rest()?;
            // given first, and taken last
            let last = Ipv4Addr::from_bits(ADDRESS.to_bits() + u32::from(groups) - 1);
            let prober = prober(&pair.client, last)?;
            pair.hand_over(giver)?;
            wait_until(LIMIT, "the other node has the address", || taker.holds(last.into()))?;
            moves.push(outage(prober)?.map_or(0.0, |outage| millis(outage.span())));
        }
        moves.sort_by(f64::total_cmp);
        let median = moves.get(moves.len() / 2).copied().unwrap_or_default();
        println!(
            "  {:<12} planned move of all groups: outage of the address that is away longest, median {median:.1} ms (n = {})",
            program.name(),
            moves.len()
        );
    }
    Ok(())
}

/// Nanoseconds that all processes of a node but its first one have run.
pub(crate) fn processor_time(node: &Node) -> Result<u64> {
    let mut sum = 0;
    for pid in node.pids()? {
        for task in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            sum += text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Ok(sum)
}

/// Resident kilobytes of all processes together, and of the largest.
pub(crate) fn resident(node: &Node) -> Result<(u64, u64)> {
    let mut all = Vec::new();
    for pid in node.pids()? {
        all.push(kilobytes(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmRSS:")?);
    }
    Ok((all.iter().sum(), all.iter().copied().max().unwrap_or(0)))
}

/// Resident and proportional size of each process.
fn memory(node: &Node) -> Result<String> {
    let (mut parts, mut resident_sum, mut proportional_sum) = (Vec::new(), 0, 0);
    for pid in node.pids()? {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let smaps = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let resident = kilobytes(&status, "VmRSS:")?;
        resident_sum += resident;
        proportional_sum += kilobytes(&smaps, "Pss:")?;
        let words = fs::read(format!("/proc/{pid}/cmdline"))?;
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        let verb = ["guard", "await"].into_iter().find(|verb| words.trim_end().ends_with(verb));
        let name = fs::read_to_string(format!("/proc/{pid}/comm"))?;
        parts.push(format!(
            "{}{} {resident}",
            name.trim(),
            verb.map_or(String::new(), |verb| format!(" {verb}"))
        ));
    }
    parts.sort();
    let parts = parts.join(", ");
    Ok(format!("kB resident: {parts} (sum {resident_sum}, proportional {proportional_sum})"))
}

fn kilobytes(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find(|line| line.starts_with(name)).context(|| name.to_owned())?;
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).context(|| line.to_owned())
}
