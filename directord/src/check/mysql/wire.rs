//! Packets of MySQL's protocol ⇄ their meaning. Nothing here panics, whatever the bytes.

use crate::check::Outcome;
use crate::check::sql::declined;

/// Ends the connection.
pub(super) const QUIT: u8 = 1;
/// A query follows.
pub(super) const QUERY: u8 = 3;

const LONG_PASSWORD: u32 = 0x1;
const CONNECT_WITH_DATABASE: u32 = 0x8;
const PROTOCOL_41: u32 = 0x200;
const TLS: u32 = 0x800;
const TRANSACTIONS: u32 = 0x2000;
const SECURE_CONNECTION: u32 = 0x8000;
const MULTI_RESULTS: u32 = 0x2_0000; // else CALL is refused
const PLUGIN_LOGIN: u32 = 0x8_0000;
/// utf8 with the collation that all versions have.
const CHARSET: u8 = 33;

const OK: u8 = 0;
const MORE: u8 = 1;
const NULL: u8 = 0xfb;
const END: u8 = 0xfe;
const ERROR: u8 = 0xff;

/// What a server says first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    abilities: u32,
    /// Random bytes that go into the proof.
    pub(super) nonce: Vec<u8>,
    /// The login method of most accounts.
    pub(super) method: String,
}

impl Greeting {
    pub(super) fn read(packet: &[u8]) -> Result<Greeting, Outcome> {
        let mut reader = Reader(packet);
        match reader.byte() {
            Some(10) => {}
            Some(ERROR) => return Err(error(packet)),
            Some(version) => return Err(garbled(&format!("version {version} of the protocol, not 10"))),
            None => return Err(garbled("an empty greeting")),
        }
        let greeting = reader.greeting().ok_or_else(|| garbled("a greeting that is too short"))?;
        if greeting.abilities & PROTOCOL_41 == 0 {
            return Err(garbled("a server older than MySQL 4.1"));
        }
        Ok(greeting)
    }

    pub(super) fn offers_tls(&self) -> bool {
        self.abilities & TLS != 0
    }
}

/// Asks for TLS before anything is said.
pub(super) fn tls_request(database: bool) -> Vec<u8> {
    beginning(database, true)
}

/// Who asks, his proof, and for which database.
pub(super) fn response(login: &str, proof: &[u8], database: &str, method: &str, tls: bool) -> Vec<u8> {
    let mut packet = beginning(!database.is_empty(), tls);
    packet.extend_from_slice(&text(login));
    packet.push(u8::try_from(proof.len()).unwrap_or_default());
    packet.extend_from_slice(proof.get(..255).unwrap_or(proof));
    if !database.is_empty() {
        packet.extend_from_slice(&text(database));
    }
    packet.extend_from_slice(&text(method));
    packet
}

fn beginning(database: bool, tls: bool) -> Vec<u8> {
    let mut abilities =
        LONG_PASSWORD | PROTOCOL_41 | TRANSACTIONS | SECURE_CONNECTION | MULTI_RESULTS | PLUGIN_LOGIN;
    if database {
        abilities |= CONNECT_WITH_DATABASE;
    }
    if tls {
        abilities |= TLS;
    }
    let mut packet = abilities.to_le_bytes().to_vec();
    packet.extend_from_slice(&0x100_0000u32.to_le_bytes()); // the longest packet, as every client says
    packet.push(CHARSET);
    packet.extend_from_slice(&[0; 23]);
    packet
}

/// With the 0 at its end; without those that would be in it.
fn text(text: &str) -> Vec<u8> {
    text.bytes().filter(|byte| *byte != 0).chain([0]).collect()
}

/// What a server says in a login.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// Welcome.
    Ok,
    /// Another method, with other random bytes.
    Switch {
        /// Its name.
        name: String,
        /// The random bytes.
        nonce: Vec<u8>,
    },
    /// Something that the method knows.
    More(&'a [u8]),
}

pub(super) fn login_packet(packet: &[u8]) -> Result<Packet<'_>, Outcome> {
    match packet.split_first() {
        Some((&OK, _)) => Ok(Packet::Ok),
        Some((&MORE, data)) => Ok(Packet::More(data)),
        Some((&END, [])) => Err(Outcome::Declined(
            "the account has a password of MySQL before 4.1; it must be set anew".into(),
        )),
        Some((&END, data)) => {
            let mut reader = Reader(data);
            let name = reader.text().ok_or_else(|| garbled("a login method without end"))?;
            Ok(Packet::Switch { name, nonce: without_end(reader.0) })
        }
        _ => Err(error(packet)),
    }
}

