//! The drill itself: look, ask, act, wait, tell.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::action::Action;
use crate::args::{Args, Kind};
use crate::moment::Moment;
use crate::node::{self, Node, Reach};
use crate::outage::Verdict;
use crate::ready::{self, Pair, Rest};
use crate::record::{ANSWER_LIMIT, Probes};
use crate::report::{self, Report, Scale, svg, text};
use crate::tell::{self, Done};
use crate::view::View;

const EXCEEDED: u8 = 1;
const USAGE: u8 = 2;
const NOT_DONE: u8 = 3;

/// How long the first answers of nodes and of the address are waited for, at least.
const FIRST: Duration = Duration::from_secs(15);
/// What is recorded before the action.
const BASELINE: Duration = Duration::from_secs(1);
/// How often everything is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// What a command may take beyond the patience with the pair.
const COMMAND_EXTRA: Duration = Duration::from_secs(30);

/// Runs the drill of a command line; the exit code.
pub fn run(args: &Args) -> ExitCode {
    let code = match args.problem() {
        Some(problem) => {
            eprintln!("error: {problem}");
            USAGE
        }
        None => match Drill::new(args).and_then(|drill| drill.play()) {
            Ok(report) => tell_all(args, &report),
            Err(Refusal { code, text }) => {
                eprintln!("error: {text}");
                code
            }
        },
    };
    ExitCode::from(code)
}

/// Nothing was done; why.
struct Refusal {
    code: u8,
    text: String,
}

fn refuse<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code: NOT_DONE, text: text.into() })
}

struct Drill<'a> {
    args: &'a Args,
    nodes: Vec<Node>,
    probes: Probes,
    interrupted: Arc<AtomicBool>,
    warnings: Vec<String>,
}

