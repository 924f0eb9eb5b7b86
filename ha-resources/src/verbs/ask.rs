//! Questions: what runs here, which groups there are, what would be done.

use super::{FAILED, Run, STOPPED, find};
use crate::args::Planned;
use crate::event::Event;
use crate::haresources::{Group, Haresources, Resource};
use crate::order::{self, Action, Outcome};
use std::io::Write;
use std::path::Path;
use tracing::error;

impl Run {
    /// `status`: exit code 0 if the resource runs here, 3 if not.
    pub(super) async fn status(&mut self, text: &str) -> u8 {
        let resource = match Resource::parse(text) {
            Ok(resource) => resource,
            Err(report) => {
                eprint!("{}", report.render());
                return super::BAD_CONFIGURATION;
            }
        };
        let (running, detail) = self.ask("", &resource).await;
        if !self.printer.json {
            // The words that scripts look for: "running", "OK", or neither.
            let state = if running { "Running OK" } else { "Resource is stopped" };
            say(&format!("{}: {state} ({detail})", resource.text));
        }
        if running { 0 } else { STOPPED }
    }

    /// `statgroup`.
    pub(super) async fn stat_group(&mut self, file: &Haresources, key: &str) -> u8 {
        let group = match find(file, key) {
            Ok(group) => group,
            Err(message) => {
                eprintln!("error: {message}");
                return FAILED;
            }
        };
        let mut running = 0;
        for resource in group.resources() {
            running += usize::from(self.ask(group.key(), resource).await.0);
        }
        let state = match running {
            0 => "NONE",
            all if all == group.size() => "ALL",
            _ => "SOME",
        };
        if self.printer.json {
            say(&serde_json::json!({"event": "state", "group": group.key(), "state": state}).to_string());
        } else {
            say(state);
        }
        0
    }

    /// `verifyallidle`: the exit code is the number of groups whose key runs here.
    pub(super) async fn verify_all_idle(&mut self, file: &Haresources) -> u8 {
        let mut running = 0u8;
        for group in &file.groups {
            if self.ask(group.key(), &group.first).await.0 {
                running = running.saturating_add(1);
                let message = format!("CRITICAL: Resource {} is active, and should not be!", group.key());
                error!("{message}");
                eprintln!(
                    "{message}\nCRITICAL: Non-idle resources can affect data integrity!\n\
                     info: nothing but this suite may start it: look in /etc/network/interfaces and for enabled units"
                );
            }
        }
        running
    }

    /// `plan`: what would be done and by whom; fails if there is nobody to do it.
    pub(super) fn plan(&self, file: &Haresources, what: Planned, name: &str) -> u8 {
        let action = match what {
            Planned::TakeGroup | Planned::TakeNode => Action::Start,
            Planned::GiveGroup | Planned::GiveNode => Action::Stop,
        };
        let groups = match what {
            Planned::TakeNode | Planned::GiveNode => match self.of_node(file, name, action) {
                Ok(groups) => groups,
                Err(message) => {
                    eprintln!("error: {message}");
                    return FAILED;
                }
            },
            Planned::TakeGroup | Planned::GiveGroup => match find(file, name) {
                Ok(group) => vec![group],
                Err(message) => {
                    eprintln!("error: {message}");
                    return FAILED;
                }
            },
        };
        let mut code = 0;
        for group in groups {
            for resource in
                order::plan(group.size(), action).into_iter().filter_map(|index| group.resource(index))
            {
                code = code.max(self.planned(group, resource, action));
            }
        }
        code
    }

    /// The groups of a node of the cluster; one that neither ha.cf nor haresources knows is a mistake.
    fn of_node<'a>(
        &self,
        file: &'a Haresources,
        name: &str,
        action: Action,
    ) -> Result<Vec<&'a Group>, String> {
        let groups = order::groups(file, name, action);
        if !groups.is_empty() {
            return Ok(groups);
        }
        let mut nodes = nodes_of_ha_cf(&self.settings.config_dir.join("ha.cf"));
        if nodes.contains(&name.to_lowercase()) {
            eprintln!("info: haresources has no group of node {name}: there is nothing to do");
            return Ok(groups);
        }
        nodes.extend(file.groups.iter().map(|group| group.node.clone()));
        nodes.sort_unstable();
        nodes.dedup();
        let hint = match config::nearest(name, nodes.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None => format!("the nodes of ha.cf and haresources are: {}", nodes.join(" ")),
        };
        Err(format!("there is no node {name:?}; {hint}"))
    }

    fn planned(&self, group: &Group, resource: &Resource, action: Action) -> u8 {
        let verb = if action == Action::Start { "start" } else { "stop" };
        let (who, code) = match self.agents.who(resource) {
            Ok(who) => (who, 0),
            Err(why) => (format!("NOT POSSIBLE: {why}"), FAILED),
        };
        if self.printer.json {
            let (key, text) = (group.key(), &resource.text);
            let line = serde_json::json!({"event": "plan", "group": key, "resource": text, "action": verb, "by": who});
            say(&line.to_string());
        } else {
            say(&format!("{verb} {} ({who})", resource.text));
        }
        code
    }

    /// Asks one resource; with `--json` the answer is printed.
    async fn ask(&mut self, group: &str, resource: &Resource) -> (bool, String) {
        let (running, done) = self.agents.status(resource).await;
        let mut event = Event::resource(group, &resource.text, Action::Status, &done);
        if let Event::Resource { running: told, .. } = &mut event {
            // Unknown is not "stopped": the detail says why it is unknown.
            *told = (done.outcome == Outcome::Done).then_some(running);
        }
        if self.printer.json {
            self.printer.print(&event);
        }
        (running, done.detail)
    }
}

/// The words of the `node` lines, in lower case; none of a file that cannot be read.
fn nodes_of_ha_cf(path: &Path) -> Vec<String> {
    let Ok(source) = config::Source::read(path) else { return Vec::new() };
    let mut nodes = Vec::new();
    for (_, line) in source.lines() {
        let text = line.split('#').next().unwrap_or_default();
        let mut words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
        if words.next() == Some("node") {
            nodes.extend(words.map(str::to_lowercase));
        }
    }
    nodes
}

/// How groups are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// `listkeys`, `allkeys`: the keys, one a line.
    Keys,
    /// `ourkeys`, `otherkeys`: every resource of each group, each followed by a blank, as the old callers expect.
    Whole,
}

/// Prints groups; with `json` one object a line that says everything about each, whatever the list.
pub(super) fn list<'a>(groups: impl IntoIterator<Item = &'a Group>, list: List, json: bool) -> u8 {
    for group in groups {
        let resources = group.resources().map(|resource| resource.text.as_str());
        if json {
            let resources: Vec<_> = resources.collect();
            let line = serde_json::json!({"key": group.key(), "node": group.node, "resources": resources});
            say(&line.to_string());
        } else {
            match list {
                List::Keys => say(group.key()),
                List::Whole => say(&resources.map(|text| format!("{text} ")).collect::<String>()),
            }
        }
    }
    0
}

/// A reader that has gone away is no error.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
