//! Services `ldap` and `ldaps`: a bind, then a search of one entry, whose name must match.
//!
//! As ldirectord: a simple bind with `login` and `passwd`, anonymous if one of them is missing; the entry is
//! `request` itself (the root DSE if it is empty), found by `(objectClass=*)`; exactly one must come. None of its
//! attributes is asked for. Messages are those of RFC 4511.

use super::link::{Link, Progress};
use super::outcome::excerpt;
use super::pattern::Turn;
use super::tls::Tls;
use super::{Dialogue, Outcome};
use ber::{Reader, integer, tagged};

mod ber;

/// The longest message that is taken, in bytes: an entry's name, a referral.
const MESSAGE_LIMIT: usize = 64 * 1024;

/// Identifiers of our requests.
const BIND: u8 = 1;
const SEARCH: u8 = 2;
const UNBIND: u8 = 3;

/// Asks and judges, within `checktimeout`.
pub(super) async fn check(dialogue: &Dialogue, tls: Option<Result<&Tls, &String>>, turn: &Turn) -> Outcome {
    let progress = Progress::default();
    let talk = async {
        let mut link = Link::to(dialogue, tls, &progress).await?;
        talk(&mut link, dialogue, turn).await
    };
    progress.within(dialogue.check_timeout, talk).await
}

/// What is said on the connection.
pub(super) async fn talk(link: &mut Link<'_>, dialogue: &Dialogue, turn: &Turn) -> Result<Outcome, Outcome> {
    let anonymous = dialogue.login.is_empty() || dialogue.password.reveal().is_empty();
    let (name, password) =
        if anonymous { ("", "") } else { (dialogue.login.as_str(), dialogue.password.reveal()) };
    link.send(&bind(name, password)).await?;
    loop {
        match answer(link, BIND).await? {
            Answer::BindDone(result) => break result.accepted()?,
            Answer::Intermediate => {}
            _ => return Err(Outcome::Garbled("no answer to the bind".into())),
        }
    }
    link.send(&search(&dialogue.request)).await?;
    let mut found: Option<Vec<u8>> = None;
    loop {
        match answer(link, SEARCH).await? {
            Answer::Entry(_) if found.is_some() => {
                return Err(Outcome::Garbled("more than one entry".into()));
            }
            Answer::Entry(name) => found = Some(name),
            Answer::Reference | Answer::Intermediate => {}
            Answer::SearchDone(result) => break result.accepted()?,
            Answer::BindDone(_) => return Err(Outcome::Garbled("an answer to another request".into())),
        }
    }
    let Some(name) = found else { return Ok(Outcome::Declined("no such entry".into())) };
    let outcome = dialogue.judge(name, turn).await;
    let _ = link.send(&unbind()).await; // what is said is decided
    Ok(outcome)
}

/// The next message that belongs to this request.
async fn answer(link: &mut Link<'_>, request: u8) -> Result<Answer, Outcome> {
    loop {
        let bytes = message(link).await?;
        match read(&bytes) {
            Ok((id, answer)) if id == u32::from(request) => return Ok(answer),
            Ok(_) => {}
            Err(Unread::Disconnected(result)) => return Err(Outcome::Declined(result.words())),
            Err(Unread::Malformed) => {
                return Err(Outcome::Garbled(format!("not LDAP: {}", excerpt(&bytes))));
            }
        }
    }
}

/// The next message as it came.
async fn message(link: &mut Link<'_>) -> Result<Vec<u8>, Outcome> {
    let mut bytes = link.exactly(2).await?;
    let length = match bytes.as_slice() {
        [ber::SEQUENCE, short @ ..=0x7f] => usize::from(*short),
        [ber::SEQUENCE, long @ 0x81..=0x84] => {
            let digits = link.exactly(usize::from(long & 0x7f)).await?;
            bytes.extend_from_slice(&digits);
            digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))
        }
        other => return Err(Outcome::Garbled(format!("not LDAP: {}", excerpt(other)))),
    };
    if length > MESSAGE_LIMIT {
        return Err(Outcome::Garbled(format!("a message of {length} bytes")));
    }
    bytes.extend(link.exactly(length).await?);
    Ok(bytes)
}

