//! Nothing blocks the beat: log, disk, name server, scripts and a busy processor, each at its worst, and beats leave in time.
//!
//! How late they leave is what the daemon itself measures and tells.

use lab::pair;
use lab::process::Process;
use lab::{Context, Node, Result, check, wait_until};
use serde_json::Value;

use crate::world::{ADDRESSES, ALL_ON_BETA, AT_HOME, LIMIT, Options, Pair, SECOND};

/// Beats that are looked at, at keepalive 100 ms.
const BEATS: u64 = 100;
/// A tenth of keepalive, in microseconds.
const LIMIT_US: u64 = 10_000;

/// A daemon of syslog that never reads.
const DEAF_SYSLOG: &str = r#"
use Socket; $| = 1;
unlink "/dev/log";
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, sockaddr_un("/dev/log")) or die;
print "bound\n"; <STDIN>;
"#;

/// A name server that never answers.
const SILENT_SERVER: &str = r#"
use Socket; $| = 1;
socket(my $s, AF_INET, SOCK_DGRAM, 0) or die; bind($s, sockaddr_in(53, INADDR_ANY)) or die;
print "bound\n";
while (1) {
    my $r = ''; vec($r, fileno($s), 1) = 1; vec($r, 0, 1) = 1;
    select($r, undef, undef, undef);
    if (vec($r, fileno($s), 1)) { recv($s, my $q, 512, 0); print "asked\n"; }
    exit if vec($r, 0, 1);
}
"#;

fn perl(node: &Node, script: &str) -> Result<Process> {
    let process = node.spawn(&["perl", "-e", script])?;
    process.wait_started()?;
    Ok(process)
}

fn number(status: &Value, path: &str) -> Result<u64> {
    status.pointer(path).and_then(Value::as_u64).context(|| format!("no {path} in {status}"))
}

/// From now on so many beats leave, and they leave in time; nobody was thought dead meanwhile.
fn beats_in_time(pair: &Pair, placed: [&str; 2]) -> Result<()> {
    let node = &pair.alpha;
    let from = number(&pair.status(node)?, "/beats/count")?;
    wait_until(LIMIT * 2, "beats leave", || {
        let placement = pair.placement()?;
        check(placement == placed.map(Some), || format!("the addresses are held by {placement:?}"))?;
        std::thread::sleep(SECOND / 10);
        Ok(number(&pair.status(node)?, "/beats/count")? >= from + BEATS)
    })?;
    let status = pair.status(node)?;
    let beats = status.pointer("/beats").context(|| "no beats")?;
    let scheduling = beats.pointer("/scheduling").and_then(Value::as_str).unwrap_or_default();
    // A container that has no real-time priority gets what its neighbours leave.
    let percentile = if scheduling.starts_with("SCHED_RR") { "/p99_us" } else { "/p50_us" };
    let late = number(beats, percentile)?;
    check(number(beats, "/count")? >= BEATS && late <= LIMIT_US, || format!("late beats: {beats}"))
}

fn pair_of(more: &'static str) -> Result<Pair> {
    Pair::new(Options { more, ..Options::default() })
}

fn start(pair: &Pair) -> Result<()> {
    pair.nodes().into_iter().try_for_each(pair::start)?;
    pair.wait_placed(AT_HOME).map(drop)
}

#[test]
fn a_syslog_that_never_reads() -> Result<()> {
    let pair = pair_of("logfacility daemon\ndebug 2\n")?;
    let _deaf = perl(&pair.alpha, DEAF_SYSLOG)?;
    start(&pair)?;
    beats_in_time(&pair, AT_HOME)?;
    pair::standby(&pair.alpha, "all")?;
    pair.wait_placed(ALL_ON_BETA)?;
    pair::stop(&pair.alpha)
}

#[test]
fn a_full_disk() -> Result<()> {
    let pair = pair_of("debug 2\n")?;
    let node = &pair.alpha;
    for place in ["/var/log", "/var/lib/heartbeat"] {
        node.sh(&format!("mount -t tmpfs -o size=256k tmpfs {place}"))?;
    }
    start(&pair)?;
    for place in ["/var/log", "/var/lib/heartbeat"] {
        node.sh(&format!("! dd if=/dev/zero of={place}/fill bs=1k 2>/dev/null"))?;
    }
    beats_in_time(&pair, AT_HOME)?;
    pair::standby(node, "all")?;
    pair.wait_placed(ALL_ON_BETA)?;
    // A generation that cannot be written keeps nobody from going on with it.
    node.freeze()?;
    pair.wait_status(&pair.beta, "alpha", "dead")?;
    node.thaw()?;
    pair.wait_status(&pair.beta, "alpha", "active")?;
    pair.wait_placed(AT_HOME)?;
    // Nor does it keep a node from starting: the next generation has as many bytes as this one.
    pair::stop(node)?;
    pair.wait_placed(ALL_ON_BETA)?;
    let before = node.sh("cat /var/lib/heartbeat/hb_generation")?;
    pair::start(node)?;
    pair.wait_placed(AT_HOME)?;
    let after = node.sh("cat /var/lib/heartbeat/hb_generation")?;
    check(after > before, || format!("generation {after:?} after {before:?}"))
}

