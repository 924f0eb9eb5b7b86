//! Service `mysql`, for MySQL and MariaDB: login, a query, at least one row.
//!
//! The client is our own: of those there are, none keeps to a limit of memory (a server's claim of 2^63 columns ends
//! the process). Protocol: "Client/Server Protocol" in MySQL's internals manual, version 10 of the greeting,
//! version 4.1 of the rest. As many clients do, and ldirectord's did, the connection stays in plain text unless the
//! section has `tlsverify`; the password is never sent in it.

mod login;
mod wire;

use super::link::{Link, Progress};
use super::pattern::Turn;
use super::sql::{self, ROW_LIMIT};
use super::tls::Tls;
use super::{Dialogue, Outcome};
use login::{Answer, Method};
use wire::{Greeting, Packet};

/// Packets of a login: a change of the method, the server's key, and what newer servers may add.
const LOGIN_PACKETS: usize = 8;
/// No packet but a row is longer, in bytes.
const PACKET_LIMIT: usize = 64 * 1024;

/// Logs in and asks. With `tls` the server must have TLS.
pub(super) async fn check(dialogue: &Dialogue, tls: Option<Result<&Tls, &String>>, turn: &Turn) -> Outcome {
    let tls = match sql::usable(tls) {
        Ok(tls) => tls,
        Err(outcome) => return outcome,
    };
    let progress = Progress::default();
    progress.within(dialogue.timeout, talk(dialogue, tls, turn, &progress)).await
}

async fn talk(
    dialogue: &Dialogue,
    tls: Option<&Tls>,
    turn: &Turn,
    progress: &Progress,
) -> Result<Outcome, Outcome> {
    let mut server = Server { link: Link::open(dialogue.to, progress).await?, sequence: 0 };
    let greeting = Greeting::read(&server.packet().await?)?;
    if let Some(tls) = tls {
        if !greeting.offers_tls() {
            return Err(sql::no_tls());
        }
        server.send(&wire::tls_request(!dialogue.database.is_empty())).await?;
        let name = dialogue.server_name();
        server.link = server.link.start_tls(tls, dialogue.to, name).await?;
    }
    server.login(dialogue, greeting, tls.is_some()).await?;
    let row = server.query(&dialogue.request).await;
    server.sequence = 0;
    let _ = server.send(&[wire::QUIT]).await; // else the server counts an aborted connection
    match row? {
        Some(row) => Ok(sql::judge(dialogue, wire::values(&row), turn).await),
        None => Ok(Outcome::NoRow),
    }
}

/// The connection, packet by packet.
struct Server<'a> {
    link: Link<'a>,
    /// Of the next packet; it starts again with every command.
    sequence: u8,
}

impl Server<'_> {
    async fn packet(&mut self) -> Result<Vec<u8>, Outcome> {
        let length = self.header().await?;
        if length > PACKET_LIMIT {
            return Err(Outcome::Garbled(format!("a packet of {length} bytes")));
        }
        self.link.exactly(length).await
    }

    /// The length of the packet that follows.
    async fn header(&mut self) -> Result<usize, Outcome> {
        let header = self.link.exactly(4).await?;
        let number = |at: usize| header.get(at).copied().unwrap_or_default();
        self.sequence = number(3).wrapping_add(1);
        Ok(usize::from(number(0)) | usize::from(number(1)) << 8 | usize::from(number(2)) << 16)
    }

    async fn send(&mut self, payload: &[u8]) -> Result<(), Outcome> {
        let length = u32::try_from(payload.len()).ok().filter(|length| *length < 0xff_ffff);
        let Some(length) = length else { return Err(Outcome::NotRun("the query is too long".into())) };
        let [low, middle, high, _] = length.to_le_bytes();
        let packet = [&[low, middle, high, self.sequence], payload].concat();
        self.sequence = self.sequence.wrapping_add(1);
        self.link.send(&packet).await
    }

    /// Everything from the greeting to the server's OK.
    async fn login(&mut self, dialogue: &Dialogue, greeting: Greeting, private: bool) -> Result<(), Outcome> {
        let password = dialogue.password.reveal().as_bytes();
        let mut method = Method::of_name(&greeting.method).unwrap_or(Method::Native);
        let mut nonce = greeting.nonce;
        let proof = method.begin(password, &nonce, private)?;
        let response = wire::response(&dialogue.login, &proof, &dialogue.database, method.name(), private);
        self.send(&response).await?;
        for _ in 0..LOGIN_PACKETS {
            let packet = self.packet().await?;
            match wire::login_packet(&packet)? {
                Packet::Ok => return Ok(()),
                Packet::Switch { name, nonce: new } => {
                    method = Method::of_name(&name).ok_or_else(|| login::unknown(&name))?;
                    nonce = new;
                    let proof = method.begin(password, &nonce, private)?;
                    self.send(&proof).await?;
                }
                Packet::More(data) => match method.go_on(data, password, &nonce, private)? {
                    Answer::Wait => {}
                    Answer::Send(bytes) => self.send(&bytes).await?,
                },
            }
        }
        Err(Outcome::Garbled("a login that does not end".into()))
    }

    /// The first row; `None` if there is none.
    async fn query(&mut self, query: &str) -> Result<Option<Vec<u8>>, Outcome> {
        self.sequence = 0;
        self.send(&[&[wire::QUERY], query.as_bytes()].concat()).await?;
        if !wire::has_columns(&self.packet().await?)? {
            return Ok(None);
        }
        while !wire::is_end(&self.packet().await?)? {} // the columns, however many: the link has a limit
        let length = self.header().await?;
        let row = self.link.exactly(length.min(ROW_LIMIT)).await?;
        let ended = length <= ROW_LIMIT && wire::is_end(&row)?;
        Ok(if ended { None } else { Some(row) })
    }
}
