//! Service `radius`: an Access-Request for `login` and `passwd`, which must be accepted. `secret` is what client and
//! server share.
//!
//! The password is sent by PAP as RFC 2865 tells, after a Message-Authenticator (RFC 3579), which servers that guard
//! against forged answers want to see first. An answer is believed if its authenticators fit, and ignored if not.

use super::datagram::{Datagrams, Heard};
use super::link::Progress;
use super::outcome::excerpt;
use super::random::random;
use super::{Dialogue, Outcome};
use hmac::digest::{CtOutput, Digest};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use std::net::IpAddr;

/// Bytes before the attributes: code, identifier, length, authenticator.
const HEADER: usize = 20;
/// No packet is longer, and no password.
const PACKET_LIMIT: usize = 4096;
const PASSWORD_LIMIT: usize = 128;
/// A digest.
const DIGEST: usize = 16;

/// Types of attributes.
const USER_NAME: u8 = 1;
const USER_PASSWORD: u8 = 2;
const NAS_IP_ADDRESS: u8 = 4;
const REPLY_MESSAGE: u8 = 18;
const MESSAGE_AUTHENTICATOR: u8 = 80;
const NAS_IPV6_ADDRESS: u8 = 95;

/// Asks, within `checktimeout`.
pub(super) async fn check(dialogue: &Dialogue) -> Outcome {
    let progress = Progress::default();
    progress.within(dialogue.check_timeout, ask(dialogue, &progress)).await
}

async fn ask(dialogue: &Dialogue, progress: &Progress) -> Result<Outcome, Outcome> {
    let datagrams = Datagrams::open(dialogue.to, dialogue.check_timeout, progress).await?;
    let random = random().map_err(|error| Outcome::of_io(&error))?;
    let request = Request::new(dialogue, datagrams.local()?.ip(), random)?;
    datagrams.ask(&request.bytes, |bytes| request.read(bytes)).await
}

/// An Access-Request.
#[derive(Debug)]
struct Request<'a> {
    secret: &'a [u8],
    bytes: Vec<u8>,
}

