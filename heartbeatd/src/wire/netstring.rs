//! The netstring form: `###\n`, `LEN:(TYPE)NAME=VALUE,` for each field, `%%%\n`, `LEN:N MAC,`.
//!
//! LEN counts what stands between `:` and `,`. Values may hold any byte, so everything is found by length.

use super::error::DecodeError;
use super::keys::Keys;
use super::message::{Message, Value};
use super::{AUTH, MAX_FIELDS, text};

pub(super) const START: &[u8] = b"###\n";
const END: &[u8] = b"%%%\n";

/// The netstring form with its outer MAC. With `inner` (`msgfmt classic`) it carries the `auth` field too, which an
/// old receiver ignores in this form.
pub fn encode(message: &Message, keys: &Keys, inner: bool) -> Vec<u8> {
    let mut datagram = START.to_vec();
    for (name, value) in message.fields().filter(|(name, _)| *name != AUTH.as_bytes()) {
        push_field(&mut datagram, name, value);
    }
    if inner {
        let auth = keys.sign(&text::render(message));
        push_field(&mut datagram, AUTH.as_bytes(), &Value::Text(auth.into_bytes()));
    }
    datagram.extend_from_slice(END);
    let outer = keys.sign(&datagram);
    push_netstring(&mut datagram, &[outer.as_bytes()]);
    datagram
}

/// Two passes: the first finds the end of the fields and checks the MAC, the second builds the message, so that
/// nothing is allocated for a stranger.
pub(super) fn decode(datagram: &[u8], keys: &Keys) -> Result<Message, DecodeError> {
    let mut reader = Reader { data: datagram, at: START.len() };
    while reader.field()?.is_some() {}
    let covered = datagram.get(..reader.at).unwrap_or_default();
    if reader.rest().is_empty() {
        return Err(DecodeError::NoAuthentication);
    }
    let authentication = reader.netstring().map_err(|_| DecodeError::BadAuthentication)?;
    keys.verify(covered, authentication)?;

    let mut reader = Reader { data: datagram, at: START.len() };
    let mut message = Message::empty();
    while let Some(Field { kind, name, value }) = reader.field()? {
        if message.fields().len() == MAX_FIELDS {
            return Err(DecodeError::TooManyFields);
        }
        if name != AUTH.as_bytes() {
            message.push(name.to_vec(), Value::new(kind, value.to_vec()));
        }
    }
    Ok(message)
}

struct Field<'a> {
    kind: u8,
    name: &'a [u8],
    value: &'a [u8],
}

/// Walks a datagram field by field without copying.
struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    /// The next field, or `None` once the end mark has been passed.
    fn field(&mut self) -> Result<Option<Field<'a>>, DecodeError> {
        let at = self.at;
        let bad = |problem| DecodeError::BadField { at, problem };
        if self.rest().starts_with(END) {
            self.at += END.len();
            return Ok(None);
        }
        let content = self.netstring()?;
        let (kind, rest) = match content {
            [b'(', digit @ b'0'..=b'5', b')', rest @ ..] => (digit - b'0', rest),
            _ => return Err(bad("it does not start with \"(type)\", a digit from 0 to 5")),
        };
        let (name, value) = split_name(rest).ok_or(bad("no \"name=\" after its type"))?;
        Ok(Some(Field { kind, name, value }))
    }

    /// `LEN:…,` → the bytes between.
    fn netstring(&mut self) -> Result<&'a [u8], DecodeError> {
        let at = self.at;
        let missing = |missing| DecodeError::Truncated { at, missing };
        let bad = |problem| DecodeError::BadField { at, problem };
        let rest = self.rest();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        match rest.get(digits) {
            None => return Err(missing("a field or the end mark \"%%%\"")),
            Some(b':') => {}
            Some(_) => return Err(bad("it does not start with a decimal length and \":\"")),
        }
        let length: usize = rest
            .get(..digits)
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
            .ok_or(bad("its length is not a number"))?;
        let start = digits + 1;
        // a length of up to usize::MAX may stand there
        let end = start.checked_add(length).ok_or(missing("the end of the field"))?;
        let content = rest.get(start..end).ok_or(missing("the end of the field"))?;
        match rest.get(end) {
            Some(b',') => {}
            Some(_) => return Err(bad("no \",\" stands where its length says it ends")),
            None => return Err(missing("the \",\" after the field")),
        }
        self.at = at + end + 1;
        Ok(content)
    }
}

/// `name=value` at the first `=`; a name has at least one byte.
pub(super) fn split_name(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = field.iter().position(|byte| *byte == b'=').filter(|equals| *equals > 0)?;
    Some((field.get(..equals)?, field.get(equals + 1..)?))
}

fn push_field(datagram: &mut Vec<u8>, name: &[u8], value: &Value) {
    let kind = [b'(', b'0' + value.kind(), b')'];
    push_netstring(datagram, &[&kind, name, b"=", value.bytes()]);
}

fn push_netstring(datagram: &mut Vec<u8>, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    datagram.extend_from_slice(format!("{length}:").as_bytes());
    parts.iter().for_each(|part| datagram.extend_from_slice(part));
    datagram.push(b',');
}
