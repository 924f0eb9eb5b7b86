//! Service `pgsql`: login to PostgreSQL, a query, at least one row.
//!
//! As libpq does without further settings, which is what ldirectord had: TLS if the server offers it, whatever its
//! certificate, and in plain text if that fails. With `tlsverify` in the section the server must have TLS.
//! Messages and proofs are the library's; the connection with its limits is ours.

use super::link::{Link, Progress};
use super::outcome::excerpt;
use super::pattern::Turn;
use super::sql::{self, ROW_LIMIT};
use super::tls::Tls;
use super::{Dialogue, Outcome};
use crate::thread::of_check;
use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, DATA_ROW_TAG, ErrorResponseBody, Message};
use postgres_protocol::message::frontend;
use std::io;

/// No message but a row is longer, in bytes.
const MESSAGE_LIMIT: usize = 64 * 1024;
/// SQLSTATE of an account that may not log in from here, or not this way (with TLS, without).
const NOT_THIS_WAY: &str = "28000";

/// Logs in and asks.
pub(super) async fn check(dialogue: &Dialogue, tls: Option<Result<&Tls, &String>>, turn: &Turn) -> Outcome {
    let tls = match sql::usable(tls) {
        Ok(tls) => tls,
        Err(outcome) => return outcome,
    };
    let progress = Progress::default();
    let talk = async {
        match talk(dialogue, tls, turn, &progress).await {
            Err(Failed::Privately(_)) if dialogue.tls_verify.is_none() => {
                talk(dialogue, None, turn, &progress).await.map_err(Failed::outcome)
            }
            ended => ended.map_err(Failed::outcome),
        }
    };
    progress.within(dialogue.timeout, talk).await
}

/// Where a check failed.
enum Failed {
    /// In the TLS handshake, or because of TLS: it may be tried again without.
    Privately(Outcome),
    /// For good.
    Finally(Outcome),
}

impl Failed {
    fn outcome(self) -> Outcome {
        match self {
            Failed::Privately(outcome) | Failed::Finally(outcome) => outcome,
        }
    }
}

impl From<Outcome> for Failed {
    fn from(outcome: Outcome) -> Failed {
        Failed::Finally(outcome)
    }
}

async fn talk(
    dialogue: &Dialogue,
    tls: Option<&Tls>,
    turn: &Turn,
    progress: &Progress,
) -> Result<Outcome, Failed> {
    let mut link = Link::open(dialogue.to, progress).await?;
    let mut private = false;
    if let Some(tls) = tls {
        (link, private) = offer_tls(link, tls, dialogue).await?;
    }
    let mut server = Server { link, private };
    server.login(dialogue).await?;
    let row = server.query(&dialogue.request).await;
    let mut bye = BytesMut::new();
    frontend::terminate(&mut bye);
    let _ = server.link.send(&bye).await; // else the server logs a lost connection
    match row? {
        Some(row) => Ok(sql::judge(dialogue, values(&row), turn).await),
        None => Ok(Outcome::NoRow),
    }
}

/// The connection in TLS if the server has it; and whether that is so.
async fn offer_tls<'a>(
    mut link: Link<'a>,
    tls: &Tls,
    dialogue: &Dialogue,
) -> Result<(Link<'a>, bool), Failed> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    link.send(&request).await?;
    match link.exactly(1).await?.as_slice() {
        b"S" => {
            let name = dialogue.server_name();
            let link = link.start_tls(tls, dialogue.to, name).await.map_err(Failed::Privately)?;
            Ok((link, true))
        }
        b"N" if dialogue.tls_verify.is_some() => Err(sql::no_tls().into()),
        b"N" => Ok((link, false)),
        other => {
            let what = format!("\"{}\" where S or N says whether there is TLS", other.escape_ascii());
            Err(Outcome::Garbled(what).into())
        }
    }
}

/// The connection, message by message.
struct Server<'a> {
    link: Link<'a>,
    private: bool,
}

/// What a server sends.
enum Received {
    Message(Message),
    /// A row of a query, cut off at the limit.
    Row(Vec<u8>),
}