impl<'a> Request<'a> {
    /// Of a client with this address. The first random byte is the identifier, the others the authenticator.
    fn new(dialogue: &'a Dialogue, client: IpAddr, random: [u8; 17]) -> Result<Request<'a>, Outcome> {
        let [id, authenticator @ ..] = random;
        let secret = dialogue.secret.reveal().as_bytes();
        let password = dialogue.password.reveal().as_bytes();
        if password.len() > PASSWORD_LIMIT {
            return Err(Outcome::NotRun(format!("a password of RADIUS has {PASSWORD_LIMIT} bytes at most")));
        }
        let mut bytes = vec![1, id, 0, 0];
        bytes.extend_from_slice(&authenticator);
        push(&mut bytes, MESSAGE_AUTHENTICATOR, &[0; DIGEST])?;
        if !dialogue.login.is_empty() {
            push(&mut bytes, USER_NAME, dialogue.login.as_bytes())?;
        }
        push(&mut bytes, USER_PASSWORD, &hidden(password, secret, &authenticator))?;
        match client.to_canonical() {
            IpAddr::V4(address) => push(&mut bytes, NAS_IP_ADDRESS, &address.octets())?,
            IpAddr::V6(address) => push(&mut bytes, NAS_IPV6_ADDRESS, &address.octets())?,
        }
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
        write_at(&mut bytes, 2, &length);
        let digest = sealed(secret, &[&bytes])?.finalize().into_bytes();
        write_at(&mut bytes, HEADER + 2, &digest);
        Ok(Request { secret, bytes })
    }

    fn authenticator(&self) -> &[u8] {
        self.bytes.get(4..HEADER).unwrap_or_default()
    }

    /// Reads a datagram, which is the answer only if it was made with the secret for this request.
    fn read(&self, datagram: &[u8]) -> Heard<Outcome> {
        let Some(reply) = Reply::parse(datagram) else {
            return Heard::Other("a datagram that is not RADIUS");
        };
        if Some(&reply.id) != self.bytes.get(1) {
            return Heard::Other("an answer to another request");
        }
        if !self.is_genuine(&reply) {
            return Heard::Other("an answer that was made with another secret");
        }
        match reply.code {
            2 => Heard::Answer(Outcome::Passed),
            3 => Heard::Answer(Outcome::Declined(words("Access-Reject", &reply))),
            11 => Heard::Answer(Outcome::Declined(words("Access-Challenge", &reply))),
            _ => Heard::Other("an answer that is none to an Access-Request"),
        }
    }

    /// Checks both authenticators, in constant time: the one of RFC 2865, and RFC 3579's where there is one.
    fn is_genuine(&self, reply: &Reply<'_>) -> bool {
        let mut digest = Md5::new();
        for part in [reply.start, self.authenticator(), reply.attributes, self.secret] {
            digest.update(part);
        }
        let Ok(authenticator) = <[u8; DIGEST]>::try_from(reply.authenticator) else { return false };
        let expected = CtOutput::<Md5>::new(digest.finalize());
        if expected != CtOutput::new(authenticator.into()) {
            return false;
        }
        let mut attributes = reply.all().flatten();
        let Some(seal) = attributes.find(|attribute| attribute.kind == MESSAGE_AUTHENTICATOR) else {
            return true;
        };
        let before = reply.attributes.get(..seal.at);
        let after = reply.attributes.get(seal.at + DIGEST..);
        let (Some(before), Some(after)) = (before, after) else { return false };
        sealed(self.secret, &[reply.start, self.authenticator(), before, &[0; DIGEST], after])
            .is_ok_and(|mac| mac.verify_slice(seal.value).is_ok())
    }
}

/// An attribute.
fn push(bytes: &mut Vec<u8>, kind: u8, value: &[u8]) -> Result<(), Outcome> {
    let Some(length) = u8::try_from(value.len()).ok().and_then(|length| length.checked_add(2)) else {
        return Err(Outcome::NotRun("a value of RADIUS has 253 bytes at most".into()));
    };
    bytes.extend_from_slice(&[kind, length]);
    bytes.extend_from_slice(value);
    Ok(())
}

fn write_at(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// User-Password (RFC 2865, section 5.2): blocks of 16 bytes, each under a digest of the secret and the block before.
fn hidden(password: &[u8], secret: &[u8], authenticator: &[u8]) -> Vec<u8> {
    let mut padded = password.to_vec();
    padded.resize(password.len().max(1).next_multiple_of(DIGEST), 0);
    let mut out = Vec::with_capacity(padded.len());
    let mut before = authenticator.to_vec();
    for block in padded.chunks(DIGEST) {
        let mask = Md5::new().chain_update(secret).chain_update(&before).finalize();
        before = block.iter().zip(mask.iter()).map(|(byte, mask)| byte ^ mask).collect();
        out.extend_from_slice(&before);
    }
    out
}

/// HMAC-MD5 of these parts.
fn sealed(secret: &[u8], parts: &[&[u8]]) -> Result<Hmac<Md5>, Outcome> {
    let mac = Hmac::<Md5>::new_from_slice(secret);
    let mut mac = mac.map_err(|error| Outcome::NotRun(format!("the secret: {error}")))?;
    parts.iter().for_each(|part| mac.update(part));
    Ok(mac)
}

/// A packet whose attributes all fit into it.
#[derive(Debug)]
struct Reply<'a> {
    code: u8,
    id: u8,
    /// Code, identifier, length.
    start: &'a [u8],
    authenticator: &'a [u8],
    attributes: &'a [u8],
}

impl<'a> Reply<'a> {
    /// What stands behind the packet's own length is padding.
    fn parse(datagram: &'a [u8]) -> Option<Reply<'a>> {
        let [code, id, high, low, ..] = datagram else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if !(HEADER..=PACKET_LIMIT).contains(&length) {
            return None;
        }
        let packet = datagram.get(..length)?;
        let (start, rest) = packet.split_at_checked(4)?;
        let (authenticator, attributes) = rest.split_at_checked(DIGEST)?;
        let reply = Reply { code: *code, id: *id, start, authenticator, attributes };
        reply.all().all(|attribute| attribute.is_some()).then_some(reply)
    }

    /// Each attribute; `None` for one that is cut off, which is the last.
    fn all(&self) -> impl Iterator<Item = Option<Attribute<'a>>> + use<'a> {
        let mut rest = self.attributes;
        let whole = rest.len();
        std::iter::from_fn(move || {
            let (kind, after) = rest.split_first()?;
            let at = whole - rest.len() + 2;
            let found = after
                .split_first()
                .and_then(|(length, after)| after.split_at_checked(usize::from(*length).checked_sub(2)?));
            rest = found.map_or(&[], |(_, rest)| rest);
            Some(found.map(|(value, _)| Attribute { kind: *kind, at, value }))
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Attribute<'a> {
    kind: u8,
    /// Where its value begins among all attributes.
    at: usize,
    value: &'a [u8],
}

/// The answer's name, and what it says to the user.
fn words(name: &str, reply: &Reply<'_>) -> String {
    let attributes = reply.all().flatten().filter(|attribute| attribute.kind == REPLY_MESSAGE);
    let message: Vec<u8> = attributes.flat_map(|attribute| attribute.value).copied().collect();
    let colon = if message.is_empty() { "" } else { ": " };
    format!("{name}{colon}{}", excerpt(&message))
}

#[cfg(test)]
pub(super) mod tests;
