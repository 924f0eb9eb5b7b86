//! What the checks of databases have in common: their rows, and what servers say.

use super::outcome::excerpt;
use super::pattern::Turn;
use super::tls::Tls;
use super::{Dialogue, Outcome};

/// No more of a row is read, in bytes.
pub(super) const ROW_LIMIT: usize = 64 * 1024;
/// No more of a server's words is shown, in characters.
const WORDS_LIMIT: usize = 200;

/// The first row's values without those that are NULL: one of them must match `receive`, if there is one.
pub(super) async fn judge(dialogue: &Dialogue, values: Vec<Vec<u8>>, turn: &Turn) -> Outcome {
    let Some(pattern) = &dialogue.receive else { return Outcome::Passed };
    let shown = excerpt(&values.join(&b", "[..]));
    for value in values {
        match pattern.is_found_in(value, false, turn).await {
            Ok(true) => return Outcome::Passed,
            Ok(false) => {}
            Err(why) => return Outcome::MatchFailed(why),
        }
    }
    Outcome::NoMatch(shown)
}

/// A server's error on one line, with its code.
pub(super) fn declined(words: &[u8], code: &str) -> Outcome {
    let words = String::from_utf8_lossy(words);
    let words: String =
        words.chars().take(WORDS_LIMIT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    Outcome::Declined(format!("{} ({code})", words.trim()))
}

/// The TLS settings of a database's check, if it may need some.
pub(super) fn usable<'t>(tls: Option<Result<&'t Tls, &String>>) -> Result<Option<&'t Tls>, Outcome> {
    tls.transpose().map_err(|why| Outcome::NotRun(format!("TLS cannot be set up: {why}")))
}

/// What every database server must have when the section has `tlsverify`.
pub(super) fn no_tls() -> Outcome {
    Outcome::Tls("the server does not offer it, and the section has tlsverify".into())
}
