//! The daemon's look at `haresources`: whose groups are there. Its whole grammar is `ha-resources`' business.

use config::{Diagnostic, Report, Span, nearest};

/// Checks that every group's first word is one of `nodes` (lower case), and returns the home node of each group in
/// the order of the file.
pub(super) fn parse(report: &mut Report, nodes: &[String]) -> Vec<String> {
    let source = report.source().clone();
    let mut homes = Vec::new();
    let mut continued = false;
    for (start, text) in source.lines() {
        let text = text.split('#').next().unwrap_or("").trim_end();
        let first = !continued;
        continued = text.ends_with('\\');
        let Some(word) = text.trim_end_matches('\\').split_whitespace().next() else {
            // A line of blanks and a backslash: the node's name stands on the next one.
            continued &= !first;
            continue;
        };
        if !first {
            continue;
        }
        let home = word.to_lowercase();
        if !nodes.contains(&home) {
            let at = start + text.find(word).unwrap_or(0);
            report.push(bad_node(report, &home, Span::new(at, at + word.len()), nodes));
        }
        homes.push(home);
    }
    homes
}

fn bad_node(report: &Report, home: &str, span: Span, nodes: &[String]) -> Diagnostic {
    let message = format!("Bad nodename in {} [{home}]", report.source().name().display());
    let help = match nearest(home, nodes.iter().map(String::as_str)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("the nodes of ha.cf are: {}", nodes.join(" ")),
    };
    Diagnostic::error(span, message).label("not a node of ha.cf").help(help)
}
