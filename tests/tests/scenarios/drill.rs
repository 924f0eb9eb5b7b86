//! Drills: `ha-drill` on a client of the pair does something to it, and its report is what happened.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use lab::{Context, Node, Result, check, fail, millis, pair, programs, wait_until};
use serde_json::Value;

use crate::world::{ADDRESSES, LIMIT, Options, Pair};

/// Far more than a move takes on a busy machine.
const GENEROUS: [&str; 2] = ["--max-outage", "30s"];

/// A pair that no busy machine makes nervous.
const DEADTIME: Duration = Duration::from_secs(3);

fn options() -> Options {
    Options { deadtime: DEADTIME, ..Options::default() }
}

/// The command by which an administrator outside reaches a node.
fn reach(node: &Node) -> Result<String> {
    let pid = node.pid().context(|| "the node has no power")?;
    let programs = programs::directory()?;
    Ok(format!(
        "nsenter --target {pid} --net --mount --uts --ipc --pid -- env -i PATH={}:/usr/sbin:/usr/bin:/sbin:/bin sh -c",
        programs.display()
    ))
}

/// A drill from the client's network, with both nodes in reach.
struct Drill {
    code: Option<i32>,
    report: Value,
    said: String,
}

fn drill(pair: &Pair, words: &[&str]) -> Result<Drill> {
    finish(pair, start(pair, words)?)
}

/// The program on the client, with both nodes in reach.
fn command(pair: &Pair, words: &[&str]) -> Result<Command> {
    let client = pair.client.pid().context(|| "the client has no power")?;
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/proc/{client}/ns/net")).arg(programs::find("ha-drill")?).args(words);
    for node in pair.nodes() {
        command.args(["--run", &reach(node)?]);
    }
    Ok(command)
}

fn start(pair: &Pair, words: &[&str]) -> Result<Child> {
    let mut command = command(pair, words)?;
    command.args(["--yes", "--json", "--settle", "1s", "--patience", "60s", "--save"]).arg(directory(pair));
    Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

fn directory(pair: &Pair) -> PathBuf {
    pair.lab.directory().join("drill")
}

fn finish(pair: &Pair, child: Child) -> Result<Drill> {
    let Output { status, stdout, stderr } = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&stderr).into_owned();
    let report = serde_json::from_slice(&stdout).unwrap_or_default();
    // all three are written, whatever the verdict
    if !stdout.is_empty() {
        for (ending, begins) in [("txt", "Drill: "), ("json", "{"), ("svg", "<svg ")] {
            let path = directory(pair).with_extension(ending);
            let text = std::fs::read_to_string(&path).context(|| path.display())?;
            check(text.starts_with(begins), || format!("{} begins with {text:.40}", path.display()))?;
        }
    }
    Ok(Drill { code: status.code(), report, said })
}

impl Drill {
    fn has(&self, code: i32, verdict: &str) -> Result<()> {
        check(self.code == Some(code) && self.report["verdict"] == verdict, || {
            format!("exit code {:?}, not {code}; {}\n{:#}", self.code, self.said, self.report)
        })
    }

    fn number(&self, pointer: &str) -> Result<f64> {
        self.report
            .pointer(pointer)
            .and_then(Value::as_f64)
            .context(|| format!("no {pointer}: {:#}", self.report))
    }

    fn probe(&self, name: &str) -> Result<&Value> {
        let probes = self.report["probes"].as_array().context(|| self.said.clone())?;
        probes.iter().find(|probe| probe["name"] == name).context(|| format!("no probe {name}"))
    }

    /// Who answered for the address, one after the other; without the times in which nobody did.
    fn owners(&self) -> Vec<Vec<String>> {
        let all = self.report["owners"]["tenures"].as_array().cloned().unwrap_or_default();
        let macs =
            |owned: &Value| serde_json::from_value::<Vec<String>>(owned["macs"].clone()).unwrap_or_default();
        let mut owners: Vec<Vec<String>> = all.iter().map(macs).filter(|macs| !macs.is_empty()).collect();
        owners.dedup();
        owners
    }

