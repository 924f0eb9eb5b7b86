//! Lines of an `ldirectord.cf` → directives with their places.
//!
//! The old program's lines are accepted with the meaning they had. Where it refused a line whose meaning is
//! clear (a comment after a value, a blank line inside a section, two blanks of indentation, CR LF, a byte
//! order mark), the line is accepted too. What decides:
//!
//! * a line that is not indented is global, or opens a section (`virtual`, `virtual6`);
//! * an indented line belongs to the section above it, or is global where there is none yet;
//! * in a section `#` begins a comment anywhere outside quotes; in a global line only after a blank, because
//!   the old program took a glued `#` as part of a global value.

use config::{Diagnostic, Source, Span};

/// A piece of the file and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// The text.
    pub(super) text: &'a str,
    /// Where it stands.
    pub(super) span: Span,
}

impl<'a> Word<'a> {
    /// The bytes `start..end` of this word; both must be character borders inside it.
    pub(super) fn part(self, start: usize, end: usize) -> Word<'a> {
        Word {
            text: self.text.get(start..end).unwrap_or(""),
            span: Span::new(self.span.start + start, self.span.start + end),
        }
    }

    /// Without blanks at both ends.
    pub(super) fn trim(self) -> Word<'a> {
        let left = self.text.len() - self.text.trim_start_matches(blank).len();
        let right = self.text.trim_end_matches(blank).len();
        self.part(left, right.max(left))
    }

    /// The first word and the rest, both trimmed.
    pub(super) fn split_word(self) -> (Word<'a>, Word<'a>) {
        let word = self.trim();
        let end = word.text.find(blank).unwrap_or(word.text.len());
        (word.part(0, end), word.part(end, word.text.len()).trim())
    }
}

/// What the old program takes for a blank (`\s` of Perl on bytes); a no-break space is none.
pub(super) fn blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b'
}

/// One directive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// The word before `=`.
    pub(super) key: Word<'a>,
    /// The text behind `=`, without a comment and without blanks around it.
    pub(super) value: Word<'a>,
    /// Whether the line belongs to a section.
    pub(super) in_section: bool,
}

/// A directive as it is written: what every program that speaks about the file, and not only reads it, begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The word before `=`; perhaps one that nobody knows.
    pub directive: String,
    /// What stands behind `=`, quotes included.
    pub value: String,
    /// Whether it belongs to the `virtual` line above it.
    pub in_section: bool,
    /// From the directive to the end of its value.
    pub span: Span,
}

/// The directives of an `ldirectord.cf`, in order; lines without `=` are left out.
pub fn written(source: &Source) -> Vec<Written> {
    let written = |entry: Entry<'_>| Written {
        directive: entry.key.text.to_owned(),
        value: entry.value.text.to_owned(),
        in_section: entry.in_section,
        span: entry.key.span.to(entry.value.span),
    };
    lex(source, &mut Vec::new()).into_iter().map(written).collect()
}

/// All directives of a file, in order. Lines without `=` are reported.
pub(super) fn lex<'a>(source: &'a Source, notes: &mut Vec<Diagnostic>) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    let mut section_open = false;
    for (offset, text) in source.lines() {
        let line = Word { text, span: Span::new(offset, offset + text.len()) };
        let body = line.trim();
        if body.text.is_empty() || body.text.starts_with('#') {
            continue;
        }
        let indented = body.span.start > line.span.start;
        let opens = opens_section(body.text);
        let in_section = indented && section_open && !opens;
        let body = without_comment(body, in_section || opens);
        if let Some(entry) = entry(body, in_section, notes) {
            entries.push(entry);
        }
        section_open |= opens;
    }
    entries
}

/// Whether a line begins with `virtual =` or `virtual6 =`.
fn opens_section(text: &str) -> bool {
    let rest = text.strip_prefix("virtual").map(|rest| rest.strip_prefix('6').unwrap_or(rest));
    rest.is_some_and(|rest| rest.trim_start_matches(blank).starts_with('='))
}

