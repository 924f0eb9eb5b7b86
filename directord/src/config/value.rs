//! Values behind `=`: numbers, yes/no, quoted texts, words of a list.

use super::lexer::{Word, blank};
use config::{Diagnostic, nearest};

/// Where the messages of a parse are collected.
pub(super) type Notes = Vec<Diagnostic>;

/// A whole number, read like the old program: the first digits of the value. Anything around them is
/// reported, since `500ms` means 500 seconds there.
pub(super) fn number(key: &str, value: Word<'_>, zero_allowed: bool, notes: &mut Notes) -> Option<u32> {
    let example = format!("a whole number, for example {key}=10");
    let Some(start) = value.text.find(|c: char| c.is_ascii_digit()) else {
        notes.push(
            Diagnostic::error(value.span, format!("{key} needs a number{}", found(value))).help(example),
        );
        return None;
    };
    let tail = value.text.get(start..).unwrap_or("");
    let digits = tail.split(|c: char| !c.is_ascii_digit()).next().unwrap_or("");
    let Ok(number) = digits.parse::<u32>() else {
        notes.push(Diagnostic::error(value.span, format!("{digits} is too large for {key}")).help(example));
        return None;
    };
    if number == 0 && !zero_allowed {
        let read = if value.text == "0" { "" } else { ": only the first digits count" };
        notes.push(Diagnostic::error(value.span, format!("{key} cannot be 0{read}")).help(example));
        return None;
    }
    if digits != value.text {
        notes.push(
            Diagnostic::warning(value.span, format!("{key}: \"{}\" is read as {number}", value.text))
                .help("only the first digits of the value count, as in ldirectord"),
        );
    }
    Some(number)
}

/// `yes` or `no`.
pub(super) fn yes_no(key: &str, value: Word<'_>, notes: &mut Notes) -> Option<bool> {
    match value.text {
        "yes" => Some(true),
        "no" => Some(false),
        _ => {
            let help = match nearest(unquoted_text(value.text), ["yes", "no"]) {
                Some(word) => format!("write {key}={word}"),
                None => format!("write {key}=yes or {key}=no"),
            };
            let message = format!("{key} must be yes or no{}", found(value));
            notes.push(
                odd_blank(Diagnostic::error(value.span, message), value.text)
                    .help(help)
                    .valid(&["yes", "no"]),
            );
            None
        }
    }
}

/// A text in double quotes, from the first to the last quote of the line. Without quotes the whole value is
/// taken. The result may be empty.
pub(super) fn quoted<'a>(key: &str, value: Word<'a>, notes: &mut Notes) -> Option<Word<'a>> {
    if let Some(quote) =
        value.text.chars().next().filter(|c| "\u{201c}\u{201d}\u{201e}\u{2018}\u{2019}\u{ab}".contains(*c))
    {
        notes.push(
            Diagnostic::error(value.span, format!("{quote} is a typographic quote, not a quote"))
                .help(format!("write {key}=\"...\" with plain quotes (\")")),
        );
        return None;
    }
    if !value.text.starts_with('"') {
        return Some(value);
    }
    match value.text.rfind('"') {
        Some(end) if end > 0 => {
            let rest = value.part(end + 1, value.text.len()).trim();
            if !rest.text.is_empty() {
                notes.push(Diagnostic::warning(rest.span, "text after the closing quote is ignored"));
            }
            Some(value.part(1, end))
        }
        _ => {
            notes.push(
                Diagnostic::error(value.span, "the closing quote is missing")
                    .help(format!("write {key}=\"...\"")),
            );
            None
        }
    }
}

/// A quoted text that must not be empty.
pub(super) fn text<'a>(key: &str, value: Word<'a>, notes: &mut Notes) -> Option<Word<'a>> {
    let word = quoted(key, value, notes)?;
    if word.text.is_empty() {
        notes.push(
            Diagnostic::error(value.span, format!("{key} is empty"))
                .help("leave the line out to have the default"),
        );
        return None;
    }
    Some(word)
}

