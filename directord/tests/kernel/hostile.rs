//! Real servers that mean harm, all at once and again and again, beside some that do their work.

mod ways;

use crate::Test;
use crate::bed::*;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use ways::{Service, Way, services};

pub const TESTS: &[Test] =
    &[("hostile_servers_neither_crash_nor_stall_nor_bloat_it", neither_crash_nor_stall_nor_bloat)];

/// Where the hostile servers are, one on each port from here on.
const HOSTILE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const FIRST_PORT: u16 = 2000;
/// Checks that each of them has at least.
const ROUNDS: u64 = 5;
/// Some of their checks take [`TIMEOUT`] each, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(240);
/// `negotiatetimeout` of their checks, in seconds: silence costs it.
const TIMEOUT: u64 = 1;
/// What a check reads of an answer at most, in KiB: a page with all that is around it, or what is said in a dialogue. More than
/// this of all hostile servers at the same time cannot be kept; and if every check kept its answer for good, a few rounds
/// would exceed it.
const OF_PAGE: u64 = 1280;
const OF_ANSWER: u64 = 256;

/// One that is in the configuration.
struct Hostile {
    service: String,
    server: String,
    way: Way,
}

fn neither_crash_nor_stall_nor_bloat() {
    let bed = Bed::new();
    bed.must("ip", &format!("addr add {HOSTILE}/32 dev lo"));
    let (a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    let services = services();
    let (sections, all) = configured(&services);
    let good = section(
        VIP,
        "quiescent=yes; checkinterval=200ms; negotiatetimeout=60",
        &["192.0.2.11", "192.0.2.12"],
    );
    bed.configure(&format!("negotiatetimeout={TIMEOUT}\n{good}{sections}"));
    bed.ok("start");
    let pid = bed.pid();
    // Nobody listens yet: everything is set up, and every check has run at least once.
    bed.until("all are refused", PATIENCE, |bed| {
        let results = results(bed);
        all.iter().all(|hostile| results.count(&hostile.server) > 0) && results.count(A) > 0
    });
    let (before, began) = (memory(&pid), Instant::now());
    let servers = Servers::start(&all);
    let base = results(&bed);
    bed.until("rounds of all, and of the good ones", PATIENCE, |bed| {
        std::thread::sleep(SECOND); // to ask is more work than all the checks
        let now = results(bed);
        let rounds = |server: &str| now.count(server).saturating_sub(base.count(server));
        all.iter().all(|hostile| rounds(&hostile.server) >= ROUNDS)
            && rounds(A) >= ROUNDS
            && rounds(B) >= ROUNDS
    });
    let rounds = results(&bed).count(A) - base.count(A);
    println!(
        "  {} hostile servers, {rounds} rounds of a good one in {:.1} s",
        all.len(),
        began.elapsed().as_secs_f64()
    );

    let results = results(&bed);
    for Hostile { service, server, way } in &all {
        assert_eq!(results.passed(server), 0, "{service} {server} {}: {:?}", way.name, results.of(server));
        let refused = results.outcomes(server).all(|outcome| outcome == "refused");
        assert!(!refused, "{service} {server} {}: nothing was heard", way.name);
        let no_tls = way.private
            && results.outcomes(server).all(|outcome| ["refused", "tls"].contains(&outcome.as_str()));
        assert!(!no_tls, "{service} {server} {}: nothing was heard in TLS", way.name);
    }
    for server in [A, B] {
        assert_eq!(results.count(server), results.passed(server), "{server}: {:?}", results.of(server));
    }
    let table = bed.table();
    let weights = |weight: u32| table.iter().filter(|line| line.ends_with(&format!(" -w {weight}"))).count();
    assert_eq!((weights(0), weights(5)), (all.len(), 2), "{table:#?}");

    // It still does its work.
    assert_eq!(bed.code("status"), 0);
    a.stop();
    let took = bed.until("a good server's death", SECOND, |bed| bed.weight(VIP, A) == Some(0));
    println!("  a good server's death is in the table after {:.0} ms", took.as_secs_f64() * 1e3);
    assert_eq!((bed.weight(VIP, B), bed.pid()), (Some(5), pid.clone()));

    let caps: u64 = services.iter().map(|service| service.ways.len() as u64 * of(service)).sum();
    let most = memory(&pid).most;
    println!(
        "  memory: {} KiB before, {most} KiB at most; the caps of all at once would be {caps} KiB",
        before.now
    );
    assert!(most < before.most + caps, "{most} KiB, from {} KiB before", before.most);
    assert!(!bed.log().contains("panicked"), "{}", bed.log());
    bed.ok("stop");
    drop(servers);
    assert_eq!(bed.table(), [""; 0]);
}

fn of(service: &Service) -> u64 {
    if service.name.starts_with("http") { OF_PAGE } else { OF_ANSWER }
}

/// The text of the configuration: a virtual service for each service, with one server for each way.
fn configured(services: &[Service]) -> (String, Vec<Hostile>) {
    let (mut text, mut all, mut port) = (String::new(), Vec::new(), FIRST_PORT);
    for (number, service) in services.iter().enumerate() {
        let protocol = if service.udp { "udp" } else { "tcp" };
        text += &format!(
            "virtual=203.0.113.202:{}\n\tprotocol={protocol}\n\tservice={}\n",
            1000 + number,
            service.name
        );
        text += &format!("\tquiescent=yes\n{}", service.options);
        for way in &service.ways {
            let server = format!("{HOSTILE}:{port}");
            text += &format!("\treal={server} masq\n");
            let name = format!("{} by {protocol}", service.name);
            all.push(Hostile { service: name, server, way: way.clone() });
            port += 1;
        }
    }
    (text, all)
}

/// All hostile servers, on a thread of their own until this is dropped.
struct Servers {
    end: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Servers {
    /// They listen when this returns.
    fn start(all: &[Hostile]) -> Servers {
        let all: Vec<_> =
            all.iter().map(|hostile| (hostile.server.parse().unwrap(), hostile.way.clone())).collect();
        let tls = acceptor();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let (listening, ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                for (address, way) in all {
                    way.serve(address, tls.clone()).await;
                }
                listening.send(()).unwrap();
                let _ = ended.await;
            });
        });
        ready.recv().expect("they listen");
        Servers { end: Some(end), thread: Some(thread) }
    }
}

