//! The probes at work, each on a thread, and what they have told so far.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::args::Args;
use crate::moment::Moment;
use crate::node::lock;
use crate::outage::Sample;
use crate::owner::{Mac, Round};
use crate::probe::Pace;
use crate::probe::icmp::Pinger;
use crate::probe::owner::{Asker, NoPlace, Place, Seen};
use crate::probe::tcp::{self, Question};

/// A request without an answer by then has failed.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(1);

type Shared<T> = Arc<Mutex<Vec<T>>>;

/// All probes, until they are stopped or dropped.
#[derive(Debug)]
pub struct Probes {
    /// Their names, and what they saw.
    requests: Vec<(String, Shared<Sample>)>,
    seen: Shared<Seen>,
    /// Why nobody can be asked who has the address.
    pub no_owner: Option<NoPlace>,
    /// From one request to the next.
    pub interval: Duration,
    troubles: Shared<String>,
    /// Its end is the end of the probes.
    stop: Option<OwnedFd>,
    threads: Vec<JoinHandle<()>>,
}

impl Probes {
    /// Starts what the command line asks for.
    pub fn start(args: &Args) -> io::Result<Probes> {
        let (ear, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let pace = Pace { interval: args.every, limit: ANSWER_LIMIT };
        let mut probes = Probes {
            requests: Vec::new(),
            seen: Arc::default(),
            no_owner: None,
            interval: args.every,
            troubles: Arc::default(),
            stop: Some(stop),
            threads: Vec::new(),
        };
        let pinger = Pinger::new(args.vip, pace)?;
        let (samples, end) = (probes.add("icmp"), ear.try_clone()?);
        probes.thread("icmp", move || pinger.run(end.as_fd(), keep(&samples)));
        for (name, port, question) in questions(args) {
            let (samples, end) = (probes.add(&name), ear.try_clone()?);
            let target = SocketAddr::new(args.vip, port);
            probes.thread(&name, move || tcp::run(target, pace, &question, end.as_fd(), keep(&samples)));
        }
        probes.ask_for_owner(args.vip, pace, ear)?;
        Ok(probes)
    }

    fn ask_for_owner(&mut self, vip: IpAddr, pace: Pace, ear: OwnedFd) -> io::Result<()> {
        match Place::towards(vip) {
            Ok(place) => {
                let asker = Asker::new(vip, place, pace)?;
                let seen = Arc::clone(&self.seen);
                self.thread("owner", move || asker.run(ear.as_fd(), |what| lock(&seen).push(what)));
            }
            Err(why) => self.no_owner = Some(why),
        }
        Ok(())
    }

    fn add(&mut self, name: &str) -> Shared<Sample> {
        let samples = Shared::default();
        self.requests.push((name.to_owned(), Arc::clone(&samples)));
        samples
    }

    fn thread(&mut self, name: &str, work: impl FnOnce() -> io::Result<()> + Send + 'static) {
        let (troubles, name) = (Arc::clone(&self.troubles), name.to_owned());
        self.threads.push(std::thread::spawn(move || {
            if let Err(error) = work() {
                lock(&troubles).push(format!("the probe {name} ended early: {error}"));
            }
        }));
    }

    /// What each saw so far.
    pub fn samples(&self) -> Vec<(String, Vec<Sample>)> {
        self.requests.iter().map(|(name, samples)| (name.clone(), lock(samples).clone())).collect()
    }

    /// The rounds of questions so far, and how often the address was announced.
    pub fn rounds(&self) -> (Vec<Round>, usize) {
        let seen = lock(&self.seen);
        let rounds = seen.iter().filter_map(|seen| match seen {
            Seen::Round(round) => Some(round.clone()),
            Seen::Announced(..) | Seen::Unsent(..) => None,
        });
        let announced = seen.iter().filter(|seen| matches!(seen, Seen::Announced(..))).count();
        (rounds.collect(), announced)
    }

    /// The one that answers for the address now; `None`: nobody, several, or it is not known.
    pub fn owner(&self) -> Option<Mac> {
        let seen = lock(&self.seen);
        let mut last = seen.iter().rev().filter_map(|seen| match seen {
            Seen::Round(round) => Some(&round.owners),
            _ => None,
        });
        let (one, two) = (last.next()?, last.next()?);
        match (one.as_slice(), two.as_slice()) {
            ([one], [two]) if one == two => Some(*one),
            _ => None,
        }
    }

    /// What kept probes from working.
    pub fn troubles(&self) -> Vec<String> {
        let mut all = lock(&self.troubles).clone();
        let unsent = lock(&self.seen)
            .iter()
            .filter_map(|seen| match seen {
                Seen::Unsent(_, why) => Some(why.clone()),
                _ => None,
            })
            .collect::<Vec<_>>();
        if let Some(why) = unsent.last() {
            all.push(format!("{} questions who has the address could not be sent: {why}", unsent.len()));
        }
        all
    }

    /// Those that have had no good answer since a moment: their names.
    pub fn unanswered(&self, since: Moment) -> Vec<String> {
        let good = |sample: &Sample| sample.answer.is_ok() && sample.start >= since;
        let without = self.requests.iter().filter(|(_, samples)| !lock(samples).iter().rev().any(good));
        without.map(|(name, _)| name.clone()).collect()
    }

    /// Whether for so long, all since `begin`, every request has been answered, and one machine answers for the address.
    pub fn quiet(&self, begin: Moment, span: Duration) -> bool {
        let now = Moment::now();
        let patience = self.interval * 5 + Duration::from_millis(300);
        now.since(begin) >= span + patience
            && self
                .requests
                .iter()
                .all(|(_, samples)| answered(&lock(samples), now.minus(span), now, patience))
            && (self.no_owner.is_some() || self.owner().is_some())
    }

    /// Stops them.
    pub fn stop(&mut self) {
        drop(self.stop.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether requests were answered all the time. One whose end is not known yet is no answer, so it is the answers that must
/// follow each other.
fn answered(samples: &[Sample], from: Moment, to: Moment, patience: Duration) -> bool {
    let failed =
        samples.iter().rev().take_while(|sample| sample.end >= from).any(|sample| sample.answer.is_err());
    let good = |sample: &&Sample| sample.answer.is_ok();
    let mut edges: Vec<Moment> = samples
        .iter()
        .rev()
        .take_while(|sample| sample.end >= from.minus(patience))
        .filter(good)
        .map(|sample| sample.start)
        .collect();
    edges.extend([from, to]);
    edges.sort();
    let steady = |pair: &[Moment]| match *pair {
        [one, two] => two.since(one) <= patience,
        _ => false,
    };
    !failed && edges.len() > 2 && edges.windows(2).all(steady)
}

fn keep(samples: &Shared<Sample>) -> impl FnMut(Sample) -> io::Result<()> + use<> {
    let samples = Arc::clone(samples);
    move |sample| {
        lock(&samples).push(sample);
        Ok(())
    }
}

fn questions(args: &Args) -> Vec<(String, u16, Question)> {
    let host = args.http_host.clone().unwrap_or_else(|| match args.vip {
        IpAddr::V4(vip) => vip.to_string(),
        IpAddr::V6(vip) => format!("[{vip}]"),
    });
    let tcp = args.tcp.iter().map(|port| (format!("tcp:{port}"), *port, Question::connection()));
    let page = |page: &crate::args::Page| {
        (format!("http:{}{}", page.port, page.path), page.port, Question::page(&host, &page.path))
    };
    tcp.chain(args.http.iter().map(page)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_is_no_answer() {
        let at = |milliseconds: u64| Moment::from_nanos(milliseconds * 1_000_000);
        let patience = Duration::from_millis(50);
        let good = |range: std::ops::Range<u64>| {
            let sample =
                |start| Sample { start: at(start), end: at(start + 1), answer: Ok("ok".into()), sent: true };
            range.step_by(10).map(sample).collect::<Vec<_>>()
        };
        let steady = |samples: &[Sample]| answered(samples, at(500), at(1000), patience);
        assert!(steady(&good(0..1000)));
        assert!(!steady(&good(0..900)), "silent now");
        assert!(!steady(&good(700..1000)), "silent until then");
        let mut gap = good(0..600);
        gap.extend(good(700..1000));
        assert!(!steady(&gap), "those between may still be under way");
        let mut failed = good(0..1000);
        failed.push(Sample { start: at(990), end: at(995), answer: Err("refused".into()), sent: true });
        assert!(!steady(&failed));
        assert!(!steady(&[]));
    }
}