impl<'a> Drill<'a> {
    fn new(args: &'a Args) -> Result<Drill<'a>, Refusal> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // the first is an end in order; the second ends the program at once
            let at_once = signal_hook::flag::register_conditional_shutdown(
                signal,
                NOT_DONE.into(),
                Arc::clone(&interrupted),
            );
            let in_order =
                at_once.and_then(|_| signal_hook::flag::register(signal, Arc::clone(&interrupted)));
            in_order.or_else(|error| refuse(format!("signals cannot be caught: {error}")))?;
        }
        let probes = Probes::start(args).or_else(|error| refuse(error.to_string()))?;
        let watch = |reach: Reach| {
            Node::watch(reach.clone(), args.vip)
                .or_else(|error| refuse(format!("{}: {error}", reach.words(""))))
        };
        let nodes = reaches(args).into_iter().map(watch).collect::<Result<_, _>>()?;
        Ok(Drill { args, nodes, probes, interrupted, warnings: Vec::new() })
    }

    fn play(mut self) -> Result<Report, Refusal> {
        let before = self.first_answers()?;
        let pair = ready::look(&before, self.args.vip);
        let action = self.prepare(&pair, &before)?;
        if !self.args.yes && action.kind != Kind::Watch {
            confirm(&action.announcement(self.args.vip))?;
        } else {
            eprintln!("{}", action.announcement(self.args.vip));
        }
        self.baseline()?;
        let owner = self.probes.owner();
        let wall = jiff::Zoned::now();
        let begin = Moment::now();
        let command_failed = self.act(&action);
        let acted = Moment::now();
        let mut rest = Rest::Unknown;
        if command_failed.is_none() {
            if matches!(action.kind, Kind::Cut | Kind::Watch) {
                self.wait(begin, action.span, || false);
            }
            self.undo(&action);
            let calm = Moment::now();
            if action.kind != Kind::Watch {
                self.wait(calm, self.args.patience, || {
                    let now: Vec<View> =
                        self.nodes.iter().filter_map(|node| node.since(acted.max(calm))).collect();
                    rest = ready::rest(&action, &now, &before, self.args.vip);
                    if rest == Rest::Unknown {
                        let other = self.probes.owner().is_some_and(|mac| Some(mac) != owner);
                        if !action.moves() || other {
                            rest = Rest::Done;
                        }
                    }
                    rest == Rest::Done && self.probes.quiet(calm, self.args.settle)
                });
            }
        }
        let end = Moment::now();
        // what is under way is given its time
        std::thread::sleep(ANSWER_LIMIT);
        self.probes.stop();
        let done = Done {
            command_failed,
            rest: if action.kind == Kind::Watch { Rest::Done } else { rest },
            acted,
            quiet: self.probes.unanswered(end.minus(Duration::from_secs(1))).is_empty(),
            interrupted: self.interrupted.load(Ordering::Relaxed) && action.kind != Kind::Watch,
            began: wall.strftime("%Y-%m-%d %H:%M:%S%.3f %Z").to_string(),
        };
        Ok(self.report(&action, &pair, done, begin, end))
    }

    /// Every node has answered, and the address has.
    fn first_answers(&mut self) -> Result<Vec<View>, Refusal> {
        let start = Moment::now();
        let watch = self.args.action == Kind::Watch;
        let all = || {
            self.nodes.iter().all(|node| node.last().is_some())
                && self.probes.unanswered(start).is_empty()
                && (self.probes.no_owner.is_some() || self.probes.owner().is_some())
        };
        self.wait(start, if watch { BASELINE } else { self.first() }, all);
        if self.interrupted.load(Ordering::Relaxed) {
            return refuse("interrupted; nothing was done");
        }
        let mut problems = Vec::new();
        for node in self.nodes.iter().filter(|node| node.last().is_none()) {
            let trouble = node.trouble();
            let said = if trouble.is_empty() { "it said nothing".to_owned() } else { trouble };
            problems.push(format!("no answer by `{}`: {said}; try it by hand", node.reach.words("uname -n")));
        }
        for name in self.probes.unanswered(start) {
            problems.push(format!("{} does not answer the probe {name}", self.args.vip));
        }
        if self.probes.no_owner.is_none() && self.probes.owner().is_none() {
            let (rounds, _) = self.probes.rounds();
            let last = rounds.iter().rev().find(|round| !round.owners.is_empty());
            problems.push(match last {
                Some(round) if round.owners.len() > 1 => {
                    format!("several machines answer for {}: {:?}", self.args.vip, round.owners)
                }
                _ => format!("nobody answers for {} on its network", self.args.vip),
            });
        }
        problems.extend(self.probes.troubles());
        self.settle(problems)?;
        Ok(self.nodes.iter().filter_map(Node::last).collect())
    }

    /// Problems end a drill before it begins; one who only watches is told.
    fn settle(&mut self, problems: Vec<String>) -> Result<(), Refusal> {
        if problems.is_empty() || self.args.action == Kind::Watch {
            self.warnings.extend(problems.into_iter().map(|problem| format!("at the beginning: {problem}")));
            return Ok(());
        }
        refuse(format!("a drill makes no sense now; nothing was done\n  {}", problems.join("\n  ")))
    }

    fn prepare(&mut self, pair: &Pair, before: &[View]) -> Result<Action, Refusal> {
        self.warnings.extend(pair.warnings.iter().cloned());
        self.settle(pair.problems.clone())?;
        let holder = pair.holder.as_deref();
        let other_than = |name: Option<&str>| {
            pair.members.iter().map(String::as_str).find(|member| name.is_some() && Some(*member) != name)
        };
        let node = match (self.args.on.as_deref(), self.args.action) {
            (Some(node), _) => Some(node),
            (None, Kind::Watch) => None,
            (None, Kind::Takeover) => other_than(holder),
            (None, _) => holder,
        };
        let unknown =
            node.filter(|node| !pair.members.is_empty() && !pair.members.iter().any(|member| member == node));
        if let Some(node) = unknown {
            return Err(Refusal {
                code: USAGE,
                text: format!("there is no node {node:?}: the pair is {}", pair.members.join(" and ")),
            });
        }
        let view = before.iter().find(|view| Some(ready::name(view)) == node);
        let pid = view.and_then(View::status).map(|status| status.pid);
        let action = Action::new(self.args, node, other_than(node), holder, pid);
        let objections = ready::objections(&action, before);
        self.settle(objections)?;
        Ok(action)
    }

    /// How long the first answers are waited for: who has more patience with the pair has more with its first words.
    fn first(&self) -> Duration {
        FIRST.max(self.args.patience / 4)
    }

    /// What is usual, for comparison; a drill that begins in an outage measures nothing.
    fn baseline(&mut self) -> Result<(), Refusal> {
        let start = Moment::now();
        self.wait(start, self.first(), || self.probes.quiet(start, BASELINE));
        if self.probes.quiet(start, BASELINE) || self.args.action == Kind::Watch {
            return Ok(());
        }
        let troubles = self.probes.troubles().join("; ");
        refuse(format!("{} does not answer steadily before anything was done {troubles}", self.args.vip))
    }

    fn act(&mut self, action: &Action) -> Option<String> {
        if action.kind == Kind::Watch {
            return None;
        }
        let reach = match action.here {
            true => Some(&Reach::Here),
            false => self.node(action.node.as_deref()).map(|node| &node.reach),
        };
        let finished = reach?.run(&action.line, self.args.patience + COMMAND_EXTRA);
        let failure = node::failure(&finished)?;
        if action.kind != Kind::PowerOff || !self.is_silent(action.node.as_deref()) {
            return Some(failure);
        }
        // `ssh NODE poweroff` loses its connection with the power
        let node = action.node.as_deref().unwrap_or("the node");
        self.warnings.push(format!("{node} says nothing any more, nor did the command end well: {failure}"));
        None
    }

    /// Whether a node that was asked until now does not answer any more.
    fn is_silent(&self, name: Option<&str>) -> bool {
        let Some(node) = self.node(name) else { return false };
        let now = Moment::now();
        self.wait(now, self.first(), || node.since(now).is_some() || node.is_lost());
        node.since(now).is_none()
    }

    fn node(&self, name: Option<&str>) -> Option<&Node> {
        self.nodes.iter().find(|node| node.last().is_some_and(|view| Some(ready::name(&view)) == name))
    }

    /// A cut by a command of the administrator's has a command that ends it.
    fn undo(&mut self, action: &Action) {
        let Some(line) = self.args.undo_with.as_ref().filter(|_| action.kind == Kind::Cut) else { return };
        if let Some(failure) = node::failure(&Reach::Here.run(line, COMMAND_EXTRA)) {
            self.warnings
                .push(format!("the end of the cut FAILED, the link may still be cut: `{line}`: {failure}"));
        }
    }

    /// Until something is so, at most for so long, or until somebody ends it.
    fn wait(&self, start: Moment, limit: Duration, mut so: impl FnMut() -> bool) {
        while !so() && start.elapsed() < limit && !self.interrupted.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
        }
    }

    fn report(&self, action: &Action, pair: &Pair, done: Done, begin: Moment, end: Moment) -> Report {
        let scale = Scale(begin);
        let views: Vec<Vec<View>> = self.nodes.iter().map(Node::views).collect();
        let mut samples = self.probes.samples();
        samples.iter_mut().for_each(|(_, samples)| samples.retain(|sample| sample.start <= end));
        let from =
            samples.iter().flat_map(|(_, samples)| samples).map(|sample| sample.start).min().unwrap_or(begin);
        let interval = self.args.every;
        let probes: Vec<report::Probe> = samples
            .iter()
            .map(|(name, samples)| report::Probe::new(name, samples, interval, self.args.max_outage, scale))
            .collect();
        let (rounds, announcements) = self.probes.rounds();
        let owners = match &self.probes.no_owner {
            Some(why) => report::Owners::unknown(why.to_string()),
            None => report::Owners::new(&rounds, announcements, interval, end, scale),
        };
        let mut warnings = self.warnings.clone();
        warnings.extend(self.probes.troubles());
        tell::compose(tell::Findings {
            args: self.args,
            action,
            pair,
            done,
            scale,
            from,
            end,
            views,
            probes,
            owners,
            warnings,
        })
    }
}

