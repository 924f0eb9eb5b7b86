//! Service `simpletcp`: a text is sent, a line of the answer must match. For UDP services one datagram each way.

use super::link::Progress;
use super::outcome::excerpt;
use super::pattern::Turn;
use super::{Outcome, SimpleTcp, source};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// No more of an answer is read.
const ANSWER_LIMIT: usize = 256 * 1024;

/// Asks and reads until a line matches.
pub(super) async fn check(probe: &SimpleTcp, turn: &Turn) -> Outcome {
    let progress = Progress::default();
    let talk = async {
        let talked = match probe.udp {
            true => datagram(probe, &progress, turn).await,
            false => stream(probe, &progress, turn).await,
        };
        talked.map_err(|error| Outcome::of_io(&error))
    };
    progress.within(probe.timeout, talk).await
}

async fn stream(probe: &SimpleTcp, progress: &Progress, turn: &Turn) -> std::io::Result<Outcome> {
    let mut stream = source::stream(probe.to).await?;
    progress.connected();
    stream.write_all(probe.request.as_bytes()).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    let mut looked_at = 0;
    let mut piece = [0; 4096];
    loop {
        let read = match stream.read(&mut piece).await {
            // It has answered, and closed without reading the request.
            Err(_) if !answer.is_empty() => 0,
            read => read?,
        };
        answer.extend_from_slice(piece.get(..read).unwrap_or(&[]));
        if read > 0 {
            progress.answered();
        }
        let ended = read == 0 || answer.len() >= ANSWER_LIMIT;
        let complete = answer.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let until = if ended { answer.len() } else { complete };
        let lines = answer.get(looked_at..until).unwrap_or(&[]);
        if let Some(outcome) = find(probe, lines, turn).await {
            return Ok(outcome);
        }
        looked_at = until;
        if ended {
            return Ok(if answer.is_empty() { Outcome::Closed } else { Outcome::NoMatch(excerpt(&answer)) });
        }
    }
}

async fn datagram(probe: &SimpleTcp, progress: &Progress, turn: &Turn) -> std::io::Result<Outcome> {
    #[cfg(feature = "fuzzing")]
    if let Some(datagrams) = super::fuzzing::datagrams() {
        let answer = datagrams.concat();
        let found = find(probe, &answer, turn).await;
        return Ok(found.unwrap_or_else(|| Outcome::NoMatch(excerpt(&answer))));
    }
    let socket = source::datagrams(probe.to).await?;
    progress.connected();
    socket.send(probe.request.as_bytes()).await?;
    let mut answer = vec![0; 65536];
    let read = socket.recv(&mut answer).await?;
    answer.truncate(read);
    let found = find(probe, &answer, turn).await;
    Ok(found.unwrap_or_else(|| Outcome::NoMatch(excerpt(&answer))))
}

/// Looks for a line that matches; without an expression any line does.
async fn find(probe: &SimpleTcp, lines: &[u8], turn: &Turn) -> Option<Outcome> {
    if lines.is_empty() {
        return None;
    }
    let Some(pattern) = &probe.receive else { return Some(Outcome::Passed) };
    match pattern.is_found_in(lines.to_vec(), true, turn).await {
        Ok(true) => Some(Outcome::Passed),
        Ok(false) => None,
        Err(why) => Some(Outcome::MatchFailed(why)),
    }
}
