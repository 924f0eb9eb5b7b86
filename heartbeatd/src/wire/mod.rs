//! The wire format of heartbeat 3.0.6: bytes ⇄ [`Message`], authenticated. Pure: no socket, no clock, no log.
//!
//! ```text
//!             netstring form, what 3.0.6 sends over UDP           text form, what it also accepts
//!  datagram   ###\n                                               >>>\n
//!             LEN:(TYPE)NAME=VALUE,   … binary values raw         NAME=VALUE\n   … (1)NAME=BASE64\n
//!             %%%\n                                               auth=N MAC\n        covers the fields' text
//!             LEN:N MAC,       covers everything before           <<<\n
//! ```
//!
//! * [`decode`] takes either form, told apart by its first four bytes. The outer MAC of the netstring form is
//!   compared before a single byte is allocated for a field: a packet that is not ours costs one pass.
//! * [`encode`] makes the netstring form, with the inner `auth` field too under `msgfmt classic`.
//! * [`encode_text`] makes the text form; [`encode_compressed`] wraps it (`traditional_compression`).
//!
//! Nothing here can panic, whatever the bytes are; memory is bounded by [`MAX_DATAGRAM`], [`MAX_UNCOMPRESSED`] and
//! [`MAX_FIELDS`]. heartbeat itself parses before it authenticates and aborts on a malformed field; this parser
//! reports a [`DecodeError`] that says which rule the datagram broke.

mod compress;
mod crc;
mod error;
mod keys;
mod message;
mod netstring;
mod text;

pub use compress::{Algorithm, MAX_UNCOMPRESSED, encode_compressed};
pub use error::DecodeError;
pub use keys::{Key, KeyError, Keys, MAX_KEYS, Method};
pub use message::{Message, Value};
pub use netstring::encode;
pub use text::encode_text;

/// Name of the field that carries the inner authentication. It belongs to the encoding, never to a [`Message`].
pub(crate) const AUTH: &str = "auth";
/// Longest datagram looked at, in bytes: heartbeat's own limit for a message (`MAXMSG`); UDP ends at 65,507.
pub const MAX_DATAGRAM: usize = 256 * 1024;
/// Most fields a message may have. Real ones have at most thirty; the limit bounds memory after decompression.
pub const MAX_FIELDS: usize = 4096;

/// Reads one datagram: checks its authentication, undoes whole-message compression, returns its fields in order
/// without the inner `auth` field.
///
/// Authenticated means, as with heartbeat 3.0.6: the outer MAC of a netstring packet (an inner `auth` field there
/// is ignored), the `auth` field of a text packet. Any listed key is accepted under its own number. So is a MAC
/// made with the default key but labelled with another number of the same method, because 3.0.6 accepts that.
///
/// # Errors
/// [`DecodeError`] says which rule the datagram broke.
pub fn decode(datagram: &[u8], keys: &Keys) -> Result<Message, DecodeError> {
    if datagram.len() > MAX_DATAGRAM {
        return Err(DecodeError::TooLong { bytes: datagram.len() });
    }
    let message = if datagram.starts_with(netstring::START) {
        netstring::decode(datagram, keys)?
    } else if datagram.starts_with(text::START) {
        text::decode(datagram, keys)?
    } else {
        return Err(DecodeError::NotHeartbeat);
    };
    compress::undo(message)
}

#[cfg(test)]
mod tests;
