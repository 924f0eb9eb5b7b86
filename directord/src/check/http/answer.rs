//! What a server answers in HTTP/1.1 (RFC 9112), read with the leniency that LWP had: lines that are no headers are skipped.
//! Nothing here waits, or knows a connection.

use super::{BODY_LIMIT, HEAD_LIMIT};
use http::StatusCode;
use httparse::{EMPTY_HEADER, ParserConfig, Response, Status};

/// Lines of a head, as many as LWP took.
const LINES: usize = 128;
/// A head is read again with every piece of it until it has this length, in bytes, so that garbage is known at once; from
/// then on when its end has come.
const EARLY: usize = 4096;
/// No line between two chunks is longer, in bytes.
const CHUNK_LINE: usize = 4096;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A page.
    Page,
    /// The head of a page.
    Head,
    /// A connection through a proxy.
    Tunnel,
}

/// The beginning of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    /// Where a redirect leads.
    pub(super) location: Option<String>,
    /// What follows.
    pub(super) body: Body,
}

/// Reads the head at the beginning of `bytes`: it, and its length; `None` if it goes on. What was there already when it was
/// last looked at is `known` bytes. Answers that another one follows (1xx) are heads of their own.
///
/// # Errors
///
/// Why it is no HTTP.
pub(super) fn head(bytes: &[u8], known: usize, asked: Asked) -> Result<Option<(Head, usize)>, String> {
    let goes_on = || match bytes.len() > HEAD_LIMIT {
        true => Err(format!("a head of more than {HEAD_LIMIT} bytes")),
        false => Ok(None),
    };
    if known > EARLY && !has_end(bytes, known) {
        return goes_on();
    }
    let mut lines = [EMPTY_HEADER; LINES];
    let mut response = Response::new(&mut lines);
    let parsed = ParserConfig::default()
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .ignore_invalid_headers_in_responses(true)
        .parse_response(&mut response, bytes);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return goes_on(),
        Err(httparse::Error::TooManyHeaders) => return Err(format!("more than {LINES} lines of head")),
        // Not what was said: how much of that is there yet is chance.
        Err(error) => return Err(format!("no HTTP: {error}")),
    };
    let code = response.code.unwrap_or_default();
    let Ok(status) = StatusCode::from_u16(code) else { return Err(format!("no HTTP: status {code:03}")) };
    let named = |name: &'static str| {
        let lines = response.headers.iter();
        lines.filter(move |line| line.name.eq_ignore_ascii_case(name)).map(|line| line.value)
    };
    let location = named("Location").next().map(|value| String::from_utf8_lossy(value).into_owned());
    let bodiless = asked == Asked::Head
        || (asked == Asked::Tunnel && status.is_success())
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let end = match named("Transfer-Encoding").next_back() {
        _ if bodiless => End::Length(0),
        Some(coding) if is_chunked(coding) => End::Chunks { line: Vec::new(), left: 0 },
        Some(_) => End::Close,
        None => length_of(named("Content-Length")).map_or(End::Close, End::Length),
    };
    Ok(Some((Head { status, location, body: Body { end, bytes: Vec::new() } }, length)))
}

/// Whether a head's end is in what came since `known` bytes were there.
fn has_end(bytes: &[u8], known: usize) -> bool {
    let new = bytes.get(known.saturating_sub(3)..).unwrap_or_default();
    memchr::memchr_iter(b'\n', new).any(|at| {
        let after = new.get(at + 1..).unwrap_or_default();
        after.starts_with(b"\n") || after.starts_with(b"\r\n")
    })
}

/// The last coding is what ends the message (RFC 9112, 6.1).
fn is_chunked(codings: &[u8]) -> bool {
    let last = codings.rsplit(|byte| *byte == b',').next().unwrap_or_default();
    last.trim_ascii().eq_ignore_ascii_case(b"chunked")
}

/// The last one that is a number, as LWP took it; others say nothing.
fn length_of<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<u64> {
    let numbers = values.flat_map(|values| values.split(|byte| *byte == b',')).filter_map(|value| {
        let digits = std::str::from_utf8(value.trim_ascii()).ok().filter(|digits| is_all(digits, 10))?;
        digits.parse().ok()
    });
    numbers.last()
}

fn is_all(digits: &str, radix: u32) -> bool {
    !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix))
}

/// The content of an answer, as far as it came.
#[derive(Debug)]
pub(super) struct Body {
    end: End,
    /// At most [`BODY_LIMIT`].
    pub(super) bytes: Vec<u8>,
}

/// How the end of a body is known.
#[derive(Debug)]
enum End {
    /// So many bytes are missing.
    Length(u64),
    /// Chunks, each with its size before it; what came of the line between two of them, and how much of a chunk is missing.
    Chunks { line: Vec<u8>, left: u64 },
    /// The server closes.
    Close,
}

impl Body {
    /// Takes the next piece. Whether that was the end: all is there, or as much as is ever read, or the rest makes no sense.
    pub(super) fn take(&mut self, mut piece: &[u8]) -> bool {
        let Body { end, bytes } = self;
        loop {
            match end {
                End::Close => {
                    keep(bytes, piece);
                    return bytes.len() >= BODY_LIMIT;
                }
                End::Length(left) => {
                    keep(bytes, split(&mut piece, left));
                    return *left == 0 || bytes.len() >= BODY_LIMIT;
                }
                End::Chunks { left, .. } if *left > 0 => {
                    keep(bytes, split(&mut piece, left));
                    if *left > 0 || bytes.len() >= BODY_LIMIT {
                        return bytes.len() >= BODY_LIMIT;
                    }
                }
                End::Chunks { line, left } => {
                    let Some(at) = memchr::memchr(b'\n', piece) else {
                        line.extend_from_slice(piece);
                        return line.len() > CHUNK_LINE;
                    };
                    let (now, rest) = piece.split_at(at + 1);
                    line.extend_from_slice(now);
                    piece = rest;
                    match size(line) {
                        _ if line.trim_ascii().is_empty() => {} // the end of the chunk before
                        Some(0) | None => return true,
                        Some(size) => *left = size,
                    }
                    line.clear();
                }
            }
        }
    }
}

fn keep(bytes: &mut Vec<u8>, piece: &[u8]) {
    let room = BODY_LIMIT.saturating_sub(bytes.len());
    bytes.extend_from_slice(piece.get(..room).unwrap_or(piece));
}

/// The beginning of `piece`, as far as it belongs to the `left` bytes that are missing.
fn split<'a>(piece: &mut &'a [u8], left: &mut u64) -> &'a [u8] {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(piece.len());
    let (first, rest) = piece.split_at(count);
    *piece = rest;
    *left -= count as u64;
    first
}

/// A chunk's size, whatever extensions follow it (RFC 9112, 7.1).
fn size(line: &[u8]) -> Option<u64> {
    let size = line.split(|byte| matches!(byte, b';' | b' ' | b'\t' | b'\r' | b'\n')).next()?;
    let size = std::str::from_utf8(size).ok().filter(|digits| is_all(digits, 16))?;
    u64::from_str_radix(size, 16).ok()
}

#[cfg(test)]
mod tests;
