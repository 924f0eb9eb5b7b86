//! From text to logical lines of words, each with its place in the file.

use config::{Diagnostic, Report, Source, Span};

/// One word of a logical line.
pub(super) struct Word {
    /// Its characters, without a line break inside.
    pub(super) text: String,
    /// From its first to its last character in the file.
    pub(super) span: Span,
}

/// The logical lines that have words.
pub(super) fn lines(source: &Source, report: &mut Report) -> Vec<Vec<Word>> {
    let mut lines = Vec::new();
    let mut joined = Joined::default();
    for (offset, line) in source.lines() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let continued = joined.push(offset, line, report);
        if !continued {
            joined.finish(&mut lines, report);
        }
    }
    joined.finish(&mut lines, report);
    lines
}

/// Physical lines joined into one, with the place in the file of every character.
#[derive(Default)]
struct Joined {
    characters: Vec<(usize, char)>,
}

impl Joined {
    /// Adds a physical line without its comment; whether the next one belongs to it.
    fn push(&mut self, offset: usize, line: &str, report: &mut Report) -> bool {
        let (text, comment) =
            line.split_once('#').map_or((line, None), |(text, comment)| (text, Some(comment)));
        let (text, continued) = match text.strip_suffix('\\') {
            Some(text) if comment.is_none() => (text, true),
            _ => (text, false),
        };
        if let Some(comment) = comment.filter(|comment| comment.ends_with('\\')) {
            let at = offset + text.len() + 1 + comment.len() - 1;
            report.push(
                Diagnostic::warning(
                    Span::new(at, at + 1),
                    "this backslash is part of the comment and continues nothing",
                )
                .help("a comment ends with its line: put it above the group to continue the line"),
            );
        }
        let text = if continued { text } else { self.lost_backslash(offset, text, report) };
        self.characters.extend(text.char_indices().map(|(i, c)| (offset + i, c)));
        continued
    }

    /// A backslash that only blanks or a comment follow does not continue the line. It can never be a
    /// resource either, so it is reported as what it was meant to be.
    fn lost_backslash<'a>(&self, offset: usize, text: &'a str, report: &mut Report) -> &'a str {
        let Some(kept) = text.trim_end_matches([' ', '\t']).strip_suffix('\\') else { return text };
        let at = offset + kept.len();
        report.push(
            Diagnostic::error(Span::new(at, at + 1), "this backslash is not the last character of its line")
                .label("does not continue the line")
                .help("remove the blanks or the comment after it"),
        );
        kept
    }

    /// Ends the logical line.
    fn finish(&mut self, lines: &mut Vec<Vec<Word>>, report: &mut Report) {
        let words = self
            .characters
            .split(|(_, c)| matches!(c, ' ' | '\t'))
            .filter_map(|piece| {
                let ((start, _), (last, c)) = (piece.first()?, piece.last()?);
                let text = piece.iter().map(|(_, c)| c).collect();
                Some(Word { text, span: Span::new(*start, last + c.len_utf8()) })
            })
            .inspect(|word| invisible(word, report))
            .collect::<Vec<_>>();
        self.characters.clear();
        if !words.is_empty() {
            lines.push(words);
        }
    }
}

/// Characters that look like a blank, or like nothing, make a word that no script has as its name.
fn invisible(word: &Word, report: &mut Report) {
    let strange =
        |c: &char| c.is_control() || c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}');
    if let Some(c) = word.text.chars().find(strange) {
        report.push(
            Diagnostic::error(word.span, format!("the character U+{:04X} is inside this word", u32::from(c)))
                .help("only blanks and tabs separate words; retype the line, it was probably copied from a web page"),
        );
    }
}
