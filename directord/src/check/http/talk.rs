//! One question over HTTP and its answer, on a connection of any kind.

use super::answer::{Asked, Body, Head, head};
use super::{BODY_LIMIT, HEAD_LIMIT};
use crate::check::Outcome;
use crate::check::link::Progress;
use bytes::BufMut;
use http::StatusCode;
use std::error::Error;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// No more is read of everything that is said on a connection, in bytes: many short answers before the real one count,
/// and what chunks have around them.
const HEARD_LIMIT: usize = BODY_LIMIT + HEAD_LIMIT;
/// So much is read at a time, in bytes.
const PIECE: usize = 16 * 1024;

/// A connection.
pub(super) struct Talk<'a, S> {
    stream: S,
    progress: &'a Progress,
    /// What was read and not yet used.
    ahead: Vec<u8>,
    /// How much may still be read.
    room: usize,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Talk<'a, S> {
    /// Tells `progress` when something is heard.
    pub(super) fn on(stream: S, progress: &'a Progress) -> Talk<'a, S> {
        Talk { stream, progress, ahead: Vec::new(), room: HEARD_LIMIT }
    }

    /// Sends a request, and reads the head of the final answer.
    pub(super) async fn ask(&mut self, request: &str, asked: Asked) -> Result<Head, Outcome> {
        self.stream.write_all(request.as_bytes()).await.map_err(|error| of_error(&error))?;
        self.stream.flush().await.map_err(|error| of_error(&error))?;
        // Behind a tunnel's head begins what is not for this: nothing of that is read.
        let piece = if asked == Asked::Tunnel { 1 } else { PIECE };
        let mut known = 0;
        loop {
            if self.more(piece).await? == 0 {
                let why = head(&self.ahead, 0, asked).err();
                return Err(why.map_or(Outcome::Closed, Outcome::Garbled));
            }
            let mut used = 0;
            loop {
                let next = self.ahead.get(used..).unwrap_or_default();
                // Empty lines before an answer: reading them again with every piece would be somebody's weapon.
                let blank = next.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                let next = next.get(blank..).unwrap_or_default();
                used += blank;
                if next.is_empty() {
                    break;
                }
                let Some((head, length)) = head(next, known, asked).map_err(Outcome::Garbled)? else { break };
                used += length;
                if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                    self.ahead.drain(..used);
                    return Ok(head);
                }
                known = 0;
            }
            self.ahead.drain(..used);
            known = self.ahead.len();
        }
    }

    /// Reads what follows a head; it is thrown away if nobody is to look at it. An error is the server's close before the end
    /// it announced: what came until then counts.
    pub(super) async fn body(&mut self, body: &mut Body, is_kept: bool) -> Vec<u8> {
        loop {
            let ended = body.take(&self.ahead);
            self.ahead.clear();
            if !is_kept {
                body.bytes.clear();
            }
            if ended || !matches!(self.more(PIECE).await, Ok(1..)) {
                return std::mem::take(&mut body.bytes);
            }
        }
    }

    /// The connection.
    pub(super) fn into_stream(self) -> S {
        self.stream
    }

    /// Reads on, so many bytes at most; 0 at the end.
    async fn more(&mut self, piece: usize) -> Result<usize, Outcome> {
        if self.room == 0 {
            return Err(Outcome::Garbled(format!("more than {HEARD_LIMIT} bytes of answer")));
        }
        self.ahead.reserve(piece);
        let mut space = (&mut self.ahead).limit(self.room.min(piece));
        let read = self.stream.read_buf(&mut space).await.map_err(|error| of_error(&error))?;
        if read > 0 {
            self.progress.answered();
        }
        self.room = self.room.saturating_sub(read);
        Ok(read)
    }
}

/// Finds the cause in the chain of errors that the libraries wrap around it.
fn of_error(error: &io::Error) -> Outcome {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut text = String::new();
    while let Some(inner) = cause {
        match inner.downcast_ref::<io::Error>() {
            Some(io) if io.raw_os_error().is_some() => return Outcome::of_io(io),
            Some(io) if io.kind() == io::ErrorKind::UnexpectedEof => return Outcome::Closed,
            _ => text = inner.to_string(),
        }
        cause = inner.source();
    }
    Outcome::Garbled(text)
}
