//! Words of `ha.cf`: `#` starts a comment anywhere; words are separated by blanks, tabs or commas.

use config::{Source, Span};

/// A word and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) span: Span,
}

/// A directive with its values, never empty.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    pub(super) directive: Word<'a>,
    pub(super) values: Vec<Word<'a>>,
    /// Everything behind the directive, without the comment and the blanks around it.
    pub(super) rest: Word<'a>,
}

/// The lines of a file that say something.
pub(super) fn lines(source: &Source) -> Vec<Line<'_>> {
    source.lines().filter_map(|(start, text)| line(start, text)).collect()
}

/// A line of `ha.cf` as it is written: what every program that speaks about the file, and not only reads it, begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The directive; perhaps one that nobody knows.
    pub directive: String,
    /// Its values, in order.
    pub values: Vec<String>,
    /// From the directive to the last value.
    pub span: Span,
}

/// The lines of an `ha.cf` that say something, in order.
pub fn written(source: &Source) -> Vec<Written> {
    let written = |line: Line<'_>| Written {
        directive: line.directive.text.to_owned(),
        values: line.values.iter().map(|word| word.text.to_owned()).collect(),
        span: line.values.last().map_or(line.directive.span, |last| line.directive.span.to(last.span)),
    };
    lines(source).into_iter().map(written).collect()
}

/// Where a word is a value of one of these directives first.
pub(crate) fn place(source: &Source, directives: &[&str], word: &str) -> Option<Span> {
    let lines = lines(source);
    let mut of_these = lines.iter().filter(|line| directives.contains(&line.directive.text));
    of_these.find_map(|line| line.values.iter().find(|value| value.text == word)).map(|value| value.span)
}

fn line(start: usize, text: &str) -> Option<Line<'_>> {
    let text = text.split('#').next().unwrap_or("");
    let mut words = words(start, text).into_iter();
    let directive = words.next()?;
    let values: Vec<Word<'_>> = words.collect();
    let behind = text.get(directive.span.end - start..).unwrap_or("");
    let rest = behind.trim_matches(separates);
    let indent = behind.len() - behind.trim_start_matches(separates).len();
    let at = directive.span.end + indent;
    Some(Line { directive, values, rest: Word { text: rest, span: Span::new(at, at + rest.len()) } })
}

fn words(start: usize, text: &str) -> Vec<Word<'_>> {
    let mut offset = 0;
    text.split_inclusive(separates)
        .filter_map(|piece| {
            let at = start + offset;
            offset += piece.len();
            let text = piece.trim_end_matches(separates);
            (!text.is_empty()).then(|| Word { text, span: Span::new(at, at + text.len()) })
        })
        .collect()
}

/// Blanks as C's `isspace` knows them (a file with DOS line ends works), and the comma.
fn separates(c: char) -> bool {
    matches!(c, ' ' | '\t' | ',' | '\r' | '\x0b' | '\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_separated_by_blanks_and_commas_and_end_at_the_comment() {
        let source = Source::new("ha.cf", "# all\n\tnode alpha,beta  gamma# delta\r\n\nbcast eth0\r\n");
        let lines = lines(&source);
        assert_eq!(lines.len(), 2);
        let said: Vec<&str> = lines[0].values.iter().map(|w| w.text).collect();
        assert_eq!(said, ["alpha", "beta", "gamma"]);
        assert_eq!(lines[0].rest.text, "alpha,beta  gamma");
        for word in lines.iter().flat_map(|l| l.values.iter().chain([&l.directive, &l.rest])) {
            assert_eq!(source.slice(word.span), word.text);
        }
        assert_eq!(lines[1].values[0].text, "eth0");
    }
}