/// With a certificate that nobody has signed.
fn acceptor() -> tokio_native_tls::TlsAcceptor {
    let (key, certificate) = crate::certificate::make(&[HOSTILE.into()]).unwrap();
    let (key, certificate) = (key.private_key_to_pem_pkcs8().unwrap(), certificate.to_pem().unwrap());
    let identity = native_tls::Identity::from_pkcs8(&certificate, &key).unwrap();
    native_tls::TlsAcceptor::new(identity).unwrap().into()
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How often checks of a server ended how: by server and outcome.
struct Results(BTreeMap<String, BTreeMap<String, u64>>);

/// As `directord metrics` tells it.
fn results(bed: &Bed) -> Results {
    let told = std::cell::RefCell::new(String::new());
    bed.until("the daemon answers", PATIENCE, |bed| {
        let output = bed.run("metrics");
        told.replace(String::from_utf8_lossy(&output.stdout).into_owned());
        output.status.success()
    });
    let text = told.into_inner();
    let mut results: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("directord_server_check_results_total{")) {
        let label = |name: &str| {
            let (_, rest) = line.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(value, _)| value.to_owned())
        };
        let count: Option<u64> = line.rsplit(' ').next().and_then(|count| count.parse().ok());
        if let (Some(server), Some(outcome), Some(count)) = (label("server"), label("outcome"), count) {
            *results.entry(server).or_default().entry(outcome).or_default() += count;
        }
    }
    Results(results)
}

impl Results {
    fn of(&self, server: &str) -> BTreeMap<String, u64> {
        self.0.get(server).cloned().unwrap_or_default()
    }

    fn count(&self, server: &str) -> u64 {
        self.of(server).values().sum()
    }

    fn passed(&self, server: &str) -> u64 {
        self.of(server).get("passed").copied().unwrap_or(0)
    }

    fn outcomes(&self, server: &str) -> impl Iterator<Item = String> {
        self.of(server).into_keys()
    }
}

/// Resident memory of a process, in KiB (proc_pid_status(5)).
struct Memory {
    now: u64,
    most: u64,
}

fn memory(pid: &str) -> Memory {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    Memory { now: field("VmRSS:"), most: field("VmHWM:") }
}
