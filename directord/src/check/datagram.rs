//! Questions in datagrams: asked again while no answer comes, and whatever else arrives is ignored. A datagram is
//! believed only from the address and port that were asked, which the kernel sees to.

use super::link::Progress;
use super::{Outcome, source};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// A lost question is repeated after this part of the limit,
const REPEATS: u32 = 4;
/// and not later than this.
const REPEAT_WITHIN: Duration = Duration::from_secs(3);
/// A server that sends more than this without an answer is not listened to any longer.
const IGNORED_LIMIT: usize = 1000;

/// What a datagram turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<T> {
    /// The answer.
    Answer(T),
    /// A part of it, or the promise of one: more will come.
    Later,
    /// Something else; why it is ignored.
    Other(&'static str),
}

/// A socket that talks to one server.
pub(super) struct Datagrams<'a> {
    socket: UdpSocket,
    progress: &'a Progress,
    repeat: Duration,
}

impl<'a> Datagrams<'a> {
    /// At a port of the kernel's choice, for a check of this limit.
    pub(super) async fn open(
        to: SocketAddr,
        limit: Duration,
        progress: &'a Progress,
    ) -> Result<Datagrams<'a>, Outcome> {
        let socket = source::datagrams(to).await.map_err(|error| Outcome::of_io(&error))?;
        progress.connected();
        Ok(Datagrams { socket, progress, repeat: (limit / REPEATS).min(REPEAT_WITHIN) })
    }

    /// Where the answers go.
    pub(super) fn local(&self) -> Result<SocketAddr, Outcome> {
        self.socket.local_addr().map_err(|error| Outcome::of_io(&error))
    }

    /// Asks until `read` has found the answer. Waits without end: the check has a limit.
    pub(super) async fn ask<T>(
        &self,
        question: &[u8],
        mut read: impl FnMut(&[u8]) -> Heard<T>,
    ) -> Result<T, Outcome> {
        #[cfg(feature = "fuzzing")]
        if let Some(datagrams) = super::fuzzing::datagrams() {
            for datagram in datagrams {
                if let Heard::Answer(answer) = read(&datagram) {
                    return Ok(answer);
                }
            }
            return Err(Outcome::Closed);
        }
        let mut buffer = vec![0; 65536];
        let mut ignored = 0;
        loop {
            self.socket.send(question).await.map_err(|error| Outcome::of_io(&error))?;
            // Until the question is due again.
            let listen = async {
                loop {
                    let length =
                        self.socket.recv(&mut buffer).await.map_err(|error| Outcome::of_io(&error))?;
                    match read(buffer.get(..length).unwrap_or_default()) {
                        Heard::Answer(answer) => return Ok(answer),
                        Heard::Later => self.progress.answered(),
                        Heard::Other(why) => self.progress.ignored(why),
                    }
                    ignored += 1;
                    if ignored >= IGNORED_LIMIT {
                        return Err(Outcome::Garbled(format!("{IGNORED_LIMIT} datagrams without an answer")));
                    }
                }
            };
            if let Ok(ended) = timeout(self.repeat, listen).await {
                return ended;
            }
        }
    }
}
