//! Regular expressions of `receive`: Perl's, on bytes, compiled when the file is loaded.

mod perl;

use crate::thread::pooled;
use memchr::memmem;
use pcre2::bytes::{Regex, RegexBuilder};
use serde::{Serialize, Serializer};
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A compiled expression. Two are equal if their texts are.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    /// `None` if the text is found as it is: it has no special character.
    regex: Option<Arc<Regex>>,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PatternError {
    /// The character where reading stopped, in bytes of the text; its last one if all was read.
    pub place: Range<usize>,
    /// What PCRE2 says.
    pub reason: String,
}

impl Pattern {
    /// Compiles an expression. Without modifiers, as ldirectord used them: case counts, `.` is no line feed,
    /// `$` also matches before a final line feed.
    pub fn new(text: &str) -> Result<Pattern, PatternError> {
        if !text.chars().any(|c| r"\^$.|?*+()[]{}".contains(c)) {
            return Ok(Pattern { text: text.into(), regex: None });
        }
        if let Some(known) = KNOWN.get(text) {
            return Ok(known);
        }
        let build = |text: &str| RegexBuilder::new().jit_if_available(true).build(text);
        let regex = build(text).or_else(|first| build(&perl::for_pcre2(text)).map_err(|_| first));
        let regex = regex.map_err(|error| PatternError {
            place: character(text, error.offset().unwrap_or(0)),
            reason: error.to_string().split(": ").last().unwrap_or("not a regular expression").to_owned(),
        })?;
        Ok(KNOWN.keep(Pattern { text: text.into(), regex: Some(Arc::new(regex)) }))
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether matching takes a time proportional to the text, however odd the text is.
    pub fn is_literal(&self) -> bool {
        self.regex.is_none()
    }

    /// Whether the expression is found anywhere in the bytes. An error is PCRE2 giving up (its match limit),
    /// which happens with nested repeats on hostile texts.
    pub fn is_match(&self, bytes: &[u8]) -> Result<bool, String> {
        match &self.regex {
            Some(regex) => regex.is_match(bytes).map_err(|error| error.to_string()),
            None => Ok(memmem::find(bytes, self.text.as_bytes()).is_some()),
        }
    }

    /// Like [`Pattern::is_match`], or in a single line of the bytes, on another thread where it could take long: an
    /// expression with repeats must not hold up the other checks.
    ///
    /// PCRE2 may take minutes for a hostile text and cannot be interrupted, so while it is at work on one answer of
    /// a server (`turn`) the next one of the same server is not looked at.
    pub(super) async fn is_found_in(&self, bytes: Vec<u8>, lines: bool, turn: &Turn) -> Result<bool, String> {
        if self.is_literal() {
            return self.is_match(&bytes); // it has no line feed
        }
        let Some(taken) = turn.take() else {
            return Err("it is still at work on an earlier answer".into());
        };
        let pattern = self.clone();
        let find = move || {
            let _taken = taken;
            if !lines {
                return pattern.is_match(&bytes);
            }
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                if pattern.is_match(line)? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        Box::pin(pooled(find)).await.unwrap_or_else(|| Err("the match was abandoned".into()))
    }
}

/// The character that a byte belongs to. PCRE2 counts bytes, and may stop in the middle of a character.
fn character(text: &str, byte: usize) -> Range<usize> {
    let at_or_before = text.char_indices().take_while(|(start, _)| *start <= byte).last();
    at_or_before.map_or(0..0, |(start, found)| start..start + found.len_utf8())
}

/// Compiled expressions take some ten kilobytes each, and thousands of servers have the same: those that somebody has.
struct Known(Mutex<Option<HashMap<Arc<str>, Weak<Regex>>>>);

static KNOWN: Known = Known(Mutex::new(None));

impl Known {
    fn get(&self, text: &str) -> Option<Pattern> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (text, regex) = known.as_ref()?.get_key_value(text)?;
        Some(Pattern { text: Arc::clone(text), regex: Some(regex.upgrade()?) })
    }

    fn keep(&self, pattern: Pattern) -> Pattern {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_default();
        known.retain(|_, regex| regex.strong_count() > 0);
        if let Some(regex) = &pattern.regex {
            known.insert(Arc::clone(&pattern.text), Arc::downgrade(regex));
        }
        pattern
    }
}

/// Lets one match run at a time.
#[derive(Debug, Default)]
pub(super) struct Turn(Arc<AtomicBool>);

/// A turn that is taken until this is dropped.
struct Taken(Arc<AtomicBool>);

impl Turn {
    /// Whether a match is at work.
    pub(super) fn is_taken(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn take(&self) -> Option<Taken> {
        (!self.0.swap(true, Ordering::Relaxed)).then(|| Taken(Arc::clone(&self.0)))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.text)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, bytes: &[u8]) -> bool {
        Pattern::new(pattern).unwrap().is_match(bytes).unwrap()
    }

    #[test]
    fn perl_semantics_on_bytes() {
        assert!(matches("^OK$", b"OK\n"));
        assert!(!matches("^OK$", b"x\nOK\n"));
        assert!(!matches("ok", b"OK"));
        assert!(matches("(?i)ok", b"OK"));
        assert!(!matches("a.b", b"a\nb"));
        assert!(matches(r"(?s)a.b", b"a\nb"));
        assert!(matches(r"(\w)\1(?!x)", b"aab"));
        assert!(matches("b", b"\xff\xfeb\x80"));
        assert!(matches(r"\x{e9}", b"\xe9"));
        assert!(matches(r"\Qa.b\E", b"a.b"));
        assert!(matches(r"^[\w-.]+$", b"a-b.c"));
        assert!(Pattern::new("plain text").unwrap().is_literal());
        assert!(!Pattern::new("a+").unwrap().is_literal());
    }

    #[test]
    fn errors_say_where() {
        let error = Pattern::new("ab(cd").unwrap_err();
        assert_eq!((error.place.clone(), error.reason.as_str()), (4..5, "missing closing parenthesis"));
        for text in ["(\u{e9}", "\u{e9}(\u{20ac}", "[\u{20ac}", "\u{20ac}\u{e9}\\"] {
            let place = Pattern::new(text).unwrap_err().place;
            assert!(
                text.get(place.clone()).is_some_and(|found| found.chars().count() == 1),
                "{text} {place:?}"
            );
        }
        assert!(Pattern::new("*a").is_err());
        assert!(Pattern::new("[z-a]").is_err());
    }

    #[test]
    fn a_runaway_expression_ends() {
        let pattern = Pattern::new("(a+)+$").unwrap();
        let hostile = [vec![b'a'; 4000], vec![b'b']].concat();
        let _ = pattern.is_match(&hostile); // either answer, but an answer
    }
}
