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

/// Logical lines: without comments, joined where a backslash stands at the end, even inside a word; each with its first
/// word's place.
fn spanned(source: &Source) -> Vec<(Span, Group)> {
    let (mut groups, mut line) = (Vec::new(), Vec::new());
    for (start, text) in source.lines() {
        let text = text.split('#').next().unwrap_or("").trim_end();
        let body = text.strip_suffix('\\');
        line.extend(body.unwrap_or(text).char_indices().map(|(at, c)| (start + at, c)));
        if body.is_none() {
            groups.extend(group(&std::mem::take(&mut line)));
        }
    }
    groups.extend(group(&line));
    groups
}

/// A logical line, with the place in the file of every character.
fn group(line: &[(usize, char)]) -> Option<(Span, Group)> {
    let text = |word: &[(usize, char)]| word.iter().map(|(_, c)| *c).collect::<String>();
    let mut words = line.split(|(_, c)| c.is_whitespace()).filter(|word| !word.is_empty());
    let home = words.next()?;
    let ((start, _), (last, c)) = (home.first()?, home.last()?);
    let span = Span::new(*start, last + c.len_utf8());
    Some((span, Group { home: text(home).to_lowercase(), resources: words.map(text).collect() }))
}

fn bad_node(report: &Report, home: &str, span: Span, nodes: &[String]) -> Diagnostic {
    let message = format!("Bad nodename in {} [{home}]", report.source().name().display());
    let help = match nearest(home, nodes.iter().map(String::as_str)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("the nodes of ha.cf are: {}", nodes.join(" ")),
    };
    Diagnostic::error(span, message).label("not a node of ha.cf").help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_joins_lines_even_inside_a_word() {
        let source =
            Source::new("haresources", "# x \\\nalpha y::\\\nz \\\n  w\r\n\\\nbeta v # u\nal\\\npha");
        let found = spanned(&source);
        let groups: Vec<(&str, Vec<&str>)> = found
            .iter()
            .map(|(_, group)| (group.home.as_str(), group.resources.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(groups, [("alpha", vec!["y::z", "w"]), ("beta", vec!["v"]), ("alpha", vec![])]);
        let places: Vec<&str> = found.iter().map(|(span, _)| source.slice(*span)).collect();
        assert_eq!(places, ["alpha", "beta", "al\\\npha"]);
    }
}