/// Whether the answer to a query has columns; else it is a mere OK.
pub(super) fn has_columns(packet: &[u8]) -> Result<bool, Outcome> {
    match packet.first() {
        Some(&OK) => Ok(false),
        Some(&NULL) => Err(garbled("the server asks for a file")),
        Some(&ERROR) | None => Err(error(packet)),
        Some(_) => Ok(true),
    }
}

/// Whether columns or rows end here.
pub(super) fn is_end(packet: &[u8]) -> Result<bool, Outcome> {
    match packet.first() {
        Some(&ERROR) => Err(error(packet)),
        Some(&END) => Ok(packet.len() < 9), // longer ones are a value of 2^24 bytes or more
        _ => Ok(false),
    }
}

/// The values of a row, of which the end may be missing; those that are NULL are left out.
pub(super) fn values(row: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = Reader(row);
    let mut values = Vec::new();
    while let Some(length) = reader.length() {
        if let Some(length) = length {
            values.push(reader.up_to(length).to_vec());
        }
    }
    values
}

fn error(packet: &[u8]) -> Outcome {
    let mut reader = Reader(packet);
    let (Some(ERROR), Some(code)) = (reader.byte(), reader.number::<2>()) else {
        return garbled("a packet that is neither OK nor an error");
    };
    // "#28000" before the words, in most
    let words =
        if reader.0.first() == Some(&b'#') { reader.0.get(6..).unwrap_or_default() } else { reader.0 };
    declined(words, &format!("error {code}"))
}

fn garbled(what: &str) -> Outcome {
    Outcome::Garbled(what.to_owned())
}

fn without_end(bytes: &[u8]) -> Vec<u8> {
    bytes.strip_suffix(&[0]).unwrap_or(bytes).to_vec()
}

/// Takes from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn up_to(&mut self, count: u64) -> &'a [u8] {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.0.len());
        self.take(count).unwrap_or_default()
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Of `N` bytes, the lowest first.
    fn number<const N: usize>(&mut self) -> Option<u64> {
        Some(self.take(N)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Up to the next 0.
    fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.byte();
        Some(text)
    }

    /// A length as values have it; `Some(None)` for NULL.
    fn length(&mut self) -> Option<Option<u64>> {
        Some(match self.byte()? {
            NULL => None,
            ERROR => return None,
            0xfc => Some(self.number::<2>()?),
            0xfd => Some(self.number::<3>()?),
            END => Some(self.number::<8>()?),
            short => Some(u64::from(short)),
        })
    }

    fn greeting(&mut self) -> Option<Greeting> {
        self.text()?; // the version
        self.take(4)?; // the connection's number
        let mut nonce = self.take(8)?.to_vec();
        self.byte()?;
        let low = self.number::<2>()?;
        // From here on old servers may have nothing.
        self.take(3).unwrap_or_default(); // charset, status
        let high = self.number::<2>().unwrap_or_default();
        let length = self.byte().unwrap_or_default();
        self.take(10).unwrap_or_default();
        let rest = usize::from(length).saturating_sub(8).max(13).min(self.0.len());
        nonce.extend(without_end(self.take(rest)?));
        let method = self.text().unwrap_or_else(|| String::from_utf8_lossy(self.0).into_owned());
        let abilities = u32::try_from(low | high << 16).unwrap_or_default();
        Some(Greeting { abilities, nonce, method })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), first in any::<u8>()) {
            for packet in [bytes.clone(), [vec![first], bytes].concat()] {
                let _ = Greeting::read(&packet);
                let _ = login_packet(&packet);
                let _ = has_columns(&packet);
                let _ = is_end(&packet);
                prop_assert!(values(&packet).iter().map(Vec::len).sum::<usize>() <= packet.len());
            }
        }
    }

    #[test]
    fn rows() {
        let row = b"\x02ab\xfb\x00\xfc\x03\x00cde";
        assert_eq!(values(row), [b"ab".to_vec(), vec![], b"cde".to_vec()]);
        assert_eq!(values(b"\x05cut"), [b"cut".to_vec()]);
        assert_eq!(values(b"\xfe\xff\xff\xff\xff\xff\xff\xff\xffend"), [b"end".to_vec()]);
    }

    #[test]
    fn errors_say_what_the_server_says() {
        let packet = b"\xff\x15\x04#28000Access denied\nfor user";
        assert_eq!(error(packet), Outcome::Declined("Access denied for user (error 1045)".into()));
        let early = b"\xff\x10\x04Too many connections";
        assert_eq!(Greeting::read(early), Err(Outcome::Declined("Too many connections (error 1040)".into())));
    }
}
