//! The control socket: a UNIX stream socket in the run directory on which a daemon answers its tools.
//!
//! Both sides send JSON values, one per line; a line is at most 1 MiB ([`LINE_LIMIT`]). The daemon's side
//! ([`Listener`], [`Connection`]) needs a tokio runtime; the tools' side ([`request`], [`Client`]) blocks,
//! with a time limit on every step.

mod client;
mod listener;

pub use client::{Client, RequestError, Waited, request};
pub use listener::{BindError, Connection, ControlError, Listener, Peer};

/// The longest line either side sends or accepts, in bytes, with its line feed.
pub const LINE_LIMIT: usize = 1 << 20;

/// The bytes of `value` on the wire: one line of JSON (its strings have no raw line feed).
fn to_line<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, LineError> {
    let mut line = serde_json::to_vec(value).map_err(|error| LineError::Garbled(error.to_string()))?;
    line.push(b'\n');
    if line.len() > LINE_LIMIT { Err(LineError::TooLong) } else { Ok(line) }
}

/// Bytes that have arrived and the lines in them: what both sides do with what they read, whatever it is.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
    /// How much of `pending` is known to hold no line feed, so that a long line is searched only once.
    searched: usize,
}

/// What can be wrong with a line, whatever it travels on.
#[derive(Debug, PartialEq, Eq)]
pub enum LineError {
    /// Longer than [`LINE_LIMIT`]: nothing behind it can be read.
    TooLong,
    /// Not the JSON that was expected, and why not.
    Garbled(String),
}

impl Lines {
    /// More bytes have arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole line as a value; `None` while its end has not arrived.
    pub fn next_value<T: serde::de::DeserializeOwned>(&mut self) -> Option<Result<T, LineError>> {
        let unsearched = self.pending.get(self.searched..).unwrap_or_default();
        let Some(offset) = unsearched.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.pending.len();
            return (self.pending.len() >= LINE_LIMIT).then_some(Err(LineError::TooLong));
        };
        let end = self.searched + offset;
        if end >= LINE_LIMIT {
            return Some(Err(LineError::TooLong));
        }
        let rest = self.pending.split_off(end + 1);
        let line = std::mem::replace(&mut self.pending, rest);
        self.searched = 0;
        Some(serde_json::from_slice(&line).map_err(|error| LineError::Garbled(error.to_string())))
    }

    /// True if the other side ended in the middle of a line.
    pub fn is_cut_off(&self) -> bool {
        !self.pending.is_empty()
    }
}

#[cfg(test)]
mod tests;
