//! The daemon's look at `haresources`: which groups there are and whose they are. What their resources mean is
//! `ha-resources`' business.

use config::{Diagnostic, Report, Source, Span, nearest};

/// A line of `haresources`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The node it belongs to, lower case.
    pub home: String,
    /// Its resources as written. The first one names the group; a line with a node alone has none.
    pub resources: Vec<String>,
}

/// Checks that every group's first word is one of `nodes` (lower case).
pub(super) fn check(report: &mut Report, nodes: &[String]) {
    for (span, group) in spanned(report.source()) {
        if !nodes.contains(&group.home) {
            report.push(bad_node(report, &group.home, span, nodes));
        }
    }
}

/// The groups in the order of the file.
pub(super) fn groups(source: &Source) -> Vec<Group> {
    spanned(source).into_iter().map(|(_, group)| group).collect()
}

/// The first resource of each group homed on `node`: its name in requests between nodes.
pub(super) fn keys(source: &Source, node: &str) -> Vec<String> {
    let own = groups(source).into_iter().filter(|group| group.home == node);
    own.filter_map(|group| group.resources.into_iter().next()).collect()
}

/// Logical lines: without comments, joined where a backslash stands at the end; each with its first word's place.
fn spanned(source: &Source) -> Vec<(Span, Group)> {
    let mut groups: Vec<(Span, Group)> = Vec::new();
    let mut begun = false;
    for (start, text) in source.lines() {
        let text = text.split('#').next().unwrap_or("").trim_end();
        let body = text.trim_end_matches('\\');
        let mut words = body.split_whitespace();
        if !begun {
            if let Some(home) = words.next() {
                let at = start + text.find(home).unwrap_or(0);
                let group = Group { home: home.to_lowercase(), resources: Vec::new() };
                groups.push((Span::new(at, at + home.len()), group));
                begun = true;
            }
        }
        if let Some((_, group)) = groups.last_mut().filter(|_| begun) {
            group.resources.extend(words.map(str::to_owned));
        }
        begun &= body.len() < text.len();
    }
    groups
}

fn bad_node(report: &Report, home: &str, span: Span, nodes: &[String]) -> Diagnostic {
    let message = format!("Bad nodename in {} [{home}]", report.source().name().display());
    let help = match nearest(home, nodes.iter().map(String::as_str)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("the nodes of ha.cf are: {}", nodes.join(" ")),
    };
    Diagnostic::error(span, message).label("not a node of ha.cf").help(help)
}
