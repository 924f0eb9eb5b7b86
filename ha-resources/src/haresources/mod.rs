//! The file `haresources`: which groups of resources there are, and the node each of them is at home on.
//!
//! ```text
//! node resource resource ...        one group; a backslash at the end of a line continues it
//!
//! alpha 192.0.2.10/24/eth0 ldirectord::ldirectord.cf      # a comment, to the end of the line
//!       └ key of the group └ script::argument::argument
//! ```
//!
//! The grammar is that of heartbeat 3.0.6's `ResourceManager`: comments go first, then lines are joined,
//! blanks and tabs squeezed, and the node is lower-cased. Unlike there, everything that is wrong in the
//! file is said at once, with its place. Parsing is pure and never panics.

mod lexer;
mod resource;

pub(crate) use resource::native;
pub use resource::{Kind, Resource};

use config::{Diagnostic, Report, Source, Span, nearest};
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// The groups of a file, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Haresources {
    /// One per logical line that names at least one resource.
    pub groups: Vec<Group>,
}

/// One line: resources that live and move together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The node it is at home on, lower-cased.
    pub node: String,
    /// Where the node's name stands.
    pub node_span: Span,
    /// The first resource: it names the group.
    pub first: Resource,
    /// The other resources, left to right.
    pub rest: Vec<Resource>,
}

impl Group {
    /// The group's name: the text of its first resource, as it is written.
    pub fn key(&self) -> &str {
        &self.first.text
    }

    /// All resources, in the order in which they are started.
    pub fn resources(&self) -> impl DoubleEndedIterator<Item = &Resource> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// How many resources it has; at least one.
    pub fn size(&self) -> usize {
        1 + self.rest.len()
    }

    /// The resource at a position, counted from 0, left to right.
    pub fn resource(&self, index: usize) -> Option<&Resource> {
        index.checked_sub(1).map_or(Some(&self.first), |i| self.rest.get(i))
    }
}

/// Reads and parses a file. Use the result only if the report [has no errors](Report::has_errors).
///
/// Bytes that are not UTF-8 are read as U+FFFD; the error is that of opening or reading the file.
pub fn read(path: &Path) -> io::Result<(Haresources, Report)> {
    Source::read(path).map(parse)
}

/// Parses the text of a file. The report has every error and warning, in the order of the lines.
pub fn parse(source: Source) -> (Haresources, Report) {
    let mut report = Report::new(source.clone());
    report.warn_of_mark();
    let mut groups = Vec::<Group>::new();
    let mut keys = HashMap::<String, Span>::new();
    for line in lexer::lines(&source, &mut report) {
        let mut words = line.into_iter();
        let Some(node) = words.next() else { continue };
        let mut resources =
            words.map(|word| resource::parse(word, &mut report)).collect::<Vec<_>>().into_iter();
        let Some(first) = resources.next() else {
            report.push(
                Diagnostic::warning(node.span, format!("node {:?} has no resources on this line", node.text))
                    .help("a group is a node and at least one resource: `node 192.0.2.10/24/eth0`; the line does nothing"),
            );
            continue;
        };
        if let Some(earlier) = keys.insert(first.text.clone(), first.span) {
            report.push(twice(&first, source.position(earlier.start).line));
        }
        groups.push(Group {
            node: node.text.to_lowercase(),
            node_span: node.span,
            first,
            rest: resources.collect(),
        });
    }
    (Haresources { groups }, report)
}

fn twice(first: &Resource, line: usize) -> Diagnostic {
    Diagnostic::error(first.span, format!("the key {:?} names a second group", first.text))
        .label(format!("line {line} has it already"))
        .help("the first resource of a line is the key of its group and stands first only once in the file")
}

impl Haresources {
    /// The groups at home on a node, in file order. The name is compared without regard to case; if no
    /// node is called that, dots in it stand for any character, as they did in heartbeat's `listkeys`.
    pub fn of_node(&self, node: &str) -> Vec<&Group> {
        let node = node.to_lowercase();
        exact_or_dots(&self.groups, |group| &group.node, &node)
    }

    /// The groups whose key is `key`; if there is none, those that it matches when dots in it stand for
    /// any character. More than one result means that the key is ambiguous.
    pub fn find(&self, key: &str) -> Vec<&Group> {
        exact_or_dots(&self.groups, Group::key, key)
    }

    /// The key that a mistyped one probably meant.
    pub fn nearest_key(&self, key: &str) -> Option<&str> {
        nearest(key, self.groups.iter().map(Group::key))
    }

    /// Reports every group whose node is not one of `nodes` (any case), which heartbeat refuses too.
    pub fn check_nodes(&self, nodes: &[impl AsRef<str>], report: &mut Report) {
        for group in &self.groups {
            if nodes.iter().any(|node| node.as_ref().eq_ignore_ascii_case(&group.node)) {
                continue;
            }
            let help = match nearest(&group.node, nodes.iter().map(AsRef::as_ref)) {
                Some(node) => format!("did you mean {node:?}?"),
                None => "a line begins with a node of ha.cf; a line that goes on needs a backslash at the end of the one before".to_owned(),
            };
            report.push(
                Diagnostic::error(group.node_span, format!("{:?} is not a node of the cluster", group.node))
                    .help(help),
            );
        }
    }
}

fn exact_or_dots<'a>(
    groups: &'a [Group],
    name: impl Fn(&'a Group) -> &'a str,
    wanted: &str,
) -> Vec<&'a Group> {
    let exact: Vec<_> = groups.iter().filter(|group| name(group) == wanted).collect();
    if !exact.is_empty() {
        return exact;
    }
    groups.iter().filter(|group| dots_match(wanted, name(group))).collect()
}

/// Whether `text` is `pattern` with any character at the pattern's dots: what a key meant when it was
/// given to `egrep`.
fn dots_match(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    loop {
        match (pattern.next(), text.next()) {
            (None, None) => return true,
            (Some(p), Some(t)) if p == '.' || p == t => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests;
