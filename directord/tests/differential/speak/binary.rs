//! Protocols of bytes.

use super::Talk;
use md5::{Digest, Md5};
use std::io::{Read, Write};

pub fn dns_by_tcp<S: Read + Write>(talk: &mut Talk<S>, well: bool) -> Option<()> {
    let length = talk.exactly(2)?;
    let question = talk.exactly(usize::from(u16::from_be_bytes([length[0], length[1]])))?;
    let answer = dns(&question, well)?;
    talk.send(&[&(answer.len() as u16).to_be_bytes(), answer.as_slice()].concat())
}

/// One address, 192.0.2.53, for whatever was asked; or a failure (RFC 1035).
pub fn dns(question: &[u8], well: bool) -> Option<Vec<u8>> {
    let name = question.get(12..)?.iter().position(|byte| *byte == 0)?;
    let mut answer = question.get(..12 + name + 5)?.to_vec();
    answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(well), 0, 0, 0, 0]);
    if well {
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 53]);
    } else {
        answer[3] = 0x82; // the server failed
    }
    Some(answer)
}

/// Accepts every login; the entry that is asked for exists (RFC 4511).
pub fn ldap<S: Read + Write>(talk: &mut Talk<S>, well: bool) -> Option<()> {
    const INTEGER: u8 = 0x02;
    const OCTETS: u8 = 0x04;
    const SEQUENCE: u8 = 0x30;
    const UNAVAILABLE: u8 = 52;
    loop {
        let message = ldap_message(talk)?;
        let (_, id, rest) = field(&message)?;
        let (operation, content, _) = field(rest)?;
        let mut answer = |tag: u8, content: &[u8]| {
            talk.send(&tagged(SEQUENCE, &[tagged(INTEGER, id), tagged(tag, content)].concat()))
        };
        let done = [0x0a, 1, if well { 0 } else { UNAVAILABLE }, OCTETS, 0, OCTETS, 0];
        match operation {
            0x60 => answer(0x61, &done)?, // a bind
            0x63 => {
                let (_, base, _) = field(content)?;
                let entry = [tagged(OCTETS, base), tagged(SEQUENCE, &[])].concat();
                answer(0x64, &entry)?;
                answer(0x65, &done)?;
            }
            _ => return None, // it wants no more
        }
    }
}

/// The content of the next message.
fn ldap_message<S: Read + Write>(talk: &mut Talk<S>) -> Option<Vec<u8>> {
    let mut head = talk.exactly(2)?;
    if head[1] & 0x80 != 0 {
        head.extend(talk.exactly(usize::from(head[1] & 0x7f))?);
    }
    let (length, _) = length(&head[1..])?;
    talk.exactly(length)
}

/// A length as BER writes it, and how many bytes it takes.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.first()? {
        short @ ..=0x7f => Some((usize::from(short), 1)),
        long => {
            let count = usize::from(long & 0x7f);
            let digits = bytes.get(1..=count)?;
            Some((digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), 1 + count))
        }
    }
}

/// The first field: its tag, its content, and what follows it.
fn field(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (length, taken) = length(rest)?;
    let (content, rest) = rest.get(taken..)?.split_at_checked(length)?;
    Some((*tag, content, rest))
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16).to_be_bytes();
    [&[tag, 0x82, length[0], length[1]], content].concat()
}

/// Accepts every user, or none (RFC 2865).
pub fn radius(question: &[u8], secret: &str, well: bool) -> Option<Vec<u8>> {
    const LENGTH: u8 = 20;
    let head = [if well { 2 } else { 3 }, *question.get(1)?, 0, LENGTH];
    let digest = Md5::new().chain_update(head).chain_update(question.get(4..20)?).chain_update(secret);
    Some([head.as_slice(), &digest.finalize()].concat())
}

/// Accepts every login, and answers a query with one row; or has too many connections (protocol 10 of MySQL).
pub fn mysql<S: Read + Write>(talk: &mut Talk<S>, well: bool) -> Option<()> {
    const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
    const END: &[u8] = &[0xfe, 0, 0, 2, 0];
    const NUMBER: u8 = 8; // LONGLONG
    if !well {
        return packet(talk, 0, &[&[0xff, 0x10, 0x04], b"Too many connections".as_slice()].concat());
    }
    packet(talk, 0, &greeting())?;
    mysql_packet(talk)?; // who it is
    packet(talk, 2, OK)?;
    loop {
        let command = mysql_packet(talk)?;
        let (kind, query) = command.split_first()?;
        match kind {
            1 => return Some(()), // goodbye
            3 if query.trim_ascii_start().to_ascii_lowercase().starts_with(b"select") => {
                let names = [3, b'd', b'e', b'f', 0, 0, 0, 1, b'n', 0];
                let rest = [12, 63, 0, 1, 0, 0, 0, NUMBER, 0, 0, 0, 0, 0];
                packet(talk, 1, &[1])?; // a column
                packet(talk, 2, &[names.as_slice(), &rest].concat())?;
                packet(talk, 3, END)?;
                packet(talk, 4, &[1, b'1'])?; // a row
                packet(talk, 5, END)?;
            }
            _ => packet(talk, 1, OK)?,
        }
    }
}

fn greeting() -> Vec<u8> {
    /// Long passwords and flags, a database at the login, protocol 4.1, transactions, salted passwords, methods by name.
    const CAN: u32 = 1 | 4 | 8 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
    let (can, salt) = (CAN.to_le_bytes(), b"abcdefghijklmnopqrst");
    let mut greeting = b"\x0a5.7.42-example\0\x01\0\0\0".to_vec();
    greeting.extend_from_slice(&salt[..8]);
    greeting.extend_from_slice(&[0, can[0], can[1], 33, 2, 0, can[2], can[3], 21]);
    greeting.extend_from_slice(&[0; 10]);
    greeting.extend_from_slice(&salt[8..]);
    greeting.extend_from_slice(b"\0mysql_native_password\0");
    greeting
}

fn mysql_packet<S: Read + Write>(talk: &mut Talk<S>) -> Option<Vec<u8>> {
    let head = talk.exactly(4)?;
    talk.exactly(u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize)
}

fn packet<S: Read + Write>(talk: &mut Talk<S>, number: u8, content: &[u8]) -> Option<()> {
    let length = (content.len() as u32).to_le_bytes();
    talk.send(&[&[length[0], length[1], length[2], number], content].concat())
}
