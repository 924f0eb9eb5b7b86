//! How long a table of real servers takes to add, edit, list and delete: by this library, by one
//! `ipvsadm --restore`, and by one `ipvsadm` process for each edit (what ldirectord does).
//!
//! Edits the IPVS table of its network namespace, so it only starts on an empty one.
//! `ipvs-bench [DESTINATIONS]...`, default 1000 and 10000.
use ipvs::{Client, Destination, DestinationKey, Error, Forwarding, Service, ServiceKey, ipvsadm};
use std::error::Error as StdError;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
/// One process each is slow: so many edits are timed, and the sum is scaled.
const PROCESSES: usize = 25;

fn main() -> Result<(), Box<dyn StdError>> {
    let mut sizes: Vec<u32> = Vec::new();
    for argument in std::env::args().skip(1) {
        sizes.push(argument.parse()?);
    }
    if sizes.is_empty() {
        sizes = vec![1_000, 10_000];
    }
    let mut client = Client::connect()?;
    if !client.services()?.is_empty() {
        return Err("the IPVS table is not empty: run this in a network namespace of its own".into());
    }
    println!("median of {ROUNDS} rounds; a ratio above 1 means that this library is faster");
    println!(
        "{:>6} {:<7} {:>12} {:>18} {:>6} {:>20} {:>6}",
        "reals", "action", "library ms", "ipvsadm -R/-S ms", "ratio", "a process each ms", "ratio"
    );
    for size in sizes {
        bench(&mut client, size)?;
    }
    Ok(())
}

fn bench(client: &mut Client, size: u32) -> Result<(), Box<dyn StdError>> {
    let key: ServiceKey = "TCP 203.0.113.1:80".parse()?;
    client.add_service(&Service::new(key.clone(), "wlc"))?;
    let reals: Vec<Destination> = (0..size).map(real).collect();
    let quiescent: Vec<Destination> =
        reals.iter().map(|real| Destination { weight: 0, ..real.clone() }).collect();
    let add: Vec<String> = reals.iter().map(|real| ipvsadm::destination_line(&key, real)).collect();
    let edit: Vec<String> = quiescent
        .iter()
        .map(|real| ipvsadm::destination_line(&key, real).replacen("-a ", "-e ", 1))
        .collect();
    let delete: Vec<String> =
        reals.iter().map(|r| format!("-d {} -r {}", ipvsadm::service_options(&key), r.key)).collect();

    let mut library: [Vec<Duration>; 4] = Default::default();
    let mut program: [Vec<Duration>; 4] = Default::default();
    for _ in 0..ROUNDS {
        library[0].push(time(|| reals.iter().try_for_each(|real| client.add_destination(&key, real)))?);
        library[1]
            .push(time(|| quiescent.iter().try_for_each(|real| client.update_destination(&key, real)))?);
        library[2].push(time(|| list(client, &key, size))?);
        library[3]
            .push(time(|| reals.iter().try_for_each(|real| client.delete_destination(&key, &real.key)))?);
        program[0].push(time(|| restore(&add))?);
        program[1].push(time(|| restore(&edit))?);
        program[2].push(time(|| save(size))?);
        program[3].push(time(|| restore(&delete))?);
    }
    let each = [one_process_each(&add)?, one_process_each(&edit)?, None, one_process_each(&delete)?];
    client.delete_service(&key)?;

    let actions = ["add", "edit", "list", "delete"];
    for (((action, library), program), each) in actions.iter().zip(library).zip(program).zip(each) {
        let (library, program) = (median(library), median(program));
        print!(
            "{size:>6} {action:<7} {:>12.2} {:>18.2} {:>6.2}",
            milliseconds(library),
            milliseconds(program),
            program.as_secs_f64() / library.as_secs_f64()
        );
        match each {
            Some(each) => {
                println!(" {:>20.0} {:>6.0}", milliseconds(each), each.as_secs_f64() / library.as_secs_f64())
            }
            None => println!(),
        }
    }
    Ok(())
}

fn real(number: u32) -> Destination {
    let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 1)) + number); // RFC 2544
    Destination::new(DestinationKey::new(address.into(), 80), Forwarding::DirectRoute)
}

fn time<E>(action: impl FnOnce() -> Result<(), E>) -> Result<Duration, E> {
    let start = Instant::now();
    action()?;
    Ok(start.elapsed())
}

fn list(client: &mut Client, key: &ServiceKey, size: u32) -> Result<(), Error> {
    let services = client.services()?;
    let reals = client.destinations(key)?;
    assert_eq!((services.len(), reals.len()), (1, size as usize));
    Ok(())
}

fn save(size: u32) -> Result<(), Box<dyn StdError>> {
    let output = Command::new("ipvsadm").arg("-Sn").output()?;
    let lines = output.stdout.iter().filter(|&&byte| byte == b'\n').count();
    if lines != size as usize + 1 { Err("ipvsadm -Sn did not list everything".into()) } else { Ok(()) }
}

fn restore(lines: &[String]) -> Result<(), Box<dyn StdError>> {
    let mut child = Command::new("ipvsadm").arg("-R").stdin(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().ok_or("no pipe")?;
    input.write_all((lines.join("\n") + "\n").as_bytes())?;
    drop(input);
    if child.wait()?.success() { Ok(()) } else { Err("ipvsadm -R failed".into()) }
}

/// The first edits by a process each, scaled to all of them.
fn one_process_each(lines: &[String]) -> Result<Option<Duration>, Box<dyn StdError>> {
    let some = lines.get(..PROCESSES.min(lines.len())).unwrap_or_default();
    let start = Instant::now();
    for line in some {
        if !Command::new("ipvsadm").args(line.split(' ')).status()?.success() {
            return Err(format!("ipvsadm {line} failed").into());
        }
    }
    Ok(Some(start.elapsed().mul_f64(lines.len() as f64 / some.len().max(1) as f64)))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
