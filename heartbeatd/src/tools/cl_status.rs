//! `cl_status`: the subcommands, outputs and exit codes of heartbeat 3.0.6's tool, from our daemon.
//!
//! Exit codes: 0 yes or done, 1 no (dead, stopped, not there), 11 bad parameter, 12 no answer in time, 13 unknown.
//!
//! Where it is stricter than the old one: words that mean nothing are refused (11) instead of ignored.

mod arguments;
mod overview;
mod watch;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use config::nearest;
use daemon::control::RequestError;
use serde_json::{Value, json};

use super::{Output, PATIENCE, ask_within, clean, run_dir};
use crate::control::{Answer, ClientState, Node, NodeKind, NodeStatus, Request, Status};
use arguments::Arguments;
pub use arguments::Query;

const NO: u8 = 1;
const BAD_PARAMETER: u8 = 11;
const TIMED_OUT: u8 = 12;
const UNKNOWN: u8 = 13;

/// The command line, for those who describe it.
pub fn command() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

/// Why the daemon's state is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoStatus {
    /// No daemon runs.
    Stopped,
    /// It does not answer in time.
    TimedOut,
    /// It cannot be asked, with the reason.
    Failed(String),
}

impl NoStatus {
    /// Whether the daemon runs; `None`: unknown.
    fn running(&self) -> Option<bool> {
        match self {
            NoStatus::Stopped => Some(false),
            NoStatus::TimedOut => Some(true),
            NoStatus::Failed(_) => None,
        }
    }
}

impl From<RequestError> for NoStatus {
    fn from(error: RequestError) -> NoStatus {
        match error {
            RequestError::NotRunning => NoStatus::Stopped,
            RequestError::TimedOut => NoStatus::TimedOut,
            other => NoStatus::Failed(other.to_string()),
        }
    }
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For scripts: the bare word.
    Word,
    /// `-m`: a sentence.
    Sentence,
    /// `--json`: one object.
    Json,
}

/// Runs the tool; `arguments` begins with the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Output {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let arguments = match Arguments::try_parse_from(&arguments) {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() && arguments.iter().any(|word| word == "--json") => {
            return json_error(&error.to_string(), None, BAD_PARAMETER);
        }
        Err(error) => return Output::usage(&error, BAD_PARAMETER),
    };
    let style = match (arguments.json, arguments.sentence) {
        (true, _) => Style::Json,
        (false, true) => Style::Sentence,
        (false, false) => Style::Word,
    };
    let query = match arguments.query {
        Some(query) => query,
        None if arguments.json => Query::Status,
        // without any word the old one explained itself, and was content
        None if !arguments.sentence => {
            return Output::success(Arguments::command().render_long_help().to_string());
        }
        None => {
            return Output::failure(
                BAD_PARAMETER,
                "cl_status: no subcommand; \"cl_status --help\" lists them\n",
            );
        }
    };
    let run_dir = run_dir(arguments.run_dir);
    match query {
        Query::Watch => watch::run(&run_dir, arguments.json),
        query => answer(&query, style, &status_of(&run_dir, PATIENCE)),
    }
}

/// What the daemon knows now.
fn status_of(run_dir: &Path, patience: Duration) -> Result<Status, NoStatus> {
    match ask_within(patience, run_dir, &Request::Status) {
        Ok(Answer::Status(status)) => Ok(*status),
        Ok(Answer::Accepted { .. }) => Err(NoStatus::Failed("the daemon answered something else".to_owned())),
        Ok(Answer::Refused { reason }) => Err(NoStatus::Failed(reason)),
        Err(error) => Err(error.into()),
    }
}

/// What the tool says when the daemon's answer is `status`.
pub fn answer(query: &Query, style: Style, status: &Result<Status, NoStatus>) -> Output {
    let reply = match status {
        Ok(status) => reply(query, style, status),
        Err(reason) => match (no_status(query, reason), style) {
            (Err(problem), Style::Json) => {
                return json_error(&problem.message, Some(reason.running()), problem.code);
            }
            (reply, _) => reply,
        },
    };
    match (reply, style) {
        (Ok(reply), Style::Json) => {
            Output { out: format!("{}\n", reply.json), err: String::new(), code: reply.code }
        }
        (Ok(reply), _) => Output { out: reply.text, err: String::new(), code: reply.code },
        (Err(problem), Style::Json) => json_error(&problem.message, None, problem.code),
        (Err(problem), _) => Output::failure(problem.code, format!("cl_status: {}\n", problem.message)),
    }
}

/// An answer that is a problem; `running`: whether the daemon runs, where that is the problem.
fn json_error(message: &str, running: Option<Option<bool>>, code: u8) -> Output {
    let mut error = json!({ "error": message });
    if let Some(running) = running {
        error["running"] = json!(running);
    }
    Output { out: format!("{error}\n"), err: String::new(), code }
}

