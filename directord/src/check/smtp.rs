//! Services `smtp` and `submission`: a good greeting, and EHLO or else HELO accepted. Nothing is mailed, nobody logs
//! in, and the connection stays plain.

use super::link::{Link, Progress};
use super::{Dialogue, Outcome, reply};

/// The name given is the one that ldirectord gave: servers that are picky about it have been told of it.
const NAME: &str = "localhost.localdomain";

/// Greets.
pub(super) async fn check(dialogue: &Dialogue) -> Outcome {
    let progress = Progress::default();
    progress.within(dialogue.timeout, talk(dialogue, &progress)).await
}

async fn talk(dialogue: &Dialogue, progress: &Progress) -> Result<Outcome, Outcome> {
    let mut link = Link::open(dialogue.to, progress).await?;
    reply::read(&mut link).await?.numbered()?.expect(&[2])?;
    let mut answer = reply::ask(&mut link, &format!("EHLO {NAME}")).await?;
    if answer.class() == 5 {
        answer = reply::ask(&mut link, &format!("HELO {NAME}")).await?; // a server from before 1995
    }
    answer.numbered()?.expect(&[2])?;
    link.farewell("QUIT");
    Ok(Outcome::Passed)
}