/// Cuts a comment off. A `#` inside quotes (an odd number of them before it) is text.
fn without_comment(line: Word<'_>, glued: bool) -> Word<'_> {
    let mut quotes = 0usize;
    let mut before = ' ';
    for (at, c) in line.text.char_indices() {
        match c {
            '"' => quotes += 1,
            '#' if quotes % 2 == 0 && (glued || blank(before) || before == '"') => {
                return line.part(0, at).trim();
            }
            _ => {}
        }
        before = c;
    }
    line
}

fn entry<'a>(line: Word<'a>, in_section: bool, notes: &mut Vec<Diagnostic>) -> Option<Entry<'a>> {
    let Some(equals) = line.text.find('=') else {
        if line.text == "supervised" && !in_section {
            notes.push(
                Diagnostic::warning(line.span, "supervised without a value means yes")
                    .help("write supervised=yes"),
            );
            return Some(Entry { key: line, value: Word { text: "yes", ..line }, in_section });
        }
        notes.push(no_equals(line));
        return None;
    };
    let key = line.part(0, equals).trim();
    if key.text.is_empty() || key.text.contains(blank) {
        notes.push(no_equals(line));
        return None;
    }
    Some(Entry { key, value: line.part(equals + 1, line.text.len()).trim(), in_section })
}

fn no_equals(line: Word<'_>) -> Diagnostic {
    let (first, rest) = line.split_word();
    let diagnostic = Diagnostic::error(line.span, "this line is not a directive");
    if first.text == "include" {
        return diagnostic.help("files cannot be included; write everything in one file");
    }
    match super::directive::find(first.text.trim_end_matches(':')) {
        Some(known) if !rest.text.is_empty() => {
            diagnostic.help(format!("write {}={}", known.name, rest.text.trim_start_matches(['=', ' '])))
        }
        _ => diagnostic.help("a directive is written name=value; a comment begins with #"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexed(text: &str) -> (Vec<(String, String, bool)>, Vec<String>) {
        let source = Source::new("t", text);
        let mut notes = Vec::new();
        let entries = lex(&source, &mut notes)
            .iter()
            .map(|e| {
                assert_eq!(source.slice(e.key.span), e.key.text);
                assert_eq!(source.slice(e.value.span), e.value.text);
                (e.key.text.to_owned(), e.value.text.to_owned(), e.in_section)
            })
            .collect();
        (entries, notes.into_iter().map(|n| n.message).collect())
    }

    fn values(text: &str) -> Vec<String> {
        lexed(text).0.into_iter().map(|(_, value, _)| value).collect()
    }

    #[test]
    fn sections_survive_blank_lines_comments_and_small_indents() {
        let text = "checktimeout = 3\nvirtual=192.0.2.1:80\n\n# c\n  real=a\n\t\n\t\tservice=http\nquiescent=no\n    x=1\n";
        let in_section: Vec<bool> = lexed(text).0.iter().map(|e| e.2).collect();
        assert_eq!(in_section, [false, false, true, true, false, true]);
    }

    #[test]
    fn indented_lines_before_any_section_are_global() {
        assert_eq!(
            lexed(" checktimeout=3\n  virtual=1:2\n real=x\n").0.iter().map(|e| e.2).collect::<Vec<_>>(),
            [false, false, true]
        );
    }

    #[test]
    fn comments_end_values_but_not_inside_quotes() {
        assert_eq!(
            values("virtual=1:2#x\n\ta=yes# c\n\tb=\"x#y\" # z\n\tc=\"a\" # say \"b\"\n"),
            ["1:2", "yes", "\"x#y\"", "\"a\""]
        );
    }

    #[test]
    fn a_glued_hash_is_part_of_a_global_value() {
        assert_eq!(values("a=b#c # d\nlogfile=\"x\"#e\n"), ["b#c", "\"x\""]);
    }

    #[test]
    fn carriage_returns_byte_order_mark_and_missing_final_newline() {
        assert_eq!(values("\u{feff}a=1\r\n\r\nb = 2 \r\nc=3"), ["1", "2", "3"]);
    }

    #[test]
    fn supervised_alone_means_yes() {
        let source = Source::new("t", "supervised \nvirtual=192.0.2.1:80\n\tsupervised\n");
        let mut notes = Vec::new();
        let entries = lex(&source, &mut notes);
        assert_eq!((entries[0].key.text, entries[0].value.text), ("supervised", "yes"));
        assert_eq!(notes[0].message, "supervised without a value means yes");
        assert_eq!((entries.len(), notes[1].message.as_str()), (2, "this line is not a directive"));
    }

    #[test]
    fn lines_that_are_no_directives_are_reported() {
        let (entries, notes) = lexed("include /etc/x\nchecktimeout 3\n=5\nfoo bar=1\n");
        assert!(entries.is_empty());
        assert_eq!(notes.len(), 4);
    }
}
