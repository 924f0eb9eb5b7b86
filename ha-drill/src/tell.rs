//! From what was found to the report: the verdict as a whole, the state at the end, the way back. Pure.

use std::time::Duration;

use heartbeatd::control::Severity;

use crate::action::Action;
use crate::args::{Args, Kind};
use crate::moment::Moment;
use crate::outage::Verdict;
use crate::ready::{self, Pair, Rest, name};
use crate::report::{self, Event, Owners, Probe, Report, Scale};
use crate::view::{Daemon, View};

/// An older answer says nothing about the end.
const FRESH: Duration = Duration::from_secs(3);

/// How the action went.
#[derive(Clone, Debug)]
pub struct Done {
    /// Why the command failed, if it did.
    pub command_failed: Option<String>,
    /// Whether the pair came to rest.
    pub rest: Rest,
    /// Whether the address answered at the end.
    pub quiet: bool,
    /// Somebody ended it early.
    pub interrupted: bool,
    /// When the command had ended: answers to earlier questions say nothing about the end.
    pub acted: Moment,
    /// When it began, by the wall clock.
    pub began: String,
}

/// Everything a report is made of.
#[derive(Debug)]
#[allow(missing_docs, reason = "as in the report")]
pub struct Findings<'a> {
    pub args: &'a Args,
    pub action: &'a Action,
    pub pair: &'a Pair,
    pub done: Done,
    pub scale: Scale,
    pub from: Moment,
    pub end: Moment,
    pub views: Vec<Vec<View>>,
    pub probes: Vec<Probe>,
    pub owners: Owners,
    pub warnings: Vec<String>,
}

/// The report.
pub fn compose(found: Findings<'_>) -> Report {
    let Findings { args, action, pair, done, scale, from, end, views, probes, owners, mut warnings } = found;
    let (verdict, mut reasons) = report::judge(&probes, &owners, args.max_duplicate);
    let shortcoming = shortcoming(action, &done);
    let verdict = if shortcoming.is_some() { verdict.max(Verdict::Unknown) } else { verdict };
    reasons.splice(0..0, shortcoming);
    let last: Vec<View> = views.iter().filter_map(|views| views.last().cloned()).collect();
    let recent: Vec<View> = last
        .iter()
        .filter(|view| view.asked >= done.acted && end.since(view.answered) < FRESH)
        .cloned()
        .collect();
    let now = ready::look(&recent, args.vip);
    let runs =
        recent.iter().any(|view| Some(name(view)) == action.node.as_deref() && view.status().is_some());
    let mut events = vec![Event {
        earliest_ms: 0.0,
        latest_ms: 0.0,
        source: "drill".to_owned(),
        severity: Severity::Info,
        text: match action.kind {
            Kind::Watch => "begins to watch".to_owned(),
            kind => format!("{} begins", kind.name()),
        },
    }];
    events.extend(views.iter().flat_map(|views| report::node_events(views, scale)));
    events.extend(report::client_events(&probes, &owners));
    events.sort_by(|a, b| (a.earliest_ms + a.latest_ms).total_cmp(&(b.earliest_ms + b.latest_ms)));
    let probed_from = vantage(&owners, &mut warnings);
    let span = |moment| scale.ms(moment);
    Report {
        action: args.action.name().to_owned(),
        address: args.vip.to_string(),
        began: done.began.clone(),
        probed_from,
        command: action.line.clone(),
        node: action.node.clone(),
        command_failed: done.command_failed,
        verdict,
        reasons,
        max_outage_ms: report::millis(args.max_outage),
        from_ms: span(from),
        to_ms: span(end),
        nodes: views.iter().filter_map(|views| report::Node::new(views, end, scale)).collect(),
        state: state(&last, &recent, &now, args.vip, &owners),
        undo: action.undo(now.holder.as_deref(), runs),
        holder_before: pair.holder.clone(),
        holder_after: now.holder,
        probes,
        owners,
        events,
        warnings,
    }
}

/// What the verdict cannot be about, because it did not happen.
fn shortcoming(action: &Action, done: &Done) -> Option<String> {
    if let Some(why) = &done.command_failed {
        return Some(format!("{} could not be done: {why}", action.kind.name()));
    }
    if done.interrupted {
        return Some("it was ended early by a signal".to_owned());
    }
    match &done.rest {
        Rest::Done if done.quiet || action.kind == Kind::Watch => None,
        Rest::Done => Some("the address did not answer steadily by the end".to_owned()),
        Rest::Not(why) => Some(format!("what was to happen has not happened: {why}")),
        Rest::Unknown => Some(
            "whether the resources have moved is not known: no node that could say so was reached".to_owned(),
        ),
    }
}

fn vantage(owners: &Owners, warnings: &mut Vec<String>) -> String {
    let here = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if owners.unknown.as_deref() == Some(crate::probe::owner::NoPlace::Own.to_string().as_str()) {
        warnings.push(
            "this machine held the address when the drill began: what it asks itself is no client's view; run it on a third machine"
                .to_owned(),
        );
        return format!("{here}, which held the address itself");
    }
    here
}

/// The state at the end, in sentences.
fn state(last: &[View], recent: &[View], now: &Pair, vip: std::net::IpAddr, owners: &Owners) -> Vec<String> {
    let mut all = Vec::new();
    all.push(match &now.holder {
        Some(holder) => format!("{holder} holds {vip}"),
        None => format!("who holds {vip} is not known"),
    });
    if let Some(owned) = owners.tenures.last() {
        all.push(match owned.macs.as_slice() {
            [] => format!("nobody answers for {vip} on its network"),
            [mac] => format!("{mac} answers for {vip}"),
            several => format!("SEVERAL machines answer for {vip}: {}", several.join(" and ")),
        });
    }
    for view in last {
        let name = name(view);
        if !recent.iter().any(|other| ready::name(other) == name) {
            all.push(format!("{name} does not answer any more: its state is not known"));
            continue;
        }
        all.push(match &view.daemon {
            Daemon::Running(status) => format!("{name}: heartbeat runs and holds {}", status.resources.hold),
            Daemon::Stopped => format!("{name}: heartbeat does not run"),
            Daemon::Unknown(why) => format!("{name}: heartbeat's state is not known: {why}"),
        });
    }
    let known = now.problems.iter().filter(|problem| !problem.starts_with("heartbeat does not run"));
    all.extend(known.cloned());
    all
}