struct Reply {
    text: String,
    json: Value,
    code: u8,
}

struct Problem {
    message: String,
    code: u8,
}

impl Reply {
    fn new(
        style: Style,
        word: impl Into<String>,
        sentence: impl FnOnce(&str) -> String,
        json: Value,
    ) -> Reply {
        let word = word.into();
        let text = if style == Style::Sentence { sentence(&word) } else { word };
        Reply { text: text + "\n", json, code: 0 }
    }

    fn code(self, code: u8) -> Reply {
        Reply { code, ..self }
    }
}

fn no_status(query: &Query, reason: &NoStatus) -> Result<Reply, Problem> {
    let asks_that = matches!(query, Query::Hbstatus { .. });
    match reason {
        NoStatus::Stopped if asks_that => {
            let text = "Heartbeat is stopped on this machine.\n".to_owned();
            Ok(Reply { text, json: json!({ "running": false }), code: NO })
        }
        NoStatus::Stopped => {
            let message = "heartbeat is stopped on this machine, so there is no answer to that".to_owned();
            Err(Problem { message, code: NO })
        }
        NoStatus::TimedOut => {
            let message = "the daemon runs, but did not answer within 5 s".to_owned();
            Err(Problem { message, code: TIMED_OUT })
        }
        NoStatus::Failed(reason) => {
            let message = format!("the daemon cannot be asked: {}", clean(reason));
            Err(Problem { message, code: UNKNOWN })
        }
    }
}

fn reply(query: &Query, style: Style, status: &Status) -> Result<Reply, Problem> {
    let member = |name: &str| node(status, name, BAD_PARAMETER);
    Ok(match query {
        // one look of a watch is the same page
        Query::Status | Query::Watch => {
            let json = serde_json::to_value(status).unwrap_or_default();
            Reply { text: overview::render(status, usize::MAX), json, code: 0 }
        }
        Query::Hbstatus { verbose } => hbstatus(status, style, *verbose),
        Query::Listnodes { normal, ping, verbose } => {
            let wanted = |node: &&Node| match node.kind {
                NodeKind::Normal => *normal || !ping,
                NodeKind::Ping => *ping || !normal,
            };
            listnodes(&status.nodes.iter().rev().filter(wanted).collect::<Vec<_>>(), style, *verbose)
        }
        Query::Nodestatus { node } => {
            let node = member(node)?;
            let fine = matches!(node.status, NodeStatus::Active | NodeStatus::Up | NodeStatus::Ping);
            let sentence = |word: &str| format!("The cluster node {} is {word}", node.name);
            let json = json!({ "node": node.name, "status": node.status });
            Reply::new(style, node.status.to_string(), sentence, json).code(if fine { 0 } else { NO })
        }
        Query::Nodetype { node } => {
            let node = member(node)?;
            let sentence = |word: &str| format!("The node {}'s type: {word}", node.name);
            Reply::new(
                style,
                node.kind.to_string(),
                sentence,
                json!({ "node": node.name, "type": node.kind }),
            )
        }
        Query::Nodeweight { node } => {
            let node = member(node)?;
            let sentence = |word: &str| format!("The weight of the cluster node {} is {word}", node.name);
            Reply::new(style, "100", sentence, json!({ "node": node.name, "weight": 100 }))
        }
        Query::Nodesite { node } => {
            let node = member(node)?;
            let sentence = |word: &str| format!("The site of the cluster node {} is {word}", node.name);
            Reply::new(style, "", sentence, json!({ "node": node.name, "site": "" }))
        }
        Query::Listhblinks { node: name, verbose } => {
            let node = node(status, name, UNKNOWN)?;
            Reply {
                text: links(node, style, *verbose),
                json: json!({ "node": node.name, "links": node.links }),
                code: 0,
            }
        }
        Query::Hblinkstatus { node: name, link } => hblinkstatus(node(status, name, UNKNOWN)?, link, style)?,
        Query::Clientstatus { node: name, client, timeout } => {
            // a limit that is no number has this exit code with heartbeat 3.0.6, too
            if let Some(limit) = timeout.as_ref().filter(|limit| limit.parse::<u64>().is_err()) {
                let message = format!("\"{}\" is no number of milliseconds", clean(limit));
                return Err(Problem { message, code: UNKNOWN });
            }
            clientstatus(status, node(status, name, UNKNOWN)?, client)
        }
        Query::Rscstatus => {
            let resources = &status.resources;
            let word =
                if resources.transition { "transition".to_owned() } else { resources.hold.to_string() };
            let json =
                json!({ "resources": word, "hold": resources.hold, "transition": resources.transition });
            Reply::new(style, word, |word| format!("This node is holding {word} resources."), json)
        }
        Query::Hbparameter { name } => parameter(status, name, style)?,
    })
}

