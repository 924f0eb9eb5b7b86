//! `bench [--quick | --runs N] [--only NAME] [--idle | --deadtime MS | --director]`: what a crash and a planned move cost a client, and what a daemon costs an
//! idle machine; heartbeatd beside heartbeat 3.0.6 and keepalived (VRRPv3), each in a pair of its own.
//!
//! A pair on one switch, one address, a client that pings it every millisecond and hears every beat. An *outage* is the
//! time from the last answer before a ping was lost to the first answer after it. What a crash costs *above detection* is
//! the first answer minus the last beat of the dead node minus the time after which the other node may call it dead: the
//! programs' own work, whatever timers they allow.
//!
//! `--director` measures the checking of real servers instead ([`director`]).

mod cost;
mod director;
mod figures;
mod peers;

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::time::Duration;

use figures::{Figures, compare};
use lab::beats::BeatWatcher;
use lab::probe::{Outage, Prober, longest_outage};
use lab::{Context, Moment, Node, Result, fail, wait_until};
use peers::{Pair, Program, Timers};

const LIMIT: Duration = Duration::from_secs(60);
const PROBE: Duration = Duration::from_millis(1);
/// A ping without an answer is lost after this time.
const PATIENCE: Duration = Duration::from_millis(500);
/// Keepalive and deadtime of each pair, in milliseconds. keepalived gets the advertisement interval that comes nearest;
/// heartbeat 3.0.6 takes a peer's deadtime of 100 ms at least.
const TIMERS: [Timers; 3] = [Timers::new(100, 1_000), Timers::new(20, 100), Timers::new(10, 30)];

struct Options {
    runs: usize,
    /// One of the programs; with `--director` a part of a case's name.
    only: Option<String>,
    /// The checking of real servers.
    director: bool,
    /// Only memory and processor time.
    idle: bool,
    /// Only crashes and moves with this deadtime, in milliseconds.
    deadtime: Option<u64>,
}

