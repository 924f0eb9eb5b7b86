//! The client's view: requests every few milliseconds, each with its own deadline, and the outages they show.
//!
//! The requests are made by a program of their own inside a node ([`http`], [`icmp`]), because a thread cannot enter a node's
//! network for itself without changing it for its process. It prints one line for each request:
//! `START END ok NAME` or `START END fail REASON`, times in nanoseconds of the monotonic clock.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::failure::{Context, Result};
use crate::moment::{Moment, wait_for};
use crate::node::Node;
use crate::process::Process;

pub mod http;
pub mod icmp;

/// One request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was made.
    pub start: Moment,
    /// When it was answered or given up.
    pub end: Moment,
    /// The server's name, or why there is none.
    pub answer: Result<String, String>,
}

/// A time without answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The last answer before it.
    pub from: Moment,
    /// The first answer after it.
    pub to: Moment,
    /// Requests that were made within and had no answer.
    pub lost: usize,
}

impl Outage {
    /// How long it was.
    pub fn span(&self) -> Duration {
        self.to.since(self.from)
    }
}

/// A prober at work in a node.
#[derive(Debug)]
pub struct Prober(Process);

impl Prober {
    /// Request `http://TARGET/` every `interval`; a request without an answer after `limit` has failed.
    pub fn http(node: &Node, target: SocketAddr, interval: Duration, limit: Duration) -> Result<Self> {
        Self::start(node, "probe-http", &target.to_string(), interval, limit)
    }

    /// Ping `target` every `interval`.
    pub fn icmp(node: &Node, target: IpAddr, interval: Duration, limit: Duration) -> Result<Self> {
        Self::start(node, "probe-icmp", &target.to_string(), interval, limit)
    }

    fn start(node: &Node, kind: &str, target: &str, interval: Duration, limit: Duration) -> Result<Self> {
        let (interval, limit) = (interval.as_micros().to_string(), limit.as_micros().to_string());
        let process = node.spawn(&["lab", kind, target, &interval, &limit])?;
        process.wait_started()?;
        Ok(Self(process))
    }

    /// Every request so far whose end is known, in the order of their ends.
    pub fn samples(&self) -> Vec<Sample> {
        parse(&self.0.lines())
    }

    /// The requests made at or after a moment.
    pub fn since(&self, moment: Moment) -> Vec<Sample> {
        let mut samples = self.samples();
        samples.retain(|sample| sample.start >= moment);
        samples
    }

    /// Wait for an answer by a server with one of these names to a request made after `after`.
    pub fn wait_answer(&self, after: Moment, names: &[&str], limit: Duration) -> Result<Sample> {
        let what = format!("a request is answered by {}", names.join(" or "));
        let by_one =
            |sample: &Sample| sample.answer.as_ref().is_ok_and(|name| names.contains(&name.as_str()));
        wait_for(limit, &what, || {
            let samples = self.since(after);
            let found = samples.iter().find(|sample| by_one(sample)).cloned();
            match (found, samples.last()) {
                (None, Some(last)) => crate::failure::fail(format!("last request: {:?}", last.answer)),
                (found, _) => Ok(found),
            }
        })
    }

    /// End it; every request.
    pub fn stop(self) -> Vec<Sample> {
        parse(&self.0.stop())
    }
}

fn parse(lines: &[String]) -> Vec<Sample> {
    lines.iter().filter_map(|line| parse_line(line).ok()).collect()
}

fn parse_line(line: &str) -> Result<Sample> {
    let mut words = line.splitn(4, ' ');
    let mut word = || words.next().context(|| line.to_owned());
    let start = Moment::from_nanos(word()?.parse().context(|| line.to_owned())?);
    let end = Moment::from_nanos(word()?.parse().context(|| line.to_owned())?);
    let good = word()? == "ok";
    let text = word()?.to_owned();
    Ok(Sample { start, end, answer: if good { Ok(text) } else { Err(text) } })
}

fn line(sample: &Sample) -> String {
    let (word, text) = match &sample.answer {
        Ok(name) => ("ok", name),
        Err(reason) => ("fail", reason),
    };
    format!("{} {} {word} {text}", sample.start.nanos(), sample.end.nanos())
}

/// The times between two answers during which a request failed. `counts` says whose answers are answers.
pub fn outages(samples: &[Sample], counts: impl Fn(&str) -> bool) -> Vec<Outage> {
    let good = |sample: &&Sample| sample.answer.as_ref().is_ok_and(|name| counts(name));
    let mut answered: Vec<Moment> = samples.iter().filter(good).map(|sample| sample.end).collect();
    answered.sort();
    let mut missed: Vec<Moment> =
        samples.iter().filter(|sample| !good(sample)).map(|sample| sample.start).collect();
    missed.sort();
    let gaps = answered.windows(2).filter_map(|pair| <[Moment; 2]>::try_from(pair).ok());
    let lost =
        |from: Moment, to: Moment| missed.iter().filter(|&&moment| moment > from && moment < to).count();
    gaps.map(|[from, to]| Outage { from, to, lost: lost(from, to) })
        .filter(|outage| outage.lost > 0)
        .collect()
}

/// The longest outage, if there is one.
pub fn longest_outage(samples: &[Sample], counts: impl Fn(&str) -> bool) -> Option<Outage> {
    outages(samples, counts).into_iter().max_by_key(Outage::span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(start: u64, end: u64, answer: Result<&str, &str>) -> Sample {
        let answer = answer.map(str::to_owned).map_err(str::to_owned);
        Sample { start: Moment::from_nanos(start), end: Moment::from_nanos(end), answer }
    }

    #[test]
    fn lines_come_back_as_they_went() {
        for each in [sample(1, 5, Ok("web1")), sample(2, 9, Err("no answer in time"))] {
            assert_eq!(parse_line(&line(&each)).unwrap(), each);
        }
    }

    #[test]
    fn an_outage_is_a_time_without_answers_in_which_a_request_failed() {
        let samples = [
            sample(10, 11, Ok("a")),
            sample(20, 120, Err("timeout")),
            sample(30, 31, Ok("fallback")),
            sample(40, 41, Ok("b")),
            sample(90, 91, Ok("a")), // a slow machine, not an outage
        ];
        let all = outages(&samples, |_| true);
        assert_eq!(all, [Outage { from: Moment::from_nanos(11), to: Moment::from_nanos(31), lost: 1 }]);
        let real = outages(&samples, |name| name != "fallback");
        assert_eq!(real, [Outage { from: Moment::from_nanos(11), to: Moment::from_nanos(41), lost: 2 }]);
    }
}
