//! What a client saw: requests, the times without answers that they show, and what they cannot show. Pure.

use std::time::Duration;

use crate::moment::Moment;

/// One request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was made.
    pub start: Moment,
    /// When it was answered or given up.
    pub end: Moment,
    /// What was answered, or why there is no answer.
    pub answer: Result<String, String>,
    /// Whether it left this machine. One that did not says nothing about the other side.
    pub sent: bool,
}

impl Sample {
    /// Answered now.
    pub fn answered(start: Moment, answer: impl Into<String>) -> Self {
        Self { start, end: Moment::now(), answer: Ok(answer.into()), sent: true }
    }

    /// Without a good answer until now.
    pub fn failed(start: Moment, reason: impl Into<String>) -> Self {
        Self { start, end: Moment::now(), answer: Err(reason.into()), sent: true }
    }

    /// It could not be made. That nobody answers for a neighbour's address is found out by asking, so it counts as asked.
    pub fn refused(start: Moment, error: &std::io::Error) -> Self {
        let sent = error.kind() == std::io::ErrorKind::HostUnreachable;
        Self { start, end: Moment::now(), answer: Err(error.to_string()), sent }
    }
}

/// A time without answers in which a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The last answer before it; without one, the first request.
    pub from: Moment,
    /// The first answer after it; without one, the end of the last request.
    pub to: Moment,
    /// Requests that were made within and had no answer.
    pub lost: usize,
    /// Whether there was an answer before it.
    pub begun: bool,
    /// Whether there was an answer after it.
    pub ended: bool,
}

impl Outage {
    /// How long it was at most: from answer to answer.
    pub fn span(&self) -> Duration {
        self.to.since(self.from)
    }
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub from: Moment,
    /// Its end.
    pub to: Moment,
}

impl Span {
    /// How long it is.
    pub fn length(&self) -> Duration {
        self.to.since(self.from)
    }

    fn meets(&self, from: Moment, to: Moment) -> bool {
        self.from < to && from < self.to
    }
}

/// The outages that requests show, in their order. `counts` says whose answers are answers.
pub fn outages(samples: &[Sample], counts: impl Fn(&str) -> bool) -> Vec<Outage> {
    let good = |sample: &&Sample| sample.answer.as_ref().is_ok_and(|answer| counts(answer));
    let mut missed: Vec<Moment> =
        samples.iter().filter(|sample| sample.sent && !good(sample)).map(|sample| sample.start).collect();
    let (Some(first), Some(last)) =
        (samples.iter().map(|sample| sample.start).min(), samples.iter().map(|sample| sample.end).max())
    else {
        return Vec::new();
    };
    missed.sort();
    let mut edges: Vec<(Moment, bool)> =
        samples.iter().filter(good).map(|sample| (sample.end, true)).collect();
    edges.sort();
    // The very first and the very last moment are edges too, but no answers.
    edges.insert(0, (first, false));
    edges.push((last, false));
    let mut rest = missed.as_slice();
    let mut found = Vec::new();
    for pair in edges.windows(2) {
        let [(from, begun), (to, ended)] = *pair else { continue };
        // Half open, so that each lost request belongs to one outage; one made at the moment of an answer belongs to the next.
        let within = rest.partition_point(|moment| *moment < to || !ended);
        let (lost, later) = rest.split_at(within);
        rest = later;
        if !lost.is_empty() {
            found.push(Outage { from, to, lost: lost.len(), begun, ended });
        }
    }
    found
}

/// The outages that have a beginning and an end.
pub fn between_answers(samples: &[Sample], counts: impl Fn(&str) -> bool) -> Vec<Outage> {
    let mut all = outages(samples, counts);
    all.retain(|outage| outage.begun && outage.ended);
    all
}

/// The longest outage that has a beginning and an end, if there is one.
pub fn longest_outage(samples: &[Sample], counts: impl Fn(&str) -> bool) -> Option<Outage> {
    between_answers(samples, counts).into_iter().max_by_key(Outage::span)
}

/// Times in which no request left, though one was due every `interval`: what happened then is not known.
pub fn blind(samples: &[Sample], interval: Duration) -> Vec<Span> {
    let usual = interval * 4 + Duration::from_millis(50);
    let mut starts: Vec<Moment> =
        samples.iter().filter(|sample| sample.sent).map(|sample| sample.start).collect();
    starts.sort();
    let (first, last) =
        (samples.iter().map(|sample| sample.start).min(), samples.iter().map(|sample| sample.start).max());
    starts.splice(0..0, first);
    starts.extend(last);
    let gap = |pair: &[Moment]| match *pair {
        [from, to] if to.since(from) > usual => Some(Span { from, to }),
        _ => None,
    };
    starts.windows(2).filter_map(gap).collect()
}

/// Whether something stayed within its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It did.
    Within,
    /// It cannot be told.
    Unknown,
    /// It did not.
    Exceeded,
}

/// Whether no outage was longer than `limit`.
pub fn judge(samples: &[Sample], interval: Duration, limit: Duration) -> Verdict {
    if !samples.iter().any(|sample| sample.sent) {
        return Verdict::Unknown;
    }
    let blind = blind(samples, interval);
    let judged =
        outages(samples, |_| true).into_iter().map(|outage| judge_one(samples, &outage, &blind, limit));
    let seen = judged.max().unwrap_or(Verdict::Within);
    let hidden = blind.iter().any(|span| span.length() > limit);
    seen.max(if hidden { Verdict::Unknown } else { Verdict::Within })
}

fn judge_one(samples: &[Sample], outage: &Outage, blind: &[Span], limit: Duration) -> Verdict {
    if outage.span() <= limit {
        // One that had not ended might have become longer.
        return if outage.ended { Verdict::Within } else { Verdict::Unknown };
    }
    let blind: Vec<&Span> = blind.iter().filter(|span| span.meets(outage.from, outage.to)).collect();
    if blind.is_empty() {
        return Verdict::Exceeded;
    }
    // The service may have answered while nobody asked: only what lies between is proven.
    let within = samples.iter().filter(|sample| {
        sample.sent && sample.answer.is_err() && sample.start >= outage.from && sample.start <= outage.to
    });
    let mut lost: Vec<Moment> = within.map(|sample| sample.start).collect();
    lost.sort();
    let (mut longest, mut begin) = (Duration::ZERO, None);
    let mut before = None;
    for moment in lost {
        let interrupted = before.is_some_and(|before| blind.iter().any(|span| span.meets(before, moment)));
        if begin.is_none() || interrupted {
            begin = Some(moment);
        }
        longest = longest.max(begin.map_or(Duration::ZERO, |begin| moment.since(begin)));
        before = Some(moment);
    }
    if longest > limit { Verdict::Exceeded } else { Verdict::Unknown }
}

#[cfg(test)]
mod tests;