impl Server<'_> {
    async fn receive(&mut self) -> Result<Received, Failed> {
        let header = self.link.exactly(5).await?;
        let (tag, length) = header_of(&header)?;
        if tag == DATA_ROW_TAG {
            return Ok(Received::Row(self.link.exactly(length.min(ROW_LIMIT)).await?));
        }
        if length > MESSAGE_LIMIT {
            return Err(Outcome::Garbled(format!("a message of {length} bytes")).into());
        }
        let body = self.link.exactly(length).await?;
        let mut whole = BytesMut::from([header, body].concat().as_slice());
        match Message::parse(&mut whole) {
            Ok(Some(Message::ErrorResponse(body))) => Err(self.error(&body)),
            Ok(Some(message)) => Ok(Received::Message(message)),
            Ok(None) => Err(Outcome::Garbled("a message of another length".into()).into()),
            Err(error) => Err(garbled(&error)),
        }
    }

    /// The next message that is no notice and no setting of the server.
    async fn message(&mut self) -> Result<Received, Failed> {
        loop {
            match self.receive().await? {
                Received::Message(
                    Message::NoticeResponse(_)
                    | Message::ParameterStatus(_)
                    | Message::BackendKeyData(_)
                    | Message::NotificationResponse(_),
                ) => {}
                other => return Ok(other),
            }
        }
    }

    async fn send(&mut self, build: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> Result<(), Failed> {
        let mut bytes = BytesMut::new();
        build(&mut bytes).map_err(|error| Outcome::NotRun(error.to_string()))?;
        Ok(self.link.send(&bytes).await?)
    }

    /// Everything up to the server's readiness.
    async fn login(&mut self, dialogue: &Dialogue) -> Result<(), Failed> {
        let (login, password) = (dialogue.login.as_str(), dialogue.password.reveal().as_bytes());
        let mut parameters =
            vec![("user", login), ("application_name", "directord"), ("client_encoding", "UTF8")];
        if !dialogue.database.is_empty() {
            parameters.push(("database", dialogue.database.as_str()));
        }
        self.send(|bytes| frontend::startup_message(parameters, bytes)).await?;
        loop {
            let Received::Message(message) = self.message().await? else { return Err(unexpected()) };
            match message {
                Message::AuthenticationOk => {}
                Message::ReadyForQuery(_) => return Ok(()),
                Message::AuthenticationCleartextPassword => {
                    self.send(|bytes| frontend::password_message(password, bytes)).await?;
                }
                Message::AuthenticationMd5Password(body) => {
                    let proof = md5_hash(login.as_bytes(), password, body.salt());
                    self.send(|bytes| frontend::password_message(proof.as_bytes(), bytes)).await?;
                }
                Message::AuthenticationSasl(body) => self.scram(&body, password).await?,
                Message::AuthenticationGss
                | Message::AuthenticationSspi
                | Message::AuthenticationKerberosV5 => {
                    let words =
                        "the account's login method is GSSAPI, SSPI or Kerberos; a check can use a password";
                    return Err(Outcome::Declined(words.into()).into());
                }
                _ => return Err(unexpected()),
            }
        }
    }

    /// SCRAM-SHA-256, RFC 5802 and 7677.
    async fn scram(&mut self, offered: &AuthenticationSaslBody, password: &[u8]) -> Result<(), Failed> {
        let known =
            offered.mechanisms().any(|name| Ok(name == SCRAM_SHA_256)).map_err(|error| garbled(&error))?;
        if !known {
            let words = "the account's login method is none of SCRAM-SHA-256, md5, password";
            return Err(Outcome::Declined(words.into()).into());
        }
        let mut scram = ScramSha256::new(password, ChannelBinding::unsupported());
        let first = scram.message().to_vec();
        self.send(|bytes| frontend::sasl_initial_response(SCRAM_SHA_256, &first, bytes)).await?;
        let Received::Message(Message::AuthenticationSaslContinue(body)) = self.message().await? else {
            return Err(unexpected());
        };
        // Thousands of rounds of SHA-256, as many as the server wants: up to 100,000.
        let (mut scram, proof) = of_check("scram", move || {
            let proof = scram.update(body.data()).map(|()| scram.message().to_vec());
            (scram, proof)
        })
        .await
        .ok_or_else(|| Outcome::NotRun("no thread to compute the login's proof".into()))?;
        let proof = proof.map_err(|error| garbled(&error))?;
        self.send(|bytes| frontend::sasl_response(&proof, bytes)).await?;
        let Received::Message(Message::AuthenticationSaslFinal(body)) = self.message().await? else {
            return Err(unexpected());
        };
        scram.finish(body.data()).map_err(|error| garbled(&error))
    }

    /// The first row; `None` if there is none.
    async fn query(&mut self, query: &str) -> Result<Option<Vec<u8>>, Failed> {
        self.send(|bytes| frontend::query(query, bytes)).await?;
        loop {
            match self.message().await? {
                Received::Row(row) => return Ok(Some(row)),
                Received::Message(Message::ReadyForQuery(_)) => return Ok(None),
                Received::Message(
                    Message::RowDescription(_) | Message::CommandComplete(_) | Message::EmptyQueryResponse,
                ) => {}
                Received::Message(_) => return Err(unexpected()),
            }
        }
    }

    fn error(&self, body: &ErrorResponseBody) -> Failed {
        let (mut code, mut words) = (String::new(), Vec::new());
        let mut fields = body.fields();
        while let Ok(Some(field)) = fields.next() {
            match field.type_() {
                b'C' => code = String::from_utf8_lossy(field.value_bytes()).escape_debug().take(10).collect(),
                b'M' => words = field.value_bytes().to_vec(),
                _ => {}
            }
        }
        let outcome = sql::declined(&words, &format!("SQLSTATE {code}"));
        if self.private && code == NOT_THIS_WAY {
            Failed::Privately(outcome)
        } else {
            Failed::Finally(outcome)
        }
    }
}