    /// Whether a node said so.
    fn event(&self, source: &str, text: &str) -> Result<()> {
        let all = self.report["events"].as_array().cloned().unwrap_or_default();
        let said = |event: &Value| {
            event["source"] == source && event["text"].as_str().is_some_and(|words| words.contains(text))
        };
        check(all.iter().any(said), || format!("no event of {source} with {text:?}: {:#}", self.report))
    }

    fn moved(&self, pair: &Pair, from: &Node, to: &Node) -> Result<()> {
        let wanted = [vec![from.mac("eth0")?], vec![to.mac("eth0")?]];
        check(self.owners() == wanted, || format!("owners {:?}", self.owners()))?;
        check(
            self.report["holder_before"] == from.name() && self.report["holder_after"] == to.name(),
            || format!("{:#}", self.report),
        )?;
        check(to.holds(ADDRESSES[0].into())? && !from.holds(ADDRESSES[0].into())?, || {
            "it has not moved".to_owned()
        })?;
        self.event(to.name(), "its kernel has the address").map_err(|failure| pair.explain(failure))
    }
}

fn started() -> Result<(Pair, String)> {
    Ok((Pair::started(options())?, ADDRESSES[0].to_string()))
}

#[test]
fn drill_of_a_stand_by_and_of_a_take_over() -> Result<()> {
    let (pair, vip) = started()?;
    lab::web::start(&pair.alpha, "alpha", "80")?;
    lab::web::start(&pair.beta, "beta", "80")?;
    let words = ["standby", &vip, "--http", "80", "--tcp", "80", GENEROUS[0], GENEROUS[1]];
    let standby = drill(&pair, &words)?;
    standby.has(0, "within")?;
    standby.moved(&pair, &pair.alpha, &pair.beta)?;
    for name in ["icmp", "tcp:80", "http:80/"] {
        let answered = standby.probe(name)?["answered"].as_u64().unwrap_or(0);
        check(answered > 20, || format!("{name}: {answered} answered"))?;
    }
    let undo = standby.report["undo"].to_string();
    check(undo.contains("hb_takeover all on alpha"), || undo)?;

    // the way back, as it was told
    let takeover = drill(&pair, &["takeover", &vip, "--on", "alpha", GENEROUS[0], GENEROUS[1]])?;
    takeover.has(0, "within")?;
    takeover.moved(&pair, &pair.beta, &pair.alpha)
}

#[test]
fn drill_of_a_killed_daemon_over_its_limit() -> Result<()> {
    let (pair, vip) = started()?;
    let kill = drill(&pair, &["kill", &vip, "--max-outage", "0ms"])?;
    kill.has(1, "exceeded")?;
    kill.moved(&pair, &pair.alpha, &pair.beta)?;
    kill.event("alpha", "the daemon does not run any more")?;
    kill.event("beta", "node alpha: is dead")?;
    // the address was away, and not for longer than the record
    let outage = kill.number("/probes/0/longest_ms")?;
    check(outage > 0.0 && outage < kill.number("/to_ms")?, || format!("{outage} ms"))?;
    let undo = kill.report["undo"].to_string();
    check(undo.contains("start heartbeat on alpha"), || undo)?;
    check(pair.alpha.pids_of("heartbeatd")?.is_empty(), || "alpha's daemon runs".to_owned())
}

#[test]
fn drill_of_a_stop() -> Result<()> {
    let (pair, vip) = started()?;
    let stop = drill(&pair, &["stop", &vip, GENEROUS[0], GENEROUS[1]])?;
    stop.has(0, "within")?;
    stop.moved(&pair, &pair.alpha, &pair.beta)?;
    stop.event("alpha", "the daemon does not run any more")?;
    check(pair.alpha.pids_of("heartbeatd")?.is_empty(), || "alpha's daemon runs".to_owned())?;
    let undo = stop.report["undo"].to_string();
    check(undo.contains("start heartbeat on alpha"), || undo)
}