fn hbstatus(status: &Status, style: Style, verbose: bool) -> Reply {
    let mut json =
        json!({ "running": true, "version": status.version, "node": status.node, "pid": status.pid });
    if verbose {
        json["managed_by"] = "haresources".into();
        json["nodes"] = json!(status.nodes);
    }
    // the words and quotation marks of heartbeat 3.0.6
    let (version, manager) = match style {
        Style::Sentence => ("Heartbeat version ", "Resources controlled by "),
        _ => ("version:\t", "managed by:\t"),
    };
    let text = if verbose {
        let nodes = listnodes(&status.nodes.iter().rev().collect::<Vec<_>>(), style, true);
        format!("{version}{}\n{manager}\"haresources\"\n{}", status.version, nodes.text)
    } else {
        "Heartbeat is running on this machine.\n".to_owned()
    };
    Reply { text, json, code: 0 }
}

fn listnodes(nodes: &[&Node], style: Style, verbose: bool) -> Reply {
    let heading = if style == Style::Sentence { "The nodes are as follow:\n" } else { "" };
    let line = |node: &&Node| match verbose {
        true => {
            let Node { name, status, kind, .. } = node;
            format!("\n{name}\t{status}\t(nodetype: {kind})\n{}", links(node, style, true))
        }
        false => format!("{}\n", node.name),
    };
    let text = heading.to_owned() + &nodes.iter().map(line).collect::<String>();
    Reply { text, json: json!({ "nodes": nodes }), code: 0 }
}

/// The links to a node, last configured first.
fn links(node: &Node, style: Style, verbose: bool) -> String {
    let heading =
        if style == Style::Sentence { "\tthis node has the following heartbeat links:\n" } else { "" };
    let line = |link: &crate::control::Link| match verbose {
        true => format!("\t{}\t{}\n", link.name, state(link.up)),
        false => format!("\t{}\n", link.name),
    };
    heading.to_owned() + &node.links.iter().rev().map(line).collect::<String>()
}

fn state(up: bool) -> &'static str {
    if up { "up" } else { "dead" }
}

fn hblinkstatus(node: &Node, name: &str, style: Style) -> Result<Reply, Problem> {
    let Some(link) = node.links.iter().find(|link| link.name == name) else {
        let names = node.links.iter().map(|link| link.name.as_str());
        let message = format!("node {} has no link \"{}\"{}", node.name, clean(name), list("links", names));
        return Err(Problem { message, code: UNKNOWN });
    };
    let sentence = |word: &str| format!("The node {}'s heartbeat link {name} is {word}", node.name);
    let json = json!({ "node": node.name, "link": link.name, "status": state(link.up) });
    Ok(Reply::new(style, state(link.up), sentence, json).code(if link.up { 0 } else { NO }))
}

/// With heartbeat 3.0.6 `-m` makes no difference here.
fn clientstatus(status: &Status, node: &Node, name: &str) -> Reply {
    let known = status.clients.iter().find(|client| client.node == node.name && client.name == name);
    let state = known.map(|client| client.state).unwrap_or_default();
    let code = match state {
        ClientState::Online => 0,
        ClientState::Offline => 1,
        ClientState::Join => 2,
        ClientState::Leave => 3,
    };
    let json = json!({ "node": node.name, "client": name, "status": state });
    Reply { text: format!("{state}\n"), json, code }
}

fn parameter(status: &Status, name: &str, style: Style) -> Result<Reply, Problem> {
    let value = match name {
        "hbversion" => Some(status.version.clone()),
        name => status.parameters.get(name).cloned(),
    };
    let value = value.ok_or_else(|| {
        let near = nearest(name, status.parameters.keys().map(String::as_str));
        let hint = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        Problem {
            message: format!("there is no value for the parameter \"{}\"{hint}", clean(name)),
            code: NO,
        }
    })?;
    let sentence = |value: &str| format!("Heartbeat parameter {name}'s value: {value}");
    let json = json!({ "parameter": name, "value": value });
    Ok(Reply::new(style, value, sentence, json))
}

/// The node of this name; names in ha.cf are read in lower case.
fn node<'a>(status: &'a Status, name: &str, code: u8) -> Result<&'a Node, Problem> {
    status.find(name).or_else(|| status.find(&name.to_lowercase())).ok_or_else(|| {
        let names = status.nodes.iter().map(|node| node.name.as_str());
        Problem { message: format!("there is no node \"{}\"{}", clean(name), list("nodes", names)), code }
    })
}

fn list<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names = names.collect::<Vec<_>>().join(", ");
    if names.is_empty() { String::new() } else { format!("; {what}: {names}") }
}

#[cfg(test)]
mod tests;