/// A message's kind and the length of what follows.
fn header_of(header: &[u8]) -> Result<(u8, usize), Outcome> {
    let &[tag, a, b, c, d] = header else { return Err(Outcome::Closed) };
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    let length = length.checked_sub(4);
    Ok((tag, length.ok_or_else(|| Outcome::Garbled("a message with an impossible length".into()))?))
}

/// The values of a row, of which the end may be missing; those that are NULL are left out.
fn values(row: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = row.get(2..).unwrap_or_default(); // how many there are
    let mut values = Vec::new();
    while let Some((length, bytes)) = rest.split_first_chunk::<4>() {
        // -1 is NULL
        let length = usize::try_from(i32::from_be_bytes(*length)).ok();
        let (value, behind) = bytes.split_at(length.unwrap_or(0).min(bytes.len()));
        if length.is_some() {
            values.push(value.to_vec());
        }
        rest = behind;
    }
    values
}

fn garbled(error: &io::Error) -> Failed {
    // The library repeats what the server sent.
    Failed::Finally(Outcome::Garbled(excerpt(error.to_string().as_bytes())))
}

fn unexpected() -> Failed {
    Failed::Finally(Outcome::Garbled("a message that does not belong here".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = header_of(&bytes);
            prop_assert!(values(&bytes).iter().map(Vec::len).sum::<usize>() <= bytes.len());
            let mut scram = ScramSha256::new(b"secret", ChannelBinding::unsupported());
            let _ = scram.update(&bytes);
            let _ = scram.finish(&bytes);
        }

        /// The library's reader, for every kind of message.
        #[test]
        fn no_message_panics(tag in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
            let mut whole = BytesMut::from([&[tag], &length[..], &body].concat().as_slice());
            match Message::parse(&mut whole) {
                Ok(Some(Message::ErrorResponse(body))) => {
                    let _ = body.fields().count();
                }
                Ok(Some(Message::AuthenticationSasl(body))) => {
                    let _ = body.mechanisms().any(|name| Ok(name == SCRAM_SHA_256));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn rows() {
        let row = b"\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0";
        assert_eq!(values(row), [b"ab".to_vec(), vec![]]);
        assert_eq!(values(b"\0\x01\x7f\0\0\0cut"), [b"cut".to_vec()]);
    }
}
