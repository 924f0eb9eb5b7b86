//! What a drill found, as data. Pure. Times are milliseconds since the action began, on the clock of the machine that probed.

use std::time::Duration;

use heartbeatd::control::Severity;
use serde::Serialize;

use crate::moment::Moment;
use crate::outage::{self, Sample, Span, Verdict};
use crate::owner::{Mac, Round, Tenure, duplicate, tenures};
use crate::view::{Happened, View, history};

pub mod svg;
pub mod text;

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was done.
    pub action: String,
    /// The address that clients use.
    pub address: String,
    /// When the action began, by the wall clock of this machine.
    pub began: String,
    /// The machine that probed, and what it is to the pair.
    pub probed_from: String,
    /// The command that did it.
    pub command: String,
    /// The node it was done to.
    pub node: Option<String>,
    /// How the command ended, if not well.
    pub command_failed: Option<String>,
    /// Whether everything stayed within the limits.
    pub verdict: Verdict,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
    /// The longest outage allowed, in milliseconds.
    pub max_outage_ms: f64,
    /// First and last moment of the record.
    pub from_ms: f64,
    /// The last one.
    pub to_ms: f64,
    /// The clients' view, probe by probe.
    pub probes: Vec<Probe>,
    /// Who answered for the address.
    pub owners: Owners,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Who held the address before.
    pub holder_before: Option<String>,
    /// Who held it at the end.
    pub holder_after: Option<String>,
    /// The state at the end, one sentence each.
    pub state: Vec<String>,
    /// How to undo it, one sentence each.
    pub undo: Vec<String>,
    /// What should be known besides.
    pub warnings: Vec<String>,
}

/// What one probe saw.
#[derive(Clone, Debug, Serialize)]
pub struct Probe {
    /// Its name: `icmp`, `tcp:80`, `http:80/`.
    pub name: String,
    /// From one request to the next, in milliseconds.
    pub interval_ms: f64,
    /// Requests that were answered.
    pub answered: usize,
    /// Requests without a good answer.
    pub failed: usize,
    /// Requests that did not leave this machine.
    pub unsent: usize,
    /// The times without answers.
    pub outages: Vec<Outage>,
    /// The longest, in milliseconds; 0 without one.
    pub longest_ms: f64,
    /// When nothing was asked.
    pub unknown: Vec<Stretch>,
    /// Within the limit or not.
    pub verdict: Verdict,
    /// What failed requests ended with, and how often.
    pub failures: Vec<(String, usize)>,
}

/// A time without answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outage {
    /// The last answer before it.
    pub from_ms: f64,
    /// The first answer after it, or the end of the record.
    pub to_ms: f64,
    /// From answer to answer.
    pub length_ms: f64,
    /// Requests without answer in it.
    pub lost: usize,
    /// Whether an answer came after it.
    pub ended: bool,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stretch {
    /// Its beginning.
    pub from_ms: f64,
    /// Its end.
    pub to_ms: f64,
}

/// Who answered for the address when everybody was asked.
#[derive(Clone, Debug, Serialize)]
pub struct Owners {
    /// Why it is not known; `None`: it is.
    pub unknown: Option<String>,
    /// From one question to the next: nothing shorter is seen.
    pub interval_ms: f64,
    /// Who, and when.
    pub tenures: Vec<Owned>,
    /// How long two or more answered, in all; `None`: not known.
    pub duplicate_ms: Option<f64>,
    /// How often the address was announced unasked.
    pub announcements: usize,
}

/// A stretch in which the same machines answered.
#[derive(Clone, Debug, Serialize)]
pub struct Owned {
    /// Their hardware addresses; none: nobody did.
    pub macs: Vec<String>,
    /// When.
    #[serde(flatten)]
    pub when: Stretch,
}

/// What is known of a node.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// How many answers it gave, and for how long one took at least and at most, in milliseconds.
    pub answers: usize,
    /// The quickest answer.
    pub quickest_ms: f64,
    /// The slowest.
    pub slowest_ms: f64,
    /// Its wall clock minus that of this machine; used for nothing, but its log files have it.
    pub clock_offset_ms: Option<f64>,
    /// How far that may be off.
    pub clock_error_ms: f64,
    /// When its kernel had the address, to the accuracy of the answers.
    pub held: Vec<Stretch>,
    /// When it did not answer.
    pub silent: Vec<Stretch>,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Not before.
    pub earliest_ms: f64,
    /// Not after.
    pub latest_ms: f64,
    /// Who says so: a node's name, `client`, `drill`.
    pub source: String,
    /// How much it matters.
    pub severity: Severity,
    /// What.
    pub text: String,
}

