//! An attacker in the pair's network: noise, the packet that kills heartbeat 3.0.6, recordings sent again, a wrong key.

use lab::{Context, Failure, Moment, Node, Result, check, flood, pair, wait_until};
use std::fs;
use std::path::Path;

use crate::world::{ALL_ON_ALPHA, ALL_ON_BETA, AT_HOME, LIMIT, Media, Options, Pair, SECOND};

/// Where [`Media::Mcast`] sends.
const GROUP: &str = "225.0.0.1:694";
/// Datagrams a second, as far as the machine can send them, and for how many seconds.
const RATE: u64 = 50_000;
const SECONDS: u64 = 3;
/// The first field does not begin with a type. heartbeat 3.0.6 reads fields before it authenticates, and aborts.
const KILLS_THE_OLD: &[u8] = b"###\n12:t=status,st=up,%%%\n";
/// By how much the daemon's memory may grow, in KiB.
const MEMORY_MARGIN: u64 = 2048;
/// From here on a daemon calls its own beat late: half of keepalive.
const LATE_US: u64 = 50_000;

/// What is true of a node before the attack.
struct Before {
    pids: Vec<i32>,
    memory: u64,
    late: u64,
    log: usize,
    dropped: u64,
}

impl Before {
    fn of_both(pair: &Pair) -> Result<[Before; 2]> {
        Ok([Before::of(pair, &pair.alpha)?, Before::of(pair, &pair.beta)?])
    }

    fn of(pair: &Pair, node: &Node) -> Result<Before> {
        Ok(Before {
            pids: node.pids_of("heartbeatd")?,
            memory: memory(node)?,
            late: lateness(node)?,
            log: node.read("/var/log/ha-log")?.len(),
            dropped: pair.dropped(node)?,
        })
    }

    /// After it: the same process, which was never late, took no memory, and has said little.
    fn unchanged(&self, node: &Node) -> Result<()> {
        let name = node.name();
        let pids = node.pids_of("heartbeatd")?;
        check(pids == self.pids, || format!("{name}: processes {:?} before, {pids:?} now", self.pids))?;
        let memory = memory(node)?;
        check(memory <= self.memory + MEMORY_MARGIN, || {
            format!("{name}: {} KiB of memory before, {memory} now", self.memory)
        })?;
        let late = lateness(node)?;
        check(late <= self.late.max(LATE_US), || {
            format!("{name}: its beats were up to {} us late before, {late} now", self.late)
        })?;
        wait_until(LIMIT, "the summary of what was refused", || {
            Ok(self.said(node)?.contains(" more packets refused in 10 s ("))
        })?;
        let said = self.said(node)?;
        for words in ["is dead", " ms late", "Late heartbeat", "Heartbeat restart", "returning", "CRIT"] {
            check(!said.contains(words), || format!("{name}: {words:?}:\n{said}"))?;
        }
        check(said.lines().count() <= 3, || format!("{name} has said too much:\n{said}"))
    }

    /// What it has logged since.
    fn said(&self, node: &Node) -> Result<String> {
        Ok(node.read("/var/log/ha-log")?.split_off(self.log))
    }
}

/// What its processes occupy, in KiB.
fn memory(node: &Node) -> Result<u64> {
    let resident = |pid: i32| -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context(|| "no VmRSS")?;
        line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).context(|| line.to_owned())
    };
    node.pids_of("heartbeatd")?.into_iter().map(resident).sum()
}

/// By how much its beats were late at most, in microseconds, as its daemon says.
fn lateness(node: &Node) -> Result<u64> {
    let status: serde_json::Value = serde_json::from_str(&node.run(&["cl_status", "status", "--json"])?)
        .map_err(|error| Failure::new(error.to_string()))?;
    let late = status.pointer("/counters/beat_delay_us").and_then(serde_json::Value::as_u64);
    late.context(|| format!("no lateness in {status}"))
}

/// While an attack runs, nothing moves, and each node takes the other for alive.
fn endure(pair: &Pair, attack: &[&str]) -> Result<()> {
    let attack = pair.client.spawn(&[&["lab"], attack].concat())?;
    let begun = Moment::now();
    while attack.lines().is_empty() {
        check(begun.elapsed() < LIMIT * 10, || "the attack does not end".to_owned())?;
        pair.stays_placed(AT_HOME, SECOND / 10)?;
        for node in pair.nodes() {
            let status = pair.status(node)?;
            let active = |place: &str| status.pointer(place).and_then(|s| s.as_str()) == Some("active");
            check(active("/nodes/0/status") && active("/nodes/1/status"), || {
                format!("{} takes the other for dead: {status}", node.name())
            })?;
        }
    }
    println!("{}", attack.stop().join(" "));
    pair.stays_placed(AT_HOME, pair.options.deadtime * 2)
}

