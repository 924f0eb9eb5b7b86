//! What every configuration parser of the suite shares: the text of a file with its positions, and
//! diagnostics that show an administrator the place, what was found there, and what is valid.
//!
//! A parser reads a [`Source`], collects [`Diagnostic`]s in a [`Report`] as it goes (all of a file's
//! errors in one run), and its caller asks [`Report::has_errors`] before it uses the result.
//!
//! ```
//! use config::{Diagnostic, Report, Source};
//! let source = Source::new("ha.cf", "keepalive 2\ndeadtim 10\n");
//! let mut report = Report::new(source);
//! let span = report.source().span_of_word(12, 19);
//! report.push(Diagnostic::error(span, "unknown directive \"deadtim\"").help("did you mean \"deadtime\"?"));
//! assert!(report.has_errors());
//! assert_eq!(report.lines().next().unwrap(), "ha.cf:2:1: error: unknown directive \"deadtim\"; did you mean \"deadtime\"?");
//! ```
#![forbid(unsafe_code)]

mod diagnostic;
mod source;
mod word;

pub use diagnostic::{Diagnostic, Level, Report, Told};
pub use source::{Position, Source, Span};
pub use word::{nearest, parse_bool};