/// Where the nodes are. Without --run this machine is one, unless somebody only watches from elsewhere.
fn reaches(args: &Args) -> Vec<Reach> {
    let member = Path::new(heartbeatd::control::RUN_DIR).join("heartbeatd.sock").exists();
    match args.run.as_slice() {
        [] if args.action == Kind::Watch && !member => Vec::new(),
        [] => vec![Reach::Here],
        commands => commands.iter().cloned().map(Reach::By).collect(),
    }
}

fn confirm(announcement: &str) -> Result<(), Refusal> {
    if !std::io::stdin().is_terminal() {
        let text = format!("{announcement}\nNobody can be asked here: say --yes if it is to be done");
        return Err(Refusal { code: USAGE, text });
    }
    eprint!("{announcement}\nDo it now? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        true => Ok(()),
        false => refuse("nothing was done"),
    }
}

/// Prints and saves the report; the exit code.
fn tell_all(args: &Args, report: &Report) -> u8 {
    let text = text::render(report);
    let json = serde_json::to_string_pretty(report).unwrap_or_default() + "\n";
    let mut out = std::io::stdout().lock();
    let _ =
        out.write_all(if args.json { json.as_bytes() } else { text.as_bytes() }).and_then(|()| out.flush());
    if !args.no_save {
        let name = args.save.clone().unwrap_or_else(|| {
            let now = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
            format!("ha-drill-{}-{now}", args.action.name()).into()
        });
        let svg = svg::render(report);
        for (ending, content) in [("txt", &text), ("json", &json), ("svg", &svg)] {
            let mut path = name.clone().into_os_string();
            path.push(format!(".{ending}"));
            match std::fs::write(&path, content) {
                Ok(()) => eprintln!("written: {}", Path::new(&path).display()),
                Err(error) => eprintln!("warning: {} was not written: {error}", Path::new(&path).display()),
            }
        }
    }
    match report.verdict {
        Verdict::Within => 0,
        Verdict::Exceeded => EXCEEDED,
        Verdict::Unknown => NOT_DONE,
    }
}
