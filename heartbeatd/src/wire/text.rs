//! The text form: `>>>\n`, `name=value\n` or `(1)name=BASE64\n` for each field, `<<<\n`.
//!
//! 3.0.6 accepts it over UDP and uses it inside compressed messages; the inner authentication covers its lines.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::DecodeError;
use super::keys::Keys;
use super::message::{Message, Value};
use super::netstring::split_name;
use super::{AUTH, MAX_FIELDS};

pub(super) const START: &[u8] = b">>>\n";
const END: &[u8] = b"<<<\n";
/// Stands for a newline inside a value.
const NEWLINE: u8 = 0x13;

/// The text form with its `auth` field as the last one. A NUL in a string would end the message for its reader.
pub fn encode_text(message: &Message, keys: &Keys) -> Vec<u8> {
    let lines = render(message);
    let auth = format!("{AUTH}={}\n", keys.sign(&lines));
    [START, &lines, auth.as_bytes(), END].concat()
}

/// The lines of all fields in order, without the `auth` field: what the inner authentication covers.
pub(super) fn render(message: &Message) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in message.fields().filter(|(name, _)| *name != AUTH.as_bytes()) {
        // a name that would not be read as one without a type before it
        let hidden = matches!(name.first(), Some(0 | b'\r' | b'('));
        if value.kind() != 0 || hidden {
            lines.extend_from_slice(&[b'(', b'0' + value.kind(), b')']);
        }
        lines.extend_from_slice(name);
        lines.push(b'=');
        match value {
            Value::Text(bytes) => {
                lines.extend(bytes.iter().map(|byte| if *byte == b'\n' { NEWLINE } else { *byte }))
            }
            Value::Binary(bytes) => lines.extend_from_slice(STANDARD.encode(bytes).as_bytes()),
            Value::Other { bytes, .. } => lines.extend_from_slice(bytes),
        }
        lines.push(b'\n');
    }
    lines
}

/// A datagram in text form, checked against its first `auth` field.
pub(super) fn decode(datagram: &[u8], keys: &Keys) -> Result<Message, DecodeError> {
    let mut message = parse(datagram)?;
    let Some(Value::Text(auth)) = message.value(AUTH) else { return Err(DecodeError::NoAuthentication) };
    // as 3.0.6 does, over the fields written out again, not over the bytes received
    keys.verify(&render(&message), auth)?;
    message.remove(AUTH);
    Ok(message)
}

/// The fields, with `auth` among them, not authenticated.
pub(super) fn parse(data: &[u8]) -> Result<Message, DecodeError> {
    let mut rest = data.strip_prefix(START).ok_or(DecodeError::NotHeartbeat)?;
    let mut message = Message::empty();
    loop {
        rest = skip_line_ends(rest);
        let at = data.len() - rest.len();
        if rest.starts_with(END) || rest.first() == Some(&0) {
            return Ok(message);
        }
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return Err(DecodeError::Truncated { at, missing: "the end mark \"<<<\"" });
        };
        let (line, next) = rest.split_at_checked(end).unwrap_or_default();
        if message.fields().len() == MAX_FIELDS {
            return Err(DecodeError::TooManyFields);
        }
        let (name, value) = field(line).map_err(|problem| DecodeError::BadField { at, problem })?;
        message.push(name.to_vec(), value);
        rest = next;
    }
}

fn field(line: &[u8]) -> Result<(&[u8], Value), &'static str> {
    let (kind, rest) = match line {
        [b'(', digit @ b'0'..=b'5', b')', rest @ ..] => (digit - b'0', rest),
        [b'(', ..] => return Err("its type is not \"(type)\", a digit from 0 to 5"),
        rest => (0, rest),
    };
    let (name, value) = split_name(rest).ok_or("no \"name=\"")?;
    let bytes = match kind {
        0 => value.iter().map(|byte| if *byte == NEWLINE { b'\n' } else { *byte }).collect(),
        1 => STANDARD.decode(value).map_err(|_| "its value is not base64")?,
        _ => value.to_vec(),
    };
    Ok((name, Value::new(kind, bytes)))
}

fn skip_line_ends(data: &[u8]) -> &[u8] {
    let skip = data.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    data.get(skip..).unwrap_or_default()
}