const USAGE: &str = "usage: bench [--quick | --runs N] [--only heartbeatd|heartbeat|keepalived] [--idle | --deadtime MS]\n       \
     bench --director [--quick | --runs N] [--only baseline|scale|log|reload]";

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options> {
    let mut options = Options { runs: 20, only: None, director: false, idle: false, deadtime: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quick" => options.runs = 3,
            "--runs" => {
                let count = words.next().context(|| "--runs needs a number")?;
                options.runs = count.parse().ok().filter(|runs| *runs > 0).context(|| count)?;
            }
            "--only" => options.only = Some(words.next().context(|| "--only needs a name")?),
            "--director" => options.director = true,
            "--idle" => options.idle = true,
            "--deadtime" => {
                let text = words.next().context(|| "--deadtime needs milliseconds")?;
                let known =
                    |ms: &u64| TIMERS.iter().any(|timers| timers.deadtime.as_millis() == u128::from(*ms));
                options.deadtime = Some(text.parse().ok().filter(known).context(|| text)?);
            }
            _ => return fail(USAGE),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<()> {
    if options.director {
        return director::run(options.runs, options.only.as_deref());
    }
    let chosen = |program: &Program| options.only.as_ref().is_none_or(|only| only == program.name());
    let programs: Vec<Program> = Program::ALL.into_iter().filter(chosen).collect();
    if programs.is_empty() {
        return fail(USAGE);
    }
    let wanted = |timers: &Timers| match options.deadtime {
        Some(deadtime) => timers.deadtime == Duration::from_millis(deadtime),
        None => !options.idle,
    };
    for timers in TIMERS.into_iter().filter(wanted) {
        println!("\n{timers}");
        let (mut moves, mut crashes, mut above) = (Vec::new(), Vec::new(), Vec::new());
        for &program in programs.iter().filter(|program| program.takes(timers)) {
            let pair = Pair::start(program, timers, 1)?;
            let mut figures = [Figures::new(program), Figures::new(program), Figures::new(program)];
            for _ in 0..options.runs {
                // what one program cannot do in time is told, and keeps the others from nothing
                if let Err(failure) = turn(&pair, &mut figures) {
                    eprintln!("bench: {}: {failure}", program.name());
                    break;
                }
            }
            let [moved, crashed, more] = figures;
            moves.push(moved);
            crashes.push(crashed);
            above.push(more);
        }
        compare("planned move: outage", &moves);
        compare("crash: cut to first answer", &crashes);
        compare("crash: first answer above detection, counted from the last beat", &above);
    }
    for groups in [1, 100].into_iter().filter(|_| options.deadtime.is_none()) {
        println!("\nidle, {}, {groups} resource group(s)", cost::TIMERS);
        for &program in &programs {
            if let Err(failure) = cost::measure(program, groups, options.runs) {
                eprintln!("bench: {}: {failure}", program.name());
            }
        }
    }
    Ok(())
}

/// A planned move and a crash.
fn turn(pair: &Pair, figures: &mut [Figures; 3]) -> Result<()> {
    let [moved, crashed, above] = figures;
    moved.add(planned_move(pair)?);
    let crash = crash(pair)?;
    crashed.add(crash.outage);
    above.add(crash.above);
    Ok(())
}

/// Milliseconds; they may be negative where a program is faster than its timers.
struct Crash {
    outage: f64,
    above: f64,
}

/// Pings as far as a client notices: not disturbed by what else this machine does.
fn prober(client: &Node, address: Ipv4Addr) -> Result<Prober> {
    let prober = Prober::icmp(client, IpAddr::V4(address), PROBE, PATIENCE)?;
    for pid in client.pids()? {
        lab::programs::run(std::process::Command::new("chrt").args(["-r", "-p", "20", &pid.to_string()]))?;
    }
    prober.wait_answer(Moment::now(), &["reply"], LIMIT)?;
    Ok(prober)
}

fn outage(prober: Prober) -> Result<Option<Outage>> {
    prober.wait_answer(Moment::now(), &["reply"], LIMIT)?;
    // a ping that was lost is known to be so after its limit
    std::thread::sleep(PATIENCE + Duration::from_millis(100));
    Ok(longest_outage(&prober.stop(), |_| true))
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// One node hands the address over; milliseconds without an answer.
fn planned_move(pair: &Pair) -> Result<f64> {
    let (giver, taker) = pair.at_rest()?;
    let prober = prober(&pair.client, peers::ADDRESS)?;
    pair.hand_over(giver)?;
    wait_until(LIMIT, "the other node has the address", || taker.holds(peers::ADDRESS.into()))?;
    let outage = outage(prober)?;
    pair.after_hand_over(giver)?;
    Ok(outage.map_or(0.0, |outage| millis(outage.span())))
}

/// The power of the node with the address is cut.
fn crash(pair: &Pair) -> Result<Crash> {
    let (holder, taker) = pair.at_rest()?;
    let beats = BeatWatcher::start(&pair.client)?;
    let prober = prober(&pair.client, peers::ADDRESS)?;
    let mac = holder.mac("eth0")?;
    wait_until(LIMIT, "a beat is heard", || Ok(beats.last(&mac).is_some()))?;
    // at any time between two beats
    std::thread::sleep(Duration::from_nanos(Moment::now().nanos() % pair.timers.keepalive.as_nanos() as u64));
    let cut = holder.power_off()?;
    wait_until(LIMIT, "the other node has the address", || taker.holds(peers::ADDRESS.into()))?;
    let outage = outage(prober)?.context(|| "no ping was lost in a crash")?;
    let beat = beats.last(&mac).context(|| "no beat was heard")?;
    holder.power_on()?;
    pair.start_node(holder)?;
    Ok(Crash {
        outage: millis(outage.to.since(cut)),
        above: millis(outage.to.since(beat)) - millis(pair.detection()),
    })
}
