//! The text of one configuration file and positions in it.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// U+FEFF, the byte order mark.
const MARK: char = '\u{feff}';

/// Bytes `start..end` of a [`Source`]'s text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes `start..end`.
    pub fn new(start: usize, end: usize) -> Span {
        Span { start, end: end.max(start) }
    }

    /// The smallest span that holds both.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Span {
        Span::new(range.start, range.end)
    }
}

/// A place as people count it: both numbers start at 1, the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A file's name and text.
#[derive(Clone, Debug)]
pub struct Source {
    name: PathBuf,
    text: String,
}

impl Source {
    /// A text under the name that messages show.
    pub fn new(name: impl Into<PathBuf>, text: impl Into<String>) -> Source {
        Source { name: name.into(), text: text.into() }
    }

    /// Reads a file. Bytes that are not UTF-8 become U+FFFD: a comment in an old encoding is no reason to
    /// refuse a file that has worked for ten years.
    pub fn read(path: impl AsRef<Path>) -> io::Result<Source> {
        let bytes = std::fs::read(path.as_ref())?;
        Ok(Source::new(path.as_ref(), String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The name messages show, usually a path.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A span, cut to the text.
    pub fn span_of_word(&self, start: usize, end: usize) -> Span {
        let len = self.text.len();
        Span::new(start.min(len), end.min(len))
    }

    /// The text of a span; empty where it does not lie on character borders.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or("")
    }

    /// Line and column of a byte offset.
    pub fn position(&self, offset: usize) -> Position {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = self.text.get(..end).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        Position {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").trim_start_matches(MARK).chars().count() + 1,
        }
    }

    /// The byte order mark that editors of other systems put before the text: no part of a line.
    pub fn mark(&self) -> Option<Span> {
        self.text.starts_with(MARK).then(|| Span::new(0, MARK.len_utf8()))
    }

    /// Every line with the offset of its first byte, without its line feed (a CR before it stays) and without a byte
    /// order mark.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut offset = self.mark().map_or(0, |mark| mark.end);
        let text = self.text.get(offset..).unwrap_or("");
        text.split_inclusive('\n').map(move |line| {
            let start = offset;
            offset += line.len();
            (start, line.strip_suffix('\n').unwrap_or(line))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_line() {
        let source = Source::new("ha.cf", "\u{feff}node a\nbcast b\n");
        assert_eq!(source.lines().collect::<Vec<_>>(), [(3, "node a"), (10, "bcast b")]);
        assert_eq!(source.position(3), Position { line: 1, column: 1 });
        assert_eq!(source.position(8), Position { line: 1, column: 6 });
        assert_eq!((source.slice(Span::new(3, 7)), source.mark().is_some()), ("node", true));
        assert_eq!(Source::new("ha.cf", "node\u{feff}").mark(), None);
    }
}
