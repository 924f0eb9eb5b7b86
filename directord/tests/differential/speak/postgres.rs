//! PostgreSQL, with one row for every query (protocol 3.0).

use super::Talk;
use std::io::{Read, Write};

/// What a server says: letter and content.
type Message = (u8, &'static [u8]);

const WHAT_PASSWORD: Message = (b'R', &[0, 0, 0, 3]); // in clear text
const WELCOME: Message = (b'R', &[0; 4]);
const SETTINGS: [Message; 4] = [
    (b'S', b"server_version\x0015.0\0"),
    (b'S', b"server_encoding\0UTF8\0"),
    (b'S', b"client_encoding\0UTF8\0"),
    (b'S', b"standard_conforming_strings\0on\0"),
];
const READY: Message = (b'Z', b"I");
const NOTHING_TO_SET: Message = (b't', &[0, 0]);
/// A column "n" of no table: an integer of 4 bytes, as text.
const COLUMN: Message =
    (b'T', &[0, 1, b'n', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 23, 0, 4, 255, 255, 255, 255, 0, 0]);
const ROW: Message = (b'D', &[0, 1, 0, 0, 0, 1, b'1']);
const ONE_ROW: Message = (b'C', b"SELECT 1\0");
const DONE: Message = (b'C', b"SET\0");
const FULL: Message = (b'E', b"SFATAL\0VFATAL\0C53300\0Mtoo many connections\0\0");

/// Accepts every password, and answers a query, prepared or not, with one row; or has too many connections.
pub fn serve<S: Read + Write>(talk: &mut Talk<S>, well: bool) -> Option<()> {
    while starts_privately(&content(talk)?) {
        talk.say("N")?;
    }
    if !well {
        return say(talk, &[FULL]);
    }
    say(talk, &[WHAT_PASSWORD])?;
    message(talk)?;
    say(talk, &[WELCOME])?;
    say(talk, &SETTINGS)?;
    say(talk, &[READY])?;
    loop {
        let (letter, content) = message(talk)?;
        match letter {
            b'Q' if content.trim_ascii_start().to_ascii_lowercase().starts_with(b"select") => {
                say(talk, &[COLUMN, ROW, ONE_ROW, READY])?;
            }
            b'Q' => say(talk, &[DONE, READY])?,
            b'P' => say(talk, &[(b'1', &[])])?,
            b'B' => say(talk, &[(b'2', &[])])?,
            b'D' if content.first() == Some(&b'S') => say(talk, &[NOTHING_TO_SET, COLUMN])?,
            b'D' => say(talk, &[COLUMN])?,
            b'E' => say(talk, &[ROW, ONE_ROW])?,
            b'C' => say(talk, &[(b'3', &[])])?,
            b'S' => say(talk, &[READY])?,
            _ => return None, // goodbye
        }
    }
}

/// Whether a first message asks for TLS or GSSAPI.
fn starts_privately(message: &[u8]) -> bool {
    [80877103_i32, 80877104].iter().any(|code| message == code.to_be_bytes())
}

fn message<S: Read + Write>(talk: &mut Talk<S>) -> Option<(u8, Vec<u8>)> {
    let letter = talk.exactly(1)?[0];
    Some((letter, content(talk)?))
}

/// What follows a length, which counts itself.
fn content<S: Read + Write>(talk: &mut Talk<S>) -> Option<Vec<u8>> {
    let length = u32::from_be_bytes(talk.exactly(4)?.try_into().ok()?);
    talk.exactly(length.checked_sub(4)? as usize)
}

fn say<S: Read + Write>(talk: &mut Talk<S>, messages: &[Message]) -> Option<()> {
    let mut bytes = Vec::new();
    for (letter, content) in messages {
        bytes.push(*letter);
        bytes.extend_from_slice(&(content.len() as u32 + 4).to_be_bytes());
        bytes.extend_from_slice(content);
    }
    talk.send(&bytes)
}
