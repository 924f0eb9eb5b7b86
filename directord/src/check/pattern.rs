//! Regular expressions of `receive`: Perl's, on bytes, compiled when the file is loaded.

use pcre2::bytes::{Regex, RegexBuilder};
use serde::{Serialize, Serializer};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A compiled expression. Two are equal if their texts are.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    regex: Arc<Regex>,
    literal: bool,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PatternError {
    /// Byte of the text where reading stopped.
    pub offset: usize,
    /// What PCRE2 says.
    pub reason: String,
}

impl Pattern {
    /// Compiles an expression. Without modifiers, as ldirectord used them: case counts, `.` is no line feed,
    /// `$` also matches before a final line feed.
    pub fn new(text: &str) -> Result<Pattern, PatternError> {
        let build = |text: &str| RegexBuilder::new().jit_if_available(true).build(text);
        let regex = build(text).or_else(|first| build(&hyphens_escaped(text)).map_err(|_| first));
        let regex = regex.map_err(|error| PatternError {
            offset: error.offset().unwrap_or(0).min(text.len()),
            reason: error.to_string().split(": ").last().unwrap_or("not a regular expression").to_owned(),
        })?;
        let literal = !text.chars().any(|c| r"\^$.|?*+()[]{}".contains(c));
        Ok(Pattern { text: text.into(), regex: Arc::new(regex), literal })
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether matching takes a time proportional to the text, however odd the text is.
    pub fn is_literal(&self) -> bool {
        self.literal
    }

    /// Whether the expression is found anywhere in the bytes. An error is PCRE2 giving up (its match limit),
    /// which happens with nested repeats on hostile texts.
    pub fn is_match(&self, bytes: &[u8]) -> Result<bool, String> {
        self.regex.is_match(bytes).map_err(|error| error.to_string())
    }

    /// Like [`Pattern::is_match`], or in a single line of the bytes, on another thread where it could take long: an
    /// expression with repeats must not hold up the other checks.
    ///
    /// PCRE2 may take minutes for a hostile text and cannot be interrupted, so while it is at work on one answer of
    /// a server (`turn`) the next one of the same server is not looked at.
    pub(super) async fn is_found_in(&self, bytes: Vec<u8>, lines: bool, turn: &Turn) -> Result<bool, String> {
        if self.literal {
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
        let found = tokio::task::spawn_blocking(find).await;
        found.unwrap_or_else(|_| Err("the match was abandoned".into()))
    }
}

/// Lets one match run at a time.
#[derive(Debug, Default)]
pub(super) struct Turn(Arc<AtomicBool>);

/// A turn that is taken until this is dropped.
struct Taken(Arc<AtomicBool>);

impl Turn {
    fn take(&self) -> Option<Taken> {
        (!self.0.swap(true, Ordering::Relaxed)).then(|| Taken(Arc::clone(&self.0)))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Perl takes `[\w-.]` with a warning, PCRE2 refuses it: a hyphen beside a class escape is a plain hyphen.
fn hyphens_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    let mut inside = false;
    let mut after_class = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                out.push(c);
                let escaped = chars.next();
                out.extend(escaped);
                after_class = inside && escaped.is_some_and(|c| "wWdDsShHvV".contains(c));
                continue;
            }
            '[' => inside = true,
            ']' => inside = false,
            '-' if after_class => out.push('\\'),
            _ => {}
        }
        after_class = false;
        out.push(c);
    }
    out
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
        assert_eq!((error.offset, error.reason.as_str()), (5, "missing closing parenthesis"));
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
