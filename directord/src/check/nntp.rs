//! Service `nntp`: the server greets with a number that begins with 2 (RFC 3977 section 5.1: 200 and 201).

use super::link::{Link, Progress};
use super::outcome::excerpt;
use super::{Dialogue, Outcome};

/// Reads the greeting.
pub(super) async fn check(dialogue: &Dialogue) -> Outcome {
    let progress = Progress::default();
    progress.within(dialogue.timeout, talk(dialogue, &progress)).await
}

async fn talk(dialogue: &Dialogue, progress: &Progress) -> Result<Outcome, Outcome> {
    let mut link = Link::open(dialogue.to, progress).await?;
    let greeting = link.line().await?;
    let outcome = judge(&greeting);
    if outcome.passed() {
        link.farewell("QUIT");
    }
    Ok(outcome)
}

/// What a greeting means.
fn judge(greeting: &[u8]) -> Outcome {
    match greeting.first() {
        Some(b'2') => Outcome::Passed, // the rest is not looked at, as in ldirectord
        Some(b'1'..=b'5') => Outcome::Declined(excerpt(greeting)),
        _ => Outcome::Garbled(format!("\"{}\" is no greeting", excerpt(greeting))),
    }
}