/// Turns moments into milliseconds since the action.
#[derive(Clone, Copy, Debug)]
pub struct Scale(pub Moment);

impl Scale {
    /// Milliseconds since the action began, negative before, in steps of a microsecond.
    pub fn ms(self, moment: Moment) -> f64 {
        let nanos = i128::from(moment.nanos()) - i128::from(self.0.nanos());
        (nanos / 1000) as f64 / 1000.0
    }

    fn stretch(self, span: Span) -> Stretch {
        Stretch { from_ms: self.ms(span.from), to_ms: self.ms(span.to) }
    }
}

/// A span in milliseconds.
pub fn millis(span: Duration) -> f64 {
    span.as_micros() as f64 / 1000.0
}

impl Probe {
    /// What the requests of a probe show.
    pub fn new(name: &str, samples: &[Sample], interval: Duration, limit: Duration, scale: Scale) -> Probe {
        let outage = |outage: outage::Outage| Outage {
            from_ms: scale.ms(outage.from),
            to_ms: scale.ms(outage.to),
            length_ms: millis(outage.span()),
            lost: outage.lost,
            ended: outage.ended,
        };
        let outages: Vec<Outage> = outage::outages(samples, |_| true).into_iter().map(outage).collect();
        let failed: Vec<&Sample> = samples.iter().filter(|each| each.answer.is_err()).collect();
        let unsent = failed.iter().filter(|each| !each.sent).count();
        let mut failures: Vec<(String, usize)> = Vec::new();
        for reason in failed.iter().filter_map(|each| each.answer.as_ref().err()) {
            match failures.iter_mut().find(|(known, _)| known == reason) {
                Some((_, count)) => *count += 1,
                None => failures.push((reason.clone(), 1)),
            }
        }
        Probe {
            name: name.to_owned(),
            interval_ms: millis(interval),
            answered: samples.len() - failed.len(),
            failed: failed.len() - unsent,
            unsent,
            longest_ms: outages.iter().map(|outage| outage.length_ms).fold(0.0, f64::max),
            outages,
            unknown: outage::blind(samples, interval).into_iter().map(|span| scale.stretch(span)).collect(),
            verdict: outage::judge(samples, interval, limit),
            failures,
        }
    }
}

impl Owners {
    /// It is not known, and why.
    pub fn unknown(why: String) -> Owners {
        Owners {
            unknown: Some(why),
            interval_ms: 0.0,
            tenures: Vec::new(),
            duplicate_ms: None,
            announcements: 0,
        }
    }

    /// What questions to everybody show.
    pub fn new(
        rounds: &[Round],
        announcements: usize,
        interval: Duration,
        end: Moment,
        scale: Scale,
    ) -> Owners {
        let all = tenures(rounds, end);
        let owned = |tenure: &Tenure| Owned {
            macs: tenure.owners.iter().map(Mac::to_string).collect(),
            when: scale.stretch(tenure.span),
        };
        Owners {
            unknown: None,
            interval_ms: millis(interval),
            tenures: all.iter().map(owned).collect(),
            duplicate_ms: Some(millis(duplicate(&all))),
            announcements,
        }
    }
}

impl Node {
    /// What a node's answers show.
    pub fn new(views: &[View], end: Moment, scale: Scale) -> Option<Node> {
        let took = |view: &View| view.answered.since(view.asked);
        let quickest = views.iter().min_by_key(|view| took(view))?;
        let slowest = views.iter().map(took).max().unwrap_or_default();
        let named = views.iter().rev().find(|view| !view.name.is_empty()).or(views.last())?;
        let mut held: Vec<Span> = Vec::new();
        let mut before: Option<bool> = None;
        for view in views {
            match (view.holds == Some(true), before) {
                (true, Some(true)) => held.last_mut().into_iter().for_each(|span| span.to = view.answered),
                (true, _) => held.push(Span { from: view.answered, to: view.answered }),
                (false, Some(true)) => held.last_mut().into_iter().for_each(|span| span.to = view.asked),
                (false, _) => {}
            }
            before = Some(view.holds == Some(true));
        }
        let mut edges: Vec<Moment> = views.iter().map(|view| view.answered).collect();
        edges.push(end);
        let quiet = |pair: &[Moment]| match *pair {
            [from, to] if to.since(from) > Duration::from_secs(1) => Some(scale.stretch(Span { from, to })),
            _ => None,
        };
        Some(Node {
            name: crate::ready::name(named).to_owned(),
            answers: views.len(),
            quickest_ms: millis(took(quickest)),
            slowest_ms: millis(slowest),
            clock_offset_ms: quickest.offset.map(|nanos| (nanos / 1000) as f64 / 1000.0),
            clock_error_ms: millis(took(quickest)) / 2.0,
            held: held.into_iter().map(|span| scale.stretch(span)).collect(),
            silent: edges.windows(2).filter_map(quiet).collect(),
        })
    }
}