/// The first word, quotes removed; more words are reported and ignored.
pub(super) fn first_word<'a>(key: &str, value: Word<'a>, notes: &mut Notes) -> Option<Word<'a>> {
    let (word, rest) = text(key, value, notes)?.split_word();
    ignored(rest, notes);
    Some(word)
}

/// Reports words behind a value.
pub(super) fn ignored(rest: Word<'_>, notes: &mut Notes) {
    if !rest.text.is_empty() {
        notes.push(Diagnostic::warning(rest.span, format!("\"{}\" is ignored", rest.text)));
    }
}

/// The error for a word that is not in a list, with the list and the nearest of it.
pub(super) fn not_in_list(what: &str, word: Word<'_>, list: &'static [&'static str]) -> Diagnostic {
    let valid = list.join(" ");
    let help = match nearest(word.text, list.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"? valid: {valid}"),
        None => format!("valid: {valid}"),
    };
    let message = format!("\"{}\" is not a {what}", word.text);
    odd_blank(Diagnostic::error(word.span, message), word.text).help(help).valid(list)
}

/// `, found "x"`, or nothing for an empty value.
pub(super) fn found(value: Word<'_>) -> String {
    if value.text.is_empty() {
        ", but nothing is written".into()
    } else {
        format!(", found \"{}\"", value.text)
    }
}

/// The text without quotes around it.
fn unquoted_text(text: &str) -> &str {
    text.split(blank).next().unwrap_or("").trim_matches('"')
}

/// Points out blanks that are none: they look right on a screen.
fn odd_blank(diagnostic: Diagnostic, text: &str) -> Diagnostic {
    match text.chars().find(|c| c.is_whitespace() && !c.is_ascii()) {
        Some('\u{3000}') => diagnostic.label("holds a full-width space (U+3000)"),
        Some(c) => diagnostic.label(format!("holds a special blank (U+{:04X})", c as u32)),
        None => diagnostic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::{Level, Span};

    fn word(text: &str) -> Word<'_> {
        Word { text, span: Span::new(0, text.len()) }
    }

    #[test]
    fn numbers_are_read_like_ldirectord() {
        for (text, expected, notes) in [
            ("3", Some(3), 0),
            ("3s", Some(3), 1),
            ("-3", Some(3), 1),
            ("x3", Some(3), 1),
            ("0.5", None, 1),
            ("0", None, 1),
            ("fast", None, 1),
            ("", None, 1),
            ("99999999999", None, 1),
        ] {
            let mut found = Vec::new();
            assert_eq!(number("checktimeout", word(text), false, &mut found), expected, "{text}");
            assert_eq!(found.len(), notes, "{text}");
        }
    }

    #[test]
    fn yes_and_no_only() {
        let mut notes = Vec::new();
        assert_eq!(yes_no("quiescent", word("yes"), &mut notes), Some(true));
        assert_eq!(yes_no("quiescent", word("no"), &mut notes), Some(false));
        assert!(notes.is_empty());
        for text in ["Yes", "\"no\"", "yes\u{3000}", "true", ""] {
            assert_eq!(yes_no("quiescent", word(text), &mut notes), None, "{text}");
        }
        assert_eq!(notes[0].help.as_deref(), Some("write quiescent=yes"));
        assert_eq!(notes[2].label.as_deref(), Some("holds a full-width space (U+3000)"));
    }

    #[test]
    fn quotes_reach_to_the_last_one() {
        let mut notes = Vec::new();
        assert_eq!(quoted("receive", word(r#""a "b" c""#), &mut notes).unwrap().text, r#"a "b" c"#);
        assert_eq!(quoted("receive", word("plain"), &mut notes).unwrap().text, "plain");
        assert!(notes.is_empty());
        assert_eq!(quoted("receive", word(r#""a" b"#), &mut notes).unwrap().text, "a");
        assert_eq!(notes[0].level, Level::Warning);
        assert_eq!(quoted("receive", word("\"a"), &mut notes), None);
        assert_eq!(quoted("receive", word("\u{201c}a\u{201d}"), &mut notes), None);
        assert_eq!(text("receive", word("\"\""), &mut notes), None);
        assert_eq!(notes.len(), 4);
    }
}