/// Nothing is done before somebody has said yes.
#[test]
fn drill_asks_before_it_does_anything() -> Result<()> {
    let (pair, vip) = started()?;
    // Not on a terminal there is nobody to ask.
    let nobody = command(&pair, &["standby", &vip, "--no-save"])?.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
    check(nobody.status.code() == Some(2) && said.contains("say --yes"), || said)?;
    let asked = |answer: &str| -> Result<(Option<i32>, String)> {
        let drill =
            command(&pair, &["standby", &vip, "--no-save", "--settle", "1s", GENEROUS[0], GENEROUS[1]])?;
        let quoted = |word: &std::ffi::OsStr| format!("'{}'", word.to_string_lossy().replace('\'', "'\\''"));
        let line: Vec<String> =
            std::iter::once(drill.get_program()).chain(drill.get_args()).map(quoted).collect();
        let mut terminal = Command::new("script");
        terminal.args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"]);
        let mut child =
            terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        // The terminal keeps the answer until it is asked for.
        let mut input = child.stdin.take().context(|| "no input")?;
        writeln!(input, "{answer}")?;
        let output = child.wait_with_output()?;
        drop(input);
        Ok((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
    };
    let (code, said) = asked("n")?;
    check(code == Some(3) && said.contains("Do it now? [y/N]") && said.contains("nothing was done"), || {
        format!("{code:?}: {said}")
    })?;
    let placed = pair.placement()?;
    check(placed == [Some("alpha"), Some("beta")], || format!("it moved: {placed:?}"))?;
    let (code, said) = asked("y")?;
    check(code == Some(0), || format!("{code:?}: {said}"))?;
    check(pair.beta.holds(ADDRESSES[0].into())?, || format!("it has not moved: {said}"))
}

#[test]
fn drill_of_a_power_failure() -> Result<()> {
    let (pair, vip) = started()?;
    // as a switched socket does it: everything of the node ends at once
    let cut = format!("kill -KILL {}", pair.alpha.pid().context(|| "no power")?);
    let power = drill(&pair, &["power-off", &vip, "--with", &cut, "--max-outage", "60s"])?;
    power.has(0, "within")?;
    check(power.report["holder_after"] == "beta", || format!("{:#}", power.report))?;
    let longest = power.number("/probes/0/longest_ms")?;
    let deadtime = pair.options.deadtime;
    check(longest >= deadtime.as_secs_f64() * 1e3 / 2.0, || {
        format!("{longest} ms, deadtime {}", millis(deadtime))
    })?;
    let state = power.report["state"].to_string();
    check(state.contains("alpha does not answer any more"), || state)
}

/// `ssh alpha poweroff` loses its connection with the power and fails; a node that answers on has its power still.
#[test]
fn drill_of_a_power_failure_by_a_command_that_fails() -> Result<()> {
    let (pair, vip) = started()?;
    let none = drill(&pair, &["power-off", &vip, "--with", "echo no such plug; exit 1"])?;
    none.has(3, "unknown")?;
    let why = none.report["command_failed"].to_string();
    check(why.contains("exit code 1") && why.contains("no such plug"), || why)?;
    let cut = format!("kill -KILL {}; exit 255", pair.alpha.pid().context(|| "no power")?);
    let power = drill(&pair, &["power-off", &vip, "--with", &cut, "--max-outage", "60s"])?;
    power.has(0, "within")?;
    check(power.report["holder_after"] == "beta", || format!("{:#}", power.report))?;
    let warnings = power.report["warnings"].to_string();
    check(warnings.contains("alpha says nothing any more") && warnings.contains("255"), || warnings)
}

#[test]
fn drill_of_a_cut_link_sees_two_owners() -> Result<()> {
    let (pair, vip) = started()?;
    // The heartbeats' way alone is cut: both nodes stay on the clients' network.
    let rule = "table inet cut { chain c { type filter hook input priority 0; udp dport 694 drop; }; }";
    let (cut, heal) = (
        format!("{} \"nft '{rule}'\"", reach(&pair.beta)?),
        format!("{} 'nft delete table inet cut'", reach(&pair.beta)?),
    );
    let words = [
        "cut",
        &vip,
        "--with",
        &cut,
        "--undo-with",
        &heal,
        "--for",
        "6s",
        "--max-outage",
        "60s",
        "--max-duplicate",
        "0ms",
    ];
    let cut = drill(&pair, &words)?;
    cut.has(1, "exceeded")?;
    let twice = cut.number("/owners/duplicate_ms")?;
    check(twice > 0.0 && twice < cut.number("/to_ms")?, || format!("two owners for {twice} ms"))?;
    let both = cut.owners().into_iter().any(|macs| macs.len() == 2);
    check(both, || format!("{:?}", cut.owners()))?;
    check(cut.report["holder_after"].is_string(), || format!("{:#}", cut.report))
}

#[test]
fn drill_cuts_an_interface_and_heals_it() -> Result<()> {
    let (pair, vip) = started()?;
    let cut = drill(
        &pair,
        &["cut", &vip, "--on", "beta", "--link", "eth0", "--for", "8s", GENEROUS[0], GENEROUS[1]],
    )?;
    cut.has(0, "within")?;
    cut.event("alpha", "node beta: is dead")?;
    wait_until(LIMIT, "the cut ends by itself", || {
        Ok(pair.beta.run(&["nft", "list", "tables"])?.trim().is_empty())
    })?;
    check(cut.report["holder_after"] == "alpha", || format!("{:#}", cut.report))
}

#[test]
fn drill_refuses_what_makes_no_sense() -> Result<()> {
    let (pair, vip) = started()?;
    let refused = |words: &[&str], code: i32, why: &str| -> Result<()> {
        let drill = drill(&pair, words)?;
        check(drill.code == Some(code) && drill.said.contains(why), || {
            format!("{words:?}: {:?}, {}", drill.code, drill.said)
        })
    };
    refused(&["standby", &vip, "--on", "beta"], 3, "changes nothing")?;
    refused(&["takeover", &vip, "--on", "alpha"], 3, "holds the address already")?;
    refused(&["kill", &vip, "--on", "gamma"], 2, "there is no node \"gamma\"")?;
    refused(&["power-off", &vip], 2, "--with")?;
    refused(&["cut", &vip, "--link", "eth7"], 3, "eth7")?;
    let placed = pair.placement()?;
    check(placed == [Some("alpha"), Some("beta")], || format!("it moved: {placed:?}"))?;
    pair::stop(&pair.beta)?;
    refused(&["standby", &vip], 3, "heartbeat does not run on beta")?;
    pair::stop(&pair.alpha)?;
    match drill(&pair, &["kill", &vip])? {
        Drill { code: Some(3), said, .. } if said.contains("nobody answers for") => Ok(()),
        drill => fail(format!("{:?}: {}", drill.code, drill.said)),
    }
}

#[test]
fn drill_watches_what_is_done_by_hand_over_ipv6() -> Result<()> {
    let pair = Pair::new(options())?;
    let vip = "2001:db8::100";
    for node in pair.nodes() {
        node.write("/etc/ha.d/haresources", "alpha IPv6addr::2001:db8:0:0:0:0:0:100/64/eth0\n")?;
        pair::start(node)?;
    }
    let address = vip.parse().context(|| vip)?;
    wait_until(LIMIT, "alpha holds it", || pair.alpha.holds(address))?;
    pair.wait_status(&pair.alpha, "beta", "active")?;
    pair.wait_status(&pair.beta, "alpha", "active")?;
    let mut watch = start(&pair, &["watch", vip, "--for", "10s", "--max-outage", "30s"])?;
    let mut said = BufReader::new(watch.stderr.take().context(|| "no pipe")?);
    let mut line = String::new();
    while !line.contains("is probed while you do something") {
        line.clear();
        check(said.read_line(&mut line)? > 0, || "it ended before it began".to_owned())?;
    }
    // what else it says is not read before its end, and is shorter than a pipe
    pair::standby(&pair.alpha, "all")?;
    wait_until(LIMIT, "beta holds it", || pair.beta.holds(address))?;
    let by_hand = finish(&pair, watch)?;
    by_hand.has(0, "within")?;
    let wanted = [vec![pair.alpha.mac("eth0")?], vec![pair.beta.mac("eth0")?]];
    check(by_hand.owners() == wanted, || format!("owners {:?}", by_hand.owners()))
}
