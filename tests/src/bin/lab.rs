//! `lab`: what runs inside the lab's nodes, and the commands for a lab that was kept for testing by hand.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use lab::{Context, Lab, Result, arp, beats, fail, flood, init, probe, serial};

const USAGE: &str = "usage: lab init NAME [DIRECTORY]                        (process 1 of a node)
       lab probe-http ADDRESS:PORT INTERVAL_US LIMIT_US     (inside a node)
       lab probe-icmp ADDRESS INTERVAL_US LIMIT_US          (inside a node)
       lab ask ADDRESS:PORT COUNT                           (inside a node)
       lab flood ADDRESS:PORT COUNT SEED RATE               (inside a node)
       lab replay ADDRESS:PORT FILE COUNT RATE              (inside a node)
       lab record ADDRESS:PORT                              (inside a node)
       lab serial PATH                                      (inside a node)
       lab watch-arp                                        (inside a node)
       lab watch-beats                                      (inside a node)
       lab DIRECTORY nodes | down
       lab DIRECTORY cut | heal | unplug | plug NODE INTERFACE
       lab DIRECTORY power-off | power-on | freeze | thaw NODE
       lab DIRECTORY enter NODE [COMMAND ...]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("lab: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<ExitCode> {
    match words {
        ["init", name] => init::run(name, None)?,
        ["init", name, directory] => init::run(name, Some(Path::new(directory)))?,
        ["probe-http", target, interval, limit] => {
            probe::run_http(target.parse().context(|| *target)?, micros(interval)?, micros(limit)?)?;
        }
        ["probe-icmp", target, interval, limit] => {
            probe::run_icmp(target.parse().context(|| *target)?, micros(interval)?, micros(limit)?)?;
        }
        ["ask", target, count] => {
            probe::ask(target.parse().context(|| *target)?, count.parse().context(|| *count)?)?;
        }
        ["flood", target, count, seed, rate] => {
            flood::run(target.parse().context(|| *target)?, number(count)?, number(seed)?, number(rate)?)?;
        }
        ["replay", target, file, count, rate] => {
            let target = target.parse().context(|| *target)?;
            flood::replay(target, Path::new(file), number(count)?, number(rate)?)?;
        }
        ["record", group] => flood::record(group.parse().context(|| *group)?)?,
        ["serial", line] => serial::run(Path::new(line))?,
        ["watch-arp"] => arp::run()?,
        ["watch-beats"] => beats::run()?,
        [directory, verb, rest @ ..] if Path::new(directory).is_dir() => {
            return by_hand(Path::new(directory), verb, rest);
        }
        _ => return fail(USAGE),
    }
    Ok(ExitCode::SUCCESS)
}

fn number(word: &str) -> Result<u64> {
    word.parse().context(|| word.to_owned())
}

fn micros(word: &str) -> Result<Duration> {
    word.parse().map(Duration::from_micros).context(|| word.to_owned())
}

fn by_hand(directory: &Path, verb: &str, rest: &[&str]) -> Result<ExitCode> {
    let mut lab = Lab::open(directory)?;
    match (verb, rest) {
        ("nodes", []) => lab.nodes().iter().for_each(|node| println!("{}", node.name())),
        ("down", []) => lab.end()?,
        ("cut", [node, interface]) => drop(lab.find(node)?.cut(interface)?),
        ("heal", [node, interface]) => drop(lab.find(node)?.heal(interface)?),
        ("unplug", [node, interface]) => lab.find(node)?.unplug(interface)?,
        ("plug", [node, interface]) => lab.find(node)?.plug(interface)?,
        ("power-off", [node]) => {
            lab.find(node)?.power_off()?;
            lab.keep()?;
        }
        ("power-on", [node]) => {
            lab.find(node)?.power_on()?;
            lab.keep()?;
            lab.find(node)?.start_services()?;
        }
        ("freeze", [node]) => drop(lab.find(node)?.freeze()?),
        ("thaw", [node]) => drop(lab.find(node)?.thaw()?),
        ("enter", [node, command @ ..]) => return lab.find(node)?.enter(command),
        _ => return fail(USAGE),
    }
    Ok(ExitCode::SUCCESS)
}
