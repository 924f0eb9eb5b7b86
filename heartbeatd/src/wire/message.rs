//! A message: ordered fields. Bytes throughout, because a peer may send anything.

use std::fmt;
use std::sync::Arc;

/// One value as its netstring type digit says.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Type 0, a string; normally ASCII, but any bytes are kept.
    Text(Vec<u8>),
    /// Type 1, raw bytes, such as a UUID.
    Binary(Vec<u8>),
    /// Types 2 to 5 (nested message, list, compressed struct): kept as they came, never interpreted. They do not
    /// occur in clusters with haresources.
    Other {
        /// The type digit, 2 to 5.
        kind: u8,
        /// The bytes after `=`.
        bytes: Vec<u8>,
    },
}

impl Value {
    /// The type digit, 0 to 5.
    pub fn kind(&self) -> u8 {
        match self {
            Self::Text(_) => 0,
            Self::Binary(_) => 1,
            Self::Other { kind, .. } => *kind,
        }
    }

    /// The bytes, whatever the type.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) | Self::Other { bytes, .. } => bytes,
        }
    }

    pub(super) fn new(kind: u8, bytes: Vec<u8>) -> Value {
        match kind {
            0 => Self::Text(bytes),
            1 => Self::Binary(bytes),
            kind => Self::Other { kind, bytes },
        }
    }
}

/// Text as an escaped string, anything else as hexadecimal.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::Binary(bytes) => hex(f, bytes),
            Self::Other { kind, bytes } => {
                write!(f, "({kind})")?;
                hex(f, bytes)
            }
        }
    }
}

/// A message: fields in order, looked up by name, where the first of a name counts.
///
/// ```
/// use heartbeatd::wire::Message;
/// let mut message = Message::new("status");
/// message.push_text("st", "active").push_text("dt", "7530").push_binary("srcuuid", [0x7f; 16]);
/// assert_eq!(message.kind(), "status");
/// assert_eq!(message.text("st"), Some("active"));
/// assert_eq!(message.hex("dt"), Some(30_000)); // milliseconds
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Shared: what is kept for retransmission, and sent on each medium, is not copied.
    fields: Arc<Vec<(Vec<u8>, Value)>>,
}

impl Message {
    /// A message of one type: its first field is `t=kind`.
    pub fn new(kind: &str) -> Message {
        let mut message = Message::empty();
        message.push_text("t", kind);
        message
    }

    /// A message without fields, for those whose type is not the first one (`repnodes`).
    pub fn empty() -> Message {
        Message::default()
    }

    /// The message type (field `t`), or "" if there is none.
    pub fn kind(&self) -> &str {
        self.text("t").unwrap_or_default()
    }

    /// The first field of this name, if it is a string in UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            Value::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The first field of this name, if it is binary.
    pub fn binary(&self, name: &str) -> Option<&[u8]> {
        match self.value(name)? {
            Value::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The first field of this name as a hexadecimal number without prefix (`%lx`): `seq hg ts dt ackseq`, and
    /// `firstseq` of `NS_nak_rexmit`.
    pub fn hex(&self, name: &str) -> Option<u64> {
        number(self.text(name)?, 16)
    }

    /// The first field of this name as a decimal number: `ttl protocol client_gen num_ping`, and `firstseq` and
    /// `lastseq` of `NS_rexmit`.
    pub fn decimal(&self, name: &str) -> Option<u64> {
        number(self.text(name)?, 10)
    }

    /// The first value of this name.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| field == name.as_bytes()).map(|(_, value)| value)
    }

    /// Appends a string. Of any bytes, but a NUL ends the message for a reader of the text form.
    pub fn push_text(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        self.push(name.as_bytes().to_vec(), Value::Text(value.as_ref().to_vec()))
    }

    /// Appends raw bytes.
    pub fn push_binary(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        self.push(name.as_bytes().to_vec(), Value::Binary(value.as_ref().to_vec()))
    }

    /// Appends a field of another message.
    pub(crate) fn push_value(&mut self, name: &[u8], value: &Value) -> &mut Self {
        self.push(name.to_vec(), value.clone())
    }

    /// Removes every field of this name.
    pub fn remove(&mut self, name: &str) {
        Arc::make_mut(&mut self.fields).retain(|(field, _)| field != name.as_bytes());
    }

    /// Every field in order, names as the bytes they are.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&[u8], &Value)> {
        self.fields.iter().map(|(name, value)| (name.as_slice(), value))
    }

    pub(super) fn push(&mut self, name: Vec<u8>, value: Value) -> &mut Self {
        Arc::make_mut(&mut self.fields).push((name, value));
        self
    }
}

/// `t="status" st="up" srcuuid=7fab…`, one line.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.fields.iter().enumerate() {
            let blank = if index == 0 { "" } else { " " };
            write!(f, "{blank}{}={value:?}", name.escape_ascii())?;
        }
        Ok(())
    }
}

/// Digits only: `from_str_radix` alone would take a sign.
fn number(digits: &str, radix: u32) -> Option<u64> {
    if digits.starts_with('+') { None } else { u64::from_str_radix(digits, radix).ok() }
}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
