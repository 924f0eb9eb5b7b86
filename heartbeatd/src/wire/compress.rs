//! Whole-message compression (`traditional_compression on`): an ordinary netstring packet of two fields, whose
//! payload expands to the text form of the message and a NUL.

use std::io::{Read, Write};

use super::error::DecodeError;
use super::keys::Keys;
use super::message::Message;
use super::{AUTH, netstring, text};

/// Most bytes a message may expand to: 3.0.6's own limit, 2 MiB.
pub const MAX_UNCOMPRESSED: usize = 2 * 1024 * 1024;

const PAYLOAD: &str = "_compressed_payload";
const ALGORITHM: &str = "_compression_algorithm";

/// `compression` of ha.cf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 1950.
    Zlib,
    /// bzip2 stream.
    Bz2,
}

impl Algorithm {
    /// The word that stands in ha.cf and in the packet.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zlib => "zlib",
            Self::Bz2 => "bz2",
        }
    }
}

/// The message in text form with its inner authentication, compressed, in a netstring packet with its outer MAC.
///
/// # Errors
/// Only those of writing into memory, which does not fail.
pub fn encode_compressed(message: &Message, keys: &Keys, algorithm: Algorithm) -> std::io::Result<Vec<u8>> {
    let mut plain = text::encode_text(message, keys);
    plain.push(0);
    let payload = match algorithm {
        Algorithm::Zlib => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&plain)?;
            encoder.finish()?
        }
        Algorithm::Bz2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
            encoder.write_all(&plain)?;
            encoder.finish()?
        }
    };
    let mut packet = Message::empty();
    packet.push_binary(PAYLOAD, payload).push_text(ALGORITHM, algorithm.name());
    Ok(netstring::encode(&packet, keys, false))
}

/// An already authenticated message, expanded if it is compressed. The text inside needs no check of its own.
pub(super) fn undo(message: Message) -> Result<Message, DecodeError> {
    let Some(algorithm) = message.text(ALGORITHM) else { return Ok(message) };
    let payload = message.binary(PAYLOAD).ok_or(DecodeError::BadCompression("the payload is missing"))?;
    let plain = match algorithm {
        "zlib" => expand(flate2::read::ZlibDecoder::new(payload))?,
        "bz2" => expand(bzip2::read::BzDecoder::new(payload))?,
        _ => return Err(DecodeError::BadCompression("unknown algorithm, known are zlib and bz2")),
    };
    let mut message =
        text::parse(&plain).map_err(|_| DecodeError::BadCompression("no message in text form inside"))?;
    if message.value(ALGORITHM).is_some() {
        return Err(DecodeError::BadCompression("compressed twice"));
    }
    message.remove(AUTH);
    Ok(message)
}

fn expand(decoder: impl Read) -> Result<Vec<u8>, DecodeError> {
    let mut plain = Vec::new();
    let limit = u64::try_from(MAX_UNCOMPRESSED).unwrap_or(u64::MAX);
    let damaged = |_| DecodeError::BadCompression("damaged stream");
    decoder.take(limit + 1).read_to_end(&mut plain).map_err(damaged)?;
    if plain.len() > MAX_UNCOMPRESSED { Err(DecodeError::TooLarge) } else { Ok(plain) }
}