#[test]
fn a_first_start_on_a_full_disk() -> Result<()> {
    const STATE: &str = "/var/lib/heartbeat";
    let pair = pair_of("")?;
    let node = &pair.alpha;
    node.sh(&format!(
        "mount -t tmpfs -o size=64k tmpfs {STATE}; ! dd if=/dev/zero of={STATE}/fill bs=1k 2>/dev/null"
    ))?;
    start(&pair)?;
    for words in ["hb_uuid: No space left on device", "hb_generation: No space left on device"] {
        let said = || Ok(node.read("/var/log/ha-log")?.contains(words));
        wait_until(LIMIT, &format!("said: {words}"), said)?;
    }
    // A second start that can write nothing is believed by the other node, too.
    pair::stop(node)?;
    pair.wait_placed(ALL_ON_BETA)?;
    pair::start(node)?;
    pair.wait_placed(AT_HOME)?;
    node.sh(&format!("rm {STATE}/fill"))?;
    wait_until(LIMIT * 4, "the state is written", || {
        let written = node.sh(&format!("wc -c {STATE}/hb_uuid {STATE}/hb_generation || true"))?;
        Ok(written.contains(&format!("16 {STATE}/hb_uuid"))
            && written.contains(&format!("16 {STATE}/hb_generation")))
    })?;
    let generation = |text: String| text.trim().parse::<u64>().unwrap_or(0);
    let before = generation(node.sh(&format!("cat {STATE}/hb_generation"))?);
    let uuid = node.sh(&format!("od -An -tx1 {STATE}/hb_uuid"))?;
    pair::stop(node)?;
    pair.wait_placed(ALL_ON_BETA)?;
    pair::start(node)?;
    pair.wait_placed(AT_HOME)?;
    let after = generation(node.sh(&format!("cat {STATE}/hb_generation"))?);
    check(before > 0 && after == before + 1, || format!("generation {after} after {before}"))?;
    let same = node.sh(&format!("od -An -tx1 {STATE}/hb_uuid"))?;
    check(same == uuid, || format!("another identity: {same} after {uuid}"))
}

#[test]
fn a_name_server_that_never_answers() -> Result<()> {
    let pair = pair_of("")?;
    let server = perl(&pair.client, SILENT_SERVER)?;
    start(&pair)?;
    let node = &pair.alpha;
    node.write("/etc/resolv.conf", "nameserver 192.0.2.9\n")?;
    let ha_cf = node.read("/etc/ha.d/ha.cf")?;
    node.write(
        "/etc/ha.d/ha.cf",
        &format!("{ha_cf}ucast eth1 beta.example.com\nping gateway.example.com\n"),
    )?;
    node.sh("kill -HUP $(cat /run/heartbeat.pid)")?;
    wait_until(LIMIT, "the name server is asked", || Ok(server.lines().iter().any(|line| line == "asked")))?;
    beats_in_time(&pair, AT_HOME)?;
    // In the end it is said, and nothing has changed; the daemon was never deaf meanwhile.
    let said = || Ok(node.read("/var/log/ha-log")?.contains("the old configuration stays in use"));
    wait_until(LIMIT * 2, "the reload has failed", said)?;
    pair::standby(node, "all")?;
    pair.wait_placed(ALL_ON_BETA).map(drop)
}

#[test]
fn a_script_that_never_ends() -> Result<()> {
    let pair = pair_of("")?;
    let [one, two] = ADDRESSES;
    for node in pair.nodes() {
        node.sh("mkdir -p /etc/ha.d/resource.d")?;
        let script =
            "#!/bin/sh\n[ $1 = start ] && exec sleep 3600\n[ $1 = status ] && echo stopped\nexit 0\n";
        node.write_mode("/etc/ha.d/resource.d/forever", script, 0o755)?;
        node.write("/etc/ha.d/haresources", &format!("alpha {one}/24/eth0 forever\nbeta {two}/24/eth0\n"))?;
    }
    pair.nodes().into_iter().try_for_each(pair::start)?;
    let placed = || Ok(pair.placement()? == AT_HOME.map(Some));
    wait_until(LIMIT, "the addresses are at home", placed)?;
    beats_in_time(&pair, AT_HOME)?;
    check(pair::resources(&pair.alpha)? == "transition", || "the script has ended".to_owned())
}

#[test]
fn a_busy_processor() -> Result<()> {
    let pair = pair_of("")?;
    start(&pair)?;
    let busy = "for i in 1 2 3 4; do timeout 60 sh -c 'while :; do :; done' & done; echo busy; read end; kill $(jobs -p)";
    let load = pair.alpha.spawn(&["bash", "-c", busy])?;
    load.wait_started()?;
    beats_in_time(&pair, AT_HOME)
}
