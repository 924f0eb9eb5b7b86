//! What is said about a line of a file, and how it is shown.

use config::{Diagnostic, Level, Report, Source, Span};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// How much it matters. The greater ones are shown first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It means the same as before.
    Same,
    /// It means the same as before, and its author should look at it anyway.
    Look,
    /// It works, but not as before.
    Differs,
    /// As it is it does not work with the new programs.
    Change,
    /// What is imported has nothing that does the same.
    Lost,
}

impl Verdict {
    /// As a headline.
    fn title(self) -> &'static str {
        match self {
            Self::Lost => "has no equivalent",
            Self::Change => "must change",
            Self::Differs => "differs",
            Self::Look => "worth a look",
            Self::Same => "the same",
        }
    }
}

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub verdict: Verdict,
    /// From 1; nothing when it is about the file as a whole.
    pub line: Option<usize>,
    /// In characters, from 1.
    pub column: Option<usize>,
    /// The directive, resource or variable it is about.
    pub subject: Option<String>,
    /// What is the case.
    pub message: String,
    /// What to do, or what is valid.
    pub advice: Option<String>,
}

/// Everything about one file.
#[derive(Clone, Debug, Serialize)]
pub struct FileFindings {
    /// Its path.
    pub file: PathBuf,
    /// In the order of the lines.
    pub findings: Vec<Finding>,
    #[serde(skip)]
    source: Source,
}

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The node for which the files were read.
    pub node: String,
    /// How many findings there are of each verdict.
    pub counts: BTreeMap<&'static str, usize>,
    /// In the order in which they were read.
    pub files: Vec<FileFindings>,
}

impl FileFindings {
    /// What the parser says of a file: what it refuses must change, what it warns of is worth a look.
    pub fn of(report: &Report) -> FileFindings {
        let mut file = FileFindings::new(report.source().clone());
        for diagnostic in report.diagnostics() {
            file.diagnostic(diagnostic);
        }
        file
    }

    /// A file of which nothing is known yet.
    pub fn new(source: Source) -> FileFindings {
        FileFindings { file: source.name().to_owned(), findings: Vec::new(), source }
    }

    /// The file's text.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Takes over what a parser says.
    pub fn diagnostic(&mut self, diagnostic: &Diagnostic) {
        let verdict = match diagnostic.level {
            Level::Error => Verdict::Change,
            Level::Warning => Verdict::Look,
        };
        self.add(verdict, diagnostic.span, None, &diagnostic.message, diagnostic.help.as_deref());
    }

    /// Adds one finding.
    pub fn add(
        &mut self,
        verdict: Verdict,
        span: Option<Span>,
        subject: Option<&str>,
        message: impl Into<String>,
        advice: Option<&str>,
    ) {
        let place = span.map(|span| self.source.position(span.start));
        self.findings.push(Finding {
            verdict,
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            subject: subject.map(str::to_owned),
            message: message.into(),
            advice: advice.map(str::to_owned),
        });
    }

    /// A line that means what it meant, unless something else is said of it.
    pub fn same(&mut self, span: Span, subject: &str) {
        let line = self.source.position(span.start).line;
        if !self.findings.iter().any(|finding| finding.line == Some(line) && finding.verdict > Verdict::Look)
        {
            self.add(Verdict::Same, Some(span), Some(subject), "means what it meant", None);
        }
    }

    /// In the order of the lines, what is about the whole file first.
    pub fn sort(&mut self) {
        self.findings.sort_by_key(|finding| (finding.line, finding.column));
    }

    fn text(&self, out: &mut String, verbose: bool) {
        let _ = writeln!(out, "{}", self.file.display());
        for verdict in [Verdict::Lost, Verdict::Change, Verdict::Differs, Verdict::Look, Verdict::Same] {
            let mut found = self.findings.iter().filter(|finding| finding.verdict == verdict).peekable();
            if found.peek().is_none() {
                continue;
            }
            if verdict == Verdict::Same && !verbose {
                let _ = writeln!(out, "  {}: {}", verdict.title(), subjects(found));
                continue;
            }
            let _ = writeln!(out, "  {}:", verdict.title());
            found.for_each(|finding| finding.text(out));
        }
        out.push('\n');
    }
}

impl Finding {
    fn text(&self, out: &mut String) {
        let place = match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{line}:{column}"),
            _ => "-".to_owned(),
        };
        let subject = self.subject.as_ref().map(|subject| format!("{subject}: ")).unwrap_or_default();
        let _ = writeln!(out, "    {place:>6}  {subject}{}", self.message);
        if let Some(advice) = &self.advice {
            let _ = writeln!(out, "            {advice}");
        }
    }
}

/// Each subject once, with how often it is there.
fn subjects<'a>(findings: impl Iterator<Item = &'a Finding>) -> String {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for subject in findings.filter_map(|finding| finding.subject.as_deref()) {
        match counted.iter_mut().find(|(known, _)| *known == subject) {
            Some((_, count)) => *count += 1,
            None => counted.push((subject, 1)),
        }
    }
    let one = |(subject, count): &(&str, usize)| match count {
        1 => (*subject).to_owned(),
        _ => format!("{subject} ({count})"),
    };
    counted.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl Summary {
    /// Over these files, read for this node.
    pub fn new(node: String, mut files: Vec<FileFindings>) -> Summary {
        let mut counts =
            BTreeMap::from([("lost", 0), ("change", 0), ("differs", 0), ("look", 0), ("same", 0)]);
        for file in &mut files {
            file.sort();
            for finding in &file.findings {
                let name = match finding.verdict {
                    Verdict::Lost => "lost",
                    Verdict::Change => "change",
                    Verdict::Differs => "differs",
                    Verdict::Look => "look",
                    Verdict::Same => "same",
                };
                *counts.entry(name).or_default() += 1;
            }
        }
        Summary { node, counts, files }
    }

    /// Whether anything must change.
    pub fn must_change(&self) -> bool {
        self.count("change") > 0
    }

    /// Whether anything was not taken over.
    pub fn loses(&self) -> bool {
        self.count("lost") > 0
    }

    fn count(&self, name: &str) -> usize {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// One line, as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string(self)
            .map_or_else(|error| format!("{{\"error\":\"{error}\"}}\n"), |text| text + "\n")
    }

    /// For people.
    pub fn text(&self, verbose: bool) -> String {
        let mut text = format!("Read for the node {}.\n\n", self.node);
        self.files.iter().for_each(|file| file.text(&mut text, verbose));
        if self.count("lost") > 0 {
            let _ = write!(text, "{} without equivalent, ", self.count("lost"));
        }
        let _ = writeln!(
            text,
            "{} must change, {} behave differently, {} worth a look, {} the same",
            self.count("change"),
            self.count("differs"),
            self.count("look"),
            self.count("same")
        );
        text
    }
}