fn bind(name: &str, password: &str) -> Vec<u8> {
    let version = integer(3);
    let simple = tagged(0x80, password.as_bytes());
    request(BIND, 0x60, &[version, tagged(ber::OCTETS, name.as_bytes()), simple].concat())
}

fn search(base: &str) -> Vec<u8> {
    let fields = [
        tagged(ber::OCTETS, base.as_bytes()),
        tagged(ber::ENUMERATED, &[0]), // scope: the base alone
        tagged(ber::ENUMERATED, &[2]), // aliases are followed to find it
        integer(0),                    // no limit of entries
        integer(0),                    // no limit of time
        tagged(ber::BOOLEAN, &[0]),
        tagged(0x87, b"objectClass"),                        // (objectClass=*)
        tagged(ber::SEQUENCE, &tagged(ber::OCTETS, b"1.1")), // no attributes
    ];
    request(SEARCH, 0x63, &fields.concat())
}

fn unbind() -> Vec<u8> {
    request(UNBIND, 0x42, &[])
}

fn request(id: u8, tag: u8, content: &[u8]) -> Vec<u8> {
    tagged(ber::SEQUENCE, &[integer(id), tagged(tag, content)].concat())
}

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    BindDone(Conclusion),
    /// The name of an entry.
    Entry(Vec<u8>),
    /// Some other server has it.
    Reference,
    Intermediate,
    SearchDone(Conclusion),
}

/// Why bytes are no answer.
#[derive(Debug, PartialEq, Eq)]
enum Unread {
    Malformed,
    /// The server ends the connection, and says why.
    Disconnected(Conclusion),
}

/// An LDAPResult.
#[derive(Debug, PartialEq, Eq)]
struct Conclusion {
    code: u32,
    words: Vec<u8>,
}

/// One message: to which request it belongs, and what it says.
fn read(bytes: &[u8]) -> Result<(u32, Answer), Unread> {
    let mut outside = Reader(bytes);
    let mut message = Reader(outside.take(ber::SEQUENCE).ok_or(Unread::Malformed)?);
    let (id, (tag, content)) =
        message.integer().zip(message.next()).filter(|_| outside.0.is_empty()).ok_or(Unread::Malformed)?;
    let mut content = Reader(content);
    let answer = match tag {
        0x61 => Answer::BindDone(conclusion(&mut content)?),
        0x64 => Answer::Entry(content.take(ber::OCTETS).ok_or(Unread::Malformed)?.to_vec()),
        0x65 => Answer::SearchDone(conclusion(&mut content)?),
        0x73 => Answer::Reference,
        0x78 if id == 0 => return Err(Unread::Disconnected(conclusion(&mut content)?)),
        0x79 => Answer::Intermediate,
        _ => return Err(Unread::Malformed),
    };
    Ok((id, answer))
}

fn conclusion(content: &mut Reader<'_>) -> Result<Conclusion, Unread> {
    let code = content.take(ber::ENUMERATED).and_then(ber::number).ok_or(Unread::Malformed)?;
    let (_matched, words) =
        content.take(ber::OCTETS).zip(content.take(ber::OCTETS)).ok_or(Unread::Malformed)?;
    Ok(Conclusion { code, words: words.to_vec() })
}

impl Conclusion {
    fn accepted(self) -> Result<(), Outcome> {
        if self.code == 0 { Ok(()) } else { Err(Outcome::Declined(self.words())) }
    }

    /// `invalidCredentials (49): its own words`.
    fn words(&self) -> String {
        let name = match self.code {
            1 => "operationsError",
            2 => "protocolError",
            3 => "timeLimitExceeded",
            8 => "strongerAuthRequired",
            10 => "referral",
            13 => "confidentialityRequired",
            32 => "noSuchObject",
            34 => "invalidDNSyntax",
            48 => "inappropriateAuthentication",
            49 => "invalidCredentials",
            50 => "insufficientAccessRights",
            51 => "busy",
            52 => "unavailable",
            53 => "unwillingToPerform",
            _ => "result",
        };
        let words = excerpt(&self.words);
        let colon = if words.is_empty() { "" } else { ": " };
        format!("{name} ({}){colon}{words}", self.code)
    }
}

#[cfg(test)]
pub(super) mod tests;
