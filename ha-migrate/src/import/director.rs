//! An `ldirectord.cf` under construction. A service that directord would refuse becomes a comment.

use super::{Notes, Place};
use crate::names::AnyHost;
use config::Source;
use directord::config::{LoadError, Names, load_source};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A virtual service.
#[derive(Clone, Debug)]
pub struct Section {
    /// Where it comes from.
    pub place: Place,
    /// Said above it.
    pub comments: Vec<String>,
    /// `virtual6`.
    pub v6: bool,
    /// Behind `virtual=`.
    pub key: String,
    /// Behind `protocol=`.
    pub protocol: &'static str,
    /// Behind `real=`.
    pub reals: Vec<String>,
    /// The other lines.
    pub lines: Vec<(&'static str, String)>,
}

/// A whole file.
#[derive(Clone, Debug, Default)]
pub struct Director {
    /// Said at its head.
    pub comments: Vec<String>,
    /// Lines at the left margin.
    pub globals: Vec<(&'static str, String)>,
    /// The services.
    pub sections: Vec<Section>,
}

impl Section {
    /// One that balances nothing yet.
    pub fn new(place: Place, v6: bool, key: String, protocol: &'static str) -> Section {
        Section { place, comments: Vec::new(), v6, key, protocol, reals: Vec::new(), lines: Vec::new() }
    }

    /// Adds a line.
    pub fn set(&mut self, directive: &'static str, value: impl Into<String>) {
        self.lines.push((directive, value.into()));
    }

    fn text(&self) -> String {
        let six = if self.v6 { "6" } else { "" };
        let mut text: String =
            self.comments.iter().map(|comment| format!("# {}\n", one_line(comment))).collect();
        let _ = writeln!(text, "virtual{six}={}", one_line(&self.key));
        for real in &self.reals {
            let _ = writeln!(text, "    real{six}={}", one_line(real));
        }
        for (directive, value) in &self.lines {
            let _ = writeln!(text, "    {directive}={}", one_line(value));
        }
        let _ = writeln!(text, "    protocol={}", self.protocol);
        text
    }
}

impl Director {
    /// The text of the file. Services that directord refuses are comments in it, and noted.
    pub fn text(&self, notes: &mut Notes) -> String {
        let names = AnyHost::load();
        let mut text: String =
            self.comments.iter().map(|comment| format!("# {}\n", one_line(comment))).collect();
        for (directive, value) in &self.globals {
            let _ = writeln!(text, "{directive}={}", one_line(value));
        }
        let mut known = BTreeSet::new();
        for section in &self.sections {
            let own = section.text();
            let why = match known.insert((section.protocol, section.v6, section.key.clone())) {
                false => Some("there is a service with this address already".to_owned()),
                true => refusal(&own, &names),
            };
            text.push('\n');
            match why {
                None => text.push_str(&own),
                Some(why) => {
                    let advice = "correct it in the written file, where it is a comment";
                    notes.lost(
                        section.place,
                        &section.key,
                        format!("directord would refuse it: {why}"),
                        advice,
                    );
                    let _ = writeln!(text, "# Not taken over: {}", one_line(&why));
                    own.lines().for_each(|line| text.push_str(&format!("# {line}\n")));
                }
            }
        }
        text
    }
}

/// What directord finds wrong with a file of this text alone.
fn refusal(text: &str, names: &dyn Names) -> Option<String> {
    match load_source(Source::new("ldirectord.cf", text), names) {
        Ok(_) => None,
        Err(LoadError::Refused(report)) => {
            let mut errors = report.diagnostics().iter().filter(|note| note.level == config::Level::Error);
            Some(errors.next().map_or_else(String::new, |note| note.message.clone()))
        }
        Err(error) => Some(error.to_string()),
    }
}

/// Nothing of what was imported begins a line of its own.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect()
}

/// A text in double quotes, if it can be in them.
pub fn quoted(text: &str) -> Option<String> {
    let right = !text.is_empty() && !text.contains('"') && !text.chars().any(char::is_control);
    right.then(|| format!("\"{text}\""))
}

/// `192.0.2.1:80`, `[2001:db8::1]:80`, `www:80`.
pub fn with_port(host: &str, port: &str) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.contains(':') { format!("[{bare}]:{port}") } else { format!("{bare}:{port}") }
}
