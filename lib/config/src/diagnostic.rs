//! Diagnostics: what is wrong, where, and what would be right.

use crate::{Source, Span};
use annotate_snippets::{AnnotationKind, Level as Title, Renderer, Snippet};
use serde::Serialize;
use std::fmt::Write as _;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The file is used, but its author should look.
    Warning,
    /// The file is refused.
    Error,
}

/// One thing to say about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub level: Level,
    /// The text it is about; `None` when it is about the file as a whole (a missing directive, its mode).
    pub span: Option<Span>,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What is written under the underlined text.
    pub label: Option<String>,
    /// What is valid, or what to do.
    pub help: Option<String>,
    /// The valid words, where there is a list of them; [`Diagnostic::help`] has them, too.
    pub valid: &'static [&'static str],
}

/// One diagnostic for programs: the names are those of a JSON object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Error or warning.
    pub severity: Level,
    /// The file's name.
    pub file: String,
    /// Line, from 1; none when it is about the file as a whole.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// The text it is about.
    pub found: Option<String>,
    /// What is to be known of that text.
    pub note: Option<String>,
    /// The valid words, where there is a list of them.
    pub valid: &'static [&'static str],
    /// What is valid, or what to do.
    pub hint: Option<String>,
}

impl Told {
    /// That a file cannot be used at all.
    pub fn error(file: &str, message: &str) -> Told {
        Told {
            severity: Level::Error,
            file: file.to_owned(),
            line: None,
            column: None,
            message: message.to_owned(),
            found: None,
            note: None,
            valid: &[],
            hint: None,
        }
    }
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(span: impl Into<Option<Span>>, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            level: Level::Error,
            span: span.into(),
            message: message.into(),
            label: None,
            help: None,
            valid: &[],
        }
    }

    /// A warning at `span`.
    pub fn warning(span: impl Into<Option<Span>>, message: impl Into<String>) -> Diagnostic {
        Diagnostic { level: Level::Warning, ..Diagnostic::error(span, message) }
    }

    /// Adds what is written under the underlined text.
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = Some(label.into());
        self
    }

    /// Adds what is valid, or what to do.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Adds the list of valid words for programs.
    pub fn valid(mut self, words: &'static [&'static str]) -> Diagnostic {
        self.valid = words;
        self
    }
}

/// All that is to be said about one file.
#[derive(Clone, Debug)]
pub struct Report {
    source: Source,
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// An empty report on a file.
    pub fn new(source: Source) -> Report {
        Report { source, diagnostics: Vec::new() }
    }

    /// The file.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Warns of a byte order mark: the text behind it is read, but the old programs take the mark for a part of the first
    /// word.
    pub fn warn_of_mark(&mut self) {
        if let Some(mark) = self.source.mark() {
            let help = "save the file as UTF-8 without BOM: heartbeat 3.0.6 refuses to read it";
            let message = "the file begins with a byte order mark (U+FEFF), which is ignored";
            self.push(Diagnostic::warning(mark, message).help(help));
        }
    }