/// What a node's answers tell, as events of the report.
pub fn node_events(views: &[View], scale: Scale) -> Vec<Event> {
    let name = views.iter().rev().find(|view| !view.name.is_empty()).map_or("?", crate::ready::name);
    let event = |happened: Happened| Event {
        earliest_ms: scale.ms(happened.earliest),
        latest_ms: scale.ms(happened.latest),
        source: name.to_owned(),
        severity: happened.severity,
        text: happened.text,
    };
    history(views).into_iter().map(event).collect()
}

/// What the client saw, as events of the report.
pub fn client_events(probes: &[Probe], owners: &Owners) -> Vec<Event> {
    let event = |at: f64, severity, text: String| Event {
        earliest_ms: at,
        latest_ms: at,
        source: "client".to_owned(),
        severity,
        text,
    };
    let mut all = Vec::new();
    for probe in probes {
        for outage in &probe.outages {
            let name = &probe.name;
            all.push(event(
                outage.from_ms,
                Severity::Warning,
                format!("{name}: last answer before an outage"),
            ));
            if outage.ended {
                let text = format!("{name}: answers again after {:.1} ms", outage.length_ms);
                all.push(event(outage.to_ms, Severity::Info, text));
            }
        }
    }
    for owned in &owners.tenures {
        let (severity, text) = match owned.macs.as_slice() {
            [] => (Severity::Warning, "nobody answers for the address".to_owned()),
            [mac] => (Severity::Info, format!("{mac} answers for the address")),
            several => {
                (Severity::Error, format!("SEVERAL answer for the address: {}", several.join(" and ")))
            }
        };
        all.push(event(owned.when.from_ms, severity, text));
    }
    all
}

/// The verdict on all of it, and why.
pub fn judge(probes: &[Probe], owners: &Owners, max_duplicate: Option<Duration>) -> (Verdict, Vec<String>) {
    let mut verdict = Verdict::Within;
    let mut reasons = Vec::new();
    for probe in probes {
        verdict = verdict.max(probe.verdict);
        let longest = probe.longest_ms;
        reasons.push(match probe.verdict {
            Verdict::Within if probe.outages.is_empty() => format!("{}: no outage", probe.name),
            Verdict::Within => format!("{}: longest outage {longest:.1} ms", probe.name),
            Verdict::Exceeded => format!("{}: an outage of {longest:.1} ms, over the limit", probe.name),
            Verdict::Unknown => format!("{}: not known: {}", probe.name, why_unknown(probe)),
        });
    }
    if probes.is_empty() {
        verdict = Verdict::Unknown;
        reasons.push("nothing was probed".to_owned());
    }
    let Some(limit) = max_duplicate.map(millis) else { return (verdict, reasons) };
    let (found, text) = match owners.duplicate_ms {
        None => (Verdict::Unknown, "two owners: not known, see below".to_owned()),
        Some(time) if time > limit => (
            Verdict::Exceeded,
            format!(
                "two machines answered for the address for {time:.1} ms, over the limit of {limit:.1} ms"
            ),
        ),
        Some(time) => (Verdict::Within, format!("two machines answered for the address for {time:.1} ms")),
    };
    reasons.push(text);
    (verdict.max(found), reasons)
}

fn why_unknown(probe: &Probe) -> String {
    if probe.answered + probe.failed == 0 {
        return "no request could be sent".to_owned();
    }
    if probe.outages.iter().any(|outage| !outage.ended) {
        return "an outage had not ended when the drill did".to_owned();
    }
    let blind: f64 = probe.unknown.iter().map(|span| span.to_ms - span.from_ms).sum();
    format!("for {blind:.1} ms nothing could be sent, and what happened then nobody saw")
}