/// Noise as fast as it can be sent to `target`, which is heard by `hearers`.
fn flooded(media: Media, target: &str, hearers: &[&str]) -> Result<()> {
    let pair = Pair::started(Options { media, ..Options::default() })?;
    endure(&pair, &["flood", target, "2000", "1", "20000"])?; // what is allocated once, is now
    let before = Before::of_both(&pair)?;
    endure(&pair, &["flood", target, &(RATE * SECONDS).to_string(), "2", &RATE.to_string()])?;
    for (node, before) in
        pair.nodes().into_iter().zip(&before).filter(|(node, _)| hearers.contains(&node.name()))
    {
        before.unchanged(node)?;
        let counted = pair.dropped(node)? - before.dropped;
        // A receive buffer may overflow; most arrives.
        check(counted > RATE * SECONDS / 4, || format!("{} has counted only {counted}", node.name()))?;
    }
    pair.never_two_holders()
}

#[test]
fn a_flood_by_multicast_delays_no_beat() -> Result<()> {
    flooded(Media::Mcast, GROUP, &AT_HOME)
}

#[test]
fn a_flood_by_broadcast_delays_no_beat() -> Result<()> {
    flooded(Media::Bcast, "192.0.2.255:694", &AT_HOME)
}

/// A port that is bound for broadcasts hears what is sent to its own address, too.
#[test]
fn a_flood_by_unicast_at_a_broadcast_medium_delays_no_beat() -> Result<()> {
    flooded(Media::Bcast, "192.0.2.1:694", &["alpha"])
}

#[test]
fn a_flood_by_unicast_delays_no_beat() -> Result<()> {
    flooded(Media::Ucast, "192.0.2.1:694", &["alpha"])
}

/// Everything that was said in the pair's network: both nodes start, beta stops and starts again, the groups move twice.
fn recorded(pair: &Pair) -> Result<Vec<String>> {
    let recorder = pair.client.spawn(&["lab", "record", GROUP])?;
    recorder.wait_started()?;
    pair::start(&pair.alpha)?;
    pair::start(&pair.beta)?;
    pair.wait_placed(AT_HOME)?;
    pair::stop(&pair.beta)?;
    pair.wait_placed(ALL_ON_ALPHA)?;
    pair::start(&pair.beta)?;
    pair.wait_placed(AT_HOME)?;
    pair::standby(&pair.alpha, "local")?;
    pair.wait_placed(ALL_ON_BETA)?;
    pair::takeover(&pair.alpha, "local")?;
    pair.wait_placed(AT_HOME)?;
    pair.stays_placed(AT_HOME, SECOND)?;
    let packets = recorder.stop().split_off(1);
    check(packets.len() > 50, || format!("only {} datagrams were recorded", packets.len()))?;
    Ok(packets)
}

/// The recorded traffic of real heartbeat 3.0.6 nodes; their keys are others.
fn captures() -> Result<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures/golden");
    let files = fs::read_dir(&folder).context(|| folder.display())?.collect::<Result<Vec<_>, _>>()?;
    let packets =
        files.iter().map(fs::DirEntry::path).filter(|path| path.extension() == Some("bin".as_ref()));
    packets.map(|path| Ok(flood::to_hex(&fs::read(path)?))).collect()
}

/// The same packet with another digest: what a sender with a wrong key sends. It ends with the digest and a comma.
fn with_another_digest(packet: &str) -> String {
    let (rest, end) = packet.split_at(packet.len().saturating_sub(4));
    let digit = if end == "302c" { "312c" } else { "302c" };
    format!("{rest}{digit}")
}

#[test]
fn recordings_forgeries_and_what_kills_the_old_daemon_change_nothing() -> Result<()> {
    let pair = Pair::new(Options::default())?;
    let recorded = recorded(&pair)?;
    let forged: Vec<String> = recorded.iter().map(|packet| with_another_digest(packet)).collect();
    let replays = [&recorded[..], &captures()?].concat();
    for (file, packets) in [
        ("/tmp/fatal", &vec![flood::to_hex(KILLS_THE_OLD)]),
        ("/tmp/replays", &replays),
        ("/tmp/forged", &forged),
    ] {
        pair.client.write(file, &packets.join("\n"))?;
    }
    endure(&pair, &["flood", GROUP, "2000", "3", "20000"])?;
    let before = Before::of_both(&pair)?;
    endure(&pair, &["replay", GROUP, "/tmp/fatal", "100", "1000"])?;
    endure(&pair, &["replay", GROUP, "/tmp/replays", "500", "1000"])?;
    // Fast enough that the same ones come again within a second.
    endure(&pair, &["replay", GROUP, "/tmp/replays", "5000", "5000"])?;
    endure(&pair, &["replay", GROUP, "/tmp/forged", "20000", "10000"])?;
    for (node, before) in pair.nodes().into_iter().zip(&before) {
        before.unchanged(node)?;
        let status = pair.status(node)?;
        for (reason, least) in [("malformed field", 100), ("wrong digest", 10_000), ("unknown key", 1)] {
            let count = status.pointer(&format!("/counters/dropped/{reason}")).and_then(|n| n.as_u64());
            check(count >= Some(least), || format!("{}: {reason}: {count:?}", node.name()))?;
        }
    }
    pair.never_two_holders()
}