    /// Adds one diagnostic.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// All of them, in the order they were found.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Whether the file must be refused.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.level == Level::Error)
    }

    /// One line each, for a log: `file:line:column: error: message; help`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.diagnostics.iter().map(|d| {
            let mut line = self.source.name().display().to_string();
            if let Some(span) = d.span {
                let at = self.source.position(span.start);
                let _ = write!(line, ":{}:{}", at.line, at.column);
            }
            let level = match d.level {
                Level::Error => "error",
                Level::Warning => "warning",
            };
            let _ = write!(line, ": {level}: {}", d.message);
            if let Some(help) = &d.help {
                let _ = write!(line, "; {help}");
            }
            line
        })
    }

    /// For programs, in the same order.
    pub fn told(&self) -> impl Iterator<Item = Told> {
        self.diagnostics.iter().map(|d| {
            let at = d.span.map(|span| self.source.position(span.start));
            let found = d.span.map(|span| self.source.text().get(self.visible(span)).unwrap_or(""));
            Told {
                severity: d.level,
                file: self.source.name().display().to_string(),
                line: at.map(|at| at.line),
                column: at.map(|at| at.column),
                message: d.message.clone(),
                found: found.filter(|found| !found.is_empty()).map(str::to_owned),
                note: d.label.clone(),
                valid: d.valid,
                hint: d.help.clone(),
            }
        })
    }

    /// For a terminal: each diagnostic with its line of text, underlined.
    pub fn render(&self) -> String {
        let name = self.source.name().display().to_string();
        let text = self.source.text();
        self.diagnostics
            .iter()
            .map(|d| {
                let (title, word) = match d.level {
                    Level::Error => (Title::ERROR, "error"),
                    Level::Warning => (Title::WARNING, "warning"),
                };
                let Some(span) = d.span else {
                    let help = d.help.iter().map(|help| format!("\n  = help: {help}")).collect::<String>();
                    return format!("{word}: {name}: {}{help}\n", d.message);
                };
                let range = self.visible(span);
                let mut annotation = AnnotationKind::Primary.span(range);
                if let Some(label) = &d.label {
                    annotation = annotation.label(label.as_str());
                }
                let snippet = Snippet::source(text).path(name.as_str()).annotation(annotation);
                let mut group = title.primary_title(d.message.as_str()).element(snippet);
                if let Some(help) = &d.help {
                    group = group.element(Title::HELP.message(help.as_str()));
                }
                Renderer::plain().render(&[group]) + "\n"
            })
            .collect()
    }

    /// A span on character borders inside the text.
    fn visible(&self, span: Span) -> std::ops::Range<usize> {
        let text = self.source.text();
        let (mut start, mut end) = (span.start.min(text.len()), span.end.min(text.len()));
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        while !text.is_char_boundary(end) {
            end += 1;
        }
        start..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_line_column_text_and_help() {
        let mut report = Report::new(Source::new("ha.cf", "node a\nkeepalive 2x\n"));
        report.push(
            Diagnostic::error(Span::new(17, 19), "\"2x\" is not a time")
                .label("here")
                .help("a number, or with ms"),
        );
        let shown = report.render();
        for part in ["ha.cf:2:11", "keepalive 2x", "^^ here", "help: a number, or with ms"] {
            assert!(shown.contains(part), "{part:?} is missing in:\n{shown}");
        }
        assert_eq!(
            report.lines().collect::<Vec<_>>(),
            ["ha.cf:2:11: error: \"2x\" is not a time; a number, or with ms"]
        );
    }

    #[test]
    fn programs_get_the_place_what_was_found_and_what_is_valid() {
        let mut report = Report::new(Source::new("x.cf", "é=1\nmode=onn\n"));
        let wrong = Diagnostic::error(Span::new(10, 13), "\"onn\" is no mode").help("did you mean \"on\"?");
        report.push(wrong.valid(&["on", "off"]));
        report.push(Diagnostic::warning(None, "nothing is balanced"));
        let all: Vec<Told> = report.told().collect();
        assert_eq!((all[0].line, all[0].column, all[0].found.as_deref()), (Some(2), Some(6), Some("onn")));
        assert_eq!((all[0].severity, all[0].valid), (Level::Error, &["on", "off"][..]));
        assert_eq!(all[0].hint.as_deref(), Some("did you mean \"on\"?"));
        assert_eq!((all[1].severity, all[1].line, all[1].found.as_deref()), (Level::Warning, None, None));
    }

    #[test]
    fn a_warning_alone_does_not_refuse_the_file() {
        let mut report = Report::new(Source::new("x", ""));
        report.push(Diagnostic::warning(None, "no node").help("add one"));
        assert!(!report.has_errors());
        assert!(report.render().contains("x: no node"), "{}", report.render());
    }

    #[test]
    fn any_span_renders() {
        let mut report = Report::new(Source::new("x", "é\r\n\u{3000}ü"));
        for (start, end) in [(0, 1), (1, 99), (99, 200), (3, 3), (4, 5)] {
            report.push(Diagnostic::error(Span::new(start, end), "m"));
        }
        assert_eq!(report.lines().count(), 5);
        assert_eq!(report.told().count(), 5);
        assert!(!report.render().is_empty());
    }
}
