//! The client's view: requests every few milliseconds, each with its own deadline, and the outages they show.
//!
//! The probes are those of `ha-drill`. They are made by a program of their own inside a node ([`run_http`], [`run_icmp`]),
//! because a thread cannot enter a node's network for itself without changing it for its process. It prints one line for each
//! request: `START END ok NAME` or `START END fail REASON`, times in nanoseconds of the monotonic clock.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

pub use ha_drill::outage::{Outage, Sample, between_answers as outages, longest_outage};
use ha_drill::probe::Pace;
use ha_drill::probe::icmp::Pinger;
use ha_drill::probe::tcp::{self, Question};

use crate::failure::{Context, Result};
use crate::moment::{Moment, wait_for};
use crate::node::Node;
use crate::process::Process;

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

    /// The longest time without an answer of which any part lies after a moment.
    pub fn longest_since(&self, moment: Moment) -> Option<Outage> {
        let mut all = outages(&self.samples(), |_| true);
        all.retain(|outage| outage.to > moment);
        all.into_iter().max_by_key(Outage::span)
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

/// Request `http://TARGET/` every `interval` until standard input ends, and print what became of it.
pub fn run_http(target: SocketAddr, interval: Duration, limit: Duration) -> Result<()> {
    let stdin = std::io::stdin();
    Ok(tcp::run(target, Pace { interval, limit }, &page(), stdin.as_fd(), print)?)
}

/// Ping `target` every `interval` until standard input ends, and print what became of it.
pub fn run_icmp(target: IpAddr, interval: Duration, limit: Duration) -> Result<()> {
    let stdin = std::io::stdin();
    Ok(Pinger::new(target, Pace { interval, limit })?.run(stdin.as_fd(), print)?)
}

/// Make `count` requests one after the other and print who answered: for testing by hand.
pub fn ask(target: SocketAddr, count: usize) -> Result<()> {
    let limit = Duration::from_secs(3);
    for _ in 0..count {
        let begin = Moment::now();
        let answer = tcp::ask(target, &page(), limit).unwrap_or_else(|error| Err(tcp::reason(&error)));
        let text = answer.unwrap_or_else(|why| format!("({why})"));
        println!("{text:<20} {}", crate::moment::millis(begin.elapsed()));
    }
    Ok(())
}

/// The lab's web servers tell their names.
fn page() -> Question {
    Question { meaning, ..Question::page("lab", "/") }
}

/// A name is only what a page with status 200 begins with: an error page of a web server is no answer.
fn meaning(page: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(page);
    let status = text.split_whitespace().nth(1).unwrap_or("none");
    if status != "200" {
        return Err(format!("status {status}"));
    }
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    match body.lines().next().map(str::trim) {
        Some(name) if !name.is_empty() && !name.starts_with('<') => Ok(name.to_owned()),
        _ => Err("a page without a server's name".to_owned()),
    }
}

fn print(sample: Sample) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{}", line(&sample))?;
    out.flush()
}

fn parse(lines: &[String]) -> Vec<Sample> {
    lines.iter().filter_map(|line| parse_line(line).ok()).collect()
}

fn parse_line(line: &str) -> Result<Sample> {
    let mut words = line.splitn(4, ' ');
    let mut word = || words.next().context(|| line.to_owned());
    let start = Moment::from_nanos(word()?.parse().context(|| line.to_owned())?);
    let end = Moment::from_nanos(word()?.parse().context(|| line.to_owned())?);
    let kind = word()?;
    let text = word()?.to_owned();
    let answer = if kind == "ok" { Ok(text) } else { Err(text) };
    Ok(Sample { start, end, answer, sent: kind != "unsent" })
}

fn line(sample: &Sample) -> String {
    let (word, text) = match &sample.answer {
        Ok(name) => ("ok", name),
        Err(reason) => (if sample.sent { "fail" } else { "unsent" }, reason),
    };
    format!("{} {} {word} {text}", sample.start.nanos(), sample.end.nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_went() {
        let sample = |answer: Result<&str, &str>, sent| Sample {
            start: Moment::from_nanos(1),
            end: Moment::from_nanos(5),
            answer: answer.map(str::to_owned).map_err(str::to_owned),
            sent,
        };
        for each in [sample(Ok("web1"), true), sample(Err("no answer"), true), sample(Err("down"), false)] {
            assert_eq!(parse_line(&line(&each)).unwrap(), each);
        }
    }

    #[test]
    fn only_a_named_page_is_an_answer() {
        assert_eq!(meaning(b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\nweb1\n"), Ok("web1".to_owned()));
        assert_eq!(meaning(b"HTTP/1.1 502 Bad Gateway\r\n\r\nweb1\n"), Err("status 502".to_owned()));
        assert!(meaning(b"HTTP/1.1 200 OK\r\n\r\n<html>Welcome to nginx!</html>").is_err());
        assert!(meaning(b"").is_err());
    }
}
