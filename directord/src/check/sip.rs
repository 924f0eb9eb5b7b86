//! Service `sip`: OPTIONS is asked, and the first line of the final answer must be `SIP/2.0 200`.
//!
//! As ldirectord, for `login` or, where the port alone tells the service, for the server's own address. Other than
//! there: Via names the transport that is used and a random branch, provisional answers (1xx) are waited out, and an
//! answer to another request is ignored. `receive` is not used.

use super::datagram::{Datagrams, Heard};
use super::link::{Link, Progress};
use super::outcome::excerpt;
use super::random::random;
use super::{Dialogue, Outcome};
use std::fmt::Write;
use std::net::SocketAddr;

/// No answer has more lines of head,
const HEAD_LINES: usize = 200;
/// and none a longer body, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// Asks, within `negotiatetimeout`.
pub(super) async fn check(dialogue: &Dialogue) -> Outcome {
    let progress = Progress::default();
    let talk = async {
        if dialogue.udp {
            let datagrams = Datagrams::open(dialogue.to, dialogue.timeout, &progress).await?;
            let request = Request::new(dialogue, datagrams.local()?)?;
            let read = |datagram: &[u8]| request.read(lines(datagram));
            datagrams.ask(request.text.as_bytes(), read).await
        } else {
            let mut link = Link::open(dialogue.to, &progress).await?;
            talk(&mut link, dialogue, &progress).await
        }
    };
    progress.within(dialogue.timeout, talk).await
}

/// What is said on a connection.
pub(super) async fn talk(
    link: &mut Link<'_>,
    dialogue: &Dialogue,
    progress: &Progress,
) -> Result<Outcome, Outcome> {
    let request = Request::new(dialogue, link.local())?;
    link.send(request.text.as_bytes()).await?;
    loop {
        let head = head(link).await?;
        match request.read(head.iter().map(Vec::as_slice)) {
            Heard::Answer(outcome) => return Ok(outcome),
            Heard::Later => {}
            Heard::Other(why) => progress.ignored(why),
        }
        let length = body_length(head.iter().map(Vec::as_slice))?;
        link.exactly(length).await?;
    }
}

/// The lines of the next answer, up to the empty one before its body.
async fn head(link: &mut Link<'_>) -> Result<Vec<Vec<u8>>, Outcome> {
    let mut head = Vec::new();
    while head.len() < HEAD_LINES {
        match link.line().await? {
            line if line.is_empty() && head.is_empty() => {} // between two answers
            line if line.is_empty() => return Ok(head),
            line if head.is_empty() && !line.starts_with(b"SIP/2.0 ") => {
                return Err(Outcome::Garbled(format!("not SIP: {}", excerpt(&line))));
            }
            line => head.push(line),
        }
    }
    Err(Outcome::Garbled(format!("a head of more than {HEAD_LINES} lines")))
}

/// The lines of a datagram's head.
fn lines(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = datagram.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.take_while(|line| !line.is_empty()).take(HEAD_LINES)
}

/// A question.
#[derive(Debug)]
struct Request {
    text: String,
    call: String,
    branch: String,
}

impl Request {
    /// From this address of ours.
    fn new(dialogue: &Dialogue, from: SocketAddr) -> Result<Request, Outcome> {
        let transport = if dialogue.udp { "UDP" } else { "TCP" };
        let account = match dialogue.login.as_str() {
            "" => dialogue.to.to_string(),
            login => login.to_owned(),
        };
        let (call, tag) = (hexadecimal()?, hexadecimal()?);
        let branch = format!("z9hG4bK{}", hexadecimal()?);
        let text = format!(
            "OPTIONS sip:{account} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {from};branch={branch};rport\r\n\
             Max-Forwards: 70\r\n\
             To: <sip:{account}>\r\n\
             From: <sip:{account}>;tag={tag}\r\n\
             Call-ID: {call}\r\n\
             CSeq: 1 OPTIONS\r\n\
             Contact: <sip:{from}>\r\n\
             Accept: application/sdp\r\n\
             Content-Length: 0\r\n\r\n"
        );
        Ok(Request { text, call, branch })
    }

    /// Judges the head of an answer by its first line, if it is one to this question.
    fn read<'b>(&self, mut lines: impl Iterator<Item = &'b [u8]>) -> Heard<Outcome> {
        let first = lines.next().unwrap_or_default();
        let Some(status) = first.strip_prefix(b"SIP/2.0 ") else {
            return Heard::Other("a message that is no answer of SIP");
        };
        let (mut call, mut branch) = (None, None);
        for (name, value) in lines.filter_map(field) {
            if is(name, "call-id", "i") {
                call = Some(value);
            } else if is(name, "via", "v") && branch.is_none() {
                branch = Some(parameter(value, "branch"));
            }
        }
        if call != Some(self.call.as_bytes()) || branch.flatten() != Some(self.branch.as_bytes()) {
            return Heard::Other("an answer to another request");
        }
        match status {
            [b'1', b'0'..=b'9', b'0'..=b'9', ..] => Heard::Later,
            [b'2', b'0', b'0'] | [b'2', b'0', b'0', b' ', ..] => Heard::Answer(Outcome::Passed),
            _ => Heard::Answer(Outcome::Declined(excerpt(status))),
        }
    }
}

/// How long the body is that follows on a connection.
fn body_length<'b>(head: impl Iterator<Item = &'b [u8]>) -> Result<usize, Outcome> {
    let mut lengths = head.skip(1).filter_map(field).filter(|(name, _)| is(name, "content-length", "l"));
    let Some((_, value)) = lengths.next() else { return Ok(0) };
    let length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    length
        .filter(|length| *length <= BODY_LIMIT)
        .ok_or_else(|| Outcome::Garbled(format!("Content-Length: {}", excerpt(value))))
}

/// Name and value of a header field.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
}

/// Whether a field's name is this one, or its short form.
fn is(name: &[u8], long: &str, short: &str) -> bool {
    name.eq_ignore_ascii_case(long.as_bytes()) || name.eq_ignore_ascii_case(short.as_bytes())
}

/// A parameter of a field's first value.
fn parameter<'b>(value: &'b [u8], name: &str) -> Option<&'b [u8]> {
    let first = value.split(|byte| *byte == b',').next()?;
    first.split(|byte| *byte == b';').skip(1).find_map(|parameter| {
        let equals = parameter.iter().position(|byte| *byte == b'=')?;
        let (found, value) = parameter.split_at_checked(equals)?;
        found.trim_ascii().eq_ignore_ascii_case(name.as_bytes()).then_some(())?;
        Some(value.get(1..)?.trim_ascii())
    })
}

/// 16 random bytes.
fn hexadecimal() -> Result<String, Outcome> {
    let bytes: [u8; 16] = random().map_err(|error| Outcome::of_io(&error))?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
pub(super) mod tests;
