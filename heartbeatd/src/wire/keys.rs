//! Keys of `authkeys` and the message authentication codes made with them.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use super::crc::crc;
use super::error::DecodeError;

/// Key numbers run from 0 to 15 (authkeys(5), `MAXAUTH`).
pub const MAX_KEYS: usize = 16;

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Checksum without a secret: detects damage, authenticates nobody.
    Crc,
    /// HMAC-MD5 (RFC 2104).
    Md5,
    /// HMAC-SHA1 (RFC 2104).
    Sha1,
    /// HMAC-SHA-256 (RFC 4231), 64 digits; only between two of ours: heartbeat 3.0.6 refuses an authkeys with it.
    Sha256,
}

impl fmt::Display for Method {
    /// The word that stands in authkeys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crc => "crc",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        })
    }
}

/// One key: how it signs, and its secret, which is wiped from memory when dropped and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    method: Method,
    secret: Zeroizing<Vec<u8>>,
}

impl Key {
    /// A key; `secret` is the word of authkeys as it stands there, empty for `crc`.
    ///
    /// # Errors
    /// [`KeyError::NeedsSecret`] or [`KeyError::TakesNoSecret`].
    pub fn new(method: Method, secret: impl Into<Vec<u8>>) -> Result<Key, KeyError> {
        let secret = Zeroizing::new(secret.into());
        match (method, secret.is_empty()) {
            (Method::Crc, false) => Err(KeyError::TakesNoSecret(method)),
            (Method::Md5 | Method::Sha1 | Method::Sha256, true) => Err(KeyError::NeedsSecret(method)),
            _ => Ok(Key { method, secret }),
        }
    }

    /// How the key signs.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The digest of `data` as it stands in a packet: lower-case hexadecimal, of a `crc` without leading zeros.
    fn sign(&self, data: &[u8]) -> String {
        match self.method {
            Method::Crc => format!("{:x}", crc(data)),
            Method::Md5 => sign::<Hmac<Md5>>(&self.secret, data),
            Method::Sha1 => sign::<Hmac<Sha1>>(&self.secret, data),
            Method::Sha256 => sign::<Hmac<Sha256>>(&self.secret, data),
        }
    }

    /// Whether `digest` is exactly what [`sign`](Self::sign) makes of `data`; in constant time for keyed methods.
    fn verify(&self, data: &[u8], digest: &[u8]) -> bool {
        match self.method {
            Method::Crc => self.sign(data).as_bytes() == digest,
            Method::Md5 => verify::<Hmac<Md5>>(&self.secret, data, digest),
            Method::Sha1 => verify::<Hmac<Sha1>>(&self.secret, data, digest),
            Method::Sha256 => verify::<Hmac<Sha256>>(&self.secret, data, digest),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("method", &self.method).finish_non_exhaustive()
    }
}

/// What is wrong with keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// `md5`, `sha1` or `sha256` without a secret.
    #[error("auth method [{0}] requires a key")]
    NeedsSecret(Method),
    /// `crc` with a secret.
    #[error("auth method [{0}] doesn't use a key")]
    TakesNoSecret(Method),
    /// A number above 15.
    #[error("invalid key number [{0}]: valid are 0 to 15")]
    BadNumber(u8),
    /// The same number twice.
    #[error("key number [{0}] is used twice")]
    Duplicate(u8),
    /// The default key is not among the keys.
    #[error("auth key [{0}] not found: \"auth {0}\" names a key that is not listed")]
    NoDefault(u8),
}

/// The keys of an `authkeys` file: up to 16, and the number of the one that signs what we send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    default: u8,
    signing: Key,
    keys: [Option<Key>; MAX_KEYS],
}

impl Keys {
    /// The key ring of `auth default` and the listed keys.
    ///
    /// # Errors
    /// Numbers above 15, numbers used twice, or a default that is not listed.
    pub fn new(default: u8, list: impl IntoIterator<Item = (u8, Key)>) -> Result<Keys, KeyError> {
        let mut keys: [Option<Key>; MAX_KEYS] = Default::default();
        for (number, key) in list {
            let slot = keys.get_mut(usize::from(number)).ok_or(KeyError::BadNumber(number))?;
            if slot.replace(key).is_some() {
                return Err(KeyError::Duplicate(number));
            }
        }
        let signing =
            keys.get(usize::from(default)).cloned().flatten().ok_or(KeyError::NoDefault(default))?;
        Ok(Keys { default, signing, keys })
    }

    /// A ring of one key, which signs and is the only one accepted.
    ///
    /// # Errors
    /// [`KeyError::BadNumber`].
    pub fn single(number: u8, key: Key) -> Result<Keys, KeyError> {
        Keys::new(number, [(number, key)])
    }

    /// Number of the key that signs what we send (`auth N`).
    pub fn default_number(&self) -> u8 {
        self.default
    }

    /// The key of this number.
    pub fn get(&self, number: u8) -> Option<&Key> {
        self.keys.get(usize::from(number))?.as_ref()
    }

    /// Whether a packet that is accepted shows who sent it: no key is a checksum without a secret.
    pub fn authenticate(&self) -> bool {
        self.keys.iter().flatten().all(|key| key.method != Method::Crc)
    }

    /// `NUMBER MAC` over `data` with the default key.
    pub(super) fn sign(&self, data: &[u8]) -> String {
        format!("{} {}", self.default, self.signing.sign(data))
    }

    /// Checks `NUMBER MAC` over `data`.
    ///
    /// heartbeat 3.0.6 takes the method of the packet's key number but the secret of its own default key. So a
    /// second attempt with the default key, if the method is the same, accepts what an old receiver accepts.
    pub(super) fn verify(&self, data: &[u8], authentication: &[u8]) -> Result<(), DecodeError> {
        let (number, digest) = split(authentication).ok_or(DecodeError::BadAuthentication)?;
        let key = self.get(number).ok_or(DecodeError::UnknownKey(number))?;
        let mislabelled = || key.method == self.signing.method && self.signing.verify(data, digest);
        if key.verify(data, digest) || mislabelled() { Ok(()) } else { Err(DecodeError::WrongMac(number)) }
    }
}

/// `N DIGEST` → number and digest; the number has up to three digits.
fn split(authentication: &[u8]) -> Option<(u8, &[u8])> {
    let blank = authentication.iter().position(|byte| *byte == b' ')?;
    let (number, rest) = authentication.split_at_checked(blank)?;
    let digits = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(number).ok().filter(|_| digits)?.parse().ok()?;
    Some((number, rest.get(1..)?))
}

fn keyed<M: Mac + KeyInit>(secret: &[u8], data: &[u8]) -> Option<M> {
    // an HMAC takes a secret of any length; `None` is there because the trait is for other MACs too
    let mut mac = <M as KeyInit>::new_from_slice(secret).ok()?;
    mac.update(data);
    Some(mac)
}

fn sign<M: Mac + KeyInit>(secret: &[u8], data: &[u8]) -> String {
    let Some(mac) = keyed::<M>(secret, data) else { return String::new() };
    mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        for nibble in [byte >> 4, byte & 15] {
            hex.push(char::from_digit(u32::from(nibble), 16).unwrap_or_default());
        }
        hex
    })
}

fn verify<M: Mac + KeyInit>(secret: &[u8], data: &[u8], digest: &[u8]) -> bool {
    let (Some(mac), Some(expected)) = (keyed::<M>(secret, data), unhex(digest)) else { return false };
    mac.verify_slice(&expected).is_ok()
}

/// Lower-case hexadecimal only: heartbeat compares the text. A digest is at most 64 bytes.
fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let nibble = |digit: &u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if text.len() > 128 || text.len() % 2 != 0 {
        return None;
    }
    let byte = |pair: &[u8]| Some(nibble(pair.first()?)? << 4 | nibble(pair.get(1)?)?);
    text.chunks(2).map(byte).collect()
}
